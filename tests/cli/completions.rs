//! `git model completions`: scripts that their shells accept.

use crate::support::Env;

#[test]
fn shells_get_their_scripts() {
    let env = Env::bare();
    let home = env.at("home");
    for (shell, sign) in [("bash", "complete -F"), ("zsh", "#compdef git-model"), ("fish", "complete -c git-model")] {
        let script = home.model(&["completions", shell]).ok();
        assert!(script.text().contains(sign), "{shell}");
        for word in ["untrack", "install"] {
            assert!(script.text().contains(word), "{shell}: {word}");
        }
        if shell == "bash" {
            home.write("script", &script.stdout);
            let mut bash = env.command("/bin/bash", &home.dir);
            bash.args(["-c", "source ./script && complete -p git-model"]);
            env.run(bash).ok();
        }
    }
    home.model(&["completions", "ed"]).fails_with(2);
}
