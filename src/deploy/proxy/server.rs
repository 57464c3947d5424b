//! The process of a proxy, from its start to its end.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::connections::Connections;
use super::control::Talks;
use super::folder::{Folder, Lock};
use super::log::Log;
use super::{Options, ProxyError, Route, control, relay};
use crate::deploy::process::{Process, listener};
use crate::progress::Progress;

/// How long open connections may go on after the proxy was told to end.
const END_MAX: Duration = Duration::from_secs(10);
/// How long whoever told it so may take to hear its answer.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// A proxy that was killed a moment ago may still have the lock.
const LOCK_MAX: Duration = Duration::from_secs(2);
/// A port that is taken is asked for again for so long.
const TAKEN_MAX: Duration = Duration::from_millis(300);
/// So often it is looked whether something has come to an end.
const LOOK: Duration = Duration::from_millis(5);
/// Connections wait here while all places are taken; the system may allow fewer.
const QUEUE: u32 = 4096;
/// So many connections may be open at a time.
const OPEN_MAX: u64 = 16_384;
/// Descriptors that no connection gets.
const RESERVED: u64 = 64;

/// How far a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// It was told to end.
    Ending,
    /// Port, socket and lock are free for another.
    Released,
}

/// What all of a proxy's tasks know, in its one thread.
pub(super) struct Shared {
    pub(super) folder: Folder,
    pub(super) listen: SocketAddr,
    pub(super) process: Process,
    pub(super) route: watch::Sender<Option<Route>>,
    pub(super) phase: watch::Sender<Phase>,
    pub(super) switching: Mutex<()>,
    pub(super) connections: Rc<Connections>,
    pub(super) talks: Talks,
    pub(super) log: Log,
}

impl Shared {
    /// Waits until something is so.
    pub(super) async fn until(&self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            sleep(LOOK).await;
        }
    }
}

/// Runs a proxy in this process, until it is told to end by a signal (SIGTERM, SIGINT) or by [`super::Proxy::stop`]; open
/// connections then have 10 seconds. SIGHUP does nothing. What happens is noted, a line each.
///
/// # Errors
/// A port that is taken, another proxy for the same folder, a folder that cannot be used.
pub fn serve(options: &Options, progress: &dyn Progress) -> Result<(), ProxyError> {
    let open_max = descriptors_max().saturating_sub(RESERVED) / 2;
    let open_max = usize::try_from(open_max.clamp(1, OPEN_MAX)).unwrap_or(1);
    let folder = Folder::make(&options.dir)?;
    let process = Process::current().map_err(|source| system("read", "/proc/self/stat", source))?;
    let lock = lock(&folder, &process)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| system("poll", "epoll", source))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let (mut server, listening) = Server::new(folder, lock, process, options.listen)?;
        server.run(listening, open_max, progress).await;
        Ok(())
    })
}

fn system(what: &'static str, path: &str, source: io::Error) -> ProxyError {
    ProxyError::Io { what, path: PathBuf::from(path), source }
}

/// How many descriptors we may have open, after asking for all that we can get.
fn descriptors_max() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What there is will do.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn lock(folder: &Folder, process: &Process) -> Result<Lock, ProxyError> {
    let begun = Instant::now();
    loop {
        if let Some(lock) = folder.lock(process)? {
            return Ok(lock);
        }
        if begun.elapsed() >= LOCK_MAX {
            return Err(ProxyError::Running { dir: folder.dir().to_owned(), by: folder.locked_by() });
        }
        std::thread::sleep(LOOK);
    }
}

/// Where it listens.
struct Listening {
    clients: TcpListener,
    control: UnixListener,
    signals: [tokio::signal::unix::Signal; 3],
}

struct Server {
    shared: Rc<Shared>,
    lock: Option<Lock>,
    lines: UnboundedReceiver<String>,
}

impl Server {
    fn new(folder: Folder, lock: Lock, process: Process, address: SocketAddr) -> Result<(Self, Listening), ProxyError> {
        let clients = listen(address)?;
        let listen = clients.local_addr().map_err(|source| ProxyError::Listen { address, source })?;
        let asks = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        let [terminate, interrupt, hangup] = asks.map(signal);
        let signals = || Ok([terminate?, interrupt?, hangup?]);
        let signals = signals().map_err(|source| system("notice", "SIGTERM", source))?;
        let (log, lines) = Log::new();
        let route = folder.route().unwrap_or_else(|error| {
            log.say(&error.to_string());
            None
        });
        // Who can talk to it finds it ready.
        let control = folder.listen()?;
        let control = UnixListener::from_std(control).map_err(|source| system("poll", "proxy.sock", source))?;
        let shared = Rc::new(Shared {
            folder,
            listen,
            process,
            route: watch::Sender::new(route),
            phase: watch::Sender::new(Phase::Serving),
            switching: Mutex::new(()),
            connections: Rc::default(),
            talks: Cell::new(0),
            log,
        });
        Ok((Self { shared, lock: Some(lock), lines }, Listening { clients, control, signals }))
    }

    async fn run(&mut self, listening: Listening, open_max: usize, progress: &dyn Progress) {
        let shared = Rc::clone(&self.shared);
        shared.log.say(&begins(&shared));
        let Listening { clients, control, signals: [mut terminate, mut interrupt, _hangup] } = listening;
        let tasks = [
            tokio::task::spawn_local(relay::accept(clients, Rc::clone(&shared), open_max)),
            tokio::task::spawn_local(control::listen(control, Rc::clone(&shared))),
        ];
        let mut phase = shared.phase.subscribe();
        tokio::select! {
            () = print(&mut self.lines, progress) => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = phase.wait_for(|phase| *phase == Phase::Ending) => {}
        }
        for task in tasks {
            task.abort();
            // With it goes what it listened on.
            let _ = task.await;
        }
        // The next proxy must find the route that was answered for last.
        let turn = shared.switching.lock().await;
        shared.folder.remove_socket();
        self.lock = None;
        shared.phase.send_replace(Phase::Released);
        drop(turn);
        shared.log.say("told to end");
        let ended = async {
            let _ = timeout(ANSWER_MAX, shared.until(|shared| shared.talks.get() == 0)).await;
            timeout(END_MAX, shared.until(|shared| shared.connections.all().is_empty())).await.is_ok()
        };
        let is_calm = tokio::select! {
            () = print(&mut self.lines, progress) => true,
            is_calm = ended => is_calm,
        };
        shared.log.say(if is_calm { "ended" } else { "ended; connections were left, and are closed" });
        while let Ok(line) = self.lines.try_recv() {
            progress.note(&line);
        }
    }
}

fn begins(shared: &Shared) -> String {
    match &*shared.route.borrow() {
        Some(route) => format!("{} goes to {} ({})", shared.listen, route.target, route.deployment),
        None => format!("{} goes nowhere yet", shared.listen),
    }
}

/// Prints for ever.
async fn print(lines: &mut UnboundedReceiver<String>, progress: &dyn Progress) {
    while let Some(line) = lines.recv().await {
        progress.note(&line);
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener, ProxyError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Connections of a proxy before are no reason to wait.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(QUEUE)
    };
    patiently(address, listen)
}

/// Listens on an address. A process that somebody starts at this moment has what its starter had open, until it becomes
/// another program: a port that was looked at, or that a proxy had, may be taken a little longer.
pub(super) fn patiently<T>(address: SocketAddr, listen: impl Fn() -> io::Result<T>) -> Result<T, ProxyError> {
    let begun = Instant::now();
    loop {
        match listen() {
            Ok(listening) => return Ok(listening),
            Err(source) if source.kind() != io::ErrorKind::AddrInUse => {
                return Err(ProxyError::Listen { address, source });
            }
            Err(_) if begun.elapsed() >= TAKEN_MAX => {
                return Err(ProxyError::PortTaken { address, by: listener(address.port()) });
            }
            Err(_) => std::thread::sleep(LOOK),
        }
    }
}
