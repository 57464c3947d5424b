//! What was compared, in words that still tell when the branches have moved on.

use std::ffi::{OsStr, OsString};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::git::Git;
use crate::git::changes::Versions;

/// The head of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// The old version.
    pub old: Point,
    /// The new version.
    pub new: Point,
    /// The paths that were asked for; none means all.
    pub paths: Vec<String>,
    /// The day on which the page was written, in UTC: `2026-01-31`.
    pub date: String,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// As the user named it.
    pub name: String,
    /// The commit's short name, day and subject; empty if it is no commit.
    pub commit: Vec<String>,
}

impl Heading {
    /// For these versions and paths, today. Asks git about the commits; what it does not tell is left out.
    pub fn of(versions: &Versions, paths: &[OsString]) -> Self {
        let [old, new] = match versions {
            Versions::WorkTree => [Point::named("index"), Point::named("work tree")],
            Versions::Index(commit) => [Point::commit(commit), Point::named("index")],
            Versions::Commit(commit) => [Point::commit(commit), Point::named("work tree")],
            Versions::Commits(old, new) => [Point::commit(old), Point::commit(new)],
            Versions::Blobs(old, new) => [old, new].map(|blob| Point::named(&blob.to_string()[..10])),
        };
        let paths = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        Self { old, new, paths, date: today() }
    }
}

/// The day, in UTC: `2026-01-31`.
pub fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    day(seconds / 86_400)
}

impl Point {
    fn named(name: &str) -> Self {
        Self { name: name.to_owned(), commit: Vec::new() }
    }

    fn commit(revision: &OsStr) -> Self {
        let asked = ["log", "-1", "--no-show-signature", "--no-color", "--format=%h%n%cs%n%s"];
        let told = Git::new(asked).arg("--end-of-options").arg(revision).arg("--").output().unwrap_or_default();
        let told = String::from_utf8_lossy(&told);
        let commit: Vec<String> = told.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let mut name = revision.to_string_lossy().into_owned();
        // Nobody wants to read forty digits.
        if let Some(short) = commit.first()
            && name.len() >= 40
            && name.starts_with(short.as_str())
        {
            name.clone_from(short);
        }
        Self { name, commit }
    }
}

/// The date that lies so many days behind 1970-01-01, in the Gregorian calendar.
fn day(mut days: u64) -> String {
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    #[test]
    fn days() {
        let cases = [(0, "1970-01-01"), (58, "1970-02-28"), (59, "1970-03-01"), (364, "1970-12-31")];
        let leap = [(789, "1972-02-29"), (11_016, "2000-02-29"), (11_322, "2000-12-31"), (20_454, "2026-01-01")];
        for (days, date) in cases.into_iter().chain(leap) {
            assert_eq!(super::day(days), date);
        }
    }
}
