//! Connections: accepted, connected with their target, copied from and to it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use super::connections::{Connection, count};
use super::server::Shared;

/// Each direction of a connection has such a buffer.
const BUFFER_BYTES: usize = 16 << 10;
/// After an error that no connection is to blame for, such as a lack of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// A target that takes no connection is asked again for so long.
const RETRY_MAX: Duration = Duration::from_secs(2);
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// A target whose queue is full may drop the first packets; TCP sends them again after 1, 3 and 7 seconds.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Accepts connections for ever, `open_max` at a time; more wait in the system's queue.
pub(super) async fn accept(listener: TcpListener, shared: Rc<Shared>, open_max: usize) {
    let room = Arc::new(Semaphore::new(open_max));
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        match listener.accept().await {
            Ok((client, _)) => {
                let shared = Rc::clone(&shared);
                tokio::task::spawn_local(async move {
                    relay(client, &shared).await;
                    drop(place);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                shared.log.say_rarely("accept", || format!("cannot accept connections: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn relay(client: TcpStream, shared: &Shared) {
    count(&shared.connections.accepted);
    match connect(shared).await {
        Some((target, connection)) => connection.until_cut(copy(client, target, &connection)).await,
        None => count(&shared.connections.refused),
    }
}

/// Connects with the target of the route as it is now. As long as that fails nothing was sent, so every attempt may go
/// elsewhere.
async fn connect(shared: &Shared) -> Option<(TcpStream, Connection)> {
    let begun = Instant::now();
    let mut route = shared.route.subscribe();
    loop {
        let target = route.borrow_and_update().as_ref()?.target;
        let connection = shared.connections.enter(target);
        let connected = tokio::select! {
            connected = timeout(CONNECT_MAX, TcpStream::connect(target)) => connected,
            _ = route.changed() => continue,
        };
        let error = match connected {
            // Without a listener, a port that the system gives to us is connected with itself.
            Ok(Ok(stream)) if stream.local_addr().ok() == stream.peer_addr().ok() => "connection refused".to_owned(),
            Ok(Ok(stream)) => return Some((stream, connection)),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer".to_owned(),
        };
        drop(connection);
        if begun.elapsed() >= RETRY_MAX {
            shared.log.say_rarely("connect", || format!("cannot connect with {target}: {error}"));
            return None;
        }
        sleep(RETRY_PAUSE).await;
    }
}

/// Copies both ways. Each direction ends by itself: a client that has said all may still be answered.
async fn copy(mut client: TcpStream, mut target: TcpStream, connection: &Connection) {
    // A packet that waits for more to come is late, not lost.
    let _ = client.set_nodelay(true);
    let _ = target.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_target, to_target) = target.split();
    // Whoever is gone can be neither heard nor told: the end of both directions.
    let _ = tokio::try_join!(
        forward(from_client, to_target, || connection.asked()),
        forward(from_target, to_client, || connection.answered())
    );
}

/// Copies until `from` has said all, or `to` takes no more: a server that refuses a request half-way through has an answer
/// to it.
///
/// # Errors
/// `from` is gone.
async fn forward(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, note: impl Fn()) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        note();
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    // It fails if there is nobody to be told.
    let _ = to.shutdown().await;
    Ok(())
}
