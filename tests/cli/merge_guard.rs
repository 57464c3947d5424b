//! Nobody's training is lost by a merge without a word: what is open is known whatever git does with the file, and decisions
//! do what they say.

use std::os::unix::fs::PermissionsExt;

use crate::merge::{BASE, FILE, branches, environment, layers, weights};
use crate::support::{Env, Outcome, Repo, Tensor, safetensors};

/// A model of tensors of 8 weights near a value.
fn model(tensors: &[(&str, f32)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|&(_, value)| weights(value, 8)).collect();
    let tensors: Vec<Tensor<'_>> = tensors
        .iter()
        .zip(&bytes)
        .map(|(&(name, _), bytes)| Tensor { name, dtype: "BF16", shape: &[8], bytes })
        .collect();
    safetensors(&tensors)
}

/// Two branches that have changed all tensors, and the hooks.
fn all_contested(env: &Env) -> Repo<'_> {
    let repo = branches(env, &layers(&[1.0]), &layers(&[1.5]), &layers(&[1.25]));
    repo.model(&["install", "--local"]).ok();
    repo
}

#[track_caller]
fn stopped(outcome: &Outcome) {
    assert_ne!(outcome.code, Some(0));
    assert!(outcome.stderr.contains("1 tensor still in conflict"), "{}", outcome.stderr);
}

/// After these git does not know that it is merging.
#[test]
fn a_commit_is_stopped_where_git_knows_of_no_merge() {
    for command in [&["merge", "--squash", "side"][..], &["cherry-pick", "-n", "side"]] {
        let env = environment();
        let repo = all_contested(&env);
        repo.git(command).fails_with(1);
        repo.git(&["add", "-A"]).ok();
        stopped(&repo.git(&["commit", "-q", "-m", "x"]));
        repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
        repo.git(&["commit", "-q", "-m", "x"]).ok();
        repo.assert_holds(FILE, &layers(&[1.25]));
        assert_eq!(std::fs::read_dir(repo.path(".git/model-merge")).expect("a folder").count(), 1, "the lock");
    }
}

#[test]
fn a_stash_that_conflicts_is_not_forgotten() {
    let env = environment();
    let repo = all_contested(&env);
    repo.write(FILE, &layers(&[2.0]));
    repo.git(&["stash", "-q"]).ok();
    repo.write(FILE, &layers(&[3.0]));
    repo.commit("meanwhile");
    repo.git(&["stash", "pop"]).fails_with(1);
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "--allow-empty", "-m", "x"]));
    // Given up.
    repo.git(&["reset", "-q", "--hard"]).ok();
    repo.write("notes", b"x");
    repo.commit("something else");
}

#[test]
fn a_file_renamed_by_us_is_not_forgotten() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.25, 2.0, 3.0]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["mv", FILE, "n.safetensors"]).ok();
    repo.commit("renamed");
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "--no-edit"]));
    repo.model(&["resolve", "n.safetensors", "--take", "theirs"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.assert_holds("n.safetensors", &layers(&[1.25, 2.0, 3.0]));
}

#[test]
fn patches_that_are_applied_do_not_go_on_over_conflicts() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["checkout", "-q", "side"]).ok();
    assert_ne!(repo.git(&["rebase", "--apply", "main"]).code, Some(0));
    repo.git(&["add", "-A"]).ok();
    // Without a change there is nothing to apply.
    repo.write("notes", b"x");
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["rebase", "--continue"]));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.git(&["rebase", "--continue"]).ok();
    repo.assert_holds(FILE, &layers(&[1.25]));
}

/// Git before 2.41 takes a merge that was given up for a conflict.
#[test]
fn a_rule_that_cannot_be_followed_hides_nothing() {
    let env = environment();
    let repo = all_contested(&env);
    let merge = repo.git(&["-c", "model.merge.strategy=tees", "merge", "--no-edit", "side"]);
    assert_ne!(merge.code, Some(0));
    if repo.path(".git/MERGE_HEAD").exists() {
        repo.git(&["add", "-A"]).ok();
        stopped(&repo.git(&["commit", "-q", "--no-edit"]));
        repo.git(&["merge", "--abort"]).ok();
    }
    repo.write("notes", b"x");
    repo.commit("notes");
}

#[test]
fn optimizer_state_without_its_weights_is_like_other_tensors() {
    let env = environment();
    let state = |value| model(&[("state.0.exp_avg", value)]);
    let repo = branches(&env, &state(1.0), &state(2.0), &state(3.0));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["merge", "--abort"]).ok();
    repo.git(&["-c", "model.merge.strategy=theirs", "merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &state(3.0));
}

#[test]
fn a_decision_about_optimizer_state_is_followed() {
    let env = environment();
    let both = |weight, state| model(&[("a.exp_avg", state), ("a.weight", weight)]);
    let repo = branches(&env, &both(1.0, 1.0), &both(2.0, 2.0), &both(3.0, 3.0));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--tensors", "*exp_avg", "--take", "ours"]).ok();
    repo.model(&["resolve", FILE, "--tensors", "a.weight", "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &both(3.0, 2.0));
}

#[test]
fn weights_that_are_missing_while_deciding_leave_the_rest_open() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0, 1.0]), &layers(&[2.0, 2.0]), &layers(&[3.0, 3.0]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let (store, aside) = (repo.path(".git/model"), repo.path(".git/aside"));
    std::fs::rename(&store, &aside).expect("moved");
    let resolve = repo.model(&["resolve", FILE, "--tensors", "layers.0.*", "--take", "theirs"]);
    assert_ne!(resolve.code, Some(0), "the weights are missing");
    std::fs::remove_dir_all(&store).ok();
    std::fs::rename(&aside, &store).expect("moved");
    repo.model(&["checkout"]).ok();
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "--no-edit"]));
}

#[test]
fn what_is_not_there_is_not_taken() {
    let env = environment();
    let repo = env.repo("repo");
    repo.commit("empty");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write(FILE, &model(&[("a", 1.0), ("b", 1.0)]));
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    let ours = model(&[("a", 2.0), ("b", 1.0)]);
    repo.write(FILE, &ours);
    repo.commit("ours");
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let base = repo.model(&["resolve", FILE, "--take", "base"]).fails_with(1);
    assert!(base.stderr.contains("`base` decides nothing here"), "{}", base.stderr);
    assert!(base.stderr.contains("a: added on both sides"), "{}", base.stderr);
    repo.assert_holds(FILE, &ours);

    std::fs::rename(&repo.dir, env.root().join("first")).expect("moved");
    let (ours, theirs) = (model(&[("z", 1.0)]), model(&[("a", 3.0), ("z", 1.0)]));
    let repo = branches(&env, &model(&[("a", 1.0), ("z", 1.0)]), &ours, &theirs);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let base = repo.model(&["resolve", FILE, "--take", "base"]).fails_with(1);
    assert!(base.stderr.contains("a: deleted by us, changed by them"), "{}", base.stderr);
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &theirs);
}

#[test]
fn a_file_that_was_edited_is_not_written_over() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0, 1.0]), &layers(&[2.0, 2.0]), &layers(&[3.0, 3.0]));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.write(FILE, &layers(&[9.0, 9.0]));
    for decision in [&["--take", "theirs"][..], &["--abort"]] {
        let resolve = repo.model(&[&["resolve", FILE][..], decision].concat()).fails_with(1);
        assert!(resolve.stderr.contains("--force"), "{}", resolve.stderr);
        repo.assert_holds(FILE, &layers(&[9.0, 9.0]));
    }
    repo.model(&["resolve", FILE, "--tensors", "layers.0.*", "--take", "theirs", "--force"]).ok();
    repo.assert_holds(FILE, &layers(&[3.0, 2.0]));
}

#[test]
fn decisions_made_at_the_same_time_are_all_kept() {
    let env = environment();
    let (ours, theirs) = ([2.0; 4], [3.0; 4]);
    let repo = branches(&env, &layers(&[1.0; 4]), &layers(&ours), &layers(&theirs));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let running: Vec<_> = (0..4)
        .map(|at| {
            let pattern = format!("layers.{at}.*");
            repo.model_command(&["resolve", FILE, "--tensors", &pattern, "--take", "theirs"]).spawn().expect("starts")
        })
        .collect();
    for mut child in running {
        assert!(child.wait().expect("ends").success());
    }
    repo.assert_holds(FILE, &layers(&theirs));
    assert_eq!(repo.git(&["ls-files", "--unmerged"]).ok().text(), "");
}

#[test]
fn a_damaged_note_stops_a_commit() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let folder = std::fs::read_dir(repo.path(".git/model-merge")).expect("a folder");
    let notes = folder.map(|entry| entry.expect("an entry").path()).filter(|path| path.extension().is_some());
    notes.for_each(|note| std::fs::write(note, b"{").expect("written"));
    repo.git(&["add", "-A"]).ok();
    let commit = repo.git(&["commit", "-q", "--no-edit"]);
    assert_ne!(commit.code, Some(0));
    assert!(commit.stderr.contains("it is damaged; delete it"), "{}", commit.stderr);
}

#[test]
fn the_last_decision_about_a_part_decides_about_all_parts() {
    let env = environment();
    let adapter = |value| model(&[("q.lora_A.weight", value), ("q.lora_B.weight", value)]);
    for (first, last, expected) in [("A", "B", 3.0), ("B", "A", 2.0)] {
        let repo = branches(&env, &adapter(1.0), &adapter(2.0), &adapter(3.0));
        let rule = |part, side| format!("[[merge.rule]]\ntensors = \"*lora_{part}*\"\nstrategy = \"{side}\"\n\n");
        let sides = if last == "B" { ("ours", "theirs") } else { ("theirs", "ours") };
        repo.write(".gitmodel.toml", (rule(first, sides.0) + &rule(last, sides.1)).as_bytes());
        repo.commit("rules");
        repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
        repo.assert_holds(FILE, &adapter(expected));
        std::fs::rename(&repo.dir, env.root().join(first)).expect("moved");
    }
    let repo = branches(&env, &adapter(1.0), &adapter(2.0), &adapter(3.0));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let resolve = repo.model(&["resolve", FILE, "--tensors", "*lora_B*", "--take", "theirs"]).ok();
    assert!(resolve.stderr.contains("all decided"), "{}", resolve.stderr);
    repo.assert_holds(FILE, &adapter(3.0));
}

#[test]
fn of_two_new_names_the_one_of_the_side_that_is_taken() {
    for (side, name) in [("ours", "b"), ("theirs", "c"), ("base", "a")] {
        let env = environment();
        let named = |name| model(&[(name, 1.0), ("z", 5.0)]);
        let repo = branches(&env, &named("a"), &named("b"), &named("c"));
        repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
        repo.model(&["resolve", FILE, "--take", side]).ok();
        repo.assert_holds(FILE, &named(name));
    }
}

#[test]
fn the_rules_of_the_merge_are_those_of_its_decisions() {
    let env = environment();
    let mixed = |a: f32, i: i32| {
        let (a, i) = (weights(a, 8), i.to_le_bytes());
        safetensors(&[
            Tensor { name: "a", dtype: "BF16", shape: &[8], bytes: &a },
            Tensor { name: "i", dtype: "I32", shape: &[1], bytes: &i },
        ])
    };
    let repo = branches(&env, &mixed(1.0, 1), &mixed(2.0, 2), &mixed(4.0, 3));
    repo.git(&["-c", "model.merge.strategy=linear", "merge", "--no-edit", "side"]).fails_with(1);
    repo.assert_holds(FILE, &mixed(3.0, 2));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &mixed(3.0, 3));
}

#[test]
fn a_file_stays_executable() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0]), &layers(&[1.5]), &layers(&[1.25]));
    std::fs::set_permissions(repo.path(FILE), std::fs::Permissions::from_mode(0o755)).expect("a mode");
    repo.commit("executable");
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    assert!(repo.git(&["ls-files", "--stage", FILE]).ok().text().starts_with("100755 "));
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.assert_clean();
}

#[test]
fn a_path_may_look_like_an_option() {
    let env = environment();
    let repo = env.repo("repo");
    for (branch, values) in [("main", [1.0, 1.0]), ("side", [1.0, 2.0]), ("main", [2.0, 1.0])] {
        repo.git(&["checkout", "-q", if branch == "side" { "-b" } else { "-q" }, branch]);
        repo.write("-x.safetensors", &layers(&values));
        repo.commit(branch);
    }
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds("-x.safetensors", &layers(&[2.0, 2.0]));
}

#[test]
fn pipes_and_links_are_not_replaced_by_files() {
    let env = environment();
    let repo = env.repo("repo");
    repo.write(FILE, &layers(&BASE));
    repo.commit("a model");
    let pipe = std::process::Command::new("mkfifo").arg(repo.path("pipe")).status().expect("mkfifo");
    assert!(pipe.success());
    repo.write("old.npy", b"old");
    std::os::unix::fs::symlink("old.npy", repo.path("link")).expect("a link");
    let cat = |args: &[&str]| repo.model(&[&["cat", FILE, "layers.0.weight", "-o"][..], args].concat());
    assert!(cat(&["pipe", "--force"]).fails_with(1).stderr.contains("no regular file"));
    assert!(cat(&["old.npy"]).fails_with(1).stderr.contains("--force"));
    assert_eq!(repo.read("old.npy"), b"old");
    cat(&["link", "--force"]).ok();
    assert!(repo.path("link").symlink_metadata().expect("there").is_symlink());
    assert!(repo.read("old.npy").starts_with(b"\x93NUMPY"));
}
