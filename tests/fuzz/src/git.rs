//! What git sends, and git's index.

use std::collections::HashMap;
use std::io::Read;

use git_model::git::HashKind;
use git_model::git::filter_protocol::{Command, FilterServer, WriteError};
use git_model::git::index_stat::{Update, patch};

/// A conversation with a client that says `bytes`, and one with a client that sends them as a file.
pub fn filter_protocol(bytes: &[u8]) {
    let mut output = Vec::new();
    // A conversation that breaks off is as good as one that ends.
    let _ = converse(bytes, &mut output);
    packets(&output).expect("the server speaks the protocol whatever the client does");
    carries(bytes);
}

/// Answers as long as the client asks, in all the ways there are.
fn converse(input: &[u8], output: &mut Vec<u8>) -> std::io::Result<()> {
    let mut server = FilterServer::greet(input, output)?;
    let mut round = 0_usize;
    while let Some(mut request) = server.next_request()? {
        round += 1;
        if request.head.command == Command::ListAvailableBlobs {
            request.answer_nothing_available()?;
            continue;
        }
        assert!(!request.head.path.is_empty());
        let mut content = Vec::new();
        request.content().take(round as u64 * 7).read_to_end(&mut content)?;
        match round % 4 {
            0 => request.fail()?,
            1 => request.answer(&content)?,
            2 => {
                let told = request.succeed(|_| Err(WriteError::Content(round)))?;
                assert_eq!(told, Err(round));
            }
            _ => {
                request.content().read_to_end(&mut content)?;
                request.answer(&content)?;
            }
        }
    }
    Ok(())
}

/// Content arrives as it was sent, in packets of whatever length, and so does the answer.
fn carries(bytes: &[u8]) {
    let step = bytes.first().map_or(1, |&byte| usize::from(byte) * 253 + 1);
    let lines = [&["git-filter-client", "version=2"][..], &["capability=clean"], &["command=clean", "pathname=x"]];
    let mut input = Vec::new();
    for list in lines {
        for line in list {
            input.extend_from_slice(format!("{:04x}{line}\n", line.len() + 5).as_bytes());
        }
        input.extend_from_slice(b"0000");
    }
    for packet in bytes.chunks(step) {
        input.extend_from_slice(format!("{:04x}", packet.len() + 4).as_bytes());
        input.extend_from_slice(packet);
    }
    input.extend_from_slice(b"0000");

    let mut output = Vec::new();
    let mut server = FilterServer::greet(&input[..], &mut output).expect("greeted");
    let mut request = server.next_request().expect("readable").expect("a request");
    let mut content = Vec::new();
    request.content().read_to_end(&mut content).expect("content");
    assert!(content == bytes);
    request.answer(&content).expect("answered");
    assert!(server.next_request().expect("readable").is_none());

    let lists = packets(&output).expect("the server speaks the protocol");
    // Greeting, capabilities, status, content, status kept.
    assert_eq!(lists.len(), 5);
    assert!(lists[3].concat() == bytes);
}

/// The lists of packets, each ended by a flush packet; the last may lack it.
fn packets(mut bytes: &[u8]) -> Option<Vec<Vec<Vec<u8>>>> {
    let (mut lists, mut list) = (Vec::new(), Vec::new());
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_first_chunk::<4>()?;
        let len = usize::from_str_radix(std::str::from_utf8(head).ok()?, 16).ok()?;
        if len == 0 {
            lists.push(std::mem::take(&mut list));
            bytes = rest;
            continue;
        }
        let (packet, rest) = rest.split_at_checked(len.checked_sub(4)?)?;
        list.push(packet.to_vec());
        bytes = rest;
    }
    Some(lists)
}

/// Names of the empty blob, which the indexes among the seeds have.
const EMPTY_SHA1: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";
const EMPTY_SHA256: &str = "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813";

/// An index keeps its length and everything but stat data and checksum; patching twice is patching once.
pub fn index_stat(bytes: &[u8]) {
    for (hash, empty) in [(HashKind::Sha1, EMPTY_SHA1), (HashKind::Sha256, EMPTY_SHA256)] {
        let blob: Vec<u8> =
            (0..empty.len()).step_by(2).map(|at| u8::from_str_radix(&empty[at..at + 2], 16).expect("hex")).collect();
        let metadata = std::fs::metadata("/").expect("the root");
        let names = [&b"model.bin"[..], b"dir/model.bin", b"m"];
        let updates: HashMap<Vec<u8>, Update> = names
            .iter()
            .map(|name| (name.to_vec(), Update { blob: blob.clone(), metadata: metadata.clone() }))
            .collect();

        // With the checksum that belongs to it: else hardly an input would get further.
        let mut bytes = bytes.to_vec();
        if let Some(at) = bytes.len().checked_sub(hash.byte_len()) {
            let checksum = hash.digest(&bytes[..at]);
            bytes[at..].copy_from_slice(&checksum);
        }
        let bytes = &bytes[..];
        let mut patched = bytes.to_vec();
        let Ok(count) = patch(&mut patched, hash, &updates) else { continue };
        assert_eq!(patched.len(), bytes.len());
        let checksum_at = bytes.len() - hash.byte_len();
        let changed = patched[..checksum_at].iter().zip(bytes).filter(|(after, before)| after != before).count();
        assert!(changed <= count * 36, "{changed} bytes of {count} entries");
        let mut again = patched.clone();
        assert_eq!(patch(&mut again, hash, &updates).expect("still an index"), count);
        assert!(again == patched);

        let mut untouched = bytes.to_vec();
        assert_eq!(patch(&mut untouched, hash, &HashMap::new()).expect("still an index"), 0);
        assert!(untouched[..checksum_at] == bytes[..checksum_at]);
    }
}
