//! Processes that outlive the command that started them.
//!
//! Such a process is known by its number and the moment it began, since numbers are given again. It has nothing of its
//! starter's streams: whoever waits for the end of a pipe of ours, as git does, must not wait for a server.
//!
//! **Limitations.** Linux only, by `/proc`. The moment counts from the last boot, and the number within this namespace of
//! processes: a [`Process`] that was noted in another container means nothing here.

mod listener;

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::git::LOCAL_VARIABLES;

pub use listener::listener;

/// So often it is looked whether a process has ended.
const LOOK: Duration = Duration::from_millis(10);
/// How long the system may take to end a process that was killed.
const KILL_MAX: Duration = Duration::from_secs(10);

/// A process, told apart from a later one with the same number by when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks after the machine's start: field 22 of `/proc/PID/stat`, see proc(5).
    pub started: u64,
}

/// Starts a program in `cwd` that goes on when we have ended. Its standard input is empty, what it prints is appended to
/// the file `log`; `env` is added to our environment. It stays in our session: a program that must survive the terminal
/// leaves it by itself.
///
/// # Errors
/// A program that cannot be started, a log that cannot be written.
pub fn start(
    program: &Path,
    args: &[OsString],
    env: &[(String, OsString)],
    cwd: &Path,
    log: &Path,
) -> io::Result<Process> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    // What make, test runners and shells hand on is for us. Nobody else opens or starts anything here meanwhile but with
    // that mark.
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut command = Command::new(program);
    // What git says to its hooks holds for this moment only.
    for variable in LOCAL_VARIABLES {
        command.env_remove(variable);
    }
    let mut child = command
        .args(args)
        .envs(env.iter().map(|(name, value)| (name, value)))
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    // Until somebody waits for it, it is there, even if it has ended.
    let process = Process { pid, started: Stat::read(pid)?.started };
    // As long as we live its end must be noticed, else it stays as a zombie; after us, init does that.
    let waiting = std::thread::Builder::new().name(format!("wait {pid}")).spawn(move || child.wait());
    drop(waiting);
    Ok(process)
}

impl Process {
    /// This process.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn current() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        Ok(Self { pid, started: Stat::read(pid)?.started })
    }

    /// The process of this number.
    ///
    /// # Errors
    /// There is none.
    pub fn of(pid: i32) -> io::Result<Self> {
        Ok(Self { pid, started: Stat::read(pid)?.started })
    }

    /// The processes of this program that were started with an argument that is a path below this one, or `NAME=` with such a
    /// path.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn with_argument(path: &Path) -> io::Result<Vec<Self>> {
        use std::os::unix::ffi::OsStrExt;
        let program = std::env::current_exe()?;
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let is_below = |arg: &[u8]| {
                let value = arg.iter().position(|&byte| byte == b'=').map_or(arg, |at| &arg[at + 1..]);
                [arg, value].iter().any(|arg| Path::new(OsStr::from_bytes(arg)).starts_with(path))
            };
            let has_it = line.split(|&byte| byte == 0).any(is_below);
            let is_ours =
                has_it && std::fs::read_link(entry.path().join("exe")).is_ok_and(|exe| is_same(&exe, &program));
            if let Some(stat) = Stat::read(pid).ok().filter(|stat| is_ours && !stat.has_ended) {
                found.push(Self { pid, started: stat.started });
            }
        }
        Ok(found)
    }

    /// Whether it runs. One that has ended and that nobody has waited for yet does not.
    pub fn is_running(&self) -> bool {
        Stat::read(self.pid).is_ok_and(|stat| stat.started == self.started && !stat.has_ended)
    }

    /// Sends a signal; never to another process that has its number now.
    ///
    /// # Errors
    /// `ESRCH` if it runs no more, `EPERM` if it is another user's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let gone = || io::Error::from(Errno::SRCH);
        // Numbers below 1 mean many processes.
        let pid = Some(self.pid).filter(|&pid| pid > 0).and_then(Pid::from_raw).ok_or_else(gone)?;
        let opened = pidfd_open(pid, PidfdFlags::empty());
        // What was opened stays the process that is looked at now.
        if !self.is_running() {
            return Err(gone());
        }
        match opened {
            Ok(process) => Ok(pidfd_send_signal(process, signal)?),
            // Linux before 5.3, and sandboxes.
            Err(Errno::NOSYS | Errno::PERM) => Ok(kill_process(pid, signal)?),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks it to end (SIGTERM), and kills it if it has not after `grace`. Whether it ended by itself in time.
    ///
    /// # Errors
    /// Another user's process, or one that the system does not end.
    pub fn stop(&self, grace: Duration) -> io::Result<bool> {
        if self.is_told(Signal::TERM)? && !self.ends_within(grace) && self.is_told(Signal::KILL)? {
            if self.ends_within(KILL_MAX) {
                return Ok(false);
            }
            return Err(io::Error::new(io::ErrorKind::TimedOut, format!("process {} cannot be killed", self.pid)));
        }
        Ok(true)
    }

    /// Whether it was still there to get the signal.
    fn is_told(&self, signal: Signal) -> io::Result<bool> {
        match self.signal(signal) {
            Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(false),
            told => told.map(|()| true),
        }
    }

    fn ends_within(&self, duration: Duration) -> bool {
        let begun = Instant::now();
        while self.is_running() {
            if begun.elapsed() >= duration {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

/// A program that was replaced since is the same.
fn is_same(exe: &Path, program: &Path) -> bool {
    let exe = exe.to_string_lossy();
    Path::new(exe.strip_suffix(" (deleted)").unwrap_or(&exe)) == program
}

/// What `/proc/PID/stat` says.
struct Stat {
    started: u64,
    has_ended: bool,
}

impl Stat {
    fn read(pid: i32) -> io::Result<Self> {
        let text = std::fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&String::from_utf8_lossy(&text)).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The second field is the program's name in parentheses, and may have more of them.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        // Fields 3, 20 and 22. A first thread that has ended is a zombie, while others hold open what the process has.
        let has_first_ended = matches!(fields.next()?, "Z" | "X" | "x");
        let threads: u64 = fields.nth(16)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        Some(Self { started, has_ended: has_first_ended && threads <= 1 })
    }
}

/// A TCP port of this address that nobody uses now. If possible it is none of those that the system gives to outgoing
/// connections, one of which might have it a moment later.
///
/// # Errors
/// An address that is none of this machine's.
pub fn free_port(address: IpAddr) -> io::Result<u16> {
    /// Below are the ports of well-known services.
    const FIRST: u16 = 20_000;
    const ATTEMPTS: u64 = 64;
    let given = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let given = given.split_ascii_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0);
    let count = u64::from(u16::saturating_sub(given, FIRST));
    // Two who ask at the same time get different ones, most likely.
    let random = RandomState::new().build_hasher().finish();
    let ports = (0..ATTEMPTS.min(count)).filter_map(|step| u16::try_from(random.wrapping_add(step) % count).ok());
    let is_free = |port: &u16| TcpListener::bind((address, *port)).is_ok();
    match ports.map(|port| FIRST + port).find(is_free) {
        Some(port) => Ok(port),
        None => Ok(TcpListener::bind((address, 0))?.local_addr()?.port()),
    }
}

/// The last `bytes` of a file, as text, for messages.
pub(super) fn tail(path: &Path, bytes: u64) -> io::Result<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

#[cfg(test)]
mod tests;
