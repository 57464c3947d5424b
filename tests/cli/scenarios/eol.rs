//! Line endings: git may convert those of manifests, never those of weights.

use crate::support::{Env, in_both_modes, model, noise};

#[test]
fn autocrlf_spoils_nothing() {
    in_both_modes(|env| {
        for (at, (key, value)) in
            [("core.autocrlf", "true"), ("core.autocrlf", "input"), ("core.eol", "crlf"), ("core.safecrlf", "true")]
                .into_iter()
                .enumerate()
        {
            let repo = env.repo(&format!("repo{at}"));
            repo.set(key, value);
            let text = b"line\r\nline\nline\r\n".repeat(20);
            repo.write("text.bin", &text);
            let repo = repo.versions(2);
            assert!(!repo.blob("HEAD", "m.safetensors").contains(&b'\r'), "{key}={value}");
            repo.remove("text.bin");
            repo.git(&["checkout", "-q", "."]).ok();
            repo.assert_holds("text.bin", &text);
            repo.git(&["checkout", "-q", "HEAD~"]).ok();
            repo.assert_holds("m.safetensors", &model(1));
            repo.assert_settled();
            let clone = env.clone_repo(&["-c", &format!("{key}={value}"), &format!("repo{at}"), &format!("clone{at}")]);
            clone.assert_holds("m.safetensors", &model(1));
            clone.assert_holds("text.bin", &text);
            clone.assert_settled();
        }
    });
}

#[test]
fn attributes_that_ask_for_text_spoil_nothing() {
    in_both_modes(|env| {
        for attributes in ["text", "text=auto", "text eol=crlf", "eol=crlf", "-text", "ident"] {
            let repo = env.repo(&attributes.replace(' ', "-"));
            repo.write(".gitattributes", format!("*.bin filter=model {attributes}\n").as_bytes());
            let bytes = [&b"$Id$\r\n\r\n\n"[..], &noise(500, 1), b"\r\n$Id: x$\n"].concat();
            repo.write("a.bin", &bytes);
            repo.commit("bytes");
            repo.remove("a.bin");
            repo.git(&["checkout", "-q", "."]).ok();
            repo.assert_holds("a.bin", &bytes);
            repo.assert_settled();
        }
    });
}

#[test]
fn a_text_of_the_users_own_that_resembles_a_manifest_keeps_its_line_ends() {
    let env = Env::new();
    let repo = env.repo("repo").versions(1);
    let text = String::from_utf8(repo.blob("HEAD", "m.safetensors")).expect("text").replace('\n', "\r\n");
    repo.write("copy.bin", text.as_bytes());
    repo.commit("a manifest with other line ends");
    assert!(repo.blob("HEAD", "copy.bin") == text.as_bytes());
    repo.remove("copy.bin");
    repo.git(&["checkout", "-q", "."]).ok();
    repo.assert_holds("copy.bin", text.as_bytes());
    repo.assert_clean();
}
