//! A model in a submodule has its store in the submodule's git directory.

use crate::support::{Env, Repo, in_both_modes, model};

fn project(env: &Env) -> Repo<'_> {
    env.repo("weights").versions(2);
    let project = env.repo("project");
    project.git(&["submodule", "add", "-q", "../weights", "models/sub"]).ok();
    project.commit("with a submodule");
    project
}

#[test]
fn added_and_moved_to_another_version() {
    in_both_modes(|env| {
        let project = project(env);
        let sub = env.at("project/models/sub");
        sub.assert_holds("m.safetensors", &model(2));
        assert!(project.path(".git/modules/models/sub/model/packs").is_dir());
        assert!(!project.path(".git/model/packs").exists());
        sub.git(&["checkout", "-q", "HEAD~"]).ok();
        sub.assert_holds("m.safetensors", &model(1));
        sub.assert_settled();
        project.commit("the first version");
        project.git(&["submodule", "update", "-q"]).ok();
        project.git(&["checkout", "-q", "--recurse-submodules", "HEAD~"]).ok();
        sub.assert_holds("m.safetensors", &model(2));
        sub.assert_settled();
        project.git(&["reset", "-q", "--hard", "--recurse-submodules", "main"]).ok();
        sub.assert_holds("m.safetensors", &model(1));
        sub.assert_settled();
        project.assert_clean();
    });
}

#[test]
fn cloned_with_the_project() {
    in_both_modes(|env| {
        project(env);
        let clone = env.clone_repo(&["--recurse-submodules", "project", "clone"]);
        let sub = env.at("clone/models/sub");
        sub.assert_holds("m.safetensors", &model(2));
        sub.assert_settled();
        clone.assert_clean();
        let late = env.clone_repo(&["project", "late"]);
        late.git(&["submodule", "update", "-q", "--init"]).ok();
        env.at("late/models/sub").assert_holds("m.safetensors", &model(2));
        late.assert_clean();
    });
}

#[test]
fn committed_from_within() {
    in_both_modes(|env| {
        let project = project(env);
        let sub = env.at("project/models/sub");
        sub.write("m.safetensors", &model(3));
        sub.commit("third");
        project.commit("move");
        sub.git(&["checkout", "-q", "HEAD~"]).ok();
        project.git(&["submodule", "update", "-q"]).ok();
        sub.assert_holds("m.safetensors", &model(3));
        project.git(&["submodule", "foreach", "-q", "git", "checkout", "-q", "HEAD~2"]).ok();
        sub.assert_holds("m.safetensors", &model(1));
        sub.assert_settled();
    });
}
