//! Which connections are open, by their target.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// All of them, in the proxy's one thread.
#[derive(Default)]
pub(super) struct Connections {
    open: RefCell<BTreeMap<SocketAddr, Target>>,
    pub(super) accepted: Cell<u64>,
    pub(super) refused: Cell<u64>,
}

#[derive(Default)]
struct Target {
    open: u64,
    waiting: u64,
    cut: Arc<Notify>,
}

/// A connection to a target, counted as long as this is there.
pub(super) struct Connection {
    connections: Rc<Connections>,
    target: SocketAddr,
    cut: RefCell<Option<OwnedNotified>>,
    progress: Cell<Progress>,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Silent,
    /// The client has said something, and nothing has come back yet.
    Waiting,
    Answered,
}

impl Connections {
    /// One more connection to `target`; counted before it is made, so that none is missed.
    pub(super) fn enter(self: &Rc<Self>, target: SocketAddr) -> Connection {
        let mut open = self.open.borrow_mut();
        let entry = open.entry(target).or_default();
        entry.open += 1;
        // From its making on it hears of a cut.
        let cut = RefCell::new(Some(Arc::clone(&entry.cut).notified_owned()));
        Connection { connections: Rc::clone(self), target, cut, progress: Cell::new(Progress::Silent) }
    }

    /// Tells the connections to `target` to end; how many there are.
    pub(super) fn cut(&self, target: SocketAddr) -> u64 {
        self.open.borrow().get(&target).map_or(0, |entry| {
            entry.cut.notify_waiters();
            entry.open
        })
    }

    pub(super) fn open(&self, target: SocketAddr) -> u64 {
        self.open.borrow().get(&target).map_or(0, |entry| entry.open)
    }

    /// How many connections to `target` have not had any answer yet.
    pub(super) fn waiting(&self) -> Vec<(SocketAddr, u64)> {
        let open = self.open.borrow();
        open.iter().filter(|(_, entry)| entry.waiting > 0).map(|(target, entry)| (*target, entry.waiting)).collect()
    }

    pub(super) fn all(&self) -> Vec<(SocketAddr, u64)> {
        self.open.borrow().iter().map(|(target, entry)| (*target, entry.open)).collect()
    }
}

impl Connection {
    /// Does `work` until it ends or the connection is cut.
    pub(super) async fn until_cut(&self, work: impl Future) {
        let Some(cut) = self.cut.take() else { return };
        tokio::select! {
            () = cut => {}
            _ = work => {}
        }
    }
}

impl Connection {
    /// The client has said something.
    pub(super) fn asked(&self) {
        if self.progress.get() == Progress::Silent {
            self.progress.set(Progress::Waiting);
            self.entry(|entry| entry.waiting += 1);
        }
    }

    /// The target has said something.
    pub(super) fn answered(&self) {
        if self.progress.replace(Progress::Answered) == Progress::Waiting {
            self.entry(|entry| entry.waiting -= 1);
        }
    }

    fn entry(&self, change: impl FnOnce(&mut Target)) {
        self.connections.open.borrow_mut().get_mut(&self.target).map(change);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.answered();
        let mut open = self.connections.open.borrow_mut();
        if let Some(entry) = open.get_mut(&self.target) {
            entry.open -= 1;
            if entry.open == 0 {
                open.remove(&self.target);
            }
        }
    }
}

pub(super) fn count(number: &Cell<u64>) {
    number.set(number.get().saturating_add(1));
}
