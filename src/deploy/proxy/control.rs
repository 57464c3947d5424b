//! What a proxy is asked and answers: one JSON object a line, over its socket.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::server::{Phase, Shared};
use super::{PROTOCOL, Route, Status};

/// A longer line is no request, and no answer.
pub(super) const LINE_MAX_BYTES: u64 = 1 << 20;
/// Who says nothing for so long is not listened to any more, nor who does not read what it is told.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// So many may talk at a time.
const TALKS_MAX: u32 = 32;
/// How long it may take until connections that were cut are closed.
const CUT_MAX: Duration = Duration::from_secs(1);

/// What a proxy is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Request {
    Status {},
    Switch(Route),
    Cut(SocketAddr),
    Stop {},
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done {},
    Status(Status),
    /// How many connections were closed.
    Closed(u64),
    Refused(String),
}

/// One who talks to the proxy, counted as long as this is there.
struct Talk(Rc<Shared>);

impl Talk {
    fn begin(shared: &Rc<Shared>) -> Option<Self> {
        let talks = shared.talks.get();
        (talks < TALKS_MAX).then(|| {
            shared.talks.set(talks + 1);
            Self(Rc::clone(shared))
        })
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.0.talks.set(self.0.talks.get() - 1);
    }
}

/// Answers for ever.
pub(super) async fn listen(listener: UnixListener, shared: Rc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // One too many is hung up on.
                let Some(talk) = Talk::begin(&shared) else { continue };
                tokio::task::spawn_local(async move { answer_all(stream, &talk.0).await });
            }
            Err(error) => {
                shared.log.say_rarely("control", || format!("cannot be asked: {error}"));
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn answer_all(stream: UnixStream, shared: &Shared) {
    let uid = stream.peer_cred().map(|peer| peer.uid());
    if !uid.is_ok_and(|uid| may_ask(uid, rustix::process::geteuid().as_raw())) {
        shared.log.say_rarely("user", || "another user was refused".to_owned());
        return;
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(LINE_MAX_BYTES);
        let read = timeout(SILENCE_MAX, limited.read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(1..))) {
            return;
        }
        let request = serde_json::from_slice(&line).map_err(|error| format!("this is no request: {error}"));
        let is_last = !matches!(request, Ok(Request::Status {} | Request::Switch(_) | Request::Cut(_)));
        let answer = match request {
            Ok(request) => answer(request, shared).await,
            Err(why) => Answer::Refused(why),
        };
        let Ok(mut line) = serde_json::to_vec(&answer) else { return };
        line.push(b'\n');
        let written = timeout(SILENCE_MAX, writer.write_all(&line)).await;
        if is_last || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// The proxy's user, and the one who may do everything anyway.
const fn may_ask(uid: u32, own: u32) -> bool {
    uid == own || uid == 0
}

async fn answer(request: Request, shared: &Shared) -> Answer {
    match request {
        Request::Status {} => Answer::Status(status(shared)),
        Request::Switch(route) => switch(route, shared).await,
        Request::Cut(target) => {
            let closed = shared.connections.cut(target);
            shared.log.say(&format!("cut {closed} connections to {target}"));
            let _ = timeout(CUT_MAX, shared.until(|shared| shared.connections.open(target) == 0)).await;
            Answer::Closed(closed)
        }
        Request::Stop {} => {
            let mut phase = shared.phase.subscribe();
            shared.phase.send_if_modified(|phase| {
                let is_first = *phase == Phase::Serving;
                if is_first {
                    *phase = Phase::Ending;
                }
                is_first
            });
            // The proxy has both ends of the channel.
            let _ = phase.wait_for(|phase| *phase == Phase::Released).await;
            Answer::Done {}
        }
    }
}

fn status(shared: &Shared) -> Status {
    Status {
        listen: shared.listen,
        route: shared.route.borrow().clone(),
        process: shared.process.clone(),
        connections: shared.connections.all(),
        waiting: shared.connections.waiting(),
        accepted: shared.connections.accepted.get(),
        refused: shared.connections.refused.get(),
        protocol: PROTOCOL,
    }
}

async fn switch(route: Route, shared: &Shared) -> Answer {
    if is_itself(route.target, shared.listen) {
        return Answer::Refused(format!("`{}` is the proxy itself", route.target));
    }
    // One after the other: what is kept last is what counts.
    let _turn = shared.switching.lock().await;
    if *shared.phase.borrow() != Phase::Serving {
        return Answer::Refused("it is about to end".to_owned());
    }
    let (folder, kept) = (shared.folder.clone(), route.clone());
    // A disk may take its time; connections go on meanwhile.
    match tokio::task::spawn_blocking(move || folder.keep(&kept)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Answer::Refused(error.to_string()),
        Err(error) => return Answer::Refused(error.to_string()),
    }
    shared.log.say(&format!("new connections go to {} ({})", route.target, route.deployment));
    shared.route.send_replace(Some(route));
    Answer::Done {}
}

/// Whether a connection to `target` would come back.
fn is_itself(target: SocketAddr, listen: SocketAddr) -> bool {
    let (to, on) = (target.ip().to_canonical(), listen.ip().to_canonical());
    let is_here = to == on || to.is_unspecified() || on.is_unspecified() && to.is_loopback();
    target.port() == listen.port() && is_here
}

/// The number of those who talk.
pub(super) type Talks = Cell<u32>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_may_not_ask() {
        assert!(may_ask(1000, 1000) && may_ask(0, 1000));
        assert!(!may_ask(1001, 1000) && !may_ask(1000, 0));
    }

    #[test]
    fn a_proxy_is_not_its_own_target() {
        let is_its_own = |target: &str, listen: &str| {
            is_itself(target.parse().expect("an address"), listen.parse().expect("an address"))
        };
        assert!(is_its_own("127.0.0.1:80", "127.0.0.1:80") && is_its_own("127.0.0.1:80", "0.0.0.0:80"));
        assert!(is_its_own("[::1]:80", "[::]:80") && is_its_own("0.0.0.0:80", "127.0.0.1:80"));
        assert!(is_its_own("[::ffff:127.0.0.1]:80", "127.0.0.1:80"));
        assert!(!is_its_own("127.0.0.1:81", "127.0.0.1:80") && !is_its_own("10.0.0.1:80", "127.0.0.1:80"));
    }

    #[test]
    fn requests_are_plain_objects() {
        let request = |text: &str| serde_json::from_str::<Request>(text);
        assert!(matches!(request("{\"status\":{}}"), Ok(Request::Status {})));
        assert!(matches!(request("{\"stop\":{}}"), Ok(Request::Stop {})));
        assert!(matches!(request("{\"cut\":\"127.0.0.1:9\"}"), Ok(Request::Cut(_))));
        assert!(
            request("{\"switch\":{}}").is_err()
                && request("{\"cut\":1}").is_err()
                && request("GET / HTTP/1.1").is_err()
        );
    }
}
