//! Who listens on a port.

use std::collections::HashSet;
use std::fs;

/// Who listens on a TCP port of this machine: "`python3` (process 1234)". None if nobody does, or if it cannot be told:
/// other users' processes do not show what they have open.
pub fn listener(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| fs::read_to_string(table).unwrap_or_default());
    let sockets: HashSet<String> = tables.iter().flat_map(|table| sockets(table, port)).collect();
    if sockets.is_empty() {
        return None;
    }
    let mut pids: Vec<u32> = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| pid(&entry)).collect();
    pids.sort_unstable();
    let pid = pids.into_iter().find(|&pid| has_open(pid, &sockets))?;
    let name = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some(format!("`{}` (process {pid})", printable(&name)))
}

/// What a link in `/proc/PID/fd` to a socket says that listens on `port`, by a table in the form of proc_net_tcp: after
/// its number a socket has its address, its peer's, its state, seven more columns of which the sixth is the inode.
fn sockets(table: &str, port: u16) -> impl Iterator<Item = String> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).filter_map(move |line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (_, local) = columns.next()?.rsplit_once(':')?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        let listens = u16::from_str_radix(local, 16) == Ok(port) && state == LISTEN;
        listens.then(|| format!("socket:[{inode}]"))
    })
}

fn pid(entry: &fs::DirEntry) -> Option<u32> {
    entry.file_name().to_str()?.parse().ok()
}

fn has_open(pid: u32, sockets: &HashSet<String>) -> bool {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.into_iter().any(|target| target.to_str().is_some_and(|target| sockets.contains(target)))
}

/// A process gives itself its name: it must not move the cursor of whoever reads it.
fn printable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.trim_end_matches('\n').replace(|c: char| c.is_control() || c == '`', "?")
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

    use super::*;

    #[test]
    fn we_are_found_on_both_kinds_of_addresses() {
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let us = format!("(process {})", std::process::id());
        let port = four.local_addr().expect("an address").port();
        assert!(listener(port).expect("found").ends_with(&us), "{:?}", listener(port));
        drop(four);
        assert_eq!(listener(port), None);
        // Not every machine has it.
        if let Ok(six) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            let port = six.local_addr().expect("an address").port();
            assert!(listener(port).expect("found").ends_with(&us));
        }
    }

    #[test]
    fn only_sockets_that_listen_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
               0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100\n\
               1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 100\n\
               2: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4244 1 0 100\n\
               garbage\n";
        assert_eq!(sockets(table, 8080).collect::<Vec<_>>(), ["socket:[4242]"]);
    }

    #[test]
    fn names_are_harmless() {
        assert_eq!(printable(b"py\x1b[2J`3\n"), "py?[2J?3");
    }
}
