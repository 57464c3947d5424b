//! `git model man`: a page for every command that help lists.

use crate::support::Env;

#[test]
fn every_command_has_its_page() {
    let env = Env::bare();
    let home = env.at("home");
    home.model(&["man", "--output", "deep/man1"]).ok();
    let help = home.model(&["--help"]).ok();
    let (_, commands) = help.text().split_once("Commands:\n").expect("a list of commands");
    let commands: Vec<&str> = commands
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
        .collect();
    assert!(commands.contains(&"track"), "{commands:?}");
    for command in &commands {
        let page = String::from_utf8(home.read(&format!("deep/man1/git-model-{command}.1"))).expect("text");
        assert!(page.contains(&format!(".TH git-model-{command} 1")), "{page}");
        assert!(page.contains(&format!("git model {}", command.replace('-', "\\-"))), "{page}");
    }
    let page = String::from_utf8(home.read("deep/man1/git-model.1")).expect("text");
    assert!(page.contains("git\\-model\\-track(1)"), "{page}");
    assert_eq!(std::fs::read_dir(home.path("deep/man1")).expect("a folder").count(), commands.len() + 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let env = Env::bare();
    let home = env.at("home");
    home.write("file", b"");
    let refused = home.model(&["man", "--output", "file"]).fails_with(1);
    assert!(refused.stderr.contains("`file`") && refused.stderr.contains("hint: "), "{}", refused.stderr);
}
