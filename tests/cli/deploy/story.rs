//! From a merge to a running model, to a better one, to a bad one, and back.

use super::load::Load;
use super::place::{HOUSE, INFER, Place};

const CLIENTS: usize = 6;
const REQUESTS: usize = 5_000;

/// The whole story; `place` has a model that is not committed yet.
pub fn tell(place: &Place<'_>) {
    place.model(&["trust", "--yes"]).ok();
    // One line, and git is done.
    let committed = place.commit("first");
    assert!(committed.stderr.starts_with("deploying house "), "{}", committed.stderr);
    assert_eq!(committed.stderr.lines().count(), 1, "{}", committed.stderr);
    assert_eq!(place.settled(1), ["success"], "{}", place.logs());
    let first = place.short();
    assert_eq!(place.version(), first);

    let load = Load::start(place.address(), INFER, HOUSE, CLIENTS);
    load.wait_for(200);
    place.git(&["checkout", "-q", "-b", "better"]).ok();
    place.train(2);
    place.commit("better");
    place.git(&["checkout", "-q", "main"]).ok();
    assert_eq!(place.settled(1), ["success"], "another branch is not deployed");
    let merged = place.git(&["merge", "-q", "--no-ff", "--no-edit", "better"]).ok();
    assert!(merged.stderr.contains("deploying house "), "{}", merged.stderr);
    assert_eq!(place.settled(2), ["success", "inactive"], "{}", place.logs());
    let second = place.short();
    assert_eq!(place.version(), second);
    let newest = &place.deployments()[0];
    assert_eq!((newest["trigger"].as_str(), newest["commit"].as_str()), (Some("post-merge"), Some(&*place.head())));
    load.wait_for(REQUESTS);

    // It never gets ready: no server understands it.
    place.git(&["checkout", "-q", "-b", "bad"]).ok();
    place.spoil();
    place.commit("bad");
    place.git(&["checkout", "-q", "main"]).ok();
    place.git(&["merge", "-q", "--no-ff", "--no-edit", "bad"]).ok();
    assert_eq!(place.settled(3), ["failure", "success", "inactive"], "{}", place.logs());
    assert_eq!(place.version(), second);
    let failed = place.deployments()[0].clone();
    let id = failed["deployment"].as_str().expect("an id");
    let reason = failed["reason"].as_str().expect("a reason");
    assert!(reason.contains("did not get ready"), "{reason}");
    let log = place.model(&["logs", id, "--stage", "run"]).ok();
    assert!(log.text().contains("house.safetensors"), "{}", log.text());
    // The next tip is another one; the bad one is not tried again.
    let quiet = place.git(&["checkout", "-q", "main"]).ok();
    assert!(!quiet.stderr.contains("deploying"), "{}", quiet.stderr);

    place.model(&["rollback"]).ok();
    assert_eq!(place.settled(4), ["success", "failure", "inactive", "inactive"], "{}", place.logs());
    assert_eq!(place.version(), first);
    let seen = load.end();
    assert_eq!(seen.failures, Vec::<String>::new(), "{}", place.logs());
    assert!(seen.answered >= REQUESTS, "{}", seen.answered);
    assert!(seen.slow > 0, "some requests took 300 ms");
    assert_eq!(seen.versions, [first, second]);
}
