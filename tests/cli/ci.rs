//! `git model ci`.

use saphyr_parser::{Event, Parser};

use crate::support::{Env, Repo};

const POLICY: &str = "[model.house]\nweights = [\"a.bin\"]\n[deploy.prod]\n[deploy.stage]\nbranch = \"next\"\n";

fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("house");
    repo.write(".gitmodel.toml", POLICY.as_bytes());
    repo
}

/// All keys and values of a file of YAML, whatever they hang on.
fn scalars(yaml: &str) -> Vec<String> {
    let event = |event: Result<(Event<'_>, _), saphyr_parser::ScanError>| match event.expect("valid YAML").0 {
        Event::Scalar(text, ..) => Some(text.into_owned()),
        _ => None,
    };
    Parser::new_from_str(yaml).filter_map(event).collect()
}

/// The commands of ours in the scripts of a workflow.
fn commands(yaml: &str) -> Vec<Vec<String>> {
    let lines: Vec<String> = scalars(yaml).iter().flat_map(|text| text.lines().map(str::to_owned)).collect();
    let parts =
        lines.iter().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| line.split(['|', ';', '{']));
    let ours = parts.filter_map(|part| part.trim().strip_prefix("git model "));
    ours.map(|rest| rest.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn workflows_are_yaml_and_their_commands_exist() {
    let env = Env::new();
    let repo = repo(&env);
    for forge in ["github", "gitlab"] {
        let text = repo.model(&["ci", forge]).ok().text().to_owned();
        let all = commands(&text);
        for wanted in [
            "install --local --no-hooks",
            "checkout",
            "check HEAD",
            "trust --yes",
            "pipeline prod --stage build,test",
            "pipeline stage --stage build,test",
            "reconcile --wait",
            "logs",
        ] {
            assert!(all.iter().any(|command| command.join(" ") == wanted), "{forge} lacks `{wanted}`:\n{all:#?}");
        }
        for command in &all {
            let words = ["git-model".to_owned()].into_iter().chain(command.iter().cloned());
            let parsed = git_model::cli::command().try_get_matches_from(words);
            assert!(
                parsed.is_ok(),
                "{forge}: {command:?}: {}",
                parsed.err().map(|error| error.to_string()).unwrap_or_default()
            );
        }
        assert_eq!(text.matches("example.org").count(), 1, "{forge} has one place to change");
    }
}

#[test]
fn github_deploys_from_each_branch_one_after_the_other() {
    let env = Env::new();
    let text = repo(&env).model(&["ci", "github"]).ok().text().to_owned();
    let all = scalars(&text);
    let after = |key: &str| -> Vec<&str> {
        all.windows(2).filter(|pair| pair[0] == key).map(|pair| pair[1].as_str()).collect()
    };
    assert_eq!(after("branches"), ["main"]);
    assert_eq!(after("group"), ["check-${{ github.ref }}", "deploy-prod", "deploy-stage"]);
    assert_eq!(after("cancel-in-progress"), ["true", "false", "false"]);
    assert_eq!(after("fetch-depth"), ["0", "0", "0"]);
    assert_eq!(after("lfs"), ["false", "false", "false"]);
    assert!(after("if").iter().any(|condition| condition.ends_with("github.ref == 'refs/heads/next'")));
}

#[test]
fn a_file_is_made_but_never_written_over() {
    let env = Env::new();
    let repo = repo(&env);
    let path = ".github/workflows/model.yml";
    repo.model(&["ci", "github", "-o", path]).ok();
    assert_eq!(repo.read(path), repo.model(&["ci", "github"]).ok().stdout);
    repo.write(path, b"mine\n");
    let refused = repo.model(&["ci", "github", "-o", path]).fails_with(2);
    assert!(refused.stderr.contains("is there already"), "{}", refused.stderr);
    assert_eq!(repo.read(path), b"mine\n");
}

#[test]
fn without_an_environment_there_is_nothing_to_do() {
    let env = Env::new();
    let repo = env.repo("house");
    let refused = repo.model(&["ci", "gitlab"]).fails_with(1);
    assert!(refused.stderr.contains("git model init"), "{}", refused.stderr);
}
