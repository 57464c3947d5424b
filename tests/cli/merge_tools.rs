//! Merges of weight files through the rest of git: mergetool, rerere, octopus; and what a merge follows.

use crate::merge::{BASE, FILE, OURS, THEIRS, branches, contested, environment, layers, weights};
use crate::support::{Repo, Tensor, safetensors};

/// A model of the tensors `name`, rows of 4, value.
fn model(tensors: &[(&str, usize, f32)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|&(_, rows, value)| weights(value, rows * 4)).collect();
    let shapes: Vec<[usize; 2]> = tensors.iter().map(|&(_, rows, _)| [rows, 4]).collect();
    let tensors: Vec<Tensor<'_>> = tensors
        .iter()
        .zip(bytes.iter().zip(&shapes))
        .map(|(&(name, ..), (bytes, shape))| Tensor { name, dtype: "BF16", shape, bytes })
        .collect();
    safetensors(&tensors)
}

#[test]
fn a_renamed_tensor_is_followed() {
    let env = environment();
    let base = model(&[("a", 2, 1.0), ("b", 3, 2.0)]);
    let ours = model(&[("a", 2, 1.0), ("c", 3, 2.0)]);
    let theirs = model(&[("a", 2, 1.0), ("b", 3, 2.5)]);
    let repo = branches(&env, &base, &ours, &theirs);
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &model(&[("a", 2, 1.0), ("c", 3, 2.5)]));
    repo.assert_clean();
}

#[test]
fn rows_appended_on_one_side_stay_behind_the_changed_ones() {
    let env = environment();
    let (base, theirs) = (model(&[("embed", 10, 1.0)]), model(&[("embed", 10, 2.0)]));
    let appended = [weights(1.0, 40), weights(7.0, 8)].concat();
    let rows = |bytes: &[u8]| safetensors(&[Tensor { name: "embed", dtype: "BF16", shape: &[12, 4], bytes }]);
    let repo = branches(&env, &base, &rows(&appended), &theirs);
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_holds(FILE, &rows(&[weights(2.0, 40), weights(7.0, 8)].concat()));

    std::fs::rename(&repo.dir, env.root().join("first")).expect("moved");
    let other = [weights(1.0, 40), weights(8.0, 4)].concat();
    let other = safetensors(&[Tensor { name: "embed", dtype: "BF16", shape: &[11, 4], bytes: &other }]);
    let repo = branches(&env, &base, &rows(&appended), &other);
    let merge = repo.git(&["-c", "model.merge.strategy=linear", "merge", "--no-edit", "side"]).fails_with(1);
    assert!(merge.stderr.contains("rows appended on both sides"), "{}", merge.stderr);
    repo.assert_holds(FILE, &rows(&appended));
}

#[test]
fn factors_of_an_adapter_come_from_one_side() {
    let env = environment();
    let adapter = |a, b| model(&[("q.lora_A.weight", 2, a), ("q.lora_B.weight", 3, b)]);
    let repo = branches(&env, &adapter(1.0, 1.0), &adapter(2.0, 1.0), &adapter(1.0, 3.0));
    let merge = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    assert_eq!(merge.stderr.matches("its parts have changed on both sides").count(), 2, "{}", merge.stderr);
    repo.assert_holds(FILE, &adapter(2.0, 1.0));
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.assert_holds(FILE, &adapter(1.0, 3.0));
    repo.git(&["commit", "-q", "--no-edit"]).ok();
}

/// Runs `git mergetool` with a tool that keeps theirs.
fn mergetool(repo: &Repo<'_>, smudge: &str) {
    repo.env.configure("mergetool.theirs.cmd", r#"cp "$REMOTE" "$MERGED""#);
    repo.env.configure("mergetool.theirs.trustExitCode", "true");
    repo.env.configure("mergetool.keepBackup", "false");
    repo.git_with(&[("GIT_MODEL_SMUDGE", smudge)], &["mergetool", "--tool=theirs", "--no-prompt"]).ok();
}

#[test]
fn mergetool_needs_nothing_special() {
    for smudge in ["inline", "defer"] {
        let env = environment();
        let repo = contested(&env);
        repo.model(&["install", "--local"]).ok();
        repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
        mergetool(&repo, smudge);
        assert_eq!(repo.git(&["ls-files", "--unmerged"]).ok().text(), "");
        repo.git(&["commit", "-q", "--no-edit"]).ok();
        repo.git(&["model", "checkout"]).ok();
        repo.assert_holds(FILE, &layers(&THEIRS));
        repo.assert_clean();
    }
}

/// There are no markers in a manifest, so there is nothing to record, and nothing to be replayed in the wrong place.
#[test]
fn rerere_leaves_weights_alone() {
    let env = environment();
    env.configure("rerere.enabled", "true");
    env.configure("rerere.autoUpdate", "true");
    let repo = contested(&env);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    repo.model(&["resolve", FILE, "--take", "theirs"]).ok();
    repo.git(&["commit", "-q", "--no-edit"]).ok();
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    let again = repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    assert!(again.stderr.contains("1 tensor in conflict"), "{}", again.stderr);
    assert_ne!(repo.git(&["ls-files", "--unmerged"]).ok().text(), "");
    repo.assert_holds(FILE, &layers(&[1.5, 2.5, 3.5]));
}

#[test]
fn a_conflict_is_mentioned_by_a_comparison() {
    let env = environment();
    let repo = contested(&env);
    repo.git(&["merge", "--no-edit", "side"]).fails_with(1);
    for args in [&["diff"][..], &["diff", "--cached"]] {
        let diff = repo.model(args).ok();
        assert!(diff.stderr.contains("`m.safetensors` is in conflict"), "{args:?}: {}", diff.stderr);
    }
    // What is in the work tree is one version.
    assert!(repo.model(&["diff", "HEAD"]).ok().text().contains("layers.1.weight"));
    let sides = repo.model(&["diff", "--name-only", ":2:m.safetensors", ":3:m.safetensors"]).ok();
    assert_ne!(sides.text(), "");
}

/// More than two branches at once are merged by another program of git's, which asks no driver but merges lines: of
/// manifests, where there is a line for each tensor. It stops where they are too close to each other, and nothing is lost.
#[test]
fn an_octopus_merges_what_is_far_apart_and_else_stops() {
    let env = environment();
    let values = |changed: &[usize]| {
        let mut values: Vec<f32> = (0..30).map(|at| at as f32 / 4.0).collect();
        changed.iter().for_each(|&at| values[at] += 0.125);
        layers(&values)
    };
    let repo = branches(&env, &values(&[]), &values(&[2]), &values(&[25]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["checkout", "-q", "-b", "third", "main~"]).ok();
    repo.write(FILE, &values(&[12]));
    repo.commit("third");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.git(&["merge", "-q", "--no-edit", "side", "third"]).ok();
    repo.assert_holds(FILE, &values(&[2, 12, 25]));
    repo.assert_clean();

    std::fs::rename(&repo.dir, env.root().join("first")).expect("moved");
    let repo = contested(&env);
    repo.git(&["checkout", "-q", "-b", "third", "main~"]).ok();
    repo.write(FILE, &layers(&[BASE[0], 2.75, BASE[2]]));
    repo.commit("third");
    repo.git(&["checkout", "-q", "main"]).ok();
    assert_ne!(repo.git(&["merge", "--no-edit", "side", "third"]).code, Some(0));
    repo.git(&["reset", "-q", "--hard"]).ok();
    repo.assert_holds(FILE, &layers(&OURS));
    repo.assert_clean();
}

/// Each file is merged by itself, and they do not fit each other.
#[test]
fn sizes_of_one_side_and_shapes_of_the_other_are_mentioned() {
    let env = environment();
    let model = |rows: usize| model(&[("embed", rows, 1.0)]);
    let repo = env.repo("repo");
    repo.model(&["install", "--local"]).ok();
    repo.write(".gitattributes", b"*.safetensors filter=model merge=model\nparams.json merge=model-params\n");
    repo.write("params.json", b"{\"vocab_size\": 10, \"lr\": 1}\n");
    repo.write(FILE, &model(10));
    repo.commit("base");
    repo.git(&["checkout", "-q", "-b", "side"]).ok();
    repo.write("params.json", b"{\"vocab_size\": 14, \"lr\": 1}\n");
    repo.commit("a larger vocabulary");
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.write(FILE, &model(13));
    repo.commit("more rows");
    let merge = repo.git(&["merge", "--no-edit", "side"]).ok();
    let expected = "`vocab_size` in `params.json` is of their side, the shapes in `m.safetensors` of our side";
    assert!(merge.stderr.contains(expected), "{}", merge.stderr);

    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.write("params.json", b"{\"vocab_size\": 14, \"lr\": 2}\n");
    repo.commit("the same vocabulary");
    let merge = repo.git(&["merge", "--no-edit", "side"]).ok();
    assert!(!merge.stderr.contains("vocab_size"), "{}", merge.stderr);
}

/// What a branch that is merged has already is no news, though git writes down what it merges only when it stops.
#[test]
fn nan_of_the_other_branch_stops_no_merge() {
    let env = environment();
    let repo = branches(&env, &layers(&BASE), &layers(&[1.5, 2.0, 3.0]), &layers(&[1.0, 2.0, f32::NAN]));
    repo.model(&["install", "--local"]).ok();
    repo.git(&["merge", "-q", "--no-edit", "side"]).ok();
    repo.assert_clean();
}
