//! Which names stand below the x axis, and how: none runs into another.

/// A name that wants to stand at a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wish {
    /// The place that it belongs to.
    pub at: f64,
    /// Its length when it stands level.
    pub width: f64,
    /// It is left out last.
    pub is_tag: bool,
}

/// Where names may stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Room {
    /// The ends that no level name passes.
    pub left: f64,
    pub right: f64,
    /// Between two level names.
    pub gap: f64,
    /// Between the places of two turned names; `None` where names cannot be turned.
    pub turned_gap: Option<f64>,
}

/// The names that stand, and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Placed {
    /// They are turned, and end below their places.
    pub is_turned: bool,
    /// Their numbers, ascending; of level ones, where each begins.
    pub names: Vec<(usize, f64)>,
}

/// Chooses names: level ones if all fit, or no fewer tags than turned ones; else turned ones.
pub(super) fn place(wishes: &[Wish], room: &Room) -> Placed {
    let level = choose(wishes, |wish| {
        let begin = (wish.at - wish.width / 2.0).min(room.right - wish.width).max(room.left);
        (begin, begin + wish.width + room.gap)
    });
    let Some(gap) = room.turned_gap.filter(|_| level.len() < wishes.len()) else {
        return Placed { is_turned: false, names: level };
    };
    let turned = choose(wishes, |wish| (wish.at, wish.at + gap));
    let tags = |names: &[(usize, f64)]| names.iter().filter(|name| wishes[name.0].is_tag).count();
    let is_turned = tags(&turned) > tags(&level) || turned.len() == wishes.len();
    Placed { is_turned, names: if is_turned { turned } else { level } }
}

/// Chooses one after the other, the most wanted first, wherever `extent` is still free.
fn choose(wishes: &[Wish], extent: impl Fn(&Wish) -> (f64, f64)) -> Vec<(usize, f64)> {
    let mut free = std::collections::BTreeMap::<u64, f64>::new();
    let mut chosen = Vec::new();
    // Extents do not begin below zero, and the bits of such numbers are in their order.
    let key = |value: f64| value.max(0.0).to_bits();
    for at in by_want(wishes) {
        let (begin, end) = extent(&wishes[at]);
        let before = free.range(..=key(begin)).next_back().is_none_or(|(_, &other_end)| other_end <= begin);
        let behind = free.range(key(begin)..).next().is_none_or(|(&other, _)| f64::from_bits(other) >= end);
        if before && behind {
            free.insert(key(begin), end);
            chosen.push((at, begin));
        }
    }
    chosen.sort_unstable_by_key(|name| name.0);
    chosen
}

/// Numbers of names: the last and the first one, tags from the newest on, then the others, in halves, so that those which
/// find a place are spread evenly.
fn by_want(wishes: &[Wish]) -> Vec<usize> {
    let count = wishes.len();
    let mut order: Vec<usize> = count.checked_sub(1).into_iter().chain((count > 1).then_some(0)).collect();
    order.extend((1..count.saturating_sub(1)).rev().filter(|&at| wishes[at].is_tag));
    let mut step = count.next_power_of_two();
    while step > 0 {
        let odd = (0..).map(|number| count.checked_sub(1 + step * (2 * number + 1))).map_while(|at| at);
        order.extend(odd.filter(|&at| at > 0 && !wishes[at].is_tag));
        step /= 2;
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROOM: Room = Room { left: 0.0, right: 800.0, gap: 8.0, turned_gap: Some(18.0) };

    fn wishes() -> impl Strategy<Value = Vec<Wish>> {
        (prop::collection::vec((1.0..150.0_f64, prop::bool::weighted(0.2)), 0..300), 0.2..60.0_f64).prop_map(
            |(names, step)| {
                let wish = |(at, (width, is_tag))| Wish { at: 20.0 + at as f64 * step, width, is_tag };
                names.into_iter().enumerate().map(wish).take_while(|wish| wish.at < 780.0).collect()
            },
        )
    }

    proptest! {
        #[test]
        fn nothing_overlaps(wishes in wishes()) {
            let placed = place(&wishes, &ROOM);
            for pair in placed.names.windows(2) {
                let (a, b) = (pair[0], pair[1]);
                let free = if placed.is_turned { 18.0 } else { wishes[a.0].width + 8.0 };
                prop_assert!(a.0 < b.0 && a.1 + free <= b.1 + 1e-9, "{pair:?}");
            }
            for &(at, begin) in placed.names.iter().filter(|_| !placed.is_turned) {
                prop_assert!(begin >= 0.0 && begin + wishes[at].width <= 800.0 + 1e-9);
            }
            if let Some(last) = wishes.len().checked_sub(1) {
                prop_assert_eq!(placed.names.last().map(|name| name.0), Some(last));
            }
        }

        #[test]
        fn every_number_is_tried_once(wishes in wishes()) {
            let mut order = by_want(&wishes);
            order.sort_unstable();
            prop_assert_eq!(order, (0..wishes.len()).collect::<Vec<_>>());
        }
    }

    #[test]
    fn all_stand_level_where_they_fit_and_turned_where_only_that_helps() {
        let at = |count: usize, width: f64| {
            let step = 760.0 / count as f64;
            let wish = |at| Wish { at: 20.0 + at as f64 * step, width, is_tag: at % 2 == 0 };
            place(&(0..count).map(wish).collect::<Vec<_>>(), &ROOM)
        };
        let few = at(8, 60.0);
        assert_eq!((few.is_turned, few.names.len()), (false, 8));
        let some = at(30, 60.0);
        assert_eq!((some.is_turned, some.names.len()), (true, 30));
        let many = at(2000, 60.0);
        assert!(many.is_turned && many.names.iter().filter(|name| name.0 % 2 == 0).count() > 30);
    }
}
