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

/// Adds a message to the record, as whoever may push can.
fn forge(place: &Place<'_>, change: &[(&str, serde_json::Value)]) {
    let mut event = place.deployments()[0].clone();
    for (key, value) in change {
        event[*key] = value.clone();
    }
    let parent = place.git(&["rev-parse", "refs/model/deployments/prod"]).ok().text().trim().to_owned();
    let tree = place.git(&["rev-parse", &format!("{parent}^{{tree}}")]).ok().text().trim().to_owned();
    let message = format!("forged\n\n{event}");
    let forged = place.git(&["commit-tree", &tree, "-p", &parent, "-m", &message]).ok().text().trim().to_owned();
    place.git(&["update-ref", "refs/model/deployments/prod", &forged]).ok();
}

#[test]
fn a_forged_record_deletes_nothing_and_leads_nowhere() {
    let env = Env::new();
    let place = Place::new(&env, "target = \"process\"\nobserve = \"50ms\"\nkeep = 1\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    let first = place.version();
    place.train(2);
    place.commit("second");
    place.settled(2);
    let precious = env.root().join("precious");
    std::fs::create_dir(&precious).expect("a folder");
    let digest = place.deployments()[0]["digest"].clone();
    let other = place.git(&["commit-tree", "HEAD^{tree}", "-m", "theirs"]).ok().text().trim().to_owned();
    for change in [
        vec![("digest", precious.to_str().expect("text").into()), ("state", "failure".into())],
        vec![("deployment", "12345678".into()), ("digest", "0".repeat(64).into()), ("state", "inactive".into())],
        vec![
            ("deployment", "87654321".into()),
            ("digest", digest),
            ("commit", other.into()),
            ("state", "success".into()),
        ],
        vec![("deployment", "../../../x".into()), ("environment", precious.to_str().expect("text").into())],
        vec![("deployment", "00000001".into()), ("reason", "\u{1b}[2Jhealthy".into()), ("state", "failure".into())],
    ] {
        forge(&place, &change);
    }
    let said = place.model(&["status"]).ok();
    assert!(!said.text().contains('\u{1b}'), "{}", said.text());
    let said = place.model(&["deployments"]).ok();
    assert!(!said.text().contains('\u{1b}') && !precious.join("lock").exists(), "{}", said.text());
    place.model(&["prune"]).ok();
    place.model(&["rollback"]).ok();
    assert_eq!(place.version(), first, "only what served here is gone back to");
    assert!(precious.is_dir());
}

#[test]
fn a_tree_that_climbs_writes_nothing_outside() {
    let env = Env::new();
    let place = Place::new(&env, "target = \"process\"\nobserve = \"50ms\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    let policy = String::from_utf8(place.repo.read(".gitmodel.toml")).expect("text");
    place.repo.write(".gitmodel.toml", policy.replace("\"house.safetensors\"", "\"**\"").as_bytes());
    place.git(&["add", "-A"]).ok();
    let tree = place.git(&["write-tree"]).ok().text().trim().to_owned();
    // Git itself makes no such tree from an index.
    let listed = place.git(&["ls-tree", &tree]).ok().text().to_owned();
    let mut entries = place.repo.git_command(&["mktree"]);
    let blob = listed.split_whitespace().nth(2).expect("a blob").to_owned();
    let climbs = format!("100644 blob {blob}\tclimbed\n");
    let below = env
        .run(with_input(&mut place.repo.git_command(&["mktree"]), env.root(), &climbs))
        .ok()
        .text()
        .trim()
        .to_owned();
    let input = format!("{listed}040000 tree {below}\t..\n");
    let tree = env.run(with_input(&mut entries, env.root(), &input)).ok().text().trim().to_owned();
    let commit = place.git(&["commit-tree", &tree, "-p", "HEAD", "-m", "climbs"]).ok().text().trim().to_owned();
    let refused = place.model(&["deploy", "prod", &commit]).fails_with(1);
    assert!(refused.stderr.contains("would lie outside of the work tree"), "{}", refused.stderr);
    assert!(!place.folder().join("releases/climbed").exists());
}

fn with_input(command: &mut std::process::Command, root: &std::path::Path, input: &str) -> std::process::Command {
    let path = root.join("input");
    std::fs::write(&path, input).expect("written");
    command.stdin(std::fs::File::open(path).expect("input"));
    std::mem::replace(command, std::process::Command::new("true"))
}

#[test]
fn an_address_that_is_not_trusted_is_not_listened_on() {
    let env = Env::new();
    let place = Place::new(&env, "target = \"process\"\nobserve = \"50ms\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    place.policy("target = \"process\"\nobserve = \"50ms\"\naddress = \"0.0.0.0\"\n");
    place.commit("open to all");
    let problems = place.standing()["problems"].to_string();
    assert!(problems.contains("has changed since it was deployed to"), "{problems}");
    let refused = place.model(&["reconcile"]).fails_with(1);
    assert!(refused.stderr.contains("is not trusted"), "{}", refused.stderr);
    let proxy = std::fs::read(format!("/proc/{}/cmdline", place.proxy())).expect("a proxy");
    let proxy = String::from_utf8_lossy(&proxy).into_owned();
    assert!(proxy.contains("127.0.0.1:") && !proxy.contains("0.0.0.0:"), "{proxy}");
    assert!(place.infer().is_ok());
}

#[test]
fn terminals_get_no_orders_from_a_dockerfile() {
    let env = Env::new();
    let place = Place::new(&env, "dockerfile = \"Dockerfile\"\n");
    place.repo.write("Dockerfile", b"FROM scratch\nRUN harmful \x1b[2K\x1b[1A# harmless\n");
    let shown = place.model(&["trust", "--show"]).ok();
    assert!(!shown.text().contains('\x1b') && shown.text().contains("RUN harmful"), "{}", shown.text());
}
