//! What could be added to a file that was there before.

use std::path::Path;

use super::files::{File, IGNORED, PARAMS};
use crate::metrics::policy::{FILE, Policy};

/// What a file that was kept lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// The file.
    pub path: &'static str,
    /// What it lacks, for people.
    pub lacks: &'static str,
    /// The lines to add, each with its end; none where another command adds them.
    pub lines: String,
}

/// What the file in the place of `wanted` lacks; none if it lacks nothing, or nobody can say.
pub fn on(top: &Path, wanted: &File) -> Option<Advice> {
    let text = std::fs::read_to_string(top.join(&wanted.path)).ok()?;
    match wanted.path.to_str()? {
        FILE => {
            let lines = missing_sections(&text, &wanted.text)?;
            Some(Advice { path: FILE, lacks: "says not yet all that a deployment needs", lines })
        }
        IGNORED => {
            let lines: String =
                wanted.text.lines().filter(|line| !has_line(&text, line)).map(|line| format!("{line}\n")).collect();
            (!lines.is_empty()).then_some(Advice { path: IGNORED, lacks: "lets through what no image needs", lines })
        }
        PARAMS if wanted.text.contains("\"train\"") => {
            let settings: serde_json::Value = serde_json::from_str(&text).ok()?;
            let lacks = "has no `train`: name the data once, `git model train DATA --params params.json`";
            settings.get("train").is_none().then(|| Advice { path: PARAMS, lacks, lines: String::new() })
        }
        _ => None,
    }
}

fn has_line(text: &str, wanted: &str) -> bool {
    text.lines().any(|line| line.trim() == wanted)
}

/// The sections of ours that theirs has nothing like. Only for a policy without models all of them fit.
fn missing_sections(theirs: &str, ours: &str) -> Option<String> {
    let policy = Policy::parse(theirs).ok()?;
    let is_missing = |section: &str| match section {
        section if section.starts_with("[model.") => policy.models.is_empty(),
        section if section.starts_with("[[gate]]") => policy.models.is_empty() && policy.gates.is_empty(),
        section if section.starts_with("[deploy.") => policy.environments.is_empty(),
        _ => false,
    };
    let sections = ours.split("\n\n").filter(|section| is_missing(section));
    let mut lines = sections.map(|section| format!("{}\n", section.trim_end())).collect::<Vec<_>>().join("\n");
    if let [first, ..] = &policy.models[..] {
        // Theirs, not the folder's.
        let is_model = |line: &str| line.trim_start().starts_with("model ");
        let renamed = |line: &str| match line.find('=') {
            Some(at) if is_model(line) => format!("{}= \"{}\"\n", &line[..at], first.name),
            _ => format!("{line}\n"),
        };
        lines = lines.lines().map(renamed).collect();
    }
    (!lines.is_empty()).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::super::files::{Template, wanted};
    use super::*;

    fn on_text(path: &'static str, text: &str) -> Option<Advice> {
        let top = tempfile::tempdir().expect("a folder");
        let files = wanted(Template::Python, "folder", "main", top.path());
        let file = files.into_iter().find(|file| file.path == Path::new(path)).expect("such a file");
        std::fs::write(top.path().join(path), text).expect("written");
        on(top.path(), &file)
    }

    #[test]
    fn a_policy_gets_the_sections_it_lacks() {
        let all = on_text(FILE, "# mine\n").expect("advice").lines;
        assert_eq!(Policy::parse(&all).expect("a policy").environments.len(), 1);
        let with_model = "[model.theirs]\nweights = [\"a\"]\n";
        let lines = on_text(FILE, with_model).expect("advice").lines;
        assert!(lines.starts_with("[deploy.prod]"), "{lines}");
        let policy = Policy::parse(&format!("{with_model}\n{lines}")).expect("together a policy");
        assert_eq!(policy.environments[0].model, "theirs");
        assert_eq!(on_text(FILE, &format!("{with_model}[deploy.x]\n")), None);
        assert_eq!(on_text(FILE, "[broken"), None);
    }

    #[test]
    fn other_files() {
        assert_eq!(on_text(IGNORED, "data\n.git\n").expect("advice").lines.lines().next(), Some(".git*"));
        assert!(on_text(PARAMS, "{\"lr\": 1}").expect("advice").lacks.contains("no `train`"));
        assert_eq!(on_text(PARAMS, "{\"train\": {}}"), None);
        assert_eq!(on_text("serve.py", ""), None);
    }
}
