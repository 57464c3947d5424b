//! What runs a version: a container engine, or this machine.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::Fault;
use super::docker::{Container, Engine, EngineError, Run};
use super::local::{Artifact, Instance, Local, Running};
use super::process::{self, Process};
use super::record::DeploymentId;
use super::release;
use crate::metrics::policy::deploy::{Environment, Strategy, Target};
use crate::version::named::Named;

/// The label of all containers of a clone.
const CLONE_LABEL: &str = "git-model.clone";
const ENVIRONMENT_LABEL: &str = "git-model.environment";
const DEPLOYMENT_LABEL: &str = "git-model.deployment";
const NAME_LABEL: &str = "git-model.container";
/// For tests: see `src/server/serving.rs`.
const PASSED_ON: [&str; 1] = ["GIT_MODEL_SERVE_DELAY_MS"];
/// A port may be taken by somebody else between the moment it was found free and the moment it is used.
const PORT_TRIES: usize = 5;

/// Variables of ours that a container gets, too.
fn passed_on() -> Vec<(String, String)> {
    let one = |name: &str| std::env::var(name).ok().map(|value| (name.to_owned(), value));
    PASSED_ON.iter().filter_map(|name| one(name)).collect()
}

/// Starts and stops versions of one environment.
pub struct Runner<'r> {
    environment: &'r Environment,
    local: &'r Local,
    program: PathBuf,
    engine: OnceCell<Engine>,
    is_docker: bool,
}

/// Why something is not known to run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAlive {
    /// It has ended.
    #[error("{0}")]
    Ended(String),
    /// The engine cannot be asked.
    #[error("{0}")]
    Unknown(String),
}

/// What is to be started.
pub struct Launch<'l> {
    /// The deployment it belongs to.
    pub deployment: &'l DeploymentId,
    /// What it is started from.
    pub artifact: &'l Artifact,
    /// The model, for the target `process`.
    pub model: &'l Named,
    /// What clients are told.
    pub version: &'l str,
    /// Where it shall answer; on a port of its own if nowhere.
    pub address: Option<SocketAddr>,
}

impl<'r> Runner<'r> {
    /// The one that the environment asks for; with `auto`, the engine if one answers.
    ///
    /// # Errors
    /// The environment asks for an engine, and none answers.
    pub fn new(environment: &'r Environment, local: &'r Local) -> Result<Self, Fault> {
        let program = std::env::current_exe()?;
        let mut runner = Self { environment, local, program, engine: OnceCell::new(), is_docker: true };
        match environment.target {
            Target::Process => runner.is_docker = false,
            Target::Docker => drop(runner.engine()?),
            // Only an engine can build a Dockerfile.
            Target::Auto if environment.dockerfile.is_some() => drop(runner.engine()?),
            Target::Auto => runner.is_docker = runner.engine().is_ok(),
        }
        Ok(runner)
    }

    /// One that only stops what was started before.
    ///
    /// # Errors
    /// This program cannot find itself.
    pub fn to_stop(environment: &'r Environment, local: &'r Local) -> Result<Self, Fault> {
        let program = std::env::current_exe()?;
        Ok(Self { environment, local, program, engine: OnceCell::new(), is_docker: false })
    }

    /// The word for it in the record.
    pub const fn name(&self) -> &'static str {
        if self.is_docker { "docker" } else { "process" }
    }

    /// Whether it runs containers.
    pub const fn is_docker(&self) -> bool {
        self.is_docker
    }

    /// This program.
    pub fn program(&self) -> &std::path::Path {
        &self.program
    }

    /// The engine, connected to when it is first needed.
    ///
    /// # Errors
    /// None answers.
    pub fn engine(&self) -> Result<&Engine, EngineError> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::connect()?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// Starts a version. It may not answer yet.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(&self, launch: &Launch) -> Result<(Instance, SocketAddr), Fault> {
        if let Some(address) = launch.address {
            return Ok((self.start_at(launch, address)?, address));
        }
        let mut tries = 0;
        loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, process::free_port(Ipv4Addr::LOCALHOST.into())?));
            tries += 1;
            match self.start_at(launch, address) {
                Err(Fault::PortTaken(_)) if tries < PORT_TRIES => {}
                other => return other.map(|instance| (instance, address)),
            }
        }
    }

    fn start_at(&self, launch: &Launch, address: SocketAddr) -> Result<Instance, Fault> {
        match launch.artifact {
            Artifact::Image { id, .. } => self.start_container(launch, id, address),
            Artifact::Release { digest } => self.start_process(launch, digest, address),
        }
    }

    fn start_container(&self, launch: &Launch, image: &str, address: SocketAddr) -> Result<Instance, Fault> {
        let name = self.container_name(launch.deployment, address);
        let labels = BTreeMap::from([
            (CLONE_LABEL.to_owned(), self.local.clone_name().to_owned()),
            (ENVIRONMENT_LABEL.to_owned(), self.environment.name.clone()),
            (DEPLOYMENT_LABEL.to_owned(), launch.deployment.to_string()),
            (NAME_LABEL.to_owned(), name.clone()),
        ]);
        let run = Run {
            image,
            name: &name,
            publish: address,
            container_port: self.environment.container_port,
            env: &passed_on(),
            labels: &labels,
        };
        self.engine()?.start(&run)?;
        Ok(Instance::Container(name))
    }

    /// With `recreate`, a candidate and what serves afterwards are two containers of one deployment.
    fn container_name(&self, deployment: &DeploymentId, address: SocketAddr) -> String {
        let clone = &self.local.clone_name()[..8];
        let last = match self.environment.strategy {
            Strategy::Recreate if address.port() == self.environment.port => "-serving",
            _ => "",
        };
        format!("git-model-{}-{deployment}-{clone}{last}", self.environment.name)
    }

    fn start_process(&self, launch: &Launch, digest: &str, address: SocketAddr) -> Result<Instance, Fault> {
        let (ip, port) = (address.ip().to_string(), address.port().to_string());
        let drain = format!("{}ms", self.environment.drain_timeout.as_millis());
        let options = ["serve-model", "--new-session", "--version", launch.version, "--address", &ip, "--port", &port];
        let mut args: Vec<OsString> = options.iter().map(OsString::from).collect();
        // A name may begin with a dash.
        args.extend(["--drain-timeout", &drain, "--"].iter().map(OsString::from));
        let files = release::files(self.local, digest, launch.model);
        match &files[..] {
            [only] => {
                let mut named = OsString::from(format!("{}=", launch.model.name));
                named.push(only);
                args.push(named);
            }
            several => args.extend(several.iter().map(OsString::from)),
        }
        let log = self.local.logs(launch.deployment).join("run.log");
        drop(self.local.open_log(launch.deployment, "run")?);
        let process = process::start(&self.program, &args, &[], self.local.dir(), &log)?;
        Ok(Instance::Process(process))
    }

    /// Whether it has ended, and why. That the engine cannot be asked says nothing about a container: it may serve all the same.
    ///
    /// # Errors
    /// It has ended.
    pub fn not_ended(&self, instance: &Instance) -> Result<(), String> {
        match self.alive(instance) {
            Err(NotAlive::Ended(why)) => Err(why),
            _ => Ok(()),
        }
    }

    /// Whether it runs.
    ///
    /// # Errors
    /// It does not, for this reason; or the engine cannot be asked.
    pub fn alive(&self, instance: &Instance) -> Result<(), NotAlive> {
        match instance {
            Instance::Process(process) if process.is_running() => Ok(()),
            Instance::Process(process) => Err(NotAlive::Ended(format!("process {} has ended", process.pid))),
            Instance::Container(name) => {
                let state = self.engine().and_then(|engine| engine.state(name));
                let how = match state.map_err(|error| NotAlive::Unknown(error.to_string()))? {
                    None => "is gone".to_owned(),
                    Some(state) if state.is_running => return Ok(()),
                    Some(state) if state.oom_killed => "was killed: out of memory".to_owned(),
                    Some(state) => {
                        let code = state.exit_code.map_or_else(String::new, |code| format!(" with exit code {code}"));
                        format!("has ended{code}")
                    }
                };
                Err(NotAlive::Ended(format!("container `{name}` {how}")))
            }
        }
    }

    /// From now on it is started again if it ends by itself: a candidate was not, so that its end was seen. A process is not.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn keep_running(&self, instance: &Instance) -> Result<(), Fault> {
        match instance {
            Instance::Container(name) => Ok(self.engine()?.keep_running(name)?),
            Instance::Process(_) => Ok(()),
        }
    }

    /// Asks it to finish what it is doing and to end; after `grace` it is ended. What it has written is kept as the log
    /// `run` of its deployment.
    ///
    /// # Errors
    /// The engine cannot be asked. That it is gone already is no error.
    pub fn stop(&self, running: &Running, grace: Duration) -> Result<(), Fault> {
        match &running.instance {
            Instance::Process(process) => drop(process.stop(grace)?),
            Instance::Container(name) => {
                let engine = self.engine()?;
                engine.stop(name, grace)?;
                self.save_log(running);
                engine.remove(name)?;
            }
        }
        Ok(())
    }

    /// Keeps what a container has written; a process writes its log itself.
    pub fn save_log(&self, running: &Running) {
        let Instance::Container(name) = &running.instance else { return };
        let saved = self.engine().map_err(Fault::from).and_then(|engine| {
            let mut log = self.local.open_log(&running.deployment, "run")?;
            // What is saved twice is saved whole.
            log.set_len(0)?;
            engine.logs(name, false, None, &mut log)?;
            Ok(log.flush()?)
        });
        // It tells only what has happened before.
        drop(saved);
    }

    /// Ends whatever this clone has started for the environment, and nobody knows of: a deployer that was killed between
    /// starting and writing it down has left it.
    ///
    /// # Errors
    /// The engine cannot be asked.
    pub fn sweep(&self, known: &[&Running]) -> Result<usize, Fault> {
        let mut swept = 0;
        let releases = self.local.dir().join("releases");
        for process in Process::with_argument(&releases)? {
            if !known.iter().any(|running| running.instance == Instance::Process(process.clone())) {
                process.stop(Duration::ZERO)?;
                swept += 1;
            }
        }
        // Where no engine was asked for, none need be there.
        let has_containers = self.environment.target != Target::Process
            || known.iter().any(|running| matches!(running.instance, Instance::Container(_)));
        if !has_containers {
            return Ok(swept);
        }
        let Ok(engine) = self.engine() else { return Ok(swept) };
        for Container { id, labels, .. } in engine.containers(&format!("{CLONE_LABEL}={}", self.local.clone_name()))? {
            let is_here = labels.get(ENVIRONMENT_LABEL) == Some(&self.environment.name);
            let name = labels.get(NAME_LABEL).map_or(&*id, |name| name);
            let is_known =
                known.iter().any(|running| matches!(&running.instance, Instance::Container(known) if known == name));
            if is_here && !is_known {
                engine.remove(&id)?;
                swept += 1;
            }
        }
        Ok(swept)
    }

    /// Deletes what a version was started from; whether it was there.
    ///
    /// # Errors
    /// The engine cannot be asked, a folder cannot be removed.
    pub fn discard(&self, digest: &str) -> Result<bool, Fault> {
        let release = self.local.release(digest);
        if release.is_dir() {
            std::fs::remove_dir_all(release)?;
            return Ok(true);
        }
        if !digest.starts_with("sha256:") || self.engine()?.image_id(digest)?.is_none() {
            return Ok(false);
        }
        self.engine()?.remove_image(digest)?;
        Ok(true)
    }

    /// Whether what has this digest can be started once more.
    pub fn has(&self, digest: &str) -> bool {
        if digest.starts_with("sha256:") {
            return self.engine().and_then(|engine| engine.image_id(digest)).is_ok_and(|found| found.is_some());
        }
        self.local.release(digest).is_dir()
    }
}
