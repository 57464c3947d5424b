//! The words and numbers for a tensor's change that all views for people share.

use super::plan::Change;
use crate::progress::count;
use crate::tensor::Rank;

/// An update of no more than this part of a matrix's smaller side looks like a low-rank adapter.
const LORA_SHARE: u64 = 4;

pub(super) fn dtype(change: &Change) -> String {
    match change {
        Change::Cast(pair) | Change::Replaced(pair) if pair.old.dtype != pair.new.dtype => {
            format!("{} → {}", pair.old.dtype, pair.new.dtype)
        }
        _ => change.newest().dtype.to_string(),
    }
}

pub(super) fn shape(change: &Change) -> String {
    match change {
        Change::Rows(pair) | Change::Reshaped(pair) | Change::Replaced(pair) if pair.old.shape != pair.new.shape => {
            format!("{} → {}", list(&pair.old.shape), list(&pair.new.shape))
        }
        _ => list(&change.newest().shape),
    }
}

pub(super) fn list(numbers: &[u64]) -> String {
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    format!("[{}]", numbers.join(","))
}

/// What the sign does not tell.
pub(super) fn kind(change: &Change) -> Option<String> {
    Some(match change {
        Change::Cast(pair) if pair.old.sha256 == pair.new.sha256 => "cast, the same bytes".into(),
        Change::Cast(_) => "cast".into(),
        Change::Rows(pair) => {
            let (old, new) = (pair.old.shape.first()?, pair.new.shape.first()?);
            let what = if new > old { "appended" } else { "cut off" };
            format!("{} {what}", count(new.abs_diff(*old), "row"))
        }
        Change::Reshaped(pair) if pair.old.sha256 == pair.new.sha256 => "shape, the same bytes".into(),
        Change::Reshaped(_) => "shape".into(),
        Change::Replaced(_) => "replaced".into(),
        Change::Added(_) | Change::Removed(_) | Change::Renamed { .. } | Change::Values(_) => return None,
    })
}

/// Two digits and a power of ten, and a zero that is exactly zero.
pub(super) fn scientific(value: f64) -> String {
    if value == 0.0 { "0".into() } else { format!("{value:.1e}") }
}

/// Six digits, never rounded up: 1 is the same direction exactly.
pub(super) fn cosine(value: f64) -> String {
    if value.abs() >= 1.0 {
        return if value > 0.0 { "1".into() } else { "-1".into() };
    }
    let digits = (value.abs() * 1e6).floor() / 1e6;
    format!("{}{}", if value < 0.0 { "-" } else { "" }, format!("{digits:.6}").trim_start_matches('0'))
}

/// The rank, if the sketch tells one.
pub(super) fn rank(rank: Option<Rank>, change: &Change) -> Option<String> {
    match rank? {
        Rank::Low(rank) => {
            let shape = &change.newest().shape;
            let rows = shape.first().copied().unwrap_or(1);
            let cols = shape.iter().skip(1).product::<u64>();
            let is_lora = u64::from(rank) * LORA_SHARE <= rows.min(cols);
            Some(format!("rank≈{rank}{}", if is_lora { " (LoRA-like)" } else { "" }))
        }
        Rank::Full => Some("full rank".into()),
        Rank::Zero | Rank::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn cosines_are_not_rounded_up() {
        let cases = [
            (1.0, "1"),
            (-1.0, "-1"),
            (0.999_999_9, ".999999"),
            (0.5, ".500000"),
            (-0.25, "-.250000"),
            (0.0, ".000000"),
        ];
        for (value, text) in cases {
            assert_eq!(super::cosine(value), text);
        }
    }
}
