//! `git model pipeline`.

use super::deploy;
use crate::deploy::carry_out::{self, Wish};
use crate::deploy::pipeline::{Name, Stages};
use crate::deploy::reconcile;
use crate::deploy::record::StageState;
use crate::error::{Error, Result};
use crate::metrics::policy::deploy::{Environment, Strategy};
use crate::ui::Ui;
use crate::version::named;

/// Run the stages of a deployment: build, test, deploy, observe.
///
/// With `--stage build,test` nothing is deployed and nothing recorded: for a job that looks at a change before it is merged.
/// What was built and has passed its tests is not built and tested again by the deployment.
#[derive(clap::Args)]
pub struct Args {
    /// The environment; not needed if there is only one.
    #[arg(value_name = "ENV")]
    environment: Option<String>,

    /// The commit.
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    revision: String,

    /// Up to the last of these: `build`, `test`, `deploy`, `observe`.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    stage: Vec<String>,

    /// Only say what would be done.
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let context = super::context()?;
    let environment = deploy::environment(&context.repo, args.environment.as_deref())?;
    let stages = match &args.stage[..] {
        [] => Stages::ALL,
        names => Stages::up_to(names.iter().map(String::as_str)).map_err(Error::failed)?,
    };
    let commit = named::commit(&named::revision(args.revision.as_ref())?.to_string_lossy())?;
    if args.dry_run {
        let lines = Name::ALL.into_iter().filter(|&name| stages.has(name));
        return ui.print(&lines.map(|name| line(name, &environment)).collect::<String>());
    }
    let wish = Wish {
        environment: &environment,
        commit,
        deployment: None,
        trigger: "pipeline".into(),
        by: reconcile::who(),
        rollback_to: None,
        is_automatic: false,
        is_verbose: true,
    };
    if stages.has(Name::Deploy) {
        return match carry_out::deploy(&context, &wish, ui)? {
            Some(event) => deploy::tell::outcome(&event, &environment, ui),
            None => Ok(()),
        };
    }
    for stage in carry_out::rehearse(&context, &wish, stages, ui)? {
        let word = if stage.state == StageState::Skipped { "nothing to do" } else { "passed" };
        ui.print(&format!("{}\t{word}\t{:.1} s\n", stage.stage, stage.seconds))?;
    }
    Ok(())
}

/// What a stage does.
fn line(name: Name, environment: &Environment) -> String {
    let address = crate::deploy::recover::front(environment);
    let what = match (name, &environment.dockerfile) {
        (Name::Build, Some(dockerfile)) => format!("the image `{}` by `{dockerfile}`", environment.image),
        (Name::Build, None) => format!("the image `{}` or the files of `{}`", environment.image, environment.model),
        (Name::Test, _) => {
            let mut what = format!(
                "a candidate on a port of its own: `{}` within {:?}",
                environment.health, environment.ready_timeout
            );
            what += ", gates, golden inputs";
            if !environment.test.is_empty() {
                what += &format!(", `{}`", environment.test.join(" "));
            }
            what
        }
        (Name::Deploy, _) => match environment.strategy {
            Strategy::Proxy => format!(
                "{address} leads to the candidate; the version before ends within {:?}",
                environment.drain_timeout
            ),
            Strategy::Recreate => format!("the version before ends, then the new one starts at {address}"),
        },
        (Name::Observe, _) => format!("watched for {:?}", environment.observe),
    };
    format!("{:<8}{what}\n", name.as_str())
}
