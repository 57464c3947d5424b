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
    let file = "-x.safetensors";
    repo.write(file, &layers(&[1.0, 1.0]));
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write(file, &layers(&[1.0, 2.0]));
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(file, &layers(&[2.0, 1.0]));
    repo.commit("ours");
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(file, &layers(&[2.0, 2.0]));
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

/// What only looks at history merges too.
#[test]
fn looking_at_other_merges_changes_nothing() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["checkout", "-q", "-b", "history"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.git(&["checkout", "-q", "-b", "later", "side"]).ok();
    repo.write(FILE, &layers(&[9.0]));
    repo.commit("later");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "--no-edit", "later"]).fails_with(1);
    repo.git(&["show", "--remerge-diff", "--stat", "history"]).ok();
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "--no-edit"]));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &layers(&[9.0]));
}

#[test]
fn a_commit_of_named_files_is_stopped_and_forgets_nothing() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["merge", "--squash", "side"]).fails_with(1);
    stopped(&repo.git(&["commit", "-q", "-m", "x", FILE]));
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "-m", "x", FILE]));
    // Another file may be committed meanwhile, by those who say so.
    repo.write("notes", b"x");
    repo.git(&["add", "notes"]).ok();
    repo.git(&["commit", "-q", "--no-verify", "-m", "notes", "notes"]).ok();
    stopped(&repo.git(&["commit", "-q", "--allow-empty", "-m", "x"]));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.git(&["commit", "-q", "-m", "x"]).ok();
}

#[test]
fn local_training_that_conflicts_with_another_branch_is_not_forgotten() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["checkout", "-q", "-b", "work", "main~"]).ok();
    repo.write(FILE, &layers(&[7.0]));
    repo.git(&["checkout", "-q", "-m", "main"]);
    repo.git(&["add", "-A"]).ok();
    stopped(&repo.git(&["commit", "-q", "--allow-empty", "-m", "x"]));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &layers(&[7.0]));
}

#[test]
fn adding_a_file_in_conflict_is_mentioned() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let add = repo.git(&["add", "-A"]).ok();
    assert!(add.stderr.contains("1 tensor still in conflict, as on our side"), "{}", add.stderr);
}

#[test]
fn what_was_given_up_stops_nothing() {
    let env = environment();
    let repo = all_contested(&env);
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.write("notes", b"x");
    repo.commit("notes");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["merge", "--abort"]).ok();
    repo.git(&["-c", "model.merge.strategy=ours", "merge", "-q", "--no-edit", "side"]).ok();
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["merge", "--abort"]).ok();
    repo.git(&["merge", "-q", "--no-edit", "-s", "ours", "side"]).ok();
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    // The commit in conflict is left out, the one after it goes in.
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["rebase", "main"]).fails_with(1);
    repo.git(&["rebase", "--skip"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5]));
    assert_eq!(repo.read("notes"), b"x");
}

/// The same merge, given up and made again with a rule: what it left before is not what it leaves now.
#[test]
fn a_merge_made_again_with_a_rule_is_done() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.25, 2.5, 3.0]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["merge", "--abort"]).ok();
    repo.git(&["-c", "model.merge.strategy=ours", "merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.0]));
}

#[test]
fn a_manifest_with_conflict_markers_is_not_committed() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.25, 2.0, 3.0]));
    repo.model(&["install", "--local"]).ok();
    let text = String::from_utf8(repo.blob("main", FILE)).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let broken = [lines[0], "", "<<<<<<< ours", lines[2], "=======", lines[2], ">>>>>>> theirs", ""].join("\n");
    repo.write(FILE, broken.as_bytes());
    repo.git(&["add", "-A"]).ok();
    let commit = repo.git(&["commit", "-q", "-m", "x"]).fails_with(1);
    assert!(commit.stderr.contains("m.safetensors"), "{}", commit.stderr);
    assert!(commit.stderr.contains("no manifest"), "{}", commit.stderr);
}

#[test]
fn a_soup_is_written_over_nothing_that_git_does_not_have() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0]), &layers(&[1.5]), &layers(&[1.25]));
    let soup = |model: &str| repo.model(&["merge", model, "side", "--method", "linear"]);
    repo.write(FILE, &layers(&[9.0]));
    for model in ["main:m.safetensors", "main:./m.safetensors", "main"] {
        soup(model).fails_with(if model.contains("./") { 2 } else { 1 });
        repo.assert_holds(FILE, &layers(&[9.0]));
    }
    repo.git(&["checkout", "-q", FILE]).ok();
    repo.git(&["update-index", "--assume-unchanged", FILE]).ok();
    repo.write(FILE, &layers(&[9.0]));
    soup("main").fails_with(1);
    repo.git(&["update-index", "--no-assume-unchanged", FILE]).ok();
    repo.git(&["checkout", "-q", FILE]).ok();
    std::fs::set_permissions(repo.path(FILE), std::fs::Permissions::from_mode(0o600)).expect("a mode");
    soup("main").ok();
    repo.assert_holds(FILE, &layers(&[1.375]));
    assert_eq!(repo.path(FILE).metadata().expect("there").permissions().mode() & 0o777, 0o600);
}

/// An array of 2 × 2 floats in a .npy file.
fn npy(by_column: bool, values: [f32; 4]) -> Vec<u8> {
    let order = if by_column { "True" } else { "False" };
    let header = format!("{{'descr': '<f4', 'fortran_order': {order}, 'shape': (2, 2), }}");
    let header = format!("{header:<117}\n");
    let elements = values.iter().flat_map(|value| value.to_le_bytes());
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &elements.collect::<Vec<u8>>()]
        .concat()
}

#[test]
fn elements_in_different_orders_are_not_mixed() {
    let env = environment();
    let repo = env.repo("repo");
    repo.write(".gitattributes", b"*.npy filter=model merge=model\n");
    repo.write("a.npy", &npy(false, [1.0; 4]));
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write("a.npy", &npy(true, [2.0; 4]));
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    let ours = npy(true, [3.0; 4]);
    repo.write("a.npy", &ours);
    repo.commit("ours");
    let merge = repo.git(&["-c", "model.merge.strategy=task_arithmetic", "merge", "--no-edit", "side"]).fails_with(1);
    assert!(merge.stderr.contains("column by column"), "{}", merge.stderr);
    repo.assert_holds("a.npy", &ours);
    repo.write("row.npy", &npy(false, [1.0, 2.0, 3.0, 4.0]));
    repo.write("column.npy", &npy(true, [1.0, 3.0, 2.0, 4.0]));
    let soup = repo.model(&["merge", "row.npy", "column.npy", "--method", "linear", "-o", "soup.npy"]).fails_with(1);
    assert!(soup.stderr.contains("row by row in one of them and column by column in another"), "{}", soup.stderr);
    repo.model(&["cat", "column.npy", "array", "-o", "again.npy"]).ok();
    let again = repo.read("again.npy");
    assert!(String::from_utf8_lossy(&again).contains("'fortran_order': True"));
}
