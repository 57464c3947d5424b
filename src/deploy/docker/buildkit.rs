//! A Dockerfile to an image, by BuildKit through the `docker` command.
//!
//! BuildKit asks its client for files and passwords while it builds, over a protocol of its own. Speaking it would take some
//! forty more libraries, TLS among them; the `docker` command has all of that, and knows the user's registries. Where there
//! is no such command, or it cannot, the engine's classic builder does the work. `DOCKER_BUILDKIT=0` asks for that one, as it
//! does elsewhere.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};

use super::build::Output;
use super::{Engine, EngineError, SILENCE, Watch};

/// The variable that says whether to use BuildKit.
const VARIABLE: &str = "DOCKER_BUILDKIT";
/// From this version on the command has no BuildKit without its component `buildx`; from the first one on it has any.
const VERSIONS_BUILT_IN: std::ops::Range<u32> = 18..23;

/// How to have BuildKit build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// With the component of the command that does so.
    Buildx,
    /// With the command itself.
    BuiltIn,
}

/// The client there is, if the user wants one.
pub fn client() -> Option<Client> {
    if std::env::var(VARIABLE).is_ok_and(|value| value == "0") {
        return None;
    }
    if said(&["buildx", "version"]).is_some() {
        return Some(Client::Buildx);
    }
    is_built_in(&said(&["--version"])?).then_some(Client::BuiltIn)
}

/// What `docker` prints, if it is there and succeeds.
fn said(args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Of `Docker version 20.10.24, build 297e128`.
fn is_built_in(version: &str) -> bool {
    let number = version.strip_prefix("Docker version ").and_then(|rest| rest.split('.').next());
    number.and_then(|number| number.parse().ok()).is_some_and(|number: u32| VERSIONS_BUILT_IN.contains(&number))
}

impl Engine {
    /// Builds with BuildKit.
    pub(super) fn build_with(
        &self,
        client: Client,
        write_context: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        dockerfile: &str,
        tag: &str,
        labels: &BTreeMap<String, String>,
        output: &mut Output<'_>,
    ) -> Result<(), EngineError> {
        let mut command = Command::new("docker");
        // The engine is this one, whatever the environment says.
        command.args(["-H", &self.place]).env_remove("DOCKER_CONTEXT");
        match client {
            Client::Buildx => command.args(["buildx", "build", "--builder", "default", "--load"]),
            Client::BuiltIn => command.arg("build").env(VARIABLE, "1"),
        };
        command.args(["--progress", "plain", "--tag", tag, "--file", dockerfile]);
        command.args(labels.iter().flat_map(|(name, value)| ["--label".to_owned(), format!("{name}={value}")]));
        command.arg("-").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let failed = |error: io::Error| EngineError::Refused(format!("`docker` cannot be started: {error}"));
        let mut process = Process(command.spawn().map_err(failed)?);
        let (sender, words) = channel();
        if let Some(talk) = process.0.stderr.take() {
            std::thread::spawn(move || read(talk, &sender));
        }
        let mut input = Input { process: process.0.stdin.take(), words, output, failure: None };
        let written = write_context(&mut input).map_err(EngineError::from);
        if let Some(failure) = input.failure.take() {
            return Err(failure);
        }
        // Closed, the context is whole; so it must not be if it is not.
        if let Err(error) = written
            && !is_broken_pipe(&error)
        {
            drop(process);
            return Err(error);
        }
        input.process = None;
        let Input { words, output, .. } = input;
        self.listen(&words, output)?;
        let status = process.0.wait().map_err(failed)?;
        if status.success() { Ok(()) } else { Err(output.failed_with(&status.to_string())) }
    }

    /// Takes in all that the command says until it has ended.
    fn listen(&self, words: &Receiver<String>, output: &mut Output<'_>) -> Result<(), EngineError> {
        let watch = Watch::new(false);
        loop {
            match words.recv_timeout(SILENCE) {
                Ok(word) => {
                    watch.touch();
                    output.say(&word)?;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => self.runtime.block_on(self.assert_alive(&watch))?,
            }
        }
    }
}

/// The command; one that is not waited for is ended.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn read(talk: impl io::Read, words: &Sender<String>) {
    let mut talk = BufReader::new(talk);
    let mut line = Vec::new();
    while talk.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        if words.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
            return;
        }
        line.clear();
    }
}

fn is_broken_pipe(error: &EngineError) -> bool {
    let EngineError::Image(crate::deploy::image::ImageError::Write(error)) = error else { return false };
    error.kind() == io::ErrorKind::BrokenPipe
}

/// The command's input; what it says meanwhile is passed on.
struct Input<'a, 'o> {
    process: Option<ChildStdin>,
    words: Receiver<String>,
    output: &'a mut Output<'o>,
    failure: Option<EngineError>,
}

impl Write for Input<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while let Ok(word) = self.words.try_recv() {
            if let Err(error) = self.output.say(&word) {
                self.failure = Some(error);
                return Err(io::Error::other("the log cannot be written"));
            }
        }
        match &mut self.process {
            Some(process) => process.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.process.as_mut().map_or(Ok(()), Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_commands_have_it_themselves() {
        for (version, expected) in [
            ("Docker version 20.10.24+dfsg1, build 297e128", true),
            ("Docker version 28.2.2, build e6534b4", false),
            ("Docker version 17.05.0-ce, build x", false),
            ("podman version 4.3.1", false),
            ("", false),
        ] {
            assert_eq!(is_built_in(version), expected, "{version}");
        }
    }
}
