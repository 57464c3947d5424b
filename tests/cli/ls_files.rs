//! `git model ls-files`.

use crate::support::{Env, Repo, Tensor, noise, safetensors};

fn weights(seed: u64) -> Vec<u8> {
    let (a, b) = (noise(5000, seed), noise(10, 1));
    safetensors(&[
        Tensor { name: "a", dtype: "BF16", shape: &[5000], bytes: &a },
        Tensor { name: "b", dtype: "BF16", shape: &[10], bytes: &b },
    ])
}

fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

fn listed(repo: &Repo<'_>, args: &[&str]) -> String {
    repo.model(&[&["ls-files"], args].concat()).ok().text().to_owned()
}

#[test]
fn shows_what_is_tracked() {
    let env = Env::new();
    let repo = env.repo("repo");
    repo.add_raw("raw.bin", &noise(500, 4));
    repo.write("a b.safetensors", &weights(1));
    repo.write("dir/opaque.bin", &noise(500, 2));
    repo.write("notes.txt", b"text");
    repo.git(&["add", "a b.safetensors", "dir", "notes.txt"]).ok();
    repo.git(&["commit", "-q", "-m", "all"]).ok();
    let text = listed(&repo, &[]);
    let lines: Vec<_> = text.lines().map(cells).collect();
    assert_eq!(lines[0], ["a b.safetensors", "safetensors", "2", "10.2 kB"]);
    assert_eq!(lines[1], ["dir/opaque.bin", "opaque", "-", "1.0 kB"]);
    assert_eq!(lines[2], ["raw.bin", "raw", "-", "-"]);
    assert_eq!(lines.len(), 3);
    assert_eq!(listed(&repo, &["dir"]).lines().count(), 1);
    // From a folder, a path reads as one types it there.
    let in_dir = env.at("repo/dir").model(&["ls-files"]).ok();
    let paths: Vec<_> = in_dir.text().lines().map(|line| cells(line)[0]).collect();
    assert_eq!(paths, ["../a b.safetensors", "opaque.bin", "../raw.bin"]);
    assert_eq!(env.at("repo/dir").model(&["ls-files", "opaque.bin", "../raw.bin"]).ok().text().lines().count(), 2);
}

#[test]
fn long_tells_what_stands_in_the_work_tree() {
    let env = Env::new();
    let repo = env.repo("repo");
    for name in ["manifest", "missing", "modified", "whole"] {
        repo.write(&format!("{name}.safetensors"), &weights(1));
    }
    repo.commit("all");
    repo.write("manifest.safetensors", &repo.blob("HEAD", "manifest.safetensors"));
    std::fs::remove_file(repo.path("missing.safetensors")).expect("removed");
    repo.write("modified.safetensors", &weights(2));
    let blob = repo.git(&["rev-parse", "HEAD:whole.safetensors"]).ok().text().trim_end().to_owned();
    let text = listed(&repo, &["--long"]);
    for (line, (name, place)) in text.lines().zip([
        ("manifest", "manifest"),
        ("missing", "missing"),
        ("modified", "modified"),
        ("whole", "materialized"),
    ]) {
        let cells = cells(line);
        assert_eq!((cells[0], cells[5]), (&blob[..10], place), "{line}");
        assert_eq!(cells[1], format!("{name}.safetensors"));
    }
    let json: serde_json::Value = serde_json::from_str(&listed(&repo, &["--json", "whole.safetensors"])).expect("JSON");
    let expected = serde_json::json!([{
        "path": "whole.safetensors", "format": "safetensors", "tensors": 2, "size": weights(1).len(),
        "manifest": blob, "worktree": "materialized", "stored": true,
    }]);
    assert_eq!(json, expected);
}
