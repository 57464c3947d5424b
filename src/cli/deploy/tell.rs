//! How a deployment came out, for people.

use super::unsuccessful;
use crate::deploy::pipeline::reachable;
use crate::deploy::record::{Event, State};
use crate::deploy::recover::front;
use crate::error::Result;
use crate::metrics::policy::deploy::Environment;
use crate::progress::Progress;
use crate::ui::Ui;

/// What was deployed and where it answers; or why it was not.
pub fn outcome(event: &Event, environment: &Environment, ui: &Ui) -> Result {
    let what = format!("{} {}", event.model, event.version_or_commit());
    if event.state == State::Success {
        let address = reachable(front(environment));
        ui.note(&format!("{what} serves at http://{address} (deployment {})", event.deployment));
        return Ok(());
    }
    let reason = event.reason.as_deref().unwrap_or("unknown");
    let message = format!("{what} was not deployed to {}: {reason}", event.environment);
    let error = unsuccessful(event.state, message);
    Err(error.hint(format!("what its stages said: `git model logs {}`", event.deployment)))
}
