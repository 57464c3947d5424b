//! Work on numbered items, spread over all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// More threads than this gain nothing: the disk is the ceiling.
const THREADS_MAX: usize = 16;

/// The cores of this machine, as far as they are of use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// Calls `work` with each number below `count` once, from up to `threads` threads, each with a state of its own; returns
/// all results in the order of the numbers.
pub fn for_each<S, T: Send>(
    threads: usize,
    count: usize,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize) -> Vec<T> + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let run = || {
        let mut state = state();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            let found = work(&mut state, at);
            if !found.is_empty() {
                results.lock().unwrap_or_else(PoisonError::into_inner).push((at, found));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            // Where no more threads can be had, those there are do the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().flat_map(|(_, found)| found).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_number_once_and_in_order() {
        for count in [0, 1, 2, 1000] {
            let all = super::for_each(3, count, || (), |(), at| vec![at]);
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
