//! Which commands of `.gitmodel.toml` may run in this clone.
//!
//! A tracked file runs nothing by itself: whoever pushes it could run anything on the machines of all who pull. The user
//! allows each command once; the SHA-256 of model and command stands in the clone's own configuration (`model.trust`), so a
//! command that has changed must be allowed again.
//!
//! **Limitations.** What is allowed is the command, not what it finds: `python evaluate.py` runs whatever `evaluate.py` has
//! become since.

use super::fresh::digest_of;
use super::policy::Model;
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
        let quoted = |word: &String| crate::git::shown(crate::git::install::quote(word.as_ref()).as_bytes());
        self.argv.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
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

/// Trusts these commands from now on.
///
/// # Errors
/// Git's configuration cannot be written.
pub fn trust(commands: &[Command]) -> Result<(), GitError> {
    for command in commands.iter().filter(|command| !command.is_trusted) {
        Git::new(["config", "--local", "--add", KEY, &digest(command.model, command.argv)]).output()?;
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
