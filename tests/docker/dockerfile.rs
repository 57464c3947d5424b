//! Images of a Dockerfile.

use std::process::Command;

use git_model::deploy::docker::Engine;
use serde_json::Value;

use super::engine::{self, Running};
use super::support::{Env, Outcome, Repo, is_manifest, model};

const DOCKERFILE: &str =
    "FROM scratch\nCOPY . /app/\nCOPY bin/serve /serve\nENTRYPOINT [\"/serve\", \"--port\", \"8080\"]\n";

/// A repository with a program that serves, weights, and files that no image is to have.
fn repo<'e>(env: &'e Env, dockerfile: &str) -> Repo<'e> {
    let repo = env.repo("r");
    repo.write("Dockerfile", dockerfile.as_bytes());
    repo.write(".dockerignore", b"# not for images\n**/*.secret\ndata\n!data/keep.csv\n");
    repo.write("bin/serve", &std::fs::read(engine::program()).expect("the program"));
    std::fs::set_permissions(repo.path("bin/serve"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("a mode");
    std::os::unix::fs::symlink("models/m.safetensors", repo.path("link")).expect("a link");
    repo.write("models/m.safetensors", &model(7));
    repo.write("deep/in/a.secret", b"secret");
    repo.write("data/rows.csv", b"rows");
    repo.write("data/keep.csv", b"kept");
    repo.commit("all");
    // What is not committed is not there.
    repo.write("models/m.safetensors", &model(8));
    repo.write("new.txt", b"new");
    repo
}

/// Whether the `docker` command is to build, where it can.
const BUILDERS: [&str; 2] = ["0", "1"];

fn build(repo: &Repo<'_>, host: &str, builder: &str, args: &[&str]) -> Outcome {
    let mut command: Command = repo.model_command(&["build", "--dockerfile"]);
    command.args(args).env("DOCKER_HOST", host).env("DOCKER_BUILDKIT", builder);
    repo.env.run(command)
}

#[test]
fn the_context_is_the_commit_with_whole_weights() {
    let Some(host) = engine::host() else { return };
    let (env, engine) = (Env::new(), Engine::connect_to(host).expect("an engine"));
    let repo = repo(&env, DOCKERFILE);
    for builder in BUILDERS {
        context(&repo, &engine, host, builder);
    }
}

fn context(repo: &Repo<'_>, engine: &Engine, host: &str, builder: &str) {
    let tag = format!("{}:{builder}", engine::unique("context"));
    let outcome = build(repo, host, builder, &["Dockerfile", "--tag", &tag, "--json"]).ok();
    assert!(outcome.stderr.contains("COPY . /app/"), "the builder's words are shown: {}", outcome.stderr);
    let told: Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    let id = engine.image_id(&tag).expect("an answer").expect("built");
    assert_eq!(told["id"].as_str(), Some(&*id));

    let running = Running::start(engine, &tag, "context");
    for path in ["models/m.safetensors", "link"] {
        assert!(running.get(&format!("/file/app/{path}")) == model(7), "{path} is as it was committed");
    }
    assert_eq!(running.get("/file/app/data/keep.csv"), b"kept");
    for path in ["deep/in/a.secret", "data/rows.csv", "new.txt"] {
        let answer = String::from_utf8(running.get(&format!("/file/app/{path}"))).expect("text");
        assert!(answer.contains("No such file"), "{path}: {answer}");
    }
    assert!(is_manifest(&repo.blob("HEAD", "models/m.safetensors")), "git has a manifest");
}

#[test]
fn a_step_that_fails_is_told() {
    let Some(host) = engine::host() else { return };
    let env = Env::new();
    let repo = repo(&env, "FROM scratch\nCOPY models /models\nCOPY absent.txt /\n");
    for builder in BUILDERS {
        let outcome = build(&repo, host, builder, &["Dockerfile"]).fails_with(1);
        let (_, error) = outcome.stderr.split_once("\nerror: the image cannot be built: ").expect("an error");
        let step = error.lines().next().expect("a step");
        assert!(step.contains("COPY absent.txt /: "), "{builder}: {}", outcome.stderr);
        assert!(!error.contains("COPY models"), "{builder}: {}", outcome.stderr);
    }
}

#[test]
fn a_dockerfile_that_is_none() {
    let Some(host) = engine::host() else { return };
    let env = Env::new();
    let repo = repo(&env, "FROM scratch\nFLY away\n");
    let outcome = build(&repo, host, "0", &["Dockerfile"]).fails_with(1);
    assert!(outcome.stderr.contains("cannot be built") && outcome.stderr.contains("FLY"), "{}", outcome.stderr);
    let outcome = build(&repo, host, "0", &["other/Dockerfile"]).fails_with(1);
    assert!(outcome.stderr.contains("there is no file `other/Dockerfile` in commit"), "{}", outcome.stderr);
    repo.write(".dockerignore", b"a\n!\n");
    repo.commit("a broken list");
    let outcome = build(&repo, host, "0", &["Dockerfile"]).fails_with(1);
    assert!(outcome.stderr.contains("`.dockerignore`, line 2: a `!` has to be"), "{}", outcome.stderr);
}
