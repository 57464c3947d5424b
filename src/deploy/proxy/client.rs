//! A proxy, for whoever directs it.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::control::{Answer, LINE_MAX_BYTES, Request};
use super::folder::Folder;
use super::server::patiently;
use super::{PROTOCOL, ProxyError, Route, Status};
use crate::deploy::process::{self, Process};

/// How long a proxy may take to answer. A switch is answered when it is on disk.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// One that does not say how it stands within this time hangs.
const STATUS_MAX: Duration = Duration::from_secs(2);
/// How long a proxy may take from its start to its first answer.
const START_MAX: Duration = Duration::from_secs(10);
/// How long it may take to end: its connections have 10 seconds.
const END_MAX: Duration = Duration::from_secs(15);
/// So often it is looked whether a proxy answers, or connections are left.
const LOOK: Duration = Duration::from_millis(20);
/// A longer log begins anew with the next proxy.
const LOG_MAX_BYTES: u64 = 1 << 20;

/// A proxy that answers, or did a moment ago.
#[derive(Debug, Clone)]
pub struct Proxy {
    folder: Folder,
}

impl Proxy {
    /// The proxy of this folder, if one answers.
    pub fn find(dir: &Path) -> Option<Self> {
        let proxy = Self { folder: Folder::new(dir) };
        proxy.status().is_ok().then_some(proxy)
    }

    /// The proxy of this folder, which listens on `listen` (port 0: on any port): the one that answers, or one that is
    /// started. One that listens elsewhere is replaced; its connections have 10 seconds to end. `program` is this program,
    /// which is called as `program deploy-proxy`.
    ///
    /// # Errors
    /// [`ProxyError::PortTaken`] and others that keep a proxy from running; then one that listens elsewhere goes on, where
    /// that can be told before.
    pub fn ensure(dir: &Path, listen: SocketAddr, program: &Path) -> Result<Self, ProxyError> {
        let proxy = Self { folder: Folder::make(dir)? };
        if let Ok(status) = proxy.status() {
            // One whose folder was moved writes where that is no more.
            let is_moved = !std::fs::read(format!("/proc/{}/cmdline", status.process.pid))
                .is_ok_and(|line| line.split(|&byte| byte == 0).any(|word| word == dir.as_os_str().as_bytes()));
            if status.protocol == PROTOCOL && is_asked(status.listen, listen) && !is_moved {
                return Ok(proxy);
            }
            if status.listen.port() != listen.port() {
                proxy.may_listen(listen)?;
            }
            proxy.expect_done(&Request::Stop {})?;
        }
        proxy.start(listen, program)?;
        Ok(proxy)
    }

    /// How it stands.
    ///
    /// # Errors
    /// It does not answer.
    pub fn status(&self) -> Result<Status, ProxyError> {
        match self.ask(&Request::Status {}, STATUS_MAX)? {
            Answer::Status(status) => Ok(status),
            answer => Err(self.unexpected(answer)),
        }
    }

    /// Sends new connections there from now on. This is on disk when it returns.
    ///
    /// # Errors
    /// It does not answer, or cannot write: then connections go where they went before.
    pub fn switch(&self, route: &Route) -> Result<(), ProxyError> {
        self.expect_done(&Request::Switch(route.clone()))
    }

    /// Waits until no connection to `target` is open, at most for `timeout`; how many are left.
    ///
    /// # Errors
    /// It does not answer (any more).
    pub fn drain(&self, target: SocketAddr, timeout: Duration) -> Result<u64, ProxyError> {
        self.wait(timeout, |status| status.open(target))
    }

    /// Waits until every connection to `target` has had an answer, at most for `timeout`; how many have not.
    ///
    /// # Errors
    /// It does not answer (any more).
    pub fn wait_answered(&self, target: SocketAddr, timeout: Duration) -> Result<u64, ProxyError> {
        self.wait(timeout, |status| status.waiting(target))
    }

    fn wait(&self, timeout: Duration, left: impl Fn(&Status) -> u64) -> Result<u64, ProxyError> {
        let begun = Instant::now();
        loop {
            let left = left(&self.status()?);
            let rest = timeout.saturating_sub(begun.elapsed());
            if left == 0 || rest.is_zero() {
                return Ok(left);
            }
            std::thread::sleep(LOOK.min(rest));
        }
    }

    /// Closes all connections to `target`; how many there were.
    ///
    /// # Errors
    /// It does not answer.
    pub fn cut(&self, target: SocketAddr) -> Result<u64, ProxyError> {
        match self.ask(&Request::Cut(target), ANSWER_MAX)? {
            Answer::Closed(closed) => Ok(closed),
            answer => Err(self.unexpected(answer)),
        }
    }

    /// Ends it, and waits until it has ended: its connections have 10 seconds.
    ///
    /// # Errors
    /// It does not answer, or cannot be ended.
    pub fn stop(&self) -> Result<(), ProxyError> {
        let process = self.status()?.process;
        self.expect_done(&Request::Stop {})?;
        let begun = Instant::now();
        while process.is_running() && begun.elapsed() < END_MAX {
            std::thread::sleep(LOOK);
        }
        process.stop(Duration::ZERO).map(drop).map_err(|error| self.no_answer(error))
    }

    /// Starts one, and waits until it or another of this folder answers.
    fn start(&self, listen: SocketAddr, program: &Path) -> Result<(), ProxyError> {
        let begun = Instant::now();
        let mut started: Option<Process> = None;
        while begun.elapsed() < START_MAX {
            if let Ok(status) = self.status() {
                // Somebody else was faster.
                if let Some(ours) = started.filter(|ours| *ours != status.process) {
                    let _ = ours.signal(Signal::TERM);
                }
                return is_asked(status.listen, listen).then_some(()).ok_or_else(|| self.running(status.process));
            }
            let other = self.folder.locked_by().filter(|other| other.is_running() && started.as_ref() != Some(other));
            match &started {
                Some(ours) if !ours.is_running() && other.is_none() => return Err(self.ended()),
                Some(_) => {}
                None => match self.may_listen(listen) {
                    Ok(()) => started = Some(self.launch(listen, program)?),
                    // One that begins, ends or hangs.
                    Err(_) if other.is_some() => {}
                    Err(error) => return Err(error),
                },
            }
            std::thread::sleep(LOOK);
        }
        let why = format!("no answer within {} s", START_MAX.as_secs());
        let holder = self.folder.locked_by().filter(|other| other.is_running() && started.as_ref() != Some(other));
        if let Some(ours) = started {
            let _ = ours.stop(Duration::ZERO);
        }
        match holder {
            Some(holder) => Err(self.no_answer(format!("process {} hangs", holder.pid))),
            None => Err(ProxyError::Start { why, log: self.folder.log() }),
        }
    }

    fn launch(&self, listen: SocketAddr, program: &Path) -> Result<Process, ProxyError> {
        let log = self.folder.log();
        if log.metadata().is_ok_and(|log| log.len() > LOG_MAX_BYTES) {
            // One that stays long is no reason not to go on.
            let _ = OpenOptions::new().write(true).open(&log).and_then(|log| log.set_len(0));
        }
        let mut args: Vec<OsString> = vec!["deploy-proxy".into(), "--dir".into(), self.folder.dir().into()];
        args.extend(["--listen".into(), listen.to_string().into()]);
        // It must not keep the file system of a work tree busy.
        process::start(program, &args, &[], Path::new("/"), &log)
            .map_err(|error| ProxyError::Start { why: format!("`{}`: {error}", program.display()), log })
    }

    /// Whether nobody has the address.
    fn may_listen(&self, address: SocketAddr) -> Result<(), ProxyError> {
        patiently(address, || TcpListener::bind(address)).map(drop)
    }

    fn expect_done(&self, request: &Request) -> Result<(), ProxyError> {
        match self.ask(request, ANSWER_MAX)? {
            Answer::Done {} => Ok(()),
            answer => Err(self.unexpected(answer)),
        }
    }

    fn ask(&self, request: &Request, timeout: Duration) -> Result<Answer, ProxyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|error| self.no_answer(error))?;
        let answer = runtime.block_on(async { tokio::time::timeout(timeout, self.talk(request)).await });
        match answer {
            Ok(answer) => answer.map_err(|error| self.no_answer(error)),
            Err(_) => Err(self.no_answer(format!("silence for {} s", timeout.as_secs()))),
        }
    }

    async fn talk(&self, request: &Request) -> std::io::Result<Answer> {
        let socket = self.folder.socket()?;
        let mut stream = UnixStream::connect(&socket.path).await?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        stream.write_all(&line).await?;
        line.clear();
        BufReader::new(stream).take(LINE_MAX_BYTES).read_until(b'\n', &mut line).await?;
        Ok(serde_json::from_slice(&line)?)
    }

    fn unexpected(&self, answer: Answer) -> ProxyError {
        match answer {
            Answer::Refused(why) => ProxyError::Refused(why),
            _ => self.no_answer("it answers another question"),
        }
    }

    fn no_answer(&self, why: impl ToString) -> ProxyError {
        ProxyError::NoAnswer { dir: self.folder.dir().to_owned(), why: why.to_string() }
    }

    fn running(&self, process: Process) -> ProxyError {
        ProxyError::Running { dir: self.folder.dir().to_owned(), by: Some(process) }
    }

    /// What a proxy said before it ended.
    fn ended(&self) -> ProxyError {
        const LAST_BYTES: u64 = 4096;
        let log = self.folder.log();
        let text = process::tail(&log, LAST_BYTES).unwrap_or_default();
        let said = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
        ProxyError::Start { why: said.unwrap_or("it ended at once").replace(char::is_control, "?"), log }
    }
}

/// Whether a proxy listens where it should.
fn is_asked(listens: SocketAddr, asked: SocketAddr) -> bool {
    listens.ip() == asked.ip() && (asked.port() == 0 || listens.port() == asked.port())
}
