//! The user's own test of a candidate: a command that is trusted, in the files of the commit.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::Fault;
use crate::git::export;
use crate::git::history::CommitId;

/// A test that takes longer will not end.
const MAX: Duration = Duration::from_secs(3600);
/// So often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a command in a folder with the commit's files, weights left as manifests. What it prints goes to `log`.
///
/// # Errors
/// It cannot be started, or does not exit with 0.
pub fn run(
    scratch: &Path,
    commit: CommitId,
    argv: &[String],
    variables: &[(&str, String)],
    log: &File,
) -> Result<(), Fault> {
    let [program, args @ ..] = argv else { return Ok(()) };
    let folder = tempfile::Builder::new().prefix("test-").tempdir_in(scratch)?;
    export::check_out(commit, folder.path())?;
    let mut command = Command::new(program);
    command.args(args).current_dir(folder.path()).process_group(0);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    let shown = argv.join(" ");
    let mut child =
        command.spawn().map_err(|error| Fault::Model(format!("cannot start the test `{shown}`: {error}")))?;
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
            // What it has started ends with it.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Err(Fault::Model(format!("the test `{shown}` did not end within an hour")));
        }
        std::thread::sleep(LOOK);
    }
}
