//! `git model build` into an engine.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Command;

use git_model::deploy::docker::Engine;
use serde_json::Value;

use super::engine::{self, Running};
use super::proxy::Proxy;
use super::support::{Env, Outcome, Repo, Tensor, noise, safetensors};

/// Weights that no other test has: half a megabyte.
fn weights(seed: u64) -> Vec<u8> {
    let values = noise(250_000, seed);
    safetensors(&[Tensor { name: "w", dtype: "BF16", shape: &[250_000], bytes: &values }])
}

fn repo(env: &Env, seed: u64) -> Repo<'_> {
    let repo = env.repo("r");
    repo.write("models/house.safetensors", &weights(seed));
    repo.commit("weights");
    repo
}

fn build(repo: &Repo<'_>, host: &str, args: &[&str]) -> Outcome {
    let mut command: Command = repo.model_command(&["build"]);
    command.args(args).env("DOCKER_HOST", host);
    repo.env.run(command)
}

fn build_small(repo: &Repo<'_>, host: &str, tag: &str) -> Value {
    let program = engine::program().to_str().expect("a plain path");
    let outcome = build(repo, host, &["--json", "--tag", tag, "--binary", program]).ok();
    serde_json::from_slice(&outcome.stdout).expect("JSON")
}

#[test]
fn an_image_is_loaded_and_serves() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, 1001);
    let tag = format!("{}:one", engine::unique("serves"));
    let told = build_small(&repo, host, &tag);
    assert_eq!(engine.image_id(&tag).expect("an answer").as_deref(), told["id"].as_str());

    let running = Running::start(&engine, &tag, "serves");
    let commit = repo.git(&["rev-parse", "--short=10", "HEAD"]).ok().text().trim().to_owned();
    let args = String::from_utf8(running.get("/args")).expect("text");
    let options = format!("serve-model\n--version\n{commit}\n--address\n0.0.0.0\n--port\n8080");
    let expected = format!("{options}\n--\nhouse=/model/house.safetensors");
    assert_eq!(args, expected);
    assert!(running.get("/file/model/house.safetensors") == weights(1001), "the weights are whole");
    let metadata: Value = serde_json::from_slice(&running.get("/file/model/metadata.json")).expect("JSON");
    assert_eq!((&metadata["name"], &metadata["version"]), (&"house".into(), &commit.clone().into()));
    assert_eq!(running.get("/env/WHO"), b"serves");
    running.get("/quit");
    let state = running.ended();
    assert_eq!((state.exit_code, state.oom_killed, Some(&*state.image)), (Some(3), false, told["id"].as_str()));
    assert_eq!(running.logs(), "serving on 8080\nasked to end\n");
}

#[test]
fn unchanged_weights_are_not_sent_again() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, 1002);
    let name = engine::unique("again");
    let first = build_small(&repo, host, &format!("{name}:one"));
    assert_eq!(first["sent"], first["full"]);

    repo.write("README", b"another commit");
    repo.commit("words");
    let proxy = Proxy::new(host, 0);
    let second = build_small(&repo, &proxy.host(), &format!("{name}:two"));
    assert_ne!(second["id"], first["id"], "the commit is part of the image");
    let (sent, full) = (second["sent"].as_u64().expect("bytes"), second["full"].as_u64().expect("bytes"));
    assert!(sent * 100 < full, "{sent} of {full}");
    assert!(proxy.sent() * 100 < full, "{} of {full} went over the socket", proxy.sent());
    assert_eq!(proxy.loads(), 1);

    let running = Running::start(&engine, &format!("{name}:two"), "again");
    assert!(running.get("/file/model/house.safetensors") == weights(1002), "the weights are there all the same");
    drop(running);
    engine.remove_image(first["id"].as_str().expect("an id")).expect("removed");
    assert_eq!(engine.image_id(&format!("{name}:one")).expect("an answer"), None);
}

#[test]
fn all_is_sent_where_the_engine_refuses_less() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, 1003);
    let name = engine::unique("refused");
    let first = build_small(&repo, host, &format!("{name}:one"));
    repo.write("README", b"another commit");
    repo.commit("words");
    let proxy = Proxy::new(host, 1);
    let second = build_small(&repo, &proxy.host(), &format!("{name}:two"));
    assert_eq!(proxy.loads(), 2);
    let (sent, full) = (second["sent"].as_u64().expect("bytes"), second["full"].as_u64().expect("bytes"));
    assert!(sent > full, "both attempts count: {sent} of {full}");
    assert!(proxy.sent() > full);
    for image in [&first, &second] {
        let id = image["id"].as_str().expect("an id");
        assert_eq!(engine.image_id(id).expect("an answer").as_deref(), Some(id));
        engine.remove_image(id).expect("removed");
    }
}

#[test]
fn an_engine_that_takes_nothing_is_an_error() {
    let Some(host) = engine::host() else { return };
    let env = Env::new();
    let repo = repo(&env, 1004);
    let proxy = Proxy::new(host, 5);
    let program = engine::program().to_str().expect("a plain path");
    let outcome = build(&repo, &proxy.host(), &["--binary", program]).fails_with(1);
    assert!(outcome.stderr.contains("the container engine refuses: a layer is missing"), "{}", outcome.stderr);
    assert_eq!(proxy.loads(), 1);
}

#[test]
fn an_engine_that_dies_meanwhile_is_told() {
    let Some(host) = engine::host() else { return };
    let env = Env::new();
    let repo = repo(&env, 1009);
    let proxy = Proxy::dying(host);
    let program = engine::program().to_str().expect("a plain path");
    let outcome = build(&repo, &proxy.host(), &["--binary", program]).fails_with(1);
    let expected = format!("error: no container engine answers at {}: ", proxy.host());
    assert!(outcome.stderr.contains(&expected), "{}", outcome.stderr);
    assert_eq!(proxy.loads(), 1);
}

#[test]
fn the_same_commit_gives_the_same_image_in_another_clone() {
    let Some(host) = engine::host() else { return };
    let env = Env::new();
    let repo = repo(&env, 1005);
    let other = env.clone_repo(&["r", "elsewhere"]);
    let tag = format!("{}:x", engine::unique("same"));
    let (one, two) = (build_small(&repo, host, &tag), build_small(&other, host, &tag));
    assert_eq!((&one["id"], &one["digest"], &one["layers"]), (&two["id"], &two["digest"], &two["layers"]));
    let engine = Engine::connect_to(host).expect("an engine");
    engine.remove_image(one["id"].as_str().expect("an id")).expect("removed");
}

/// The real program, which needs libraries when it is built for tests.
#[test]
fn a_program_with_libraries_starts() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, 1006);
    let tag = format!("{}:x", engine::unique("libraries"));
    build(&repo, host, &["--tag", &tag]).ok();
    let running = Running::start(&engine, &tag, "libraries");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let state = engine.state(&running.id).expect("an answer").expect("there");
    // A program whose libraries are missing ends with 127.
    assert!(state.is_running || state.exit_code != Some(127), "{state:?}: {}", running.logs());
    assert!(!running.logs().contains("shared librar"), "{}", running.logs());
}

/// What `docker load` does with a file.
#[test]
fn an_archive_is_what_engines_load() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, 1007);
    let tag = format!("{}:x", engine::unique("archive"));
    let program = engine::program().to_str().expect("a plain path");
    let outcome = repo.model(&["build", "--json", "--tag", &tag, "--binary", program, "-o", "image.tar"]).ok();
    let told: Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    let archive = repo.read("image.tar");
    assert_eq!(told["full"].as_u64(), Some(archive.len() as u64));
    let mut stream = UnixStream::connect(host.strip_prefix("unix://").expect("a socket")).expect("connected");
    let head = format!(
        "POST /images/load HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        archive.len()
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&archive)).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains(&format!("Loaded image: {tag}")), "{answer}");
    let id = engine.image_id(&tag).expect("an answer").expect("loaded");
    assert_eq!(Some(&*id), told["id"].as_str());
    engine.remove_image(&id).expect("removed");
}

#[test]
fn without_an_engine_the_message_says_where_one_was_looked_for() {
    let env = Env::new();
    let repo = repo(&env, 1008);
    let outcome = build(&repo, "unix:///nowhere/docker.sock", &[]).fails_with(1);
    assert!(
        outcome.stderr.contains("no container engine answers at unix:///nowhere/docker.sock"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("hint: start Docker or Podman"), "{}", outcome.stderr);
}
