//! Which commands of `.gitmodel.toml` may run in this clone.
//!
//! A tracked file runs nothing by itself: whoever pushes it could run anything on the machines of all who pull. The user
//! allows each command once; the SHA-256 of model and command stands in the clone's own configuration (`model.trust`), so a
//! command that has changed must be allowed again. So it is with each `[deploy.NAME]`: all that it says, and its Dockerfile.
//!
//! **Limitations.** What is allowed is the command, not what it finds: `python evaluate.py` runs whatever `evaluate.py` has
//! become since, and a Dockerfile builds what it copies.

use super::fresh::digest_of;
use super::policy::deploy::{Environment, Target};
use super::policy::{Model, Policy};
use crate::git::{Git, GitError};

const KEY: &str = "model.trust";

/// A command of a model, and whether it may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command<'m> {
    /// The model.
    pub model: &'m str,
    /// The command, word by word.
    pub argv: &'m [String],
    /// Whether it is trusted in this clone.
    pub is_trusted: bool,
}

impl Command<'_> {
    /// As a shell would take it.
    pub fn shown(&self) -> String {
        shown(self.argv)
    }
}

fn shown(argv: &[String]) -> String {
    let quoted = |word: &String| crate::git::shown(crate::git::install::quote(word.as_ref()).as_bytes());
    argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// Something that may run only if it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it stands: a model, or `deploy NAME`.
    pub place: String,
    /// What would run, line by line.
    pub lines: Vec<String>,
    /// Whether it is trusted in this clone.
    pub is_trusted: bool,
    digest: String,
}

/// All that a policy names. `dockerfile` gives the content of a file, from the top.
///
/// # Errors
/// Git's configuration cannot be read.
pub fn items(policy: &Policy, dockerfile: impl Fn(&str) -> Option<Vec<u8>>) -> Result<Vec<Item>, GitError> {
    let models: Vec<&Model> = policy.models.iter().collect();
    let mut items: Vec<Item> = commands(&models)?
        .iter()
        .map(|command| Item {
            place: command.model.to_owned(),
            lines: vec![command.shown()],
            is_trusted: command.is_trusted,
            digest: digest(command.model, command.argv),
        })
        .collect();
    let trusted = trusted()?;
    for environment in &policy.environments {
        let dockerfile = environment.dockerfile.as_deref().map(|path| dockerfile(path).unwrap_or_default());
        let digest = deploy_digest(environment, dockerfile.as_deref());
        items.push(Item {
            place: format!("deploy {}", environment.name),
            lines: deploy_lines(environment, dockerfile.as_deref()),
            is_trusted: trusted.contains(&digest),
            digest,
        });
    }
    Ok(items)
}

/// Whether an environment is trusted, with the Dockerfile that it would build, if it builds one.
///
/// # Errors
/// Git's configuration cannot be read.
pub fn is_environment_trusted(environment: &Environment, dockerfile: Option<&[u8]>) -> Result<bool, GitError> {
    Ok(trusted()?.contains(&deploy_digest(environment, dockerfile)))
}

/// The SHA-256 of all that a section says, and of its Dockerfile without regard to how lines end.
fn deploy_digest(environment: &Environment, dockerfile: Option<&[u8]>) -> String {
    let dockerfile = dockerfile.map(|text| digest_of(String::from_utf8_lossy(text).replace("\r\n", "\n").as_bytes()));
    digest_of(serde_json::json!(["deploy", environment, dockerfile]).to_string().as_bytes())
}

fn deploy_lines(environment: &Environment, dockerfile: Option<&[u8]>) -> Vec<String> {
    let Environment { model, branch, image, address, port, .. } = environment;
    let place = match environment.target {
        Target::Docker => format!("in a container of the image `{image}`"),
        Target::Process => "as a process of this machine".to_owned(),
        Target::Auto => format!("in a container of the image `{image}`, or as a process of this machine"),
    };
    let mut lines = vec![format!("`{model}` of branch `{branch}` at {address}:{port}, {place}")];
    if let (Some(path), Some(text)) = (&environment.dockerfile, dockerfile) {
        lines.push(format!("built by `{path}`:"));
        let text = String::from_utf8_lossy(text).into_owned();
        lines.extend(text.lines().map(|line| format!("  {}", crate::git::shown(line.as_bytes()))));
    }
    if !environment.test.is_empty() {
        lines.push(format!("tested by: {}", shown(&environment.test)));
    }
    lines
}

/// The commands that these models name.
///
/// # Errors
/// Git's configuration cannot be read.
pub fn commands<'m>(models: &[&'m Model]) -> Result<Vec<Command<'m>>, GitError> {
    let trusted = trusted()?;
    let with_command = models.iter().filter(|model| !model.evaluate.is_empty());
    Ok(with_command
        .map(|model| Command {
            model: &model.name,
            argv: &model.evaluate,
            is_trusted: trusted.contains(&digest(&model.name, &model.evaluate)),
        })
        .collect())
}

/// Trusts these from now on.
///
/// # Errors
/// Git's configuration cannot be written.
pub fn trust(items: &[Item]) -> Result<(), GitError> {
    for item in items.iter().filter(|item| !item.is_trusted) {
        Git::new(["config", "--local", "--add", KEY, &item.digest]).output()?;
    }
    Ok(())
}

/// Trusts no command any more; whether there was one.
///
/// # Errors
/// Git's configuration cannot be written.
pub fn forget() -> Result<bool, GitError> {
    if trusted()?.is_empty() {
        return Ok(false);
    }
    Git::new(["config", "--local", "--unset-all", KEY]).output()?;
    Ok(true)
}

/// The digests in the clone's own configuration; files that it includes do not count.
fn trusted() -> Result<Vec<String>, GitError> {
    let values = Git::new(["config", "--local", "--no-includes", "-z", "--get-all", KEY]).answer()?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&values).split_terminator('\0').map(str::to_owned).collect())
}

/// The SHA-256 of model and words as JSON, which has one reading only.
fn digest(model: &str, argv: &[String]) -> String {
    digest_of(serde_json::json!([model, argv]).to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_its_own_digest() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let digests = [
            digest("m", &words(&["a", "b"])),
            digest("m", &words(&["a b"])),
            digest("m", &words(&["a", "b", ""])),
            digest("m", &words(&["a\",\"b"])),
            digest("n", &words(&["a", "b"])),
        ];
        let different: std::collections::HashSet<_> = digests.iter().collect();
        assert_eq!(different.len(), digests.len());
        assert_eq!(digests[0], digest("m", &words(&["a", "b"])));
    }
}
