//! The stages: what each of them asks, skips and refuses.

use super::load::Load;
use super::place::{HOUSE, INFER, Place};
use crate::support::Env;

const QUICK: &str = "target = \"process\"\nobserve = \"50ms\"\ndrain_timeout = \"5s\"\n";

fn states(deployment: &serde_json::Value) -> Vec<String> {
    let stages = deployment["stages"].as_array().expect("stages");
    stages.iter().map(|stage| format!("{} {}", stage["stage"], stage["state"]).replace('"', "")).collect()
}

#[test]
fn what_was_done_for_the_same_is_not_done_again() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    place.git(&["add", "-A"]).ok();
    place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "first"]).ok();
    let rehearsed = place.model(&["pipeline", "--stage", "build,test"]).ok();
    let words: Vec<_> = rehearsed.text().lines().map(|line| line.split('\t').take(2).collect::<Vec<_>>()).collect();
    assert_eq!(words, [["build", "passed"], ["test", "passed"]]);
    assert_eq!((place.deployments().len(), place.servers().len()), (0, 0), "nothing is deployed");
    place.model(&["deploy"]).ok();
    let stages = ["build skipped", "test skipped", "deploy success", "observe success"];
    assert_eq!(states(&place.deployments()[0]), stages);
    let planned = place.model(&["pipeline", "--dry-run"]).ok();
    assert_eq!(planned.text().lines().count(), 4, "{}", planned.text());
    assert_eq!(place.deployments().len(), 1);
    place.model(&["pipeline", "--stage", "tset"]).fails_with(1);
}

#[test]
fn golden_inputs_must_give_their_outputs() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    let answer = place.infer().expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let value = answer["outputs"][0]["data"][0].as_f64().expect("a number");
    let inputs: serde_json::Value = serde_json::from_str(HOUSE).expect("JSON");
    let golden = |value: f64| {
        let outputs = serde_json::json!([{ "name": "predict", "data": [value] }]);
        serde_json::json!([{ "inputs": inputs["inputs"], "outputs": outputs }]).to_string()
    };
    place.repo.write("golden.json", golden(value).as_bytes());
    place.commit("golden");
    assert_eq!(place.settled(2)[0], "success", "{}", place.logs());
    assert!(place.logs().contains("1 request answered as in `golden.json`"), "{}", place.logs());
    place.repo.write("golden.json", golden(value + 1.0).as_bytes());
    place.commit("gold is heavier now");
    assert_eq!(place.settled(3)[0], "failure");
    let reason = place.deployments()[0]["reason"].to_string();
    assert!(reason.contains("`golden.json`, case 1: `predict` [0] is "), "{reason}");
}

#[test]
fn gates_and_tests_keep_a_model_out() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    let show = "env | grep ^GIT_MODEL_ | sort; ls; exit $(cat code)";
    let lines = format!("{QUICK}test = [\"sh\", \"-c\", \"{show}\"]\n");
    place.policy(&lines);
    place.repo.write("code", b"0\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    let id = place.deployments()[0]["deployment"].as_str().expect("an id").to_owned();
    let log = place.model(&["logs", &id, "--stage", "test"]).ok();
    for said in ["GIT_MODEL_URL=http://127.0.0.1:", "GIT_MODEL_ENVIRONMENT=prod", "house.safetensors", "passed"] {
        assert!(log.text().contains(said), "{said}: {}", log.text());
    }
    let first = place.version();

    place.repo.write("code", b"3\n");
    place.commit("a test that fails");
    assert_eq!(place.settled(2), ["failure", "success"]);
    assert!(place.deployments()[0]["reason"].to_string().contains("exit status: 3"), "{}", place.deployments()[0]);

    place.repo.write("code", b"0\n");
    let gate = "\n[[gate]]\nmodel = \"house\"\nmetric = \"train.mse\"\nmax = 0.000001\n";
    let policy = String::from_utf8(place.repo.read(".gitmodel.toml")).expect("text");
    place.repo.write(".gitmodel.toml", (policy + gate).as_bytes());
    place.git(&["add", "-A"]).ok();
    // The gates can be passed over when one commits, not when one deploys.
    place.git(&["commit", "-q", "--no-verify", "-m", "a gate"]).ok();
    assert_eq!(place.settled(3)[0], "failure", "{}", place.logs());
    assert!(place.deployments()[0]["reason"].to_string().contains("gates: 1 failed"), "{}", place.deployments()[0]);
    assert_eq!((place.version(), place.servers().len()), (first, 1));
}

#[test]
fn recreate_tells_how_long_nobody_answers() {
    let env = Env::new();
    let place = Place::new(&env, "target = \"process\"\nstrategy = \"recreate\"\nobserve = \"50ms\"\n");
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    let first = place.version();
    place.train(2);
    place.git(&["add", "-A"]).ok();
    place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", "second"]).ok();
    let deployed = place.model(&["deploy"]).ok();
    assert!(deployed.stderr.contains("will be down for about"), "{}", deployed.stderr);
    assert!(deployed.stderr.contains("was down for 0."), "{}", deployed.stderr);
    assert_eq!((place.version(), place.servers().len()), (place.short(), 1));
    place.model(&["rollback"]).ok();
    assert_eq!(place.version(), first);

    // From one strategy to the other, and back.
    for strategy in ["proxy", "recreate"] {
        place.policy(&format!("target = \"process\"\nstrategy = \"{strategy}\"\nobserve = \"50ms\"\n"));
        place.model(&["trust", "--yes"]).ok();
        place.git(&["add", "-A"]).ok();
        place.git(&["-c", "core.hooksPath=/dev/null", "commit", "-q", "-m", strategy]).ok();
        place.model(&["deploy"]).ok();
        assert_eq!((place.version(), place.servers().len()), (place.short(), 1));
        assert_eq!(place.standing()["problems"], serde_json::json!([]));
    }
}

#[test]
fn only_the_last_versions_are_kept() {
    let env = Env::new();
    let place = Place::new(&env, &format!("{QUICK}keep = 2\n"));
    place.model(&["trust", "--yes"]).ok();
    let mut versions = Vec::new();
    for number in 1..=4 {
        place.train(number);
        place.commit("next");
        place.settled(usize::try_from(number).expect("small"));
        versions.push(place.version());
    }
    let releases = || std::fs::read_dir(place.folder().join("releases")).expect("releases").count();
    assert_eq!(releases(), 2);
    place.model(&["prune"]).ok();
    assert_eq!(releases(), 2);
    // One that is not kept is built again.
    let id = place.deployments()[3]["deployment"].as_str().expect("an id").to_owned();
    place.model(&["rollback", "prod", "--to", &id]).ok();
    assert_eq!(place.version(), versions[0]);
    assert_eq!(place.deployments()[0]["rollback_to"], *id);
}

#[test]
fn a_stopped_environment_stays_so_until_the_branch_moves() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    place.settled(1);
    place.model(&["stop", "prod"]).ok();
    assert!(place.infer().is_err());
    assert_eq!((place.states(), place.servers().len()), (vec!["inactive".to_owned()], 0));
    assert!(place.deployments()[0]["reason"].to_string().contains("stopped by Test"), "{}", place.deployments()[0]);
    assert!(place.model(&["reconcile"]).ok().stderr.contains("all is as it should be"));
    place.git(&["checkout", "-q", "main"]).ok();
    assert_eq!(place.states(), ["inactive"]);
    place.train(2);
    place.commit("second");
    assert_eq!(place.settled(2), ["success", "inactive"]);
    assert_eq!(place.version(), place.short());
}

#[test]
fn commits_of_all_kinds_are_deployed() {
    let env = Env::new();
    let place = Place::new(&env, QUICK);
    place.model(&["trust", "--yes"]).ok();
    place.commit("first");
    let mut count = 1;
    place.settled(count);
    let load = Load::start(place.address(), INFER, HOUSE, 2);
    let mut expect = |what: &str| {
        count += 1;
        assert_eq!(place.settled(count)[0], "success", "{what}: {}", place.logs());
        assert_eq!(place.version(), place.short(), "{what}");
    };
    place.git(&["commit", "-q", "--amend", "-m", "first, in other words"]).ok();
    expect("amend");
    place.git(&["checkout", "-q", "-b", "side"]).ok();
    place.repo.write("notes", b"side\n");
    place.commit("notes");
    place.git(&["checkout", "-q", "main"]).ok();
    place.git(&["merge", "-q", "--ff-only", "side"]).ok();
    expect("merge, forward");
    place.repo.write("more", b"main\n");
    place.commit("more");
    expect("commit");
    place.git(&["checkout", "-q", "-b", "base", "HEAD~2"]).ok();
    place.repo.write("base", b"base\n");
    place.commit("base");
    place.git(&["checkout", "-q", "main"]).ok();
    place.git(&["rebase", "-q", "base"]).ok();
    expect("rebase");
    place.git(&["revert", "--no-edit", "HEAD"]).ok();
    expect("revert");
    place.git(&["cherry-pick", "HEAD~1"]).ok();
    expect("cherry-pick");
    assert_eq!(load.end().failures, Vec::<String>::new());
}
