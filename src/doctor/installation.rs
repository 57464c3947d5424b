//! Versions, git's settings, hooks.

use super::{DoctorError, Finding, Report};
use crate::git::hooks::{EVENTS, Hooks, SERVER_EVENTS, State};
use crate::git::install::{self, Program, Setting};
use crate::git::{Git, GitError, Repo, git_version};

/// The first git with the long-running filter protocol.
const GIT_MIN: (u32, u32) = (2, 11);
/// The first git that lets a filter put files off, without which large ones pass through git's memory.
const GIT_DELAY: (u32, u32) = (2, 15);

/// Looks at it; at hooks only in a repository.
pub fn examine(report: &mut Report, repo: Option<&Repo>) -> Result<(), DoctorError> {
    let program = Program::current().map_err(DoctorError::Program)?;
    report.fact("git-model", format!("{} ({})", env!("CARGO_PKG_VERSION"), program.as_str()));
    versions(report)?;
    settings(report, &program)?;
    if let Some(repo) = repo {
        let top = repo.work_dir();
        let events: &[&str] = if top.is_some() { &EVENTS } else { &SERVER_EVENTS };
        hooks(report, Hooks::find(program, top, events)?)?;
    }
    Ok(())
}

fn versions(report: &mut Report) -> Result<(), GitError> {
    let text = Git::new(["version"]).output()?;
    report.fact("git", String::from_utf8_lossy(&text).trim().trim_start_matches("git version "));
    let version = git_version()?;
    let mend = "install git 2.15 or later";
    if version < GIT_MIN {
        report.findings.push(Finding::problem("this git does not speak with long-running filters", mend));
    } else if version < GIT_DELAY {
        report.findings.push(Finding::advice("this git passes large files through its memory at checkout", mend));
    }
    Ok(())
}

/// A setting that is in force.
struct InForce {
    /// As `git config` takes it.
    scope: String,
    origin: String,
    value: String,
}

fn settings(report: &mut Report, program: &Program) -> Result<(), GitError> {
    let expected = install::settings(program);
    let mut in_force = Vec::new();
    for (key, value) in &expected {
        let found = look_up(key)?;
        if let Some(found) = &found {
            report.fact(*key, format!("{} ({})", found.value, found.origin));
        }
        in_force.push(((*key, value.clone()), found));
    }
    let program = program.as_str();
    if in_force.iter().all(|(_, found)| found.is_none()) {
        report.findings.push(Finding::problem("git does not call git-model", format!("{program} install")));
        return Ok(());
    }
    for (setting, found) in in_force {
        report.findings.extend(judge(&setting, found.as_ref(), program));
    }
    Ok(())
}

fn judge((key, expected): &Setting, found: Option<&InForce>, program: &str) -> Option<Finding> {
    let why = match *key {
        "filter.model.required" => ": a file that cannot be stored would go into git as it is",
        "merge.model.driver" => ": models would be merged as text",
        _ => "",
    };
    let Some(found) = found else {
        return Some(Finding::problem(format!("`{key}` is not set{why}"), format!("{program} install")));
    };
    // The name is for people only.
    if found.value == *expected || key.ends_with(".name") {
        return None;
    }
    let what = format!("`{key}` is `{}` in {}, not `{expected}`{why}", found.value, found.origin);
    Some(Finding::problem(what, format!("{program} install --{}", found.scope)))
}

/// The value that is in force, and where it stands.
fn look_up(key: &str) -> Result<Option<InForce>, GitError> {
    let ask =
        |options: &[&str]| Git::new(["config", "-z"]).args(options).args(["--show-origin", "--get", key]).answer();
    let value = ask(&["--show-scope"]).or_else(|_| {
        // Git before 2.26 does not tell the scope.
        Ok::<_, GitError>(ask(&[])?.map(|value| [b"global\0", &value[..]].concat()))
    })?;
    let Some(value) = value else { return Ok(None) };
    let mut fields = value.split(|&byte| byte == 0).map(|field| String::from_utf8_lossy(field).into_owned());
    let mut next = || fields.next().unwrap_or_default();
    let (scope, origin, value) = (next(), next(), next());
    Ok(Some(InForce { scope, origin: origin.trim_start_matches("file:").to_owned(), value }))
}

fn hooks(report: &mut Report, hooks: Hooks) -> Result<(), DoctorError> {
    for (event, state) in hooks.state()? {
        let (fact, finding) = match state {
            State::Installed => ("in place", None),
            State::Absent if SERVER_EVENTS.contains(&event) => ("absent: pushes are not judged", None),
            State::Absent => {
                let what = format!("hook {event} is absent: hooks of yours may see manifests in place of weights");
                ("absent", Some(Finding::advice(what, "git model install")))
            }
            State::Ruled { file, .. } => {
                let what = format!("hook {event} is ruled by another tool; lines for `{}`:", file.display());
                ("ruled by another tool", Some(Finding::advice(what, "git model install")))
            }
            State::Blocked { previous } => {
                let kept = install::quote(previous.as_os_str());
                let what = format!("hook {event} is blocked: two hooks of yours stand in its place");
                ("blocked", Some(Finding::advice(what, format!("rm {kept} && git model install"))))
            }
        };
        report.fact(format!("hook {event}"), fact);
        report.findings.extend(finding);
    }
    Ok(())
}
