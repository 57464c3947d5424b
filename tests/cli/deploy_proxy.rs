//! The proxy, as a process: what clients notice of it, which should be nothing.

mod backend;
mod faults;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use backend::{Backend, Client, LONG, SLOW, get, wait_until};
use git_model::deploy::process::{Process, free_port};
use git_model::deploy::proxy::{Proxy, ProxyError, Route, Status};
use rustix::process::{Pid, Signal};

const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_git-model"))
}

/// A folder whose proxies are killed when it is dropped.
struct Place {
    dir: PathBuf,
    _root: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::at("prod")
    }

    fn at(name: &str) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let dir = root.path().join(name);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).expect("made");
        Self { dir, _root: root }
    }

    #[track_caller]
    fn ensure(&self, listen: SocketAddr) -> Proxy {
        Proxy::ensure(&self.dir, listen, program()).unwrap_or_else(|error| panic!("{error}; {}", self.log()))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("proxy.log")).unwrap_or_default()
    }

    /// Who holds the lock, or did last.
    fn process(&self) -> Option<Process> {
        serde_json::from_slice(&std::fs::read(self.dir.join("proxy.lock")).ok()?).ok()
    }

    /// What the proxy answers to a line.
    fn says(&self, request: &[u8]) -> String {
        let mut stream = UnixStream::connect(self.dir.join("proxy.sock")).expect("a proxy");
        stream.set_read_timeout(Some(LONG)).expect("set");
        // It may hang up before all is said.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.process().map(|process| process.signal(Signal::KILL));
    }
}

fn status(proxy: &Proxy) -> Status {
    proxy.status().expect("a status")
}

fn switch(proxy: &Proxy, deployment: &str, target: SocketAddr) {
    proxy.switch(&Route { deployment: deployment.to_owned(), target }).expect("switched");
}

/// A port that nobody has now.
fn unused() -> SocketAddr {
    SocketAddr::new(ANY.ip(), free_port(ANY.ip()).expect("a port"))
}

/// New connections, long requests and connections that stay, all the time, while the target changes again and again. A
/// server that is drained is gone at once.
#[test]
fn no_request_fails_while_the_target_changes() {
    const CLIENTS: usize = 8;
    const REQUESTS: usize = 3000;
    const SWITCHES: usize = 6;
    const NAMES: [&str; 2] = ["even", "odd"];
    let place = Place::new();
    let proxy = place.ensure(ANY);
    let address = status(&proxy).listen;
    let mut backend = Backend::new(NAMES[0]);
    switch(&proxy, "0", backend.address);
    let (asked, slow, is_over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let load = |number: usize| {
        let mut answers = BTreeMap::<String, usize>::new();
        for request in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            // Two of the clients ask for what takes long.
            let answer = if number < 2 {
                slow.fetch_add(1, Ordering::SeqCst);
                get(address, "/slow")
            } else if request % 4 == 0 {
                // A connection for some requests.
                let mut client = Client::new(address).expect("accepted");
                let answers = [(); 3].map(|()| client.get("/").expect("an answer"));
                asked.fetch_add(2, Ordering::SeqCst);
                assert!(answers.iter().all(|answer| *answer == answers[0]), "one connection, one server: {answers:?}");
                Ok(answers[0].clone())
            } else {
                get(address, "/")
            };
            let answer = answer.unwrap_or_else(|error| panic!("client {number}, request {request}: {error}"));
            *answers.entry(answer).or_default() += 1;
            asked.fetch_add(1, Ordering::SeqCst);
        }
        answers
    };
    let mut in_flight = 0;
    let answers: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || load(number))).collect();
        // However this ends, the clients do.
        let over = Over(&is_over);
        for number in 1..=SWITCHES {
            wait_until("some load", || asked.load(Ordering::SeqCst) >= REQUESTS * number / (SWITCHES + 1));
            let next = Backend::new(NAMES[number % 2]);
            switch(&proxy, &number.to_string(), next.address);
            in_flight += status(&proxy).open(backend.address);
            assert_eq!(proxy.drain(backend.address, LONG).expect("drained"), 0);
            wait_until("its last client's end", || backend.open() == 0);
            backend = next;
        }
        wait_until("all requests", || asked.load(Ordering::SeqCst) >= REQUESTS);
        drop(over);
        clients.into_iter().map(|client| client.join().expect("no request failed")).collect()
    });
    for name in NAMES {
        assert!(answers.iter().filter(|answers| answers.contains_key(name)).count() > 1, "{name}: {answers:?}");
    }
    assert!(slow.load(Ordering::SeqCst) > SWITCHES && in_flight > 0, "{in_flight} in flight");
    let status = status(&proxy);
    assert_eq!((status.refused, status.route.expect("a route").deployment), (0, SWITCHES.to_string()));
    assert!(place.log().lines().count() < 3 + 2 * SWITCHES, "{}", place.log());
}

/// Ends the load when dropped, in an orderly way or not.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn connections_stay_with_their_target_until_they_end_or_are_cut() {
    let (place, old, new) = (Place::new(), Backend::new("old"), Backend::new("new"));
    let proxy = place.ensure(ANY);
    let address = status(&proxy).listen;
    switch(&proxy, "1", old.address);
    let mut clients = [(); 3].map(|()| Client::new(address).expect("accepted"));
    for client in &mut clients {
        assert_eq!(client.get("/").expect("an answer"), "old");
    }
    switch(&proxy, "2", new.address);
    assert_eq!(get(address, "/").expect("an answer"), "new");
    let [mut one, mut two, three] = clients;
    assert_eq!(one.get("/").expect("an answer"), "old");
    assert_eq!(status(&proxy).connections, [(old.address, 3)]);

    let begun = Instant::now();
    assert_eq!(proxy.drain(old.address, Duration::from_millis(200)).expect("time is over"), 3);
    assert!(begun.elapsed() >= Duration::from_millis(200) && begun.elapsed() < LONG / 2);
    // One goes away, and its server hears of it.
    drop(three);
    wait_until("two left", || status(&proxy).open(old.address) == 2 && old.open() == 2);
    // A request in flight is waited for.
    let (answer, left) = std::thread::scope(|scope| {
        let client = scope.spawn(move || (one.get("/slow"), one));
        let drained = scope.spawn(|| proxy.drain(old.address, SLOW * 20));
        let (answer, one) = client.join().expect("no panic");
        drop((one, two.get("/").expect("an answer"), two));
        (answer, drained.join().expect("no panic"))
    });
    assert_eq!((answer.expect("an answer").as_str(), left.expect("drained")), ("old", 0));
    assert_eq!(proxy.cut(old.address).expect("nothing to do"), 0);

    let mut stays = Client::new(address).expect("accepted");
    assert_eq!(stays.get("/").expect("an answer"), "new");
    assert_eq!(proxy.cut(new.address).expect("cut"), 1);
    assert_eq!(status(&proxy).open(new.address), 0);
    assert!(stays.is_closed());
    assert_eq!(get(address, "/").expect("an answer"), "new", "only those that were open");
}

#[test]
fn who_has_had_no_answer_yet_is_waited_for() {
    let place = Place::new();
    let target = TcpListener::bind(ANY).expect("a port");
    let address = target.local_addr().expect("an address");
    let proxy = place.ensure(ANY);
    switch(&proxy, "1", address);
    let connect = || TcpStream::connect(status(&proxy).listen).expect("accepted");
    let (mut asking, silent) = (connect(), connect());
    asking.write_all(b"a question").expect("written");
    wait_until("the question", || status(&proxy).waiting(address) == 1);
    let moment = Duration::from_millis(100);
    assert_eq!(proxy.wait_answered(address, moment).expect("a count"), 1);
    let mut accepted = [target.accept().expect("a connection").0, target.accept().expect("a connection").0];
    for stream in &mut accepted {
        stream.write_all(b"an answer").expect("written");
    }
    assert_eq!(proxy.wait_answered(address, LONG).expect("a count"), 0);
    // Who asks once more has reached it: the server knows of that one.
    asking.write_all(b"another").expect("written");
    assert_eq!(proxy.wait_answered(address, moment).expect("a count"), 0);
    let mut gone = connect();
    gone.write_all(b"a question").expect("written");
    wait_until("the question", || status(&proxy).waiting(address) == 1);
    drop((gone, target.accept()));
    wait_until("its end", || status(&proxy).waiting(address) == 0);
    drop(silent);
}

#[test]
fn each_direction_ends_by_itself() {
    let place = Place::new();
    let target = TcpListener::bind(ANY).expect("a port");
    let proxy = place.ensure(ANY);
    switch(&proxy, "1", target.local_addr().expect("an address"));
    let sent: Vec<u8> = (0..2_000_000_u32).map(|number| (number % 251) as u8).collect();
    std::thread::scope(|scope| {
        // All of it comes back only after the client's end.
        scope.spawn(|| {
            let (mut stream, _) = target.accept().expect("a connection");
            stream.set_read_timeout(Some(LONG)).expect("set");
            let mut all = Vec::new();
            stream.read_to_end(&mut all).expect("an end");
            stream.write_all(&all).expect("written");
        });
        let mut client = TcpStream::connect(status(&proxy).listen).expect("accepted");
        client.set_read_timeout(Some(LONG)).expect("set");
        client.write_all(&sent).expect("written");
        client.shutdown(Shutdown::Write).expect("an end");
        let mut back = Vec::new();
        client.read_to_end(&mut back).expect("an end");
        assert!(back == sent, "{} bytes came back", back.len());
    });
    let target = target.local_addr().expect("an address");
    assert_eq!(proxy.drain(target, LONG).expect("drained"), 0);
}

#[test]
fn a_proxy_that_was_killed_goes_on_where_it_was() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let listen = unused();
    let proxy = place.ensure(listen);
    let before = status(&proxy);
    assert_eq!((before.listen, &before.route, before.protocol), (listen, &None, 2));
    switch(&proxy, "7", backend.address);
    for name in ["proxy.sock", "proxy.json", "proxy.lock", "proxy.log"] {
        let mode = place.dir.join(name).metadata().expect(name).permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let pid = Pid::from_raw(before.process.pid);
    assert_eq!(rustix::process::getsid(pid).ok(), pid, "no terminal takes it along");
    // While one answers there is no second.
    assert_eq!(status(&place.ensure(listen)).process, before.process);
    // Its connection with the server is open when it dies.
    let mut client = Client::new(listen).expect("accepted");
    client.get("/").expect("an answer");
    before.process.signal(Signal::KILL).expect("killed");
    wait_until("its end", || !before.process.is_running());
    assert!(Proxy::find(&place.dir).is_none() && place.dir.join("proxy.sock").exists());
    assert!(matches!(proxy.status(), Err(ProxyError::NoAnswer { .. })));
    let after = status(&place.ensure(listen));
    assert_ne!(after.process, before.process);
    assert_eq!(after.route, Some(Route { deployment: "7".to_owned(), target: backend.address }));
    assert_eq!(get(listen, "/").expect("an answer"), "model");

    after.process.signal(Signal::KILL).expect("killed");
    wait_until("its end", || !after.process.is_running());
    std::fs::write(place.dir.join("proxy.json"), "{\"deployment\":").expect("written");
    let proxy = place.ensure(listen);
    assert!(Client::new(listen).expect("accepted").is_closed(), "it goes nowhere");
    wait_until("a refusal", || status(&proxy).refused == 1);
    assert!(place.log().contains("proxy.json"), "{}", place.log());
    switch(&proxy, "8", backend.address);
    assert_eq!(get(listen, "/").expect("an answer"), "model");
}

#[test]
fn one_that_listens_elsewhere_is_replaced() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let proxy = place.ensure(ANY);
    switch(&proxy, "1", backend.address);
    let before = status(&proxy);
    // A connection of the old one may end.
    let mut client = Client::new(before.listen).expect("accepted");
    client.get("/").expect("an answer");
    let listen = unused();
    let after = status(&place.ensure(listen));
    assert_eq!((after.listen, after.route), (listen, before.route));
    assert_ne!(after.process, before.process);
    assert!(TcpStream::connect(before.listen).is_err());
    assert_eq!(client.get("/").expect("an answer"), "model");
    drop(client);
    wait_until("its end", || !before.process.is_running());
    assert_eq!(get(listen, "/").expect("an answer"), "model");

    let stranger = TcpListener::bind(ANY).expect("a port");
    let taken = Proxy::ensure(&place.dir, stranger.local_addr().expect("an address"), program());
    assert!(matches!(taken, Err(ProxyError::PortTaken { .. })));
    assert_eq!(get(listen, "/").expect("an answer"), "model", "the old one goes on");
}

#[test]
fn a_folder_may_have_a_long_path() {
    let (place, backend) = (Place::at(&format!("{}/{}", "d".repeat(120), "e".repeat(120))), Backend::new("model"));
    let proxy = place.ensure(ANY);
    switch(&proxy, "1", backend.address);
    assert_eq!(get(status(&proxy).listen, "/").expect("an answer"), "model");
    assert!(place.dir.join("proxy.sock").exists());
    proxy.stop().expect("stopped");
    assert!(!place.dir.join("proxy.sock").exists() && Proxy::find(&place.dir).is_none());
}

fn status_within(proxy: &Proxy) -> Status {
    wait_until("an answer", || proxy.status().is_ok());
    status(proxy)
}

#[test]
fn a_target_that_is_not_there_yet_is_waited_for() {
    let place = Place::new();
    let proxy = place.ensure(ANY);
    let listen = status(&proxy).listen;
    let target = unused();
    switch(&proxy, "1", target);
    let begun = Instant::now();
    assert!(Client::new(listen).expect("accepted").is_closed());
    assert!(begun.elapsed() >= Duration::from_secs(2) && begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
    wait_until("a refusal", || status(&proxy).refused == 1);
    let waiting = std::thread::spawn(move || get(listen, "/"));
    wait_until("a connection", || status(&proxy).accepted == 2);
    // Where the route leads by then, not where it led.
    let backend = Backend::new("late");
    switch(&proxy, "2", backend.address);
    assert_eq!(waiting.join().expect("no panic").expect("an answer"), "late");
    assert_eq!((backend.answered(), status(&proxy).refused), (1, 1));
}

#[test]
fn it_ends_in_peace() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let listen = unused();
    let mut child = Command::new(program())
        .args(["deploy-proxy", "--listen", &listen.to_string(), "--dir"])
        .arg(&place.dir)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    wait_until("a proxy", || Proxy::find(&place.dir).is_some());
    let proxy = Proxy::find(&place.dir).expect("it answers");
    switch(&proxy, "1", backend.address);
    let process = status(&proxy).process;
    assert_eq!(process.pid.unsigned_abs(), child.id());
    process.signal(Signal::HUP).expect("sent");
    let slow = std::thread::spawn(move || get(listen, "/slow"));
    wait_until("a request in flight", || status(&proxy).open(backend.address) == 1);
    process.signal(Signal::TERM).expect("sent");
    wait_until("a closed port", || TcpStream::connect(listen).is_err());
    assert_eq!(slow.join().expect("no panic").expect("an answer"), "model");
    wait_until("its end", || !process.is_running());
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    let mut talk = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut talk).expect("text");
    let lines: Vec<_> = talk.lines().map(|line| line.split_once("Z ").expect("a time").1.to_owned()).collect();
    let to = format!("new connections go to {} (1)", backend.address);
    assert_eq!(lines, [&format!("{listen} goes nowhere yet"), &to, "told to end", "ended"]);
}
