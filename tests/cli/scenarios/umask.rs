//! Who may read the store: the owner alone, or whom `core.sharedRepository` names; and the modes of restored files.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use crate::support::{Env, Repo, in_both_modes, model, noise, walk};

/// `sh` with this umask runs `git ARGS`.
fn with_umask(repo: &Repo<'_>, umask: &str, args: &str) {
    let mut command = repo.env.command("sh", &repo.dir);
    command.args(["-c", &format!("umask {umask} && git {args}")]);
    repo.env.run(command).ok();
}

/// The modes of files and of folders in the store, each once.
fn modes(repo: &Repo<'_>) -> (Vec<u32>, Vec<u32>) {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    let mode = |path: &Path| std::fs::metadata(path).expect("metadata").mode() & 0o7777;
    walk(&repo.path(".git/model"), &mut |path| {
        files.push(mode(path));
        let parents = path.ancestors().skip(1).take_while(|dir| !dir.ends_with(".git"));
        parents.for_each(|dir| folders.push(mode(dir)));
    });
    for modes in [&mut files, &mut folders] {
        modes.sort_unstable();
        modes.dedup();
    }
    (files, folders)
}

#[test]
fn a_store_is_private_or_as_shared_as_the_repository() {
    let cases: [(Option<&str>, &str, u32, u32); 7] = [
        (None, "022", 0o600, 0o700),
        (None, "000", 0o600, 0o700),
        (Some("umask"), "022", 0o600, 0o700),
        (Some("group"), "077", 0o660, 0o2770),
        (Some("all"), "077", 0o664, 0o2775),
        (Some("0640"), "077", 0o640, 0o2750),
        (Some("0660"), "022", 0o660, 0o2770),
    ];
    for (at, (shared, umask, file, folder)) in cases.into_iter().enumerate() {
        let env = Env::new();
        let repo = env.repo(&format!("repo{at}"));
        if let Some(shared) = shared {
            repo.set("core.sharedRepository", shared);
        }
        // Large enough for a stat record, and once more as another file: nothing may be made with other bits.
        repo.write("a.bin", &noise(3 << 20, 1));
        with_umask(&repo, umask, "add -A");
        repo.write("m.safetensors", &model(1));
        with_umask(&repo, umask, "add -A");
        assert_eq!(modes(&repo), (vec![file], vec![folder]), "{shared:?} under {umask}");
    }
}

#[test]
fn a_store_that_a_clone_makes_is_as_shared() {
    in_both_modes(|env| {
        let origin = env.repo("origin").versions(1);
        let clone = env.at("clone");
        for (shared, file, folder) in [("umask", 0o600, 0o700), ("group", 0o660, 0o2770)] {
            with_umask(&origin, "022", &format!("clone -q -c core.sharedRepository={shared} . ../clone"));
            clone.assert_holds("m.safetensors", &model(1));
            // Packs are links to those of the origin.
            std::fs::remove_dir_all(clone.path(".git/model/packs")).expect("removed");
            with_umask(&clone, "022", "add --renormalize .");
            assert_eq!(modes(&clone), (vec![file], vec![folder]), "{shared}");
            std::fs::remove_dir_all(&clone.dir).expect("removed");
        }
    });
}

#[test]
fn restored_files_have_the_bits_that_git_gives() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        repo.write("plain.bin", &noise(1000, 1));
        repo.write("run.bin", &noise(1000, 2));
        repo.write("notes.txt", b"notes");
        std::fs::set_permissions(repo.path("run.bin"), PermissionsExt::from_mode(0o755)).expect("executable");
        repo.commit("files");
        for (umask, plain, run) in [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("002", 0o664, 0o775)] {
            ["plain.bin", "run.bin", "notes.txt"].iter().for_each(|name| repo.remove(name));
            with_umask(&repo, umask, "checkout -q .");
            let mode = |name| std::fs::metadata(repo.path(name)).expect("metadata").mode() & 0o7777;
            assert_eq!((mode("plain.bin"), mode("run.bin"), mode("notes.txt")), (plain, run, plain), "{umask}");
            repo.assert_settled();
        }
    });
}
