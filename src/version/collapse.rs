//! Many names in few words: `layers.0.weight`, `layers.1.weight`, … as `layers.{0..11}.weight`.

use std::collections::HashMap;
use std::fmt::Write;

/// The names with equal ones joined that differ in one number between dots; in the order in which they begin.
pub fn collapse<'n>(names: impl IntoIterator<Item = &'n str>) -> Vec<String> {
    let mut patterns: Vec<Vec<String>> =
        names.into_iter().map(|name| name.split('.').map(str::to_owned).collect()).collect();
    let depth = patterns.iter().map(Vec::len).max().unwrap_or(0);
    for place in 0..depth {
        patterns = join(patterns, place);
    }
    patterns.into_iter().map(|parts| parts.join(".")).collect()
}

/// Joins patterns that differ in their part at `place` only, where all have a number.
fn join(patterns: Vec<Vec<String>>, place: usize) -> Vec<Vec<String>> {
    let mut groups: Vec<(Vec<String>, Vec<u64>)> = Vec::new();
    let mut known: HashMap<Vec<String>, usize> = HashMap::new();
    for mut parts in patterns {
        let number = parts.get(place).and_then(|part| number(part));
        match number {
            None => groups.push((parts, Vec::new())),
            Some(number) => {
                parts[place].clear();
                let group = *known.entry(parts).or_insert_with_key(|parts| {
                    groups.push((parts.clone(), Vec::new()));
                    groups.len() - 1
                });
                groups[group].1.push(number);
            }
        }
    }
    let joined = groups.into_iter().map(|(mut parts, numbers)| {
        if !numbers.is_empty() {
            parts[place] = ranges(numbers);
        }
        parts
    });
    joined.collect()
}

/// A part that is a number, written as numbers are.
fn number(part: &str) -> Option<u64> {
    let number: u64 = part.parse().ok()?;
    (number.to_string() == part).then_some(number)
}

/// `3`, `{0..5}`, `{0..2,7}`
fn ranges(mut numbers: Vec<u64>) -> String {
    numbers.sort_unstable();
    let runs: Vec<_> = numbers.chunk_by(|a, b| a + 1 == *b).map(|run| (run[0], run[run.len() - 1])).collect();
    let mut text = String::new();
    for (at, (first, last)) in runs.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = match last - first {
            0 => write!(text, "{comma}{first}"),
            1 => write!(text, "{comma}{first},{last}"),
            _ => write!(text, "{comma}{first}..{last}"),
        };
    }
    if numbers.len() == 1 { text } else { format!("{{{text}}}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_ranges() {
        let names = ["l.0.w", "l.0.b", "l.1.w", "l.1.b", "l.2.w", "head", "l.5.w", "l.05.w"];
        assert_eq!(collapse(names), ["l.{0..2,5}.w", "l.{0,1}.b", "head", "l.05.w"]);
        assert_eq!(collapse(["a.1"]), ["a.1"]);
        assert!(collapse([]).is_empty());
    }

    #[test]
    fn in_two_places() {
        let names: Vec<_> = (0..12).map(|at| format!("layers.{}.experts.{}.up", at / 4, at % 4)).collect();
        assert_eq!(collapse(names.iter().map(String::as_str)), ["layers.{0..2}.experts.{0..3}.up"]);
    }
}
