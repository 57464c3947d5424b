//! Deploy: clients from the old version to the new one.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Instant;

use super::{Fault, Pipeline};
use crate::deploy::local::{Artifact, Running};
use crate::deploy::process;
use crate::deploy::proxy::{Proxy, Route};
use crate::deploy::record::StageState;
use crate::deploy::runner::Launch;
use crate::deploy::{recover, retire};
use crate::metrics::policy::deploy::Strategy;
use crate::version::named;

/// Where one reaches what listens on an address that stands for all.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

impl Pipeline<'_> {
    /// Where clients come to.
    fn front(&self) -> SocketAddr {
        recover::front(self.environment)
    }

    /// That the port is ours or free, before anything is built for it.
    pub(super) fn check_front(&self) -> Result<(), Fault> {
        let front = self.front();
        let is_there = |serving: &Running| self.runner.not_ended(&serving.instance).is_ok();
        let is_ours =
            self.runtime.serving.as_ref().is_some_and(|serving| serving.address == front && is_there(serving));
        if is_ours || Proxy::find(self.local.dir()).is_some() {
            return Ok(());
        }
        match TcpListener::bind(front) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                let by = process::listener(front.port()).map_or_else(String::new, |by| format!(" by {by}"));
                Err(Fault::PortTaken(format!("port {} is taken{by}", front.port())))
            }
            // What else is wrong with it is told when it is used.
            _ => Ok(()),
        }
    }

    pub(super) fn switch(&mut self, artifact: &Artifact) -> Result<((), StageState), Fault> {
        match self.environment.strategy {
            Strategy::Proxy => self.switch_proxy(artifact)?,
            Strategy::Recreate => self.recreate(artifact)?,
        }
        Ok(((), StageState::Success))
    }

    fn switch_proxy(&mut self, artifact: &Artifact) -> Result<(), Fault> {
        let candidate = match self.runtime.candidate.clone() {
            Some(running) => running,
            None => self.start_candidate(artifact, None)?,
        };
        self.free_front()?;
        let proxy = match Proxy::ensure(self.local.dir(), self.front(), self.runner.program()) {
            Ok(proxy) => proxy,
            Err(error) => {
                if let Some(before) = self.replaced.clone() {
                    self.start_again(&before)?;
                }
                return Err(error.into());
            }
        };
        let old = self.runtime.serving.take().filter(|old| Some(old) != self.replaced.as_ref());
        self.runtime.retired.extend(old.clone());
        self.runtime.serving = Some(candidate.clone());
        self.runtime.candidate = None;
        let route = Route { deployment: candidate.deployment.to_string(), target: candidate.address };
        let switched = self.local.save(&self.runtime).map_err(Fault::from).and_then(|()| Ok(proxy.switch(&route)?));
        if let Err(fault) = switched {
            let leads_there = |proxy: &Proxy| proxy.status().is_ok_and(|status| status.route.as_ref() == Some(&route));
            let back = old.as_ref().map(|old| Route { deployment: old.deployment.to_string(), target: old.address });
            if back.is_none_or(|back| proxy.switch(&back).is_err()) && leads_there(&proxy) {
                // It has switched, and was only late to say so.
                return Ok(());
            }
            self.runtime.retired.retain(|running| Some(running) != old.as_ref());
            self.runtime.serving = old;
            self.runtime.candidate = Some(candidate);
            return Err(fault);
        }
        self.log.say(&format!("{} now leads to {}", self.front(), candidate.address));
        Ok(())
    }

    /// What was started with the strategy `recreate` has the port that the proxy needs.
    fn free_front(&mut self) -> Result<(), Fault> {
        let front = self.front();
        let Some(serving) = self.runtime.serving.clone().filter(|serving| serving.address == front) else {
            return Ok(());
        };
        self.log.say("the version that serves has the port itself, and must end first");
        self.runner.stop(&serving, self.environment.drain_timeout)?;
        self.replaced = Some(serving);
        Ok(())
    }

    fn recreate(&mut self, artifact: &Artifact) -> Result<(), Fault> {
        self.clear_candidate()?;
        let seconds = self.runtime.ready_seconds.unwrap_or_default();
        let old = self.runtime.serving.clone();
        if old.is_some() {
            let notice = format!(
                "once {} has answered what it was asked, {} will be down for about {:.1} s",
                old.as_ref().map_or("", |old| &old.version),
                self.front(),
                seconds + 0.1
            );
            self.log.say(&notice);
            self.progress.note(&notice);
        }
        if let Some(proxy) = Proxy::find(self.local.dir()) {
            proxy.stop()?;
        }
        if let Some(old) = &old {
            // Whoever comes after us when we are killed here starts it again.
            self.runner.stop(old, self.environment.drain_timeout)?;
            self.replaced = Some(old.clone());
        }
        // Until now the old one has answered what it was asked.
        let begun = Instant::now();
        match self.start_candidate(artifact, Some(self.front())) {
            Ok(running) => {
                self.runtime.serving = Some(running);
                self.runtime.candidate = None;
                self.local.save(&self.runtime)?;
                let notice = format!("{} was down for {:.2} s", self.front(), begun.elapsed().as_secs_f64());
                self.log.say(&notice);
                if old.is_some() {
                    self.progress.note(&notice);
                }
                Ok(())
            }
            Err(fault) => {
                self.clear_candidate()?;
                if let Some(old) = old {
                    self.start_again(&old)?;
                    self.log.say(&format!("{} serves again", old.version));
                }
                Err(fault)
            }
        }
    }

    /// The version before, where clients look for it.
    pub(super) fn start_again(&mut self, old: &Running) -> Result<(), Fault> {
        let commit = old.commit.parse()?;
        let models = named::models(&self.context.repo, commit)?;
        let model = models.into_iter().find(|model| model.name == self.environment.model);
        let model = model.unwrap_or_else(|| self.model.clone());
        // Where it was, a proxy may listen by now.
        if let Some(proxy) = Proxy::find(self.local.dir()) {
            proxy.stop()?;
        }
        let launch = Launch {
            deployment: &old.deployment,
            artifact: &old.artifact,
            model: &model,
            version: &old.version,
            address: Some(self.front()),
        };
        let (instance, address) = self.runner.start(&launch)?;
        let running = Running { instance, address, ..old.clone() };
        self.runtime.serving = Some(running.clone());
        self.local.save(&self.runtime)?;
        let ready = self.wait_ready(&running);
        self.runner.keep_running(&running.instance)?;
        ready.map(drop).map_err(|why| Fault::System(format!("{} could not be started again: {why}", old.version)))
    }

    /// Ends what has made way: it may finish what it is doing. What cannot be ended is tried again by whoever comes next.
    pub(super) fn retire(&mut self) {
        for old in std::mem::take(&mut self.runtime.retired) {
            let kept = old.clone();
            match retire::end(self.environment, self.local, &self.runner, &old) {
                Ok(cut) => {
                    if cut > 0 {
                        self.log.say(&format!("{cut} connections to {} are cut", old.version));
                    }
                    self.log.say(&format!("{} has ended", old.version));
                }
                Err(fault) => {
                    self.progress.warn(&format!("{} could not be ended: {fault}", old.version));
                    self.runtime.retired.push(kept);
                }
            }
        }
        if let Err(error) = self.local.save(&self.runtime) {
            self.progress.warn(&format!("what runs could not be written down: {error}"));
        }
    }
}
