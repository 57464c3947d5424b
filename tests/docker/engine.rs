//! The engine that is tested with, a program to put into images, and what tests leave behind.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use git_model::deploy::docker::{Engine, Run, State};

/// Where the engine is; `None` if there shall be no such tests.
#[track_caller]
pub fn host() -> Option<&'static str> {
    static HOST: OnceLock<Result<Option<String>, String>> = OnceLock::new();
    match HOST.get_or_init(start) {
        Ok(host) => host.as_deref(),
        Err(talk) => panic!("no container engine to test with (GIT_MODEL_TEST_DOCKER=skip goes without):\n{talk}"),
    }
}

fn start() -> Result<Option<String>, String> {
    if std::env::var("GIT_MODEL_TEST_DOCKER").is_ok_and(|value| value == "skip") {
        return Ok(None);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/engine.sh");
    let pid = std::process::id().to_string();
    // A socket's path has to be short. The script ends the engine when this process has ended.
    let dir = std::env::temp_dir().join(format!("git-model-engine-{pid}"));
    let output = Command::new(&script).arg("start").arg(&dir).arg(&pid).output();
    let output = output.map_err(|error| format!("{}: {error}", script.display()))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    match answer.lines().find_map(|line| line.strip_prefix("DOCKER_HOST=")) {
        Some(host) if output.status.success() => Ok(Some(host.to_owned())),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A static program in the place of git-model: it serves what `answer.rs` says.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docker/answer.rs");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("answer-{}", std::process::id()));
        let mut command = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        command.args([
            "--edition",
            "2024",
            "-C",
            "target-feature=+crt-static",
            "-C",
            "opt-level=1",
            "-C",
            "strip=symbols",
        ]);
        let output = command.arg("-o").arg(&program).arg(source).output().expect("rustc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        program
    })
}

/// A container that goes with the test, and its image.
pub struct Running<'e> {
    pub engine: &'e Engine,
    pub id: String,
    pub address: SocketAddr,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let image = self.engine.state(&self.id).ok().flatten().map(|state| state.image);
        let _ = self.engine.remove(&self.id);
        if let Some(image) = image {
            let _ = self.engine.remove_image(&image);
        }
    }
}

impl<'e> Running<'e> {
    /// Starts a container of `image` on a port that nobody has.
    pub fn start(engine: &'e Engine, image: &str, name: &str) -> Self {
        let address = free_address();
        let labels = BTreeMap::from([("git-model.test".to_owned(), name.to_owned())]);
        let env = [("WHO".to_owned(), name.to_owned())];
        let name = unique(name);
        let run = Run { image, name: &name, publish: address, container_port: 8080, env: &env, labels: &labels };
        let id = engine.start(&run).expect("started");
        Self { engine, id, address }
    }

    /// The body of the answer to `GET path`, once there is one.
    pub fn get(&self, path: &str) -> Vec<u8> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(body) = get(self.address, path) {
                return body;
            }
            let state = self.engine.state(&self.id).expect("an answer");
            assert!(state.is_some_and(|state| state.is_running), "the container runs");
            assert!(Instant::now() < deadline, "no answer from {}", self.address);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// How it ended.
    pub fn ended(&self) -> State {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let state = self.engine.state(&self.id).expect("an answer").expect("the container is there");
            if !state.is_running {
                return state;
            }
            assert!(Instant::now() < deadline, "the container does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn logs(&self) -> String {
        let mut log = Vec::new();
        self.engine.logs(&self.id, false, None, &mut log).expect("a log");
        String::from_utf8_lossy(&log).into_owned()
    }
}

/// A name that no other run of the tests gives.
pub fn unique(name: &str) -> String {
    format!("git-model-test-{name}-{}", std::process::id())
}

/// An address where nobody listened a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

fn get(address: SocketAddr, path: &str) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    answer.starts_with(b"HTTP/1.0 200 ").then(|| answer[body..].to_vec())
}
