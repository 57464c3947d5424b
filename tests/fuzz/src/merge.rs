//! Merges: parameter files, rules, and the skeletons of merged weight files.

use git_model::format::rebuild::{Origin, Part, Side, TensorSpec, rebuild};
use git_model::format::{Bytes, Detected, Layout, Skeleton, detect};
use git_model::merge::params::{self, Labels};
use git_model::merge::rules::{Decision, Rules};
use git_model::params::Syntax;

use super::take;

const LABELS: Labels = Labels { base: "base", ours: "ours", theirs: "theirs" };

/// A syntax, and one, two or three versions of a file, with zeros between them.
pub fn merge_params(mut bytes: &[u8]) {
    let [syntax] = take(&mut bytes);
    let syntax = [Syntax::Json, Syntax::Yaml, Syntax::Toml][usize::from(syntax) % 3];
    let mut texts = bytes.splitn(3, |&byte| byte == 0);
    let base = texts.next().unwrap_or_default();
    let ours = texts.next().unwrap_or(base);
    let theirs = texts.next().unwrap_or(base);
    let merge = |base, ours, theirs| params::merge(syntax, base, ours, theirs, &LABELS, 7);

    let swapped = merge(base, theirs, ours);
    if let (Some(merged), Some(swapped)) = (merge(base, ours, theirs), swapped) {
        assert_eq!(merged.conflicts.len(), swapped.conflicts.len(), "the same keys conflict whoever merges");
    }
    for unchanged in [base, ours] {
        if let Some(merged) = merge(base, ours, unchanged) {
            assert!(merged.text == ours, "what only ours changed is ours, byte for byte");
            assert!(merged.conflicts.is_empty());
        }
    }
    if let Some(merged) = merge(base, base, theirs) {
        assert!(merged.conflicts.is_empty(), "what only theirs changed is theirs");
        let again = merge(base, &merged.text, theirs).expect("merged by the same means");
        assert!(again.text == merged.text && again.conflicts.is_empty(), "merged twice is merged once");
    }
}

/// `[merge]` of a `.gitmodel.toml`, and the same as one line.
pub fn merge_rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for name in ["model.layers.0.weight", &text] {
        let _ = Rules::parse(&text).map(|rules| rules.decide(name).clone());
        if let Ok(decision) = Decision::parse(&text) {
            let mut rules = Rules::default();
            if rules.decided(name, decision.clone()).is_ok() && name != text {
                assert_eq!(rules.decide(name), &decision);
            }
        }
    }
}

/// A file and how it is cut.
struct Cut {
    layout: Layout,
    skeleton: Skeleton,
}

impl Cut {
    fn new(bytes: &[u8]) -> Option<Self> {
        let Detected::Model(layout) = detect(&Bytes(bytes)).expect("nothing is read outside the file") else {
            return None;
        };
        let mut skeleton = Skeleton::new();
        let mut position = 0;
        for record in &layout.records {
            skeleton.push(&bytes[position..record.offset as usize]);
            position = (record.offset + record.len) as usize;
        }
        skeleton.push(&bytes[position..]);
        Some(Self { layout, skeleton })
    }

    fn specs(&self) -> Vec<TensorSpec<'_>> {
        let records = self.layout.records.iter();
        records.map(|record| TensorSpec { name: &record.name, dtype: &record.dtype, shape: &record.shape }).collect()
    }
}

/// One file, or two of them: what to take of them, how long the first is, and their bytes.
pub fn merge_rebuild(mut bytes: &[u8]) {
    let choices = take::<16>(&mut bytes);
    let len = u32::from_le_bytes(take(&mut bytes)) as usize;
    let (first, second) = bytes.split_at(len.min(bytes.len()));
    let Some(ours) = Cut::new(first) else { return };
    let theirs = Cut::new(second).filter(|theirs| theirs.layout.format == ours.layout.format);
    let theirs = theirs.as_ref().unwrap_or(&ours);
    let (our_specs, their_specs) = (ours.specs(), theirs.specs());
    let our_side = Side { skeleton: &ours.skeleton, tensors: &our_specs };
    let their_side = Side { skeleton: &theirs.skeleton, tensors: &their_specs };
    let base = [None, Some(&our_side), Some(&their_side)][usize::from(choices[0]) % 3];

    let choice = |index: usize| choices[1 + index % (choices.len() - 1)];
    let mut chosen: Vec<(TensorSpec<'_>, Origin)> = Vec::new();
    for (index, spec) in our_specs.iter().enumerate() {
        let other = their_specs.iter().position(|other| other == spec);
        match (choice(index) % 4, other) {
            (0, _) => {}
            (1, Some(other)) => chosen.push((*spec, Origin::Theirs(other))),
            (2, _) => chosen.push((*spec, Origin::New { ours: index, crc32: 7 })),
            _ => chosen.push((*spec, Origin::Ours(index))),
        }
    }
    for (index, spec) in their_specs.iter().enumerate() {
        if choice(index) / 4 % 2 == 1 && !our_specs.iter().any(|other| other.name == spec.name) {
            chosen.push((*spec, Origin::Theirs(index)));
        }
    }
    let parts: Vec<_> =
        chosen.iter().map(|&(TensorSpec { name, dtype, shape }, origin)| Part { name, dtype, shape, origin }).collect();
    let Ok(rebuilt) = rebuild(ours.layout.format, base, &our_side, &their_side, &parts) else { return };
    let mut order = rebuilt.order.clone();
    order.sort_unstable();
    assert!(order.into_iter().eq(0..parts.len()), "every part stands in the file once");
    assert_eq!(rebuilt.skeleton.gap_count(), parts.len() + 1);
    let tensors: u64 = parts.iter().map(|part| part.dtype.byte_len(part.shape.iter().product()).expect("sound")).sum();
    assert_eq!(rebuilt.size, rebuilt.skeleton.gap_bytes() + tensors);
}
