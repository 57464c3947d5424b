//! `git model tag`, and names of versions wherever a model is named.

use crate::support::{Env, Repo, model};

/// A repository with two versions of one model, under no policy.
fn one_model(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write("models/house.safetensors", &model(1));
    repo.commit("one");
    repo.write("models/house.safetensors", &model(2));
    repo.commit("two");
    repo
}

const POLICY: &str = r#"
[model.retriever]
weights = ["retriever/*.safetensors"]

[model.ranker]
weights = ["ranker.safetensors"]

[[gate]]
model = "ranker"
requires = "retriever@>=1.1"
"#;

fn two_models(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo.write("retriever/a.safetensors", &model(1));
    repo.write("retriever/b.safetensors", &model(2));
    repo.commit("the retriever alone");
    repo.write("ranker.safetensors", &model(3));
    repo.commit("both");
    repo
}

fn commit_of(repo: &Repo, revision: &str) -> String {
    repo.git(&["rev-parse", &format!("{revision}^{{commit}}")]).ok().text().trim().to_owned()
}

#[test]
fn a_version_is_an_annotated_tag() {
    let env = Env::new();
    let repo = one_model(&env);
    let first = repo.model(&["tag", "v1.0.0", "HEAD~1", "-m", "# the first", "-m", "much better"]).ok();
    assert_eq!(first.text(), "house@v1.0.0\n");
    assert!(first.stderr.contains("git push REMOTE 'house@v1.0.0'"), "{}", first.stderr);
    assert_eq!(commit_of(&repo, "house@v1.0.0"), commit_of(&repo, "HEAD~1"));
    let tag = repo.git(&["cat-file", "-p", "house@v1.0.0"]).ok();
    assert!(tag.text().ends_with("\n\n# the first\n\nmuch better\n"), "{}", tag.text());
    // The next one, named in full and bumped; its message says what it is.
    assert_eq!(repo.model(&["tag", "house", "--bump", "minor"]).ok().text(), "house@v1.1.0\n");
    let tag = repo.git(&["cat-file", "-p", "house@v1.1.0"]).ok();
    assert!(tag.text().ends_with("\n\nhouse v1.1.0\n"), "{}", tag.text());
    repo.git(&["commit", "-q", "--allow-empty", "-m", "three"]).ok();
    assert_eq!(repo.model(&["tag", "house@2.0.0-rc.1"]).ok().text(), "house@v2.0.0-rc.1\n");
}

#[test]
fn what_is_no_new_version_is_refused() {
    let env = Env::new();
    let repo = one_model(&env);
    repo.model(&["tag", "v1.0.0", "HEAD~1"]).ok();
    for (args, code, told) in [
        (&["tag", "v1.0.0"][..], 1, "`house@v1.0.0` is there already"),
        (&["tag", "v1.0.0"], 1, "git model tag house --bump patch"),
        (&["tag", "v1.2"], 2, "as in `v1.2.0`"),
        (&["tag", "house", "1.2.x"], 2, "as in `v1.2.0`"),
        (&["tag", "house", "next"], 2, "`next` is no version"),
        (&["tag", "hause", "v1.1.0"], 1, "did you mean `house`?"),
        (&["tag", "house"], 2, "no version is given for `house`"),
        (&["tag"], 2, "git model tag house v1.0.0"),
        (&["tag", "v1.1.0", "nowhere"], 1, "there is no commit `nowhere`"),
        (&["tag", "v1.1.0", "HEAD", "more"], 2, "`more`"),
        (&["tag", "v1.1.0", "HEAD~1"], 1, "is `house@v1.0.0` already"),
        (&["tag", "--stage", "prod!"], 1, "`prod!` is no name of a stage"),
        (&["tag", "--stage", "prod", "v9.0.0"], 1, "its latest is house@v1.0.0"),
        (&["tag", "--unstage", "prod"], 1, "no version of `house` is in stage `prod`"),
        (&["tag", "--deprecate", "v9.0.0"], 1, "`house` has no version v9.0.0"),
        (&["tag", "--stage", "a", "--unstage", "b"], 2, "cannot be used with"),
    ] {
        let refused = repo.model(args).fails_with(code);
        assert!(refused.stderr.contains(told), "{args:?}: {}", refused.stderr);
        assert_eq!(refused.text(), "", "{args:?}");
    }
    assert_eq!(repo.git(&["tag"]).ok().text(), "house@v1.0.0\n");
}

#[test]
fn what_may_be_wrong_is_told() {
    let env = Env::new();
    let repo = one_model(&env);
    repo.model(&["tag", "v1.0.0", "HEAD~1"]).ok();
    repo.write("models/house.safetensors", &model(3));
    let lower = repo.model(&["tag", "v0.9.0"]).ok();
    assert!(lower.stderr.contains("v0.9.0 is lower than v1.0.0"), "{}", lower.stderr);
    assert!(lower.stderr.contains("`models/house.safetensors` has changes that are not committed"), "{}", lower.stderr);
    repo.git(&["checkout", "-q", "--detach", "HEAD"]).ok();
    repo.commit("three");
    let alone = repo.model(&["tag", "v1.1.0"]).ok();
    assert!(alone.stderr.contains("is on no branch"), "{}", alone.stderr);
}

#[test]
fn before_the_first_commit_and_without_models() {
    let env = Env::new();
    let repo = env.repo("repo");
    for args in [&["tag", "v1.0.0"][..], &["tag", "--bump", "patch"]] {
        let unborn = repo.model(args).fails_with(1);
        assert!(unborn.stderr.contains("there are no commits yet"), "{}", unborn.stderr);
    }
    repo.commit("nothing");
    let none = repo.model(&["tag", "v1.0.0"]).fails_with(1);
    assert!(none.stderr.contains("there are no models in commit"), "{}", none.stderr);
    assert!(none.stderr.contains("git model track"), "{}", none.stderr);
}

#[test]
fn several_models_are_told_apart() {
    let env = Env::new();
    let repo = two_models(&env);
    let which = repo.model(&["tag", "v1.0.0"]).fails_with(1);
    assert!(which.stderr.contains("one of `retriever`, `ranker`"), "{}", which.stderr);
    let lacking = repo.model(&["tag", "ranker", "v1.0.0", "HEAD~1"]).fails_with(1);
    assert!(lacking.stderr.contains("has no weights of `ranker`"), "{}", lacking.stderr);
    assert!(lacking.stderr.contains("`ranker.safetensors`"), "{}", lacking.stderr);
    // The gate wants a version that is not deprecated.
    repo.model(&["tag", "retriever", "v1.1.0", "HEAD~1"]).ok();
    assert!(repo.model(&["check", "HEAD"]).ok().text().contains("the latest is retriever@v1.1.0"));
    repo.model(&["tag", "retriever", "--deprecate", "v1.1.0"]).ok();
    let checked = repo.model(&["check", "HEAD"]).fails_with(1);
    assert!(checked.text().contains("has no version of retriever"), "{}", checked.text());
}

#[test]
fn stages_are_held_and_given_back() {
    let env = Env::new();
    let repo = one_model(&env);
    let none = repo.model(&["tag", "--stage", "prod"]).fails_with(1);
    assert!(none.stderr.contains("`house` has no version yet"), "{}", none.stderr);
    repo.model(&["tag", "v1.0.0", "HEAD~1"]).ok();
    repo.model(&["tag", "v1.1.0"]).ok();
    let stage = |args: &[&str]| repo.model(&[&["tag"], args].concat()).ok();
    assert_eq!(stage(&["--stage", "prod", "v1.0.0"]).text(), "house#prod#1\n");
    assert_eq!(stage(&["house", "--stage", "prod"]).text(), "house#prod#2\n");
    let again = repo.model(&["tag", "--stage", "prod", "--version", "v1.1.0"]).fails_with(1);
    assert!(again.stderr.contains("`house@v1.1.0` is in stage `prod` already"), "{}", again.stderr);
    let back = stage(&["--unstage", "prod"]);
    assert_eq!(back.text(), "house#prod!#3\n");
    assert!(back.stderr.contains("`house@v1.0.0` holds stage `prod` again"), "{}", back.stderr);
    let not = repo.model(&["tag", "--unstage", "prod", "v1.1.0"]).fails_with(1);
    assert!(not.stderr.contains("`house@v1.1.0` is not in stage `prod`"), "{}", not.stderr);
    let gone = stage(&["--deprecate", "v1.0.0"]);
    assert_eq!(gone.text(), "house@v1.0.0!\n");
    assert!(gone.stderr.contains("`house@v1.0.0` leaves stage `prod`"), "{}", gone.stderr);
    let twice = repo.model(&["tag", "--deprecate", "v1.0.0"]).fails_with(1);
    assert!(twice.stderr.contains("`house@v1.0.0` is deprecated"), "{}", twice.stderr);
    let dead = repo.model(&["tag", "--stage", "prod", "v1.0.0"]).fails_with(1);
    assert!(dead.stderr.contains("`house@v1.0.0` is deprecated"), "{}", dead.stderr);
    // A commit that is no version may hold a stage as well.
    repo.git(&["commit", "-q", "--allow-empty", "-m", "three"]).ok();
    let bare = stage(&["--stage", "dev", "HEAD"]);
    assert_eq!(bare.text(), "house#dev#4\n");
    assert!(bare.stderr.contains("is no version of `house`"), "{}", bare.stderr);
    assert_eq!(stage(&["--deprecate"]).text(), "house@deprecated\n");
}

#[test]
fn a_tag_that_cannot_be_signed_is_not_made() {
    let env = Env::new();
    let repo = one_model(&env);
    repo.set("gpg.program", "/bin/false");
    let failed = repo.model(&["tag", "-s", "v1.0.0"]).fails_with(1);
    assert!(failed.stderr.contains("gpg failed to sign"), "{}", failed.stderr);
    repo.set("tag.gpgSign", "true");
    repo.model(&["tag", "v1.0.0"]).fails_with(1);
    assert_eq!(repo.git(&["tag"]).ok().text(), "");
}

#[test]
fn versions_are_named_wherever_a_model_is() {
    let env = Env::new();
    let repo = one_model(&env);
    repo.model(&["tag", "v1.0.0", "HEAD~1"]).ok();
    repo.model(&["tag", "v1.1.0"]).ok();
    repo.model(&["tag", "--stage", "prod", "v1.0.0"]).ok();
    let path = env.root().join("out.safetensors");
    let out = path.to_str().expect("a path");
    for (name, seed) in [
        ("house@v1.0.0", 1),
        ("house#prod", 1),
        ("house@1.1.0", 2),
        ("house", 2),
        ("house#prod:models/house.safetensors", 1),
    ] {
        repo.model(&["export", name, "-f", "-o", out]).ok();
        assert!(std::fs::read(&path).expect("exported") == model(seed), "{name}");
    }
    repo.model(&["cat", "house#prod", "layer.bias", "-f", "-o", out]).ok();
    let verified = repo.model(&["verify", "house#prod"]).ok();
    assert!(verified.text().contains("ok       models/house.safetensors"), "{}", verified.text());
    for args in
        [&["diff", "--name-only", "house#prod", "house@v1.1.0"][..], &["diff", "--name-only", "house#prod..HEAD"]]
    {
        assert_eq!(repo.model(args).ok().text(), "models/house.safetensors\tlayer.weight\n", "{args:?}");
    }
    let unknown = repo.model(&["show", "house#dev"]).fails_with(1);
    assert!(unknown.stderr.contains("its stages are `prod`"), "{}", unknown.stderr);
    // A file of the same name comes first.
    repo.write("house", b"no weights");
    repo.model(&["show", "house"]).fails_with(1);
}

#[test]
fn show_has_a_heading() {
    let env = Env::new();
    let repo = two_models(&env);
    repo.model(&["tag", "retriever", "v1.1.0"]).ok();
    repo.model(&["tag", "retriever", "--stage", "prod"]).ok();
    let shown = repo.model(&["show", "retriever#prod"]).ok();
    let commit = &commit_of(&repo, "HEAD")[..10];
    let head = format!("retriever v1.1.0, commit {commit}\nstages: prod\n\nretriever/a.safetensors: safetensors");
    assert!(shown.text().starts_with(&head), "{}", shown.text());
    assert!(shown.text().contains("\nretriever/b.safetensors: safetensors"), "{}", shown.text());
    let json: serde_json::Value =
        serde_json::from_slice(&repo.model(&["show", "--json", "retriever@v1.1.0"]).ok().stdout).expect("JSON");
    assert_eq!(
        (&json["model"], &json["version"], &json["stages"][0]),
        (&"retriever".into(), &"v1.1.0".into(), &"prod".into())
    );
    assert_eq!(json["files"].as_array().map(Vec::len), Some(2));
    let several = repo.model(&["cat", "retriever", "layer.bias"]).fails_with(1);
    assert!(several.stderr.contains("`retriever@v1.1.0:retriever/a.safetensors`"), "{}", several.stderr);
}
