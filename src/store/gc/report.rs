//! What a collection tells at its end.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::mark::Marks;
use super::plan::Fate;
use super::{Options, Recoded};

/// What a collection did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Packs there were.
    pub packs_before: u64,
    /// Packs there are now.
    pub packs_after: u64,
    /// Bytes of all packs there were.
    pub bytes_before: u64,
    /// Bytes of all packs there are now.
    pub bytes_after: u64,
    /// Bytes that history does not need and that are kept for the grace period.
    pub bytes_in_grace: u64,
    /// Objects that history names and the store does not have.
    pub missing_objects: u64,
    /// Packs that were to go, but somebody began to rely on them.
    pub spared_packs: u64,
    /// Leftovers of interrupted commands that were removed.
    pub leftovers: u64,
    /// What was written anew, if that was asked for.
    pub recoded: Option<Recoded>,
    /// Packs with damaged entries, and what is wrong with them. They stay as they are.
    pub damaged: Vec<(PathBuf, String)>,
}

impl Report {
    /// What there is, and what it would be after the plan.
    pub(super) fn planned(marks: &Marks, fates: &[Fate], options: &Options) -> Self {
        let mut report = Self { missing_objects: marks.missing, ..Self::default() };
        let mut routes = BTreeMap::<(bool, Option<u64>), u64>::new();
        for (marked, fate) in marks.packs.iter().zip(fates) {
            let facts = marked.facts();
            report.packs_before += 1;
            report.bytes_before += marked.file_len;
            report.bytes_in_grace += facts.grace;
            match fate {
                Fate::Stay => {
                    report.packs_after += 1;
                    report.bytes_after += marked.file_len;
                }
                Fate::Rewrite => {
                    report.bytes_after += facts.live + facts.grace;
                    *routes.entry((true, None)).or_default() += facts.live;
                    *routes.entry((false, facts.day)).or_default() += facts.grace;
                }
                Fate::Delete => {}
            }
        }
        report.packs_after += routes.values().map(|bytes| bytes.div_ceil(options.sizes.bytes_max)).sum::<u64>();
        report
    }
}
