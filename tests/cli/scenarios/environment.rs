//! Where the repository, the work tree and the index are, when the environment or the configuration says so.

use crate::support::{Env, in_both_modes, model, noise};

#[test]
fn git_dir_and_work_tree_of_the_environment() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        let elsewhere = env.root().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("a folder");
        std::fs::create_dir(elsewhere.join("tree")).expect("a folder");
        let other = env.at("elsewhere");
        for (git_dir, work_tree, top) in
            [("../repo/.git", Some("tree"), "tree/"), ("../repo/.git", Some("."), ""), ("../repo/.git", None, "")]
        {
            let mut variables = vec![("GIT_DIR", git_dir)];
            variables.extend(work_tree.map(|dir| ("GIT_WORK_TREE", dir)));
            other.git_with(&variables, &["checkout", "-q", "-f", "main~"]).ok();
            other.assert_holds(&format!("{top}m.safetensors"), &model(1));
            assert_eq!(other.git_with(&variables, &["status", "--porcelain", "-uno"]).ok().text(), "");
            other.git_with(&variables, &["checkout", "-q", "main"]).ok();
            other.assert_holds(&format!("{top}m.safetensors"), &model(2));
            other.remove(&format!("{top}m.safetensors"));
        }
        // The repository's own folder was never touched.
        repo.assert_holds("m.safetensors", &model(2));
    });
}

#[test]
fn adds_to_a_repository_elsewhere() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        std::fs::create_dir(env.root().join("elsewhere")).expect("a folder");
        let other = env.at("elsewhere");
        other.write(".gitattributes", b"*.bin filter=model\n");
        other.write("large.bin", &noise(3 << 20, 5));
        let variables = [("GIT_DIR", "../repo/.git"), ("GIT_WORK_TREE", ".")];
        other.git_with(&variables, &["add", "large.bin"]).ok();
        let back = repo.git(&["cat-file", "--filters", "--path=large.bin", ":large.bin"]).ok().stdout;
        assert!(back == noise(3 << 20, 5));
        assert!(!other.path("model").exists() && !other.path(".git").exists());
    });
}

#[test]
fn options_in_place_of_variables() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        std::fs::create_dir(env.root().join("tree")).expect("a folder");
        env.git(&["--git-dir=repo/.git", "--work-tree=tree", "checkout", "-q", "-f", "main~"]);
        env.at("tree").assert_holds("m.safetensors", &model(1));
        env.git(&["-C", "repo", "checkout", "-q", "-f", "main"]);
        repo.assert_holds("m.safetensors", &model(2));
        std::fs::create_dir_all(repo.path("deep/sub")).expect("folders");
        env.git(&["-C", "repo/deep/sub", "checkout", "-q", "main~"]);
        repo.assert_holds("m.safetensors", &model(1));
        repo.assert_settled();
    });
}

#[test]
fn a_configured_work_tree() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        std::fs::create_dir(env.root().join("tree")).expect("a folder");
        repo.set("core.worktree", "../../tree");
        env.git(&["--git-dir=repo/.git", "checkout", "-q", "-f", "main~"]);
        env.at("tree").assert_holds("m.safetensors", &model(1));
        assert_eq!(env.git(&["--git-dir=repo/.git", "status", "--porcelain"]).text(), "");
        repo.assert_holds("m.safetensors", &model(2));
    });
}

#[test]
fn a_temporary_index() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        for index in [repo.path("../abs.index").to_str().expect("text"), "relative.index", ".git/inside.index"] {
            let variables = [("GIT_INDEX_FILE", index)];
            repo.git_with(&variables, &["read-tree", "HEAD~"]).ok();
            repo.git_with(&variables, &["checkout", "-q", "-f", "--", "m.safetensors"]).ok();
            repo.assert_holds("m.safetensors", &model(1));
            assert_eq!(
                repo.git_with(&variables, &["diff-files", "--name-only", "--", "m.safetensors"]).ok().text(),
                ""
            );
            assert_eq!(repo.git(&["diff-files", "--name-only", "--", "m.safetensors"]).ok().text(), "m.safetensors\n");
            // The repository's own index still has the second version.
            repo.git(&["checkout", "-q", "--", "m.safetensors"]).ok();
            repo.assert_holds("m.safetensors", &model(2));
            repo.write("m.safetensors", &model(7));
            repo.git_with(&variables, &["add", "m.safetensors"]).ok();
            let tree = repo.git_with(&variables, &["write-tree"]).ok();
            let name = format!("{}:m.safetensors", tree.text().trim());
            assert!(repo.git(&["cat-file", "--filters", &name]).ok().stdout == model(7));
            repo.git(&["checkout", "-q", "-f"]).ok();
        }
    });
}

#[test]
fn a_hook_of_the_user_reads_what_git_knows() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        // Git runs this within `commit -a`, with `index.lock` as the index.
        repo.hook(
            "pre-commit",
            "git diff --cached --name-only > ../names; git cat-file --filters :m.safetensors > ../m",
        );
        repo.write("m.safetensors", &model(2));
        repo.git(&["commit", "-q", "-a", "-m", "second"]).ok();
        repo.assert_holds("../names", b"m.safetensors\n");
        repo.assert_holds("../m", &model(2));
        repo.assert_clean();
    });
}

#[test]
fn settings_given_for_one_command_are_heeded() {
    let env = Env::new();
    let repo = env.repo("repo").versions(2);
    repo.git(&["-c", "model.smudge.inlineLimit=0", "-c", "user.name=It's me!", "checkout", "-q", "HEAD~"]).ok();
    repo.assert_holds("m.safetensors", &model(1));
    assert!(repo.is_materialized("m.safetensors"), "put off, as the setting says");
    repo.git(&["checkout", "-q", "main"]).ok();
    assert!(!repo.is_materialized("m.safetensors"), "through git, as without it");
}
