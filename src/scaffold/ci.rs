//! Workflow files that judge, build, test and deploy. Pure.
//!
//! They name the environments of a policy, with one job for each branch that is deployed: `git model reconcile` brings all
//! environments of a branch in line at once.

use crate::metrics::policy::Policy;
use crate::metrics::policy::deploy::Environment;

/// Who runs the workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Forge {
    /// GitHub Actions, and what runs its files: `.github/workflows/model.yml`.
    Github,
    /// GitLab CI: `.gitlab-ci.yml`.
    Gitlab,
}

/// How git-model is installed, for a shell.
const INSTALL: &str = include_str!("templates/ci/install");

impl Forge {
    /// Its workflow, and the job for a branch.
    const fn templates(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => (include_str!("templates/ci/github.yml"), include_str!("templates/ci/github-deploy.yml")),
            Self::Gitlab => (include_str!("templates/ci/gitlab.yml"), include_str!("templates/ci/gitlab-deploy.yml")),
        }
    }
}

/// The workflow for the environments of a policy; none if it has none.
pub fn workflow(forge: Forge, policy: &Policy) -> Option<String> {
    let branches = branches(policy);
    if branches.is_empty() {
        return None;
    }
    let (workflow, job) = forge.templates();
    let names: Vec<&str> = branches.iter().map(|(branch, _)| *branch).collect();
    let pipeline = |environment: &Environment| {
        let command = format!("git model pipeline {} --stage build,test", environment.name);
        match forge {
            Forge::Github => format!("          {command}\n"),
            Forge::Gitlab => format!("    - {command}\n"),
        }
    };
    let pipelines: String = policy.environments.iter().map(pipeline).collect();
    let rules: String = names.iter().map(|name| format!("    - if: $CI_COMMIT_BRANCH == {}\n", quoted(name))).collect();
    let listed = serde_json::Value::from(names).to_string();
    let mut text =
        workflow.replace("@BRANCHES@", &listed).replace("@RULES@\n", &rules).replace("@PIPELINES@\n", &pipelines);
    for (branch, environments) in branches {
        text += &job
            .replace("@NAME@", &environments.join("-"))
            .replace("@LABEL@", environments[0])
            .replace("@REF@", &format!("'refs/heads/{}'", branch.replace('\'', "''")))
            .replace("@BRANCH@", &quoted(branch));
    }
    let indent = match forge {
        Forge::Github => "          ",
        Forge::Gitlab => "      ",
    };
    let install: String = INSTALL.lines().map(|line| format!("{indent}{line}\n")).collect();
    Some(text.replace("@INSTALL@\n", &install))
}

/// Each branch that is deployed, with the names of its environments, in the order of the policy.
fn branches(policy: &Policy) -> Vec<(&str, Vec<&str>)> {
    let mut branches: Vec<(&str, Vec<&str>)> = Vec::new();
    for environment in &policy.environments {
        match branches.iter_mut().find(|(branch, _)| *branch == environment.branch) {
            Some((_, names)) => names.push(&environment.name),
            None => branches.push((&environment.branch, vec![&environment.name])),
        }
    }
    branches
}

/// A text within an expression of the forge.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn environments_of_one_branch_share_a_job() {
        let text =
            "[model.m]\nweights = [\"a\"]\n[deploy.prod]\n[deploy.shadow]\n[deploy.staging]\nbranch = \"next\"\n";
        let policy = Policy::parse(text).expect("a policy");
        for forge in [Forge::Github, Forge::Gitlab] {
            let text = workflow(forge, &policy).expect("a workflow");
            let jobs: Vec<&str> = text.lines().map(str::trim).filter(|line| line.starts_with("deploy-")).collect();
            assert_eq!(jobs, ["deploy-prod-shadow:", "deploy-staging:"]);
            assert_eq!(text.matches("--stage build,test").count(), 3);
            assert_eq!(text.matches("example.org").count(), 1, "one place to change");
            let is_gap = |word: &str| word.len() > 2 && word.starts_with('@') && word.ends_with('@');
            assert!(!text.split_whitespace().any(is_gap), "{text}");
        }
        assert_eq!(workflow(Forge::Github, &Policy::default()), None);
    }
}
