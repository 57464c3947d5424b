//! `git model gc`.

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::store::gc::{self, GcError, Grace, Options, Recoded, Report};
use crate::store::roots::History;
use crate::ui::{self, Ui};
use crate::version::notes;

/// Delete what history no longer needs, and put small packs together.
///
/// Kept is what any ref, reflog, stash, index or unfinished merge of any work tree can still bring back, and whatever
/// was stored or used within the grace period (`model.gc.grace`, 14 days). It is safe while other commands work.
#[derive(clap::Args)]
pub struct Args {
    /// Only tell what would be done.
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Write all that is kept anew, as small as it can be, with the newest versions nearest at hand.
    ///
    /// Takes long: about 10 seconds of one core for each GiB of different tensors. Needs as much free space as the store
    /// has.
    #[arg(long)]
    aggressive: bool,

    /// Keep what is younger than this: `14 days`, `2w`, `12h`, `never` to delete nothing.
    ///
    /// With 0, everything that history does not need goes at once; no other command may be at work in the repository.
    #[arg(long, value_name = "TIME")]
    grace: Option<Grace>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let grace = match (args.grace, context.repo.config_string("model.gc.grace")) {
        (Some(grace), _) => grace,
        (None, Some(text)) => text.parse().map_err(|error| {
            Error::new(Kind::Usage, format!("`model.gc.grace` is not a time: {error}"))
                .hint("set it with `git config model.gc.grace '14 days'`")
        })?,
        (None, None) => Grace::DEFAULT,
    };
    let options = Options { aggressive: args.aggressive, ..Options::new(grace, args.dry_run) };
    let report = gc::gc(&context.store, &History::new(context.repo.common_dir()), &options, ui).map_err(explain)?;
    if report.recoded.is_some() && !args.dry_run {
        // What `git model log` has noted of the room that versions take is true no more.
        notes::forget(context.store.dir());
    }
    tell(&report, args.dry_run, ui);
    match report.damaged.len() {
        0 => Ok(()),
        1 => Err(damaged("1 pack is damaged and stays as it is")),
        count => Err(damaged(&format!("{count} packs are damaged and stay as they are"))),
    }
}

fn damaged(what: &str) -> Error {
    Error::new(Kind::Found, what).hint("run `git model fsck --repair`")
}

fn tell(report: &Report, dry_run: bool, ui: &Ui) {
    for (path, what) in &report.damaged {
        ui.warn(&format!("`{}` is damaged: {what}", path.display()));
    }
    if report.missing_objects > 0 {
        ui.note(&format!("not in this store: {} that history names", ui::count(report.missing_objects, "object")));
    }
    let verb = match report.packs_before {
        _ if dry_run => "would become",
        1 => "is now",
        _ => "are now",
    };
    ui.note(&format!(
        "{} of {} {verb} {} of {}",
        ui::count(report.packs_before, "pack"),
        ui.bytes(report.bytes_before),
        report.packs_after,
        ui.bytes(report.bytes_after)
    ));
    if let Some(recoded) = report.recoded {
        tell_recoded(recoded, dry_run, ui);
    }
    if report.bytes_in_grace > 0 {
        ui.note(&format!("{} are kept for the grace period only", ui.bytes(report.bytes_in_grace)));
    }
    if report.spared_packs > 0 {
        ui.note(&format!("{} stayed, as somebody began to use them", ui::count(report.spared_packs, "pack")));
    }
}

fn tell_recoded(recoded: Recoded, dry_run: bool, ui: &Ui) {
    let Recoded { bytes_plain, bytes_before, bytes_after } = recoded;
    let saved = bytes_before - bytes_after;
    ui.note(&match () {
        () if dry_run => {
            format!("aggressive: would encode {} anew; what that saves, only doing it tells", ui.bytes(bytes_before))
        }
        () if saved == 0 => format!("aggressive: {} stored, which cannot be made less", ui.bytes(bytes_before)),
        () => format!(
            "aggressive: {} stored of {}, {} ({:.1} %) less than before",
            ui.bytes(bytes_after),
            ui.bytes(bytes_plain),
            ui.bytes(saved),
            100.0 * saved as f64 / bytes_before as f64
        ),
    });
}

fn explain(error: GcError) -> Error {
    let failure = Error::failed(error.to_string());
    match error {
        GcError::Store(error) => error.into(),
        GcError::Roots(_) => failure,
        GcError::CommandAtWork(_) => failure
            .hint("wait until it has ended; if none is running, delete the file")
            .hint("or use a longer `--grace`"),
        GcError::Quarantine { quarantine, .. } => failure
            .hint("run `git model fsck --repair`, with the files they belong to in the work tree if you have them")
            .hint(format!("if what is missing can be fetched or is not wanted, delete `{}`", quarantine.display())),
        GcError::NoSpace { .. } => failure.hint("make room, then run `git model gc` again"),
    }
}
