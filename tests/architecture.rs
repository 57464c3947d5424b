//! The code keeps to the tables of `docs/ARCHITECTURE.md`, and the tables to the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What pure code must not name.
const EFFECTS: [&str; 4] = ["std::fs", "std::process", "std::net", "std::env"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table between `<!-- name -->` and `<!-- /name -->`, without its two head lines.
fn table(name: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("the page");
    let (_, rest) = page.split_once(&format!("<!-- {name} -->")).expect("the table's start");
    let (table, _) = rest.split_once(&format!("<!-- /{name} -->")).expect("the table's end");
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with('|')).skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "the table `{name}` has rows");
    rows
}

fn cells(row: &str) -> Vec<String> {
    row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The words of a cell that stand between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// A file of `src`: its path from the top, with `/`, and its code without comments.
struct File {
    path: String,
    code: String,
}

impl File {
    /// The top-level module it belongs to; `None` for `main.rs` and `lib.rs`.
    fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        let module = path.split('/').next()?;
        (!matches!(module, "main" | "lib")).then_some(module)
    }

    /// How many modules lie between it and the crate: 1 for `src/id.rs` and `src/git/mod.rs`.
    fn depth(&self) -> usize {
        self.path.matches('/').count() - usize::from(self.path.ends_with("/mod.rs"))
    }

    /// The code before the tests at its end.
    fn untested(&self) -> &str {
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

fn sources() -> Vec<File> {
    fn visit(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                visit(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    visit(&root().join("src"), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let code = std::fs::read_to_string(&path).expect("readable");
        let path = path.strip_prefix(root()).expect("below the top").to_str().expect("a plain path").replace('\\', "/");
        File { path, code: without_comments(&code) }
    };
    paths.into_iter().map(read).collect()
}

fn without_comments(code: &str) -> String {
    code.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

/// Where `name` stands in `code` as a word of its own.
fn words<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(name).map(|(at, _)| at).filter(move |&at| {
        let (before, after) = (code[..at].chars().next_back(), code[at + name.len()..].chars().next());
        let starts = !name.starts_with(is_word) || !before.is_some_and(is_word);
        let ends = !name.ends_with(is_word) || !after.is_some_and(is_word);
        starts && ends
    })
}

/// The modules named by `crate::x` and `use crate::{x, y::z}`.
fn arrows(code: &str) -> BTreeSet<String> {
    let ident = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut modules = BTreeSet::new();
    for at in words(code, "crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            modules.insert(ident(rest));
            continue;
        };
        let (mut depth, mut item) = (0, String::new());
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    modules.insert(ident(item.trim()));
                    item.clear();
                    if c == '}' {
                        break;
                    }
                }
                _ if depth == 0 => item.push(c),
                _ => {}
            }
        }
    }
    modules.remove("");
    modules
}

struct Row {
    layer: u32,
    uses: BTreeSet<String>,
}

fn modules() -> BTreeMap<String, Row> {
    table("modules")
        .into_iter()
        .map(|cells| {
            let layer = cells[0].parse().expect("a layer's number");
            (quoted(&cells[1]).remove(0), Row { layer, uses: quoted(&cells[2]).into_iter().collect() })
        })
        .collect()
}

#[test]
fn the_page_has_the_modules_and_arrows_of_the_code() {
    let mut code: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in sources() {
        if let Some(module) = file.module() {
            let uses = code.entry(module.to_owned()).or_default();
            uses.extend(arrows(file.untested()).into_iter().filter(|used| used != module));
        }
    }
    let page: BTreeMap<_, _> = modules().into_iter().map(|(module, row)| (module, row.uses)).collect();
    for (module, uses) in &code {
        let row: Vec<_> = uses.iter().map(|used| format!("`{used}`")).collect();
        assert_eq!(page.get(module), Some(uses), "docs/ARCHITECTURE.md: `{module}` uses {}", row.join(", "));
    }
    let gone: Vec<_> = page.keys().filter(|module| !code.contains_key(*module)).collect();
    assert!(gone.is_empty(), "docs/ARCHITECTURE.md has modules that the code has not: {gone:?}");
}

#[test]
fn arrows_point_down() {
    let modules = modules();
    let exceptions: Vec<(String, String)> = table("exceptions")
        .iter()
        .map(|cells| match &quoted(&cells[0])[..] {
            [from, to] => (from.clone(), to.clone()),
            _ => panic!("an exception is an arrow from one module to another: {cells:?}"),
        })
        .collect();
    for (from, row) in &modules {
        for to in &row.uses {
            let target = modules.get(to).unwrap_or_else(|| panic!("`{from}` uses `{to}`, which has no row"));
            let excepted = exceptions.contains(&(from.clone(), to.clone()));
            assert!(row.layer < target.layer || excepted, "`{from}` → `{to}` does not point down");
        }
    }
    for (from, to) in &exceptions {
        let used = modules.get(from).is_some_and(|row| row.uses.contains(to));
        assert!(used, "the exception `{from}` → `{to}` is not needed any more");
    }
}

/// Else `super::` would be an arrow that the tests above do not see.
#[test]
fn no_path_climbs_to_the_crate() {
    for file in sources() {
        let depth = file.depth();
        let climb = "super::".repeat(depth.max(1));
        assert!(file.module().is_none() || !file.untested().contains(&climb), "{}: {climb}", file.path);
    }
}

#[test]
fn main_runs_the_command_line_and_nothing_else() {
    let main = sources().into_iter().find(|file| file.path == "src/main.rs").expect("main.rs");
    for at in words(&main.code, "git_model::") {
        assert!(main.code[at..].starts_with("git_model::cli::main("), "src/main.rs uses more than `cli::main`");
    }
    assert!(arrows(&main.code).is_empty());
}

#[test]
fn names_stand_only_where_they_may() {
    let sources = sources();
    for cells in table("names") {
        let (name, places) = (quoted(&cells[0]).remove(0), quoted(&cells[1]));
        for file in sources.iter().filter(|file| !places.iter().any(|place| file.path.starts_with(place))) {
            assert!(words(&file.code, &name).next().is_none(), "{}: `{name}` stands only in {places:?}", file.path);
        }
    }
}

#[test]
fn pure_code_has_no_effects() {
    let pure: Vec<String> = table("pure").iter().map(|cells| quoted(&cells[0]).remove(0)).collect();
    let is_pure = |path: &str| {
        pure.iter().any(|pattern| match pattern.strip_prefix("**") {
            Some(name) => path.ends_with(name),
            None => path.starts_with(pattern.as_str()),
        })
    };
    let mut seen = 0;
    for file in sources().iter().filter(|file| is_pure(&file.path)) {
        seen += 1;
        assert!(!file.code.contains("use std::{"), "{}: one `use` for each module of std", file.path);
        for effect in EFFECTS {
            assert!(words(&file.code, effect).next().is_none(), "{}: {effect}", file.path);
        }
    }
    assert!(seen > 10, "pure files are found");
}

#[test]
fn arrows_are_found_in_all_their_forms() {
    let code = "use crate::id::ObjectId;\nuse crate::{git::{self, Repo}, store};\nfn f(x: crate::tensor::Dtype) {}\n\
                // crate::ui is a comment\nlet s = mycrate::no;\n";
    let found: Vec<_> = arrows(&without_comments(code)).into_iter().collect();
    assert_eq!(found, ["git", "id", "store", "tensor"]);
}

#[test]
fn words_are_whole_words() {
    assert_eq!(words("unsafe { unsafe_code }", "unsafe").count(), 1);
    assert_eq!(words("eprintln!(); println!()", "println!").count(), 1);
    assert_eq!(words("use std::fs;\nstd::fs::read", "std::fs").count(), 2);
    assert_eq!(words("let std::fsx = 1", "std::fs").count(), 0);
}
