//! `git model deploy` and what follows, with the target `process`.

mod faults;
mod hostile;
#[allow(dead_code)]
mod load;
mod place;
mod record;
mod stages;
mod story;

use place::Place;

use crate::support::Env;

/// Every fiftieth request takes 300 ms.
const SLOW: (&str, &str) = ("GIT_MODEL_SERVE_DELAY_MS", "300/50");

#[test]
fn from_a_merge_to_a_running_model_and_back() {
    let env = Env::new();
    let mut place = Place::new(&env, "target = \"process\"\nobserve = \"300ms\"\ndrain_timeout = \"10s\"\n");
    place.variables.push((SLOW.0, SLOW.1.to_owned()));
    story::tell(&place);
}
