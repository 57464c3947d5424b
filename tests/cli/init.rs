//! `git model init`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::support::{Env, Outcome, Repo, is_manifest, model};

mod readme;
mod server;

fn init(env: &Env, args: &[&str]) -> Outcome {
    let mut command = env.command(env!("CARGO_BIN_EXE_git-model"), env.root());
    command.arg("init").args(args);
    env.run(command)
}

/// Every file of a folder, git's own configuration and hooks included.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fn visit(dir: &Path, top: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).expect("below").to_string_lossy().into_owned();
            if path.is_dir() {
                visit(&path, top, files);
            } else {
                files.insert(name, std::fs::read(&path).expect("readable"));
            }
        }
    }
    let mut all = BTreeMap::new();
    visit(dir, dir, &mut all);
    all
}

#[test]
fn templates_make_what_they_promise() {
    for (template, names, pattern) in [
        ("linear", &[".gitmodel.toml", "data/train.csv", "params.json"][..], "model.safetensors"),
        ("onnx", &[".gitmodel.toml", "params.json"], "model.onnx"),
        (
            "python",
            &[".dockerignore", ".gitmodel.toml", "Dockerfile", "data/train.csv", "params.json", "serve.py", "smoke.py"],
            "model.safetensors",
        ),
    ] {
        let env = Env::bare();
        let made = init(&env, &["house", "--template", template]).ok();
        let repo = env.at("house");
        let all = files(&repo.dir);
        let mut there: Vec<&str> = all.keys().map(|name| &**name).filter(|name| !name.starts_with(".git/")).collect();
        there.retain(|name| *name != ".gitattributes");
        assert_eq!(there, names, "{template}");
        let attributes = repo.git(&["check-attr", "filter", "--", pattern]).ok();
        assert!(attributes.text().ends_with("filter: model\n"), "{}", attributes.text());
        repo.model(&["check"]).ok();
        let trust = repo.model(&["trust", "--show"]).ok();
        assert!(trust.text().starts_with("not trusted\tdeploy prod\t"), "{}", trust.text());
        assert_eq!(made.text().lines().count(), 4, "{}", made.text());
        assert!(made.text().starts_with("cd house && "), "{}", made.text());

        let again = init(&env, &["house", "--template", template]).ok();
        assert_eq!(files(&repo.dir), all, "{template}: the second time nothing changes");
        assert!(again.stderr.contains("kept `.gitmodel.toml`") && !again.stderr.contains("made"), "{}", again.stderr);
        assert_eq!(again.text(), made.text());
    }
}

#[test]
fn git_calls_git_model_at_once() {
    let env = Env::bare();
    init(&env, &["house"]).ok();
    let repo = env.at("house");
    let global = std::fs::read_to_string(env.home().join(".gitconfig")).expect("a configuration");
    assert!(!global.contains("filter"), "the user's own configuration stays");
    repo.write("model.safetensors", &model(1));
    repo.write("metrics.json", b"{\"validation\": {\"r2\": 0.5}}");
    repo.git(&["add", "-A"]).ok();
    assert!(is_manifest(&repo.blob("", "model.safetensors")));
    let refused = repo.git(&["commit", "-qm", "bad"]).fails_with(1);
    assert!(refused.stderr.contains("gates: 1 failed"), "the gate is judged by a hook: {}", refused.stderr);
}

#[test]
fn settings_are_written_only_where_they_are_missing() {
    let env = Env::bare();
    env.at("").model(&["install", "--global", "--no-hooks"]).ok();
    let made = init(&env, &["house"]).ok();
    assert!(!made.stderr.contains("--local"), "{}", made.stderr);
    let config = String::from_utf8(env.at("house").read(".git/config")).expect("text");
    assert!(!config.contains("filter") && !config.contains("merge"), "{config}");
}

#[test]
fn nothing_that_exists_is_written_over() {
    let env = Env::bare();
    let repo = env.at("house");
    std::fs::create_dir(&repo.dir).expect("a folder");
    repo.git(&["init", "-q", "-b", "trunk"]).ok();
    let theirs: [(&str, &[u8]); 7] = [
        (".gitmodel.toml", b"[model.theirs]\nweights = [\"x.bin\"]\n"),
        (".gitattributes", b"*.txt text\n"),
        (".dockerignore", b"data\n"),
        ("Dockerfile", b"FROM scratch\n"),
        ("params.json", b"{\"lr\": 1}\n"),
        ("serve.py", b""),
        ("smoke.py", b"pass\n"),
    ];
    theirs.iter().for_each(|(name, bytes)| repo.write(name, bytes));
    let kept = repo.model(&["init", "--template", "python"]).ok();
    for (name, bytes) in theirs.iter().filter(|(name, _)| *name != ".gitattributes") {
        assert_eq!(repo.read(name), *bytes, "{name}");
        assert!(kept.stderr.contains(&format!("`{name}`")), "{name}: {}", kept.stderr);
    }
    assert!(repo.read(".gitattributes").starts_with(b"*.txt text\n*.safetensors filter=model"));
    assert!(!repo.path("data/train.csv").exists(), "rows that no settings name");
    for advice in
        ["[deploy.prod]", "model          = \"theirs\"", "branch         = \"trunk\"", "\n**/__pycache__", "no `train`"]
    {
        assert!(kept.stderr.contains(advice), "{advice}: {}", kept.stderr);
    }
    assert!(!kept.stderr.contains("[model."), "{}", kept.stderr);
}

#[test]
fn a_repository_is_equipped_from_any_of_its_folders() {
    let env = Env::bare();
    let repo = env.at("My houses");
    repo.write("code/deep/a.txt", b"a");
    repo.git(&["init", "-q", "-b", "release/1"]).ok();
    repo.commit("before");
    let deep = Repo { env: &env, dir: repo.path("code/deep") };
    let made = deep.model(&["init"]).ok();
    let way = repo.dir.canonicalize().expect("a folder");
    assert!(made.text().starts_with(&format!("cd '{}' && git model train ", way.display())), "{}", made.text());
    let policy = String::from_utf8(repo.read(".gitmodel.toml")).expect("text");
    assert!(policy.contains("[model.My-houses]") && policy.contains("\"release/1\""), "{policy}");
    assert_eq!(files(&deep.dir).len(), 1);
    assert!(repo.path(".gitattributes").exists());
    // Under another name, from outside.
    let env = Env::bare();
    init(&env, &["flat", "--dir", "a/b"]).ok();
    assert!(String::from_utf8(env.at("a/b").read(".gitmodel.toml")).expect("text").contains("[model.flat]"));
}

#[test]
fn weights_that_git_has_whole_are_mentioned() {
    let env = Env::bare();
    let repo = env.at("house");
    repo.write("model.safetensors", &model(1));
    repo.git(&["init", "-q"]).ok();
    repo.commit("raw");
    let made = repo.model(&["init"]).ok();
    assert!(made.stderr.contains("git model track '*.safetensors'"), "{}", made.stderr);
}

#[test]
fn wrong_places_and_names_are_refused() {
    let env = Env::bare();
    let repo = env.at("outer");
    std::fs::create_dir(&repo.dir).expect("a folder");
    repo.git(&["init", "-q"]).ok();
    let before = files(&repo.dir);
    let nested = repo.model(&["init", "inner"]).fails_with(2);
    assert!(nested.stderr.contains("lies in the repository"), "{}", nested.stderr);
    assert!(!repo.path("inner").exists());
    for name in ["a/b", "../x", "", "-x", "ä"] {
        assert_eq!(repo.model(&["init", "--", name]).code, Some(2), "{name}");
    }
    assert_eq!(files(&repo.dir), before);
    let bare = env.at("bare.git");
    std::fs::create_dir(&bare.dir).expect("a folder");
    bare.git(&["init", "-q", "--bare"]).ok();
    let refused = bare.model(&["init"]).fails_with(2);
    assert!(refused.stderr.contains("without a work tree"), "{}", refused.stderr);
    repo.write("file", b"");
    let blocked = repo.model(&["init", "x", "--dir", "file/x"]).fails_with(1);
    assert!(blocked.stderr.contains("cannot make `file/x`"), "{}", blocked.stderr);
}

#[test]
fn what_stands_in_the_way_is_told() {
    let env = Env::bare();
    let repo = env.at("house");
    std::fs::create_dir(&repo.dir).expect("a folder");
    repo.git(&["init", "-q"]).ok();
    repo.git(&["config", "core.hooksPath", "theirs"]).ok();
    repo.write(".git/info/attributes", b"*.safetensors -filter\n");
    let told = repo.model(&["init"]).ok();
    assert!(told.stderr.contains("other attributes keep `*.safetensors`"), "{}", told.stderr);
    // From 2.54 on git has room for hooks of several.
    let is_blocked = told.stderr.contains("other hooks stand in the way of post-checkout, ");
    assert!(is_blocked || told.stderr.contains("hooks are in place"), "{}", told.stderr);
    assert!(!repo.path("theirs").exists(), "hooks of others stay theirs");
}
