//! Work on numbered items, spread over all cores.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

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

/// An amount that is shared by those at work: memory, mostly.
pub struct Budget {
    total: u64,
    taken: Mutex<u64>,
    returned: Condvar,
}

/// A part of a budget; returned when dropped.
pub struct Held<'a> {
    budget: &'a Budget,
    amount: u64,
}

impl Budget {
    /// Nothing of `total` is taken yet.
    pub const fn new(total: u64) -> Self {
        Self { total, taken: Mutex::new(0), returned: Condvar::new() }
    }

    /// Takes `amount`, as soon as there is as much. Whoever wants more than all gets it when nobody else has any.
    pub fn take(&self, amount: u64) -> Held<'_> {
        let amount = amount.min(self.total);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + amount > self.total {
            taken = self.returned.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        *taken += amount;
        Held { budget: self, amount }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.budget.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.amount;
        self.budget.returned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::Budget;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let (budget, at_work) = (Budget::new(10), AtomicU64::new(0));
        super::for_each(
            4,
            200,
            || (),
            |(), at| {
                let amount = at as u64 % 13;
                let _held = budget.take(amount);
                let amount = amount.min(10);
                assert!(at_work.fetch_add(amount, Ordering::SeqCst) + amount <= 10);
                std::thread::yield_now();
                at_work.fetch_sub(amount, Ordering::SeqCst);
                vec![()]
            },
        );
    }

    #[test]
    fn every_number_once_and_in_order() {
        for count in [0, 1, 2, 1000] {
            let all = super::for_each(3, count, || (), |(), at| vec![at]);
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
