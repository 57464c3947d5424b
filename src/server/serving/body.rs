//! The bodies of requests: never more of one than is allowed, nor of all together.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::EXPECT;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::Refusal;

/// How long a client may take for the next piece.
const PIECE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a large body waits for others to be answered.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);
/// Bodies of the largest size that may be in memory at a time.
const BODIES_MAX: usize = 8;
/// Bytes that every request may have, however many large ones there are.
const SMALL_BYTES: usize = 64 << 10;
/// What is read and thrown away of a body that is too large, so that the client reads the answer and does not meet a
/// connection that was reset.
const DISCARDED_MAX: usize = 64 << 20;
const DISCARD_TIMEOUT: Duration = Duration::from_secs(5);

/// Memory for bodies.
pub struct Room {
    /// Bytes of one body at most.
    limit: usize,
    free: Semaphore,
}

/// A body, and the room it takes until it is dropped.
pub struct Received<'r> {
    /// The body.
    pub bytes: Vec<u8>,
    /// Its room.
    pub held: Option<SemaphorePermit<'r>>,
}

impl Room {
    /// For bodies of at most `limit` bytes each.
    pub fn new(limit: usize) -> Self {
        Self { limit, free: Semaphore::new(limit.saturating_mul(BODIES_MAX).min(Semaphore::MAX_PERMITS)) }
    }

    /// Reads a body. Makes room for what has come, not for what was announced.
    ///
    /// # Errors
    /// It is too large (413), it does not come (408), there are too many others (503), or the client has gone.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body) -> Result<Received<'_>, Refusal> {
        if body.size_hint().lower() > self.limit as u64 {
            // Who waits for a word before sending is told at once.
            if !headers.contains_key(EXPECT) {
                discard(&mut body).await;
            }
            return Err(self.too_large());
        }
        let mut received = Received { bytes: Vec::new(), held: None };
        while let Some(piece) = next(&mut body).await? {
            let len = received.bytes.len() + piece.len();
            if len > self.limit {
                discard(&mut body).await;
                return Err(self.too_large());
            }
            if len > SMALL_BYTES {
                let permit = self.acquire(piece.len()).await?;
                match &mut received.held {
                    Some(held) => held.merge(permit),
                    held @ None => *held = Some(permit),
                }
            }
            received.bytes.extend_from_slice(&piece);
        }
        Ok(received)
    }

    async fn acquire(&self, bytes: usize) -> Result<SemaphorePermit<'_>, Refusal> {
        let permits = u32::try_from(bytes).unwrap_or(u32::MAX);
        match timeout(ROOM_TIMEOUT, self.free.acquire_many(permits)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => {
                let message = "there are too many large requests at the moment";
                Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, message.into()))
            }
        }
    }

    fn too_large(&self) -> Refusal {
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request is larger than {} bytes", self.limit))
    }
}

/// The next piece of a body; `None` at its end.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Refusal> {
    loop {
        let Ok(frame) = timeout(PIECE_TIMEOUT, body.frame()).await else {
            let message = "the rest of the request did not come in time";
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, message.into()));
        };
        let frame =
            frame.transpose().map_err(|error| Refusal::bad_request(format!("the request broke off: {error}")))?;
        // Trailers say nothing that is needed.
        match frame.map(hyper::body::Frame::into_data) {
            None => return Ok(None),
            Some(Ok(data)) => return Ok(Some(data)),
            Some(Err(_)) => {}
        }
    }
}

async fn discard(body: &mut Body) {
    let deadline = Instant::now() + DISCARD_TIMEOUT;
    let mut discarded = 0;
    while discarded < DISCARDED_MAX {
        match timeout_at(deadline, body.frame()).await {
            Ok(Some(Ok(frame))) => discarded += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
}
