//! Past runs, from the notes.

use serde::Serialize;

use super::NOTES;
use super::record::{Record, Status};
use crate::git::history::CommitId;
use crate::git::{GitError, Repo};
use crate::metrics::check::version::short;
use crate::metrics::policy::nearest;
use crate::progress::count;
use crate::text::{Colour, Style, Table};

/// A longer note is not read.
const NOTE_BYTES_MAX: u64 = 64 << 20;
/// Metrics in a line of the list.
const METRICS_MAX: usize = 2;
const NAME_COLUMNS: usize = 24;
const COMMAND_COLUMNS: usize = 40;

/// A run, and the commit whose note tells of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Past {
    /// The commit that it made, or else the one it started from.
    #[serde(serialize_with = "as_text")]
    pub commit: CommitId,
    /// What was written down.
    #[serde(flatten)]
    pub record: Record,
}

fn as_text<S: serde::Serializer>(commit: &CommitId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(commit)
}

/// All runs in the order they began, and what in the notes could not be read.
///
/// # Errors
/// Git cannot say.
pub fn past(repo: &Repo) -> Result<(Vec<Past>, Vec<String>), GitError> {
    let (mut runs, mut warnings) = (Vec::new(), Vec::new());
    for (commit, note) in NOTES.list()? {
        let Some(text) = repo.blob_up_to(note, NOTE_BYTES_MAX)? else {
            warnings.push(format!("the note of {} is too long to be read", short(commit)));
            continue;
        };
        let (records, unknown) = Record::parse(&text);
        if unknown > 0 {
            let lines = count(unknown, "line");
            warnings.push(format!("the note of {} has {lines} that this version cannot read", short(commit)));
        }
        runs.extend(records.into_iter().map(|record| Past { commit, record }));
    }
    runs.sort_by(|one, other| one.record.started.cmp(&other.record.started));
    Ok((runs, warnings))
}

/// The last run of this name; or else the name that is most like it, if one is.
pub fn find<'p>(runs: &'p [Past], name: &str) -> Result<&'p Past, Option<&'p str>> {
    let found = runs.iter().rev().find(|run| run.record.name == name);
    found.ok_or_else(|| nearest(name, runs.iter().map(|run| &run.record.name)))
}

/// One line for each run.
pub fn table(runs: &[Past], style: &Style) -> String {
    let mut table = Table::to_the_left();
    let head = ["run", "status", "started", "took", "commit", "metrics", "command"];
    table.row(head.map(|title| style.paint(Colour::Dim, title)));
    for Past { commit, record } in runs {
        table.row([
            style.name(&crate::git::shown(record.name.as_bytes()), NAME_COLUMNS),
            style.paint(colour(record.status), record.status.word()),
            record.started.clone(),
            duration(record.seconds),
            short(*commit),
            metrics(record).join(" "),
            style.name(&command(record), COMMAND_COLUMNS),
        ]);
    }
    table.text()
}

/// All that is known of a run, for people.
pub fn text(run: &Past, style: &Style) -> String {
    let Past { commit, record } = run;
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
    let end = match (record.exit, record.signal) {
        (Some(0), _) => String::new(),
        (Some(code), _) => format!(" (exit code {code})"),
        (None, Some(signal)) => format!(" (signal {signal})"),
        (None, None) => String::new(),
    };
    let environment = &record.environment;
    let mut machine = vec![environment.os.clone(), environment.arch.clone()];
    machine.extend(environment.cpu.clone());
    machine.push(count(environment.cores, "core"));
    machine.extend(environment.memory_bytes.map(|bytes| style.units.bytes(bytes)));
    machine.extend(environment.gpus.iter().cloned());
    machine.extend(environment.python.as_ref().map(|version| format!("Python {version}")));
    let mut table = Table::to_the_left();
    let mut row = |name: &str, value: String| table.row([style.paint(Colour::Dim, name), value]);
    row("run", crate::git::shown(record.name.as_bytes()));
    row("status", format!("{}{end}", style.paint(colour(record.status), record.status.word())));
    row("command", command(record));
    row("folder", if record.folder.is_empty() { ".".into() } else { record.folder.clone() });
    row("started", record.started.clone());
    row("took", duration(record.seconds));
    row("from", or_none(record.revision.clone()));
    row("branch", or_none(record.branch.clone()));
    row("uncommitted", or_none(record.dirty.clone()));
    row("noted at", commit.to_string());
    row("models", record.models.join(", "));
    for (title, files) in [("params", &record.params), ("metrics", &record.metrics)] {
        for (path, value) in files {
            row(title, format!("{path}: {value}"));
        }
    }
    for (title, weights) in [("weights before", &record.weights.before), ("weights after", &record.weights.after)] {
        for (path, digest) in weights {
            row(title, format!("{path}: {digest}"));
        }
    }
    row("machine", machine.join(", "));
    row("git-model", environment.git_model.clone());
    table.text()
}

fn command(record: &Record) -> String {
    let quoted = |word: &String| crate::git::shown(crate::git::install::quote(word.as_ref()).as_bytes());
    record.command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The first numbers of the metrics files.
fn metrics(record: &Record) -> Vec<String> {
    let mut found = Vec::new();
    for value in record.metrics.values() {
        numbers("", value, &mut found);
    }
    found
}

fn numbers(path: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                numbers(&path, value, found);
            }
        }
        serde_json::Value::Number(number) if found.len() < METRICS_MAX => {
            let number = number.as_f64().map(crate::metrics::gate::short).unwrap_or_default();
            found.push(format!("{}={number}", crate::git::shown(path.as_bytes())));
        }
        _ => {}
    }
}

/// `0.25 s`, `4:05`, `2:30:00`
fn duration(seconds: f64) -> String {
    const MINUTE: u64 = 60;
    if seconds < MINUTE as f64 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds.round() as u64;
    let (minutes, seconds) = (whole / MINUTE, whole % MINUTE);
    match minutes / MINUTE {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % MINUTE),
    }
}

const fn colour(status: Status) -> Colour {
    match status {
        Status::Succeeded => Colour::Green,
        Status::Failed | Status::Refused => Colour::Red,
        Status::Aborted => Colour::Yellow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [(0.25, "0.25 s"), (59.9, "59.90 s"), (245.0, "4:05"), (9000.4, "2:30:00")];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
