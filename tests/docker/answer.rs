//! A program to be put into images in the place of git-model.
//!
//! It answers `GET /args` with its arguments, `GET /env/NAME` with a variable, `GET /file/PATH` with a file, and ends with 3
//! after `GET /quit`.

use std::io::{Read, Write};
use std::net::TcpListener;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let port = args.iter().position(|arg| arg == "--port").map(|at| args[at + 1].clone()).expect("--port");
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).expect("a port");
    println!("serving on {port}");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut request = Vec::new();
        let mut piece = [0; 1024];
        while !request.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(0) | Err(_) => break,
                Ok(count) => request.extend_from_slice(&piece[..count]),
            }
        }
        let request = String::from_utf8_lossy(&request);
        let path = request.split(' ').nth(1).unwrap_or("/").to_owned();
        let answer = match path.trim_start_matches('/').split_once('/') {
            Some(("env", name)) => std::env::var(name).unwrap_or_default().into_bytes(),
            Some(("file", file)) => std::fs::read(format!("/{file}")).unwrap_or_else(|error| error.to_string().into()),
            _ => args.join("\n").into_bytes(),
        };
        let _ = write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
        let _ = stream.write_all(&answer);
        drop(stream);
        if path == "/quit" {
            eprintln!("asked to end");
            std::process::exit(3);
        }
    }
}
