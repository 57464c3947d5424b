//! Collection: deletes what nothing needs any more, and puts small packs together.
//!
//! Kept are the objects that git's history can still bring back, everything in packs younger than the grace period (by
//! modification time, which writers renew on packs they rely on), and whatever any entry that stays needs in turn.
//!
//! 1. [`mark`] what is needed; [`plan`] each pack's fate.
//! 2. [`copy`] what is kept of packs that go, into new packs that are durable, checked and read back.
//! 3. Ask history once more; then, under the exclusive lock, [`sweep`]: delete packs that nobody has relied on meanwhile.
//!
//! A crash at any point leaves entries in two packs at worst, which the next run puts right.
//!
//! **Limitations.** Needs free space for the packs that are rewritten, until the old ones are deleted. Knows nothing of
//! other repositories that borrow from this store. With a grace period of zero nothing protects what a command at work
//! has stored but git's index or refs do not name yet; that is why it refuses while one holds an index lock.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use self::copy::Copied;
use self::mark::{Marked, Marks};
use self::plan::{Fate, PackFacts};
use self::sweep::Sweep;
use super::lineage::Step;
use super::roots::RootsError;
use super::{Store, StoreError, superseded};
use crate::id::ObjectId;
use crate::progress::Progress;

mod copy;
mod grace;
mod levels;
mod mark;
mod plan;
mod recode;
mod report;
mod sweep;
#[cfg(test)]
mod tests;
pub(super) mod tidy;

pub use grace::Grace;
pub use plan::PackSizes;
pub use recode::Recoded;
pub use report::Report;

/// With a shorter grace period than this, no git command may be at work.
const GRACE_OF_COMMANDS: Duration = Duration::from_secs(60 * 60);

/// Who knows what must be kept.
pub trait Roots {
    /// Calls `visit` with every object that must be kept, once or more. Asked twice: before packs are rewritten, and
    /// again before any is deleted.
    ///
    /// # Errors
    /// Whenever an object may have been left out.
    fn for_each(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<(), RootsError>;

    /// Calls `visit` with every version of every model, such that each comes after the one it is likely to be much like.
    ///
    /// # Errors
    /// A history that cannot be walked.
    fn steps(&self, _visit: &mut dyn FnMut(Step)) -> Result<(), RootsError> {
        Ok(())
    }

    /// Locks of commands that may be about to name more objects.
    fn commands_at_work(&self) -> Vec<PathBuf>;
}

/// How to collect.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// What is younger than this is kept.
    pub grace: Duration,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Write all that is kept anew, as small as it can be.
    pub aggressive: bool,
    /// The time that ages count from.
    pub now: SystemTime,
    /// How large packs should be.
    pub sizes: PackSizes,
}

impl Options {
    /// With packs of the usual size, from now.
    pub fn new(grace: Grace, dry_run: bool) -> Self {
        Self { grace: grace.duration(), dry_run, aggressive: false, now: SystemTime::now(), sizes: PackSizes::DEFAULT }
    }
}

/// Why a collection ended early. Nothing is lost then.
#[derive(Debug, thiserror::Error)]
pub enum GcError {
    /// The store has a problem.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be told what must be kept.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// A command may be about to name what would be deleted.
    #[error("a git command is at work (`{}` exists), which a grace period this short does not protect", .0.display())]
    CommandAtWork(PathBuf),
    /// What is missing may be in quarantine, and need what would be deleted.
    #[error("{missing} objects are missing, and `{}` has damaged packs that they may be in", quarantine.display())]
    Quarantine {
        /// How many.
        missing: u64,
        /// The folder.
        quarantine: PathBuf,
    },
    /// There is no room for the new packs.
    #[error("`{}` has {free} bytes free, and {needed} are needed until old packs are deleted", path.display())]
    NoSpace {
        /// The folder.
        path: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes to be written.
        needed: u64,
    },
}

/// Collects.
///
/// # Errors
/// Damage in what is needed, a history that cannot be read, another collection at work, a full disk; then no pack has
/// been deleted.
pub fn gc(store: &Store, roots: &dyn Roots, options: &Options, progress: &dyn Progress) -> Result<Report, GcError> {
    if !store.packs_dir().exists() {
        return Ok(Report::default());
    }
    let _care = store.lock_care()?;
    if options.grace < GRACE_OF_COMMANDS
        && let Some(lock) = roots.commands_at_work().into_iter().next()
    {
        return Err(GcError::CommandAtWork(lock));
    }
    let mut marks = open_packs(store, options)?;
    mark(&mut marks, roots, progress)?;
    refuse_if_quarantined(store, marks.missing)?;
    let (copied, recoded) =
        if options.aggressive { recode(store, &marks, options, roots, progress)? } else { (None, None) };
    let fates = if copied.is_some() { recode::fates(&marks) } else { settle_fates(&mut marks, options)? };
    let mut report = Report::planned(&marks, &fates, options);
    report.recoded = recoded;
    let leftovers = tidy::leftovers(store.dir(), options.now);
    report.leftovers = leftovers.len() as u64;
    if options.dry_run {
        return Ok(report);
    }
    // What cannot be removed is no worse than before.
    leftovers.iter().for_each(|path| drop(std::fs::remove_file(path)));
    if let Some(copied) = copied {
        sweep(store, &marks, &fates, copied, roots, &mut report)?;
    } else if fates.iter().any(|fate| *fate != Fate::Stay) {
        carry_out(store, &marks, &fates, options, roots, progress, &mut report)?;
    }
    Ok(report)
}

fn open_packs(store: &Store, options: &Options) -> Result<Marks, StoreError> {
    if superseded::is_there(store) {
        drop(store.lock_exclusive()?);
    }
    store.rescan()?;
    let young_since = options.now.checked_sub(options.grace);
    let packs = store.own_pack_paths()?;
    let packs = packs.iter().map(|path| Marked::open(path, young_since)).collect::<Result<_, _>>()?;
    Ok(Marks::new(store, packs))
}

fn mark(marks: &mut Marks, roots: &dyn Roots, progress: &dyn Progress) -> Result<(), GcError> {
    progress.begin("reading history", None);
    let mut result = Ok(());
    roots.for_each(&mut |id| {
        if result.is_ok() {
            result = marks.mark_object(id);
        }
    })?;
    result?;
    for pack in 0..marks.packs.len() {
        if marks.packs[pack].is_young {
            marks.mark_young(pack)?;
        }
    }
    progress.end();
    Ok(())
}

fn refuse_if_quarantined(store: &Store, missing: u64) -> Result<(), GcError> {
    let quarantine = store.dir().join("quarantine");
    let has_packs = std::fs::read_dir(&quarantine).is_ok_and(|mut entries| entries.next().is_some());
    if missing > 0 && has_packs { Err(GcError::Quarantine { missing, quarantine }) } else { Ok(()) }
}

/// Encodes all that is kept anew, or tells that it would.
fn recode(
    store: &Store,
    marks: &Marks,
    options: &Options,
    roots: &dyn Roots,
    progress: &dyn Progress,
) -> Result<(Option<Copied>, Option<Recoded>), GcError> {
    let total = marks.packs.iter().map(|marked| marked.facts()).map(|facts| facts.live + facts.grace).sum();
    if options.dry_run {
        return Ok((None, Some(Recoded { bytes_before: total, bytes_after: total, bytes_plain: 0 })));
    }
    refuse_if_full(&store.packs_dir(), total)?;
    match recode::recode(store, marks, options, roots, progress) {
        Ok((copied, recoded)) => Ok((copied, Some(recoded))),
        // The collection as usual copies what is good, and tells of what is not.
        Err(GcError::Store(error @ (StoreError::Corrupt { .. } | StoreError::MissingBlock(_)))) => {
            progress.warn(&format!("nothing was encoded anew, as there is damage: {error}"));
            Ok((None, None))
        }
        Err(error) => Err(error),
    }
}

/// Plans until nothing changes: a pack that stays keeps its useless entries too, and these may need others, which must
/// not be deleted. A later add may find such an entry, and rely on it.
fn settle_fates(marks: &mut Marks, options: &Options) -> Result<Vec<Fate>, StoreError> {
    loop {
        let facts: Vec<PackFacts> = marks.packs.iter().map(Marked::facts).collect();
        let fates = plan::plan(&facts, options.sizes, options.grace.is_zero());
        let wasteful = facts.iter().zip(&fates).enumerate();
        let wasteful: Vec<usize> = wasteful
            .filter(|(_, (facts, fate))| **fate == Fate::Stay && facts.dead > 0)
            .map(|(pack, _)| pack)
            .collect();
        if wasteful.is_empty() {
            return Ok(fates);
        }
        wasteful.into_iter().try_for_each(|pack| marks.freeze(pack))?;
    }
}

fn carry_out(
    store: &Store,
    marks: &Marks,
    fates: &[Fate],
    options: &Options,
    roots: &dyn Roots,
    progress: &dyn Progress,
    report: &mut Report,
) -> Result<(), GcError> {
    let with_fate = |wanted: Fate| marks.packs.iter().zip(fates).filter(move |(_, fate)| **fate == wanted);
    let sources: Vec<&Marked> = with_fate(Fate::Rewrite).map(|(marked, _)| marked).collect();
    let total = sources.iter().map(|source| source.facts()).map(|facts| facts.live + facts.grace).sum();
    refuse_if_full(&store.packs_dir(), total)?;
    progress.begin("rewriting packs", Some(total));
    let copied = copy::copy(store, &sources, options.sizes.bytes_max, progress);
    progress.end();
    sweep(store, marks, fates, copied?, roots, report)
}

fn sweep(
    store: &Store,
    marks: &Marks,
    fates: &[Fate],
    copied: Copied,
    roots: &dyn Roots,
    report: &mut Report,
) -> Result<(), GcError> {
    let Copied { packs: written, damaged } = copied;
    let returned = || {
        let mut returned = Vec::new();
        roots.for_each(&mut |id| {
            if !marks.is_live(id) {
                returned.push(id);
            }
        })?;
        Ok(returned)
    };
    let doomed = marks.packs.iter().zip(fates).filter(|(_, fate)| **fate != Fate::Stay).map(|(marked, _)| marked);
    let swept = Sweep {
        store,
        planned: &marks.packs,
        doomed: doomed.map(|marked| marked.pack.path().to_owned()).collect(),
        written: &written,
        damaged: damaged.iter().map(|(path, _)| path.clone()).collect::<HashSet<_>>(),
        at_once: report.recoded.is_some(),
    }
    .run(returned)?;
    store.rescan()?;
    report.damaged = damaged;
    for (path, what) in swept.damaged {
        if report.damaged.iter().all(|(known, _)| *known != path) {
            report.damaged.push((path, what));
        }
    }
    report.spared_packs = swept.spared;
    let after = store.own_pack_paths()?;
    report.packs_after = after.len() as u64;
    report.bytes_after = after.iter().filter_map(|path| path.metadata().ok()).map(|metadata| metadata.len()).sum();
    Ok(())
}

fn refuse_if_full(path: &Path, needed: u64) -> Result<(), GcError> {
    let Ok(space) = rustix::fs::statvfs(path) else { return Ok(()) };
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    if free >= needed { Ok(()) } else { Err(GcError::NoSpace { path: path.into(), free, needed }) }
}
