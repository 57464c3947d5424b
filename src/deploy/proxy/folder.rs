//! What a proxy has in its environment's folder.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{ProxyError, Route};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder};
use crate::deploy::process::Process;

/// The longest path of a socket, one less than `sun_path` has for its end: unix(7).
const SOCKET_PATH_MAX: usize = 107;
/// A longer route is none of ours.
const ROUTE_MAX_BYTES: u64 = 64 << 10;

const SOCKET: &str = "proxy.sock";
const SOCKET_NEW: &str = "proxy.sock.new";
const ROUTE: &str = "proxy.json";
const LOCK: &str = "proxy.lock";

/// An environment's folder.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// Held by the one proxy that accepts connections.
pub(super) struct Lock(#[allow(dead_code)] File);

/// A way to a socket that is short enough, as long as this is there.
pub(super) struct SocketPath {
    pub(super) path: PathBuf,
    #[allow(dead_code)]
    folder: Option<OwnedFd>,
}

impl Folder {
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// Makes it, for nobody but us, if it is not there.
    pub(super) fn make(dir: &Path) -> Result<Self, ProxyError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(dir).and_then(|()| dir.canonicalize());
        made.map(Self).map_err(|source| ProxyError::Io { what: "make the folder", path: dir.to_owned(), source })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.0
    }

    pub(super) fn log(&self) -> PathBuf {
        self.0.join("proxy.log")
    }

    /// Takes the lock if nobody has it, and leaves in it who we are.
    pub(super) fn lock(&self, process: &Process) -> Result<Option<Lock>, ProxyError> {
        let path = self.0.join(LOCK);
        let lock = || -> io::Result<Option<Lock>> {
            let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                locked => locked?,
            }
            file.set_len(0)?;
            file.write_all_at(&serde_json::to_vec(process)?, 0)?;
            Ok(Some(Lock(file)))
        };
        lock().map_err(|source| ProxyError::Io { what: "lock", path: path.clone(), source })
    }

    /// Who has the lock, or had it last.
    pub(super) fn locked_by(&self) -> Option<Process> {
        serde_json::from_slice(&self.read(LOCK).ok()?).ok()
    }

    /// Where the socket is.
    pub(super) fn socket(&self) -> io::Result<SocketPath> {
        self.short(SOCKET)
    }

    /// The way to a file of the folder: by a descriptor if its path is too long for a socket.
    fn short(&self, name: &str) -> io::Result<SocketPath> {
        let path = self.0.join(name);
        if path.as_os_str().len() <= SOCKET_PATH_MAX {
            return Ok(SocketPath { path, folder: None });
        }
        let folder = open_folder(&self.0)?;
        let path = format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()).into();
        Ok(SocketPath { path, folder: Some(folder) })
    }

    /// Listens on the socket, in place of one that a proxy has left. Only for who has the lock.
    pub(super) fn listen(&self) -> Result<UnixListener, ProxyError> {
        let listen = || -> io::Result<UnixListener> {
            let (new, old) = (self.0.join(SOCKET_NEW), self.0.join(SOCKET));
            remove(&new)?;
            let listener = UnixListener::bind(&self.short(SOCKET_NEW)?.path)?;
            // It has its name only when it has its permissions.
            std::fs::set_permissions(&new, PermissionsExt::from_mode(0o600))?;
            std::fs::rename(&new, &old)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        listen().map_err(|source| ProxyError::Io { what: "listen on", path: self.0.join(SOCKET), source })
    }

    /// Takes the socket away. Only for who has the lock.
    pub(super) fn remove_socket(&self) {
        // What is left is replaced by the next proxy.
        let _ = remove(&self.0.join(SOCKET));
    }

    /// The route that was kept, if any.
    ///
    /// # Errors
    /// A file that says none.
    pub(super) fn route(&self) -> Result<Option<Route>, ProxyError> {
        let route = match self.read(ROUTE) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.and_then(|text| Ok(serde_json::from_slice(&text)?)),
        };
        route.map(Some).map_err(|source| ProxyError::Io { what: "read", path: self.0.join(ROUTE), source })
    }

    /// Keeps the route; it is on disk when this returns.
    pub(super) fn keep(&self, route: &Route) -> Result<(), ProxyError> {
        let keep = || -> io::Result<()> {
            let folder = open_folder(&self.0)?;
            let file = AtomicFile::create_in(folder.as_fd(), 0o600)?;
            file.file().write_all(&serde_json::to_vec_pretty(route)?)?;
            file.file().sync_data()?;
            file.persist(OsStr::new(ROUTE))?;
            sync_folder(folder)
        };
        keep().map_err(|source| ProxyError::Io { what: "write", path: self.0.join(ROUTE), source })
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        File::open(self.0.join(name))?.take(ROUTE_MAX_BYTES).read_to_end(&mut text)?;
        Ok(text)
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_kept_and_a_bad_one_told() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::make(&temporary.path().join("deploy/prod")).expect("made");
        assert_eq!(folder.dir().metadata().expect("it is there").permissions().mode() & 0o777, 0o700);
        assert_eq!(folder.route().expect("none yet"), None);
        for deployment in ["1", "2"] {
            let route = Route { deployment: deployment.to_owned(), target: "127.0.0.1:9".parse().expect("an address") };
            folder.keep(&route).expect("kept");
            assert_eq!(folder.route().expect("readable"), Some(route));
        }
        let path = folder.dir().join(ROUTE);
        assert_eq!(path.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
        for bad in ["", "{}", "[1", "{\"deployment\": \"1\", \"target\": \"localhost\"}", &"[".repeat(100_000)] {
            std::fs::write(&path, bad).expect("written");
            assert!(folder.route().expect_err("no route").to_string().starts_with("cannot read `"));
        }
    }

    #[test]
    fn one_has_the_lock() {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::new(temporary.path());
        let us = Process { pid: 42, started: 7 };
        let lock = folder.lock(&us).expect("a file");
        assert!(lock.is_some() && folder.lock(&Process { pid: 43, started: 8 }).expect("a file").is_none());
        assert_eq!(folder.locked_by(), Some(us.clone()));
        drop(lock);
        assert!(folder.lock(&us).expect("a file").is_some());
    }
}
