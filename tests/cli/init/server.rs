//! The server of the Python template, without a container.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::init;
use crate::serve_model::server::{Client, PATIENCE};
use crate::support::{Env, Repo};

fn python() -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    let mut found = std::env::split_paths(&path).map(|dir| dir.join("python3"));
    found.find(|python| python.is_file()).expect("python3 is on PATH; get it with: apt-get install python3")
}

struct Server {
    child: Child,
    address: SocketAddr,
    /// Closed, it would make the server's last word an error.
    stdout: BufReader<ChildStdout>,
}

impl Server {
    fn start(repo: &Repo<'_>) -> Self {
        let mut command = Command::new(python());
        command.arg("serve.py").current_dir(&repo.dir).env("PORT", "0").env("PYTHONUNBUFFERED", "1");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), stdout };
        let mut line = String::new();
        server.stdout.read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("serving on port ").and_then(|port| port.parse().ok());
        server.address.set_port(port.unwrap_or_else(|| panic!("{line}")));
        server
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
        let mut client = Client::connect(self.address).expect("a connection");
        let answer = client.ask(method, path, body).expect("an answer");
        (answer.status, answer.json())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_python_server_predicts_what_git_model_predicts() {
    let env = Env::bare();
    init(&env, &["house", "--template", "python"]).ok();
    let repo = env.at("house");
    repo.model(&["train", "--params", "params.json"]).ok();
    let mut server = Server::start(&repo);
    assert_eq!(server.ask("GET", "/v2/health/ready", ""), (200, json!({ "ready": true })));
    repo.write("rows.csv", b"rooms,area,age\n3,70,20\n1,30,80\n");
    let predicted = repo.model(&["predict", "model.safetensors", "rows.csv"]).ok();
    let predicted: Vec<f64> = predicted.text().lines().skip(1).map(|line| line.parse().expect("a number")).collect();
    let (status, answer) = server.ask("POST", "/predict", "{\"rows\": [[3, 70, 20], [1, 30, 80]]}");
    let answered: Vec<f64> = serde_json::from_value(answer["predictions"].clone()).expect("numbers");
    assert_eq!((status, answered.len()), (200, predicted.len()));
    for (ours, theirs) in predicted.iter().zip(&answered) {
        assert!((ours - theirs).abs() < 1e-6 * ours.abs(), "{ours} {theirs}");
    }
    for wrong in [
        "",
        "x",
        "{}",
        "[1]",
        "{\"rows\": 1}",
        "{\"rows\": [[1]]}",
        "{\"rows\": [[1, 2, \"3\"]]}",
        "{\"rows\": [[1, 2, 1e999]]}",
    ] {
        let (status, answer) = server.ask("POST", "/predict", wrong);
        assert!(status == 400 && answer["error"].is_string(), "{wrong}: {status} {answer}");
    }
    assert_eq!(server.ask("GET", "/", "").0, 404);
    smoke(&repo, server.address);
    end(&mut server);
}

/// The template's own test passes.
fn smoke(repo: &Repo<'_>, address: SocketAddr) {
    let mut command = Command::new(python());
    command.arg("smoke.py").current_dir(&repo.dir).env("GIT_MODEL_URL", format!("http://{address}"));
    let output = command.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A request that has begun is answered, and then the server ends by itself.
fn end(server: &mut Server) {
    let mut client = Client::connect(server.address).expect("a connection");
    let body = "{\"rows\": []}";
    let (first, second) = body.split_at(5);
    let head = format!("POST /predict HTTP/1.0\r\nContent-Length: {}\r\n\r\n{first}", body.len());
    client.write(&head).expect("sent");
    // It is being read once another one that came later has its answer.
    assert_eq!(server.ask("GET", "/v2/health/ready", "").0, 200);
    let pid = i32::try_from(server.child.id()).ok().and_then(Pid::from_raw).expect("an id");
    kill_process(pid, Signal::TERM).expect("a signal");
    client.write(second).expect("sent");
    assert_eq!(client.receive().expect("an answer").ok(), json!({ "predictions": [] }));
    let begun = std::time::Instant::now();
    let status = loop {
        if let Some(status) = server.child.try_wait().expect("a state") {
            break status;
        }
        assert!(begun.elapsed() < PATIENCE, "it does not end");
        std::thread::sleep(std::time::Duration::from_millis(10));
    };
    assert!(status.success(), "{status}");
    let mut rest = String::new();
    server.stdout.read_to_string(&mut rest).expect("the rest");
    assert_eq!(rest, "ended\n");
}
