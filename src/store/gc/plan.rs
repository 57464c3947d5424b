//! What becomes of each pack: a pure decision from a few numbers per pack.

use std::collections::BTreeMap;

/// How large packs should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackSizes {
    /// Packs with fewer bytes than this are put together with others.
    pub bytes_min: u64,
    /// A consolidated pack is closed before it grows beyond this.
    pub bytes_max: u64,
}

impl PackSizes {
    /// 64 to 256 MiB: few enough packs for terabytes, small enough to rewrite.
    pub const DEFAULT: Self = Self { bytes_min: 64 << 20, bytes_max: 256 << 20 };
}

/// A pack larger than [`PackSizes::bytes_max`] is rewritten only when one part in so many of it is of no use.
const DEAD_SHARE: u64 = 10;
/// A young pack in use is split when one part in so many of it is of no use after the grace period: each add that relies
/// on the pack makes it young again, and the useless part with it.
const UNREACHABLE_SHARE: u64 = 4;

/// What is known of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PackFacts {
    /// Bytes of entries that history needs.
    pub live: u64,
    /// Bytes of entries that are kept for the grace period, or because an entry so kept needs them.
    pub grace: u64,
    /// Bytes of entries that nobody needs, or that stand in another pack as well.
    pub dead: u64,
    /// The day it was last written or relied on, if it is younger than the grace period. Entries that are kept for the
    /// grace period share a pack only with those of the same day, so that each day's can be let go in time.
    pub day: Option<u64>,
    /// It must stay as it is.
    pub stays: bool,
}

impl PackFacts {
    const fn kept(&self) -> u64 {
        self.live + self.grace
    }

    const fn bytes(&self) -> u64 {
        self.kept() + self.dead
    }
}

/// What becomes of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It stays as it is.
    Stay,
    /// What is kept of it goes into new packs.
    Rewrite,
    /// Nothing of it is kept.
    Delete,
}

/// Decides for every pack. With `exact`, no useless byte stays, however large the pack around it.
///
/// A plan for what a carried-out plan has left behind changes nothing.
pub fn plan(packs: &[PackFacts], sizes: PackSizes, exact: bool) -> Vec<Fate> {
    let mut fates: Vec<Fate> = packs.iter().map(|pack| fate_alone(pack, sizes, exact)).collect();
    consolidate_live(packs, sizes, &mut fates);
    consolidate_grace(packs, sizes, &mut fates);
    fates
}

fn fate_alone(pack: &PackFacts, sizes: PackSizes, exact: bool) -> Fate {
    let is_small = pack.bytes() <= sizes.bytes_max;
    let is_wasteful = pack.dead > 0 && (exact || is_small || pack.dead >= pack.bytes() / DEAD_SHARE);
    let is_mixed = pack.day.is_some() && pack.live > 0 && pack.grace > 0;
    match () {
        () if pack.stays => Fate::Stay,
        () if pack.kept() == 0 => Fate::Delete,
        () if is_wasteful || is_mixed && pack.grace >= pack.bytes() / UNREACHABLE_SHARE => Fate::Rewrite,
        () => Fate::Stay,
    }
}

/// What is live of all rewritten packs goes through one line of new packs, of which the last may be small; so any small
/// one joins as soon as there is another, or anything else to rewrite.
fn consolidate_live(packs: &[PackFacts], sizes: PackSizes, fates: &mut [Fate]) {
    let is_small = |pack: &PackFacts| !pack.stays && pack.live > 0 && pack.live < sizes.bytes_min;
    let small = packs.iter().filter(|pack| is_small(pack)).count();
    let others = packs
        .iter()
        .zip(&*fates)
        .filter(|(pack, fate)| **fate == Fate::Rewrite && pack.live > 0 && !is_small(pack))
        .count();
    if small + others < 2 || small == 0 {
        return;
    }
    for (pack, fate) in packs.iter().zip(fates) {
        if is_small(pack) && *fate == Fate::Stay {
            *fate = Fate::Rewrite;
        }
    }
}

/// The same for what is kept for the grace period, day by day.
fn consolidate_grace(packs: &[PackFacts], sizes: PackSizes, fates: &mut [Fate]) {
    let is_small = |pack: &PackFacts| !pack.stays && pack.live == 0 && pack.grace > 0 && pack.grace < sizes.bytes_min;
    let mut parts_by_day = BTreeMap::<Option<u64>, usize>::new();
    for (pack, fate) in packs.iter().zip(&*fates) {
        if is_small(pack) || *fate == Fate::Rewrite && pack.grace > 0 {
            *parts_by_day.entry(pack.day).or_default() += 1;
        }
    }
    for (pack, fate) in packs.iter().zip(fates) {
        if is_small(pack) && *fate == Fate::Stay && parts_by_day[&pack.day] > 1 {
            *fate = Fate::Rewrite;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn pack(live: u64, grace: u64, dead: u64) -> PackFacts {
        PackFacts { live: live * MIB, grace: grace * MIB, dead: dead * MIB, ..PackFacts::default() }
    }

    #[test]
    fn healthy_packs_are_left_alone() {
        for packs in [&[pack(1, 0, 0)][..], &[pack(64, 0, 0), pack(5000, 0, 0), pack(10, 0, 0)], &[pack(5000, 0, 400)]]
        {
            assert!(plan(packs, PackSizes::DEFAULT, false).iter().all(|fate| *fate == Fate::Stay), "{packs:?}");
        }
    }

    #[test]
    fn waste_is_rewritten_and_small_packs_are_joined() {
        use Fate::{Delete, Rewrite, Stay};
        let young = |pack: PackFacts, day| PackFacts { day: Some(day), ..pack };
        assert_eq!(plan(&[pack(0, 0, 9), pack(0, 0, 0)], PackSizes::DEFAULT, false), [Delete, Delete]);
        assert_eq!(plan(&[pack(100, 0, 1)], PackSizes::DEFAULT, false), [Rewrite]);
        assert_eq!(plan(&[pack(5000, 0, 1)], PackSizes::DEFAULT, true), [Rewrite]);
        assert_eq!(
            plan(&[pack(1, 0, 0), pack(2, 0, 0), pack(100, 0, 0)], PackSizes::DEFAULT, false),
            [Rewrite, Rewrite, Stay]
        );
        assert_eq!(
            plan(&[pack(1, 0, 0), pack(100, 0, 9), pack(100, 0, 0)], PackSizes::DEFAULT, false),
            [Rewrite, Rewrite, Stay]
        );
        assert_eq!(plan(&[young(pack(100, 50, 0), 3)], PackSizes::DEFAULT, false), [Rewrite]);
        assert_eq!(plan(&[pack(100, 50, 0)], PackSizes::DEFAULT, false), [Stay]);
        let days = [young(pack(0, 1, 0), 3), young(pack(0, 1, 0), 4), young(pack(0, 1, 0), 4)];
        assert_eq!(plan(&days, PackSizes::DEFAULT, false), [Stay, Rewrite, Rewrite]);
        assert_eq!(
            plan(&[PackFacts { stays: true, ..pack(0, 0, 9) }, pack(1, 0, 0)], PackSizes::DEFAULT, false),
            [Stay, Stay]
        );
    }

    /// What is there after the plan was carried out.
    fn carry_out(packs: &[PackFacts], fates: &[Fate]) -> Vec<PackFacts> {
        let mut after = Vec::new();
        let (mut live, mut live_day) = (0, None);
        let mut grace = BTreeMap::<Option<u64>, u64>::new();
        for (pack, fate) in packs.iter().zip(fates) {
            match fate {
                Fate::Stay => after.push(*pack),
                Fate::Rewrite => {
                    live += pack.live;
                    live_day = live_day.max(pack.day);
                    *grace.entry(pack.day).or_default() += pack.grace;
                }
                Fate::Delete => {}
            }
        }
        let mut split = |mut bytes: u64, make: &dyn Fn(u64) -> PackFacts| {
            while bytes > 0 {
                after.push(make(bytes.min(PackSizes::DEFAULT.bytes_max)));
                bytes -= bytes.min(PackSizes::DEFAULT.bytes_max);
            }
        };
        split(live, &|live| PackFacts { live, day: live_day, ..PackFacts::default() });
        for (day, bytes) in grace {
            split(bytes, &|grace| PackFacts { grace, day, ..PackFacts::default() });
        }
        after
    }

    fn facts() -> impl Strategy<Value = PackFacts> {
        let bytes = || prop_oneof![Just(0), 1..MIB, 1..80 * MIB, 1..2000 * MIB];
        (bytes(), bytes(), bytes(), prop::option::of(0_u64..4), prop::bool::weighted(0.1))
            .prop_map(|(live, grace, dead, day, stays)| PackFacts { live, grace, dead, day, stays })
    }

    proptest! {
        #[test]
        fn a_second_plan_changes_nothing(packs in prop::collection::vec(facts(), 0..12), exact: bool) {
            let after = carry_out(&packs, &plan(&packs, PackSizes::DEFAULT, exact));
            let again = plan(&after, PackSizes::DEFAULT, exact);
            prop_assert!(again.iter().all(|fate| *fate == Fate::Stay), "{:?} {:?}", after, again);
        }

        #[test]
        fn what_is_kept_stays_or_is_rewritten(packs in prop::collection::vec(facts(), 0..12), exact: bool) {
            for (pack, fate) in packs.iter().zip(plan(&packs, PackSizes::DEFAULT, exact)) {
                prop_assert!(fate != Fate::Delete || pack.kept() == 0 && !pack.stays);
                prop_assert!(fate != Fate::Rewrite || !pack.stays);
                prop_assert!(!exact || pack.stays || pack.dead == 0 || fate != Fate::Stay);
            }
        }
    }
}
