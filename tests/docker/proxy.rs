//! Stands between git-model and the engine: counts what is sent, and refuses what it is told to.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// A socket that passes all on to an engine.
pub struct Proxy {
    dir: tempfile::TempDir,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    loads: AtomicUsize,
    refusals: AtomicUsize,
    cuts: AtomicBool,
    is_away: AtomicBool,
    leaves_at_stop: AtomicBool,
    sent: AtomicU64,
    has_ended: AtomicBool,
}

impl Proxy {
    /// In front of the engine at `host`. The first `refusals` images that are loaded are refused.
    pub fn new(host: &str, refusals: usize) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let counts = Arc::new(Counts { refusals: AtomicUsize::new(refusals), ..Counts::default() });
        let listener = UnixListener::bind(dir.path().join("s")).expect("a socket");
        let engine = PathBuf::from(host.strip_prefix("unix://").expect("an engine with a socket"));
        let shared = Arc::clone(&counts);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                let (engine, shared) = (engine.clone(), Arc::clone(&shared));
                std::thread::spawn(move || pass(client, &engine, &shared));
            }
        });
        Self { dir, counts }
    }

    /// An engine that dies while it is sent an image.
    pub fn dying(host: &str) -> Self {
        let proxy = Self::new(host, 0);
        proxy.counts.cuts.store(true, Ordering::Relaxed);
        proxy
    }

    /// From now on the engine dies while it is sent an image, until it is mended.
    pub fn cut_loads(&self) {
        self.counts.cuts.store(true, Ordering::Relaxed);
    }

    /// Nobody answers any more.
    pub fn cut(&self) {
        self.counts.is_away.store(true, Ordering::Relaxed);
    }

    /// Nobody answers any more once a container is to be stopped.
    pub fn cut_at_stop(&self) {
        self.counts.leaves_at_stop.store(true, Ordering::Relaxed);
    }

    /// All is well again.
    pub fn mend(&self) {
        for flag in [&self.counts.cuts, &self.counts.is_away, &self.counts.leaves_at_stop] {
            flag.store(false, Ordering::Relaxed);
        }
    }

    pub fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("s").display())
    }

    /// Bytes that were sent to the engine.
    pub fn sent(&self) -> u64 {
        self.counts.sent.load(Ordering::Relaxed)
    }

    /// How many images were sent, whether they were taken or not.
    pub fn loads(&self) -> usize {
        self.counts.loads.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.counts.has_ended.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = UnixStream::connect(self.dir.path().join("s"));
    }
}

/// One request: the client makes a connection for each.
fn pass(mut client: UnixStream, engine: &PathBuf, counts: &Counts) {
    if counts.is_away.load(Ordering::Relaxed) {
        return;
    }
    let Ok(head) = head(&mut client) else { return };
    counts.sent.fetch_add(head.len() as u64, Ordering::Relaxed);
    let line = String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned();
    if line.contains("/stop") && counts.leaves_at_stop.load(Ordering::Relaxed) {
        counts.is_away.store(true, Ordering::Relaxed);
        return;
    }
    if line.starts_with("POST") && line.contains("/images/load") {
        counts.loads.fetch_add(1, Ordering::Relaxed);
        if counts.cuts.load(Ordering::Relaxed) {
            let _ = client.read(&mut [0; 64 << 10]);
            return;
        }
        let take_one = |left: usize| left.checked_sub(1);
        if counts.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one).is_ok() {
            return refuse(client);
        }
    }
    let Ok(mut engine) = UnixStream::connect(engine) else { return };
    let (Ok(mut from_engine), Ok(mut to_client)) = (engine.try_clone(), client.try_clone()) else { return };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _ = io::copy(&mut from_engine, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        let mut passed = engine.write_all(&head).map(|()| 0);
        let mut piece = [0; 64 << 10];
        while passed.is_ok() {
            passed = match client.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    counts.sent.fetch_add(count as u64, Ordering::Relaxed);
                    engine.write_all(&piece[..count]).map(|()| count)
                }
            };
        }
        let _ = engine.shutdown(Shutdown::Write);
    });
}

/// All up to the empty line after the headers.
fn head(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(head)
}

fn refuse(mut client: UnixStream) {
    let body = r#"{"message":"a layer is missing"}"#;
    let head = "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n";
    let _ = write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len());
    // What is still on its way has to be read, or the answer is lost with it.
    let _ = client.shutdown(Shutdown::Write);
    let _ = io::copy(&mut client, &mut io::sink());
}
