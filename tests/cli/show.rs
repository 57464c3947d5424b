//! `git model show`, `cat`, `export` and `verify`.

use crate::support::{Env, Repo, Tensor, model, noise, safetensors};

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    let weights = noise(2000, 1);
    let tensor = |name, dtype, shape, from: usize, to: usize| Tensor { name, dtype, shape, bytes: &weights[from..to] };
    let file = safetensors(&[
        tensor("model.embed.weight", "BF16", &[10, 50], 0, 1000),
        tensor("model.layers.0.attn.q.weight", "F32", &[5, 10], 1000, 1200),
        tensor("model.layers.0.attn.q.bias", "F32", &[5], 1200, 1220),
        tensor("model.layers.0.norm", "F32", &[10], 1220, 1260),
        tensor("model.layers.1.norm", "F32", &[10], 1260, 1300),
        tensor("step", "I64", &[], 1300, 1308),
    ]);
    repo.write("m.safetensors", &file);
    repo.commit("one");
    repo
}

const TREE: &str = "\
m.safetensors: safetensors, 1.8 kB, 6 tensors, 576 parameters
model           1.3 kB   99 %  in 5 tensors, 575 parameters
  embed.weight  1.0 kB   76 %  BF16 [10,50]
  layers         300 B   23 %  in 4 tensors, 75 parameters
    0            260 B   20 %  in 3 tensors, 65 parameters
      attn.q     220 B   17 %  in 2 tensors, 55 parameters
        weight   200 B   15 %  F32 [5,10]
        bias      20 B  1.5 %  F32 [5]
      norm        40 B  3.1 %  F32 [10]
    1.norm        40 B  3.1 %  F32 [10]
step               8 B  0.6 %  I64 []
";

#[test]
fn a_tree_of_modules() {
    let env = Env::new();
    let repo = repo(&env);
    let show = |spec: &str| repo.model(&["show", spec]).ok().text().to_owned();
    assert_eq!(show("m.safetensors"), TREE);
    // The same from the last commit, from the index, and where the file is gone or has its manifest.
    let renamed = |spec: &str| TREE.replacen("m.safetensors", spec, 1);
    assert_eq!(show("HEAD:m.safetensors"), renamed("HEAD:m.safetensors"));
    assert_eq!(show(":m.safetensors"), renamed(":m.safetensors"));
    repo.remove("m.safetensors");
    assert_eq!(show("m.safetensors"), TREE);
    repo.write("m.safetensors", &repo.blob("HEAD", "m.safetensors"));
    assert_eq!(show("m.safetensors"), TREE);
    let deep = repo.model(&["show", "--depth", "1", "m.safetensors"]).ok();
    let lines: Vec<&str> = deep.text().lines().collect();
    assert_eq!(lines[1..], ["model  1.3 kB   99 %  in 5 tensors, 575 parameters", "step      8 B  0.6 %  I64 []"]);
    std::fs::create_dir(repo.path("sub")).expect("a folder");
    let below = env.at("repo/sub").model(&["show", "HEAD:./../m.safetensors"]).ok();
    assert_eq!(below.text(), renamed("HEAD:./../m.safetensors"));
    repo.set("model.units", "binary");
    assert!(show("m.safetensors").contains(" KiB, 6 tensors"));
}

#[test]
fn json_of_a_model() {
    let env = Env::new();
    let repo = repo(&env);
    let json = repo.model(&["show", "--json", "HEAD:m.safetensors"]).ok();
    let json: serde_json::Value = serde_json::from_str(json.text()).expect("JSON");
    assert_eq!((&json["format"], &json["parameters"]), (&"safetensors".into(), &576.into()));
    assert_eq!(json["tensors"][1]["name"], "model.layers.0.attn.q.weight");
    assert_eq!(json["tensors"][1]["shape"], serde_json::json!([5, 10]));
    assert_eq!(json["tensors"][1]["sha256"].as_str().map(str::len), Some(64));
    let names: Vec<&str> =
        json["modules"].as_array().expect("a list").iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["model", "model.layers", "model.layers.0", "model.layers.0.attn.q"]);
}

#[test]
fn files_that_are_no_models() {
    let env = Env::new();
    let repo = repo(&env);
    repo.write("opaque.bin", b"some bytes");
    repo.write("text.txt", b"text");
    repo.git(&["add", "-A"]).ok();
    repo.git(&["commit", "-q", "-m", "two"]).ok();
    let shown = repo.model(&["show", "HEAD:opaque.bin"]).ok();
    assert!(
        shown.text().starts_with("HEAD:opaque.bin: opaque, 10 B, stored as one piece\nsha256 "),
        "{}",
        shown.text()
    );
    let cases = [
        ("HEAD:text.txt", "error: `HEAD:text.txt` is no model: git has the file as it is, not tensor by tensor\n"),
        ("text.txt", "error: `text.txt` is no model: no format that git-model divides into tensors\n"),
        ("nowhere.bin", "error: there is no file `nowhere.bin`, neither here nor in the index\n"),
        (".", "error: `.` is no model: it is a folder\n"),
        ("no-branch:m.safetensors", "error: no such revision or file: `no-branch`\n"),
        ("HEAD:other.bin", "error: there is no file `other.bin` in `HEAD`\n"),
        (":other.bin", "error: there is no file `other.bin` in the index\n"),
    ];
    for (spec, message) in cases {
        let outcome = repo.model(&["show", spec]).fails_with(1);
        assert!(
            outcome.stderr.starts_with(message) && outcome.stderr.contains("\nhint: "),
            "{spec}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn outside_of_a_repository() {
    let env = Env::new();
    std::fs::write(env.root().join("m.safetensors"), model(1)).expect("written");
    let shown = env.at("").model(&["show", "m.safetensors"]).ok();
    assert!(shown.text().starts_with("m.safetensors: safetensors, 4.3 kB, 2 tensors"), "{}", shown.text());
    let outcome = env.at("").model(&["show", "HEAD:m.safetensors"]).fails_with(1);
    assert!(outcome.stderr.contains("not in a git repository"), "{}", outcome.stderr);
}

#[test]
fn a_tensor_as_a_numpy_file() {
    let env = Env::new();
    let repo = repo(&env);
    let outcome = repo.model(&["cat", "HEAD:m.safetensors", "model.layers.0.attn.q.bias"]).ok();
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }";
    assert_eq!(outcome.stdout[..10], *b"\x93NUMPY\x01\0\x76\0");
    assert_eq!(outcome.stdout[10..10 + header.len()], *header);
    assert_eq!(outcome.stdout[128..], noise(2000, 1)[1200..1220]);
    let raw = repo.model(&["cat", "m.safetensors", "step", "--raw"]).ok();
    assert_eq!(raw.stdout, noise(2000, 1)[1300..1308]);
    // NumPy has no BF16: each value is widened.
    let outcome = repo.model(&["cat", "m.safetensors", "model.embed.weight", "-o", "embed.npy"]).ok();
    assert_eq!(outcome.stderr, "`model.embed.weight`: BF16 written as float32\n");
    let file = repo.read("embed.npy");
    let expected: Vec<u8> = noise(2000, 1)[..1000].chunks(2).flat_map(|pair| [0, 0, pair[0], pair[1]]).collect();
    assert_eq!(file[128..], expected);
    let outcome = repo.model(&["cat", "m.safetensors", "attn.q"]).fails_with(1);
    assert_eq!(
        outcome.stderr,
        "error: `m.safetensors` has no tensor `attn.q`\n\
         hint: did you mean `model.layers.0.attn.q.weight` or `model.layers.0.attn.q.bias`?\n"
    );
    let outcome = repo.model(&["cat", "m.safetensors", "step", "-o", "no/where.npy"]).fails_with(1);
    assert!(outcome.stderr.starts_with("error: cannot write `no/where.npy`: "), "{}", outcome.stderr);
}

#[test]
fn exported_as_it_was() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    let outcome = repo.model(&["export", "HEAD~:m.safetensors", "-o", "old.safetensors"]).ok();
    assert_eq!(outcome.stderr, "wrote `old.safetensors` (4.3 kB)\n");
    repo.assert_holds("old.safetensors", &model(1));
    let outcome = repo.model(&["export", "HEAD:m.safetensors", "-o", "old.safetensors"]).fails_with(1);
    assert_eq!(outcome.stderr, "error: `old.safetensors` is there already\nhint: write over it with `--force`\n");
    repo.model(&["export", "HEAD:m.safetensors", "-o", "old.safetensors", "-f", "-q"]).ok();
    repo.assert_holds("old.safetensors", &model(2));
    let outcome = repo.model(&["export", "m.safetensors", "-o", "x"]).fails_with(2);
    assert!(outcome.stderr.contains("hint: name a version: `HEAD:m.safetensors`"), "{}", outcome.stderr);
}

#[test]
fn verified_to_the_last_bit() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    assert_eq!(repo.model(&["verify"]).ok().text(), "ok       m.safetensors  2 tensors, 4.3 kB\n");
    repo.model(&["verify", "HEAD~"]).ok();
    let outcome = repo.model(&["verify", "HEAD~7"]).fails_with(1);
    assert!(outcome.stderr.starts_with("error: no such revision or file: `HEAD~7`\n"), "{}", outcome.stderr);
    for pack in std::fs::read_dir(repo.path(".git/model/packs")).expect("packs") {
        std::fs::remove_file(pack.expect("a pack").path()).expect("removed");
    }
    let outcome = repo.model(&["verify"]).fails_with(3);
    let text = outcome.text();
    assert!(text.starts_with("damaged  m.safetensors\n         (the file's frame): missing: object "), "{text}");
    assert!(text.contains("\n         layer.weight: missing: object "), "{text}");
    assert!(outcome.stderr.starts_with("error: 3 parts of `HEAD` cannot be restored\n"), "{}", outcome.stderr);
    let empty = env.repo("empty");
    empty.git(&["commit", "-q", "--allow-empty", "-m", "none"]).ok();
    assert_eq!(empty.model(&["verify"]).ok().stderr, "there are no models in `HEAD`\n");
}

#[test]
fn a_path_may_have_a_line_end_in_it() {
    let env = Env::new();
    let repo = env.repo("repo");
    let name = "n\nl.safetensors";
    repo.write(name, &safetensors(&[Tensor { name: "w", dtype: "U8", shape: &[3], bytes: &[1, 2, 3] }]));
    repo.commit("one");
    for spec in [format!("HEAD:{name}"), format!(":{name}")] {
        let bytes = repo.model(&["cat", &spec, "w", "--raw"]).ok().stdout;
        assert_eq!(bytes, [1, 2, 3]);
    }
    repo.model(&["show", "HEAD:no\nt.safetensors"]).fails_with(1);
}
