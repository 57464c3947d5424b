//! Why a request is not answered, as the protocol has it: a status code, and `{"error": "…"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// What a client reads instead of an answer.
#[derive(Debug)]
pub struct Refusal {
    /// The code of HTTP.
    pub status: StatusCode,
    message: String,
}

impl Refusal {
    /// With this code and this message.
    pub const fn new(status: StatusCode, message: String) -> Self {
        Self { status, message }
    }

    /// The client's fault.
    pub const fn bad_request(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such thing.
    pub const fn not_found(message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// Our own fault.
    pub const fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.message }))).into_response()
    }
}
