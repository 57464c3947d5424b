//! The user's own test of a candidate: a command that is trusted, in the files of the commit.
//!
//! **Limitations.** What a test starts and leaves running is its own affair.

use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Fault;
use super::process::Process;
use crate::git::history::CommitId;
use crate::git::{LOCAL_VARIABLES, export};

/// A test that takes longer will not end.
const MAX: Duration = Duration::from_secs(3600);
/// So often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command in a folder with the commit's files, weights left as manifests. What it prints goes to `log`; `begun` is told
/// of its process.
///
/// # Errors
/// It cannot be started, or does not exit with 0.
pub fn run(
    scratch: &Path,
    commit: CommitId,
    argv: &[String],
    variables: &[(&str, String)],
    log: &File,
    begun: &mut dyn FnMut(Process),
) -> Result<(), Fault> {
    let [program, args @ ..] = argv else { return Ok(()) };
    let folder = tempfile::Builder::new().prefix("test-").tempdir_in(scratch)?;
    export::check_out(commit, folder.path())?;
    let mut command = Command::new(program);
    command.args(args).current_dir(folder.path());
    LOCAL_VARIABLES.iter().for_each(|variable| {
        command.env_remove(variable);
    });
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    let shown = argv.join(" ");
    let mut child =
        command.spawn().map_err(|error| Fault::Model(format!("cannot start the test `{shown}`: {error}")))?;
    if let Ok(process) = i32::try_from(child.id()).map_err(io::Error::other).and_then(Process::of) {
        begun(process);
    }
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return if status.success() {
                Ok(())
            } else {
                Err(Fault::Model(format!("the test `{shown}` failed: {status}")))
            };
        }
        if begun.elapsed() > MAX {
            child.kill()?;
            child.wait()?;
            return Err(Fault::Model(format!("the test `{shown}` did not end within an hour")));
        }
        std::thread::sleep(LOOK);
    }
}
