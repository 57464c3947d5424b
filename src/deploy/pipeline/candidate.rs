//! Test: a candidate on a port of its own, before any client sees it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Fault, Pipeline};
use crate::deploy::golden;
use crate::deploy::health;
use crate::deploy::local::{Artifact, Running};
use crate::deploy::process;
use crate::deploy::record::StageState;
use crate::deploy::runner::Launch;
use crate::deploy::smoke;
use crate::git::history::History;
use crate::id::ObjectId;
use crate::metrics::check::{self, Question, Scope};
use crate::metrics::report;
use crate::text::Style;
use crate::version::named;

/// As much is read of the end of what a candidate has said.
const TAIL: u64 = 4096;
/// Where golden inputs are looked for if nothing else is said.
const GOLDEN: &str = "golden.json";

impl Pipeline<'_> {
    pub(super) fn test(&mut self, artifact: &Artifact) -> Result<((), StageState), Fault> {
        let key = self.test_key(artifact)?;
        if self.runtime.tested.contains(&key) {
            self.log.say("the same has passed the same tests before");
            return Ok(((), StageState::Skipped));
        }
        if self.order.rollback_to.is_none() {
            self.gates()?;
        }
        let running = self.start_candidate(artifact, None)?;
        self.golden(running.address)?;
        self.smoke(running.address)?;
        self.runtime.remember(key);
        self.local.save(&self.runtime)?;
        Ok(((), StageState::Success))
    }

    /// What is tested, and by what.
    fn test_key(&self, artifact: &Artifact) -> Result<String, Fault> {
        let policy = self.blob(crate::metrics::policy::FILE)?;
        let golden = self.blob(self.golden_path())?;
        let key = serde_json::json!([artifact.digest(), self.event.commit, self.environment, policy, golden]);
        Ok(ObjectId::of(key.to_string().as_bytes()).to_string())
    }

    fn blob(&self, path: &str) -> Result<Option<String>, Fault> {
        let blob = History::new(&self.context.repo)?.blob_at(self.order.commit, path.as_bytes())?;
        Ok(blob.map(|blob| blob.to_string()))
    }

    fn golden_path(&self) -> &str {
        self.environment.golden.as_deref().unwrap_or(GOLDEN)
    }

    /// The gates of the version: they may have been passed over when it was committed.
    fn gates(&mut self) -> Result<(), Fault> {
        let version = named::version_of(self.order.commit);
        let Some(policy) = check::policy(&self.context.repo, &version)? else { return Ok(()) };
        let policy = policy.only(&self.environment.model);
        let question = Question { version: &version, policy: Some(&policy), base: None, scope: Scope::All, tags: &[] };
        let changed = version.changed(&self.context.repo)?;
        let verdicts = check::check(&self.context.repo, &question, &changed)?;
        if verdicts.verdicts.is_empty() {
            return Ok(());
        }
        report::text(&verdicts, &Style::PLAIN).lines().for_each(|line| self.log.say(line));
        if verdicts.outcome().stops() {
            let summary = report::summary(&verdicts);
            return Err(Fault::Model(format!("gates: {summary}; `git model check {}` shows them", self.event.short())));
        }
        Ok(())
    }

    /// Starts a version and waits until it is ready. Where it fails, what it has written is kept.
    pub(super) fn start_candidate(
        &mut self,
        artifact: &Artifact,
        address: Option<SocketAddr>,
    ) -> Result<Running, Fault> {
        let version = self.event.version_or_commit().to_owned();
        let launch =
            Launch { deployment: &self.order.deployment, artifact, model: &self.model, version: &version, address };
        let (instance, address) = self.runner.start(&launch)?;
        let running = Running {
            deployment: self.order.deployment.clone(),
            commit: self.event.commit.clone(),
            version,
            artifact: artifact.clone(),
            instance,
            address,
            health: self.environment.health.clone(),
        };
        self.runtime.candidate = Some(running.clone());
        self.local.save(&self.runtime)?;
        self.log.say(&format!("candidate at {address}"));
        match self.wait_ready(&running) {
            Ok(took) => {
                self.runtime.ready_seconds = Some(took.as_secs_f64());
                self.log.say(&format!("ready after {:.2} s", took.as_secs_f64()));
                Ok(running)
            }
            Err(why) => {
                self.runner.save_log(&running);
                let log = self.local.logs(&self.order.deployment).join("run.log");
                let said = process::tail(&log, TAIL).unwrap_or_default();
                let said = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
                let log = log.display();
                Err(Fault::Model(format!("the candidate did not get ready: {why}; it said: {said} (`{log}`)")))
            }
        }
    }

    pub(super) fn wait_ready(&self, running: &Running) -> Result<Duration, String> {
        let begun = Instant::now();
        let (shown, total) = (Cell::new(0), self.environment.ready_timeout.as_millis());
        self.progress.begin_steps("waiting until it is ready", u64::try_from(total).unwrap_or(u64::MAX));
        let is_alive = || {
            let now = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.progress.advance(now - shown.replace(now));
            self.runner.not_ended(&running.instance)
        };
        let address = super::switch::reachable(running.address);
        let ready = health::wait_ready(address, &running.health, self.environment.ready_timeout, &is_alive);
        self.progress.end();
        ready
    }

    /// Inputs whose outputs are known.
    fn golden(&mut self, address: SocketAddr) -> Result<(), Fault> {
        let path = self.golden_path().to_owned();
        let blob = History::new(&self.context.repo)?.blob_at(self.order.commit, path.as_bytes())?;
        let Some(blob) = blob else {
            return match &self.environment.golden {
                None => Ok(()),
                Some(path) => Err(Fault::Model(format!("`golden` names `{path}`, which the commit has not"))),
            };
        };
        if self.environment.dockerfile.is_some() && self.environment.golden.is_none() {
            // Who knows which protocol that image speaks.
            return Ok(());
        }
        let text = self.context.repo.blob(blob)?;
        let cases = golden::parse(&text).map_err(|why| Fault::Model(format!("`{path}`: {why}")))?;
        for (number, case) in cases.iter().enumerate() {
            golden::replay(address, &self.environment.model, case)
                .map_err(|why| Fault::Model(format!("`{path}`, case {}: {why}", number + 1)))?;
        }
        self.log.say(&format!("{} answered as in `{path}`", crate::progress::count(cases.len() as u64, "request")));
        Ok(())
    }

    /// The user's own test.
    fn smoke(&mut self, address: SocketAddr) -> Result<(), Fault> {
        if self.environment.test.is_empty() {
            return Ok(());
        }
        self.log.say(&format!("running `{}`", self.environment.test.join(" ")));
        let log = self.local.open_log(&self.order.deployment, "test")?;
        let variables = [
            ("GIT_MODEL_URL", format!("http://{address}")),
            ("GIT_MODEL_ENVIRONMENT", self.environment.name.clone()),
            ("GIT_MODEL_MODEL", self.environment.model.clone()),
            ("GIT_MODEL_VERSION", self.event.version_or_commit().to_owned()),
            ("GIT_MODEL_COMMIT", self.event.commit.clone()),
        ];
        let (local, runtime) = (self.local, &mut self.runtime);
        let mut begun = |process| {
            if let Some(deploying) = &mut runtime.deploying {
                deploying.test = Some(process);
            }
            // Who comes after us if we are killed ends it.
            let _ = local.save(runtime);
        };
        smoke::run(local.dir(), self.order.commit, &self.environment.test, &variables, &log, &mut begun)?;
        self.log.say("passed");
        Ok(())
    }

    /// Ends what was only to be tested.
    pub(super) fn clear_candidate(&mut self) -> Result<(), Fault> {
        let Some(candidate) = self.runtime.candidate.take() else { return Ok(()) };
        let stopped = self.runner.stop(&candidate, Duration::ZERO);
        if stopped.is_err() {
            self.runtime.retired.push(candidate);
        }
        self.local.save(&self.runtime)?;
        stopped
    }
}
