//! What a repository contains runs nothing before it is trusted.

use super::place::Place;
use crate::support::Env;

const NOTHING: &str = "nothing was deployed yet";

#[test]
fn a_clone_of_a_hostile_repository_runs_nothing() {
    let env = Env::new();
    let place = Place::new(&env, "");
    let marker = env.root().join("ran");
    let touch = format!("[\"sh\", \"-c\", \"touch {}\"]", marker.display());
    let policy = format!(
        "[model.house]\nweights = [\"house.safetensors\"]\nmetrics = \"metrics.json\"\nevaluate = {touch}\n\
         [deploy.prod]\nport = {}\ndockerfile = \"Dockerfile\"\ntest = {touch}\n\
         [deploy.local]\ntarget = \"process\"\nport = {}\ntest = {touch}\n",
        place.port,
        super::place::free_port()
    );
    place.repo.write(".gitmodel.toml", policy.as_bytes());
    place.repo.write("Dockerfile", format!("FROM scratch\nRUN touch {}\n", marker.display()).as_bytes());
    place.commit("hostile");
    place.git(&["branch", "-q", "other"]).ok();

    let url = place.repo.dir.clone();
    env.run({
        let mut command = place.repo.git_command(&["clone", "-q"]);
        command.arg(&url).arg(env.root().join("clone"));
        command
    })
    .ok();
    let clone = Place { repo: env.at("clone"), port: place.port, variables: Vec::new() };
    clone.model(&["install", "--local"]).ok();
    clone.git(&["checkout", "-q", "-b", "side"]).ok();
    clone.repo.write("notes", b"mine\n");
    clone.commit("mine");
    let switched = clone.git(&["checkout", "-q", "main"]).ok();
    assert!(switched.stderr.contains("`[deploy.prod]` is not trusted"), "{}", switched.stderr);
    clone.git(&["merge", "-q", "--no-ff", "--no-edit", "side"]).ok();
    clone.git(&["pull", "-q"]).ok();
    for refused in [&["deploy", "prod"][..], &["deploy", "local"], &["pipeline", "local"], &["eval"]] {
        let refused = clone.model(refused).fails_with(1);
        assert!(
            refused.stderr.contains("is not trusted") && refused.stderr.contains("git model trust"),
            "{}",
            refused.stderr
        );
    }
    clone.model(&["rollback", "local"]).fails_with(1);
    clone.model(&["reconcile", "--wait"]).fails_with(1);
    for harmless in
        [&["status"][..], &["check"], &["list"], &["log"], &["ls-files"], &["doctor"], &["pipeline", "local", "-n"]]
    {
        let _ = clone.model(harmless);
    }
    assert!(clone.model(&["deployments"]).ok().stderr.contains(NOTHING));
    assert!(!marker.exists(), "something has run");

    // It is shown to the last line, and nobody is taken by surprise.
    let shown = clone.model(&["trust", "--show"]).ok();
    for line in ["RUN touch", "tested by: sh -c", "not trusted\thouse\tsh -c", "built by `Dockerfile`"] {
        assert!(shown.text().contains(line), "{line}: {}", shown.text());
    }
    assert!(!marker.exists());
}

#[test]
fn a_change_is_noticed() {
    let env = Env::new();
    let place = Place::new(&env, "target = \"process\"\nobserve = \"50ms\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"]);
    let marker = env.root().join("ran");
    let test = format!("test = [\"touch\", \"{}\"]\n", marker.display());
    place.policy(&format!("target = \"process\"\nobserve = \"50ms\"\n{test}"));
    let committed = place.commit("changed by somebody");
    assert!(committed.stderr.contains("is not trusted in this clone, or has changed since"), "{}", committed.stderr);
    place.model(&["deploy"]).fails_with(1);
    assert_eq!(place.states(), ["success"]);
    assert!(!marker.exists());
    let shown = place.model(&["trust", "--show"]).ok();
    assert!(shown.text().contains("not trusted\tdeploy prod\ttested by: touch "), "{}", shown.text());
    place.model(&["trust", "--yes"]).ok();
    place.model(&["deploy"]).ok();
    assert!(marker.exists());
}

#[test]
fn terminals_get_no_orders_from_a_dockerfile() {
    let env = Env::new();
    let place = Place::new(&env, "dockerfile = \"Dockerfile\"\n");
    place.repo.write("Dockerfile", b"FROM scratch\nRUN harmful \x1b[2K\x1b[1A# harmless\n");
    let shown = place.model(&["trust", "--show"]).ok();
    assert!(!shown.text().contains('\x1b') && shown.text().contains("RUN harmful"), "{}", shown.text());
}
