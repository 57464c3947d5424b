//! Containers: started, looked at, ended.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerSummaryStateEnum, ContainerUpdateBody, HostConfig, PortBinding, RestartPolicy,
    RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};

use super::{CALL, Engine, EngineError, Failure, Watch};

/// A container to be started.
#[derive(Debug, Clone, Copy)]
pub struct Run<'r> {
    /// The image, by its name or digest.
    pub image: &'r str,
    /// The container's name.
    pub name: &'r str,
    /// The address of this machine at which it is reached.
    pub publish: SocketAddr,
    /// The port on which it listens inside.
    pub container_port: u16,
    /// Variables of its environment.
    pub env: &'r [(String, String)],
    /// By which it is found again.
    pub labels: &'r BTreeMap<String, String>,
}

/// How it stands with a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Whether it runs.
    pub is_running: bool,
    /// With what it ended, if it has ended.
    pub exit_code: Option<i64>,
    /// Whether it was ended for want of memory.
    pub oom_killed: bool,
    /// The image it is made of.
    pub image: String,
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's name for it.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it runs.
    pub is_running: bool,
}

impl Engine {
    /// Makes a container and starts it; returns the engine's name for it. One that does not start is removed again.
    ///
    /// # Errors
    /// No such image, a name or a port that is taken, a program that cannot be started.
    pub fn start(&self, run: &Run<'_>) -> Result<String, EngineError> {
        let options = CreateContainerOptionsBuilder::new().name(run.name).build();
        let id = self.call(self.docker.create_container(Some(options), created(run)))?.id;
        self.call(self.docker.start_container(&id, None)).map_err(|failure| {
            // What was not started is of no use, and its failure is not what has to be told.
            let _ = self.remove(&id);
            start_error(failure.error, run.publish)
        })?;
        Ok(id)
    }

    /// How it stands with a container; `None` if it has gone.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn state(&self, container: &str) -> Result<Option<State>, EngineError> {
        let Some(found) = self.optional(self.docker.inspect_container(container, None))? else { return Ok(None) };
        let state = found.state.unwrap_or_default();
        let is_running = state.running == Some(true) && state.restarting != Some(true);
        Ok(Some(State {
            is_running,
            exit_code: state.exit_code.filter(|_| !is_running),
            oom_killed: state.oom_killed == Some(true),
            image: found.image.unwrap_or_default(),
        }))
    }

    /// Writes what a container has printed: all or the last `tail` lines; and goes on until it ends if `follow` is set.
    ///
    /// # Errors
    /// No such container, an engine that does not answer, a log that cannot be written.
    pub fn logs(
        &self,
        container: &str,
        follow: bool,
        tail: Option<usize>,
        out: &mut dyn Write,
    ) -> Result<(), EngineError> {
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(follow).tail(&tail).build();
        let docker = self.patient();
        self.runtime.block_on(async {
            let mut answer = Box::pin(docker.logs(container, Some(options)));
            // A server that nobody asks anything has nothing to say.
            let watch = Watch::new(follow);
            while let Some(piece) = self.next(&mut answer, &watch).await? {
                out.write_all(&piece.into_bytes()).and_then(|()| out.flush()).map_err(EngineError::Log)?;
            }
            Ok(())
        })
    }

    /// From now on the engine starts the container again when it has ended by itself, or when the machine was started again.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn keep_running(&self, container: &str) -> Result<(), EngineError> {
        let name = RestartPolicyNameEnum::UNLESS_STOPPED;
        let restart_policy = Some(RestartPolicy { name: Some(name), maximum_retry_count: None });
        let update = ContainerUpdateBody { restart_policy, ..Default::default() };
        gone_is_fine(self.call(self.docker.update_container(container, update)))
    }

    /// Sends a signal, such as `SIGTERM`. A container that has ended or gone is fine.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn signal(&self, container: &str, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        gone_is_fine(self.call(self.docker.kill_container(container, Some(options))))
    }

    /// Asks a container to end, and ends it after `grace`. One that has ended or gone is fine.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn stop(&self, container: &str, grace: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let limit = grace.saturating_add(CALL);
        let docker = self.docker.clone().with_timeout(limit);
        gone_is_fine(self.call_within(limit, docker.stop_container(container, Some(options))))
    }

    /// Removes a container, running or not. One that has gone is fine.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn remove(&self, container: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        gone_is_fine(self.call(self.docker.remove_container(container, Some(options))))
    }

    /// All containers with a label, `key=value`, whether they run or not.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub fn containers(&self, label: &str) -> Result<Vec<Container>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let found = self.call(self.docker.list_containers(Some(options)))?;
        let container = |summary: bollard::models::ContainerSummary| Container {
            id: summary.id.unwrap_or_default(),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            is_running: summary.state == Some(ContainerSummaryStateEnum::RUNNING),
        };
        Ok(found.into_iter().map(container).collect())
    }
}

fn created(run: &Run<'_>) -> ContainerCreateBody {
    let port = format!("{}/tcp", run.container_port);
    let binding =
        PortBinding { host_ip: Some(run.publish.ip().to_string()), host_port: Some(run.publish.port().to_string()) };
    ContainerCreateBody {
        image: Some(run.image.to_owned()),
        env: Some(run.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(run.labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect()),
        exposed_ports: Some(vec![port.clone()]),
        host_config: Some(HostConfig {
            port_bindings: Some(HashMap::from([(port, Some(vec![binding]))])),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Engines tell by their words alone that a port is taken.
fn start_error(error: EngineError, address: SocketAddr) -> EngineError {
    const TAKEN: [&str; 3] = ["port is already allocated", "address already in use", "ports are not available"];
    match error {
        EngineError::Refused(why) if TAKEN.iter().any(|words| why.to_lowercase().contains(words)) => {
            EngineError::PortTaken { address, why }
        }
        error => error,
    }
}

/// 404: there is none. 409: it does not run, or is being removed.
fn gone_is_fine(answer: Result<(), Failure>) -> Result<(), EngineError> {
    match answer {
        Ok(()) | Err(Failure { status: Some(404 | 409), .. }) => Ok(()),
        Err(failure) => Err(failure.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_apart() {
        let address: SocketAddr = "127.0.0.1:8080".parse().expect("an address");
        for (why, is_taken) in [
            ("Bind for 127.0.0.1:8080 failed: port is already allocated", true),
            ("listen tcp4 127.0.0.1:8080: bind: address already in use", true),
            ("rootlessport listen tcp 127.0.0.1:8080: bind: Address already in use", true),
            ("exec: \"/git-model\": no such file or directory", false),
        ] {
            let error = start_error(EngineError::Refused(why.to_owned()), address);
            assert_eq!(matches!(error, EngineError::PortTaken { .. }), is_taken, "{error}");
        }
    }
}
