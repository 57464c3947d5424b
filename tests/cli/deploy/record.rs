//! The record that git keeps: of this clone, of others, and after everything that can happen to branches.

use super::place::{Place, wait_until};
use crate::support::{Env, Repo};

const QUICK: &str = "target = \"process\"\nobserve = \"50ms\"\ndrain_timeout = \"5s\"\n";

fn serving<'e>(env: &'e Env, count: u32) -> Place<'e> {
    let place = Place::new(env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    for number in 1..=count {
        place.train(number);
        place.commit("next");
        place.settled(usize::try_from(number).expect("small"));
    }
    place
}

fn bare_repository(place: &Place<'_>) -> std::path::PathBuf {
    let bare = place.repo.env.root().join("server.git");
    place.git(&["init", "-q", "--bare", bare.to_str().expect("text")]).ok();
    bare
}

fn log(repo: &Repo<'_>) -> Vec<String> {
    let log = repo.git(&["log", "--first-parent", "--format=%s", "refs/model/deployments/prod"]).ok();
    log.text().lines().map(str::to_owned).collect()
}

#[test]
fn git_itself_shows_the_record() {
    let env = Env::new();
    let place = serving(&env, 2);
    let (first, second) = (place.git(&["rev-parse", "HEAD~"]).ok().text()[..10].to_owned(), place.short());
    let lines = log(&place.repo);
    assert_eq!(
        lines,
        [
            format!("inactive: house {first} to prod"),
            format!("success: house {second} to prod"),
            format!("in_progress: house {second} to prod"),
            format!("queued: house {second} to prod"),
            format!("success: house {first} to prod"),
            format!("in_progress: house {first} to prod"),
            format!("queued: house {first} to prod"),
            "deployments to prod".to_owned(),
        ]
    );
    let parents = place.git(&["log", "-1", "--format=%P", "refs/model/deployments/prod~1"]).ok();
    assert_eq!(parents.text().split_whitespace().nth(1), Some(&*place.head()));
    let newest = &place.deployments()[0];
    assert_eq!(newest["by"], "Test <test@example.org>");
    assert_eq!(newest["stages"].as_array().map(Vec::len), Some(4));
    assert_eq!(newest["target"], "process");
}

#[test]
fn a_version_whose_branch_is_gone_can_be_gone_back_to() {
    let env = Env::new();
    let place = serving(&env, 2);
    let first = place.git(&["rev-parse", "HEAD~"]).ok().text().trim().to_owned();
    // History is written anew, everything else is forgotten, and what was put together for the first one is lost.
    place.git(&["checkout", "-q", "--orphan", "new"]).ok();
    place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "all of it"]).ok();
    place.git(&["branch", "-q", "-M", "new", "main"]).ok();
    place.git(&["reflog", "expire", "--expire=now", "--all"]).ok();
    place.git(&["gc", "-q", "--prune=now"]).ok();
    place.model(&["gc"]).ok();
    let digest = place.deployments()[1]["digest"].as_str().expect("a digest").to_owned();
    std::fs::remove_dir_all(place.folder().join("releases").join(digest)).expect("removed");
    place.model(&["rollback"]).ok();
    assert_eq!(place.version(), first[..10]);
    assert_eq!(place.deployments()[0]["trigger"], "rollback");
    assert_eq!(place.deployments()[0]["stages"][0]["state"], "success", "it was built again");
}

#[test]
fn two_clones_write_one_record() {
    let env = Env::new();
    let place = serving(&env, 1);
    let bare = bare_repository(&place);
    place.git(&["remote", "add", "origin", bare.to_str().expect("text")]).ok();
    let pushed = place.git(&["push", "-q", "-u", "origin", "main"]).ok();
    assert!(pushed.stderr.contains("the record of deployments was sent"), "{}", pushed.stderr);

    env.run({
        let mut command = place.repo.git_command(&["clone", "-q"]);
        command.arg(&bare).arg(env.root().join("clone"));
        command
    })
    .ok();
    let mut other = Place { repo: env.at("clone"), port: super::place::free_port(), variables: Vec::new() };
    other.variables.push(("GIT_AUTHOR_NAME", "Other".into()));
    other.variables.push(("GIT_COMMITTER_NAME", "Other".into()));
    let installed = other.model(&["install", "--local"]).ok();
    assert!(installed.stderr.contains("gets the record of deployments"), "{}", installed.stderr);
    other.git(&["fetch", "-q"]).ok();
    assert_eq!(other.deployments(), place.deployments());

    // Both deploy, and neither knows of the other.
    // Weights come from where they are, on the same file system.
    other.git(&["remote", "add", "source", place.repo.dir.to_str().expect("text")]).ok();
    other.policy(QUICK);
    other.model(&["trust", "--yes"]).ok();
    other.commit("another port");
    assert_eq!(other.settled(2), ["success", "success"], "{}", other.logs());
    place.train(2);
    place.commit("second");
    place.settled(2);
    place.git(&["push", "-q"]).ok();
    other.git(&["-c", "core.hooksPath=/dev/null", "pull", "-q", "--rebase"]).ok();
    let pushed = other.git(&["push", "-q"]).ok();
    assert!(pushed.stderr.contains("the record of deployments was sent"), "{}", pushed.stderr);
    place.git(&["fetch", "-q"]).ok();
    let (ours, theirs) = (place.deployments(), other.deployments());
    let ids = |all: &[serde_json::Value]| {
        let mut ids: Vec<_> = all.iter().map(|one| one["deployment"].to_string()).collect();
        ids.sort();
        ids
    };
    assert_eq!((ids(&ours).len(), ids(&ours)), (3, ids(&theirs)));
    let active = ours.iter().filter(|one| one["state"] == "success").count();
    assert_eq!(active, 2, "what serves there says nothing of what serves here");
    assert_eq!(log(&place.repo), log(&other.repo));
    // A rollback here goes back to what was deployed here.
    place.model(&["rollback"]).ok();
    assert_eq!(place.version(), place.git(&["rev-parse", "HEAD~"]).ok().text()[..10]);
}

#[test]
fn a_remote_that_takes_no_record_stops_no_push() {
    let env = Env::new();
    let place = serving(&env, 1);
    let bare = bare_repository(&place);
    let hook = "#!/bin/sh\ncase $1 in refs/model/*) exit 1 ;; esac\n";
    crate::install::script(&env.at("server.git"), "hooks/update", hook);
    place.git(&["remote", "add", "origin", bare.to_str().expect("text")]).ok();
    let pushed = place.git(&["push", "-q", "origin", "main"]).ok();
    assert!(pushed.stderr.contains("did not take the record of deployments"), "{}", pushed.stderr);
    assert_eq!(
        env.run({
            let mut command = place.repo.git_command(&["--git-dir"]);
            command.arg(&bare).args(["rev-parse", "main"]);
            command
        })
        .ok()
        .text()
        .trim(),
        place.head()
    );
}

#[test]
fn on_a_server_a_push_deploys() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.commit("first");
    let bare = bare_repository(&place);
    let server = Server { repo: env.at("server.git") };
    place.git(&["remote", "add", "origin", bare.to_str().expect("text")]).ok();
    server.repo.model(&["install", "--server"]).ok();
    // Weights come from where they are, on the same file system.
    server.repo.git(&["remote", "add", "source", place.repo.dir.to_str().expect("text")]).ok();
    let pushed = place.git(&["push", "-q", "origin", "main"]).ok();
    assert!(pushed.stderr.contains("is not trusted in this clone"), "{}", pushed.stderr);
    let shown = server.repo.model(&["trust", "--show"]).ok();
    assert!(shown.text().starts_with("not trusted\tdeploy prod\t`house` of branch `main`"), "{}", shown.text());
    server.repo.model(&["trust", "--yes"]).ok();
    place.train(2);
    place.commit("second");
    let pushed = place.git(&["push", "-q", "origin", "main"]).ok();
    assert!(pushed.stderr.contains("deploying house"), "{}", pushed.stderr);
    let states = || {
        let listed = server.repo.model(&["deployments", "--json"]).ok();
        let all: serde_json::Value = serde_json::from_str(listed.text()).expect("JSON");
        all[0]["state"].as_str().unwrap_or("none").to_owned()
    };
    wait_until("the end", || !["none", "queued", "in_progress"].contains(&&*states()));
    assert_eq!(states(), "success", "{}", server.repo.model(&["logs"]).text());
    assert_eq!(place.version(), place.short());
    assert!(server.repo.model(&["status"]).ok().text().contains("healthy"));
}

struct Server<'e> {
    repo: Repo<'e>,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.repo.model(&["stop", "prod"]);
    }
}
