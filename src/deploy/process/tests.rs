use std::ffi::OsString;
use std::io::Read;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A shell that runs `script` and is killed at the latest when this is dropped.
struct Running {
    process: Process,
    dir: tempfile::TempDir,
}

impl Running {
    fn new(script: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let args = ["-c", script].map(OsString::from);
        let env = [("GREETING".to_owned(), "hello".into())];
        let process = start(Path::new("/bin/sh"), &args, &env, dir.path(), &dir.path().join("log"));
        Self { process: process.expect("a process"), dir }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).expect("a log")
    }

    fn waits_for(&self, is_so: impl Fn() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the log: {}", self.log());
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.signal(Signal::KILL);
    }
}

#[test]
fn what_it_prints_is_in_a_private_log() {
    let running = Running::new("echo $GREETING; echo worse >&2; pwd; cat; exec sleep 600");
    running.waits_for(|| running.log().lines().count() == 3);
    let dir = running.dir.path().canonicalize().expect("a path");
    assert_eq!(running.log(), format!("hello\nworse\n{}\n", dir.display()));
    let mode = running.dir.path().join("log").metadata().expect("a log").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(running.process.is_running());
    assert_eq!(tail(&running.dir.path().join("log"), 4).expect("an end"), running.log()[running.log().len() - 4..]);
}

#[test]
fn one_that_has_ended_does_not_run_even_before_anybody_has_waited() {
    let running = Running::new("exit 3");
    running.waits_for(|| !running.process.is_running());
    let gone = running.process.signal(Signal::TERM).expect_err("it is gone");
    assert_eq!(gone.raw_os_error(), Some(Errno::SRCH.raw_os_error()));
    assert!(running.process.stop(Duration::ZERO).expect("nothing to do"));
    // A zombie: nobody waits for this one.
    let mut child = Command::new("/bin/sh").args(["-c", "exit 0"]).spawn().expect("a process");
    let pid = i32::try_from(child.id()).expect("a number");
    let zombie = Process { pid, started: Stat::read(pid).expect("it is there").started };
    running.waits_for(|| Stat::read(pid).expect("still there").has_ended);
    assert!(!zombie.is_running());
    assert!(child.wait().expect("left for us").success());
}

#[test]
fn a_number_alone_is_no_process() {
    let running = Running::new("exec sleep 600");
    let later = Process { started: running.process.started + 1, ..running.process.clone() };
    assert!(!later.is_running());
    assert!(later.signal(Signal::KILL).is_err() && later.stop(Duration::ZERO).expect("not there"));
    for pid in [0, -1, i32::MIN] {
        assert!(Process { pid, started: 0 }.signal(Signal::KILL).is_err(), "{pid} means many processes");
    }
    assert!(running.process.is_running());
    assert!(Process::current().expect("ourselves").is_running());
}

#[test]
fn stop_asks_first_and_kills_then() {
    let polite = Running::new("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    polite.waits_for(|| polite.log().contains("ready"));
    assert!(polite.process.stop(Duration::from_secs(20)).expect("stopped"));
    assert!(!polite.process.is_running() && polite.log().ends_with("bye\n"));

    let stubborn = Running::new("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    stubborn.waits_for(|| stubborn.log().contains("ready"));
    assert!(!stubborn.process.stop(Duration::from_millis(100)).expect("killed"));
    assert!(!stubborn.process.is_running());
}

#[test]
fn no_pipe_of_ours_is_held_open() {
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let running = Running::new("ls -l /proc/self/fd; exec sleep 600");
    drop(writer);
    // It would not end before the process does.
    assert_eq!(reader.read(&mut [0; 1]).expect("the end"), 0);
    assert!(running.process.is_running());
}

/// Without close-on-exec only `dup` to a stream makes one safely, so a shell hands them to a test that is run again.
#[test]
fn what_was_handed_to_us_is_not_handed_on() {
    const INNER: &str = "GIT_MODEL_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        let running = Running::new("ls /proc/self/fd; echo $0 $1; exec sleep 600");
        running.waits_for(|| running.log().contains("/bin/sh"));
        assert!(!running.log().lines().any(|line| line == "7" || line == "77"), "{}", running.log());
        assert_eq!(missing().kind(), io::ErrorKind::NotFound);
        return;
    }
    assert_eq!(missing().kind(), io::ErrorKind::NotFound);
    let name = "deploy::process::tests::what_was_handed_to_us_is_not_handed_on";
    let script = format!("exec \"$0\" --exact {name} 7>/dev/null 77>/dev/null");
    let tests = std::env::current_exe().expect("a path");
    let output = Command::new("bash").args(["-c", &script]).arg(tests).env(INNER, "1").output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn missing() -> io::Error {
    let dir = tempfile::tempdir().expect("a folder");
    start(&dir.path().join("none"), &[], &[], dir.path(), &dir.path().join("log")).expect_err("no such program")
}

#[test]
fn names_in_stat_may_hold_anything() {
    let text = "7 (a) Z 1) (b) R 1 7 7 0 -1 4194560 105 0 0 0 0 0 0 0 20 0 1 0 98765 2363392 100 1844\n";
    let stat = Stat::parse(text).expect("parsed");
    assert_eq!((stat.started, stat.has_ended), (98_765, false));
    let zombie = |threads: u32| format!("7 (a) Z 1 7 7 0 -1 4194560 105 0 0 0 0 0 0 0 20 0 {threads} 0 98765 0 0\n");
    let has_ended = |threads| Stat::parse(&zombie(threads)).expect("parsed").has_ended;
    assert!(has_ended(1) && has_ended(0) && !has_ended(2), "threads may go on");
    assert!(Stat::parse("7 (sh) Z 1 7").is_none() && Stat::parse("").is_none());
}

#[test]
fn a_free_port_can_be_bound() {
    let address = Ipv4Addr::LOCALHOST.into();
    let port = free_port(address).expect("a port");
    assert!(TcpListener::bind((address, port)).is_ok());
    let others: std::collections::HashSet<_> = (0..8).map(|_| free_port(address).expect("a port")).collect();
    assert!(others.len() > 1, "{others:?}");
    // TEST-NET-3 of RFC 5737 is nobody's.
    assert!(free_port([203, 0, 113, 1].into()).is_err());
}
