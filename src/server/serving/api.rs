//! The paths of the Open Inference Protocol v2, and `/metrics`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::body::{Received, Room};
use super::counters::Counters;
use super::predictor::Predictor;
use super::protocol::{Request, Response as Answer};
use super::refusal::Refusal;

/// What all requests share.
pub struct Shared {
    /// The models by name, in the order of the command line.
    pub models: Vec<(String, Arc<dyn Predictor>)>,
    /// The version of all of them.
    pub version: String,
    /// Counts for `/metrics`.
    pub counters: Counters,
    /// How long each prediction is put off: for tests of draining.
    pub delay: Duration,
    /// Which predictions those are.
    pub delayed: Every,
    /// Whether the server is about to end.
    pub draining: watch::Sender<bool>,
    /// Room for bodies.
    pub room: Room,
}

/// Each so-manieth of what comes.
pub struct Every {
    every: u64,
    count: AtomicU64,
}

impl Every {
    /// Each if `every` is 1, each second if it is 2.
    pub fn new(every: u64) -> Self {
        Self { every: every.max(1), count: AtomicU64::new(0) }
    }

    fn is_next(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every)
    }
}

/// The model that a path names.
#[derive(serde::Deserialize)]
struct Target {
    model: String,
    #[serde(default)]
    version: Option<String>,
}

type Named = Result<Path<Target>, PathRejection>;

/// All paths.
pub fn router(shared: Arc<Shared>) -> Router {
    let mut router = Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/metrics", get(metrics));
    for prefix in ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"] {
        router = router
            .route(prefix, get(model))
            .route(&format!("{prefix}/ready"), get(model_ready))
            .route(&format!("{prefix}/infer"), post(infer));
    }
    router.fallback(no_path).method_not_allowed_fallback(no_method).with_state(shared)
}

async fn no_path(uri: Uri) -> Refusal {
    Refusal::not_found(format!("there is nothing at `{}`", uri.path()))
}

async fn no_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{}` does not take {method}", uri.path()))
}

async fn server() -> Json<Value> {
    Json(json!({ "name": "git-model", "version": env!("CARGO_PKG_VERSION"), "extensions": [] }))
}

async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let is_ready = !*shared.draining.borrow();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "live": true, "ready": is_ready }))).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Result<Response, Refusal> {
    let text = shared.counters.text().map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

async fn model(State(shared): State<Arc<Shared>>, named: Named) -> Result<Json<Value>, Refusal> {
    let (name, model) = shared.find(named)?;
    Ok(Json(json!({
        "name": name,
        "versions": [shared.version],
        "platform": model.platform(),
        "inputs": model.inputs(),
        "outputs": model.outputs(),
    })))
}

async fn model_ready(State(shared): State<Arc<Shared>>, named: Named) -> Result<Json<Value>, Refusal> {
    let (name, _) = shared.find(named)?;
    Ok(Json(json!({ "name": name, "ready": true })))
}

async fn infer(State(shared): State<Arc<Shared>>, named: Named, headers: HeaderMap, body: Body) -> Response {
    let begun = Instant::now();
    let _in_flight = shared.counters.begin();
    let found = shared.find(named);
    let name = found.as_ref().ok().map(|(name, _)| *name);
    let answered = async {
        // Read in any case: who is still sending does not see an answer.
        let Received { bytes, held: _held } = shared.room.read(&headers, body).await?;
        let (name, model) = found?;
        if shared.delayed.is_next() {
            tokio::time::sleep(shared.delay).await;
        }
        let (name, version, model) = (name.to_owned(), shared.version.clone(), Arc::clone(model));
        // Elsewhere, so that others are answered while a large request is computed.
        let work = tokio::task::spawn_blocking(move || predict(&name, &version, &*model, &bytes));
        work.await.unwrap_or_else(|_| Err(Refusal::internal("the prediction failed".into())))
    };
    let (rows, response) = match answered.await {
        Ok((rows, json)) => (rows, ([(CONTENT_TYPE, "application/json")], json).into_response()),
        Err(refusal) => (0, refusal.into_response()),
    };
    shared.counters.end(name, response.status().as_u16(), rows, begun.elapsed());
    response
}

/// The rows of a request, and its answer as JSON.
fn predict(name: &str, version: &str, model: &dyn Predictor, body: &[u8]) -> Result<(u64, Vec<u8>), Refusal> {
    let request = Request::parse(body).map_err(Refusal::bad_request)?;
    let known = model.outputs();
    if let Some(wanted) = request.outputs.iter().find(|wanted| known.iter().all(|known| known.name != wanted.name)) {
        let known = known.iter().map(|known| format!("`{}`", known.name)).collect::<Vec<_>>().join(", ");
        return Err(Refusal::bad_request(format!("there is no output `{}`; the model has {known}", wanted.name)));
    }
    let mut inferred = model.infer(request.inputs).map_err(Refusal::bad_request)?;
    if !request.outputs.is_empty() {
        let place = |name: &str| request.outputs.iter().position(|wanted| wanted.name == name);
        inferred.outputs.retain(|output| place(&output.name).is_some());
        inferred.outputs.sort_by_key(|output| place(&output.name));
    }
    let answer = Answer { model_name: name, model_version: version, id: request.id, outputs: inferred.outputs };
    let json = serde_json::to_vec(&answer).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok((inferred.rows, json))
}

impl Shared {
    /// The model that is named, if it is there in that version.
    fn find(&self, named: Named) -> Result<(&str, &Arc<dyn Predictor>), Refusal> {
        let Path(Target { model, version }) =
            named.map_err(|rejection| Refusal::bad_request(format!("malformed path: {rejection}")))?;
        let Some((name, found)) = self.models.iter().find(|(name, _)| *name == model) else {
            return Err(Refusal::not_found(format!("there is no model `{model}`")));
        };
        match version.filter(|version| *version != self.version) {
            Some(version) => {
                let message = format!("there is no version `{version}` of `{name}`, only `{}`", self.version);
                Err(Refusal::not_found(message))
            }
            None => Ok((name, found)),
        }
    }
}
