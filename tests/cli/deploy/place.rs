//! A repository with a model that is deployed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::load::{Answer, Client};
use crate::support::{Env, Outcome, Repo};

/// What anything in the background may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// One house.
pub const HOUSE: &str = r#"{"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, 2], "data": [100, 3]}]}"#;
pub const INFER: &str = "/v2/models/house/infer";

pub struct Place<'e> {
    pub repo: Repo<'e>,
    pub port: u16,
    /// Variables of all commands.
    pub variables: Vec<(&'static str, String)>,
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl<'e> Place<'e> {
    /// A repository on branch `main` with hooks, a first model that is not committed yet, and these lines in `[deploy.prod]`.
    pub fn new(env: &'e Env, lines: &str) -> Self {
        let repo = env.repo("repo");
        let port = free_port();
        let place = Self { repo, port, variables: Vec::new() };
        place.repo.model(&["install", "--local"]).ok();
        place.policy(lines);
        place.train(1);
        place
    }

    /// Writes `.gitmodel.toml`.
    pub fn policy(&self, lines: &str) {
        let model = "[model.house]\nweights = [\"house.safetensors\"]\nmetrics = \"metrics.json\"\n";
        let text = format!("{model}\n[deploy.prod]\nport = {}\n{lines}", self.port);
        self.repo.write(".gitmodel.toml", text.as_bytes());
    }

    /// Trains a model; another number gives another model.
    pub fn train(&self, number: u32) {
        let rows = (0..40).map(|row| {
            let (area, rooms) = (30 + row * 4, 1 + row % 5);
            format!("{area},{rooms},{}\n", 3 * area + 10 * rooms)
        });
        let rows: String = ["area,rooms,price\n".to_owned()].into_iter().chain(rows).collect();
        self.repo.write("houses.csv", rows.as_bytes());
        let epochs = (20 + number).to_string();
        self.model(&["train", "houses.csv", "--epochs", &epochs, "-o", "house.safetensors"]).ok();
    }

    /// What no server can serve.
    pub fn spoil(&self) {
        let tensors = [crate::support::Tensor { name: "w", dtype: "F32", shape: &[4], bytes: &[0; 16] }];
        self.repo.write("house.safetensors", &crate::support::safetensors(&tensors));
    }

    pub fn command(&self, mut command: Command) -> Command {
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn model(&self, args: &[&str]) -> Outcome {
        self.repo.env.run(self.command(self.repo.model_command(args)))
    }

    pub fn git(&self, args: &[&str]) -> Outcome {
        self.repo.env.run(self.command(self.repo.git_command(args)))
    }

    pub fn commit(&self, message: &str) -> Outcome {
        self.git(&["add", "-A"]).ok();
        self.git(&["commit", "-q", "-m", message]).ok()
    }

    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).ok().text().trim().to_owned()
    }

    /// The commit as servers tell it.
    pub fn short(&self) -> String {
        self.head()[..10].to_owned()
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// All deployments, the newest first.
    pub fn deployments(&self) -> Vec<Value> {
        let listed = self.model(&["deployments", "--json"]).ok();
        serde_json::from_str(listed.text()).expect("JSON")
    }

    /// Their states, the newest first.
    pub fn states(&self) -> Vec<String> {
        let text = |deployment: &Value| deployment["state"].as_str().expect("a state").to_owned();
        self.deployments().iter().map(text).collect()
    }

    /// Waits until there are so many deployments, all of them at their end and nobody at work; their states, the newest first.
    pub fn settled(&self, count: usize) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let states = self.states();
            let is_final = |state: &String| state != "queued" && state != "in_progress";
            if states.len() >= count && states.iter().all(is_final) && !self.is_busy() {
                assert_eq!(states.len(), count, "{}", self.model(&["deployments"]).text());
                return states;
            }
            assert!(begun.elapsed() < PATIENCE, "{}\n{}", self.model(&["deployments"]).text(), self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether somebody has the environment's lock.
    pub fn is_busy(&self) -> bool {
        let path = self.folder().join("lock");
        let Ok(file) = std::fs::File::open(path) else { return false };
        rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err()
    }

    /// The environment's private folder.
    pub fn folder(&self) -> std::path::PathBuf {
        self.repo.path(".git/model/deploy/prod")
    }

    pub fn runtime(&self) -> Value {
        let text = std::fs::read(self.folder().join("state.json")).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// The processes that serve, whoever knows of them.
    pub fn servers(&self) -> Vec<i64> {
        self.processes("serve-model", "releases/")
    }

    /// The proxy.
    pub fn proxy(&self) -> i64 {
        self.processes("deploy-proxy", "").pop().expect("a proxy")
    }

    fn processes(&self, command: &str, below: &str) -> Vec<i64> {
        let folder = self.folder().join(below);
        let folder = folder.to_str().expect("text").trim_end_matches('/').to_owned();
        let is_ours = |pid: i64| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains(command) && line.contains(&folder)
        };
        let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
        processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|&pid| is_ours(pid)).collect()
    }

    /// The status of environment `prod`.
    pub fn standing(&self) -> Value {
        let status = self.model(&["status", "--json"]).ok();
        let status: Value = serde_json::from_str(status.text()).expect("JSON");
        status["environments"][0].clone()
    }

    pub fn infer(&self) -> Result<Answer, String> {
        Client { address: self.address(), stream: None, is_kept: false }.post(INFER, HOUSE)
    }

    /// The version that answers.
    pub fn version(&self) -> String {
        let answer = self.infer().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        answer["model_version"].as_str().expect("a version").to_owned()
    }

    /// All that was logged, for a test that fails.
    pub fn logs(&self) -> String {
        fn visit(dir: &Path, text: &mut String) {
            for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    visit(&path, text);
                } else if path.extension().is_some_and(|extension| extension == "log") {
                    let log = std::fs::read_to_string(&path).unwrap_or_default();
                    *text += &format!("== {}\n{log}", path.display());
                }
            }
        }
        let mut text = String::new();
        visit(&self.folder(), &mut text);
        text
    }
}

impl Drop for Place<'_> {
    /// Nothing that was started stays, whatever the test has found.
    fn drop(&mut self) {
        if !self.folder().exists() {
            return;
        }
        let begun = Instant::now();
        while self.is_busy() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
        }
        let stopped = self.model(&["stop", "prod"]);
        if stopped.code != Some(0) && !std::thread::panicking() {
            panic!("what was deployed could not be stopped: {}", stopped.stderr);
        }
    }
}
