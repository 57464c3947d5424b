//! Records to and from other clones.
//!
//! What a remote has is fetched to `refs/model/remotes/<remote>/deployments/`, by a refspec that the installation writes, and
//! taken in from there ([`super::Record::unite`]). Git pushes refs of its own only; a hook before each push sends ours.
//!
//! **Limitations.** Git runs that hook for `git push --dry-run` as well, and does not tell.

use super::{REFS, REMOTE_REFS, Record, environments};
use crate::git::{Git, GitError};

/// Somebody else may push at the same time.
const TRIES_MAX: usize = 3;

/// Tells git to fetch the records of each remote; those that are new.
///
/// # Errors
/// Git's configuration cannot be written.
pub fn configure() -> Result<Vec<String>, GitError> {
    let names = Git::new(["remote"]).output()?;
    let names = String::from_utf8_lossy(&names).into_owned();
    let mut new = Vec::new();
    for name in names.lines() {
        if configure_remote(name)? {
            new.push(name.to_owned());
        }
    }
    Ok(new)
}

fn configure_remote(name: &str) -> Result<bool, GitError> {
    let key = format!("remote.{name}.fetch");
    let there = Git::new(["config", "--local", "--get-all", &key]).answer()?.unwrap_or_default();
    if String::from_utf8_lossy(&there).contains(REFS) {
        return Ok(false);
    }
    Git::new(["config", "--local", "--add", &key, &refspec(name)]).output()?;
    Ok(true)
}

/// Takes that back.
///
/// # Errors
/// Git's configuration cannot be written.
pub fn unconfigure() -> Result<(), GitError> {
    let names = Git::new(["remote"]).output()?;
    for name in String::from_utf8_lossy(&names).lines() {
        let key = format!("remote.{name}.fetch");
        let value = "^\\+refs/model/deployments/";
        // Exits with 5 where there is nothing.
        Git::new(["config", "--local", "--unset-all", &key, value]).succeeds()?;
    }
    Ok(())
}

fn refspec(remote: &str) -> String {
    format!("+{REFS}*:{REMOTE_REFS}{remote}/deployments/*")
}

/// Sends the records to a remote, together with what it has that we have not; whether there was anything to send.
///
/// # Errors
/// The remote does not take them.
pub fn push(remote: &str) -> Result<bool, GitError> {
    let is_remote = Git::new(["config", "--get", &format!("remote.{remote}.url")]).answer()?.is_some();
    if !is_remote || !is_ahead(remote)? {
        return Ok(false);
    }
    configure_remote(remote)?;
    let mut tries = 0;
    loop {
        let refs = format!("{REFS}*:{REFS}*");
        let pushed = Git::new(["push", "--quiet", "--no-verify", remote, &refs]).output();
        tries += 1;
        match pushed {
            Ok(_) => return Ok(true),
            Err(error) if tries == TRIES_MAX => return Err(error),
            Err(_) => {
                Git::new(["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", remote, &refspec(remote)])
                    .output()?;
                for environment in environments()? {
                    Record::of(&environment).unite()?;
                }
            }
        }
    }
}

/// Whether a record has something that the remote had not when it was last heard of.
fn is_ahead(remote: &str) -> Result<bool, GitError> {
    let listed = Git::new(["for-each-ref", "--format=%(objectname) %(refname)", REFS, REMOTE_REFS]).output()?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let theirs = format!("{REMOTE_REFS}{remote}/deployments/");
    let known: Vec<(&str, &str)> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    Ok(known.iter().any(|(id, name)| {
        let Some(environment) = name.strip_prefix(REFS) else { return false };
        let other = format!("{theirs}{environment}");
        !known.iter().any(|(known, name)| *name == other && known == id)
    }))
}
