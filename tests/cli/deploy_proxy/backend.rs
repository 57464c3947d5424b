//! Servers that say their name, and clients that ask for it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Nothing here waits longer.
pub const LONG: Duration = Duration::from_secs(30);
/// How long `/slow` takes.
pub const SLOW: Duration = Duration::from_millis(300);

/// A server of HTTP/1.1 that keeps connections open; it stops when dropped.
pub struct Backend {
    pub address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    is_over: AtomicBool,
    open: AtomicUsize,
    answered: AtomicUsize,
}

impl Backend {
    pub fn new(name: &'static str) -> Self {
        Self::at(name, (Ipv4Addr::LOCALHOST, 0).into())
    }

    pub fn at(name: &'static str, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.is_over.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&shared);
                shared.open.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    // A client may go away.
                    let _ = answer_all(stream, name, &shared);
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    /// How many connections it has.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    pub fn answered(&self) -> usize {
        self.state.answered.load(Ordering::SeqCst)
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::SeqCst);
        // It waits for a connection.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer_all(stream: TcpStream, name: &str, state: &State) -> io::Result<()> {
    stream.set_read_timeout(Some(LONG))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let mut line = String::new();
        let mut closes = false;
        while reader.read_line(&mut line)? > 2 {
            closes |= line.eq_ignore_ascii_case("connection: close\r\n");
            line.clear();
        }
        if first.contains(" /slow ") {
            std::thread::sleep(SLOW);
        }
        state.answered.fetch_add(1, Ordering::SeqCst);
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len())?;
        if closes {
            return writer.shutdown(Shutdown::Both);
        }
    }
}

/// A connection that is kept open.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_nodelay(true)?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Who answers.
    pub fn get(&mut self, path: &str) -> io::Result<String> {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    fn ask(&mut self, request: &str) -> io::Result<String> {
        self.reader.get_mut().write_all(request.as_bytes())?;
        let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
        self.reader.read_line(&mut status)?;
        if status != "HTTP/1.1 200 OK\r\n" {
            return Err(io::Error::other(format!("no good answer: {status:?}")));
        }
        while self.reader.read_line(&mut line)? > 2 {
            length =
                line.strip_prefix("Content-Length: ").and_then(|length| length.trim().parse().ok()).unwrap_or(length);
            line.clear();
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body)?;
        String::from_utf8(body).map_err(io::Error::other)
    }

    /// Waits for the end of the connection.
    pub fn is_closed(&mut self) -> bool {
        !matches!(self.reader.read(&mut [0]), Ok(1))
    }
}

/// Who answers on a connection of its own.
pub fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    Client::new(address)?.ask(&format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"))
}

#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < LONG, "{what} within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
