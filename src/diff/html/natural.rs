//! The order in which people count: `layers.2` before `layers.10`.

use std::cmp::Ordering;

/// Compares names; runs of digits count as numbers.
pub(super) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    while let (Some(a_run), Some(b_run)) = (first_run(a_rest), first_run(b_rest)) {
        let is_digit = |run: &str| run.starts_with(|c: char| c.is_ascii_digit());
        let order = if is_digit(a_run) && is_digit(b_run) {
            // Of numbers without leading zeros the longer one is larger.
            let (a, b) = (a_run.trim_start_matches('0'), b_run.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        } else {
            a_run.cmp(b_run)
        };
        if order.is_ne() {
            return order;
        }
        (a_rest, b_rest) = (&a_rest[a_run.len()..], &b_rest[b_run.len()..]);
    }
    a_rest.len().cmp(&b_rest.len()).then_with(|| a.cmp(b))
}

/// The digits, or the other characters, that the text starts with.
fn first_run(text: &str) -> Option<&str> {
    let is_digit = text.chars().next()?.is_ascii_digit();
    let end = text.find(|c: char| c.is_ascii_digit() != is_digit).unwrap_or(text.len());
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count() {
        let sorted = ["", "a", "a.2", "a.2.x", "a.02.y", "a.10", "a.100", "a.b", "b", "é.1", "é.10"];
        for (at, a) in sorted.iter().enumerate() {
            for (other, b) in sorted.iter().enumerate() {
                assert_eq!(natural(a, b), at.cmp(&other), "{a} and {b}");
            }
        }
    }
}
