//! The server's half of git's long-running filter protocol, version 2.
//!
//! Source: `gitattributes(5)`, "Long Running Filter Process". The server goes through three states: greeting, waiting
//! for a request, and within a request, whose content is read to its end before it is answered. The types make the order: [`FilterServer::greet`] yields the server, a [`Request`] borrows it until it is answered.

use std::io::{self, ErrorKind, Read, Write};

use super::pkt_line::{Content, ContentWriter, PacketReader, write_list};

/// Talks with git over a pair of pipes.
pub struct FilterServer<R, W> {
    input: PacketReader<R>,
    output: W,
}

/// What git wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Work tree to repository.
    Clean,
    /// Repository to work tree.
    Smudge,
    /// Asks for the paths whose answers were delayed; this server delays none.
    ListAvailableBlobs,
}

/// One request's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// What to do.
    pub command: Command,
    /// The file's path from the top of the work tree.
    pub path: Vec<u8>,
    /// Git is writing a work tree and would accept a delayed answer.
    pub can_delay: bool,
    /// The tree being checked out or archived, if git says so.
    pub treeish: Option<Vec<u8>>,
    /// The blob being smudged, in hexadecimal, if git says so.
    pub blob: Option<Vec<u8>>,
}

/// A request that waits for its answer.
pub struct Request<'a, R, W> {
    /// What git said.
    pub head: Head,
    server: &'a mut FilterServer<R, W>,
}

impl<R: Read, W: Write> FilterServer<R, W> {
    /// Exchanges greetings and capabilities.
    ///
    /// # Errors
    /// A client that does not speak the protocol, or a broken pipe.
    pub fn greet(input: R, mut output: W) -> io::Result<Self> {
        let mut input = PacketReader::new(input);
        let greeting = input.list()?.unwrap_or_default();
        if greeting.first().map(Vec::as_slice) != Some(b"git-filter-client")
            || !greeting.iter().any(|line| line == b"version=2")
        {
            return Err(broken("the other side is not git's filter client of version 2"));
        }
        write_list(&mut output, &["git-filter-server", "version=2"])?;
        let offered = input.list()?.unwrap_or_default();
        let wanted: Vec<&str> = ["capability=clean", "capability=smudge", "capability=delay"]
            .into_iter()
            .filter(|capability| offered.iter().any(|line| line == capability.as_bytes()))
            .collect();
        write_list(&mut output, &wanted)?;
        Ok(Self { input, output })
    }

    /// Waits for the next request; `None` when git has closed the pipe.
    pub fn next_request(&mut self) -> io::Result<Option<Request<'_, R, W>>> {
        let Some(lines) = self.input.list()? else { return Ok(None) };
        let head = Head::parse(&lines)?;
        Ok(Some(Request { head, server: self }))
    }
}

impl Head {
    fn parse(lines: &[Vec<u8>]) -> io::Result<Self> {
        let value = |key: &str| lines.iter().find_map(|line| line.strip_prefix(key.as_bytes())).map(<[u8]>::to_vec);
        let command = match value("command=").as_deref() {
            Some(b"clean") => Command::Clean,
            Some(b"smudge") => Command::Smudge,
            Some(b"list_available_blobs") => Command::ListAvailableBlobs,
            _ => return Err(broken("git asks for a command that was not agreed on")),
        };
        let path = value("pathname=").unwrap_or_default();
        if path.is_empty() && command != Command::ListAvailableBlobs {
            return Err(broken("git names no path"));
        }
        let can_delay = value("can-delay=").as_deref() == Some(b"1");
        Ok(Self { command, path, can_delay, treeish: value("treeish="), blob: value("blob=") })
    }
}

impl<R: Read, W: Write> Request<'_, R, W> {
    /// The file's content as git has it. What is not read is dropped by the answer.
    pub const fn content(&mut self) -> Content<'_, R> {
        self.server.input.content()
    }

    /// Answers with the bytes that `write` produces. When `write` fails, git is told so after the part it has seen.
    ///
    /// # Errors
    /// A broken pipe. `Ok(Err(…))` is the failure of `write`, which git knows of.
    pub fn succeed<E>(
        self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError<E>>,
    ) -> io::Result<Result<(), E>> {
        self.server.input.content().drain()?;
        let output = &mut self.server.output;
        write_list(output, &["status=success"])?;
        let mut content = ContentWriter::new(output);
        match write(&mut content) {
            Ok(()) => {
                content.finish()?;
                write_list(&mut self.server.output, &[])?;
                Ok(Ok(()))
            }
            Err(WriteError::Pipe(error)) => Err(error),
            Err(WriteError::Content(error)) => {
                content.finish()?;
                write_list(&mut self.server.output, &["status=error"])?;
                Ok(Err(error))
            }
        }
    }

    /// Answers with these bytes.
    pub fn answer(self, bytes: &[u8]) -> io::Result<()> {
        let written = self.succeed(|out| out.write_all(bytes).map_err(WriteError::<()>::Pipe))?;
        debug_assert!(written.is_ok(), "writing bytes fails only with the pipe");
        Ok(())
    }

    /// Tells git that this file cannot be filtered.
    pub fn fail(self) -> io::Result<()> {
        self.server.input.content().drain()?;
        write_list(&mut self.server.output, &["status=error"])
    }

    /// Answers a request for delayed paths: there are none.
    pub fn answer_nothing_available(self) -> io::Result<()> {
        write_list(&mut self.server.output, &[])?;
        write_list(&mut self.server.output, &["status=success"])
    }
}

/// Why producing an answer failed.
#[derive(Debug)]
pub enum WriteError<E> {
    /// Git does not listen any more.
    Pipe(io::Error),
    /// The content cannot be had.
    Content(E),
}

fn broken(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(lists: &[&[&str]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for list in lists {
            write_list(&mut bytes, list).expect("written");
        }
        bytes
    }

    const HELLO: &[&str] = &["git-filter-client", "version=2"];
    const CAPABILITIES: &[&str] = &["capability=clean", "capability=smudge", "capability=delay", "capability=new"];

    #[test]
    fn a_conversation() {
        let request = &["command=smudge", "pathname=a=b.bin", "treeish=abc", "blob=12", "can-delay=1"];
        let input = [packets(&[HELLO, CAPABILITIES, request]), b"0007abc0000".to_vec()].concat();
        let mut output = Vec::new();
        let mut server = FilterServer::greet(&input[..], &mut output).expect("greeted");
        let mut request = server.next_request().expect("readable").expect("a request");
        assert_eq!(request.head.path, b"a=b.bin");
        assert_eq!((request.head.command, request.head.can_delay), (Command::Smudge, true));
        let mut content = String::new();
        request.content().read_to_string(&mut content).expect("content");
        assert_eq!(content, "abc");
        request.answer(b"defg").expect("answered");
        assert!(server.next_request().expect("readable").is_none());
        let text = String::from_utf8(output).expect("text");
        assert!(text.contains("capability=delay") && !text.contains("capability=new"));
        assert!(text.ends_with("0013status=success\n00000008defg00000000"), "{text}");
    }

    #[test]
    fn a_failure_after_the_start_is_told() {
        let input = [packets(&[HELLO, CAPABILITIES, &["command=smudge", "pathname=x"]]), b"0000".to_vec()].concat();
        let mut output = Vec::new();
        let mut server = FilterServer::greet(&input[..], &mut output).expect("greeted");
        let mut request = server.next_request().expect("readable").expect("a request");
        request.content().drain().expect("drained");
        let result = request.succeed(|_| Err(WriteError::Content("no"))).expect("told");
        assert_eq!(result, Err("no"));
        assert!(String::from_utf8(output).expect("text").ends_with("0011status=error\n0000"));
    }

    #[test]
    fn strangers_are_refused() {
        for lists in [&[&["hello"][..]][..], &[&["git-filter-client", "version=3"]], &[]] {
            assert!(FilterServer::greet(&packets(lists)[..], Vec::new()).is_err());
        }
        for request in [&["command=fly", "pathname=x"][..], &["pathname=x"], &["command=clean"]] {
            let input = packets(&[HELLO, CAPABILITIES, request]);
            let mut server = FilterServer::greet(&input[..], Vec::new()).expect("greeted");
            assert!(server.next_request().is_err(), "{request:?}");
        }
    }
}
