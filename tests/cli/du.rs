//! `git model du`.

use serde_json::Value;

use crate::support::{Env, Repo, model};

fn json(repo: &Repo<'_>, args: &[&str]) -> Value {
    let out = repo.model(&[&["du", "--json"], args].concat()).ok();
    serde_json::from_slice(&out.stdout).expect("JSON")
}

#[track_caller]
fn assert_adds_up(sizes: &Value) {
    let number = |key: &str| sizes[key].as_i64().unwrap_or_else(|| panic!("{key} of {sizes}"));
    let parts = ["stored", "saved_by_dedup", "saved_by_compression", "saved_by_deltas", "missing"];
    assert_eq!(number("logical"), parts.iter().map(|key| number(key)).sum::<i64>(), "{sizes}");
}

#[test]
fn logical_is_stored_and_all_that_is_saved() {
    let env = Env::new();
    let repo = env.repo("repo").versions(3);
    repo.write("sub/copy.safetensors", &model(3));
    repo.commit("a copy");
    repo.write("m.safetensors", &model(4));
    repo.git(&["add", "-A"]).ok();
    let all = json(&repo, &[]);
    let size = model(1).len() as u64;
    let of = |at: usize, key: &str| all["models"][at][key].clone();
    assert_eq!((of(0, "path"), of(0, "logical")), ("m.safetensors".into(), (3 * size).into()));
    assert_eq!((of(1, "path"), of(1, "stored")), ("sub/copy.safetensors".into(), 0.into()));
    assert_eq!(all["uncommitted"]["logical"], size);
    assert_eq!(all["total"]["logical"], 5 * size);
    let versions = all["models"][0]["versions"].as_array().expect("versions");
    assert_eq!(
        versions.iter().map(|version| &version["subject"]).collect::<Vec<_>>(),
        ["version 1", "version 2", "version 3"]
    );
    assert!(versions[1]["saved_by_dedup"].as_i64() > Some(100), "the bias is the same");
    for sizes in all["models"].as_array().expect("models").iter().chain(versions) {
        assert_adds_up(sizes);
    }
    assert_adds_up(&all["uncommitted"]);
    assert_adds_up(&all["total"]);
    assert_eq!(all["unneeded"], 0);
    let packs = std::fs::read_dir(repo.path(".git/model/packs")).expect("packs");
    let on_disk: u64 = packs.map(|pack| pack.expect("a pack").metadata().expect("a pack").len()).sum();
    let number = |value: &Value| value.as_u64().expect("a number");
    assert_eq!(number(&all["total"]["stored"]) + number(&all["indexes"]), on_disk);

    // What is not wanted any more.
    repo.git(&["reset", "-q", "--hard"]).ok();
    let after = json(&repo, &[]);
    assert_eq!(after["unneeded"], all["uncommitted"]["stored"]);
    assert_eq!(json(&repo, &["sub"])["models"].as_array().map(Vec::len), Some(1));
    let text = repo.model(&["du"]).ok();
    assert!(text.text().contains("needed by no manifest: "), "{}", text.text());
}

#[test]
fn as_a_table() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    let table = repo.model(&["du", "--versions"]).ok();
    let lines: Vec<&str> = table.text().lines().collect();
    assert_eq!(lines.len(), 5, "{}", table.text());
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["model", "versions", "logical", "stored", "dedup", "compression", "deltas"]
    );
    assert!(lines[1].starts_with("m.safetensors ") && lines[4].starts_with("total "), "{}", table.text());
    assert!(lines[2].contains("2026-01-02 version 2") && lines[3].contains("2026-01-02 version 1"), "{}", table.text());
    assert!(!table.text().contains('\u{2588}'), "bars are for terminals");
}

#[test]
fn where_there_is_nothing() {
    let env = Env::new();
    let repo = env.repo("repo");
    let none = repo.model(&["du"]).ok();
    assert_eq!((none.text(), none.stderr.trim()), ("", "no models in history"));
    std::fs::create_dir(env.root().join("plain")).expect("a folder");
    let outside = env.at("plain").model(&["du"]);
    assert!(outside.code != Some(0) && outside.stderr.contains("not in a git repository"), "{}", outside.stderr);
}
