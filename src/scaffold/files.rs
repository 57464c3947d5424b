//! The files of each template, and how they are put in place.

use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{ScaffoldError, is_there};
use crate::atomic_file::{mode_by_umask, open_folder, sync_folder};
use crate::metrics::policy::FILE;

/// The settings of a training.
pub const PARAMS: &str = "params.json";
/// The files that a Dockerfile does not see.
pub const IGNORED: &str = ".dockerignore";
/// Rows that belong to the settings.
const DATA: &str = "data/train.csv";

/// What is served, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Template {
    /// A linear model of `git model train`, with data to train it on, served by git-model.
    Linear,
    /// ONNX files, served by git-model.
    Onnx,
    /// A server of your own in Python, in a container.
    Python,
}

impl Template {
    /// The pattern of its weights.
    pub const fn pattern(self) -> &'static str {
        match self {
            Self::Linear | Self::Python => "*.safetensors",
            Self::Onnx => "*.onnx",
        }
    }

    const fn policy(self) -> &'static str {
        match self {
            Self::Linear => include_str!("templates/linear.toml"),
            Self::Onnx => include_str!("templates/onnx.toml"),
            Self::Python => include_str!("templates/python.toml"),
        }
    }
}

/// A file that a template has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Where, from the top.
    pub path: PathBuf,
    /// What is in it.
    pub text: String,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is there now.
    Made,
    /// Something of its name was there, and stays.
    Kept,
}

/// The files of a template for the model `name`, whose branch is deployed, in the repository at `top`.
pub fn wanted(template: Template, name: &str, branch: &str, top: &Path) -> Vec<File> {
    let mut files = vec![File { path: FILE.into(), text: fill(template.policy(), name, branch) }];
    let mut add = |path: &str, text: &str| files.push(File { path: path.into(), text: text.to_owned() });
    match template {
        Template::Onnx => add(PARAMS, include_str!("templates/onnx-params.json")),
        Template::Linear | Template::Python => {
            // Rows that no settings name would only lie about. They come first, so that settings never name what is missing.
            if !is_there(&top.join(PARAMS)) || is_there(&top.join(DATA)) {
                add(DATA, include_str!("templates/train.csv"));
            }
            add(PARAMS, include_str!("templates/params.json"));
        }
    }
    if template == Template::Python {
        add("Dockerfile", include_str!("templates/Dockerfile"));
        add(IGNORED, include_str!("templates/dockerignore"));
        add("serve.py", include_str!("templates/serve.py"));
        add("smoke.py", include_str!("templates/smoke.py"));
    }
    files
}

/// A template with its gaps filled. What stands behind the branch stays in its column.
fn fill(template: &str, name: &str, branch: &str) -> String {
    // A text of JSON is one of TOML.
    let branch = serde_json::Value::from(branch).to_string();
    template.replace("@NAME@", name).replace("@BRANCH@", &format!("{branch:<18}"))
}

/// Makes a file, whole, unless something of its name is there.
///
/// # Errors
/// It cannot be written.
pub fn make(top: &Path, file: &File) -> Result<Done, ScaffoldError> {
    let path = top.join(&file.path);
    let failed = |source| ScaffoldError::Io { path: file.path.clone(), source };
    if is_there(&path) {
        return Ok(Done::Kept);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let written = new.write_all(file.text.as_bytes()).and_then(|()| {
        new.as_file().set_permissions(PermissionsExt::from_mode(mode_by_umask(0o666)))?;
        new.as_file().sync_data()
    });
    written.map_err(failed)?;
    match new.persist_noclobber(&path) {
        Ok(_) => open_folder(folder).and_then(sync_folder).map(|()| Done::Made).map_err(failed),
        // Somebody else was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Done::Kept),
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::policy::Policy;
    use crate::metrics::policy::deploy::Target;

    #[test]
    fn every_template_is_a_policy() {
        let top = tempfile::tempdir().expect("a folder");
        for (template, target) in
            [(Template::Linear, Target::Auto), (Template::Onnx, Target::Auto), (Template::Python, Target::Docker)]
        {
            let files = wanted(template, "House-2_x", "release/1", top.path());
            let policy = Policy::parse(&files[0].text).expect("a policy");
            assert_eq!((policy.models.len(), policy.gates.len(), policy.environments.len()), (1, 1, 1));
            let environment = &policy.environments[0];
            assert_eq!(
                (&*environment.name, &*environment.model, &*environment.branch),
                ("prod", "House-2_x", "release/1")
            );
            assert_eq!((environment.target, environment.port, environment.container_port), (target, 8080, 8080));
            for file in &files {
                assert!(!file.text.contains("@NAME@") && !file.text.contains("@BRANCH@"), "{}", file.path.display());
            }
        }
    }

    #[test]
    fn comments_stay_in_their_column() {
        let top = tempfile::tempdir().expect("a folder");
        for template in [Template::Linear, Template::Onnx, Template::Python] {
            let text = wanted(template, "house", "main", top.path()).remove(0).text;
            let column = |key: &str| text.lines().find(|line| line.starts_with(key)).and_then(|line| line.find('#'));
            assert!(column("branch").is_some());
            assert_eq!(column("branch"), column("target"), "{text}");
        }
    }

    #[test]
    fn what_is_there_stays() {
        let top = tempfile::tempdir().expect("a folder");
        let file = File { path: "data/a.txt".into(), text: "ours\n".into() };
        assert_eq!(make(top.path(), &file).expect("made"), Done::Made);
        std::fs::write(top.path().join(&file.path), "theirs\n").expect("written");
        assert_eq!(make(top.path(), &file).expect("kept"), Done::Kept);
        assert_eq!(std::fs::read(top.path().join(&file.path)).expect("read"), b"theirs\n");
        std::os::unix::fs::symlink("nowhere", top.path().join("link")).expect("a link");
        assert_eq!(make(top.path(), &File { path: "link".into(), ..file }).expect("kept"), Done::Kept);
        assert!(!top.path().join("nowhere").exists());
    }
}
