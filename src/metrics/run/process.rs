//! A command that runs in the foreground, and what becomes of Ctrl-C meanwhile.
//!
//! The command is in our process group: what a terminal sends, it gets too. A signal that was sent to us alone is passed on.
//! Either way the command has time to end by itself; a second signal, or a minute, kills it.
//!
//! **Limitations.** Only the command itself is killed, not what it has started. A signal that was ignored when this program
//! was started is not ignored any more.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::progress::Progress;

/// How long a command that was told to end may take.
const END_MAX: Duration = Duration::from_secs(60);
/// So often it is looked whether the command has ended, whatever signals say.
const LOOK: Duration = Duration::from_secs(1);

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ended {
    /// Its exit code; none after a signal.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// The signal by which somebody wanted it to end.
    pub aborted: Option<i32>,
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub duration: Duration,
}

impl Ended {
    /// The exit code that says the same, as shells have it: 128 and the signal's number for a signal.
    pub fn exit_code(&self) -> u8 {
        let of_signal = self.aborted.or(self.signal).and_then(exit_code);
        of_signal.or_else(|| u8::try_from(self.code?).ok()).unwrap_or(1)
    }
}

/// The exit code of a command that this signal has ended.
pub fn exit_code(signal: i32) -> Option<u8> {
    u8::try_from(signal).ok()?.checked_add(128)
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It cannot be started.
    #[error("cannot start `{}`: {source}", command.to_string_lossy())]
    Start {
        /// The command's first word.
        command: OsString,
        /// Why.
        source: io::Error,
    },
    /// The system does not tell about it.
    #[error("cannot wait for the command: {0}")]
    Wait(#[from] io::Error),
}

/// Notices signals that ask to end, from its making on.
pub struct Signals {
    asked: Vec<(i32, Arc<AtomicBool>)>,
    woken: UnixStream,
}

impl Signals {
    /// Begins to notice. Such signals do not end this process any more.
    ///
    /// # Errors
    /// The system refuses.
    pub fn watch() -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        let mut asked = Vec::new();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let is_asked = Arc::new(AtomicBool::new(false));
            flag::register(signal, Arc::clone(&is_asked))?;
            low_level::pipe::register(signal, wake.try_clone()?)?;
            asked.push((signal, is_asked));
        }
        low_level::pipe::register(SIGCHLD, wake)?;
        Ok(Self { asked, woken })
    }

    /// A signal that has come since the last time.
    pub fn take(&self) -> Option<i32> {
        self.asked.iter().find(|(_, is_asked)| is_asked.swap(false, Ordering::SeqCst)).map(|&(signal, _)| signal)
    }

    /// Waits for a signal, or for so long.
    fn sleep(&mut self, duration: Duration) -> io::Result<()> {
        self.woken.set_read_timeout(Some(duration.max(Duration::from_millis(1))))?;
        match self.woken.read(&mut [0; 64]) {
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Err(error),
            _ => Ok(()),
        }
    }
}

/// Runs a command in `folder` with the streams of this process, and waits for its end.
///
/// # Errors
/// A command that cannot be started.
pub fn run(
    argv: &[OsString],
    folder: &Path,
    signals: &mut Signals,
    progress: &dyn Progress,
) -> Result<Ended, ProcessError> {
    let (program, args) = argv.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let (started, begun) = (SystemTime::now(), Instant::now());
    let mut child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .spawn()
        .map_err(|source| ProcessError::Start { command: program.clone(), source })?;
    let (status, aborted) = wait(&mut child, signals, progress)?;
    Ok(Ended { code: status.code(), signal: status.signal(), aborted, started, duration: begun.elapsed() })
}

fn wait(child: &mut Child, signals: &mut Signals, progress: &dyn Progress) -> io::Result<(ExitStatus, Option<i32>)> {
    let (mut aborted, mut deadline) = (None, None);
    loop {
        let signal = signals.take();
        if let Some(status) = child.try_wait()? {
            return Ok((status, aborted.or(signal).or_else(|| signals.take())));
        }
        match signal {
            Some(signal) if aborted.is_none() => {
                aborted = Some(signal);
                deadline = Some(Instant::now() + END_MAX);
                if !is_from_terminal(signal) {
                    pass_on(child, signal);
                }
                progress.note("waiting for the command to end; once more kills it");
            }
            Some(_) => child.kill()?,
            None => {}
        }
        let rest = deadline.map_or(LOOK, |deadline: Instant| deadline.saturating_duration_since(Instant::now()));
        if rest.is_zero() {
            child.kill()?;
            deadline = None;
        } else {
            signals.sleep(rest.min(LOOK))?;
        }
    }
}

/// Whether a terminal sends this signal, and to us: then all of the process group have it.
fn is_from_terminal(signal: i32) -> bool {
    let foreground = || rustix::termios::tcgetpgrp(File::open("/dev/tty").ok()?).ok();
    matches!(signal, SIGINT | SIGHUP) && foreground() == Some(rustix::process::getpgrp())
}

fn pass_on(child: &Child, signal: i32) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = match signal {
        SIGINT => Signal::INT,
        SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    };
    // One that is gone already needs none.
    let _ = pid.map(|pid| kill_process(pid, signal));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        let ended = |code, signal, aborted| Ended {
            code,
            signal,
            aborted,
            started: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
        };
        let cases = [
            (ended(Some(0), None, None), 0),
            (ended(Some(7), None, None), 7),
            (ended(None, Some(9), None), 137),
            // It has dealt with Ctrl-C.
            (ended(Some(0), None, Some(SIGINT)), 130),
            (ended(None, Some(9), Some(SIGTERM)), 143),
        ];
        for (ended, expected) in cases {
            assert_eq!(ended.exit_code(), expected, "{ended:?}");
        }
    }
}
