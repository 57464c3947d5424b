//! Bytes that leave the repository are weights: archive, cat-file --filters, checkout-index. Those that are looked at
//! are manifests: diff, log, show.

use crate::support::{Env, Repo, in_both_modes, is_manifest, model, noise};

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Extracts a tar archive into a new folder.
fn extracted<'e>(env: &'e Env, tar: &[u8]) -> Repo<'e> {
    std::fs::write(env.root().join("a.tar"), tar).expect("written");
    let _ = std::fs::remove_dir_all(env.root().join("out"));
    std::fs::create_dir(env.root().join("out")).expect("a folder");
    let mut command = env.command("tar", env.root());
    command.args(["-xf", "a.tar", "-C", "out"]);
    env.run(command).ok();
    env.at("out")
}

#[test]
fn archives_hold_weights() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        for (revision, seed) in [("HEAD", 2), ("HEAD~", 1)] {
            let tar = repo.git(&["archive", "--prefix=x/", revision]).ok().stdout;
            extracted(env, &tar).assert_holds("x/m.safetensors", &model(seed));
            let zip = repo.git(&["archive", "--format=zip", "-0", revision]).ok().stdout;
            assert!(contains(&zip, &model(seed)), "{revision}");
        }
        // From a subfolder, of the index's tree, and without a work tree.
        let tree = repo.git(&["write-tree"]).ok();
        let tar = repo.git(&["archive", tree.text().trim()]).ok().stdout;
        extracted(env, &tar).assert_holds("m.safetensors", &model(2));
    });
}

#[test]
fn archives_hold_weights_above_the_inline_limit() {
    let env = Env::new();
    let repo = env.repo("repo");
    let bytes = noise(9 << 20, 1);
    repo.write("large.bin", &bytes);
    repo.commit("large");
    let tar = repo.git(&["archive", "HEAD"]).ok().stdout;
    extracted(&env, &tar).assert_holds("large.bin", &bytes);
    assert!(repo.git(&["cat-file", "--filters", "HEAD:large.bin"]).ok().stdout == bytes);
}

#[test]
fn an_archive_of_missing_objects_fails() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(1);
        std::fs::remove_dir_all(repo.path(".git/model")).expect("removed");
        let failed = repo.git(&["archive", "HEAD"]);
        assert_ne!(failed.code, Some(0), "an archive of manifests passes for one of weights");
        assert!(failed.stderr.contains("m.safetensors"), "{}", failed.stderr);
    });
}

#[test]
fn cat_file_with_filters() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        for (revision, seed) in [("HEAD", 2), ("HEAD~", 1)] {
            let name = format!("{revision}:m.safetensors");
            assert!(repo.git(&["cat-file", "--filters", &name]).ok().stdout == model(seed));
            assert!(is_manifest(&repo.git(&["cat-file", "blob", &name]).ok().stdout));
            let blob = repo.git(&["rev-parse", &name]).ok();
            let by_path = ["cat-file", "--filters", "--path=m.safetensors", blob.text().trim()];
            assert!(repo.git(&by_path).ok().stdout == model(seed));
            let elsewhere = ["cat-file", "--filters", "--path=m.txt", blob.text().trim()];
            assert!(is_manifest(&repo.git(&elsewhere).ok().stdout));
            let input = format!("{} m.safetensors\n", blob.text().trim());
            let batch = repo.git_reading(input.as_bytes(), &["cat-file", "--filters", "--batch"]).ok().stdout;
            assert!(contains(&batch, &model(seed)));
        }
    });
}

#[test]
fn checkout_index() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.git(&["checkout-index", "-a", "--prefix=export/dir/"]).ok();
        repo.assert_holds("export/dir/m.safetensors", &model(2));
        std::fs::remove_dir_all(repo.path("export")).expect("removed");
        repo.remove("m.safetensors");
        repo.git(&["checkout-index", "-u", "-f", "m.safetensors"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        repo.assert_clean();
        let temporary = repo.git(&["checkout-index", "--temp", "m.safetensors"]).ok();
        let name = temporary.text().split('\t').next().expect("a name").to_owned();
        repo.assert_holds(&name, &model(2));
    });
}

#[test]
fn diffs_are_of_manifests() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        repo.write("m.safetensors", &model(3));
        let cases: [(&[&str], usize); 5] = [
            (&["diff"], 1),
            (&["diff", "HEAD~"], 1),
            (&["diff", "HEAD~", "HEAD"], 1),
            (&["log", "-p", "-1", "--format="], 1),
            (&["show", "--format="], 1),
        ];
        for (args, changed) in cases {
            let diff = repo.git(args).ok();
            let added: Vec<&str> = diff.text().lines().filter(|line| line.starts_with("+{")).collect();
            assert_eq!(added.len(), changed, "{args:?}: {}", diff.text());
            assert!(added[0].starts_with("+{\"name\":\"layer.weight\",\"dtype\":\"BF16\",\"shape\":[40,50],"));
            assert!(!diff.text().contains("Binary files"), "{args:?}");
        }
        repo.assert_holds("m.safetensors", &model(3));
        let blame = repo.git(&["blame", "-s", "HEAD", "--", "m.safetensors"]).ok();
        let second = repo.git(&["rev-parse", "--short=7", "HEAD"]).ok();
        let lines = blame.text().lines().filter(|line| line.starts_with(second.text().trim())).count();
        assert_eq!(lines, 1, "{}", blame.text());
    });
}
