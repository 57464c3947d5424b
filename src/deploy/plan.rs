//! What is to be done, from what is known. Pure.

use std::collections::HashSet;

use super::record::{Deployment, DeploymentId, State};

/// Whether a branch's tip is to be deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is.
    Deploy,
    /// It is not, for this reason.
    Nothing(&'static str),
}

/// Whether `tip` is to be deployed by itself. `deployments` are those of this clone, the oldest first; `serving` is the
/// commit that serves.
///
/// A tip is tried once. What was rolled back, stopped or found bad stays so until the branch moves; only what the engine
/// or the machine has spoilt is tried again.
pub fn reconcile(tip: &str, deployments: &[Deployment], serving: Option<&str>) -> Decision {
    let asked = deployments.iter().rev().find(|deployment| deployment.last.rollback_to.is_none());
    match asked {
        Some(last) if last.last.commit == tip => match last.state() {
            State::Error => Decision::Deploy,
            State::Queued | State::InProgress => Decision::Nothing("it is being deployed"),
            State::Failure => Decision::Nothing("it has failed before"),
            State::Success => Decision::Nothing("it is deployed"),
            State::Inactive => Decision::Nothing("it was deployed before"),
        },
        _ if serving == Some(tip) => Decision::Nothing("it is deployed"),
        _ => Decision::Deploy,
    }
}

/// Why one cannot go back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// Nothing else has ever served.
    #[error("nothing was deployed from this clone to `{0}` before that could be gone back to")]
    Nothing(String),
    /// There is no such deployment.
    #[error("there is no deployment `{0}`")]
    Unknown(String),
    /// The first digits are those of several.
    #[error("`{0}` are the first digits of several deployments")]
    Ambiguous(String),
    /// It was never good.
    #[error("deployment `{0}` has never served: it ended as {1}")]
    NeverServed(DeploymentId, &'static str),
}

/// The deployment to go back to: the one that is named by its first digits, or the last that served another commit than
/// the one that does now.
///
/// # Errors
/// There is none.
pub fn rollback<'d>(
    environment: &str,
    deployments: &'d [Deployment],
    serving: Option<&str>,
    to: Option<&str>,
) -> Result<&'d Deployment, NoWayBack> {
    if let Some(id) = to {
        let found = find(deployments, id)?;
        if !found.was_active {
            return Err(NoWayBack::NeverServed(found.last.deployment.clone(), found.state().name()));
        }
        return Ok(found);
    }
    let active = deployments.iter().rev().filter(|deployment| deployment.was_active);
    // Going back twice goes back two versions, not forth again.
    let mut undone = HashSet::new();
    for deployment in active {
        if let Some(to) = &deployment.last.rollback_to {
            undone.extend(skipped(deployments, &deployment.last.deployment, to));
        }
        let is_other = serving.is_none_or(|serving| deployment.last.commit != serving);
        if is_other && !undone.contains(&deployment.last.deployment) {
            return Ok(deployment);
        }
    }
    Err(NoWayBack::Nothing(environment.to_owned()))
}

/// The deployments between a rollback and what it went back to.
fn skipped(deployments: &[Deployment], from: &DeploymentId, to: &DeploymentId) -> Vec<DeploymentId> {
    let place = |id: &DeploymentId| deployments.iter().position(|deployment| deployment.last.deployment == *id);
    let (Some(from), Some(to)) = (place(from), place(to)) else { return Vec::new() };
    let between = deployments.get(to + 1..from).unwrap_or_default();
    between.iter().map(|deployment| deployment.last.deployment.clone()).collect()
}

/// The deployment whose name begins with these digits.
///
/// # Errors
/// There is none, or more than one.
pub fn find<'d>(deployments: &'d [Deployment], id: &str) -> Result<&'d Deployment, NoWayBack> {
    let is_meant = |deployment: &&Deployment| !id.is_empty() && deployment.last.deployment.as_str().starts_with(id);
    let mut found = deployments.iter().filter(is_meant);
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(NoWayBack::Unknown(id.to_owned())),
        (Some(_), Some(_)) => Err(NoWayBack::Ambiguous(id.to_owned())),
    }
}

/// The digests of what may be deleted: all but those of the last `keep` versions that have served, and `used`. `made` are
/// digests of what was built, the oldest first, and whether it has served.
pub fn surplus(made: &[(&str, bool)], keep: usize, used: &[&str]) -> Vec<String> {
    let mut kept: HashSet<&str> = used.iter().copied().collect();
    let mut versions = HashSet::new();
    for (digest, _) in made.iter().rev().filter(|(_, has_served)| *has_served) {
        if versions.len() < keep || versions.contains(digest) {
            versions.insert(digest);
            kept.insert(digest);
        }
    }
    let mut surplus: Vec<String> = Vec::new();
    for (digest, _) in made {
        if !kept.contains(digest) && !surplus.iter().any(|known| known == digest) {
            surplus.push((*digest).to_owned());
        }
    }
    surplus
}

#[cfg(test)]
mod tests {
    use super::super::record::Event;
    use super::*;

    /// State, commit, and for a rollback the number of what it went back to; numbered from 0.
    fn history(all: &[(State, &str, Option<u32>)]) -> Vec<Deployment> {
        let one = |(number, &(state, commit, to)): (usize, &(State, &str, Option<u32>))| {
            let mut event = event(number as u32, state, commit);
            event.digest = Some(format!("digest-{commit}"));
            event.rollback_to = to.map(DeploymentId::from_random);
            let was_active = matches!(state, State::Success | State::Inactive);
            Deployment { created: event.at.clone(), was_active, last: event }
        };
        all.iter().enumerate().map(one).collect()
    }

    fn event(id: u32, state: State, commit: &str) -> Event {
        let json = serde_json::json!({
            "deployment": DeploymentId::from_random(id), "state": state, "environment": "prod", "model": "m",
            "commit": commit, "by": "a", "trigger": "manual", "host": "h", "clone": "c", "at": "", "seconds": 0.0,
        });
        serde_json::from_value(json).expect("an event")
    }

    #[test]
    fn a_tip_is_tried_once() {
        use State::*;
        for (state, decision) in [
            (Success, Decision::Nothing("it is deployed")),
            (Failure, Decision::Nothing("it has failed before")),
            (InProgress, Decision::Nothing("it is being deployed")),
            (Inactive, Decision::Nothing("it was deployed before")),
            (Error, Decision::Deploy),
        ] {
            assert_eq!(reconcile("b", &history(&[(Inactive, "a", None), (state, "b", None)]), None), decision);
            assert_eq!(reconcile("c", &history(&[(Inactive, "a", None), (state, "b", None)]), None), Decision::Deploy);
        }
        assert_eq!(reconcile("a", &[], None), Decision::Deploy);
    }

    #[test]
    fn what_was_rolled_back_stays_so() {
        use State::*;
        let all = history(&[(Inactive, "a", None), (Inactive, "b", None), (Success, "a", Some(0))]);
        assert_eq!(reconcile("b", &all, Some("a")), Decision::Nothing("it was deployed before"));
        // The branch is reset to what serves.
        assert_eq!(reconcile("a", &all, Some("a")), Decision::Nothing("it is deployed"));
        assert_eq!(reconcile("c", &all, Some("a")), Decision::Deploy);
    }

    #[test]
    fn going_back_twice_goes_back_two_versions() {
        use State::*;
        let mut all =
            history(&[(Inactive, "a", None), (Inactive, "b", None), (Failure, "x", None), (Success, "c", None)]);
        assert_eq!(rollback("prod", &all, Some("c"), None).map(|to| &*to.last.commit), Ok("b"));
        all.extend(
            history(&[
                (Inactive, "a", None),
                (Inactive, "b", None),
                (Failure, "x", None),
                (Inactive, "c", None),
                (Success, "b", Some(1)),
            ])
            .split_off(4),
        );
        assert_eq!(rollback("prod", &all, Some("b"), None).map(|to| &*to.last.commit), Ok("a"));
        assert_eq!(rollback("prod", &all[..1], Some("a"), None), Err(NoWayBack::Nothing("prod".into())));
        assert_eq!(rollback("prod", &all, Some("b"), Some("00000003")).map(|to| &*to.last.commit), Ok("c"));
        assert!(matches!(rollback("prod", &all, None, Some("00000002")), Err(NoWayBack::NeverServed(_, "failure"))));
        assert!(matches!(rollback("prod", &all, None, Some("0")), Err(NoWayBack::Ambiguous(_))));
        assert!(matches!(rollback("prod", &all, None, Some("f")), Err(NoWayBack::Unknown(_))));
    }

    #[test]
    fn the_last_versions_are_kept() {
        let made = [("a", true), ("x", false), ("b", true), ("c", true), ("b", true)];
        assert_eq!(surplus(&made, 2, &[]), ["a", "x"]);
        assert_eq!(surplus(&made, 1, &["a"]), ["x", "c"]);
        assert!(surplus(&made, 9, &["x"]).is_empty());
    }
}
