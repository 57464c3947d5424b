//! Observe: whether the new version stays healthy once clients use it; if not, back to the one before.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Fault, Pipeline};
use crate::deploy::health::{self, Health};
use crate::deploy::local::Running;
use crate::deploy::proxy::{Proxy, Route};
use crate::deploy::record::StageState;
use crate::deploy::runner::NotAlive;
use crate::metrics::policy::deploy::Strategy;

/// So often it is looked.
const LOOK: Duration = Duration::from_millis(250);
/// A single answer that does not come says little.
const FAILURES_MAX: u32 = 3;
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);

impl Pipeline<'_> {
    pub(super) fn observe(&mut self) -> Result<((), StageState), Fault> {
        let Some(serving) = self.runtime.serving.clone() else { return Ok(((), StageState::Skipped)) };
        match self.watch(&serving) {
            Ok(()) => Ok(((), StageState::Success)),
            Err(why) => {
                self.runner.save_log(&serving);
                let is_lost = matches!(self.runner.alive(&serving.instance), Err(NotAlive::Unknown(_)));
                let back = self.go_back(&serving)?;
                let reason = format!("it did not stay healthy: {why}; {back}");
                // Without its engine no version is well.
                Err(if is_lost { Fault::System(reason) } else { Fault::Model(reason) })
            }
        }
    }

    fn watch(&mut self, serving: &Running) -> Result<(), String> {
        let end = Instant::now() + self.environment.observe;
        let total = u64::try_from(self.environment.observe.as_millis()).unwrap_or(u64::MAX);
        self.progress.begin_steps(&format!("watching {}", serving.version), total);
        let watched = self.watch_until(end, serving);
        self.progress.end();
        watched
    }

    fn watch_until(&mut self, end: Instant, serving: &Running) -> Result<(), String> {
        let mut failures = 0;
        // The last word must be that it is well.
        while Instant::now() < end || failures > 0 {
            self.runner.not_ended(&serving.instance)?;
            match health::check(super::switch::reachable(serving.address), &serving.health, ANSWER) {
                Health::Ready => failures = 0,
                Health::NotReady(why) => {
                    failures += 1;
                    self.log.say(&format!("not healthy: {why}"));
                    if failures >= FAILURES_MAX {
                        return Err(why);
                    }
                }
            }
            sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
            self.progress.advance(u64::try_from(LOOK.as_millis()).unwrap_or_default());
        }
        self.log.say("stayed healthy");
        Ok(())
    }

    /// The version before serves again; what was done, for the record.
    fn go_back(&mut self, new: &Running) -> Result<String, Fault> {
        let old = match self.environment.strategy {
            Strategy::Proxy => self.runtime.retired.last().cloned(),
            Strategy::Recreate => None,
        };
        let Some(old) = old else {
            self.runtime.serving = None;
            self.runtime.candidate = Some(new.clone());
            self.local.save(&self.runtime)?;
            let Some(before) = self.replaced.clone() else {
                return Ok("there is no version before to go back to".into());
            };
            self.clear_candidate()?;
            self.start_again(&before)?;
            return Ok(format!("back to {}", before.version));
        };
        // Clients first: what cannot be written down must not keep them from what works.
        if let Some(proxy) = Proxy::find(self.local.dir()) {
            proxy.switch(&Route { deployment: old.deployment.to_string(), target: old.address })?;
        }
        self.runtime.retired.pop();
        self.runtime.candidate = Some(new.clone());
        self.runtime.serving = Some(old.clone());
        self.local.save(&self.runtime)?;
        let back = format!("back to {}", old.version);
        self.log.say(&back);
        Ok(back)
    }
}
