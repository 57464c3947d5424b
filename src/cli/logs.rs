//! `git model logs`.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::deploy::local::{Instance, Local};
use crate::deploy::pipeline::Name;
use crate::deploy::plan;
use crate::deploy::record::{self, Deployment, Record};
use crate::deploy::runner::Runner;
use crate::deploy::{Fault, reconcile, status};
use crate::error::{Error, Result};
use crate::git::Repo;
use crate::ui::Ui;

/// So often it is looked for more.
const LOOK: Duration = Duration::from_millis(200);
/// What the model itself has printed.
const RUN: &str = "run";

/// Show what the stages of a deployment have said, and what the model prints.
#[derive(clap::Args)]
pub struct Args {
    /// The deployment; its first digits are enough. Without it, the last one of this clone.
    #[arg(value_name = "ID")]
    deployment: Option<String>,

    /// Go on with what comes, until the deployment has ended; with `--stage run`, until the model has.
    #[arg(short, long)]
    follow: bool,

    /// One stage only: `build`, `test`, `deploy`, `observe`, or `run` for what the model prints.
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
}

pub fn run(args: Args, ui: &Ui) -> Result {
    let repo = super::context()?.repo;
    let (deployment, local) = find(&repo, args.deployment.as_deref())?;
    let id = &deployment.last.deployment;
    let stages: Vec<&str> = match args.stage.as_deref() {
        None => Name::ALL.iter().map(|name| name.as_str()).chain([RUN]).collect(),
        Some(stage) if stage == RUN || Name::ALL.iter().any(|name| name.as_str() == stage) => vec![stage],
        Some(stage) => {
            return Err(Error::failed(format!("there is no stage `{stage}`"))
                .hint("there are `build`, `test`, `deploy`, `observe` and `run`"));
        }
    };
    let dir = local.logs(id);
    if args.stage.as_deref() == Some(RUN) && container(&repo, &local, &deployment, args.follow)? {
        return Ok(());
    }
    let mut any = false;
    let has_stages = Name::ALL.iter().any(|name| dir.join(format!("{}.log", name.as_str())).exists());
    if let (false, false, Ok(file)) = (has_stages, args.follow, File::open(dir.join("pipeline.log"))) {
        // It came to no stage: what it said is all there is.
        return copy(file, &|| Ok(true), ui);
    }
    for stage in stages {
        let path = dir.join(format!("{stage}.log"));
        // While it is under way, stages come one after the other.
        while args.follow && !path.exists() && !status::state(&repo, &deployment_now(&deployment)?).0.is_final() {
            sleep(LOOK);
        }
        let Ok(file) = File::open(&path) else { continue };
        any = true;
        if args.stage.is_none() {
            ui.print(&format!("== {stage}\n"))?;
        }
        let is_done = || -> Result<bool> {
            if !args.follow {
                return Ok(true);
            }
            let runs = local.runtime()?;
            if stage != RUN && status::state(&repo, &deployment_now(&deployment)?).0.is_final() {
                return Ok(true);
            }
            Ok(match stage {
                RUN if args.stage.is_some() => !runs.all().any(|running| running.deployment == *id),
                stage => runs.deploying.is_none_or(|deploying| deploying.deployment != *id || deploying.stage != stage),
            })
        };
        copy(file, &is_done, ui)?;
    }
    if any { Ok(()) } else { Err(no_logs(&deployment, &dir)) }
}

fn no_logs(deployment: &Deployment, dir: &Path) -> Error {
    Error::failed(format!("there are no logs of deployment {} in `{}`", deployment.last.deployment, dir.display()))
        .hint("logs stay on the machine that has deployed, and those of old deployments are removed")
}

fn find(repo: &Repo, id: Option<&str>) -> Result<(Deployment, Local)> {
    let mut all = Vec::new();
    for name in record::environments()? {
        let Some(local) = Local::existing(repo, &name) else { continue };
        let deployments = Record::of(&name).deployments()?;
        all.extend(deployments.into_iter().map(|deployment| (deployment, local.clone())));
    }
    let deployments: Vec<Deployment> = all.iter().map(|(deployment, _)| deployment.clone()).collect();
    let found = match id {
        Some(id) => plan::find(&deployments, id)?.clone(),
        None => {
            let own = all.iter().filter(|(deployment, local)| deployment.last.clone == local.clone_name());
            let own = own.filter(|(deployment, local)| local.logs(&deployment.last.deployment).is_dir());
            let last = own.max_by(|(one, _), (other, _)| one.created.cmp(&other.created));
            let none = || Error::failed("nothing was deployed from this clone").hint("`git model deploy`");
            last.ok_or_else(none)?.0.clone()
        }
    };
    let local = all.into_iter().find(|(deployment, _)| *deployment == found).map(|(_, local)| local);
    local.map(|local| (found, local)).ok_or_else(|| Error::failed("there is no such deployment"))
}

fn deployment_now(deployment: &Deployment) -> Result<Deployment> {
    let all = Record::of(&deployment.last.environment).deployments()?;
    let now = all.into_iter().find(|other| other.last.deployment == deployment.last.deployment);
    Ok(now.unwrap_or_else(|| deployment.clone()))
}

/// What a container that runs has printed stands in the engine.
fn container(repo: &Repo, local: &Local, deployment: &Deployment, is_followed: bool) -> Result<bool> {
    let runtime = local.runtime()?;
    let running = runtime.all().find(|running| running.deployment == deployment.last.deployment);
    let Some(Instance::Container(name)) = running.map(|running| &running.instance) else { return Ok(false) };
    let policy = reconcile::policy(repo)?;
    let environment = policy.environments.iter().find(|known| known.name == deployment.last.environment);
    let Some(environment) = environment else { return Ok(false) };
    let runner = Runner::to_stop(environment, local)?;
    let engine = runner.engine().map_err(Fault::from)?;
    let mut out = io::stdout().lock();
    match engine.logs(name, is_followed, None, &mut out) {
        Ok(()) => Ok(true),
        Err(error) => Err(Fault::from(error).into()),
    }
}

/// Copies a log to standard output, and what comes to it until it is done.
fn copy(mut file: File, is_done: &dyn Fn() -> Result<bool>, ui: &Ui) -> Result {
    let mut piece = Vec::new();
    loop {
        let was_done = is_done()?;
        piece.clear();
        Read::by_ref(&mut file).take(1 << 20).read_to_end(&mut piece)?;
        if !piece.is_empty() {
            ui.print_bytes(&piece)?;
        } else if was_done {
            return Ok(io::stdout().flush()?);
        } else {
            sleep(LOOK);
        }
    }
}
