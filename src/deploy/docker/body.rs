//! What is sent while it is being made.
//!
//! The maker writes; the client reads. Both run on one thread: whoever writes lets the client work when there is no room.

use std::future::Future;
use std::io::{self, Write};
use std::pin::Pin;

use futures_util::stream;
use hyper::body::Bytes;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::{EngineError, Watch};

/// As much is sent at once.
const CHUNK_BYTES: usize = 64 << 10;
/// As many chunks may wait to be sent.
const CHUNKS_WAITING: usize = 16;

/// Something that is sent in pieces; an error in it ends the request without the engine taking it for whole.
pub type Pieces = Receiver<io::Result<Bytes>>;

/// The pieces as they come.
pub fn stream(pieces: Pieces) -> impl stream::Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(pieces, async |mut pieces| pieces.recv().await.map(|piece| (piece, pieces)))
}

/// A pipe from what is written to what is sent.
pub fn pipe() -> (Sender<io::Result<Bytes>>, Pieces) {
    mpsc::channel(CHUNKS_WAITING)
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + 'a>>;

/// The end of the pipe that is written to.
pub struct Body<'a, T> {
    runtime: &'a Runtime,
    watch: &'a Watch,
    sender: Sender<io::Result<Bytes>>,
    answer: Answer<'a, T>,
    early: Option<Result<T, EngineError>>,
    waiting: Vec<u8>,
}

impl<'a, T> Body<'a, T> {
    /// Sends what `write` writes, and waits for the answer. `watch` counts what is sent. `answer` is the request that
    /// reads from the other end of `sender`.
    ///
    /// # Errors
    /// Those of the request, or else those of `write`.
    pub fn send<E: Into<EngineError>>(
        runtime: &'a Runtime,
        watch: &'a Watch,
        sender: Sender<io::Result<Bytes>>,
        answer: Answer<'a, T>,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<T, EngineError> {
        let mut body = Self { runtime, watch, sender, answer, early: None, waiting: Vec::new() };
        let written = write(&mut body).map_err(Into::into);
        let Self { runtime, sender, answer, early, .. } = match written {
            Ok(()) => {
                // If that fails there is an early answer.
                let _ = body.flush();
                body
            }
            Err(error) if body.early.is_none() => {
                let _ = body.put(Err(io::Error::other("what is sent could not be made")));
                return Err(error);
            }
            Err(_) => body,
        };
        drop(sender);
        match early {
            Some(answer) => answer,
            None => runtime.block_on(answer),
        }
    }

    fn put(&mut self, piece: io::Result<Bytes>) -> io::Result<()> {
        let (sender, answer) = (&self.sender, &mut self.answer);
        let put = self.runtime.block_on(async {
            tokio::select! {
                biased;
                put = sender.send(piece) => Ok(put),
                answer = answer => Err(answer),
            }
        });
        self.early = Some(match put {
            Ok(Ok(())) => return Ok(()),
            // Nobody reads any more, so there will be an answer soon.
            Ok(Err(_)) => self.runtime.block_on(&mut self.answer),
            Err(answer) => answer,
        });
        Err(io::Error::new(io::ErrorKind::BrokenPipe, "the container engine takes no more"))
    }
}

impl<T> Write for Body<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.early.is_some() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.waiting.is_empty() || self.early.is_some() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        let len = piece.len() as u64;
        self.put(Ok(piece))?;
        self.watch.count(len);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime() -> Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
    }

    fn write(out: &mut dyn Write, bytes: usize) -> Result<(), EngineError> {
        let chunk = vec![7; bytes / 100];
        for _ in 0..100 {
            out.write_all(&chunk).map_err(EngineError::Log)?;
        }
        Ok(())
    }

    #[test]
    fn all_that_is_written_arrives() {
        let runtime = runtime();
        for bytes in [100, 10_000_000] {
            let (sender, mut pieces) = pipe();
            let answer = Box::pin(async move {
                let mut count = 0;
                while let Some(piece) = pieces.recv().await {
                    count += piece.expect("no error").len();
                }
                Ok(count)
            });
            let watch = Watch::new(false);
            let count = Body::send(&runtime, &watch, sender, answer, |out| write(out, bytes)).expect("sent");
            assert_eq!((count, watch.sent.get()), (bytes, bytes as u64));
        }
    }

    #[test]
    fn an_early_answer_ends_the_writing() {
        let runtime = runtime();
        let (sender, mut pieces) = pipe();
        let answer = Box::pin(async move {
            pieces.recv().await;
            Err::<(), _>(EngineError::Refused("too much".into()))
        });
        let error = Body::send(&runtime, &Watch::new(false), sender, answer, |out| write(out, 100_000_000))
            .expect_err("refused");
        assert!(matches!(error, EngineError::Refused(_)), "{error}");
    }

    #[test]
    fn what_cannot_be_made_is_not_taken_for_whole() {
        let runtime = runtime();
        let (sender, mut pieces) = pipe();
        let answer = Box::pin(async { Ok(()) });
        let failed = |out: &mut dyn Write| {
            out.write_all(&[0; CHUNK_BYTES]).map_err(EngineError::Log)?;
            Err(EngineError::NotFound("the store".into()))
        };
        let error = Body::send(&runtime, &Watch::new(false), sender, answer, failed).expect_err("failed");
        assert!(matches!(error, EngineError::NotFound(_)), "{error}");
        assert!(pieces.blocking_recv().expect("a piece").is_ok());
        assert!(pieces.blocking_recv().expect("an error").is_err());
    }
}
