//! What goes wrong around a proxy, or is done to it.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use git_model::deploy::process::Process;
use git_model::deploy::proxy::{Proxy, ProxyError, Route};
use rustix::process::Signal;

use super::backend::{Backend, Client, LONG, get, wait_until};
use super::{ANY, Place, program, status, status_within, switch, unused};

#[test]
fn a_port_that_is_taken_is_told_with_who_has_it() {
    let place = Place::new();
    let stranger = TcpListener::bind(ANY).expect("a port");
    let address = stranger.local_addr().expect("an address");
    let error = Proxy::ensure(&place.dir, address, program()).expect_err("taken");
    let message = error.to_string();
    assert!(message.starts_with(&format!("port {} is taken by `", address.port())), "{message}");
    assert!(message.ends_with(&format!("(process {})", std::process::id())), "{message}");

    let args = ["deploy-proxy", "--dir", place.dir.to_str().expect("text"), "--listen", &address.to_string()];
    let output = Command::new(program()).args(args).output().expect("it runs");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{talk}");
    assert!(talk.contains(&message) && talk.contains("hint: stop it, or set another `port`"), "{talk}");

    let error = Proxy::ensure(&place.dir, "203.0.113.1:80".parse().expect("an address"), program());
    assert!(matches!(error, Err(ProxyError::Listen { .. })), "{error:?}");
    let error = Proxy::ensure(&place.dir, ANY, Path::new("/bin/false")).expect_err("no proxy");
    assert!(matches!(error, ProxyError::Start { .. }), "{error}");
}

#[test]
fn many_who_want_one_get_the_same() {
    let place = Place::new();
    let listen = unused();
    let found: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| status(&place.ensure(listen)).process)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a proxy")).collect()
    });
    assert!(found.iter().all(|process| *process == found[0]), "{found:?}");
    let second = Command::new(program())
        .args(["deploy-proxy", "--listen", "127.0.0.1:0", "--dir"])
        .arg(&place.dir)
        .output()
        .expect("it runs");
    let talk = String::from_utf8_lossy(&second.stderr);
    assert!(talk.contains(&format!("(process {})", found[0].pid)) && second.status.code() == Some(1), "{talk}");
}

#[test]
fn garbage_on_the_socket_does_no_harm() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let proxy = place.ensure(ANY);
    switch(&proxy, "1", backend.address);
    let garbage: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"{\"switch\":{\"deployment\":1}}\n",
        b"{\"switch\":{\"deployment\":\"x\",\"target\":\"example.org:80\"}}\n",
        b"\xff\xfe\x00\n",
        &b"[".repeat(200_000),
        b"\n",
        b"{\"destroy\":{}}\n",
    ];
    for line in garbage {
        let answer = place.says(line);
        assert!(answer.starts_with("{\"refused\":\"this is no request"), "{answer}");
    }
    assert_eq!(place.says(b""), "");
    assert!(place.says(&b" ".repeat(3 << 20)).len() < 200, "an endless line is not read to its end");
    let both = place.says(b"{\"status\":{}}\n{\"status\":{}}\n");
    assert_eq!(both.lines().filter(|line| line.starts_with("{\"status\":{")).count(), 2, "{both}");
    let itself = Route { deployment: "2".to_owned(), target: status(&proxy).listen };
    assert!(matches!(proxy.switch(&itself), Err(ProxyError::Refused(_))));

    // Those who say nothing are many, and keep nobody away for long.
    let silent: Vec<_> = (0..100).map(|_| UnixStream::connect(place.dir.join("proxy.sock"))).collect();
    assert_eq!(get(status_within(&proxy).listen, "/").expect("an answer"), "model");
    drop(silent);
    let route = status_within(&proxy).route.expect("a route");
    assert_eq!((route.deployment.as_str(), route.target), ("1", backend.address));
}

/// More clients than it has descriptors for wait, and those it has are served.
#[test]
fn a_lack_of_descriptors_is_survived() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let limited = "ulimit -n 90; exec \"$0\" deploy-proxy --listen 127.0.0.1:0 --dir \"$1\"";
    let mut child = Command::new("sh").args(["-c", limited]).arg(program()).arg(&place.dir).spawn().expect("it runs");
    wait_until("a proxy", || Proxy::find(&place.dir).is_some());
    let proxy = Proxy::find(&place.dir).expect("it answers");
    let listen = status(&proxy).listen;
    switch(&proxy, "1", backend.address);
    let clients: Vec<_> = (0..60).map(|_| Client::new(listen).expect("in the queue")).collect();
    wait_until("all places taken", || status(&proxy).open(backend.address) == 13);
    for mut client in clients {
        assert_eq!(client.get("/").expect("an answer"), "model");
        assert!(status(&proxy).open(backend.address) <= 13);
    }
    assert_eq!(status(&proxy).refused, 0);
    wait_until("no connection", || status(&proxy).connections.is_empty());
    assert_eq!(get(listen, "/").expect("an answer"), "model");
    proxy.stop().expect("stopped");
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
}

/// Those who talk to it have no share of their own, and can take all.
#[test]
fn errors_of_the_system_are_no_reason_to_end_or_to_hurry() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let limited = "ulimit -n 24; exec \"$0\" deploy-proxy --listen 127.0.0.1:0 --dir \"$1\"";
    let mut child = Command::new("sh")
        .args(["-c", limited])
        .arg(program())
        .arg(&place.dir)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    wait_until("a proxy", || Proxy::find(&place.dir).is_some());
    let proxy = Proxy::find(&place.dir).expect("it answers");
    let before = status(&proxy);
    switch(&proxy, "1", backend.address);
    let silent: Vec<_> =
        (0..30).map(|_| UnixStream::connect(place.dir.join("proxy.sock")).expect("in the queue")).collect();
    let mut client = Client::new(before.listen).expect("in the queue");
    let ticks = cpu_ticks(&before.process);
    std::thread::sleep(Duration::from_secs(2));
    let ticks = cpu_ticks(&before.process) - ticks;
    assert!(ticks < 50, "{ticks} of 200 ticks in two seconds without a descriptor");
    drop(silent);
    assert_eq!(client.get("/").expect("an answer"), "model");
    drop(client);
    assert_eq!(get(before.listen, "/").expect("an answer"), "model");
    assert_eq!(status_within(&proxy).process, before.process);
    proxy.stop().expect("stopped");
    assert_eq!(child.wait().expect("it ended").code(), Some(0));
    let mut talk = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut talk).expect("text");
    assert!(talk.contains("Too many open files") && talk.lines().count() < 10, "{talk}");
}

/// How long a process has worked: fields 14 and 15 of `/proc/PID/stat`, in ticks of 10 ms.
fn cpu_ticks(process: &Process) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid)).expect("it runs");
    let fields = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[test]
fn one_that_hangs_is_told_and_waits_for_nobody() {
    let (place, backend) = (Place::new(), Backend::new("model"));
    let listen = unused();
    let proxy = place.ensure(listen);
    switch(&proxy, "1", backend.address);
    let process = status(&proxy).process;
    process.signal(Signal::STOP).expect("stopped");
    let begun = Instant::now();
    assert!(Proxy::find(&place.dir).is_none());
    let error = Proxy::ensure(&place.dir, listen, program()).expect_err("no second one").to_string();
    assert!(error.ends_with(&format!("process {} hangs", process.pid)), "{error}");
    assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
    process.signal(Signal::CONT).expect("goes on");
    assert_eq!(status_within(&place.ensure(listen)).process, process);
    assert_eq!(get(listen, "/").expect("an answer"), "model");
}
