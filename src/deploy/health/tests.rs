use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// A server that says each of these once, then closes; all that it was asked.
struct Server {
    address: SocketAddr,
    thread: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Server {
    fn new(answers: Vec<(Vec<u8>, Duration)>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let serve = move || {
            let mut asked = Vec::new();
            for (answer, pause) in answers {
                let (mut stream, _) = listener.accept().expect("a connection");
                stream.set_read_timeout(Some(LONG)).expect("set");
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a request") == 1 {
                    head.push(byte[0]);
                }
                asked.push(String::from_utf8(head).expect("text"));
                // Whoever asks may have gone away.
                let _ = stream.write_all(&answer);
                std::thread::sleep(pause);
            }
            asked
        };
        Self { address, thread: Some(std::thread::spawn(serve)) }
    }

    fn answering(answer: &str) -> Self {
        Self::new(vec![(answer.into(), Duration::ZERO)])
    }

    fn check(&self) -> Health {
        check(self.address, "/ready", LONG)
    }

    fn asked(mut self) -> Vec<String> {
        self.thread.take().expect("a thread").join().expect("it ends")
    }
}

fn closed_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port")
}

#[test]
fn two_and_three_hundreds_are_ready() {
    for status in ["200 OK", "204 No Content", "302 Found\r\nLocation: /elsewhere"] {
        let server = Server::answering(&format!("HTTP/1.1 {status}\r\n\r\n"));
        assert_eq!(server.check(), Health::Ready, "{status}");
        let request = server.asked().remove(0).to_lowercase();
        assert!(request.starts_with("get /ready http/1.1\r\n"), "{request}");
        assert!(request.contains("host: 127.0.0.1:") && request.contains("connection: close"), "{request}");
    }
}

#[test]
fn an_answer_that_is_no_yes_is_told() {
    let cases = [
        (
            "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 14\r\n\r\nloading\nmore..",
            "503 Service Unavailable: loading",
        ),
        (
            "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbad \r\n5\r\nd\x1b[2J\r\n0\r\n\r\n",
            "500 Internal Server Error: bad d?[2J",
        ),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "404 Not Found"),
        // Half of what it promised.
        ("HTTP/1.1 503 No\r\nContent-Length: 100\r\n\r\nhalf", "503 Service Unavailable: half"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "it does not speak HTTP/1.1"),
        ("", "the connection was closed without an answer"),
    ];
    for (answer, expected) in cases {
        assert_eq!(Server::answering(answer).check(), Health::NotReady(expected.to_owned()), "{answer:?}");
    }
    assert_eq!(check(closed_port(), "/", LONG), Health::NotReady("connection refused".to_owned()));
    assert_eq!(check(closed_port(), "a b", LONG), Health::NotReady("`a b` is no path".to_owned()));
}

#[test]
fn no_answer_is_read_for_ever() {
    let endless_head = b"HTTP/1.1 200 OK\r\nX: ".iter().copied().chain(std::iter::repeat_n(b'x', 1 << 20)).collect();
    let endless_line = b"HTTP/1.1 503 No\r\n\r\n".iter().copied().chain(std::iter::repeat_n(b'y', 1 << 20)).collect();
    let server = Server::new(vec![(endless_head, Duration::ZERO), (endless_line, Duration::ZERO)]);
    assert!(matches!(server.check(), Health::NotReady(_)));
    let line = format!("503 Service Unavailable: {}", "y".repeat(LINE_MAX_CHARS));
    assert_eq!(server.check(), Health::NotReady(line));
}

#[test]
fn silence_ends_in_time() {
    let silent = Server::new(vec![(Vec::new(), Duration::from_secs(2))]);
    let begun = Instant::now();
    let answer = check(silent.address, "/", Duration::from_millis(200));
    assert_eq!(answer, Health::NotReady("no answer within 0.2 s".to_owned()));
    assert!(begun.elapsed() < Duration::from_millis(1500), "{:?}", begun.elapsed());
    // A status without the rest is an answer.
    let slow = b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n".to_vec();
    let slow = Server::new(vec![(slow, Duration::from_secs(2))]);
    let answer = check(slow.address, "/", Duration::from_millis(500));
    assert_eq!(answer, Health::NotReady("503 Service Unavailable".to_owned()));
}

#[test]
fn it_is_asked_until_it_is_ready() {
    let answers = ["503 Not Yet", "503 Not Yet", "200 OK"];
    let answers = answers.map(|status| (format!("HTTP/1.1 {status}\r\n\r\n").into_bytes(), Duration::ZERO));
    let server = Server::new(answers.into());
    let took = wait_ready(server.address, "/", LONG, &|| Ok(())).expect("ready");
    assert!(took >= PAUSE_MIN * 3 && took < LONG, "{took:?}");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn waiting_ends_with_the_time_or_the_server() {
    let address = closed_port();
    let begun = Instant::now();
    let late = wait_ready(address, "/v2", Duration::from_millis(300), &|| Ok(()));
    let expected = format!("`http://{address}/v2` was not ready within 0.3 s: connection refused");
    assert_eq!(late, Err(expected));
    assert!(begun.elapsed() >= Duration::from_millis(300) && begun.elapsed() < Duration::from_secs(5));

    let looks = Cell::new(0);
    let dies = || {
        looks.set(looks.get() + 1);
        if looks.get() < 4 { Ok(()) } else { Err("it exited with 1".to_owned()) }
    };
    let expected = format!("it exited with 1; `http://{address}/` said: connection refused");
    assert_eq!(wait_ready(address, "/", LONG, &dies), Err(expected));
}

/// Ready is only who is asked, not who has its port now.
#[test]
fn a_stranger_on_the_port_is_not_ready() {
    let stranger = Server::answering("HTTP/1.1 200 OK\r\n\r\n");
    let looks = Cell::new(0);
    let has_ended = || {
        looks.set(looks.get() + 1);
        if looks.get() == 1 { Ok(()) } else { Err("it exited with 1".to_owned()) }
    };
    assert_eq!(wait_ready(stranger.address, "/", LONG, &has_ended), Err("it exited with 1".to_owned()));
}
