//! Whether a server answers.
//!
//! A server is ready when it answers a request with a status of 200 to 399, by HTTP/1.1 (RFC 9110, RFC 9112). Whatever it
//! sends, no more than 64 KiB of it are read, and no question takes longer than its time.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant as Deadline, timeout_at};

/// As much is read of an answer's head, and as much of its body.
const ANSWER_MAX_BYTES: usize = 64 << 10;
/// As much of a body's first line is told.
const LINE_MAX_CHARS: usize = 200;
/// The pause after the first question; it doubles until it is [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// A server that is asked to become ready must answer each question within this time.
const QUESTION_MAX: Duration = Duration::from_secs(2);
/// Even at the end of its time a server has so long to answer.
const QUESTION_MIN: Duration = Duration::from_millis(50);

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It works.
    Ready,
    /// It does not, or not yet; why, for people: `503 Service Unavailable: loading`, `connection refused`.
    NotReady(String),
}

/// Asks a server for `path` by GET.
pub fn check(address: SocketAddr, path: &str, timeout: Duration) -> Health {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => return Health::NotReady(format!("cannot ask: {error}")),
    };
    runtime.block_on(ask(address, path, timeout))
}

/// Asks a server until it is ready: at first soon again, then twice a second. How long it took. `is_alive` says why it is no
/// use to go on asking: a server that has ended is no more waited for.
///
/// # Errors
/// Why it is not ready: what `is_alive` says, or that `timeout` is over; and the last answer.
pub fn wait_ready(
    address: SocketAddr,
    path: &str,
    timeout: Duration,
    is_alive: &dyn Fn() -> Result<(), String>,
) -> Result<Duration, String> {
    let begun = Instant::now();
    let mut pause = PAUSE_MIN;
    loop {
        is_alive()?;
        let rest = timeout.saturating_sub(begun.elapsed());
        let answer = check(address, path, rest.clamp(QUESTION_MIN, QUESTION_MAX));
        let told = |why: &str| format!("`http://{address}{path}` {why}");
        match answer {
            // Somebody else may have taken the port of one that has ended.
            Health::Ready => return is_alive().map(|()| begun.elapsed()),
            Health::NotReady(why) if begun.elapsed() >= timeout => {
                return Err(told(&format!("was not ready within {}: {why}", seconds(timeout))));
            }
            Health::NotReady(why) => {
                is_alive().map_err(|ended| format!("{ended}; {}", told(&format!("said: {why}"))))?
            }
        }
        std::thread::sleep(pause.min(timeout.saturating_sub(begun.elapsed())));
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn ask(address: SocketAddr, path: &str, timeout: Duration) -> Health {
    let deadline = Deadline::now() + timeout;
    let response = match within(deadline, timeout, answer(address, path)).await {
        Ok(response) => response,
        Err(why) => return Health::NotReady(why),
    };
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return Health::Ready;
    }
    // Its status is known, whether or not the rest comes in time.
    let line = within(deadline, timeout, first_line(response)).await.unwrap_or_default();
    Health::NotReady(if line.is_empty() { status.to_string() } else { format!("{status}: {line}") })
}

async fn within<T>(
    deadline: Deadline,
    timeout: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    timeout_at(deadline, work).await.unwrap_or_else(|_| Err(format!("no answer within {}", seconds(timeout))))
}

/// The head of a server's answer.
async fn answer(address: SocketAddr, path: &str) -> Result<Response<Incoming>, String> {
    let request = Request::get(path).header(HOST, address.to_string()).header(CONNECTION, "close");
    let request = request.body(Empty::<Bytes>::new());
    let request = request.ok().filter(|_| path.starts_with('/')).ok_or_else(|| format!("`{path}` is no path"))?;
    let stream = TcpStream::connect(address).await.map_err(|error| connect_error(&error))?;
    if stream.local_addr().ok() == stream.peer_addr().ok() {
        // Without a listener, a port that the system gives to us is connected with itself.
        return Err("connection refused".to_owned());
    }
    let mut connection = http1::Builder::new();
    connection.max_buf_size(ANSWER_MAX_BYTES);
    let (mut sender, connection) =
        connection.handshake(TokioIo::new(stream)).await.map_err(|error| http_error(&error))?;
    // It ends with the runtime, if not before.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| http_error(&error))
}

async fn first_line(response: Response<Incoming>) -> Result<String, String> {
    let (mut body, mut line) = (response.into_body(), Vec::new());
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        line.extend_from_slice(&data[..data.len().min(ANSWER_MAX_BYTES - line.len())]);
        if line.contains(&b'\n') || line.len() == ANSWER_MAX_BYTES {
            break;
        }
    }
    let line = String::from_utf8_lossy(&line);
    let line: String = line.lines().next().unwrap_or_default().trim().chars().take(LINE_MAX_CHARS).collect();
    Ok(line.replace(char::is_control, "?"))
}

fn connect_error(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        _ => error.to_string(),
    }
}

fn http_error(error: &hyper::Error) -> String {
    if error.is_parse() {
        "it does not speak HTTP/1.1".to_owned()
    } else {
        "the connection was closed without an answer".to_owned()
    }
}

/// `2 s`, `0.5 s`.
fn seconds(duration: Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests;
