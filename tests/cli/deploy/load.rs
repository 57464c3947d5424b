//! Clients that ask without pause, and take every answer that is missing for a failure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// A client ends by itself after so long, whatever the test does.
const MAX: Duration = Duration::from_secs(300);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub took: Duration,
}

/// What clients have seen.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub answered: usize,
    /// What failed, with its client and the time since the start.
    pub failures: Vec<String>,
    /// Versions in the order in which each was first seen.
    pub versions: Vec<String>,
    /// Requests that took at least so long as a slow one does.
    pub slow: usize,
}

/// Clients under way.
pub struct Load {
    is_over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts so many clients: every other keeps its connection as long as the server does.
    pub fn start(address: SocketAddr, path: &str, body: &str, clients: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let client = |number: usize| {
            let (is_over, seen) = (is_over.clone(), seen.clone());
            let (path, body) = (path.to_owned(), body.to_owned());
            std::thread::spawn(move || {
                let begun = Instant::now();
                let mut client = Client { address, stream: None, is_kept: number.is_multiple_of(2) };
                while !is_over.load(Ordering::Relaxed) && begun.elapsed() < MAX {
                    let connection = if client.stream.is_some() { "an old" } else { "a new" };
                    let asked = begun.elapsed();
                    let answer = client.post(&path, &body).map_err(|why| {
                        let now = begun.elapsed();
                        format!("client {number} on {connection} connection, asked at {asked:.3?}, at {now:.3?}: {why}")
                    });
                    note(&mut seen.lock().expect("no client panics"), answer);
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { is_over, seen, clients }
    }

    /// What has been seen so far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("no client panics").clone()
    }

    /// Waits until so many requests were answered in all.
    pub fn wait_for(&self, answered: usize) {
        let begun = Instant::now();
        while self.seen().answered < answered {
            assert!(begun.elapsed() < MAX, "{:?}", self.seen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends all clients.
    pub fn end(mut self) -> Seen {
        self.is_over.store(true, Ordering::Relaxed);
        for client in self.clients.drain(..) {
            client.join().expect("no client panics");
        }
        self.seen()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn note(seen: &mut Seen, answer: Result<Answer, String>) {
    match answer {
        Ok(answer) if answer.status == 200 => {
            seen.answered += 1;
            seen.slow += usize::from(answer.took >= Duration::from_millis(300));
            let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
            let version = answer["model_version"].as_str().unwrap_or("none").to_owned();
            if !seen.versions.contains(&version) {
                seen.versions.push(version);
            }
        }
        Ok(answer) => seen.failures.push(format!("status {}: {}", answer.status, answer.body)),
        Err(why) => seen.failures.push(why),
    }
}

/// A client of HTTP/1.1.
pub struct Client {
    pub address: SocketAddr,
    pub stream: Option<BufReader<TcpStream>>,
    pub is_kept: bool,
}

impl Client {
    /// One request, on the connection that is there or on a new one. Nothing is tried twice.
    pub fn post(&mut self, path: &str, body: &str) -> Result<Answer, String> {
        let begun = Instant::now();
        let length = body.len();
        let close = if self.is_kept { "" } else { "Connection: close\r\n" };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{close}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        self.exchange(&request, begun)
    }

    pub fn get(&mut self, path: &str) -> Result<Answer, String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
        self.exchange(&request, Instant::now())
    }

    fn exchange(&mut self, request: &str, begun: Instant) -> Result<Answer, String> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(self.address).map_err(|error| format!("connect: {error}"))?;
                stream.set_read_timeout(Some(PATIENCE)).and_then(|()| stream.set_nodelay(true)).expect("set");
                BufReader::new(stream)
            }
        };
        stream.get_mut().write_all(request.as_bytes()).map_err(|error| format!("send: {error}"))?;
        let (status, body, is_kept) = read(&mut stream)?;
        if is_kept && self.is_kept {
            self.stream = Some(stream);
        }
        Ok(Answer { status, body, took: begun.elapsed() })
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Result<(u16, String, bool), String> {
    let mut line = |what: &str| {
        let mut line = String::new();
        match stream.read_line(&mut line) {
            Ok(0) => Err(format!("{what}: the connection was closed")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(format!("{what}: {error}")),
        }
    };
    let first = line("status")?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(format!("status: {first}"))?;
    let (mut length, mut is_kept) = (0, true);
    loop {
        let header = line("headers")?.to_ascii_lowercase();
        match header.split_once(':') {
            None => break,
            Some(("content-length", value)) => length = value.trim().parse().map_err(|_| header.clone())?,
            Some(("connection", value)) => is_kept = value.trim() != "close",
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(|error| format!("body: {error}"))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned(), is_kept))
}
