//! One HTTP request to a server of this machine.
//!
//! RFC 9110, RFC 9112. Whatever the server sends, no more than [`BODY_MAX`] of it is read, and no more time is taken than was
//! given.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A longer answer is none.
const BODY_MAX: usize = 64 << 20;

/// Sends JSON by POST. The status, and the body of the answer.
///
/// # Errors
/// Why there is no answer.
pub fn post(address: SocketAddr, path: &str, json: String, timeout: Duration) -> Result<(u16, Vec<u8>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let runtime = runtime.map_err(|error| format!("cannot ask: {error}"))?;
    runtime.block_on(async {
        let answer = tokio::time::timeout(timeout, exchange(address, path, json));
        answer.await.map_err(|_| format!("no answer within {} s", timeout.as_secs()))?
    })
}

async fn exchange(address: SocketAddr, path: &str, json: String) -> Result<(u16, Vec<u8>), String> {
    let request = Request::post(path).header(HOST, address.to_string()).header(CONNECTION, "close");
    let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(json)));
    let request = request.map_err(|error| error.to_string())?;
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends with the runtime, if not before.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok((status, body.to_bytes().to_vec()))
}
