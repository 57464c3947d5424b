//! `git model deploy` with the target `docker`, and an engine that goes away.

#[allow(dead_code)]
#[path = "../cli/deploy/load.rs"]
mod load;
#[allow(dead_code)]
#[path = "../cli/deploy/place.rs"]
mod place;
#[path = "../cli/deploy/story.rs"]
mod story;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use git_model::deploy::docker::Engine;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use place::{Place, wait_until};

use crate::engine::host;
use crate::proxy::Proxy;
use crate::support::Env;

const QUICK: &str = "target = \"docker\"\nobserve = \"300ms\"\ndrain_timeout = \"10s\"\n";

fn place<'e>(env: &'e Env, lines: &str) -> Option<Place<'e>> {
    let mut place = Place::new(env, lines);
    place.variables.push(("DOCKER_HOST", host()?.to_owned()));
    Some(place)
}

#[test]
fn from_a_merge_to_a_running_model_and_back() {
    let env = Env::new();
    let Some(mut place) = place(&env, QUICK) else { return };
    place.variables.push(("GIT_MODEL_SERVE_DELAY_MS", "300/50".to_owned()));
    story::tell(&place);
}

/// Stops for a while, again and again, what an engine passes on to the containers of a place.
struct Stalls {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<usize>>,
}

impl Stalls {
    fn start(ports: impl Fn() -> Vec<u64> + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut stalls = 0;
            while !ends.load(Ordering::Relaxed) {
                let stopped = port_proxies(&ports());
                signal(&stopped, Signal::STOP);
                std::thread::sleep(Duration::from_millis(700));
                signal(&stopped, Signal::CONT);
                std::thread::sleep(Duration::from_millis(150));
                stalls += usize::from(!stopped.is_empty());
            }
            stalls
        });
        Self { is_over, thread: Some(thread) }
    }

    /// How often something was stopped.
    fn end(mut self) -> usize {
        self.join()
    }

    fn join(&mut self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.take().map_or(0, |thread| thread.join().expect("no panic"))
    }
}

impl Drop for Stalls {
    /// Nothing stays stopped, whatever the test has found.
    fn drop(&mut self) {
        self.join();
    }
}

fn signal(processes: &[Pid], signal: Signal) {
    for process in processes {
        // One that has ended meanwhile is fine.
        let _ = kill_process(*process, signal);
    }
}

/// Docker's processes that pass connections to one of these ports on.
fn port_proxies(ports: &[u64]) -> Vec<Pid> {
    let is_one = |pid: &Pid| {
        let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains("docker-proxy") && ports.iter().any(|port| line.contains(&format!("-host-port {port} ")))
    };
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(Pid::from_raw).filter(is_one).collect()
}

/// The ports of whatever runs at the moment.
fn ports(folder: &Path) -> Vec<u64> {
    let state = std::fs::read(folder.join("state.json")).unwrap_or_default();
    let state: Value = serde_json::from_slice(&state).unwrap_or_default();
    let retired = state["retired"].as_array().cloned().unwrap_or_default();
    let all = retired.iter().chain([&state["serving"]]).filter_map(|running| running["address"].as_str());
    all.filter_map(|address| address.parse::<SocketAddr>().ok()).map(|address| address.port().into()).collect()
}

#[test]
fn an_engine_that_passes_requests_on_late() {
    let env = Env::new();
    let Some(place) = place(&env, QUICK) else { return };
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    let folder = place.folder();
    if port_proxies(&ports(&folder)).is_empty() {
        // Not every engine has a process for that, but the one that the tests start has.
        assert!(!host().is_some_and(|host| host.contains("git-model-engine-")), "nothing passes requests on");
        return;
    }
    let load = load::Load::start(place.address(), place::INFER, place::HOUSE, 6);
    load.wait_for(100);
    let stalls = Stalls::start(move || ports(&folder));
    place.train(2);
    place.commit("second");
    assert_eq!(place.settled(2), ["success", "inactive"], "{}", place.logs());
    // On a fast machine one deployment may be over after the first stall.
    place.train(3);
    place.commit("third");
    assert_eq!(place.settled(3), ["success", "inactive", "inactive"], "{}", place.logs());
    let stalls = stalls.end();
    assert!(stalls > 1, "{stalls}");
    assert_eq!(load.end().failures, Vec::<String>::new(), "{}", place.logs());
}

/// A place whose first model serves, through a line to the engine that can be cut; the place ends before the line does.
fn behind_a_line<'e>(env: &'e Env) -> Option<(Proxy, Place<'e>)> {
    let line = Proxy::new(host()?, 0);
    let mut place = Place::new(env, QUICK);
    place.variables.push(("DOCKER_HOST", line.host()));
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    Some((line, place))
}

/// Containers of the place that run.
fn containers(place: &Place<'_>) -> usize {
    let engine = Engine::connect_to(host().expect("an engine")).expect("it answers");
    let clone = place.deployments()[0]["clone"].as_str().expect("a clone").to_owned();
    let all = engine.containers(&format!("git-model.clone={clone}")).expect("a list");
    all.iter().filter(|container| container.is_running).count()
}

#[test]
fn an_engine_that_goes_away_while_it_builds() {
    let env = Env::new();
    let Some((line, place)) = behind_a_line(&env) else { return };
    let first = place.version();
    line.cut_loads();
    place.train(2);
    place.commit("second");
    assert_eq!(place.settled(2), ["error", "success"], "{}", place.logs());
    assert_eq!((place.version(), containers(&place)), (first.clone(), 1));
    line.mend();
    line.cut();
    let told = place.model(&["status"]).ok();
    assert!(told.text().contains("NOT healthy: no container engine answers"), "{}", told.text());
    let refused = place.model(&["deploy"]).fails_with(1);
    assert!(refused.stderr.contains("no container engine answers"), "{}", refused.stderr);
    assert_eq!(place.version(), first);
    line.mend();
    place.model(&["deploy"]).ok();
    assert_eq!((place.version(), containers(&place)), (place.short(), 1));
}

#[test]
fn an_engine_that_goes_away_before_the_switch() {
    let env = Env::new();
    let Some((line, place)) = behind_a_line(&env) else { return };
    let go = env.root().join("go");
    let wait = format!("while ! [ -e {} ]; do sleep 0.05; done", go.display());
    place.policy(&format!("{QUICK}test = [\"sh\", \"-c\", \"{wait}\"]\n"));
    place.model(&["trust", "--yes"]).ok();
    place.train(2);
    place.commit("second");
    wait_until("a candidate", || place.runtime()["candidate"].is_object());
    line.cut();
    std::fs::write(go, "").expect("written");
    // The switch itself needs no engine, and the new version answers.
    assert_eq!(place.settled(2), ["success", "inactive"], "{}", place.logs());
    assert_eq!((place.version(), containers(&place)), (place.short(), 2));
    let problems = place.standing()["problems"].to_string();
    assert!(problems.contains("beside what serves"), "{problems}");
    line.mend();
    place.model(&["reconcile"]).ok();
    assert_eq!(containers(&place), 1);
    assert_eq!(place.standing()["problems"], serde_json::json!([]));
}

#[test]
fn an_engine_that_goes_away_while_the_old_version_ends() {
    let env = Env::new();
    let Some((line, place)) = behind_a_line(&env) else { return };
    place.train(2);
    line.cut_at_stop();
    place.commit("second");
    assert_eq!(place.settled(2), ["success", "inactive"], "{}", place.logs());
    assert_eq!((place.version(), containers(&place)), (place.short(), 2));
    assert!(place.standing()["problems"].to_string().contains("beside what serves"), "{}", place.standing());
    line.mend();
    place.model(&["reconcile"]).ok();
    assert_eq!((place.version(), containers(&place)), (place.short(), 1));
}

#[test]
fn a_deployer_that_is_killed_at_any_moment_leaves_nothing() {
    let env = Env::new();
    let Some((_line, place)) = behind_a_line(&env) else { return };
    let mut stages = std::collections::BTreeSet::new();
    for (number, delay) in (2..).zip([0, 120, 250, 500, 800, 1200, 1800, 2500, 3500]) {
        let before = place.version();
        place.train(number);
        place.git(&["add", "-A"]).ok();
        place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "next"]).ok();
        let known = [before, place.short()];
        let mut command = place.command(place.repo.model_command(&["deploy"]));
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let mut deployer = command.spawn().expect("started");
        std::thread::sleep(Duration::from_millis(delay));
        deployer.kill().and_then(|()| deployer.wait()).expect("killed");
        stages.extend(place.runtime()["deploying"]["stage"].as_str().map(str::to_owned));
        assert!(known.contains(&place.version()), "killed after {delay} ms");
        place.model(&["reconcile", "--wait"]).ok();
        assert_eq!(place.standing()["problems"], serde_json::json!([]), "killed after {delay} ms");
        assert_eq!(place.version(), place.short(), "killed after {delay} ms");
        assert_eq!(containers(&place), 1, "killed after {delay} ms: {}", place.model(&["deployments"]).text());
    }
    assert!(stages.contains("build"), "killed in {stages:?}");
}

#[test]
fn a_dockerfile_is_deployed_and_a_step_that_fails_is_shown() {
    let env = Env::new();
    let Some(place) = place(&env, QUICK) else { return };
    let lines = "target = \"docker\"\nobserve = \"100ms\"\ndockerfile = \"Dockerfile\"\ncontainer_port = 8080\nhealth = \"/\"\n";
    place.policy(lines);
    let program = std::fs::read(crate::engine::program()).expect("a program");
    place.repo.write("server", &program);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(place.repo.path("server"), executable).expect("set");
    place
        .repo
        .write("Dockerfile", b"FROM scratch\nCOPY server /server\nENTRYPOINT [\"/server\", \"--port\", \"8080\"]\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    let mut client = load::Client { address: place.address(), stream: None, is_kept: false };
    assert_eq!(client.get("/").expect("an answer").status, 200);

    place.repo.write("Dockerfile", b"FROM scratch\nCOPY nothing /server\n");
    let committed = place.commit("bad");
    // Another Dockerfile is another command.
    assert!(committed.stderr.contains("is not trusted in this clone, or has changed"), "{}", committed.stderr);
    place.model(&["trust", "--yes"]).ok();
    let refused = place.model(&["deploy"]).fails_with(1);
    assert!(refused.stderr.contains("COPY nothing"), "{}", refused.stderr);
    assert_eq!(place.settled(2), ["failure", "success"]);
    assert_eq!(client.get("/").expect("an answer").status, 200);
}
