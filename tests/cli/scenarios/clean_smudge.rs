//! The single-shot filters, for tools that do not speak the long-running protocol.

use crate::support::{Env, Outcome, Repo, in_both_modes, is_manifest, model};

fn filter(repo: &Repo<'_>, args: &[&str], input: &[u8]) -> Outcome {
    let file = repo.env.root().join("input");
    std::fs::write(&file, input).expect("written");
    let mut command = repo.env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
    command.args(args).stdin(std::fs::File::open(&file).expect("opened"));
    repo.env.run(command)
}

#[test]
fn there_and_back() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        let manifest = filter(&repo, &["clean", "--", "m.safetensors"], &model(1)).ok().stdout;
        assert!(is_manifest(&manifest));
        assert!(filter(&repo, &["smudge", "--", "m.safetensors"], &manifest).ok().stdout == model(1));
        // A manifest is not cleaned again, weights are not smudged again.
        assert!(filter(&repo, &["clean", "--", "m.safetensors"], &manifest).ok().stdout == manifest);
        assert!(filter(&repo, &["smudge", "--", "m.safetensors"], &model(1)).ok().stdout == model(1));
        assert_eq!(filter(&repo, &["clean", "--", "m.safetensors"], b"").ok().stdout, b"");
        assert_eq!(filter(&repo, &["smudge", "--", "m.safetensors"], b"").ok().stdout, b"");
    });
}

#[test]
fn what_is_missing_fails_with_the_path() {
    let env = Env::new();
    let repo = env.repo("repo");
    let manifest = filter(&repo, &["clean", "--", "m.safetensors"], &model(1)).ok().stdout;
    std::fs::remove_dir_all(repo.path(".git/model")).expect("removed");
    let failed = filter(&repo, &["smudge", "--", "m.safetensors"], &manifest).fails_with(1);
    assert!(failed.stdout.is_empty());
    assert!(failed.stderr.contains("`m.safetensors`") && failed.stderr.contains("hint:"), "{}", failed.stderr);
}

#[test]
fn without_a_long_running_process() {
    in_both_modes(|env| {
        env.git(&["config", "--global", "--unset", "filter.model.process"]);
        let repo = env.repo("repo").versions(2);
        assert!(is_manifest(&repo.blob("HEAD", "m.safetensors")));
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_clean();
        let clone = env.clone_repo(&["repo", "clone"]);
        clone.assert_holds("m.safetensors", &model(1));
        clone.assert_clean();
    });
}
