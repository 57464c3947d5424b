//! `git model promote`.

use super::tag;
use crate::error::{Error, Kind, Result};
use crate::metrics::gate::Outcome;
use crate::metrics::report;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::ui::Ui;
use crate::version::named;
use crate::version::release::{self, Wish};

/// Put a version of a model in a stage, if its gates in `.gitmodel.toml` pass.
///
/// The gates are those of that commit, and of this model. Where one fails, the table is printed and nothing is done. Exits
/// with 1 if a gate fails, 2 if one cannot be judged.
#[derive(clap::Args)]
#[command(override_usage = "git model promote [OPTIONS] [MODEL] <VERSION|REV> --to <STAGE>")]
pub struct Args {
    /// The model, if there are several; a version, a stage as in `house#dev`, or a commit.
    #[arg(value_name = "MODEL|VERSION|REV", required = true)]
    words: Vec<String>,

    /// The stage.
    #[arg(long, value_name = "STAGE")]
    to: String,

    /// The tag's message, paragraph by paragraph.
    #[arg(short, long = "message", value_name = "MESSAGE")]
    message: Vec<String>,

    /// Sign the tag. Without it, `tag.gpgSign` decides.
    #[arg(short, long)]
    sign: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = super::context()?.repo;
    let known = named::all(&repo, &Registry::read(None)?)?;
    let (model, rest) = release::split(&args.words, &known);
    let wish = Wish::Stage { stage: args.to, at: release::one(&rest)? };
    let plan = release::plan(&repo, model.as_deref(), &wish)?;
    let verdicts = release::judge(&repo, &plan)?;
    verdicts.warnings.iter().for_each(|warning| ui.warn(warning));
    if !verdicts.verdicts.is_empty() {
        let table = report::text(&verdicts, &ui.style());
        if !verdicts.outcome().stops() {
            ui.note(table.trim_end());
        } else {
            ui.print(&table)?;
        }
    }
    match verdicts.outcome() {
        Outcome::Failed => Err(refusal(&plan, Kind::Failed, "its gates fail")),
        Outcome::Unjudged => Err(refusal(&plan, Kind::Usage, "its gates cannot be judged")),
        _ => tag::make(&plan, &args.message, args.sign, ui),
    }
}

fn refusal(plan: &release::Plan, kind: Kind, why: &str) -> Error {
    let model = &plan.tag.model;
    Error::new(kind, format!("`{model}` is not promoted: {why}"))
        .hint("commit a better version, or other gates in `.gitmodel.toml`, and promote that")
        .hint(format!("`git model tag {model} --stage STAGE` does not look at gates"))
}
