//! One message of the record. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a deployment: eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct DeploymentId(String);

impl TryFrom<String> for DeploymentId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` names no deployment"))
    }
}

impl DeploymentId {
    /// The one that a random number makes.
    pub fn from_random(random: u32) -> Self {
        Self(format!("{random:08x}"))
    }

    /// The one that is written so.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        is_hex.then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeploymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How it is with a deployment. The words are those of GitHub's deployment statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It waits for another one.
    Queued,
    /// It is being built, tested or switched to.
    InProgress,
    /// It serves.
    Success,
    /// The model is not good enough: it does not build, start, answer or pass its tests.
    Failure,
    /// The engine, the disk or the machine has failed.
    Error,
    /// Another one has taken its place, or it was stopped.
    Inactive,
}

impl State {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Inactive => "inactive",
        }
    }

    /// Nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }
}

/// How a stage came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// It did what it should.
    Success,
    /// There was nothing to do: it has been done for the same inputs.
    Skipped,
    /// It failed.
    Failure,
}

/// A stage that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// `build`, `test`, `deploy` or `observe`.
    pub stage: String,
    /// How it came out.
    pub state: StageState,
    /// How long it took.
    pub seconds: f64,
}

/// That a deployment has come into a state, and what was known of it then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The deployment.
    pub deployment: DeploymentId,
    /// Its state from now on.
    pub state: State,
    /// Where it goes.
    pub environment: String,
    /// The model.
    pub model: String,
    /// The version, if the commit has a tag of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commit.
    pub commit: String,
    /// Who has asked for it: `Name <address>`.
    pub by: String,
    /// Why: the name of a hook, `manual`, `rollback`.
    pub trigger: String,
    /// The deployment that this one goes back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<DeploymentId>,
    /// The machine it was made on.
    pub host: String,
    /// The clone it was made in, which knows more about it than the record: see [`crate::deploy::local`].
    pub clone: String,
    /// What runs it: `docker` or `process`; not known before it is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The image's name and tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The image's digest, or that of the released files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The stages that have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// Why it failed or is not active any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, by the clock of that machine, as RFC 3339 has it.
    pub at: String,
    /// How long the deployment has taken so far.
    pub seconds: f64,
}

impl Event {
    /// The message: a line for people, then JSON.
    pub fn message(&self) -> String {
        let what = self.version.as_deref().unwrap_or_else(|| self.short());
        let line = format!("{}: {} {what} to {}", self.state.name(), self.model, self.environment);
        // Plain structures of text and numbers always serialize.
        format!("{line}\n\n{}\n", serde_json::to_string_pretty(self).unwrap_or_default())
    }

    /// What a message says; `None` if it says something else. It may come from anywhere: a digest that is none is not taken, and
    /// what terminals would obey is not kept.
    pub fn parse(message: &str) -> Option<Self> {
        let (_, json) = message.split_once("\n\n")?;
        let mut event: Self = serde_json::from_str(json).ok()?;
        if event.digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            return None;
        }
        let texts = [&mut event.environment, &mut event.model, &mut event.commit, &mut event.by, &mut event.trigger];
        let more = [&mut event.host, &mut event.clone, &mut event.at];
        let some = [&mut event.version, &mut event.target, &mut event.image, &mut event.reason];
        let stages = event.stages.iter_mut().map(|stage| &mut stage.stage);
        for text in texts.into_iter().chain(more).chain(some.into_iter().flatten()).chain(stages) {
            *text = text.replace(|c: char| c.is_control() && c != '\n', "?");
        }
        Some(event)
    }

    /// The commit, short.
    pub fn short(&self) -> &str {
        const DIGITS: usize = 10;
        self.commit.get(..DIGITS).unwrap_or(&self.commit)
    }

    /// The version, else the commit.
    pub fn version_or_commit(&self) -> &str {
        self.version.as_deref().unwrap_or_else(|| self.short())
    }
}

/// The SHA-256 of an image or a release.
fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// A deployment: what all messages about it say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Deployment {
    /// When it was first heard of.
    pub created: String,
    /// It has served.
    pub was_active: bool,
    /// The last message about it.
    #[serde(flatten)]
    pub last: Event,
}

impl Deployment {
    /// How it is.
    pub const fn state(&self) -> State {
        self.last.state
    }
}

/// Messages in the order of the chain to deployments in the order in which they were first heard of.
pub fn deployments(events: impl IntoIterator<Item = Event>) -> Vec<Deployment> {
    let mut all: Vec<Deployment> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for event in events {
        let is_active = event.state == State::Success;
        match places.get(&event.deployment) {
            None => {
                places.insert(event.deployment.clone(), all.len());
                all.push(Deployment { created: event.at.clone(), was_active: is_active, last: event });
            }
            Some(&place) => {
                let known: &mut Deployment = &mut all[place];
                known.was_active |= is_active;
                known.last = event;
            }
        }
    }
    all
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub fn event(id: u32, state: State, commit: &str) -> Event {
        Event {
            deployment: DeploymentId::from_random(id),
            state,
            environment: "prod".into(),
            model: "house".into(),
            version: None,
            commit: commit.into(),
            by: "A <a@example.org>".into(),
            trigger: "manual".into(),
            rollback_to: None,
            host: "h".into(),
            clone: "c".into(),
            target: None,
            image: None,
            digest: None,
            stages: Vec::new(),
            reason: None,
            at: "2026-01-02T03:04:05Z".into(),
            seconds: 0.0,
        }
    }

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut event = event(7, State::Failure, "0123456789abcdef");
        event.reason = Some("line one\n\nline two \"quoted\"".into());
        event.stages.push(Stage { stage: "build".into(), state: StageState::Skipped, seconds: 0.25 });
        let message = event.message();
        assert!(message.starts_with("failure: house 0123456789 to prod\n\n{"), "{message}");
        assert_eq!(Event::parse(&message), Some(event));
        assert_eq!(Event::parse("deployments to prod\n"), None);
        assert_eq!(Event::parse("a\n\n{\"state\": \"paused\"}\n"), None);
    }

    #[test]
    fn a_forged_message_does_no_harm() {
        let with = |key: &str, value: &str| {
            let mut json = serde_json::to_value(event(7, State::Failure, "0123456789abcdef")).expect("JSON");
            json[key] = value.into();
            Event::parse(&format!("x\n\n{json}"))
        };
        for (key, value) in [
            ("digest", "/home"),
            ("digest", ""),
            ("digest", "sha256:../.."),
            ("deployment", "../../x"),
            ("deployment", "/etc"),
        ] {
            assert_eq!(with(key, value), None, "{key} {value}");
        }
        let reason = with("reason", "one\u{1b}[2Jtwo\nthree").and_then(|event| event.reason);
        assert_eq!(reason.as_deref(), Some("one?[2Jtwo\nthree"));
        assert!(
            with("digest", &"a1".repeat(32)).is_some()
                && with("digest", &format!("sha256:{}", "0".repeat(64))).is_some()
        );
    }

    #[test]
    fn the_last_message_counts() {
        let events = [
            event(1, State::InProgress, "a"),
            event(1, State::Success, "a"),
            event(2, State::InProgress, "b"),
            event(1, State::Inactive, "a"),
        ];
        let all = deployments(events);
        let states: Vec<_> = all.iter().map(|deployment| (deployment.state(), deployment.was_active)).collect();
        assert_eq!(states, [(State::Inactive, true), (State::InProgress, false)]);
    }

    #[test]
    fn ids_are_eight_digits() {
        assert_eq!(DeploymentId::from_random(255).as_str(), "000000ff");
        assert!(DeploymentId::parse("000000ff").is_some());
        for wrong in ["", "000000f", "000000FF", "00000/ff", "000000fff"] {
            assert!(DeploymentId::parse(wrong).is_none());
        }
    }
}
