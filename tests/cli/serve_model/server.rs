//! A server that ends with the test, and a client that keeps its connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Longer than anything here takes; a test that waits so long fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `git model serve-model` on a free port.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    stderr: PathBuf,
}

impl Server {
    /// Starts one in `dir` and waits until it is ready. It finds no git, no home and no folder for temporary files.
    pub fn start(dir: &Path, args: &[&str], delay_ms: u32) -> Self {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (ready, stderr) = (dir.join(format!("ready-{number}")), dir.join(format!("stderr-{number}")));
        let mut command = Command::new(env!("CARGO_BIN_EXE_git-model"));
        command.env_clear().env("GIT_MODEL_SERVE_DELAY_MS", delay_ms.to_string()).env("PATH", "/nonexistent");
        command.current_dir(dir).arg("serve-model").args(args).args(["--port", "0", "--ready-file"]).arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(std::fs::File::create(&stderr).expect("a file"));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut server = Self { child: command.spawn().expect("it starts"), address, stderr };
        let begun = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(&ready) {
                server.address = text.strip_suffix('\n').expect("a line").parse().expect("an address");
                return server;
            }
            let ended = server.child.try_wait().expect("a state");
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {}", server.stderr());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).expect("readable")
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address).expect("connected")
    }

    pub fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id() as i32)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid().expect("an id"), signal).expect("sent");
    }

    /// Waits for its end, and returns how long that took.
    pub fn wait(&mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("a state") {
                return (status, begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end: {}", self.stderr());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is kept from one request to the next.
pub struct Client(BufReader<TcpStream>);

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Whether the connection ends with this answer.
    pub closes: bool,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()
    }

    /// The message of an error of the protocol.
    #[track_caller]
    pub fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        let json = self.json();
        assert_eq!(json.as_object().map(serde_json::Map::len), Some(1), "{json}");
        json["error"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub fn send(&mut self, method: &str, path: &str, body: &str) -> io::Result<()> {
        let len = body.len();
        let text = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {len}\r\n\r\n{body}");
        self.0.get_mut().write_all(text.as_bytes())
    }

    /// Some bytes of a request.
    pub fn write(&mut self, text: &str) -> io::Result<()> {
        self.0.get_mut().write_all(text.as_bytes())
    }

    pub fn receive(&mut self) -> io::Result<Answer> {
        let malformed = || io::Error::from(io::ErrorKind::InvalidData);
        let line = self.line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(malformed)?;
        let (mut len, mut closes) = (0_u64, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(": ") {
                None if line.is_empty() => break,
                Some(("content-length", text)) => len = text.parse().map_err(|_| malformed())?,
                Some(("connection", text)) => closes = text == "close",
                _ => {}
            }
        }
        let mut text = String::new();
        (&mut self.0).take(len).read_to_string(&mut text)?;
        if text.len() as u64 == len { Ok(Answer { status, closes, text }) } else { Err(malformed()) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        Ok(line.to_owned())
    }

    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> io::Result<Answer> {
        self.send(method, path, body)?;
        self.receive()
    }

    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, "").expect("an answer")
    }

    #[track_caller]
    pub fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &body.to_string()).expect("an answer")
    }

    /// Whether the server has closed the connection, after waiting for it.
    pub fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0]), Ok(0))
    }
}
