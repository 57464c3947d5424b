//! `git model tag`.

use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::registry::Registry;
use crate::ui::Ui;
use crate::version::named::{self, NameError};
use crate::version::release::{self, Bump, Number, ReleaseError, Wish};

/// Name a version of a model, put it in a stage, or deprecate it.
///
/// MODEL may be left out where the repository has one. A version is an annotated tag, `house@v1.2.0`; a stage too,
/// `house#prod#3`: the last one made counts. GTO reads and writes the same tags. They are pushed as any tag is.
///
/// Prints the name of the tag.
#[derive(clap::Args)]
#[command(
    disable_version_flag = true,
    override_usage = "git model tag [OPTIONS] [MODEL] VERSION [REV]\n       \
                      git model tag [OPTIONS] [MODEL] --bump <PART> [REV]\n       \
                      git model tag [OPTIONS] [MODEL] --stage <STAGE> [VERSION|REV]\n       \
                      git model tag [OPTIONS] [MODEL] --unstage <STAGE> [VERSION|REV]\n       \
                      git model tag [OPTIONS] [MODEL] --deprecate [VERSION]"
)]
pub struct Args {
    /// The model, if there are several; the version; the commit, by default HEAD.
    #[arg(value_name = "MODEL|VERSION|REV")]
    words: Vec<String>,

    /// The tag's message, paragraph by paragraph.
    #[arg(short, long = "message", value_name = "MESSAGE")]
    message: Vec<String>,

    /// Make the next version: count this part of the highest one up.
    #[arg(long, value_name = "PART", group = "wish")]
    bump: Option<Bump>,

    /// Put a version in this stage, by default the latest.
    #[arg(long, group = "wish")]
    stage: Option<String>,

    /// Take a version out of this stage, by default the one that holds it.
    #[arg(long, value_name = "STAGE", group = "wish")]
    unstage: Option<String>,

    /// Say that a version, or the whole model, should not be used any more.
    #[arg(long, group = "wish")]
    deprecate: bool,

    /// The version to put in a stage or to take out of one.
    #[arg(long, value_name = "VERSION|REV", conflicts_with_all = ["bump", "deprecate"])]
    version: Option<String>,

    /// Sign the tag. Without it, `tag.gpgSign` decides.
    #[arg(short, long)]
    sign: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = super::context()?.repo;
    let known = named::all(&repo, &Registry::read(None)?)?;
    let (model, mut rest) = release::split(&args.words, &known);
    rest.extend(args.version.clone());
    let wish = wish(&args, &rest, model.as_deref(), &known)?;
    let plan = release::plan(&repo, model.as_deref(), &wish)?;
    make(&plan, &args.message, args.sign, ui)
}

fn wish(
    args: &Args,
    rest: &[String],
    model: Option<&str>,
    known: &[String],
) -> std::result::Result<Wish, ReleaseError> {
    if let Some(stage) = args.stage.clone() {
        return Ok(Wish::Stage { stage, at: release::one(rest)? });
    }
    if let Some(stage) = args.unstage.clone() {
        return Ok(Wish::Unstage { stage, at: release::one(rest)? });
    }
    if args.deprecate {
        return Ok(Wish::Deprecate(release::one(rest)?.map(|version| release::number(&version)).transpose()?));
    }
    let (number, revision) = Number::of(rest, args.bump, model, known)?;
    Ok(Wish::Register { number, revision })
}

/// Makes a tag and tells of it.
pub fn make(plan: &release::Plan, message: &[String], is_signed: bool, ui: &Ui) -> Result {
    plan.warnings.iter().for_each(|warning| ui.warn(warning));
    let name = release::make(plan, message, is_signed)?;
    ui.print(&format!("{name}\n"))?;
    ui.note(&format!("hint: `git push REMOTE '{name}'` gives it to others"));
    Ok(())
}

impl clap::ValueEnum for Bump {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Patch, Self::Minor, Self::Major]
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }))
    }
}

impl From<NameError> for Error {
    fn from(error: NameError) -> Self {
        let hint = error.hint();
        match error {
            NameError::Check(error) => error.into(),
            error => {
                let failure = Self::failed(error.to_string());
                hint.into_iter().fold(failure, Self::hint)
            }
        }
    }
}

impl From<ReleaseError> for Error {
    fn from(error: ReleaseError) -> Self {
        let hint = error.hint();
        let kind = match error {
            ReleaseError::Name(error) => return error.into(),
            ReleaseError::NotAVersion { .. } | ReleaseError::NoNumber { .. } | ReleaseError::Superfluous(_) => {
                Kind::Usage
            }
            _ => Kind::Failed,
        };
        hint.into_iter().fold(Self::new(kind, error.to_string()), Self::hint)
    }
}
