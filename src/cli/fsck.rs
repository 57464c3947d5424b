//! `git model fsck`.

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::store::fsck::{self, Checks, Finding, Report};
use crate::store::roots::for_each_manifest;
use crate::ui::{self, Ui};
use crate::worktree::restore::WorkTreeFiles;

/// Check everything that is stored, and mend it.
///
/// Reads every pack, checks every block and every object against its name, and every manifest in git's history against
/// its objects. Prints what is wrong, one finding a line; the exit code is 3 if anything is.
#[derive(clap::Args)]
pub struct Args {
    /// Check packs and objects only.
    #[arg(long)]
    objects: bool,

    /// Check only that history finds its objects; reads no tensor.
    #[arg(long)]
    manifests: bool,

    /// Mend what can be mended.
    ///
    /// Damaged packs are moved to `quarantine/` in the store, and what is good in them is kept. What is lost is taken
    /// from the files of the work tree that still have it.
    #[arg(long, conflicts_with_all = ["objects", "manifests"])]
    repair: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let common_dir = context.repo.common_dir();
    let manifests = |visit: &mut dyn FnMut(_)| {
        for_each_manifest(&common_dir, &mut |kept| {
            visit(kept);
            Ok(())
        })
    };
    let report = if args.repair {
        fsck::repair(&context.store, &manifests, &WorkTreeFiles, ui)?
    } else {
        let all = args.objects == args.manifests;
        let checks = Checks { objects: all || args.objects, manifests: all || args.manifests };
        fsck::check(&context.store, &manifests, checks, ui)?
    };
    tell(&report, ui)
}

fn tell(report: &Report, ui: &Ui) -> Result {
    for repair in &report.repairs {
        ui.note(&repair.to_string());
    }
    for finding in &report.remaining {
        ui.print(&format!("{finding}; {}\n", finding.next_step()))?;
    }
    ui.note(&format!(
        "checked {}, {}, {}",
        ui::count(report.packs, "pack"),
        ui::count(report.objects, "object"),
        ui::count(report.manifests, "manifest")
    ));
    let mended = report.findings.iter().filter(|finding| finding.is_damage()).count();
    let damage = report.remaining.iter().filter(|finding| finding.is_damage()).count();
    match (damage, mended) {
        (0, 0) => Ok(()),
        (0, mended) => {
            ui.note(&format!("{} found, all mended", ui::count(mended, "problem")));
            Ok(())
        }
        (damage, _) => Err(found(ui::count(damage, "problem"), report)),
    }
}

fn found(count: String, report: &Report) -> Error {
    let left = if report.repairs.is_empty() { "" } else { " left" };
    let error = Error::new(Kind::Found, format!("{count}{left}"));
    let is_lost = |finding: &Finding| matches!(finding, Finding::Missing { .. });
    if report.remaining.iter().any(is_lost) {
        error.hint("a copy of the weight file anywhere, put in place, lets `git model fsck --repair` bring it back")
    } else {
        error
    }
}
