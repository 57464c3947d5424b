//! `[deploy.NAME]`: where a model runs, and how it gets there. Pure.

use core::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml_edit::{Item, Table};

use super::keys::{Keys, nearest};
use super::{Policy, read};
use crate::params::load::LoadError;

const DEPLOY: [&str; 16] = [
    "model",
    "branch",
    "target",
    "image",
    "dockerfile",
    "address",
    "port",
    "container_port",
    "health",
    "test",
    "golden",
    "strategy",
    "ready_timeout",
    "drain_timeout",
    "observe",
    "keep",
];
/// Where the built-in server listens in its container.
const SERVING_PORT: u16 = 8080;
/// A longer time is a typing error.
const SECONDS_MAX: f64 = 86_400.0;

/// An environment: a place where one version of a model runs.
///
/// What it says, as JSON, is what `git model trust` allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Its name.
    pub name: String,
    /// The model that runs there.
    pub model: String,
    /// The branch whose tip runs there.
    pub branch: String,
    /// What runs it.
    pub target: Target,
    /// The image's name, without a tag.
    pub image: String,
    /// The Dockerfile, from the top; the built-in image if there is none.
    pub dockerfile: Option<String>,
    /// Where clients find it.
    pub address: IpAddr,
    /// Where clients find it.
    pub port: u16,
    /// Where it listens in its container.
    pub container_port: u16,
    /// The path that answers with 2xx once it is ready.
    pub health: String,
    /// A command that tests a candidate, word by word; none if empty.
    pub test: Vec<String>,
    /// Requests with their answers, from the top.
    pub golden: Option<String>,
    /// How one version makes way for the next.
    pub strategy: Strategy,
    /// How long a candidate may take to get ready.
    pub ready_timeout: Duration,
    /// How long the old version may take to finish what it is doing.
    pub drain_timeout: Duration,
    /// How long the new version is watched.
    pub observe: Duration,
    /// How many versions are kept to go back to.
    pub keep: usize,
}

/// What runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// A container engine.
    Docker,
    /// This machine.
    Process,
    /// An engine if one answers.
    Auto,
}

/// How one version makes way for the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// A proxy stands before both.
    Proxy,
    /// The old one stops, then the new one starts.
    Recreate,
}

/// All environments below `[deploy]`.
pub(super) fn environments(text: &str, item: &Item, policy: &Policy) -> Result<Vec<Environment>, LoadError> {
    let lost = || LoadError { line: None, why: "`deploy` must be written `[deploy.NAME]`".into() };
    let table = item.as_table().ok_or_else(lost)?;
    table.iter().map(|(name, item)| environment(text, table, name, item, policy)).collect()
}

fn environment(
    text: &str,
    environments: &Table,
    name: &str,
    item: &Item,
    policy: &Policy,
) -> Result<Environment, LoadError> {
    let place = format!("[deploy.{name}]");
    let Some(table) = item.as_table() else {
        let all = Keys { text, table: environments, place: "[deploy]" };
        return Err(all.wrong(name, "a table, written `[deploy.NAME]`"));
    };
    let keys = Keys { text, table, place: &place };
    if !is_name(name) {
        let why = format!("`{name}` is no name of an environment: letters, digits, `-` and `_` only");
        return Err(keys.error(table.span(), why));
    }
    keys.only(&DEPLOY)?;
    let model = model(&keys, policy)?;
    let dockerfile = read::path(&keys, "dockerfile")?;
    let target =
        keys.word("target", &[("docker", Target::Docker), ("process", Target::Process), ("auto", Target::Auto)])?;
    let target = target.unwrap_or(Target::Auto);
    if target == Target::Process && dockerfile.is_some() {
        return Err(keys.wrong("dockerfile", "left out with `target = \"process\"`, which runs no container"));
    }
    let strategy = keys.word("strategy", &[("proxy", Strategy::Proxy), ("recreate", Strategy::Recreate)])?;
    let port = port(&keys, "port")?.unwrap_or(SERVING_PORT);
    let listens = if dockerfile.is_some() { port } else { SERVING_PORT };
    Ok(Environment {
        name: name.to_owned(),
        branch: branch(&keys)?,
        target,
        image: image(&keys, &model)?,
        address: address(&keys)?,
        port,
        container_port: self::port(&keys, "container_port")?.unwrap_or(listens),
        health: health(&keys)?,
        test: keys.strings("test")?,
        golden: read::path(&keys, "golden")?,
        strategy: strategy.unwrap_or(Strategy::Proxy),
        ready_timeout: duration(&keys, "ready_timeout", 30)?,
        drain_timeout: duration(&keys, "drain_timeout", 30)?,
        observe: duration(&keys, "observe", 10)?,
        keep: keep(&keys)?,
        model,
        dockerfile,
    })
}

/// Whether an environment may be called so.
pub fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(is_plain)
}

/// The model that is named, or the only one.
fn model(keys: &Keys, policy: &Policy) -> Result<String, LoadError> {
    match (keys.string("model")?, &policy.models[..]) {
        (Some(name), models) if models.is_empty() || policy.model(&name).is_some() => Ok(name),
        (Some(name), models) => {
            let advice = match nearest(&name, models.iter().map(|model| &model.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("describe it in `[model.{name}]`"),
            };
            Err(keys.error(keys.span("model"), format!("there is no model `{name}`; {advice}")))
        }
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(keys.lacks("`model = \"NAME\"`")),
    }
}

fn branch(keys: &Keys) -> Result<String, LoadError> {
    let branch = keys.string("branch")?.unwrap_or_else(|| "main".into());
    let branch = branch.strip_prefix("refs/heads/").unwrap_or(&branch);
    // What git refuses in the name of a ref; the rest it refuses by itself.
    let is_odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    if branch.is_empty() || branch.starts_with('-') || branch.contains("..") || branch.contains(is_odd) {
        return Err(keys.wrong("branch", "the name of a branch"));
    }
    Ok(branch.to_owned())
}

/// Source: the reference grammar of the OCI distribution specification, without a tag.
fn image(keys: &Keys, model: &str) -> Result<String, LoadError> {
    let Some(image) = keys.string("image")? else {
        let lower = model.to_ascii_lowercase();
        return Ok(lower.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned());
    };
    let is_part = |part: &str| {
        let is_edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        is_edge(part.chars().next()) && is_edge(part.chars().last()) && part.chars().all(is_inner)
    };
    let (host, rest) = match image.split_once('/') {
        // The first part may be a registry, with a port.
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => (Some(host), rest),
        _ => (None, image.as_str()),
    };
    let is_host = |host: &str| {
        let (name, port) = host.split_once(':').unwrap_or((host, "0"));
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
        !name.is_empty() && name.chars().all(is_name) && port.parse::<u16>().is_ok()
    };
    if host.is_none_or(is_host) && rest.split('/').all(is_part) {
        return Ok(image);
    }
    Err(keys.wrong("image", "the name of an image without a tag: lower case letters, digits, `.`, `_`, `-` and `/`"))
}

fn address(keys: &Keys) -> Result<IpAddr, LoadError> {
    let Some(address) = keys.string("address")? else { return Ok(Ipv4Addr::LOCALHOST.into()) };
    if address == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    address.parse().map_err(|_| keys.wrong("address", "an IP address, such as `\"127.0.0.1\"` or `\"0.0.0.0\"`"))
}

fn port(keys: &Keys, key: &str) -> Result<Option<u16>, LoadError> {
    let Some(number) = keys.number(key)? else { return Ok(None) };
    let is_port = number.fract() == 0.0 && (1.0..=f64::from(u16::MAX)).contains(&number);
    if is_port { Ok(Some(number as u16)) } else { Err(keys.wrong(key, "a number from 1 to 65535")) }
}

fn health(keys: &Keys) -> Result<String, LoadError> {
    let health = keys.string("health")?.unwrap_or_else(|| "/v2/health/ready".into());
    let is_path = health.starts_with('/') && health.chars().all(|c| c.is_ascii_graphic());
    if is_path { Ok(health) } else { Err(keys.wrong("health", "a path such as `\"/health\"`")) }
}

fn keep(keys: &Keys) -> Result<usize, LoadError> {
    const KEEP: usize = 5;
    let Some(number) = keys.number("keep")? else { return Ok(KEEP) };
    if number.fract() == 0.0 && (1.0..=1e6).contains(&number) {
        return Ok(number as usize);
    }
    Err(keys.wrong("keep", "a number of versions, at least 1"))
}

/// `"30s"`, `"500ms"`, `"2m"`, `"1h"`, or a number of seconds.
fn duration(keys: &Keys, key: &str, default_seconds: u64) -> Result<Duration, LoadError> {
    let wrong = || keys.wrong(key, "a time such as `\"30s\"`, `\"500ms\"` or `\"2m\"`, at most a day");
    let seconds = match keys.table.get(key) {
        None => return Ok(Duration::from_secs(default_seconds)),
        Some(item) => match item.as_str() {
            None => keys.number(key).map_err(|_| wrong())?.unwrap_or_default(),
            Some(text) => {
                let end = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(wrong)?;
                let number: f64 = text[..end].trim().parse().map_err(|_| wrong())?;
                let unit = match &text[end..] {
                    "ms" => 0.001,
                    "s" => 1.0,
                    "m" | "min" => 60.0,
                    "h" => 3600.0,
                    _ => return Err(wrong()),
                };
                number * unit
            }
        },
    };
    if (0.0..=SECONDS_MAX).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "[model.House]\nweights = [\"a\"]\n";

    fn only(text: &str) -> Environment {
        Policy::parse(&format!("{MODEL}{text}")).expect(text).environments.remove(0)
    }

    #[test]
    fn an_empty_section_has_all_that_is_needed() {
        let environment = only("[deploy.prod]\n");
        assert_eq!((&*environment.name, &*environment.model, &*environment.image), ("prod", "House", "house"));
        assert_eq!((environment.port, environment.container_port), (8080, 8080));
        assert_eq!((environment.target, environment.strategy), (Target::Auto, Strategy::Proxy));
        assert_eq!(environment.address, Ipv4Addr::LOCALHOST);
        assert_eq!(environment.observe, Duration::from_secs(10));
    }

    #[test]
    fn a_whole_section() {
        let environment = only(
            "[deploy.prod]\nmodel = \"House\"\nbranch = \"refs/heads/live\"\ntarget = \"docker\"\nimage = \"localhost:5000/a/b\"\n\
             dockerfile = \"./Dockerfile\"\naddress = \"0.0.0.0\"\nport = 80\nhealth = \"/ok\"\ntest = [\"sh\", \"t.sh\"]\n\
             golden = \"g.json\"\nstrategy = \"recreate\"\nready_timeout = \"1.5s\"\ndrain_timeout = 2\nobserve = \"250ms\"\nkeep = 2\n",
        );
        assert_eq!((&*environment.branch, environment.container_port, environment.keep), ("live", 80, 2));
        assert_eq!(environment.dockerfile.as_deref(), Some("Dockerfile"));
        let times = [environment.ready_timeout, environment.drain_timeout, environment.observe];
        assert_eq!(times.map(|time| time.as_millis()), [1500, 2000, 250]);
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (text, expected) in [
            ("[deploy.prod]\nports = 1\n", "line 4: there is no key `ports` in `[deploy.prod]`; did you mean `port`?"),
            ("[deploy]\nprod = 1\n", "a table, written `[deploy.NAME]`"),
            ("[deploy.'a/b']\n", "is no name of an environment"),
            ("[deploy.p]\nmodel = \"Hous\"\n", "did you mean `House`?"),
            ("[deploy.p]\nport = 0\n", "a number from 1 to 65535"),
            ("[deploy.p]\nport = 1.5\n", "a number from 1 to 65535"),
            ("[deploy.p]\nimage = \"House\"\n", "without a tag"),
            ("[deploy.p]\nimage = \"a:1\"\n", "without a tag"),
            ("[deploy.p]\nbranch = \"a..b\"\n", "the name of a branch"),
            ("[deploy.p]\nbranch = \"--all\"\n", "the name of a branch"),
            ("[deploy.p]\naddress = \"example.org\"\n", "an IP address"),
            ("[deploy.p]\nhealth = \"ok\"\n", "a path such as"),
            ("[deploy.p]\nhealth = \"/a\\r\\nb\"\n", "a path such as"),
            ("[deploy.p]\nobserve = \"10 days\"\n", "a time such as"),
            ("[deploy.p]\nobserve = \"-1s\"\n", "a time such as"),
            ("[deploy.p]\nobserve = \"nan s\"\n", "a time such as"),
            ("[deploy.p]\nkeep = 0\n", "at least 1"),
            ("[deploy.p]\ntarget = \"process\"\ndockerfile = \"D\"\n", "runs no container"),
            ("[deploy.p]\ntarget = \"k8s\"\n", "must be `\"docker\"`"),
        ] {
            let refused = Policy::parse(&format!("{MODEL}{text}")).expect_err(text).to_string();
            assert!(refused.contains(expected), "{text}\n{refused}");
        }
    }
}
