//! Containers: what can go wrong with them.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use git_model::deploy::docker::{Engine, EngineError, Run};

use super::engine::{self, Running, free_address, unique};
use super::support::{Env, model};

/// An image that serves, of weights that no other test has.
fn image(host: &str, name: &str, seed: u64) -> String {
    let env = Env::new();
    let repo = env.repo("r");
    repo.write("m.safetensors", &model(seed));
    repo.commit("weights");
    let tag = format!("{}:x", unique(name));
    let program = engine::program().to_str().expect("a plain path");
    let mut command = repo.model_command(&["build", "--tag", &tag, "--binary", program]);
    command.env("DOCKER_HOST", host);
    env.run(command).ok();
    tag
}

fn run<'r>(image: &'r str, name: &'r str, labels: &'r BTreeMap<String, String>) -> Run<'r> {
    Run { image, name, publish: free_address(), container_port: 8080, env: &[], labels }
}

#[test]
fn a_port_that_a_stranger_has() {
    let Some(host) = engine::host() else { return };
    let engine = Engine::connect_to(host).expect("an engine");
    let image = image(host, "port", 2001);
    let stranger = TcpListener::bind("127.0.0.1:0").expect("a port");
    let (labels, name) = (BTreeMap::new(), unique("port"));
    let publish = stranger.local_addr().expect("an address");
    let error = engine.start(&Run { publish, ..run(&image, &name, &labels) }).expect_err("taken");
    assert!(matches!(error, EngineError::PortTaken { address, .. } if address == publish), "{error}");
    assert_eq!(engine.state(&name).expect("an answer"), None, "what did not start is gone");
    engine.remove_image(&image).expect("removed");
    assert_eq!(engine.image_id(&image).expect("an answer"), None);
}

#[test]
fn what_is_not_there() {
    let Some(host) = engine::host() else { return };
    let engine = Engine::connect_to(host).expect("an engine");
    let (labels, name) = (BTreeMap::new(), unique("absent"));
    let error = engine.start(&run("git-model-absent:x", &name, &labels)).expect_err("no image");
    assert!(matches!(error, EngineError::NotFound(_)), "{error}");
    assert_eq!(engine.state(&name).expect("an answer"), None);
    assert_eq!(engine.image_id("git-model-absent:x").expect("an answer"), None);
    let error = engine.logs(&name, false, None, &mut Vec::new()).expect_err("no container");
    assert!(matches!(error, EngineError::NotFound(_)), "{error}");
    engine.signal(&name, "SIGTERM").expect("fine");
    engine.stop(&name, Duration::from_secs(1)).expect("fine");
    engine.remove(&name).expect("fine");
    engine.remove_image("git-model-absent:x").expect("fine");
}

#[test]
fn a_program_that_is_not_there() {
    let Some(host) = engine::host() else { return };
    let engine = Engine::connect_to(host).expect("an engine");
    let env = Env::new();
    let repo = env.repo("r");
    repo.write("m.safetensors", &model(2002));
    repo.write("Dockerfile", b"FROM scratch\nCOPY m.safetensors /\nENTRYPOINT [\"/absent\"]\n");
    repo.commit("all");
    let tag = format!("{}:x", unique("program"));
    let mut command = repo.model_command(&["build", "--dockerfile", "Dockerfile", "--tag", &tag]);
    command.env("DOCKER_HOST", host);
    env.run(command).ok();
    let (labels, name) = (BTreeMap::new(), unique("program"));
    let error = engine.start(&run(&tag, &name, &labels)).expect_err("nothing to run");
    assert!(error.to_string().contains("/absent"), "{error}");
    assert_eq!(engine.state(&name).expect("an answer"), None, "what did not start is gone");
    engine.remove_image(&tag).expect("removed");
}

#[test]
fn containers_are_found_signalled_stopped_and_removed() {
    let Some(host) = engine::host() else { return };
    let engine = Engine::connect_to(host).expect("an engine");
    let image = image(host, "life", 2003);
    let running = Running::start(&engine, &image, "life");
    running.get("/args");

    let found = engine.containers("git-model.test=life").expect("a list");
    let [found] = &found[..] else { panic!("one container: {found:?}") };
    assert!(found.is_running && found.id == running.id);
    assert_eq!(found.labels.get("git-model.model").map(String::as_str), Some("m"), "the image's labels are there");

    // An image in use stays, without an error.
    engine.remove_image(&image).expect("fine");
    assert!(engine.image_id(&image).expect("an answer").is_some());

    // A second of the same name is refused.
    let labels = BTreeMap::new();
    let error = engine.start(&run(&image, &unique("life"), &labels)).expect_err("taken");
    assert!(matches!(error, EngineError::Refused(_)), "{error}");
    assert!(engine.state(&running.id).expect("an answer").is_some_and(|state| state.is_running));

    let mut log = Vec::new();
    engine.logs(&running.id, false, Some(1), &mut log).expect("a log");
    assert_eq!(String::from_utf8_lossy(&log), "serving on 8080\n");

    // The program does not listen to SIGTERM, as the first process of a container.
    let begun = Instant::now();
    engine.stop(&running.id, Duration::from_secs(1)).expect("stopped");
    assert!(begun.elapsed() < Duration::from_secs(15));
    assert_eq!(running.ended().exit_code, Some(137));
    engine.stop(&running.id, Duration::from_secs(1)).expect("fine");
    engine.signal(&running.id, "SIGTERM").expect("fine");
    engine.remove(&running.id).expect("removed");
    assert_eq!(engine.state(&running.id).expect("an answer"), None);
    assert!(engine.containers("git-model.test=life").expect("a list").is_empty());
    engine.remove_image(&image).expect("removed");
}

#[test]
fn a_log_is_followed_to_its_end() {
    let Some(host) = engine::host() else { return };
    let engine = Engine::connect_to(host).expect("an engine");
    let image = image(host, "follow", 2004);
    let running = Running::start(&engine, &image, "follow");
    running.get("/args");
    let id = running.id.clone();
    let follower = std::thread::spawn({
        let host = host.to_owned();
        move || {
            let mut log = Vec::new();
            Engine::connect_to(&host).and_then(|engine| engine.logs(&id, true, None, &mut log)).map(|()| log)
        }
    });
    engine.signal(&running.id, "SIGKILL").expect("signalled");
    let log = follower.join().expect("no panic").expect("a log");
    assert_eq!(String::from_utf8_lossy(&log), "serving on 8080\n");
    assert_eq!(running.ended().exit_code, Some(137));
}
