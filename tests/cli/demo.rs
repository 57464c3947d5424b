//! `git model demo`: the transcript says what happened, and nothing is left behind.

use crate::support::{Env, Outcome};

fn demo(env: &Env, args: &[&str]) -> Outcome {
    let mut command = env.command(env!("CARGO_BIN_EXE_git-model"), env.root());
    command.arg("demo").args(args).env("TMPDIR", env.root().join("home"));
    env.run(command)
}

#[test]
fn shows_the_main_job_and_leaves_nothing() {
    let env = Env::bare();
    let config = std::fs::read(env.home().join(".gitconfig")).expect("readable");
    let outcome = demo(&env, &[]).ok();
    let text = outcome.text();
    for line in ["$ git init", "$ git model install --local", "$ git add .", "$ git commit -m Fine-tuned", "12 new"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_eq!(text.matches("the file is the same, byte for byte").count(), 2, "{text}");
    assert!(text.contains("$ git status --short\n\n"), "{text}");
    let percent = |name: &str| -> f64 {
        let row = text.lines().find(|line| line.starts_with(name)).expect(name);
        row.split_whitespace().rev().nth(1).expect("a number").parse().expect("a number")
    };
    assert!((60.0..70.0).contains(&percent("base model")), "{text}");
    assert!(percent("fine-tuned") < 5.0, "{text}");
    assert_eq!(std::fs::read_dir(env.home()).expect("a home").count(), 1);
    assert_eq!(std::fs::read(env.home().join(".gitconfig")).expect("readable"), config);
}

#[test]
fn keeps_the_repository_in_a_new_folder_only() {
    let env = Env::bare();
    demo(&env, &["kept"]).ok();
    let repo = env.at("kept");
    assert_eq!(repo.git(&["log", "--format=%s"]).ok().text(), "Fine-tuned\nBase model\n");
    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    repo.assert_clean();
    let refused = demo(&env, &["kept"]).fails_with(2);
    assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
}

#[test]
fn settings_of_the_user_do_not_matter() {
    let env = Env::bare();
    let config = "[commit]\n\tgpgSign = true\n[core]\n\thooksPath = /nowhere\n\tautocrlf = true\n[filter \"model\"]\n\tprocess = false\n";
    std::fs::write(env.home().join(".gitconfig"), config).expect("written");
    demo(&env, &[]).ok();
}

/// The README's transcript is what the demonstration prints, less some lines of it.
#[test]
fn merges_as_the_readme_says() {
    let env = Env::bare();
    let shown = demo(&env, &["--merge"]).ok();
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## Merging").expect("a section");
    let (_, block) = section.split_once("```console\n").expect("a transcript");
    let (block, _) = block.split_once("```").expect("its end");
    let mut printed = shown.text().lines();
    for line in block.lines().filter(|line| !line.is_empty()) {
        assert!(printed.any(|printed| printed == line), "not printed, or not there: {line}\n{}", shown.text());
    }
}
