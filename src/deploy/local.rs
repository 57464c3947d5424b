//! What this clone knows of an environment, and no other: what runs, where, and its logs.
//!
//! It lies in `model/deploy/<env>` in git's common folder, readable for its owner alone:
//!
//! - `lock`: whoever deploys holds a lock on it, which ends with the process.
//! - `state.json`: [`Runtime`], written before each step that would leave something behind.
//! - `proxy.*`: the proxy's own ([`super::proxy`]).
//! - `logs/<deployment>/<stage>.log`
//! - `releases/<digest>/`: files of the target `process`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::process::Process;
use super::record::DeploymentId;
use crate::atomic_file::{AtomicFile, open_folder, sync_folder, write_whole};
use crate::git::Repo;
use crate::metrics::policy::deploy::Environment;

const STATE: &str = "state.json";
/// Tests that are remembered.
const TESTED_MAX: usize = 50;
/// Deployments that are remembered.
const MADE_MAX: usize = 1000;

/// The private folder of an environment.
#[derive(Debug, Clone)]
pub struct Local {
    dir: PathBuf,
    /// The clone, told apart from all others on all machines.
    clone: String,
}

/// What runs in an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Runtime {
    /// The clone that this is about.
    pub clone: String,
    /// How it was deployed to last, for who must stop it when the section is gone.
    pub environment: Option<Environment>,
    /// What clients are served by.
    pub serving: Option<Running>,
    /// What is being tested.
    pub candidate: Option<Running>,
    /// What made way and has not ended yet.
    pub retired: Vec<Running>,
    /// Who is deploying.
    pub deploying: Option<Deploying>,
    /// What this clone has built, the oldest first. The record says so as well, but anybody may write there.
    pub made: Vec<Made>,
    /// Digests of what has passed its tests, with the tests.
    pub tested: Vec<String>,
    /// How long the last candidate took to get ready, in seconds.
    pub ready_seconds: Option<f64>,
}

/// A version that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The deployment that has started it.
    pub deployment: DeploymentId,
    /// The commit.
    pub commit: String,
    /// The version, else the commit in short.
    pub version: String,
    /// What it was started from.
    pub artifact: Artifact,
    /// What it runs as.
    pub instance: Instance,
    /// Where it answers.
    pub address: SocketAddr,
    /// The path that tells whether it is ready.
    pub health: String,
}

/// What was built for a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its commit.
    pub commit: String,
    /// What was built.
    pub artifact: Artifact,
    /// Whether it has served.
    pub has_served: bool,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Artifact {
    /// An image.
    Image {
        /// Its digest, by which the engine knows it.
        id: String,
        /// Its name and tag.
        tag: String,
    },
    /// A folder of files.
    Release {
        /// The digest of what is in it: the folder's name.
        digest: String,
    },
}

/// What runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instance {
    /// A container, by its name.
    Container(String),
    /// A process of this machine.
    Process(Process),
}

/// A deployment that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deploying {
    /// Which.
    pub deployment: DeploymentId,
    /// Its commit.
    pub commit: String,
    /// The stage it is in.
    pub stage: String,
    /// Who does it.
    pub process: Process,
    /// The user's test, while it runs.
    #[serde(default)]
    pub test: Option<Process>,
}

/// Whoever has it is the only one to deploy.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Artifact {
    /// What it is known by.
    pub fn digest(&self) -> &str {
        match self {
            Self::Image { id, .. } => id,
            Self::Release { digest } => digest,
        }
    }
}

impl Local {
    /// The folder of the environment of this name, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn of(repo: &Repo, environment: &str) -> io::Result<Self> {
        let root = root(repo);
        let dir = root.join(environment);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir).map_err(|error| at(&dir, error))?;
        Ok(Self { dir, clone: clone(repo)? })
    }

    /// The folder of one that is there already.
    pub fn existing(repo: &Repo, environment: &str) -> Option<Self> {
        let dir = root(repo).join(environment);
        if !dir.is_dir() {
            return None;
        }
        clone(repo).ok().map(|clone| Self { dir, clone })
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// A name for this clone.
    pub fn clone_name(&self) -> &str {
        &self.clone
    }

    /// The lock, if nobody has it.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn try_lock(&self) -> io::Result<Option<Lock>> {
        let file = self.lock_file()?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The lock, however long it takes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn lock(&self) -> io::Result<Lock> {
        let file = self.lock_file()?;
        loop {
            match flock(&file, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn lock_file(&self) -> io::Result<File> {
        let path = self.dir.join("lock");
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| at(&path, error))
    }

    /// What runs.
    ///
    /// # Errors
    /// The file cannot be read, or was changed by hand.
    pub fn runtime(&self) -> io::Result<Runtime> {
        let nothing = || Runtime { clone: self.clone.clone(), ..Runtime::default() };
        let text = match std::fs::read(self.dir.join(STATE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(nothing()),
            Err(error) => return Err(error),
        };
        let runtime: Runtime = serde_json::from_slice(&text).map_err(|error| {
            let path = self.dir.join(STATE);
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "`{}` is damaged ({error}); without it, end what `ps -ef | grep git-model` shows",
                    path.display()
                ),
            )
        })?;
        // Copied together with the repository, it tells what runs elsewhere.
        Ok(if runtime.clone == self.clone { runtime } else { nothing() })
    }

    /// Writes down what runs.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, runtime: &Runtime) -> io::Result<()> {
        self.write(runtime).map_err(|error| at(&self.dir.join(STATE), error))
    }

    fn write(&self, runtime: &Runtime) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(runtime)?;
        let folder = open_folder(&self.dir)?;
        let file = AtomicFile::create_in(std::os::fd::AsFd::as_fd(&folder), 0o600)?;
        file.file().write_all(&text)?;
        file.file().sync_data()?;
        file.persist(STATE.as_ref())?;
        sync_folder(&folder)
    }

    /// The folder of a deployment's logs.
    pub fn logs(&self, deployment: &DeploymentId) -> PathBuf {
        self.dir.join("logs").join(deployment.as_str())
    }

    /// Opens the log of a stage, to add to it.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open_log(&self, deployment: &DeploymentId, stage: &str) -> io::Result<File> {
        let dir = self.logs(deployment);
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        OpenOptions::new().create(true).append(true).mode(0o600).open(dir.join(format!("{stage}.log")))
    }

    /// Where a deployment that waits says so.
    pub fn queue(&self, deployment: &DeploymentId) -> PathBuf {
        self.dir.join("queue").join(deployment.as_str())
    }

    /// Whether a deployment that has queued still waits.
    pub fn is_waiting(&self, deployment: &DeploymentId) -> bool {
        let text = std::fs::read(self.queue(deployment)).unwrap_or_default();
        serde_json::from_slice::<Process>(&text).is_ok_and(|process| process.is_running())
    }

    /// Forgets those that have queued and do not wait any more.
    pub fn clear_queue(&self) {
        let Ok(entries) = std::fs::read_dir(self.dir.join("queue")) else { return };
        for entry in entries.flatten() {
            let waits = entry.file_name().to_str().and_then(DeploymentId::parse).is_some_and(|id| self.is_waiting(&id));
            if !waits {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    /// Removes what a deployer that was ended has not finished.
    pub fn clear_unfinished(&self) {
        for (folder, prefix) in [(self.dir.clone(), "test-"), (self.dir.join("releases"), ".unfinished-")] {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let is_unfinished = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(prefix));
            for entry in entries.flatten().filter(|entry| is_unfinished(&entry.file_name())) {
                // What cannot be removed now is tried again next time.
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }

    /// The folder of a release.
    pub fn release(&self, digest: &str) -> PathBuf {
        self.dir.join("releases").join(digest)
    }
}

impl Runtime {
    /// All that runs, or may run.
    pub fn all(&self) -> impl Iterator<Item = &Running> {
        self.serving.iter().chain(&self.candidate).chain(&self.retired)
    }

    /// Remembers what was built for a deployment, and whether it has served.
    pub fn note_made(&mut self, made: Made) {
        self.made.retain(|known| known.deployment != made.deployment);
        self.made.push(made);
        let surplus = self.made.len().saturating_sub(MADE_MAX);
        self.made.drain(..surplus);
    }

    /// Remembers that something has passed its tests.
    pub fn remember(&mut self, tested: String) {
        self.tested.retain(|known| *known != tested);
        self.tested.push(tested);
        let surplus = self.tested.len().saturating_sub(TESTED_MAX);
        self.tested.drain(..surplus);
    }
}

/// The folder of all environments.
pub fn root(repo: &Repo) -> PathBuf {
    let dir = repo.common_dir();
    // In a linked work tree it leads through folders that may go.
    dir.canonicalize().unwrap_or(dir).join("model").join("deploy")
}

/// An error that says where.
fn at(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// The environments in which something of this clone serves, as they were when it was deployed.
pub fn serving(repo: &Repo) -> Vec<Environment> {
    let Ok(entries) = std::fs::read_dir(root(repo)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let runtime =
        |name: String| Local::existing(repo, &name)?.runtime().ok().filter(|runtime| runtime.serving.is_some());
    let mut all: Vec<Environment> = names.filter_map(runtime).filter_map(|runtime| runtime.environment).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    all
}

/// The machine's name.
pub fn host() -> String {
    String::from_utf8_lossy(rustix::system::uname().nodename().to_bytes()).into_owned()
}

/// A clone's name, drawn at random when it is first asked for. A folder that is moved stays the same, a copy of it is another:
/// its inode is.
fn clone(repo: &Repo) -> io::Result<String> {
    let path = root(repo).join("clone");
    let inode = std::fs::metadata(repo.common_dir())?.ino().to_string();
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    if let Some((name, known)) = text.trim().split_once(' ')
        && known == inode
    {
        return Ok(name.to_owned());
    }
    let mut bytes = [0; 8];
    io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut bytes)?;
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write_whole(&path, |mut file| file.write_all(format!("{name} {inode}\n").as_bytes()))?;
    Ok(name)
}
