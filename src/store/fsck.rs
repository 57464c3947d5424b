//! Checks that everything is what was written, and mends what can be mended.
//!
//! - Packs: the frame, the index, and every entry, which is decoded and compared with its name (BLAKE3).
//! - Objects: the blocks of every recipe, put together, have the SHA-256 that the object is named by.
//! - Manifests: every object that history names is there and as long as the manifest says.
//!
//! **Limitations.** A flipped bit that changes nothing of what is decoded (padding within a payload) is no finding. Of
//! the stores that this one borrows from only what is used here is checked. Every delta is decoded from its bottom up,
//! so deep chains take several times the work of plain blocks.

use std::collections::BTreeSet;
use std::path::PathBuf;

use self::manifests::ManifestChecker;
use super::roots::{Kept, RootsError};
use super::{Store, StoreError};
use crate::id::ObjectId;
use crate::progress::Progress;

mod finding;
mod manifests;
mod objects;
mod packs;
mod repair;
mod salvage;
#[cfg(test)]
mod tests;

pub use finding::{Finding, Repair};
pub use repair::Restore;

/// Whoever knows the manifests in git's history.
pub type Manifests<'a> = dyn Fn(&mut dyn FnMut(Kept)) -> Result<(), RootsError> + 'a;

/// What to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checks {
    /// Packs and objects.
    pub objects: bool,
    /// Manifests.
    pub manifests: bool,
}

impl Checks {
    /// Everything.
    pub const ALL: Self = Self { objects: true, manifests: true };
}

/// What a check found and a repair did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// What was not as it should be.
    pub findings: Vec<Finding>,
    /// What was done about it.
    pub repairs: Vec<Repair>,
    /// What is not as it should be now.
    pub remaining: Vec<Finding>,
    /// How many packs there are now.
    pub packs: usize,
    /// How many objects.
    pub objects: usize,
    /// How many manifests in history.
    pub manifests: usize,
}

/// Checks the store.
///
/// # Errors
/// A store that cannot be listed, or another collection or repair at work.
pub fn check(
    store: &Store,
    manifests: &Manifests<'_>,
    checks: Checks,
    progress: &dyn Progress,
) -> Result<Report, StoreError> {
    let _care = match store.lock_care() {
        Err(error @ StoreError::Busy(_)) => return Err(error),
        // Where nobody can write, nobody moves packs either.
        other => other.ok(),
    };
    let mut report = run(store, manifests, checks, progress)?;
    report.remaining.clone_from(&report.findings);
    Ok(report)
}

/// Checks the store, mends what is damaged, and checks again. Nothing good is overwritten; what is bad is put aside in
/// the folder `quarantine` of the store.
///
/// # Errors
/// A store that cannot be listed or written, or another collection or repair at work.
pub fn repair(
    store: &Store,
    manifests: &Manifests<'_>,
    restore: &dyn Restore,
    progress: &dyn Progress,
) -> Result<Report, StoreError> {
    if !store.dir().exists() {
        return check(store, manifests, Checks::ALL, progress);
    }
    let _care = store.lock_care()?;
    let mut report = run(store, manifests, Checks::ALL, progress)?;
    if !report.findings.iter().any(Finding::is_damage) {
        report.remaining.clone_from(&report.findings);
        return Ok(report);
    }
    report.repairs = repair::replace_packs(store, &report.findings, progress)?;
    report.repairs.extend(repair::recover_from_quarantine(store)?);
    let files = restore_missing(store, manifests, restore, progress)?;
    if !files.is_empty() {
        // An object may have been cut in another way this time; then its old recipe stands in the way of the new one.
        let incomplete = repair::incomplete_objects(&store.reopen()?);
        if !incomplete.is_empty() {
            report.repairs.extend(repair::drop_recipes(&store.reopen()?, &incomplete, progress)?);
            restore_missing(store, manifests, restore, progress)?;
        }
        report.repairs.push(Repair::Restored { files });
    }
    // What was saved last may be what something else put aside can be told by.
    loop {
        let more = repair::recover_from_quarantine(store)?;
        if more.is_empty() {
            break;
        }
        report.repairs.extend(more);
    }
    let store = store.reopen()?;
    let after = run(&store, manifests, Checks::ALL, progress)?;
    Ok(Report { findings: report.findings, repairs: report.repairs, remaining: after.findings, ..after })
}

fn run(
    store: &Store,
    manifests: &Manifests<'_>,
    checks: Checks,
    progress: &dyn Progress,
) -> Result<Report, StoreError> {
    store.rescan()?;
    let mut report = Report::default();
    if checks.objects {
        let packs = packs::open_packs(store)?;
        report.packs = packs.good.len();
        report.findings = packs.findings;
        report.findings.extend(packs::check_entries(store, &packs.good, progress));
        let (objects, findings) = objects::check_objects(store, &packs.good, progress);
        report.objects = objects;
        report.findings.extend(findings);
    }
    if checks.manifests {
        let mut checker = ManifestChecker::new(store);
        let walked = manifests(&mut |kept| {
            report.manifests += 1;
            checker.check(kept);
        });
        report.findings.extend(checker.findings);
        if let Err(error) = walked {
            let why = match error {
                RootsError::Git(error) => error.to_string(),
                error @ RootsError::Unreadable { .. } => error.to_string(),
            };
            report.findings.push(Finding::History { why });
        }
    }
    Ok(report)
}

/// Stores again what the work tree has of what is missing; returns the files.
fn restore_missing(
    store: &Store,
    manifests: &Manifests<'_>,
    restore: &dyn Restore,
    progress: &dyn Progress,
) -> Result<BTreeSet<PathBuf>, StoreError> {
    let store = store.reopen()?;
    let missing = missing_objects(&store, manifests);
    Ok(if missing.is_empty() { BTreeSet::new() } else { restore.restore(&store, &missing, progress) })
}

/// Objects that history or a recipe names and that are not there as a whole.
fn missing_objects(store: &Store, manifests: &Manifests<'_>) -> BTreeSet<ObjectId> {
    let mut missing = repair::incomplete_objects(store);
    let mut checker = ManifestChecker::new(store);
    // A history that cannot be read was told of already.
    let _ = manifests(&mut |kept| checker.check(kept));
    missing.extend(checker.findings.into_iter().filter_map(|finding| match finding {
        Finding::Missing { object, .. } => Some(object),
        _ => None,
    }));
    missing
}
