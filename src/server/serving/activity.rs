//! What a connection is doing: how many requests are being answered on it, and when its last byte went by.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// Shared by a connection's stream and its requests.
pub struct Activity(Mutex<State>);

struct State {
    last: Instant,
    requests: usize,
}

/// A request that is being answered, until it is dropped.
pub struct Answering(Arc<Activity>);

/// A stream that notes when bytes go by, and that ends when its peer has ended, too: then all that was sent has arrived,
/// whoever passes it on.
pub struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
    linger: Duration,
    ending: Option<Pin<Box<Sleep>>>,
}

impl Activity {
    /// Of a connection that was just made.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { last: Instant::now(), requests: 0 })))
    }

    /// A request has come.
    pub fn begin(self: &Arc<Self>) -> Answering {
        self.change(|state| state.requests += 1);
        Answering(Arc::clone(self))
    }

    /// Something has happened.
    pub fn touch(&self) {
        self.change(|_| {});
    }

    /// For how long nothing has happened and no request has waited for its answer.
    pub fn quiet_for(&self) -> Duration {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.requests == 0 { state.last.elapsed() } else { Duration::ZERO }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.last = Instant::now();
        change(&mut state);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.change(|state| state.requests -= 1);
    }
}

impl Watched {
    /// Notes in `activity` what goes through `stream`. Its peer may take as long as `linger` to end.
    pub const fn new(stream: TcpStream, activity: Arc<Activity>, linger: Duration) -> Self {
        Self { stream, activity, linger, ending: None }
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.activity.touch();
        }
        result
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.activity.touch();
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, linger, ending, .. } = self.get_mut();
        let mut stream = Pin::new(stream);
        if ending.is_none() {
            ready!(stream.as_mut().poll_shutdown(cx))?;
        }
        let ending = ending.get_or_insert_with(|| Box::pin(sleep(*linger)));
        if ending.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(()));
        }
        loop {
            let mut bytes = [0; 1024];
            let mut rest = ReadBuf::new(&mut bytes);
            // A peer that is gone has nothing more to say, either.
            if ready!(stream.as_mut().poll_read(cx, &mut rest)).is_err() || rest.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
