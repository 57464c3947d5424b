//! One deployment: build, test, switch, observe, record.
//!
//! What serves keeps serving until the new version has passed everything, and is at hand until it has been observed for a
//! while. Before each step that leaves something behind, `state.json` says so: whoever comes after a deployer that was
//! killed finds what is left ([`super::recover`]).

mod artifact;
mod candidate;
mod observe;
mod stages;
mod switch;

pub use stages::{Name, Stages};
pub use switch::reachable;

use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use super::Fault;
use super::local::{Artifact, Deploying, Local, Lock, Made, Running, Runtime, host};
use super::process::Process;
use super::record::{Deployment, DeploymentId, Event, Record, Stage, StageState, State};
use super::runner::Runner;
use crate::git::history::CommitId;
use crate::git::time::rfc3339;
use crate::metrics::policy::deploy::Environment;
use crate::progress::Progress;
use crate::registry::Registry;
use crate::version::named::{self, Named};
use crate::worktree::Context;

/// What is to be deployed, and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its name.
    pub deployment: DeploymentId,
    /// The commit.
    pub commit: CommitId,
    /// Why: the name of a hook, `manual`, `rollback`.
    pub trigger: String,
    /// Who: `Name <address>`.
    pub by: String,
    /// The deployment to go back to.
    pub rollback_to: Option<Deployment>,
    /// Whether what the stages say is shown too.
    pub is_verbose: bool,
}

/// A deployment under way.
pub struct Pipeline<'p> {
    context: &'p Context,
    environment: &'p Environment,
    local: &'p Local,
    order: &'p Order,
    progress: &'p dyn Progress,
    model: Named,
    record: Record,
    runner: Runner<'p>,
    runtime: Runtime,
    event: Event,
    begun: Instant,
    log: Log<'p>,
    /// What was built.
    made: Option<Artifact>,
    /// What the strategy `recreate` has ended.
    replaced: Option<Running>,
    /// Only stages before the switch are run, and nothing is recorded.
    is_rehearsal: bool,
}

/// The log of a stage.
struct Log<'p> {
    file: Option<std::fs::File>,
    progress: &'p dyn Progress,
    is_verbose: bool,
    begun: Instant,
}

impl Log<'_> {
    /// A line, with the time since the stage began.
    fn say(&mut self, line: &str) {
        if let Some(file) = &mut self.file {
            // A log that cannot be written stops no deployment.
            let _ = writeln!(file, "[{:7.2} s] {line}", self.begun.elapsed().as_secs_f64());
        }
        if self.is_verbose {
            self.progress.note(line);
        }
    }
}

impl Write for Log<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
        }
        if self.is_verbose {
            let text = String::from_utf8_lossy(bytes);
            text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| self.progress.note(line));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What an order is about, before anything is done.
///
/// # Errors
/// The commit has no such model, or no weights of it.
pub fn first_event(
    context: &Context,
    environment: &Environment,
    local: &Local,
    order: &Order,
) -> Result<(Named, Event), Fault> {
    let models = named::models(&context.repo, order.commit)?;
    let short: String = order.commit.to_string().chars().take(10).collect();
    let name = &environment.model;
    let model = models.into_iter().find(|model| model.name == *name).filter(|model| !model.weights.is_empty());
    let Some(model) = model else {
        return Err(Fault::Model(format!("commit {short} has no weights of the model `{name}`")));
    };
    let version = Registry::read(None)?.lineage(name).version_at(order.commit);
    let event = Event {
        deployment: order.deployment.clone(),
        state: State::InProgress,
        environment: environment.name.clone(),
        model: name.clone(),
        version: version.map(|version| format!("v{}", version.version)),
        commit: order.commit.to_string(),
        by: order.by.clone(),
        trigger: order.trigger.clone(),
        rollback_to: order.rollback_to.as_ref().map(|to| to.last.deployment.clone()),
        host: host(),
        clone: local.clone_name().to_owned(),
        target: None,
        image: None,
        digest: None,
        stages: Vec::new(),
        reason: None,
        at: rfc3339(SystemTime::now()),
        seconds: 0.0,
    };
    Ok((model, event))
}

/// Deploys. `lock` is that of the environment. What has happened, as it was recorded: a failure is an event, too.
///
/// # Errors
/// What keeps a deployment from being begun or recorded at all.
pub fn deploy(
    context: &Context,
    environment: &Environment,
    local: &Local,
    lock: &Lock,
    order: &Order,
    progress: &dyn Progress,
) -> Result<Event, Fault> {
    let _held = lock;
    let (model, event) = first_event(context, environment, local, order)?;
    let record = Record::of(&environment.name);
    record.append(&event)?;
    let runner = match Runner::new(environment, local) {
        Ok(runner) => runner,
        Err(fault) => return fail_early(&record, local, event, &fault),
    };
    let runtime = match local.runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail_early(&record, local, event, &error.into()),
    };
    let place = (context, environment, local);
    let mut pipeline = Pipeline::new(place, order, (model, event), runner, runtime, progress);
    pipeline.event.target = Some(pipeline.runner.name().to_owned());
    match pipeline.run() {
        Ok(()) => pipeline.succeed(),
        Err(fault) => pipeline.fail(&fault),
    }
}

/// Builds, and tests if that is wanted, without deploying; nothing is recorded but that the tests have passed.
///
/// # Errors
/// What went wrong.
pub fn rehearse(
    context: &Context,
    environment: &Environment,
    local: &Local,
    lock: &Lock,
    order: &Order,
    stages: Stages,
    progress: &dyn Progress,
) -> Result<Vec<Stage>, Fault> {
    let _held = lock;
    let (model, event) = first_event(context, environment, local, order)?;
    let (runner, runtime) = (Runner::new(environment, local)?, local.runtime()?);
    let place = (context, environment, local);
    let mut pipeline = Pipeline::new(place, order, (model, event), runner, runtime, progress);
    pipeline.is_rehearsal = true;
    let ended = pipeline.rehearsal(stages);
    let cleared = pipeline.clear_candidate();
    pipeline.runtime.deploying = None;
    pipeline.local.save(&pipeline.runtime)?;
    ended.and(cleared)?;
    Ok(pipeline.event.stages)
}

/// What cannot even be begun is recorded as well.
fn fail_early(record: &Record, local: &Local, mut event: Event, fault: &Fault) -> Result<Event, Fault> {
    if let Ok(mut log) = local.open_log(&event.deployment, Name::Build.as_str()) {
        // It stands in the record, too.
        let _ = writeln!(log, "not begun: {fault}");
    }
    event.state = fault.state();
    event.reason = Some(fault.to_string());
    record.append(&event)?;
    Ok(event)
}

impl<'p> Pipeline<'p> {
    fn new(
        (context, environment, local): (&'p Context, &'p Environment, &'p Local),
        order: &'p Order,
        (model, event): (Named, Event),
        runner: Runner<'p>,
        runtime: Runtime,
        progress: &'p dyn Progress,
    ) -> Self {
        let begun = Instant::now();
        Self {
            context,
            environment,
            local,
            order,
            progress,
            model,
            record: Record::of(&environment.name),
            runner,
            runtime,
            event,
            begun,
            log: Log { file: None, progress, is_verbose: order.is_verbose, begun },
            made: None,
            replaced: None,
            is_rehearsal: false,
        }
    }

    fn run(&mut self) -> Result<(), Fault> {
        self.check_front()?;
        let artifact = self.stage(Name::Build, |pipeline| pipeline.build())?;
        self.event.digest = Some(artifact.digest().to_owned());
        self.made = Some(artifact.clone());
        self.note_made(false);
        if let Artifact::Image { tag, .. } = &artifact {
            self.event.image = Some(tag.clone());
        }
        self.stage(Name::Test, |pipeline| pipeline.test(&artifact))?;
        self.stage(Name::Deploy, |pipeline| pipeline.switch(&artifact))?;
        self.stage(Name::Observe, |pipeline| pipeline.observe())
    }

    fn rehearsal(&mut self, stages: Stages) -> Result<(), Fault> {
        let artifact = self.stage(Name::Build, |pipeline| pipeline.build())?;
        self.made = Some(artifact.clone());
        self.note_made(false);
        if stages.has(Name::Test) {
            self.stage(Name::Test, |pipeline| pipeline.test(&artifact))?;
        }
        Ok(())
    }

    /// Runs a stage, with a log of its own, and notes how it came out.
    fn stage<T>(
        &mut self,
        name: Name,
        work: impl FnOnce(&mut Self) -> Result<(T, StageState), Fault>,
    ) -> Result<T, Fault> {
        let begun = Instant::now();
        self.log.begun = begun;
        self.log.file = self.local.open_log(&self.order.deployment, name.as_str()).ok();
        self.runtime.environment = Some(self.environment.clone());
        self.runtime.deploying = Some(Deploying {
            deployment: self.order.deployment.clone(),
            commit: self.event.commit.clone(),
            stage: name.as_str().to_owned(),
            process: Process::current()?,
            test: None,
        });
        self.local.save(&self.runtime)?;
        self.log.say(&format!("{} of {} {}", name.as_str(), self.event.model, self.event.version_or_commit()));
        let ended = work(self);
        let state = match &ended {
            Ok((_, state)) => *state,
            Err(fault) => {
                self.log.say(&format!("failed: {fault}"));
                StageState::Failure
            }
        };
        let seconds = round(begun.elapsed());
        if !self.is_rehearsal {
            self.tell_stage(name, state, seconds);
        }
        self.event.stages.push(Stage { stage: name.as_str().to_owned(), state, seconds });
        ended.map(|(value, _)| value)
    }

    fn tell_stage(&self, name: Name, state: StageState, seconds: f64) {
        let word = match state {
            StageState::Success => "done",
            StageState::Skipped => "nothing to do",
            StageState::Failure => "failed",
        };
        self.progress.note(&format!("{:<8} {word}, {seconds:.1} s", name.as_str()));
    }

    fn succeed(mut self) -> Result<Event, Fault> {
        self.event.state = State::Success;
        let serving = self.runtime.serving.as_ref().map(|serving| &serving.instance);
        if let Some(Err(fault)) = serving.map(|serving| self.runner.keep_running(serving)) {
            self.progress.warn(&format!("it will not be started again by itself: {fault}"));
        }
        self.note_made(true);
        let recorded = self.finish();
        // What made way may finish what it is doing now that the new version is known to be good.
        self.retire();
        recorded
    }

    fn note_made(&mut self, has_served: bool) {
        let Some(artifact) = self.made.clone() else { return };
        let (deployment, commit) = (self.order.deployment.clone(), self.event.commit.clone());
        self.runtime.note_made(Made { deployment, commit, artifact, has_served });
    }

    fn fail(mut self, fault: &Fault) -> Result<Event, Fault> {
        if self.event.stages.is_empty() {
            self.log.file = self.local.open_log(&self.order.deployment, Name::Build.as_str()).ok();
            self.log.say(&format!("not begun: {fault}"));
        }
        self.event.state = fault.state();
        self.event.reason = Some(fault.to_string());
        if let Err(error) = self.clear_candidate() {
            self.progress.warn(&format!("what was tested could not be ended: {error}"));
        }
        self.finish()
    }

    /// Records how it ended, and that what served before does not any more.
    fn finish(&mut self) -> Result<Event, Fault> {
        self.event.at = rfc3339(SystemTime::now());
        self.event.seconds = round(self.begun.elapsed());
        self.record.append(&self.event)?;
        if self.event.state == State::Success {
            let id = &self.event.deployment;
            super::recover::deactivate(&self.record, self.local, Some(id), &format!("{id} serves"))?;
        }
        self.runtime.deploying = None;
        self.local.save(&self.runtime)?;
        Ok(self.event.clone())
    }
}

/// Seconds, to the millisecond.
fn round(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}
