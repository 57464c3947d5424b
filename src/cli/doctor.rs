//! `git model doctor`.

use serde::Serialize;

use crate::doctor::{DoctorError, Finding, Report, Severity, installation, repository};
use crate::error::{Error, Kind, Result};
use crate::git::Repo;
use crate::progress::Progress;
use crate::text::Table;
use crate::ui::{self, Ui};
use crate::worktree::OpenError;

/// Look for what is wrong, and say which command mends it.
///
/// Looks at versions, git's settings, hooks, the store and the models of the work tree. Exits with 3 if there is a
/// problem. To verify every byte of the store, run `git model fsck`.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Json<'a> {
    facts: serde_json::Map<String, serde_json::Value>,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    severity: &'static str,
    what: &'a str,
    mend: &'a str,
}

impl<'a> From<&'a Finding> for JsonFinding<'a> {
    fn from(finding: &'a Finding) -> Self {
        Self { severity: name(finding.severity), what: &finding.what, mend: &finding.mend }
    }
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Problem => "problem",
        Severity::Advice => "advice",
    }
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let mut report = Report::default();
    let repo = Repo::discover().ok();
    installation::examine(&mut report, repo.as_ref())?;
    if repo.is_some() {
        repository::examine(&mut report, &super::context()?, &|count| ui.bytes(count))?;
    } else {
        ui.note("not in a repository: looking at the installation only");
    }
    if args.json {
        let facts = report.facts.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        ui.print(&super::json(&Json { facts, findings: report.findings.iter().map(Into::into).collect() }))?;
    } else {
        ui.print(&text(&report))?;
    }
    match report.findings.iter().filter(|finding| finding.severity == Severity::Problem).count() {
        0 => Ok(()),
        count => Err(Error::new(Kind::Found, format!("found {}", ui::count(count, "problem")))),
    }
}

fn text(report: &Report) -> String {
    let mut facts = Table::default();
    report.facts.iter().for_each(|(name, value)| facts.row([name.clone(), format!(" {value}")]));
    let mut text = facts.text();
    for finding in &report.findings {
        text += &format!("\n{}: {}\n    {}\n", name(finding.severity), finding.what, finding.mend);
    }
    if report.findings.is_empty() {
        text += "\nnothing is wrong\n";
    }
    text
}

impl From<DoctorError> for Error {
    fn from(error: DoctorError) -> Self {
        match error {
            DoctorError::Git(error) | DoctorError::Open(OpenError::Git(error)) => error.into(),
            DoctorError::Hooks(error) => error.into(),
            DoctorError::Store(error) | DoctorError::Open(OpenError::Store(error)) => error.into(),
            DoctorError::Program(_) => Self::failed(error.to_string()),
        }
    }
}
