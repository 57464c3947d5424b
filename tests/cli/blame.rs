//! `git model blame`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{Env, Outcome, Repo, Tensor, noise, safetensors};

/// A file of tensors with these names, each with bytes that its seed decides.
fn weights(tensors: &[(&str, u64)]) -> Vec<u8> {
    let bytes: Vec<_> = tensors.iter().map(|&(_, seed)| noise(8, seed)).collect();
    let tensors: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|(&(name, _), bytes)| Tensor { name, dtype: "BF16", shape: &[2, 4], bytes })
        .collect();
    safetensors(&tensors)
}

/// The lines a manifest has for such tensors, without the store: what `weights` is cleaned to, but for the header.
fn manifest(tensors: &[(String, u64)]) -> Vec<u8> {
    let zeros = "0".repeat(64);
    let size = 1 << 20;
    let mut text = format!("{{\"git-model\":1,\"format\":\"safetensors\",\"size\":{size},\"skeleton\":\"{zeros}\"}}\n");
    for (name, seed) in tensors {
        text += &format!("\n{{\"name\":\"{name}\",\"dtype\":\"BF16\",\"shape\":[2,4],\"sha256\":\"{seed:064x}\"}}\n");
    }
    text.into_bytes()
}

const MODEL: &str = "m.safetensors";

impl Repo<'_> {
    /// Commits this version of the model; its name.
    fn version(&self, tensors: &[(&str, u64)], message: &str) -> String {
        self.write(MODEL, &weights(tensors));
        self.commit(message);
        self.name_of("HEAD")
    }

    fn name_of(&self, revision: &str) -> String {
        self.git(&["rev-parse", revision]).ok().text().trim().to_owned()
    }

    fn blame(&self, args: &[&str]) -> Outcome {
        self.model(&[&["blame"], args].concat())
    }

    fn blame_json(&self, args: &[&str]) -> Value {
        serde_json::from_str(self.blame(&[&["--json"], args].concat()).ok().text()).expect("JSON")
    }

    /// Tensor to commit; `None` for what is not committed.
    fn origins(&self, args: &[&str]) -> BTreeMap<String, Option<String>> {
        let json = self.blame_json(args);
        let tensors = json["tensors"].as_array().expect("tensors");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        tensors.iter().map(|tensor| (text(&tensor["name"]).expect("a name"), text(&tensor["commit"]))).collect()
    }

    #[track_caller]
    fn assert_origins(&self, args: &[&str], expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(name, commit)| ((*name).to_owned(), Some((*commit).to_owned()))).collect();
        assert_eq!(self.origins(args), expected);
    }
}

fn tensor<'j>(json: &'j Value, name: &str) -> &'j Value {
    json["tensors"].as_array().expect("tensors").iter().find(|tensor| tensor["name"] == name).expect("the tensor")
}

#[test]
fn a_line_for_each_tensor() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("a", 1), ("b", 1), ("long.name", 1)], "first");
    let second = repo.version(&[("a", 1), ("b", 2), ("long.name", 1)], "second");
    let text = repo.blame(&[MODEL]).ok();
    let line = |id: &str, rest: &str| format!("{}  Test  2026-01-02  {rest}  BF16  [2,4]\n", &id[..8]);
    let expected = line(&first, "a        ") + &line(&second, "b        ") + &line(&first, "long.name");
    assert_eq!(text.text(), expected);
    assert_eq!(text.stderr, "");

    repo.assert_origins(&["HEAD^", "--", MODEL], &[("a", &first), ("b", &first), ("long.name", &first)]);
    repo.assert_origins(&["HEAD", MODEL, "b", "l*e"], &[("b", &second), ("long.name", &first)]);
    let json = repo.blame_json(&[MODEL]);
    assert_eq!(json["path"], MODEL);
    assert_eq!(json["commits"][&second]["summary"], "second");
    assert_eq!(json["commits"][&second]["author"], "Test");
    assert_eq!(json["commits"][&second]["email"], "test@example.org");
    let b = tensor(&json, "b");
    assert_eq!((&b["dtype"], &b["shape"]), (&Value::from("BF16"), &serde_json::json!([2, 4])));
    assert_eq!(b["sha256"].as_str().expect("text").len(), 64);
    assert!(b["boundary"].is_null() && b["renamed_from"].is_null());

    let incremental = repo.blame(&["--incremental", MODEL]).ok();
    assert_eq!(incremental.text(), format!("{second}\tb\n{first}\ta\n{first}\tlong.name\n"));
}

#[test]
fn a_value_that_comes_back_is_of_the_commit_that_brought_it_back() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("a", 1), ("b", 1)], "first");
    repo.version(&[("a", 2), ("b", 1)], "second");
    let third = repo.version(&[("a", 1), ("b", 1)], "third");
    repo.assert_origins(&[MODEL], &[("a", &third), ("b", &first)]);
}

#[test]
fn a_moved_tensor_is_the_same_and_a_reshaped_one_is_not() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("a", 1), ("b", 2), ("c", 3)], "first");
    let second = repo.version(&[("c", 3), ("new", 4), ("a", 1), ("b", 2)], "second");
    repo.assert_origins(&[MODEL], &[("a", &first), ("b", &first), ("c", &first), ("new", &second)]);
    let text = String::from_utf8(repo.blob("HEAD", MODEL)).expect("text");
    let reshaped = text.replacen("[2,4]", "[4,2]", 1).replacen(
        "\"}\n\n{\"name\":\"a\"",
        "\",\"health\":{}}\n\n{\"name\":\"a\"",
        1,
    );
    assert_ne!(reshaped.matches("health").count(), 0);
    repo.write(MODEL, reshaped.as_bytes());
    repo.commit("third");
    let third = repo.name_of("HEAD");
    // A claim about a tensor is no change of it.
    repo.assert_origins(&[MODEL], &[("a", &first), ("b", &first), ("c", &third), ("new", &second)]);
}

#[test]
fn renames_of_files_are_followed_and_of_tensors_noted() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("a", 1), ("b", 1), ("c", 1), ("d", 1)], "first");
    repo.git(&["mv", MODEL, "n.safetensors"]).ok();
    // Staged only: found already.
    repo.assert_origins(&["n.safetensors"], &[("a", &first), ("b", &first), ("c", &first), ("d", &first)]);
    repo.write("n.safetensors", &weights(&[("a", 1), ("b", 2), ("c", 1), ("d", 1)]));
    repo.commit("renamed and changed");
    let second = repo.name_of("HEAD");
    let json = repo.blame_json(&["n.safetensors"]);
    assert_eq!((&tensor(&json, "a")["commit"], &tensor(&json, "a")["path"]), (&first.clone().into(), &MODEL.into()));
    assert_eq!(tensor(&json, "b")["commit"], second);

    repo.write("n.safetensors", &weights(&[("a", 1), ("b", 2), ("x", 1), ("d", 5)]));
    repo.commit("tensor renamed");
    let third = repo.name_of("HEAD");
    let json = repo.blame_json(&["n.safetensors"]);
    let x = tensor(&json, "x");
    assert_eq!((&x["commit"], &x["renamed_from"]), (&third.clone().into(), &"c".into()));
    assert!(tensor(&json, "d")["renamed_from"].is_null());
    assert!(repo.blame(&["n.safetensors"]).ok().text().contains("x  BF16  [2,4]  (renamed from c)\n"));
}

#[test]
fn what_was_raw_before_ends_at_a_boundary() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.add_raw(MODEL, &weights(&[("a", 1), ("b", 1)]));
    repo.git(&["commit", "-q", "-m", "raw"]).ok();
    let tracked = repo.version(&[("a", 1), ("b", 1)], "tracked");
    let changed = repo.version(&[("a", 1), ("b", 2)], "changed");
    repo.assert_origins(&["HEAD", "--", MODEL], &[("a", &tracked), ("b", &changed)]);
    let json = repo.blame_json(&[MODEL]);
    assert_eq!(tensor(&json, "a")["boundary"], "untracked");
    assert!(tensor(&json, "b")["boundary"].is_null());
    let text = repo.blame(&[MODEL]).ok();
    assert!(text.text().starts_with(&format!("^{}  Test", &tracked[..7])), "{}", text.text());
    assert!(repo.blame(&["--incremental", MODEL]).ok().text().contains(&format!("^{tracked}\ta\n")));
}

#[test]
fn a_shallow_clone_ends_at_a_boundary() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.version(&[("a", 1), ("b", 1)], "first");
    let second = repo.version(&[("a", 1), ("b", 2)], "second");
    let third = repo.version(&[("a", 3), ("b", 2)], "third");
    let url = format!("file://{}", repo.dir.display());
    env.git(&["clone", "-q", "--no-checkout", "--depth", "2", &url, "shallow"]);
    let clone = env.at("shallow");
    clone.assert_origins(&["HEAD", "--", MODEL], &[("a", &third), ("b", &second)]);
    let json = clone.blame_json(&["HEAD", "--", MODEL]);
    assert_eq!(tensor(&json, "b")["boundary"], "shallow");
    assert!(tensor(&json, "a")["boundary"].is_null());
    assert!(repo.blame_json(&["HEAD", "--", MODEL])["tensors"][1]["boundary"].is_null());
}

#[test]
fn what_is_staged_is_not_committed_yet() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("a", 1), ("b", 1)], "first");
    repo.write(MODEL, &weights(&[("a", 1), ("b", 2)]));
    repo.assert_origins(&[MODEL], &[("a", &first), ("b", &first)]);
    repo.git(&["add", MODEL]).ok();
    let origins = repo.origins(&[MODEL]);
    assert_eq!((&origins["a"], &origins["b"]), (&Some(first.clone()), &None));
    let text = repo.blame(&[MODEL]).ok();
    assert!(text.text().ends_with("00000000  Not Committed Yet  -           b  BF16  [2,4]\n"), "{}", text.text());
    repo.assert_origins(&["HEAD", MODEL], &[("a", &first), ("b", &first)]);
}

#[test]
fn by_commit() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.version(&[("l.0.w", 1), ("l.1.w", 1), ("l.2.w", 1), ("head", 1)], "first");
    let second = repo.version(&[("l.0.w", 1), ("l.1.w", 1), ("l.2.w", 2), ("head", 2)], "second");
    let expected = format!(
        "{}  Test  2026-01-02  2 tensors  32 B  second\n    l.2.w\n    head\n\
         {}  Test  2026-01-02  2 tensors  32 B  first\n    l.{{0,1}}.w\n",
        &second[..8],
        &first[..8]
    );
    assert_eq!(repo.blame(&["--by-commit", MODEL]).ok().text(), expected);
    let json = repo.blame_json(&["--by-commit", MODEL]);
    let commit = &json["commits"][0];
    assert_eq!(
        (&commit["commit"], &commit["bytes"], &commit["tensors"], &commit["summary"]),
        (&second.into(), &32.into(), &serde_json::json!(["l.2.w", "head"]), &"second".into())
    );
}

#[test]
fn from_a_folder_and_in_a_bare_repository() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.write("dir/m.safetensors", &weights(&[("a", 1)]));
    repo.commit("first");
    let first = repo.name_of("HEAD");
    for path in ["m.safetensors", "../dir/./m.safetensors"] {
        env.at("repo/dir").assert_origins(&[path], &[("a", &first)]);
    }
    env.git(&["clone", "-q", "--bare", "repo", "bare.git"]);
    env.at("bare.git").assert_origins(&["HEAD", "--", "dir/m.safetensors"], &[("a", &first)]);
}

#[test]
fn says_what_is_wrong() {
    let env = Env::new();
    let repo = env.repo("repo");
    let refused = repo.blame(&[MODEL]).fails_with(1);
    assert_eq!(refused.stderr, "error: there are no commits yet\nhint: run `git commit` first\n");
    repo.version(&[("a", 1)], "first");
    repo.add_raw("raw.bin", &noise(50, 1));
    repo.write("opaque.bin", &noise(50, 1));
    repo.write("HEAD", b"a file\n");
    repo.git(&["add", "opaque.bin"]).ok();
    repo.git(&["commit", "-q", "-m", "others"]).ok();
    let cases: [(&[&str], i32, &str, &str); 9] = [
        (&["nowhere", "--", MODEL], 1, "no such revision `nowhere`", "git log --oneline --all"),
        (&["nowhere", MODEL], 1, "no such revision `nowhere`", "put `--` before a path"),
        (&["HEAD", "--", "gone.bin"], 1, "`gone.bin` is not in `HEAD`", "git model ls-files"),
        (&["gone.bin"], 1, "`gone.bin` is not in `HEAD`", "git model ls-files"),
        (&["raw.bin"], 1, "`raw.bin` at `HEAD`: git has it as it is, not as a manifest", "git model track"),
        (&["opaque.bin"], 1, "`opaque.bin` at `HEAD`: it is stored as one piece", "git log -- opaque.bin"),
        (&["--", MODEL, "z*"], 1, "no tensor of `m.safetensors` has a name like that", "quote patterns"),
        (&["HEAD", MODEL], 2, "`HEAD` is a revision and a path", "put `--`"),
        (&["--", MODEL, "a["], 2, "`a[` is no pattern", ""),
    ];
    for (args, code, message, hint) in cases {
        let refused = repo.blame(args).fails_with(code);
        assert!(refused.stderr.starts_with(&format!("error: {message}")), "{args:?}: {}", refused.stderr);
        assert!(refused.stderr.contains(hint), "{args:?}: {}", refused.stderr);
        assert_eq!(refused.text(), "");
    }
    repo.blame(&[]).fails_with(2);
    repo.blame(&["HEAD", "HEAD", "--", MODEL]).fails_with(2);
}

/// Tensors with the numbers that stand for their bytes.
type Version = Vec<(String, u64)>;

/// A history as `git fast-import` takes it: for each commit its parents and its version of the model.
struct Graph {
    commits: Vec<(Vec<usize>, Version)>,
}

impl Graph {
    /// Each version changes, adds, drops or moves some tensors of a parent's; a merge takes each from either side.
    fn random(seed: u64, commits: usize, is_linear: bool) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = move |limit: usize| {
            // xorshift64 (Marsaglia 2003)
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ((state >> 20) % limit as u64) as usize
        };
        let mut graph = Self { commits: vec![(Vec::new(), (0..12).map(|name| (format!("t.{name}"), 0)).collect())] };
        for number in 1..commits {
            let recent = |at: usize| number - 1 - at.min(number - 1);
            let first = if is_linear { number - 1 } else { recent(below(3)) };
            let mut parents = vec![first];
            let mut version = graph.commits[first].1.clone();
            if !is_linear && below(3) == 0 {
                let second = recent(below(4));
                if second != first {
                    parents.push(second);
                    for (name, value) in &graph.commits[second].1 {
                        match version.iter_mut().find(|(other, _)| other == name) {
                            Some(mine) if below(2) == 0 => mine.1 = *value,
                            None if below(2) == 0 => version.push((name.clone(), *value)),
                            _ => {}
                        }
                    }
                }
            }
            for step in 0..below(4) {
                let at = below(version.len());
                match below(if is_linear { 6 } else { 8 }) {
                    0 => version.insert(at, (format!("n.{number}.{step}"), 0)),
                    1 if version.len() > 4 => drop(version.remove(at)),
                    // Few values, so that they come back.
                    2..6 => version[at].1 = below(4) as u64,
                    _ => {
                        let tensor = version.remove(at);
                        version.push(tensor);
                    }
                }
            }
            graph.commits.push((parents, version));
        }
        graph
    }

    fn import(&self, repo: &Repo<'_>, are_clocks_wrong: bool) {
        let mut stream = Vec::new();
        for (number, (parents, version)) in self.commits.iter().enumerate() {
            let time = 1_700_000_000 + if are_clocks_wrong { (number * 7919) % 1000 } else { number };
            stream.extend(
                format!("commit refs/heads/main\nmark :{}\ncommitter T <t@e> {time} +0000\n", number + 1).bytes(),
            );
            stream.extend(b"data 0\n");
            for (at, parent) in parents.iter().enumerate() {
                let word = if at == 0 { "from" } else { "merge" };
                stream.extend(format!("{word} :{}\n", parent + 1).bytes());
            }
            let text = manifest(version);
            stream.extend(format!("M 100644 inline {MODEL}\ndata {}\n", text.len()).bytes());
            stream.extend(text);
            stream.push(b'\n');
        }
        repo.git_reading(&stream, &["fast-import", "--quiet", "--force", "--export-marks=marks"]).ok();
    }

    /// The commits' names, by their numbers.
    fn names(&self, repo: &Repo<'_>) -> Vec<String> {
        let marks = String::from_utf8(repo.read("marks")).expect("text");
        let marks: BTreeMap<usize, String> = marks
            .lines()
            .filter_map(|line| line.strip_prefix(':')?.split_once(' '))
            .map(|(mark, name)| (mark.parse().expect("a number"), name.to_owned()))
            .collect();
        marks.into_values().collect()
    }

    fn value(&self, commit: usize, tensor: &str) -> Option<u64> {
        self.commits[commit].1.iter().find(|(name, _)| name == tensor).map(|(_, value)| *value)
    }

    /// The definition: the first parent whose file is the same, else the first that has the record, else this commit.
    fn origin(&self, commit: usize, tensor: &str) -> usize {
        let (parents, version) = &self.commits[commit];
        let same_file = parents.iter().find(|&&parent| self.commits[parent].1 == *version);
        let has_it = |parent: &&usize| self.value(**parent, tensor) == self.value(commit, tensor);
        match same_file.or_else(|| parents.iter().find(has_it)) {
            Some(&parent) => self.origin(parent, tensor),
            None => commit,
        }
    }
}

#[test]
fn merges_are_followed_as_defined() {
    let env = Env::new();
    for seed in 0..12 {
        let graph = Graph::random(seed, 40, false);
        let merges = graph.commits.iter().filter(|(parents, _)| parents.len() > 1).count();
        assert!(merges > 3, "seed {seed} has {merges} merges");
        let repo = env.repo(&format!("repo{seed}"));
        graph.import(&repo, seed % 3 == 2);
        if seed % 2 == 1 {
            repo.git(&["gc", "-q"]).ok();
        }
        let names = graph.names(&repo);
        let last = names.len() - 1;
        let expected =
            graph.commits[last].1.iter().map(|(name, _)| (name.clone(), Some(names[graph.origin(last, name)].clone())));
        assert_eq!(repo.origins(&["main", "--", MODEL]), expected.collect(), "seed {seed}");
    }
}

#[test]
fn on_a_line_it_is_what_git_blame_says() {
    let env = Env::new();
    for seed in 100..106 {
        let graph = Graph::random(seed, 40, true);
        let repo = env.repo(&format!("repo{seed}"));
        graph.import(&repo, false);
        let blamed = repo.git(&["blame", "--line-porcelain", "main", "--", MODEL]).ok();
        let mut expected = BTreeMap::new();
        let mut commit = "";
        for line in blamed.text().lines() {
            match line.strip_prefix('\t') {
                None if line.split(' ').next().is_some_and(|word| word.len() == 40) => commit = &line[..40],
                Some(record) if record.contains("\"name\"") => {
                    let record: Value = serde_json::from_str(record).expect("a record");
                    expected.insert(record["name"].as_str().expect("a name").to_owned(), Some(commit.to_owned()));
                }
                _ => {}
            }
        }
        assert_eq!(repo.origins(&["main", "--", MODEL]), expected, "seed {seed}");
    }
}

#[test]
fn reads_loose_packed_and_borrowed_texts_alike() {
    let env = Env::new();
    let repo = env.repo("repo");
    let graph = Graph::random(7, 60, false);
    graph.import(&repo, false);
    // Fast-import unpacks what is little; then packed as git likes, and packed anew with everything in one chain.
    let loose = repo.origins(&["main", "--", MODEL]);
    repo.git(&["repack", "-q", "-a", "-d", "-f", "--depth=50"]).ok();
    assert!(repo.git(&["verify-pack", "-v", "--stat-only", &pack_of(&repo)]).ok().text().contains("chain length = "));
    assert_eq!(repo.origins(&["main", "--", MODEL]), loose);
    env.git(&["clone", "-q", "--bare", "--shared", "repo", "borrower.git"]);
    assert_eq!(env.at("borrower.git").origins(&["main", "--", MODEL]), loose);
}

fn pack_of(repo: &Repo<'_>) -> String {
    let packs = std::fs::read_dir(repo.path(".git/objects/pack")).expect("a folder");
    let mut packs = packs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "idx"));
    packs.next().expect("a pack").to_str().expect("a plain path").to_owned()
}

/// Enough for a manifest that is worth a delta.
const MANY: usize = 600;
const LOG: &str = ".git/model/cache/manifest-deltas";

impl Repo<'_> {
    /// Commits a model of many tensors of which these have new bytes; its name.
    fn large_version(&self, changed: &[(usize, u64)], message: &str) -> String {
        self.write_large(changed);
        self.commit(message);
        self.name_of("HEAD")
    }

    fn write_large(&self, changed: &[(usize, u64)]) {
        let names: Vec<String> = (0..MANY).map(|at| format!("layers.{at}.weight")).collect();
        let seed = |at: usize| changed.iter().rev().find(|(changed, _)| *changed == at).map_or(0, |(_, seed)| *seed);
        let tensors: Vec<_> = names.iter().enumerate().map(|(at, name)| (&**name, seed(at))).collect();
        self.write(MODEL, &weights(&tensors));
    }

    /// Takes the loose object away that git has for the model at `revision`.
    fn lose(&self, revision: &str) {
        let id = self.name_of(&format!("{revision}:{MODEL}"));
        std::fs::remove_file(self.path(&format!(".git/objects/{}/{}", &id[..2], &id[2..]))).expect("a loose object");
    }

    /// The commits of these tensors; all others are of `rest`.
    #[track_caller]
    fn assert_large_origins(&self, expected: &[(usize, &str)], rest: &str) {
        let origins = self.origins(&["HEAD", "--", MODEL]);
        assert_eq!(origins.len(), MANY);
        for at in 0..MANY {
            let commit = expected.iter().find(|(tensor, _)| *tensor == at).map_or(rest, |(_, commit)| commit);
            assert_eq!(origins[&format!("layers.{at}.weight")].as_deref(), Some(commit), "{at}");
        }
    }
}

#[test]
fn the_log_of_deltas_changes_no_answer() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.large_version(&[], "first");
    let second = repo.large_version(&[(3, 1), (4, 1), (599, 1)], "second");
    let third = repo.large_version(&[(3, 2), (4, 1), (599, 1), (77, 1)], "third");
    // As it was once before.
    let fourth = repo.large_version(&[(4, 1), (599, 1), (77, 1)], "fourth");
    let check = || repo.assert_large_origins(&[(3, &*fourth), (4, &*second), (599, &*second), (77, &*third)], &first);
    check();
    let log = repo.read(LOG);
    // Far less than one manifest.
    assert!(log.len() < repo.blob("HEAD", MODEL).len() / 50, "{}", log.len());
    // Git asks for the file again and again; what is known is not written again.
    repo.write_large(&[(5, 5)]);
    repo.git(&["diff", "--quiet"]).fails_with(1);
    let longer = repo.read(LOG);
    repo.git(&["diff", "--quiet"]).fails_with(1);
    assert!(longer.len() > log.len() && repo.read(LOG) == longer);
    repo.model(&["gc"]).ok();
    repo.model(&["fsck"]).ok();
    assert!(repo.read(LOG) == longer);

    let mut damaged = log.clone();
    (0..log.len()).step_by(90).for_each(|at| damaged[at] ^= 0x10);
    let half = log.len() / 2;
    for bytes in [&[][..], &log[..half], &log[half..], &damaged, &[&log[..half], &log].concat(), &noise(5000, 1)] {
        repo.write(LOG, bytes);
        check();
    }
    std::fs::remove_dir_all(repo.path(".git/model/cache")).expect("removed");
    check();
}

#[test]
fn what_the_log_can_make_is_not_read() {
    let env = Env::new();
    for (name, format) in [("short", "sha1"), ("long", "sha256")] {
        env.git(&["init", "-q", &format!("--object-format={format}"), name]);
        let repo = env.at(name);
        repo.write(".gitattributes", b"*.safetensors filter=model\n");
        let first = repo.large_version(&[], "first");
        let second = repo.large_version(&[(3, 1)], "second");
        // Added twice, then amended: the way leads over versions that are in no history.
        repo.write_large(&[(3, 1), (4, 1)]);
        repo.git(&["add", "-A"]).ok();
        repo.large_version(&[(3, 1), (4, 2)], "third");
        repo.write_large(&[(3, 1), (4, 3)]);
        repo.git(&["commit", "-q", "-a", "--amend", "-m", "third, amended"]).ok();
        let third = repo.name_of("HEAD");
        env.at(name).git(&["worktree", "add", "-q", "-b", "linked", &format!("../{name}-linked")]).ok();
        let linked = env.at(&format!("{name}-linked"));
        let fourth = linked.large_version(&[(3, 1), (4, 3), (5, 1)], "fourth");
        for revision in ["linked~3", "linked~2", "linked~1"] {
            repo.lose(revision);
        }
        linked.assert_large_origins(&[(3, &*second), (4, &*third), (5, &*fourth)], &first);
        std::fs::remove_file(repo.path(LOG)).expect("removed");
        linked.blame(&["HEAD", "--", MODEL]).fails_with(1);
    }
}

#[test]
fn the_log_leads_from_a_merge_to_both_sides() {
    let env = Env::new();
    env.configure("merge.model.driver", "git-model merge-driver %O %A %B %L %P %S %X %Y");
    let repo = env.repo("repo");
    let base = repo.large_version(&[], "base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    let theirs = repo.large_version(&[(3, 1)], "theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    let ours = repo.large_version(&[(500, 1)], "ours");
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    for revision in ["HEAD^1", "HEAD^2", "HEAD~2"] {
        repo.lose(revision);
    }
    repo.assert_large_origins(&[(3, &*theirs), (500, &*ours)], &base);
}

#[test]
fn a_log_that_cannot_be_written_is_no_matter() {
    let env = Env::new();
    let repo = env.repo("repo");
    let first = repo.large_version(&[], "first");
    repo.write(".git/model/cache", b"in the way");
    repo.write_large(&[(3, 1)]);
    assert_eq!(repo.git(&["add", "-A"]).ok().stderr, "");
    repo.git(&["commit", "-q", "-m", "second"]).ok();
    repo.assert_large_origins(&[(3, &*repo.name_of("HEAD"))], &first);
}
