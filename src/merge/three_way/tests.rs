use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::id::ObjectId;
use crate::merge::strategy::Params;
use crate::tensor::{Dtype, Plain};

/// A tensor whose content is told by a number, in the shape given.
fn tensor(name: &str, content: u8, shape: &[u64]) -> Tensor {
    let sha256 = ObjectId::of(&[&[content][..], format!("{shape:?}").as_bytes()].concat());
    Tensor { name: name.into(), dtype: Dtype::Plain(Plain::F32), shape: shape.to_vec(), sha256, extra: Map::new() }
}

fn model(tensors: Vec<Tensor>) -> Manifest {
    let content = Content::Model { format: "safetensors".into(), skeleton: ObjectId::of(b"skeleton"), tensors };
    Manifest { size: 1000, content, extra: Map::new() }
}

fn of(tensors: &[(&str, u8)]) -> Manifest {
    model(tensors.iter().map(|&(name, content)| tensor(name, content, &[4])).collect())
}

fn planned(base: &Manifest, ours: &Manifest, theirs: &Manifest, rules: &Rules) -> Plan {
    plan(Some(base), ours, theirs, rules).expect("a plan")
}

/// What the plan takes, as `name` and the version's letter.
fn taken(plan: &Plan) -> Vec<(&str, char)> {
    let letter = |source: &Source| match source {
        Source::Taken(Version::Base, _) => 'b',
        Source::Taken(Version::Ours, _) => 'o',
        Source::Taken(Version::Theirs, _) => 't',
        Source::Merged(..) => 'm',
        Source::Rows(_) => 'r',
    };
    plan.tensors.iter().map(|planned| (planned.name.as_str(), letter(&planned.source))).collect()
}

fn whys(plan: &Plan) -> Vec<(&str, Why)> {
    plan.conflicts.iter().map(|conflict| (conflict.tensor.as_str(), conflict.why.clone())).collect()
}

fn check(
    (base, ours, theirs): (&Manifest, &Manifest, &Manifest),
    rules: &Rules,
    expected: &[(&str, char)],
    conflicts: &[(&str, Why)],
) {
    let plan = planned(base, ours, theirs, rules);
    assert_eq!(taken(&plan), expected);
    assert_eq!(whys(&plan), conflicts);
}

fn ties() -> Rules {
    Rules::all(Decision::new("ties", &Params::default()).expect("a method"))
}

#[test]
fn disjoint_changes_are_united() {
    let base = of(&[("a", 0), ("b", 0), ("c", 0)]);
    let (ours, theirs) = (of(&[("a", 1), ("b", 0), ("c", 3)]), of(&[("a", 0), ("b", 2), ("c", 3)]));
    check((&base, &ours, &theirs), &Rules::default(), &[("a", 'o'), ("b", 't'), ("c", 'o')], &[]);
}

#[test]
fn changes_of_both_sides_are_for_rules_to_decide() {
    let (base, ours, theirs) = (of(&[("a", 0)]), of(&[("a", 1)]), of(&[("a", 2)]));
    let versions = (&base, &ours, &theirs);
    check(versions, &Rules::default(), &[("a", 'o')], &[("a", Why::BothChanged)]);
    check(versions, &Rules::all(Decision::Take(Version::Theirs)), &[("a", 't')], &[]);
    check(versions, &Rules::all(Decision::Take(Version::Base)), &[("a", 'b')], &[]);
    check(versions, &ties(), &[("a", 'm')], &[]);
}

#[test]
fn added_and_deleted_tensors() {
    let base = of(&[("a", 0), ("b", 0), ("c", 0)]);
    let ours = of(&[("a", 0), ("n", 7), ("c", 0)]);
    let theirs = of(&[("a", 0), ("b", 0), ("m", 8), ("c", 0), ("z", 9)]);
    let expected = [("a", 'o'), ("m", 't'), ("n", 'o'), ("c", 'o'), ("z", 't')];
    let plan = planned(&base, &ours, &theirs, &Rules::default());
    let mut found = taken(&plan);
    found.sort_unstable();
    let mut wanted = expected.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
    assert!(plan.conflicts.is_empty());
}

#[test]
fn deleted_here_and_changed_there_is_a_conflict() {
    let (base, gone, changed) = (of(&[("a", 0), ("k", 0)]), of(&[("k", 0)]), of(&[("a", 1), ("k", 0)]));
    check((&base, &gone, &changed), &Rules::default(), &[("k", 'o')], &[("a", Why::DeletedByUs)]);
    check((&base, &changed, &gone), &Rules::default(), &[("a", 'o'), ("k", 'o')], &[("a", Why::DeletedByThem)]);
}

#[test]
fn a_renamed_tensor_is_followed() {
    let base = of(&[("old", 1), ("k", 0)]);
    let (renamed, changed) = (of(&[("new", 1), ("k", 0)]), of(&[("old", 2), ("k", 0)]));
    check((&base, &renamed, &changed), &Rules::default(), &[("new", 't'), ("k", 'o')], &[]);
    check((&base, &changed, &renamed), &Rules::default(), &[("new", 'o'), ("k", 'o')], &[]);
    let other = of(&[("other", 1), ("k", 0)]);
    check((&base, &renamed, &other), &Rules::default(), &[("new", 'o'), ("k", 'o')], &[("new", Why::BothRenamed)]);
}

#[test]
fn of_twins_nobody_knows_which_was_renamed() {
    let base = of(&[("a", 1), ("b", 1)]);
    let (ours, theirs) = (of(&[("c", 1), ("d", 1)]), of(&[("a", 2), ("b", 1)]));
    check((&base, &ours, &theirs), &Rules::default(), &[("c", 'o'), ("d", 'o')], &[("a", Why::DeletedByUs)]);
}

#[test]
fn both_add_the_same_name() {
    let (base, ours, theirs) = (of(&[("k", 0)]), of(&[("k", 0), ("n", 1)]), of(&[("k", 0), ("n", 2)]));
    check((&base, &ours, &theirs), &Rules::default(), &[("k", 'o'), ("n", 'o')], &[("n", Why::BothAdded)]);
    check((&base, &ours, &theirs), &ties(), &[("k", 'o'), ("n", 'o')], &[("n", Why::NoBase("ties"))]);
    check((&base, &ours, &ours.clone()), &Rules::default(), &[("k", 'o'), ("n", 'o')], &[]);
}

#[test]
fn appended_rows() {
    let rows = |rows: u64, content: u8| model(vec![tensor("embed", content, &[rows, 4])]);
    let (base, longer, changed) = (rows(10, 0), rows(12, 1), rows(10, 2));
    check((&base, &longer, &changed), &Rules::default(), &[("embed", 'r')], &[]);
    check((&base, &changed, &longer), &Rules::default(), &[("embed", 'r')], &[]);
    check((&base, &longer, &rows(12, 3)), &Rules::default(), &[("embed", 'o')], &[("embed", Why::BothAppended)]);
    check((&base, &longer, &rows(9, 3)), &Rules::default(), &[("embed", 'o')], &[("embed", Why::Shape)]);
}

#[test]
fn types_and_kinds_that_do_not_fit() {
    let with = |dtype: Plain, content: u8| model(vec![Tensor { dtype: dtype.into(), ..tensor("w", content, &[4]) }]);
    let f32s = |content| with(Plain::F32, content);
    check((&f32s(0), &f32s(1), &with(Plain::BF16, 2)), &ties(), &[("w", 'o')], &[("w", Why::Dtype)]);
    let i64s = |content| with(Plain::I64, content);
    check((&i64s(0), &i64s(1), &i64s(2)), &ties(), &[("w", 'o')], &[("w", Why::NotNumeric)]);
}

#[test]
fn parts_of_one_thing_stay_together() {
    let (a, b) = ("q.lora_A.weight", "q.lora_B.weight");
    let base = of(&[(a, 0), (b, 0)]);
    let (ours, theirs) = (of(&[(a, 1), (b, 0)]), of(&[(a, 0), (b, 2)]));
    check((&base, &ours, &theirs), &ties(), &[(a, 'o'), (b, 'o')], &[(a, Why::Parts), (b, Why::Parts)]);
    let rules = Rules::all(Decision::Take(Version::Theirs));
    check((&base, &ours, &theirs), &rules, &[(a, 't'), (b, 't')], &[]);
    let only = of(&[(a, 1), (b, 1)]);
    check((&base, &only, &base.clone()), &Rules::default(), &[(a, 'o'), (b, 'o')], &[]);
}

#[test]
fn state_follows_its_weights() {
    let (w, m) = ("layer.weight", "optimizer.layer.weight.exp_avg");
    let base = of(&[(w, 0), (m, 0)]);
    let (ours, theirs) = (of(&[(w, 0), (m, 1)]), of(&[(w, 2), (m, 2)]));
    check((&base, &ours, &theirs), &Rules::default(), &[(w, 't'), (m, 't')], &[]);
    let ours = of(&[(w, 1), (m, 1)]);
    check((&base, &ours, &theirs), &Rules::default(), &[(w, 'o'), (m, 'o')], &[(w, Why::BothChanged), (m, Why::State)]);
    let theirs_taken = Rules::all(Decision::Take(Version::Theirs));
    check((&base, &ours, &theirs), &theirs_taken, &[(w, 't'), (m, 't')], &[]);
    let numbered = "optimizer.state.0.exp_avg";
    let (base, ours, theirs) =
        (of(&[(w, 0), (numbered, 0)]), of(&[(w, 0), (numbered, 1)]), of(&[(w, 2), (numbered, 2)]));
    check((&base, &ours, &theirs), &Rules::default(), &[(w, 't'), (numbered, 't')], &[]);
}

#[test]
fn without_a_common_version() {
    let (ours, theirs) = (of(&[("a", 1)]), of(&[("a", 2)]));
    let conflicts = |rules: &Rules| whys(&plan(None, &ours, &theirs, rules).expect("a plan")).len();
    assert_eq!(conflicts(&Rules::default()), 1);
    assert_eq!(conflicts(&ties()), 1);
    let linear = Rules::all(Decision::new("linear", &Params::default()).expect("a method"));
    assert_eq!(conflicts(&linear), 0);
    assert_eq!(plan(None, &ours, &of(&[("b", 1)]), &linear), Err(Whole::Unrelated));
}

#[test]
fn what_was_decided_comes_first() {
    let (base, gone, changed) = (of(&[("a", 0), ("k", 0)]), of(&[("k", 0)]), of(&[("a", 1), ("k", 0)]));
    let mut rules = Rules::default();
    rules.decided("a", Decision::Take(Version::Theirs)).expect("a pattern");
    check((&base, &gone, &changed), &rules, &[("a", 't'), ("k", 'o')], &[]);
}

/// Models of up to five tensors, each of a few contents.
fn models() -> impl Strategy<Value = Manifest> {
    prop::collection::btree_map("[a-e]", 0_u8..3, 1..5)
        .prop_map(|tensors| of(&tensors.iter().map(|(name, content)| (name.as_str(), *content)).collect::<Vec<_>>()))
}

/// What the result consists of: names and contents, whatever the order.
fn contents(plan: &Plan, lists: &Lists<'_>) -> Vec<(String, Option<ObjectId>)> {
    let mut contents: Vec<_> = plan
        .tensors
        .iter()
        .map(|planned| match planned.source {
            Source::Taken(version, at) => (planned.name.clone(), Some(lists.get(version, at).sha256)),
            _ => (planned.name.clone(), None),
        })
        .collect();
    contents.sort();
    contents
}

proptest! {
    #[test]
    fn laws(base in models(), a in models(), b in models()) {
        let lists = |ours, theirs| -> Lists<'_> {
            let (ours, theirs): (&Manifest, &Manifest) = (ours, theirs);
            Lists { base: base.tensors(), ours: ours.tensors(), theirs: theirs.tensors() }
        };
        let whole = |manifest: &Manifest| {
            let mut all: Vec<_> = manifest.tensors().iter().map(|tensor| (tensor.name.clone(), Some(tensor.sha256))).collect();
            all.sort();
            all
        };
        let rules = Rules::default();
        for (ours, theirs, expected) in [(&a, &base, &a), (&base, &a, &a), (&a, &a, &a)] {
            let plan = planned(&base, ours, theirs, &rules);
            prop_assert_eq!(contents(&plan, &lists(ours, theirs)), whole(expected));
            prop_assert!(plan.conflicts.is_empty());
        }
        for rules in [Rules::default(), ties()] {
            let (one, other) = (planned(&base, &a, &b, &rules), planned(&base, &b, &a, &rules));
            prop_assert_eq!(one.conflicts.len(), other.conflicts.len());
            if one.conflicts.is_empty() {
                prop_assert_eq!(contents(&one, &lists(&a, &b)), contents(&other, &lists(&b, &a)));
            }
        }
    }

    #[test]
    fn no_conflict_without_a_tensor_that_both_have_changed(base in models(), a in models(), b in models()) {
        let find = |manifest: &Manifest, name: &str| {
            manifest.tensors().iter().find(|tensor| tensor.name == name).map(|tensor| tensor.sha256)
        };
        let plan = planned(&base, &a, &b, &Rules::default());
        for conflict in plan.conflicts {
            let names: Vec<&str> = [(&base, conflict.base), (&a, conflict.ours), (&b, conflict.theirs)]
                .iter()
                .filter_map(|(manifest, at)| Some(manifest.tensors()[(*at)?].name.as_str()))
                .collect();
            let changed = |side: &Manifest| names.iter().any(|name| find(&base, name) != find(side, name));
            prop_assert!(changed(&a) && changed(&b), "{}", conflict.tensor);
        }
    }
}
