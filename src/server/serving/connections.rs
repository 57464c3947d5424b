//! Connections: accepted, bounded, and brought to an end without a request that fails.
//!
//! While the server drains it goes on to accept and to answer, but every answer says `Connection: close`, so that clients
//! turn to whoever serves next. A connection on which nothing happens for some seconds is closed. What was answered last may
//! still be on its way through proxies, so a connection has ended when the other side has ended it. When there is none left
//! the server ends.
//!
//! **Limitation.** A connection that the system accepts in the very moment the server ends is reset. A proxy in front
//! prevents that: it sends nothing new to a server that drains.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::activity::{Activity, Watched};
use super::api::{self, Shared};
use crate::progress::{Progress, count};

/// How long clients may take, and how many there may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; others wait to be accepted.
    pub connections: usize,
    /// Until the head of a request is there, from the answer before it on.
    pub head: Duration,
    /// Without a byte, where an answer waits to be read.
    pub stall: Duration,
    /// Without a byte while the server drains.
    pub quiet: Duration,
    /// For the other side to end a connection that has ended on this side.
    pub linger: Duration,
    /// Of draining.
    pub drain: Duration,
}

/// How long nobody may have connected before a draining server without connections ends.
const LAST_WAIT: Duration = Duration::from_millis(50);
/// How long accepting pauses when the system has no more descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the second message of `stops`, or until the first one and all is drained. Returns how many connections
/// were cut.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    limits: Limits,
    mut stops: mpsc::Receiver<()>,
    progress: &dyn Progress,
) -> usize {
    let router = api::router(Arc::clone(&shared));
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut deadline = None;
    loop {
        tokio::select! {
            (stream, place) = accept(&listener, &places) => {
                let connection = connection(stream, router.clone(), Arc::clone(&shared), limits);
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
            Some(()) = stops.recv() => {
                if deadline.is_some() {
                    return connections.len();
                }
                deadline = Some(Instant::now() + limits.drain);
                shared.draining.send_replace(true);
                progress.note(&format!("draining {}", count(connections.len() as u64, "connection")));
            }
            () = until(deadline) => return connections.len(),
            () = sleep(LAST_WAIT), if deadline.is_some() && connections.is_empty() => return 0,
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The next connection, when there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, impl Send + use<>) {
    // The semaphore is never closed.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(error) if is_of_one_client(&error) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Whether an error is about a client that has gone again already.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Answers all requests of a connection.
async fn connection(stream: TcpStream, router: Router, shared: Arc<Shared>, limits: Limits) {
    let mut draining = shared.draining.subscribe();
    // Small answers go out at once; where that cannot be set they go out a little later.
    let _ = stream.set_nodelay(true);
    let activity = Activity::new();
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        let answering = activity.begin();
        let answer = router.call(request);
        let draining = shared.draining.subscribe();
        async move {
            let answer = closing(answer.await, *draining.borrow());
            drop(answering);
            answer
        }
    });
    let stream = TokioIo::new(Watched::new(stream, Arc::clone(&activity), limits.linger));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    let mut connection = pin!(http.serve_connection(stream, service));
    // What breaks a connection is the client's business, and there is nobody to tell.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = quiet(&activity, &mut draining, limits) => {
            if *draining.borrow() {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }
}

/// Says that the connection ends if the server is about to.
fn closing(answer: Result<Response<Body>, Infallible>, is_draining: bool) -> Result<Response<Body>, Infallible> {
    answer.map(|mut answer| {
        if is_draining {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    })
}

/// Returns when nothing has happened on a connection for too long.
async fn quiet(activity: &Activity, draining: &mut watch::Receiver<bool>, limits: Limits) {
    loop {
        let is_draining = *draining.borrow_and_update();
        let limit = if is_draining { limits.quiet } else { limits.stall };
        let left = limit.saturating_sub(activity.quiet_for());
        if left.is_zero() {
            return;
        }
        tokio::select! {
            () = sleep(left) => {}
            // A client gets its time from now on.
            Ok(()) = draining.changed() => activity.touch(),
        }
    }
}
