//! `git merge` and its kin on weight files, tensor by tensor, through real git.

use git_model::format::{Bytes, Detected, detect};

use crate::support::{Env, Repo, Tensor, is_manifest, safetensors};

pub const FILE: &str = "m.safetensors";

/// bf16 weights near `value`, each a little different.
pub fn weights(value: f32, elements: usize) -> Vec<u8> {
    (0..elements)
        .flat_map(|at| {
            let value = value + (at % 7) as f32 / 8.0;
            [(value.to_bits() >> 16) as u8, (value.to_bits() >> 24) as u8]
        })
        .collect()
}

/// A model of layers of 40 weights each, told by one number each.
pub fn layers(values: &[f32]) -> Vec<u8> {
    let names: Vec<String> = (0..values.len()).map(|at| format!("layers.{at}.weight")).collect();
    let bytes: Vec<Vec<u8>> = values.iter().map(|&value| weights(value, 40)).collect();
    let tensors: Vec<Tensor<'_>> =
        names.iter().zip(&bytes).map(|(name, bytes)| Tensor { name, dtype: "BF16", shape: &[8, 5], bytes }).collect();
    safetensors(&tensors)
}

pub fn environment() -> Env {
    let env = Env::new();
    env.configure("merge.model.driver", "git-model merge-driver %O %A %B %L %P %S %X %Y");
    env.configure("merge.model.recursive", "model");
    env
}

/// Two branches from `base`: `main` with `ours`, `side` with `theirs`; `main` is checked out.
pub fn branches<'e>(env: &'e Env, base: &[u8], ours: &[u8], theirs: &[u8]) -> Repo<'e> {
    let repo = env.repo("repo");
    repo.write(FILE, base);
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write(FILE, theirs);
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(FILE, ours);
    repo.commit("ours");
    repo
}

pub const BASE: [f32; 3] = [1.0, 2.0, 3.0];
pub const OURS: [f32; 3] = [1.5, 2.0, 3.5];
pub const THEIRS: [f32; 3] = [1.0, 2.5, 3.25];

/// The third layer was changed on both sides.
pub fn contested(env: &Env) -> Repo<'_> {
    branches(env, &layers(&BASE), &layers(&OURS), &layers(&THEIRS))
}

#[test]
fn changes_of_different_tensors_are_united() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.0]));
    repo.assert_clean();
    repo.git(&["fsck", "--strict"]).ok();
}

#[test]
fn a_conflict_keeps_ours_and_takes_the_rest() {
    let env = environment();
    let repo = contested(&env);
    let merge = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.5]));
    for expected in [
        "tensor            why                    ‖ΔO‖      ‖ΔT‖      cos   signs",
        "layers.2.weight   changed on both sides  3.16e0    1.58e0    1.00  0 %",
        "`m.safetensors`: 1 tensor in conflict, left as on our side; the rest is merged",
        "git model resolve m.safetensors --take ours|theirs|METHOD",
    ] {
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&merge.stderr).contains(&squeezed(expected)), "{expected}\n{}", merge.stderr);
    }
    assert_eq!(
        repo.model(&["resolve", "--list"]).ok().text(),
        "m.safetensors\tlayers.2.weight\tchanged on both sides\n"
    );
}

#[test]
fn a_side_is_taken_and_staged() {
    for (side, value) in [("ours", 3.5), ("theirs", 3.25), ("base", 3.0)] {
        let env = environment();
        let repo = contested(&env);
        repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
        repo.model(&["resolve", FILE, "--take", side]).ok();
        repo.assert_holds(FILE, &layers(&[1.5, 2.5, value]));
        assert_eq!(repo.git(&["ls-files", "--unmerged"]).ok().text(), "");
        repo.git(&["commit", "-q", "--no-edit"]).ok();
        repo.assert_clean();
        assert_eq!(repo.model(&["resolve", "--list"]).ok().text(), "");
    }
}

#[test]
fn a_method_computes_the_result() {
    let env = environment();
    let repo = contested(&env);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "linear weight=1,3"]).ok();
    // A quarter of ours and three of theirs: 3.3125, which bf16 has.
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.3125]));
    repo.git(&["commit", "-q", "--no-edit"]).ok();
}

#[test]
fn some_tensors_first_and_then_the_others() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.5, 3.5]), &layers(&[1.25, 2.25, 3.25]));
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    let first = repo.model(&["resolve", FILE, "--tensors", "layers.0.*", "--take", "theirs"]).ok();
    assert!(first.stderr.contains("1 tensor decided, 2 left in `m.safetensors`"), "{}", first.stderr);
    repo.assert_holds(FILE, &layers(&[1.25, 2.5, 3.5]));
    assert_ne!(repo.git(&["ls-files", "--unmerged"]).ok().text(), "");
    let wrong = repo.model(&["resolve", FILE, "--tensors", "layers.0.*", "--take", "ours"]).fails_with(1);
    assert!(wrong.stderr.contains("layers.1.weight, layers.2.weight"), "{}", wrong.stderr);
    repo.model(&["resolve", FILE, "--abort"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.5]));
    repo.model(&["resolve", FILE, "--tensors", "layers.[01].*", "--take", "theirs"]).ok();
    repo.model(&["resolve", FILE, "--take", "ours"]).ok();
    repo.assert_holds(FILE, &layers(&[1.25, 2.25, 3.5]));
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.assert_clean();
}

#[test]
fn rules_of_the_repository_and_of_one_command() {
    let rule = b"[merge]\nstrategy = \"linear\"\n\n[[merge.rule]]\ntensors = \"layers.9.*\"\nstrategy = \"ours\"\n";
    let env = environment();
    let repo = contested(&env);
    repo.write(".gitmodel.toml", rule);
    repo.commit("rules");
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.375]));
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.git(&["-c", "model.merge.strategy=theirs", "merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.25]));
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.git_with(&[("GIT_MODEL_MERGE_STRATEGY", "task_arithmetic weight=1")], &["merge", "-q", "--no-edit", "side"])
        .ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.75]));
}

#[test]
fn a_strategy_that_does_not_exist_stops_the_merge() {
    let env = environment();
    let repo = contested(&env);
    for (setting, expected) in [("tees", "no merge method `tees`"), ("ties density=2", "from 0 to 1")] {
        let setting = format!("model.merge.strategy={setting}");
        let merge = repo.git(&["-c", &setting, "merge", "--no-edit", "side"]);
        assert_ne!(merge.code, Some(0));
        assert!(merge.stderr.contains(expected), "{}", merge.stderr);
        assert!(merge.stderr.contains("breadcrumbs_ties"), "{}", merge.stderr);
        repo.assert_holds(FILE, &layers(&OURS));
        // Git before 2.41 takes what should stop the merge for a conflict.
        if repo.path(".git/MERGE_HEAD").exists() {
            repo.git(&["merge", "--abort"]).ok();
        }
        repo.assert_clean();
    }
}

#[test]
fn missing_weights_stop_the_merge_and_are_named() {
    let env = environment();
    let repo = contested(&env);
    let packs = repo.path(".git/model/packs");
    std::fs::remove_dir_all(&packs).expect("removed");
    let merge = repo.git(&["-c", "model.merge.strategy=linear", "merge", "--no-edit", "side"]);
    assert_ne!(merge.code, Some(0));
    for expected in ["tensor `layers.2.weight`", "is not in the store", "fetch the missing objects"] {
        assert!(merge.stderr.contains(expected), "{}", merge.stderr);
    }
    repo.assert_holds(FILE, &layers(&OURS));
}

#[test]
fn rebase_cherry_pick_revert_and_stash() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["rebase", "-q", "main"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.0]));
    repo.assert_clean();
    repo.git(&["revert", "--no-edit", "main"]).ok();
    repo.assert_holds(FILE, &layers(&[1.0, 2.5, 3.0]));
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["cherry-pick", "side~"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.0]));
    repo.write(FILE, &layers(&[1.5, 2.5, 3.5]));
    repo.git(&["stash", "-q"]).ok();
    repo.write(FILE, &layers(&[4.0, 2.5, 3.0]));
    repo.commit("meanwhile");
    repo.git(&["stash", "pop", "-q"]).ok();
    repo.assert_holds(FILE, &layers(&[4.0, 2.5, 3.5]));
}

#[test]
fn a_conflict_in_a_rebase_has_the_sides_swapped() {
    let env = environment();
    let repo = contested(&env);
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["rebase", "main"]).fails_with(1);
    // Ours is the branch that is rebased upon.
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.5]));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.git_with(&[("GIT_EDITOR", "true")], &["rebase", "--continue"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.25]));
    repo.assert_clean();
}

#[test]
fn a_file_renamed_on_one_side_is_merged_under_its_new_name() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    repo.git(&["mv", FILE, "n.safetensors"]).ok();
    repo.commit("renamed");
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds("n.safetensors", &layers(&[1.5, 2.5, 3.0]));
    repo.assert_clean();
}

#[test]
fn both_sides_add_the_file() {
    let env = environment();
    let repo = env.repo("repo");
    repo.commit("empty");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write(FILE, &layers(&THEIRS));
    repo.commit("theirs");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(FILE, &layers(&OURS));
    repo.commit("ours");
    let merge = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    assert!(merge.stderr.contains("3 tensors in conflict"), "{}", merge.stderr);
    repo.assert_holds(FILE, &layers(&OURS));
    let ties = repo.model(&["resolve", FILE, "--take", "ties"]).fails_with(1);
    assert!(ties.stderr.contains("no common version for `ties`"), "{}", ties.stderr);
    repo.model(&["resolve", FILE, "--take", "linear"]).ok();
    repo.assert_holds(FILE, &layers(&[1.25, 2.25, 3.375]));
}

#[test]
fn criss_cross() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    repo.git(&["branch", "-q", "old"]).ok();
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["merge", "-q", "--no-edit", "old"]).ok();
    repo.write(FILE, &layers(&[1.5, 2.5, 3.5]));
    repo.commit("further");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(FILE, &layers(&[1.75, 2.5, 3.0]));
    repo.commit("further");
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &layers(&[1.75, 2.5, 3.5]));
    repo.assert_clean();
}

/// What both bases have changed in different ways is no common version: whoever kept either has changed it.
#[test]
fn criss_cross_over_a_conflict() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0, 2.0]), &layers(&[1.5, 2.0]), &layers(&[1.25, 2.0]));
    repo.git(&["branch", "-q", "old"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "ours"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["merge", "--no-edit", "old"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "ours"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    let merge = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    assert!(merge.stderr.contains("layers.0.weight"), "{}", merge.stderr);
    assert_eq!(merge.stderr.matches("in conflict").count(), 1, "{}", merge.stderr);
}

#[test]
fn a_merge_in_memory_and_one_in_a_linked_work_tree() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    let tree = repo.git(&["merge-tree", "--write-tree", "main", "side"]).ok();
    let blob = repo.blob(tree.text().trim(), FILE);
    assert!(is_manifest(&blob));
    repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]).ok();
    assert_eq!(env.at("bare.git").git(&["merge-tree", "--write-tree", "main", "side"]).ok().text(), tree.text());
    repo.git(&["worktree", "add", "-q", "../linked", "main", "--force"]).ok();
    let linked = env.at("linked");
    linked.git(&["merge", "-q", "--no-edit", "side"]).ok();
    assert_eq!(linked.blob("HEAD", FILE), blob);
    linked.assert_holds(FILE, &layers(&[1.5, 2.5, 3.0]));

    std::fs::rename(&repo.dir, env.root().join("first")).expect("moved");
    let repo = contested(&env);
    repo.git(&["merge-tree", "--write-tree", "main", "side"]).fails_with(1);
    assert_eq!(repo.model(&["resolve", "--list"]).ok().text(), "");
}

#[test]
fn garbage_is_a_conflict_and_no_crash() {
    let env = environment();
    let repo = contested(&env);
    let file = |name: &str, text: &[u8]| {
        repo.write(name, text);
        name.to_owned()
    };
    let (good, garbage) = (file("good", &repo.blob("main", FILE)), file("garbage", b"<<<<<<< ours\n"));
    let truncated = file("truncated", &repo.blob("side", FILE)[..200]);
    for (ours, theirs) in [(&garbage, &good), (&good, &garbage), (&good, &truncated)] {
        let before = repo.read(ours);
        let driver = repo.model(&["merge-driver", &good, ours, theirs, "7", FILE]).fails_with(1);
        assert!(driver.stderr.contains("one side is no manifest"), "{}", driver.stderr);
        assert_eq!(repo.read(ours), before);
    }
}

#[test]
fn a_commit_that_would_hide_conflicts_is_stopped() {
    let env = environment();
    let repo = contested(&env);
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["add", FILE]).ok();
    let commit = repo.git(&["commit", "-q", "--no-edit"]).fails_with(1);
    for expected in
        ["1 tensor still in conflict", "m.safetensors: layers.2.weight: changed on both sides", "--take ours"]
    {
        assert!(commit.stderr.contains(expected), "{}", commit.stderr);
    }
    repo.model(&["resolve", FILE, "--take", "ours"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.5]));
}

#[test]
fn whoever_puts_another_version_there_has_decided() {
    let env = environment();
    let repo = contested(&env);
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["checkout", "-q", "--theirs", FILE]).ok();
    repo.git(&["add", FILE]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.assert_holds(FILE, &layers(&THEIRS));
}

#[test]
fn a_merge_that_was_given_up_stops_no_commit() {
    let env = environment();
    let repo = branches(&env, &layers(&[1.0]), &layers(&[1.5]), &layers(&[1.25]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.git(&["merge", "--abort"]).ok();
    repo.write("notes.txt", b"nothing to do with it\n");
    repo.commit("notes");
    repo.assert_holds(FILE, &layers(&[1.5]));
}

#[test]
fn a_rebase_does_not_go_on_over_conflicts() {
    let env = environment();
    let repo = contested(&env);
    repo.model(&["install", "--local"]).ok();
    repo.git(&["checkout", "-q", "side"]).ok();
    repo.git(&["rebase", "main"]).fails_with(1);
    repo.git(&["add", FILE]).ok();
    let more = repo.git_with(&[("GIT_EDITOR", "true")], &["rebase", "--continue"]);
    assert_ne!(more.code, Some(0));
    assert!(more.stderr.contains("1 tensor still in conflict"), "{}", more.stderr);
}

#[test]
fn weights_that_became_nan_are_not_committed() {
    let env = environment();
    let repo = contested(&env);
    repo.model(&["install", "--local"]).ok();
    repo.write(FILE, &layers(&[f32::NAN, 2.0, 3.5]));
    repo.git(&["add", FILE]).ok();
    let commit = repo.git(&["commit", "-q", "-m", "broken"]).fails_with(1);
    for expected in
        ["NaN or infinity in 1 tensor that had none", "m.safetensors: layers.0.weight: 40 NaN", "--no-verify"]
    {
        assert!(commit.stderr.contains(expected), "{}", commit.stderr);
    }
    repo.git(&["commit", "-q", "-m", "broken", "--no-verify"]).ok();
    // What was NaN already is no news.
    repo.write(FILE, &layers(&[-f32::NAN, 2.0, 3.75]));
    repo.git(&["commit", "-q", "-a", "-m", "still broken"]).ok();
}

/// Tensors of both sides come together in every format that can be put together; the file is what its own library reads.
#[test]
fn other_formats() {
    for name in ["pytorch-list.pt", "npz-stored.npz", "gguf-plain.gguf", "hdf5-keras-model.h5", "onnx-dtypes.onnx"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name);
        let base = std::fs::read(path).expect(name);
        let Ok(Detected::Model(layout)) = detect(&Bytes(&base)) else { panic!("{name}") };
        let tensors: Vec<usize> =
            layout.records.iter().filter(|record| record.len > 0).map(|record| record.offset as usize).collect();
        let changed = |places: &[usize]| {
            let mut bytes = base.clone();
            places.iter().for_each(|&place| bytes[place] ^= 1);
            bytes
        };
        let [first, .., last] = tensors[..] else { panic!("{name}: {tensors:?}") };
        let env = environment();
        let repo = env.repo("repo");
        repo.write(".gitattributes", b"model filter=model merge=model\n");
        for (branch, bytes) in [("main", changed(&[])), ("side", changed(&[last]))] {
            repo.git(&["checkout", "-q", "-B", branch]).ok();
            repo.write("model", &bytes);
            repo.commit(branch);
        }
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.write("model", &changed(&[first]));
        repo.commit("ours");
        repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
        repo.assert_holds("model", &changed(&[first, last]));
    }
}

/// What is not there cannot have been read.
#[test]
fn changes_of_different_tensors_are_united_without_reading_any() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.5, 3.0]));
    for (name, revision) in [("base", "main~"), ("ours", "main"), ("theirs", "side")] {
        repo.write(name, &repo.blob(revision, FILE));
    }
    std::fs::remove_dir_all(repo.path(".git/model/packs")).expect("removed");
    repo.model(&["merge-driver", "base", "ours", "theirs", "7", FILE]).ok();
    let line = |text: &[u8], name: &str| {
        let text = String::from_utf8(text.to_vec()).expect("text");
        text.lines().find(|line| line.contains(name)).expect("a line").to_owned()
    };
    let merged = repo.read("ours");
    assert_eq!(line(&merged, "layers.0."), line(&repo.blob("main", FILE), "layers.0."));
    assert_eq!(line(&merged, "layers.1."), line(&repo.blob("side", FILE), "layers.1."));
}
