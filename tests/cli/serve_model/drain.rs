//! How a server ends.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::server::{Client, PATIENCE, Server};
use super::{INFER, house, houses_model};
use crate::support::Env;

#[test]
fn without_connections_it_ends_at_once() {
    let env = Env::new();
    let repo = houses_model(&env);
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&repo.dir, &["model.safetensors"], 0);
        server.signal(signal);
        let (status, took) = server.wait();
        assert_eq!(status.code(), Some(0), "{}", server.stderr());
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn requests_are_answered_to_their_end() {
    let env = Env::new();
    let repo = houses_model(&env);
    let mut server = Server::start(&repo.dir, &["model.safetensors"], 1500);
    let (mut busy, mut idle, mut client) = (server.client(), server.client(), server.client());
    assert!(!idle.get("/v2/health/ready").closes);
    assert!(!client.get("/v2/health/ready").closes);
    busy.send("POST", INFER, &house().to_string()).expect("sent");
    std::thread::sleep(Duration::from_millis(100));
    server.signal(Signal::TERM);
    let begun = Instant::now();
    // Until the signal has arrived.
    let not_ready = loop {
        let answer = server.client().get("/v2/health/ready");
        match answer.status {
            503 => break answer,
            _ => assert!(begun.elapsed() < Duration::from_secs(1), "{answer:?}"),
        }
    };
    assert!(not_ready.closes, "{not_ready:?}");
    assert_eq!(not_ready.json(), json!({ "live": true, "ready": false }));
    // One that was open before is served, too, and told to go.
    let live = client.get("/v2/health/live");
    assert!(live.status == 200 && live.closes, "{live:?}");
    assert!(client.is_closed());
    let mut new = server.client();
    new.send("POST", INFER, &house().to_string()).expect("sent");
    assert!(idle.is_closed());
    let quiet = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(10)).contains(&quiet), "{quiet:?}");
    for mut client in [busy, new] {
        let answer = client.receive().expect("an answer");
        assert!(answer.status == 200 && answer.closes, "{answer:?}");
        assert!(client.is_closed());
    }
    let (status, took) = server.wait();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(!server.stderr().contains("cut"), "{}", server.stderr());
}

#[test]
fn what_takes_too_long_is_cut() {
    let env = Env::new();
    let repo = houses_model(&env);
    for second in [None, Some(Signal::TERM), Some(Signal::INT)] {
        let timeout = if second.is_some() { "10m" } else { "300ms" };
        let args = ["model.safetensors", "--drain-timeout", timeout];
        let mut server = Server::start(&repo.dir, &args, 60_000);
        let mut client = server.client();
        client.send("POST", INFER, &house().to_string()).expect("sent");
        std::thread::sleep(Duration::from_millis(100));
        server.signal(Signal::TERM);
        if let Some(second) = second {
            // Until the first has arrived.
            let begun = Instant::now();
            while server.client().get("/v2/health/ready").status != 503 {
                assert!(begun.elapsed() < PATIENCE);
            }
            server.signal(second);
        }
        let (status, took) = server.wait();
        assert_eq!(status.code(), Some(0));
        assert!(took < Duration::from_secs(5), "{took:?}");
        assert!(server.stderr().contains("cut before"), "{}", server.stderr());
        assert!(client.receive().is_err());
    }
}

/// What clients that go on asking have seen.
#[derive(Default)]
struct Seen {
    failures: Mutex<Vec<String>>,
    answers: [AtomicUsize; 2],
}

/// Asks again and again, on one connection as long as the server keeps it, then at `target`.
fn go_on(target: &Mutex<SocketAddr>, pause: Duration, seen: &Seen, is_over: &AtomicBool) {
    let connect = || Client::connect(*target.lock().expect("no panic"));
    let body = house().to_string();
    let mut client = None;
    while !is_over.load(SeqCst) {
        let mut connected = match client.take().map_or_else(connect, Ok) {
            Ok(client) => client,
            Err(error) => return seen.failures.lock().expect("no panic").push(format!("connect: {error}")),
        };
        match connected.ask("POST", INFER, &body) {
            Ok(answer) if answer.status == 200 => {
                let version: Value = answer.json()["model_version"].clone();
                seen.answers[usize::from(version == "new")].fetch_add(1, SeqCst);
                client = (!answer.closes).then_some(connected);
            }
            failed => seen.failures.lock().expect("no panic").push(format!("{failed:?}")),
        }
        std::thread::sleep(pause);
    }
}

#[test]
fn no_request_fails_while_servers_change() {
    const ROUNDS: usize = 3;
    let env = Env::new();
    let repo = houses_model(&env);
    let start = |version: &str, delay| Server::start(&repo.dir, &["model.safetensors", "--version", version], delay);
    for round in 0..ROUNDS {
        let (mut old, new) = (start("old", 5 * round as u32), start("new", 0));
        let (target, seen, is_over) = (Mutex::new(old.address), Seen::default(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for pause in [0, 0, 0, 1, 20, 300] {
                let pause = Duration::from_millis(pause);
                let (target, seen, is_over) = (&target, &seen, &is_over);
                scope.spawn(move || go_on(target, pause, seen, is_over));
            }
            std::thread::sleep(Duration::from_millis(500));
            *target.lock().expect("no panic") = new.address;
            old.signal(Signal::TERM);
            let (status, took) = old.wait();
            std::thread::sleep(Duration::from_millis(200));
            is_over.store(true, SeqCst);
            assert_eq!(status.code(), Some(0), "{}", old.stderr());
            assert!(took < Duration::from_secs(10), "{took:?}");
        });
        assert_eq!(*seen.failures.lock().expect("no panic"), [""; 0]);
        let [before, after] = [0, 1].map(|at| seen.answers[at].load(SeqCst));
        assert!(before > 50 && after > 50, "{before} answers before, {after} after");
    }
}
