//! `git model gc`, through histories as users make them.

use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use git_model::manifest::Manifest;
use git_model::store::pack::{Entry, Pack};
use git_model::store::{Kind, Recipe};

use crate::support::{Env, Outcome, Repo, Tensor, is_manifest, noise, safetensors};

/// Two tensors; versions differ in one of them.
pub fn weights(version: u64) -> Vec<u8> {
    let (a, b) = (noise(30_000, version), noise(20_000, 7));
    safetensors(&[
        Tensor { name: "a", dtype: "BF16", shape: &[30_000], bytes: &a },
        Tensor { name: "b", dtype: "BF16", shape: &[20_000], bytes: &b },
    ])
}

pub fn packs(repo: &Repo<'_>) -> Vec<PathBuf> {
    packs_in(&repo.path(".git/model/packs"))
}

fn packs_in(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("packs");
    let mut packs: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    packs.sort();
    packs
}

/// Makes every pack older than any grace period.
pub fn age(repo: &Repo<'_>) {
    age_in(&repo.path(".git/model/packs"));
}

fn age_in(folder: &Path) {
    let times = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(30 * 24 * 60 * 60));
    for pack in packs_in(folder) {
        File::open(pack).and_then(|file| file.set_times(times)).expect("dated");
    }
}

#[track_caller]
fn gc(repo: &Repo<'_>) -> Outcome {
    age(repo);
    repo.model(&["gc"]).ok()
}

#[track_caller]
pub fn assert_checks_out(repo: &Repo<'_>, revision: &str, version: u64) {
    let _ = std::fs::remove_file(repo.path("m.safetensors"));
    repo.git(&["checkout", "-q", revision, "--", "m.safetensors"]).ok();
    assert!(repo.read("m.safetensors") == weights(version), "{revision} is not version {version}");
}

fn commit_version(repo: &Repo<'_>, version: u64) {
    repo.write("m.safetensors", &weights(version));
    repo.commit(&format!("version {version}"));
}

#[test]
fn history_is_kept_and_packs_are_joined() {
    let env = Env::new();
    let repo = env.repo("repo");
    (1..=4).for_each(|version| commit_version(&repo, version));
    assert_eq!(packs(&repo).len(), 4);
    let dry = repo.model(&["gc", "--dry-run"]).ok();
    assert!(dry.stderr.contains("4 packs of") && dry.stderr.contains("would become 1"), "{}", dry.stderr);
    assert_eq!(packs(&repo).len(), 4);
    gc(&repo);
    let joined = packs(&repo);
    assert_eq!(joined.len(), 1);
    (1..=4).for_each(|version| assert_checks_out(&repo, &format!("main~{}", 4 - version), version));
    let modified = std::fs::metadata(&joined[0]).and_then(|metadata| metadata.modified()).expect("dated");
    repo.model(&["gc"]).ok();
    assert_eq!(packs(&repo), joined);
    assert_eq!(std::fs::metadata(&joined[0]).and_then(|metadata| metadata.modified()).expect("dated"), modified);
    repo.model(&["fsck"]).ok();
}

#[test]
fn everything_git_can_bring_back_is_kept() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    // In the reflog only.
    commit_version(&repo, 2);
    let two = repo.git(&["rev-parse", "HEAD"]).ok().text().trim().to_owned();
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    // In two stashes.
    for version in [3, 4] {
        repo.write("m.safetensors", &weights(version));
        repo.git(&["stash", "-q"]).ok();
    }
    // A tag, a ref of nobody's namespace.
    for (version, name) in [(5, "refs/tags/kept"), (6, "refs/model/deployments/production")] {
        commit_version(&repo, version);
        repo.git(&["update-ref", name, "HEAD"]).ok();
        repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    }
    // The index of a linked work tree, and its own refs.
    repo.git(&["worktree", "add", "-q", "--detach", "../linked"]).ok();
    let linked = env.at("linked");
    linked.write("m.safetensors", &weights(7));
    linked.git(&["commit", "-q", "-a", "-m", "seven"]).ok();
    linked.git(&["update-ref", "refs/worktree/seven", "HEAD"]).ok();
    linked.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    linked.write("m.safetensors", &weights(8));
    linked.git(&["add", "-A"]).ok();
    // Nowhere at all.
    repo.write("m.safetensors", &weights(9));
    repo.git(&["add", "-A"]).ok();
    let nine = repo.git(&["rev-parse", ":m.safetensors"]).ok().text().trim().to_owned();
    repo.git(&["reset", "-q", "--hard"]).ok();
    for log in ["HEAD", "refs/heads/main"] {
        let path = repo.path(".git/logs").join(log);
        let text = std::fs::read_to_string(&path).expect("a reflog");
        let lines: Vec<&str> =
            text.lines().filter(|line| !line.contains("version 5") && !line.contains("version 6")).collect();
        std::fs::write(&path, lines.join("\n") + "\n").expect("written");
    }
    std::fs::remove_file(repo.path(".git/worktrees/linked/logs/HEAD")).expect("removed");

    gc(&repo);
    assert_checks_out(&repo, "main", 1);
    assert_checks_out(&repo, &two, 2);
    assert_checks_out(&repo, "stash@{0}", 4);
    assert_checks_out(&repo, "stash@{1}", 3);
    assert_checks_out(&repo, "refs/tags/kept", 5);
    assert_checks_out(&repo, "refs/model/deployments/production", 6);
    assert_checks_out(&linked, "refs/worktree/seven", 7);
    repo.model(&["fsck"]).ok();

    let show = repo.git(&["cat-file", "--filters", "--path=m.safetensors", &nine]);
    assert!(show.code != Some(0) || is_manifest(&show.stdout), "nothing refers to version 9 any more");
}

#[test]
fn the_index_of_a_linked_work_tree_is_kept() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    repo.git(&["worktree", "add", "-q", "--detach", "../linked"]).ok();
    let linked = env.at("linked");
    linked.write("m.safetensors", &weights(8));
    linked.git(&["add", "-A"]).ok();
    gc(&repo);
    std::fs::remove_file(linked.path("m.safetensors")).expect("removed");
    linked.git(&["checkout", "-q", "--", "m.safetensors"]).ok();
    assert!(linked.read("m.safetensors") == weights(8));
    // From within the linked work tree it is the same store.
    age(&repo);
    linked.model(&["gc"]).ok();
    assert_checks_out(&repo, "main", 1);
}

#[test]
fn all_sides_of_an_unfinished_merge_are_kept() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    repo.git(&["checkout", "-q", "-b", "theirs"]).ok();
    commit_version(&repo, 2);
    repo.git(&["checkout", "-q", "main"]).ok();
    commit_version(&repo, 3);
    assert_ne!(repo.git(&["-c", "merge.model.driver=false", "merge", "theirs"]).code, Some(0));
    repo.git(&["branch", "-q", "-D", "theirs"]).ok();
    std::fs::remove_dir_all(repo.path(".git/logs")).expect("removed");
    gc(&repo);
    for (side, version) in [("--ours", 3), ("--theirs", 2)] {
        repo.git(&["checkout", "-q", side, "--", "m.safetensors"]).ok();
        assert!(repo.read("m.safetensors") == weights(version), "{side}");
    }
}

#[test]
fn what_nothing_refers_to_goes_after_the_grace_period() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    repo.write("m.safetensors", &weights(2));
    repo.git(&["add", "-A"]).ok();
    repo.git(&["reset", "-q", "--hard"]).ok();
    let size = |repo: &Repo<'_>| packs(repo).iter().map(|pack| pack.metadata().expect("a pack").len()).sum::<u64>();
    let before = size(&repo);
    let kept = repo.model(&["gc"]).ok();
    assert!(kept.stderr.contains("grace period"), "{}", kept.stderr);
    assert!(size(&repo) > before - 1000);
    repo.git(&["config", "model.gc.grace", "never"]).ok();
    gc(&repo);
    assert!(size(&repo) > before - 1000);
    repo.git(&["config", "model.gc.grace", "a while"]).ok();
    repo.model(&["gc"]).fails_with(2);
    repo.git(&["config", "model.gc.grace", "2 weeks"]).ok();
    gc(&repo);
    assert!(size(&repo) < before - 30_000);
    assert_checks_out(&repo, "main", 1);

    repo.write("m.safetensors", &weights(3));
    repo.git(&["add", "-A"]).ok();
    repo.git(&["reset", "-q", "--hard"]).ok();
    let before = size(&repo);
    std::fs::write(repo.path(".git/index.lock"), "").expect("written");
    let refused = repo.model(&["gc", "--grace", "0"]).fails_with(1);
    assert!(refused.stderr.contains("index.lock"), "{}", refused.stderr);
    std::fs::remove_file(repo.path(".git/index.lock")).expect("removed");
    repo.model(&["gc", "--grace", "0"]).ok();
    assert!(size(&repo) < before - 30_000);
    assert_checks_out(&repo, "main", 1);
}

#[test]
fn a_history_that_is_not_whole_stops_it() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    commit_version(&repo, 2);
    let tree = repo.git(&["rev-parse", "HEAD~^{tree}"]).ok().text().trim().to_owned();
    let path = repo.path(".git/objects").join(&tree[..2]).join(&tree[2..]);
    let aside = repo.path("aside");
    std::fs::rename(&path, &aside).expect("moved");
    let before = packs(&repo);
    age(&repo);
    let refused = repo.model(&["gc"]).fails_with(1);
    assert!(refused.stderr.contains("nothing may be deleted"), "{}", refused.stderr);
    assert_eq!(packs(&repo), before);
    std::fs::rename(&aside, &path).expect("moved");

    repo.write("new.txt", b"{\"git-model\":2,\"objects\":[]}\n");
    repo.git(&["add", "new.txt"]).ok();
    let blob = repo.git(&["rev-parse", ":new.txt"]).ok().text().trim().to_owned();
    let refused = repo.model(&["gc"]).fails_with(1);
    assert!(refused.stderr.contains(&blob) && refused.stderr.contains("version 2"), "{}", refused.stderr);
    assert_eq!(packs(&repo), before);
}

#[test]
fn a_bare_repository_is_collected_too() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 1);
    commit_version(&repo, 2);
    repo.git(&["clone", "-q", "--bare", ".", "../bare.git"]).ok();
    let bare = env.at("bare.git");
    let copy = env.command("cp", env.root());
    let mut copy = copy;
    copy.args(["-r", "repo/.git/model", "bare.git/"]);
    env.run(copy).ok();
    bare.git(&["update-ref", "refs/heads/main", "refs/heads/main~"]).ok();
    age_in(&bare.path("model/packs"));
    bare.model(&["gc"]).ok();
    bare.model(&["fsck"]).ok();
    let names = packs_in(&bare.path("model/packs"));
    assert_eq!(names.len(), 1);
    let file = bare.git(&["archive", "HEAD", "m.safetensors"]).ok();
    // Files begin at whole blocks of an archive.
    let weights = weights(1);
    assert!(
        file.stdout
            .chunks(512)
            .position(|block| block == &weights[..512])
            .is_some_and(|at| { file.stdout[512 * at..].starts_with(&weights) })
    );
}

#[test]
fn adds_at_the_same_time_lose_nothing() {
    let env = Env::new();
    let repo = env.repo("repo");
    commit_version(&repo, 0);
    for version in 1..=12 {
        age(&repo);
        let collect = || {
            let mut command = env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
            command.args(["gc"]).stderr(Stdio::null()).spawn().expect("started")
        };
        let mut collections = [collect(), collect()];
        // Old versions come back, whose packs may be about to go.
        let again = if version % 3 == 0 { version - 2 } else { version };
        repo.write("m.safetensors", &weights(again));
        for attempt in 0.. {
            let add = repo.git(&["add", "-A"]);
            if add.code == Some(0) {
                break;
            }
            assert!(attempt < 3 && add.stderr.contains("run the command again"), "{}", add.stderr);
        }
        repo.git(&["commit", "-q", "--allow-empty", "--amend", "-m", "amended"]).ok();
        std::fs::remove_dir_all(repo.path(".git/logs")).expect("removed");
        for collection in &mut collections {
            collection.wait().expect("ended");
        }
        assert_checks_out(&repo, "HEAD", again);
        repo.model(&["fsck"]).ok();
    }
}

#[test]
fn killed_at_any_time_it_loses_nothing() {
    let env = Env::new();
    let repo = env.repo("repo");
    (1..=6).for_each(|version| commit_version(&repo, version));
    repo.git(&["reset", "-q", "--hard", "HEAD~2"]).ok();
    std::fs::remove_dir_all(repo.path(".git/logs")).expect("removed");
    for micros in (0..40_000).step_by(1500) {
        age(&repo);
        let mut command = env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
        let mut child = command.args(["gc"]).stderr(Stdio::null()).spawn().expect("started");
        std::thread::sleep(Duration::from_micros(micros));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    repo.model(&["fsck"]).ok();
    gc(&repo);
    assert_eq!(packs(&repo).len(), 1);
    (1..=4).for_each(|version| assert_checks_out(&repo, &format!("main~{}", 4 - version), version));
}

/// A tensor of 20,000 elements of which each version moves all a little, the more the smaller they are; and one that is
/// always the same.
fn trained(version: u64) -> Vec<u8> {
    let still = noise(2_000, 7);
    let mut moving = Vec::new();
    for (at, pair) in noise(20_000, 3).chunks_exact(2).enumerate() {
        let weight = 0x3c00 | u16::from_le_bytes([pair[0], pair[1]]) & 0x3ff;
        let steps = (0..version)
            .map(|step| (at as u64 * 37 + step * 101) % (1 + (7 - u64::from(weight >> 7 & 7)).pow(2)))
            .sum::<u64>();
        moving.extend((weight + steps as u16).to_le_bytes());
    }
    safetensors(&[
        Tensor { name: "moving", dtype: "BF16", shape: &[20_000], bytes: &moving },
        Tensor { name: "still", dtype: "BF16", shape: &[2_000], bytes: &still },
    ])
}

fn commit_trained(repo: &Repo<'_>, version: u64) {
    repo.write("m.safetensors", &trained(version));
    repo.commit(&format!("trained {version}"));
}

#[track_caller]
fn assert_trained(repo: &Repo<'_>, revision: &str, version: u64) {
    let _ = std::fs::remove_file(repo.path("m.safetensors"));
    repo.git(&["checkout", "-q", revision, "--", "m.safetensors"]).ok();
    assert!(repo.read("m.safetensors") == trained(version), "{revision} is not version {version}");
}

/// How many deltas the deepest block of a revision's tensors has below it.
fn depth(repo: &Repo<'_>, revision: &str) -> u8 {
    let packs: Vec<Pack> = packs(repo).iter().map(|path| Pack::open(path).expect("a pack")).collect();
    let manifest = Manifest::parse(&repo.blob(revision, "m.safetensors")).expect("a manifest");
    let mut entry = Vec::new();
    let mut deepest = 0;
    for tensor in manifest.tensors() {
        let (pack, record) = packs
            .iter()
            .find_map(|pack| Some((pack, pack.find(tensor.sha256.as_bytes(), Kind::Recipe)?)))
            .expect("a recipe");
        pack.read_entry(&File::open(pack.path()).expect("opened"), &record, &mut entry).expect("read");
        let payload = Entry::parse(&entry).expect("an entry").payload;
        for (block, _) in Recipe::decode(tensor.sha256, &entry[payload]).expect("a recipe").blocks {
            let copies = packs.iter().filter_map(|pack| pack.find(block.as_bytes(), Kind::Block));
            deepest = deepest.max(copies.map(|record| record.depth).min().expect("a block"));
        }
    }
    deepest
}

#[test]
fn aggressive_brings_the_tips_near_and_makes_all_smaller() {
    let env = Env::new();
    let repo = env.repo("repo");
    (1..=5).for_each(|version| commit_trained(&repo, version));
    repo.git(&["checkout", "-q", "-b", "side", "main~2"]).ok();
    (13..=16).for_each(|version| commit_trained(&repo, version));
    repo.git(&["tag", "kept"]).ok();
    commit_trained(&repo, 17);
    repo.git(&["reset", "-q", "--hard", "HEAD~"]).ok();
    repo.git(&["checkout", "-q", "main"]).ok();
    // In the index only.
    repo.write("m.safetensors", &trained(6));
    repo.git(&["add", "-A"]).ok();
    assert_eq!((depth(&repo, "main"), depth(&repo, "side")), (4, 6));
    age(&repo);
    let before = packs(&repo);

    let dry = repo.model(&["gc", "--aggressive", "--dry-run"]).ok();
    assert!(dry.stderr.contains("aggressive: would encode ") && dry.stderr.contains(" anew"), "{}", dry.stderr);
    assert_eq!(packs(&repo), before);

    let size = |repo: &Repo<'_>| packs(repo).iter().map(|pack| pack.metadata().expect("a pack").len()).sum::<u64>();
    let usual = size(&repo);
    let done = repo.model(&["gc", "--aggressive"]).ok();
    assert!(done.stderr.contains("aggressive: ") && done.stderr.contains(" less than before"), "{}", done.stderr);
    assert!(size(&repo) < usual * 9 / 10, "{} of {usual}", size(&repo));
    assert_eq!(packs(&repo).len(), 1);
    assert_eq!(depth(&repo, "main"), 0);
    assert!(depth(&repo, "side") <= 2);
    repo.model(&["fsck"]).ok();
    let staged = repo.git(&["rev-parse", ":m.safetensors"]).ok().text().trim().to_owned();
    repo.git(&["reset", "-q", "--hard"]).ok();
    (1..=5).for_each(|version| assert_trained(&repo, &format!("main~{}", 5 - version), version));
    (13..=16).for_each(|version| assert_trained(&repo, &format!("kept~{}", 16 - version), version));
    assert_trained(&repo, "side@{1}", 17);
    let bytes = repo.git(&["cat-file", "--filters", "--path=m.safetensors", &staged]).ok().stdout;
    assert!(bytes == trained(6));

    // What was staged goes. Then there is nothing more to gain, and nothing is touched.
    repo.model(&["gc"]).ok();
    let joined = packs(&repo);
    let again = repo.model(&["gc", "--aggressive"]).ok();
    assert!(again.stderr.contains("which cannot be made less"), "{}", again.stderr);
    repo.model(&["gc"]).ok();
    assert_eq!(packs(&repo), joined);

    // And what comes after builds on it.
    repo.git(&["reset", "-q", "--hard", "main"]).ok();
    commit_trained(&repo, 7);
    assert_eq!(depth(&repo, "main"), 1);
    repo.model(&["fsck"]).ok();
}

#[test]
fn killed_at_any_time_aggressive_loses_nothing() {
    let env = Env::new();
    let repo = env.repo("repo");
    (1..=6).for_each(|version| commit_trained(&repo, version));
    let saved: Vec<(PathBuf, Vec<u8>)> =
        packs(&repo).into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect();
    for millis in (0..300).step_by(12) {
        for pack in packs(&repo) {
            std::fs::remove_file(pack).expect("removed");
        }
        let _ = std::fs::remove_file(repo.path(".git/model/superseded"));
        saved.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("written"));
        age(&repo);
        let mut command = env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
        let mut child = command.args(["gc", "--aggressive"]).stderr(Stdio::null()).spawn().expect("started");
        std::thread::sleep(Duration::from_millis(millis));
        let _ = child.kill();
        child.wait().expect("ended");
        (1..=6).for_each(|version| assert_trained(&repo, &format!("main~{}", 6 - version), version));
    }
    repo.model(&["gc", "--aggressive"]).ok();
    repo.model(&["fsck"]).ok();
    assert_eq!(depth(&repo, "main"), 0);
}
