//! The filter as a process: killed, cut off, spoken to in the wrong way, short of file descriptors.

use std::io::Write;
use std::process::Stdio;

use crate::support::{Env, Repo, Tensor, in_both_modes, is_manifest, model, noise, outcome, safetensors};

fn packets(lines: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        lines.iter().flat_map(|line| format!("{:04x}{line}\n", line.len() + 5).into_bytes()).collect();
    bytes.extend_from_slice(b"0000");
    bytes
}

/// Sends `input` to `git-model filter-process` and closes the pipe.
fn converse(repo: &Repo<'_>, input: &[u8]) -> crate::support::Outcome {
    let mut command = repo.env.command(env!("CARGO_BIN_EXE_git-model"), &repo.dir);
    command.arg("filter-process").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    // A filter that has hung up does not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    outcome(child.wait_with_output().expect("ends"))
}

fn hello() -> Vec<u8> {
    let capabilities = ["capability=clean", "capability=smudge", "capability=delay"];
    [packets(&["git-filter-client", "version=2"]), packets(&capabilities)].concat()
}

#[test]
fn a_whole_conversation() {
    let env = Env::new();
    let repo = env.repo("repo").versions(1);
    let bytes = model(2);
    let content = [format!("{:04x}", bytes.len() + 4).into_bytes(), bytes, b"0000".to_vec()].concat();
    let clean = [packets(&["command=clean", "pathname=x.bin"]), content].concat();
    let manifest = repo.blob("HEAD", "m.safetensors");
    let content = [format!("{:04x}", manifest.len() + 4).into_bytes(), manifest, b"0000".to_vec()].concat();
    let smudge = [packets(&["command=smudge", "pathname=x.bin"]), content].concat();
    let said = converse(&repo, &[hello(), clean, smudge].concat()).ok().stdout;
    let text = String::from_utf8_lossy(&said);
    assert_eq!(text.matches("status=success").count(), 2, "{text}");
    assert!(text.contains("{\"git-model\":1,\"format\":\"safetensors\""));
    assert!(said.windows(model(1).len()).any(|window| window == model(1)));
}

#[test]
fn strangers_and_broken_pipes() {
    let env = Env::new();
    let repo = env.repo("repo");
    converse(&repo, &hello()).ok();
    let cut = [hello(), packets(&["command=clean", "pathname=x.bin"]), b"ffffabc".to_vec()].concat();
    for input in [&b""[..], b"0000", b"hello", b"zzzz", &packets(&["git-filter-client", "version=9"]), &cut] {
        let outcome = converse(&repo, input);
        assert_eq!(outcome.code, Some(1), "{input:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("error:") && !outcome.stderr.contains("panicked"), "{}", outcome.stderr);
    }
    assert!(!repo.path(".git/model/packs").exists(), "half a file was stored");
}

#[test]
fn outside_of_a_repository() {
    let env = Env::new();
    std::fs::create_dir(env.root().join("nowhere")).expect("a folder");
    let outcome = env.at("nowhere").model(&["filter-process"]);
    assert_eq!(outcome.code, Some(1));
    assert!(outcome.stderr.contains("not in a git repository"), "{}", outcome.stderr);
}

/// A repository in which a checkout of `main~` has its filter killed between git's writing and ours.
fn killed(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo").versions(2);
    repo.hook("post-checkout", "for note in .git/model/pending/*; do kill -9 \"${note##*/}\"; done");
    repo.git(&["checkout", "-q", "HEAD~"]).ok();
    repo.remove(".git/hooks/post-checkout");
    assert!(is_manifest(&repo.read("m.safetensors")), "the filter was not killed");
    repo.assert_clean();
    repo
}

#[test]
fn killed_and_mended_by_a_command() {
    let env = Env::deferred();
    let repo = killed(&env);
    repo.model(&["checkout"]).ok();
    repo.assert_holds("m.safetensors", &model(1));
    assert_eq!(repo.filtered(&["status"]), 0);
    repo.assert_settled();
}

#[test]
fn killed_and_overtaken_by_the_next_checkout() {
    let env = Env::deferred();
    let repo = killed(&env);
    repo.git(&["checkout", "-q", "main"]).ok();
    repo.assert_holds("m.safetensors", &model(2));
    repo.assert_clean();
    repo.git(&["checkout", "-q", "main~"]).ok();
    repo.assert_holds("m.safetensors", &model(1));
    // What the killed filter noted is of no use any more, and does no harm.
    repo.model(&["checkout"]).ok();
    repo.assert_settled();
}

#[test]
fn killed_before_a_user_wrote_the_file() {
    let env = Env::deferred();
    let repo = killed(&env);
    repo.write("m.safetensors", &model(8));
    repo.model(&["checkout"]).ok();
    repo.assert_holds("m.safetensors", &model(8));
    assert_eq!(repo.git(&["status", "--porcelain"]).ok().text(), " M m.safetensors\n");
}

#[test]
fn five_thousand_tensors_and_256_descriptors() {
    in_both_modes(|env| {
        let repo = env.repo("repo");
        let weights = noise(5000 * 8, 1);
        let names: Vec<String> = (0..5000).map(|at| format!("layers.{at}.weight")).collect();
        let tensors: Vec<Tensor<'_>> = names
            .iter()
            .zip(weights.chunks(16))
            .map(|(name, bytes)| Tensor { name, dtype: "BF16", shape: &[2, 4], bytes })
            .collect();
        let bytes = safetensors(&tensors);
        repo.write("many.safetensors", &bytes);
        // As many packs as there are files, more than descriptors.
        for at in 0..300 {
            repo.write(&format!("small/{at}.bin"), &noise(40, at + 10));
        }
        let limited = |script: &str| {
            let mut command = env.command("sh", &repo.dir);
            command.args(["-c", &format!("ulimit -n 256 && {script}")]);
            env.run(command).ok();
        };
        limited("git add -A && git commit -q -m many");
        let manifest = repo.blob("HEAD", "many.safetensors");
        assert_eq!(manifest.split(|&byte| byte == b'\n').filter(|line| line.starts_with(b"{\"name\"")).count(), 5000);
        repo.remove("many.safetensors");
        std::fs::remove_dir_all(repo.path("small")).expect("removed");
        limited("git checkout -q .");
        repo.assert_holds("many.safetensors", &bytes);
        (0..300).for_each(|at| repo.assert_holds(&format!("small/{at}.bin"), &noise(40, at + 10)));
        repo.assert_settled();
    });
}

#[test]
fn several_filters_in_one_tree_of_processes() {
    in_both_modes(|env| {
        let repo = env.repo("repo").versions(2);
        // A hook adds and restores while the filter of the checkout around it still waits.
        repo.hook(
            "post-checkout",
            "unset GIT_DIR; cd ..; [ -d inner ] || git clone -q repo inner; git -C inner checkout -q \"$2\"",
        );
        repo.git(&["checkout", "-q", "HEAD~"]).ok();
        repo.assert_holds("m.safetensors", &model(1));
        env.at("inner").assert_holds("m.safetensors", &model(1));
        repo.git(&["checkout", "-q", "main"]).ok();
        repo.assert_holds("m.safetensors", &model(2));
        env.at("inner").assert_holds("m.safetensors", &model(2));
        repo.assert_settled();
        env.at("inner").assert_settled();
    });
}
