//! `git model diff --html`.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Env, Repo, Tensor, noise, safetensors};

/// A repository with two versions of a model in which there is each kind of change, the new one in the work tree.
fn repo(env: &Env) -> Repo<'_> {
    let (old, new, other, bias) = (noise(60, 1), noise(60, 2), noise(80, 3), noise(10, 4));
    let tensor = |name, shape, bytes| Tensor { name, dtype: "BF16", shape, bytes };
    let repo = env.repo("repo");
    let before = [
        tensor("model.layers.2.weight", &[6, 10], &old),
        tensor("model.layers.10.weight", &[6, 10], &old),
        tensor("model.layers.10.bias", &[10], &bias),
        tensor("model.embed.weight", &[6, 10], &old),
        tensor("old_name", &[80], &other),
        tensor("gone", &[10], &bias[..20]),
    ];
    repo.write("m.safetensors", &safetensors(&before));
    repo.commit("base <model>");
    let (rows, head) = ([&old[..], &new[..20]].concat(), noise(7, 5));
    let after = [
        tensor("model.layers.2.weight", &[6, 10], &new),
        tensor("model.layers.10.weight", &[6, 10], &new),
        tensor("model.layers.10.bias", &[10], &bias),
        tensor("model.embed.weight", &[7, 10], &rows),
        tensor("new_name", &[80], &other),
        tensor("head", &[7], &head),
    ];
    repo.write("m.safetensors", &safetensors(&after));
    repo
}

fn page(repo: &Repo<'_>, args: &[&str]) -> String {
    repo.model(&[&["diff", "--html", "-"], args].concat()).ok().text().to_owned()
}

/// The text of a page without its tags.
fn text(page: &str) -> String {
    page.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text)).collect()
}

#[test]
fn a_page_has_every_kind_of_change() {
    let env = Env::new();
    let page = page(&repo(&env), &["HEAD"]);
    let text = text(&page);
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">") && page.ends_with("</html>\n"));
    assert!(text.contains("3 of 4 tensors changed, 1 added, 1 removed, 1 renamed"), "{text}");
    assert!(text.contains("· 2026-01-02 · base &lt;model&gt;"), "the commit is told");
    assert!(page.contains("<title>m.safetensors: HEAD → work tree</title>"));
    for row in [
        "model.layers.2.weightBF16 [6,10] · changed",
        "model.embed.weightBF16 [6,10] → [7,10] · 1 row appended",
        "new_name was old_nameBF16 [80] · renamed",
        "+ headBF16 [7] · added",
        "− goneBF16 [10] · removed",
    ] {
        assert!(text.contains(row), "{row} in {text}");
    }
    let at = |what: &str| page.find(what).unwrap_or_else(|| panic!("{what}"));
    let row = |name: &str| at(&format!("<th scope=\"row\"><span>{name}</span>"));
    assert!(row("model.<wbr>layers.<wbr>2") < row("model.<wbr>layers.<wbr>10"), "layers are counted");
    // What is unchanged has a cell but no row.
    assert!(page.contains("<td><span class=\"same\" title=\"1 tensor unchanged\">=</span></td>"));
    assert_eq!(page.matches("<tr id=\"t").count(), 6);
    for foreign in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(foreign), "the page needs nothing else, and has `{foreign}`");
    }
}

#[test]
fn hostile_names_are_text() {
    let env = Env::new();
    let repo = env.repo("repo");
    let model = |seed| {
        let bytes = noise(10, seed);
        let name = r#"</table><script>alert('1')</script>\" onfocus=\"alert(1)&amp;"#;
        safetensors(&[Tensor { name, dtype: "BF16", shape: &[10], bytes: &bytes }])
    };
    let path = "<b>&\"'.safetensors";
    repo.write(path, &model(1));
    repo.commit("<i>subject</i>");
    repo.write(path, &model(2));
    let page = page(&repo, &["HEAD", path]);
    for tag in ["<script", "<b>&", "<i>", "\" onfocus", "&amp;amp;amp;"] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)"));
    assert!(page.contains("<h2>&lt;b&gt;&amp;&quot;&#39;.safetensors</h2>"));
}

#[test]
fn a_file_appears_all_at_once() {
    let env = Env::new();
    let repo = repo(&env);
    let outcome = repo.model(&["diff", "HEAD", "--html", "page.html"]).ok();
    let size = repo.read("page.html").len();
    assert_eq!(outcome.text(), "");
    assert_eq!(outcome.stderr, format!("wrote `page.html` ({:.1} kB)\n", size as f64 / 1000.0));
    // A link stays one, and what it points to keeps its permissions.
    std::fs::set_permissions(repo.path("page.html"), PermissionsExt::from_mode(0o640)).expect("set");
    std::os::unix::fs::symlink("page.html", repo.path("link.html")).expect("a link");
    repo.write("page.html", b"old");
    let outcome = repo.model(&["--quiet", "diff", "HEAD", "--html", "link.html"]).ok();
    assert_eq!(outcome.stderr, "");
    let metadata = std::fs::symlink_metadata(repo.path("page.html")).expect("there");
    assert_eq!((metadata.len(), metadata.permissions().mode() & 0o777), (size as u64, 0o640));
    assert!(repo.path("link.html").is_symlink());
    repo.model(&["diff", "HEAD", "--html", "/dev/null"]).ok();
    assert!(repo.leftovers().is_empty());
}

#[test]
fn what_cannot_be_written_is_told_and_touches_nothing() {
    let env = Env::new();
    let repo = repo(&env);
    for (path, why) in [("no/such/page.html", "No such file or directory"), (".git", "is a directory")] {
        let outcome = repo.model(&["diff", "HEAD", "--html", path]).fails_with(1);
        assert!(outcome.stderr.starts_with(&format!("error: cannot write `{path}`: ")), "{}", outcome.stderr);
        assert!(outcome.stderr.contains(why), "{}", outcome.stderr);
    }
    repo.model(&["diff", "HEAD", "--html", "no/such/page.html", "--exit-code"]).fails_with(128);
    repo.model(&["diff", "HEAD", "--html", "page.html", "--exit-code"]).fails_with(1);
    assert!(repo.path("page.html").exists());
}

#[test]
fn tensors_that_are_missing_are_named() {
    let env = Env::new();
    let repo = repo(&env);
    std::fs::remove_dir_all(repo.path(".git/model/packs")).expect("removed");
    let outcome = repo.model(&["diff", "HEAD", "--html", "page.html"]).fails_with(1);
    assert!(outcome.stderr.contains("cannot be told"), "{}", outcome.stderr);
    let page = String::from_utf8(repo.read("page.html")).expect("text");
    assert!(text(&page).contains("not to be read: "));
    assert!(page.contains("<a class=\"failed\" href=\"#t"));
}

#[test]
fn no_difference_is_a_page_too() {
    let env = Env::new();
    let repo = repo(&env);
    repo.commit("all");
    assert!(text(&page(&repo, &[])).contains("No model differs."));
}
