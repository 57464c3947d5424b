//! The server in a thread of the test, with short times, stopped by a message instead of a signal.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::{JoinHandle, sleep};
use std::time::Instant;

use super::predictor::Inferred;
use super::protocol::{Datatype, Elements, Input, Output, TensorInfo};
use super::*;
use crate::progress::Silent;

const MS: Duration = Duration::from_millis(1);
/// Longer than anything here takes; a test that waits so long fails.
const PATIENCE: Duration = Duration::from_secs(20);
const LIMITS: Limits = Limits {
    connections: 64,
    head: PATIENCE,
    stall: PATIENCE,
    quiet: Duration::from_millis(300),
    linger: Duration::from_millis(300),
    drain: PATIENCE,
};
const BODY: &str = r#"{"inputs":[]}"#;

/// Answers with so many zeros.
struct Zeros(usize);

impl Predictor for Zeros {
    fn platform(&self) -> &'static str {
        "test"
    }

    fn inputs(&self) -> Vec<TensorInfo> {
        Vec::new()
    }

    fn outputs(&self) -> Vec<TensorInfo> {
        vec![TensorInfo { name: "zeros".into(), datatype: Datatype::Int64, shape: vec![-1] }]
    }

    fn infer(&self, _: Vec<Input>) -> Result<Inferred, String> {
        let (name, datatype) = ("zeros".into(), Datatype::Int64);
        let zeros = Output { name, shape: vec![self.0 as u64], datatype, data: Elements::Integers(vec![0; self.0]) };
        Ok(Inferred { rows: 1, outputs: vec![zeros] })
    }
}

struct Running {
    address: SocketAddr,
    stops: mpsc::Sender<()>,
    thread: JoinHandle<usize>,
}

impl Running {
    fn start(limits: Limits, zeros: usize, delay: Duration) -> Self {
        let (stops, stopped) = mpsc::channel(2);
        let (sender, receiver) = std::sync::mpsc::channel();
        let shared = Arc::new(Shared {
            models: vec![("m".into(), Arc::new(Zeros(zeros)))],
            version: "1".into(),
            counters: Counters::new(["m"].into_iter(), "1").expect("counters"),
            delay,
            delayed: Every::new(1),
            draining: watch::Sender::new(false),
            room: Room::new(1 << 20),
        });
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let cut = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                sender.send(listener.local_addr().expect("an address")).expect("heard");
                connections::serve(listener, shared, limits, stopped, &Silent).await
            });
            runtime.shutdown_background();
            cut
        });
        Self { address: receiver.recv_timeout(PATIENCE).expect("it listens"), stops, thread }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream
    }

    fn stop(&self) {
        self.stops.blocking_send(()).expect("it runs");
    }

    /// How many connections were cut.
    fn ended(self) -> usize {
        let begun = Instant::now();
        while !self.thread.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "it does not end");
            sleep(5 * MS);
        }
        self.thread.join().expect("no panic")
    }
}

fn infer() -> String {
    format!("POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{BODY}", BODY.len())
}

fn send(mut stream: &TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).expect("sent");
}

/// All that comes until the connection ends; a reset counts as its end.
fn rest(mut stream: &TcpStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionReset => panic!("{error}"),
        _ => String::from_utf8(text).expect("text"),
    }
}

/// What has come by now.
fn some(mut stream: &TcpStream, wait: Duration) -> Option<String> {
    stream.set_read_timeout(Some(wait)).expect("set");
    let mut buffer = [0; 4096];
    let read = stream.read(&mut buffer);
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    match read {
        Ok(len) => Some(String::from_utf8_lossy(&buffer[..len]).into_owned()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn slow_heads_are_not_waited_for() {
    let running = Running::start(Limits { head: 200 * MS, ..LIMITS }, 1, Duration::ZERO);
    let (slow, silent) = (running.connect(), running.connect());
    let begun = Instant::now();
    for line in ["GET /v2 HTTP/1.1\r\n", "Host: h\r\n", "A: b\r\n", "C: d\r\n", "E: f\r\n", "G: h\r\n"] {
        // The last ones are sent to nobody.
        let _ = (&slow).write_all(line.as_bytes());
        sleep(70 * MS);
    }
    assert!(!rest(&slow).starts_with("HTTP/1.1 200"));
    assert_eq!(rest(&silent), "");
    assert!(begun.elapsed() < PATIENCE / 2);
    running.stop();
    assert_eq!(running.ended(), 0);
}

#[test]
fn connections_beyond_the_limit_wait() {
    let running = Running::start(Limits { connections: 2, ..LIMITS }, 1, Duration::ZERO);
    let clients = [running.connect(), running.connect(), running.connect()];
    for client in &clients {
        send(client, &infer());
    }
    let [first, second, third] = &clients;
    assert!(some(first, PATIENCE).is_some_and(|text| text.starts_with("HTTP/1.1 200")));
    assert!(some(second, PATIENCE).is_some_and(|text| text.starts_with("HTTP/1.1 200")));
    assert_eq!(some(third, 200 * MS), None);
    first.shutdown(std::net::Shutdown::Both).expect("shut down");
    assert!(some(third, PATIENCE).is_some_and(|text| text.starts_with("HTTP/1.1 200")));
    running.stop();
    assert_eq!(running.ended(), 0);
}

#[test]
fn answers_that_nobody_reads_are_given_up() {
    const MANY: usize = 16 << 20;
    for (stall, expected) in [(300 * MS, 0), (PATIENCE, 1)] {
        let running = Running::start(Limits { stall, drain: 500 * MS, ..LIMITS }, MANY, Duration::ZERO);
        let client = running.connect();
        send(&client, &infer());
        assert!(some(&client, PATIENCE).is_some());
        sleep(900 * MS);
        running.stop();
        assert_eq!(running.ended(), expected);
        assert!(rest(&client).len() < 2 * MANY);
    }
}

#[test]
fn a_request_that_has_begun_is_answered_while_draining() {
    let running = Running::start(LIMITS, 1, Duration::ZERO);
    let (used, fresh) = (running.connect(), running.connect());
    send(&used, &infer());
    assert!(some(&used, PATIENCE).is_some_and(|text| !text.contains("close")));
    let text = infer();
    let (one, other) = text.split_at(text.find("Host").expect("a head"));
    send(&used, one);
    send(&fresh, one);
    running.stop();
    sleep(150 * MS);
    for client in [&used, &fresh] {
        send(client, other);
        let text = rest(client);
        assert!(text.starts_with("HTTP/1.1 200") && text.contains("connection: close"), "{text}");
    }
    assert_eq!(running.ended(), 0);
}

#[test]
fn it_ends_after_its_clients() {
    let running = Running::start(Limits { linger: PATIENCE, ..LIMITS }, 1, 300 * MS);
    let client = running.connect();
    send(&client, &infer());
    sleep(100 * MS);
    running.stop();
    // The answer is there, and so is the end; whoever passes it on may not have done so yet.
    assert!(rest(&client).contains("connection: close"));
    sleep(200 * MS);
    assert!(!running.thread.is_finished());
    drop(client);
    assert_eq!(running.ended(), 0);
}

#[test]
fn what_does_not_end_is_cut() {
    for is_told_twice in [false, true] {
        let drain = if is_told_twice { PATIENCE } else { 200 * MS };
        let running = Running::start(Limits { drain, ..LIMITS }, 1, PATIENCE);
        let clients = [running.connect(), running.connect()];
        for client in &clients {
            send(client, &infer());
        }
        sleep(100 * MS);
        running.stop();
        if is_told_twice {
            running.stop();
        }
        assert_eq!(running.ended(), 2);
        clients.iter().for_each(|client| assert_eq!(rest(client), ""));
    }
}

#[test]
fn large_bodies_share_a_room() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (limit, none) = (1 << 20, axum::http::HeaderMap::new());
        let room = Room::new(limit);
        let read = |bytes: usize| room.read(&none, axum::body::Body::from(vec![b' '; bytes]));
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(read(limit).await.expect("there is room"));
        }
        assert!(tokio::time::timeout(50 * MS, read(limit)).await.is_err(), "there is none any more");
        assert_eq!(read(1000).await.expect("small ones always have").bytes.len(), 1000);
        held.pop();
        assert_eq!(read(limit).await.expect("again").bytes.len(), limit);
        let refused = read(limit + 1).await.map(|_| ()).expect_err("too large");
        assert_eq!(refused.status.as_u16(), 413);
    });
}

#[test]
fn times_and_files_as_users_write_them() {
    for (text, expected) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000)] {
        assert_eq!(parse_time(text), Ok(Duration::from_millis(expected)));
    }
    for text in ["", "s", "30", "-1s", "1.5s", "1 s", "5d", "99999999999s", "٣s"] {
        assert!(parse_time(text).is_err(), "{text}");
    }
    for (text, name, path) in [
        ("a/b.safetensors", "b", "a/b.safetensors"),
        ("v1.2.onnx", "v1.2", "v1.2.onnx"),
        ("x=a/b.safetensors", "x", "a/b.safetensors"),
        ("x=a=b", "x", "a=b"),
        ("a/x=b.st", "a/x", "b.st"),
    ] {
        assert_eq!(ModelFile::parse(OsStr::new(text)), ModelFile { name: name.into(), path: path.into() });
    }
}
