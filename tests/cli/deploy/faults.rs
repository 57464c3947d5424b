//! What goes wrong while a model is deployed, and what `git model status` says then.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::load::Load;
use super::place::{HOUSE, INFER, Place, wait_until};
use crate::support::Env;

const QUICK: &str = "target = \"process\"\nobserve = \"100ms\"\ndrain_timeout = \"5s\"\n";

/// A place whose first model serves.
fn serving<'e>(env: &'e Env, lines: &str) -> Place<'e> {
    let place = Place::new(env, lines);
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    place
}

/// A test that waits until the file `go` is there.
fn held(env: &Env) -> String {
    let go = env.root().join("go");
    format!("{QUICK}test = [\"sh\", \"-c\", \"while ! [ -e {} ]; do sleep 0.05; done\"]\n", go.display())
}

fn release(env: &Env) {
    std::fs::write(env.root().join("go"), "").expect("written");
}

fn hold(env: &Env) {
    std::fs::remove_file(env.root().join("go")).expect("removed");
}

fn kill(pid: i64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a number")).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
}

/// Waits for a stage and kills the deployer in it.
fn kill_in(place: &Place<'_>, stage: &str) {
    wait_until(&format!("the stage {stage}"), || place.runtime()["deploying"]["stage"] == stage);
    if stage == "test" {
        wait_until("a candidate", || place.runtime()["candidate"].is_object());
    }
    kill(place.runtime()["deploying"]["process"]["pid"].as_i64().expect("a process"));
    wait_until("the end of the deployer", || !place.is_busy());
}

#[test]
fn a_deployer_that_is_killed_while_it_tests_leaves_what_serves() {
    let env = Env::new();
    release(&env);
    let place = serving(&env, &held(&env));
    let first = place.short();
    hold(&env);
    place.train(2);
    place.commit("second");
    kill_in(&place, "test");
    assert_eq!(place.version(), first);
    assert_eq!(place.states(), ["error", "success"]);
    let standing = place.standing();
    assert_eq!(standing["serving"]["version"], *first);
    let problems = standing["problems"].to_string();
    assert!(
        problems.contains("was ended in the stage `test`") && problems.contains("git model reconcile"),
        "{problems}"
    );
    assert_eq!(place.servers().len(), 2, "the candidate still runs");

    release(&env);
    // What the machine has spoilt is tried again.
    place.model(&["reconcile", "--wait"]).ok();
    assert_eq!(place.settled(3), ["success", "error", "inactive"], "{}", place.logs());
    assert_eq!(place.version(), place.short());
    assert_eq!(place.servers().len(), 1);
    assert_eq!(place.standing()["problems"], serde_json::json!([]));
}

#[test]
fn a_deployer_that_is_killed_after_the_switch_has_deployed() {
    let env = Env::new();
    let place = serving(&env, QUICK);
    place.policy("target = \"process\"\nobserve = \"60s\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.train(2);
    place.commit("second");
    kill_in(&place, "observe");
    let second = place.short();
    assert_eq!(place.version(), second);
    assert!(place.standing()["problems"].to_string().contains("was ended in the stage `observe`"));
    assert_eq!(place.servers().len(), 2);
    place.model(&["reconcile"]).ok();
    assert_eq!(place.settled(2), ["success", "inactive"]);
    assert_eq!((place.version(), place.servers().len()), (second, 1));
}

#[test]
fn a_deployer_that_is_killed_at_any_moment_never_stops_the_service() {
    const KILLS: u64 = 10;
    let env = Env::new();
    let place = serving(&env, "target = \"process\"\nobserve = \"200ms\"\n");
    let load = Load::start(place.address(), INFER, HOUSE, 2);
    for number in 0..KILLS {
        let before = place.version();
        place.train(u32::try_from(number).expect("small") + 2);
        place.git(&["add", "-A"]).ok();
        place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "next"]).ok();
        let known = [before, place.short()];
        let mut deployer = place.command(place.repo.model_command(&["deploy"]));
        let mut deployer = deployer.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
        // From the first moment to well after the switch.
        std::thread::sleep(Duration::from_millis(number * 70));
        deployer.kill().and_then(|()| deployer.wait()).expect("killed");
        let version = place.version();
        assert!(known.contains(&version), "{version}");
        place.model(&["reconcile", "--wait"]).ok();
        assert_eq!(place.version(), place.short(), "kill {number}");
        let serving = place.standing();
        assert_eq!(serving["problems"], serde_json::json!([]), "kill {number}: {serving}");
        assert_eq!(serving["serving"]["health"], serde_json::json!({ "Ok": null }));
        let active = place.states().iter().filter(|state| *state == "success").count();
        assert_eq!((active, place.servers().len()), (1, 1), "kill {number}: {}", place.model(&["deployments"]).text());
    }
    assert_eq!(load.end().failures, Vec::<String>::new());
}

#[test]
fn a_proxy_or_a_model_that_is_killed_is_missed_and_started_again() {
    let env = Env::new();
    let place = serving(&env, QUICK);
    let version = place.version();
    kill(place.proxy());
    wait_until("a closed port", || place.infer().is_err());
    assert!(place.standing()["problems"].to_string().contains("the proxy does not run"), "{}", place.standing());
    assert!(place.model(&["reconcile"]).ok().stderr.contains("prod: serves again"));
    assert_eq!(place.version(), version);

    kill(place.runtime()["serving"]["instance"]["process"]["pid"].as_i64().expect("a process"));
    wait_until("its end", || place.servers().is_empty());
    let text = place.model(&["status"]).ok();
    assert!(text.text().contains("NOT healthy: process "), "{}", text.text());
    place.model(&["reconcile"]).ok();
    assert_eq!(place.version(), version);
    assert_eq!(place.states(), ["success"]);
}

#[test]
fn a_stranger_on_the_port_is_named() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, place.port)).expect("the port");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["error"]);
    let id = std::process::id();
    let reason = place.deployments()[0]["reason"].to_string();
    assert!(
        reason.contains(&format!("port {} is taken by", place.port)) && reason.contains(&id.to_string()),
        "{reason}"
    );
    let status = place.model(&["status"]).ok();
    assert_eq!(place.servers().len(), 0);
    assert!(status.text().contains("prod: nothing serves"), "{}", status.text());
    drop(stranger);
    place.model(&["deploy"]).ok();
    assert_eq!(place.version(), place.short());
}

#[test]
fn a_failure_in_the_background_is_told_once() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.spoil();
    place.model(&["trust", "--yes"]).ok();
    place.commit("bad");
    wait_until("the failure", || place.repo.path(".git/model/deploy/unseen").exists() && !place.is_busy());
    let told = place.model(&["list"]);
    assert!(told.stderr.contains("ended as failure: the candidate did not get ready"), "{}", told.stderr);
    assert!(!place.model(&["list"]).stderr.contains("ended as failure"));
}

#[test]
fn two_deployers_take_turns() {
    let env = Env::new();
    let place = serving(&env, QUICK);
    let start = || {
        let mut command = place.command(place.repo.model_command(&["deploy"]));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started")
    };
    let both = [start(), start(), start()];
    for deployer in both {
        let ended = deployer.wait_with_output().expect("ended");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    let mut states = place.settled(4);
    // Whose turn comes when is not said.
    states.sort();
    assert_eq!(states, ["inactive", "inactive", "inactive", "success"]);
    assert_eq!(place.servers().len(), 1);
}

#[test]
fn of_tips_that_wait_the_newest_wins() {
    let env = Env::new();
    release(&env);
    let place = serving(&env, &held(&env));
    hold(&env);
    for number in 2..=4 {
        place.train(number);
        place.commit("next");
        wait_until("its place in the queue", || place.states().len() == usize::try_from(number).expect("small"));
    }
    assert_eq!(place.states(), ["queued", "queued", "in_progress", "success"]);
    release(&env);
    assert_eq!(place.settled(4), ["success", "inactive", "inactive", "inactive"], "{}", place.logs());
    let reasons: Vec<_> = place.deployments().iter().map(|one| one["reason"].to_string()).collect();
    assert!(reasons[1].contains("`main` has moved on"), "{reasons:?}");
    assert_eq!(place.version(), place.short());
}

#[test]
fn a_full_disk_changes_nothing() {
    let env = Env::new();
    let place = serving(&env, QUICK);
    let version = place.version();
    place.train(2);
    place.git(&["add", "-A"]).ok();
    place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "second"]).ok();
    // No file may grow: so does a disk refuse that is full.
    let full = |command: &str| {
        let mut shell: Command = place.command(env.command("sh", &place.repo.dir));
        shell.args(["-c", &format!("trap '' XFSZ; ulimit -f 0; exec git-model {command}")]);
        env.run(shell)
    };
    let refused = full("deploy").fails_with(1);
    assert!(refused.stderr.contains("too large"), "{}", refused.stderr);
    // Git would write down that it has not changed.
    place.policy(QUICK);
    let told = full("status").ok();
    assert!(told.text().contains(&format!("prod: {version} at ")), "{}", told.text());
    assert_eq!(place.version(), version);
    assert_eq!((place.states(), place.servers().len()), (vec!["success".to_owned()], 1));
    assert_eq!(place.standing()["serving"]["version"], *version);
    place.model(&["deploy"]).ok();
    assert_eq!(place.version(), place.short());
}

#[test]
fn a_version_that_dies_once_it_serves_is_taken_back() {
    let env = Env::new();
    let place = serving(&env, QUICK);
    let first = place.version();
    place.policy("target = \"process\"\nobserve = \"20s\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.train(2);
    place.commit("second");
    wait_until("the stage observe", || place.runtime()["deploying"]["stage"] == "observe");
    kill(place.runtime()["serving"]["instance"]["process"]["pid"].as_i64().expect("a process"));
    assert_eq!(place.settled(2), ["failure", "success"], "{}", place.logs());
    let reason = place.deployments()[0]["reason"].to_string();
    assert!(reason.contains("did not stay healthy") && reason.contains(&format!("back to {first}")), "{reason}");
    assert_eq!((place.version(), place.servers().len()), (first, 1));
}

#[test]
fn git_does_not_wait_for_a_deployment() {
    let env = Env::new();
    release(&env);
    let place = serving(&env, &held(&env));
    hold(&env);
    place.git(&["checkout", "-q", "-b", "side"]).ok();
    place.train(2);
    place.commit("second");
    place.git(&["checkout", "-q", "main"]).ok();
    // `output` reads until nobody has the other end of the pipes any more.
    let merged = place.git(&["merge", "--no-ff", "--no-edit", "side"]).ok();
    assert!(merged.stderr.contains("deploying house"), "{}", merged.stderr);
    wait_until("the deployment", || place.runtime()["deploying"]["stage"] == "test");
    assert_eq!(place.states()[0], "in_progress");
    release(&env);
    assert_eq!(place.settled(2), ["success", "inactive"]);
}

#[test]
fn clocks_that_are_wrong_change_no_order() {
    let env = Env::new();
    let mut place = Place::new(&env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    for (number, date) in [(1, "2031-01-01T00:00:00Z"), (2, "1999-01-01T00:00:00Z"), (3, "2026-01-01T00:00:00Z")] {
        place.variables = ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"].map(|name| (name, date.to_owned())).to_vec();
        place.train(number);
        place.commit("next");
        let count = usize::try_from(number).expect("small");
        assert_eq!(place.settled(count)[0], "success", "{}", place.logs());
        assert_eq!(place.version(), place.short());
    }
    let second = place.deployments()[1]["commit"].to_string();
    place.model(&["rollback"]).ok();
    assert_eq!(place.deployments()[0]["commit"].to_string(), second);
}
