use std::cell::RefCell;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Map;

use super::*;
use crate::format::Skeleton;
use crate::git::BlobId;
use crate::manifest::{Content, Manifest, Tensor};
use crate::progress::Silent;
use crate::store::testing::{TestStore, flip, noise, open, put, reads};
use crate::store::{Cut, Permissions};

/// Stores these objects again when asked.
struct Files {
    objects: Vec<Vec<u8>>,
    asked: RefCell<BTreeSet<ObjectId>>,
}

impl Files {
    fn of(objects: &[&[u8]]) -> Self {
        Self { objects: objects.iter().map(|object| object.to_vec()).collect(), asked: RefCell::default() }
    }
}

impl Restore for Files {
    fn restore(&self, store: &Store, missing: &BTreeSet<ObjectId>, _: &dyn Progress) -> BTreeSet<PathBuf> {
        self.asked.borrow_mut().extend(missing);
        for object in &self.objects {
            put(store, &[object], None, Cut::Even);
        }
        self.objects.iter().map(|object| ObjectId::of(object).to_string().into()).collect()
    }
}

fn no_manifests(_: &mut dyn FnMut(Kept)) -> Result<(), RootsError> {
    Ok(())
}

fn checked(dir: &Path) -> Vec<Finding> {
    check(&open(dir), &no_manifests, Checks::ALL, &Silent).expect("checked").findings
}

fn repaired(dir: &Path, files: &Files) -> Report {
    repair(&open(dir), &no_manifests, files, &Silent).expect("repaired")
}

/// Versions of a small object as deltas, a larger object with blocks of its own, and one that is cut by content.
fn store_of_all_kinds() -> TestStore {
    let mut test = TestStore::new();
    let mut bytes = noise(3000, 1);
    let mut base = None;
    for version in 0..3 {
        bytes[version * 10] ^= 1;
        base = Some(test.put(&bytes, base));
    }
    test.put_all(&[&noise(1_100_000, 2), &[0; 5000], &[]], None, Cut::Even);
    let text: Vec<u8> = (0..60_000_u32).flat_map(|at| (at / 3 % 97).to_le_bytes()).collect();
    test.put_all(&[&text], None, Cut::Content);
    // Planes, coded every way.
    let floats: Vec<u8> = noise(40_000, 4).chunks(2).flat_map(|pair| [0, pair[0], 0x3c, pair[1] & 3]).collect();
    test.put(&floats, None);
    test
}

#[test]
fn a_healthy_store_is_left_alone() {
    let test = store_of_all_kinds();
    let before = test.packs();
    assert_eq!(checked(test.store.dir()), []);
    let report = repaired(test.store.dir(), &Files::of(&[]));
    assert_eq!((report.findings, report.repairs, report.remaining), (vec![], vec![], vec![]));
    assert_eq!((report.packs, report.objects), (6, test.objects.len()));
    assert_eq!(test.packs(), before);
    let nowhere = tempfile::tempdir().expect("a folder");
    assert_eq!(checked(&nowhere.path().join("model")), []);
    assert!(!nowhere.path().join("model").exists());
}

#[test]
fn a_delta_whose_base_is_lost_is_found_and_replaced() {
    let mut test = TestStore::new();
    let (first, mut second) = (noise(3000, 1), noise(3000, 1));
    second[7] ^= 1;
    let base = test.put(&first, None);
    let base_pack = test.packs().remove(0);
    let id = test.put(&second, Some(base));
    std::fs::remove_file(&base_pack).expect("removed");
    let findings = checked(test.store.dir());
    assert!(matches!(&findings[0], Finding::Entry { what, .. } if what.contains("is a delta of")), "{findings:?}");
    assert!(matches!(&findings[1], Finding::Object { object, .. } if *object == id));
    let files = Files::of(&[&second]);
    let report = repaired(test.store.dir(), &files);
    assert_eq!(report.remaining, []);
    assert_eq!(*files.asked.borrow(), BTreeSet::from([id]));
    assert!(test.reads(id));
}

#[test]
fn what_is_good_in_a_pack_without_tail_is_saved() {
    for cut in [1, 60, 200] {
        let mut test = TestStore::new();
        let mut bytes = noise(3000, 1);
        let mut objects = vec![bytes.clone()];
        test.put(&bytes, None);
        for version in 0..3 {
            bytes[version] ^= 1;
            objects.push(bytes.clone());
            test.put(&bytes, Some(ObjectId::of(&objects[version])));
        }
        // All in one pack, so that deltas and bases are lost together.
        let roots = test.objects.keys().copied().collect::<Vec<_>>();
        collect(&test, &roots);
        let pack = test.packs().remove(0);
        let whole = std::fs::read(&pack).expect("readable");
        std::fs::write(&pack, &whole[..whole.len() - cut]).expect("written");
        let findings = checked(test.store.dir());
        assert!(matches!(&findings[..], [Finding::Pack { .. }]), "{findings:?}");
        let report = repaired(test.store.dir(), &Files::of(&[]));
        assert_eq!(report.remaining, []);
        assert!(test.objects.keys().all(|id| test.reads(*id)), "{cut}");
        let Repair::Quarantined { to, .. } = &report.repairs[0] else { panic!("{:?}", report.repairs) };
        assert_eq!(std::fs::read(to).expect("readable"), whole[..whole.len() - cut]);
    }
}

fn collect(test: &TestStore, keep: &[ObjectId]) {
    struct All<'a>(&'a [ObjectId]);
    impl crate::store::gc::Roots for All<'_> {
        fn for_each(&self, visit: &mut dyn FnMut(ObjectId)) -> Result<(), RootsError> {
            self.0.iter().copied().for_each(visit);
            Ok(())
        }
        fn commands_at_work(&self) -> Vec<PathBuf> {
            Vec::new()
        }
    }
    let options = crate::store::gc::Options::new(crate::store::gc::Grace::DEFAULT, false);
    crate::store::gc::gc(&test.store, &All(keep), &options, &Silent).expect("collected");
}

#[test]
fn a_good_copy_elsewhere_is_enough() {
    let mut lender = TestStore::new();
    let bytes = noise(3000, 1);
    let id = lender.put(&bytes, None);
    let dir = tempfile::tempdir().expect("a folder");
    put(&open(dir.path()), &[&bytes], None, Cut::Even);
    let borrower = Store::open(dir.path(), vec![lender.store.dir().into()], Permissions::default()).expect("a store");
    let pack = crate::store::testing::packs(dir.path()).remove(0);
    flip(&pack, 300, 1);
    assert!(reads(&borrower, id, &bytes), "readers go on");
    let report = repair(&borrower, &no_manifests, &Files::of(&[]), &Silent).expect("repaired");
    assert_eq!((report.findings.len(), report.remaining), (1, vec![]));
    assert!(reads(&borrower.reopen().expect("a store"), id, &bytes));
    assert_eq!(lender.packs().len(), 1);
}

#[test]
fn what_was_put_aside_comes_back_with_its_base() {
    let mut test = TestStore::new();
    let (first, mut second) = (noise(3000, 1), noise(3000, 1));
    second[7] ^= 1;
    let base = test.put(&first, None);
    let base_pack = test.packs().remove(0);
    let id = test.put(&second, Some(base));
    let aside = test.store.dir().join("aside");
    std::fs::rename(&base_pack, &aside).expect("moved");
    let report = repaired(test.store.dir(), &Files::of(&[]));
    assert!(!report.remaining.is_empty() && !test.reads(id));
    std::fs::rename(&aside, &base_pack).expect("moved");
    let report = repaired(test.store.dir(), &Files::of(&[]));
    assert!(matches!(&report.repairs[..], [Repair::Recovered { saved: 1, .. }]), "{:?}", report.repairs);
    assert_eq!(report.remaining, []);
    assert!(test.reads(id));
}

#[test]
fn a_repair_waits_for_nobody() {
    let test = store_of_all_kinds();
    let _care = test.store.lock_care().expect("locked");
    let busy = check(&open(test.store.dir()), &no_manifests, Checks::ALL, &Silent);
    assert!(matches!(busy, Err(StoreError::Busy(_))));
}

fn blob() -> BlobId {
    "1234567890123456789012345678901234567890".parse().expect("a name")
}

#[test]
fn manifests_are_compared_with_their_objects() {
    let mut test = TestStore::new();
    let mut skeleton = Skeleton::new();
    skeleton.push(b"head");
    skeleton.push(b"");
    let (tensor, skeleton) = (test.put(&noise(400, 1), None), test.put(&skeleton.encode(), None));
    let text = format!(
        "{{\"git-model\":1,\"format\":\"safetensors\",\"size\":404,\"skeleton\":\"{skeleton}\"}}\n\n\
         {{\"name\":\"w\",\"dtype\":\"F32\",\"shape\":[100],\"sha256\":\"{tensor}\"}}\n"
    );
    let good = Manifest::parse(text.as_bytes()).expect("a manifest");
    let opaque =
        Manifest { size: 400, content: Content::Opaque { sha256: tensor, extra: Map::new() }, extra: Map::new() };
    let findings = |manifest: &Manifest| {
        let manifests = |visit: &mut dyn FnMut(Kept)| {
            visit(Kept { blob: blob(), manifest: Ok(manifest.clone()), objects: None });
            Ok(())
        };
        check(&test.store, &manifests, Checks { objects: false, manifests: true }, &Silent).expect("checked").findings
    };
    assert_eq!((findings(&good), findings(&opaque)), (vec![], vec![]));
    let with = |change: &dyn Fn(&mut u64, &mut ObjectId, &mut Vec<Tensor>)| {
        let mut manifest = good.clone();
        let Content::Model { skeleton, tensors, .. } = &mut manifest.content else { panic!("a model") };
        change(&mut manifest.size, skeleton, tensors);
        findings(&manifest)
    };
    let is_mismatch = |findings: Vec<Finding>| matches!(&findings[..], [Finding::Manifest { .. }]);
    assert!(is_mismatch(with(&|size, _, _| *size += 1)));
    assert!(is_mismatch(with(&|_, skeleton, _| *skeleton = tensor)));
    assert!(is_mismatch(with(&|_, _, tensors| tensors[0].shape[0] = 99)));
    assert!(is_mismatch(with(&|_, _, tensors| tensors.push(Tensor { name: "v".into(), ..tensors[0].clone() }))));
    assert!(is_mismatch(findings(&Manifest { size: 401, ..opaque })));
    let gone = ObjectId::of(b"gone");
    let missing = with(&|_, _, tensors| tensors[0].sha256 = gone);
    assert_eq!(missing, [Finding::Missing { object: gone, manifest: blob() }]);
}

#[test]
fn damage_at_every_place_is_found_or_changes_nothing() {
    let test = store_of_all_kinds();
    let (mut found, mut harmless) = (0, 0);
    for path in test.packs() {
        let whole = std::fs::read(&path).expect("readable");
        let step = (whole.len() / 40).max(1);
        let near_ends = (0..60).step_by(3).chain((whole.len().saturating_sub(200)..whole.len()).step_by(3));
        for at in near_ends.chain((0..whole.len()).step_by(step)) {
            if at >= whole.len() {
                continue;
            }
            let mut damaged = whole.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&path, &damaged).expect("written");
            if checked(test.store.dir()).is_empty() {
                harmless += 1;
                assert!(test.objects.keys().all(|id| test.reads(*id)), "byte {at} of {}", whole.len());
            } else {
                found += 1;
            }
        }
        std::fs::write(&path, whole).expect("written");
    }
    assert!(harmless * 50 < found, "{found} found, {harmless} harmless");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn repair_keeps_what_is_good_and_brings_back_what_files_have(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0_usize..4), 1..5),
        has_files: bool,
    ) {
        let test = store_of_all_kinds();
        let dir = test.store.dir();
        for (pack, at, how) in damages {
            let packs = test.packs();
            let Some(path) = packs.get(pack.index(6)) else { continue };
            let whole = std::fs::read(path).expect("readable");
            let at = at.index(whole.len());
            match how {
                0 => std::fs::write(path, &whole[..at]).expect("written"),
                1 => std::fs::write(path, [&whole[..at], &noise(400, at as u64), &whole[(at + 400).min(whole.len())..]].concat()).expect("written"),
                2 => std::fs::remove_file(path).expect("removed"),
                _ => flip(path, at, 4),
            }
        }
        let good: Vec<ObjectId> = test.objects.keys().copied().filter(|id| test.reads(*id)).collect();
        let files = Files::of(&if has_files { test.objects.values().map(Vec::as_slice).collect() } else { vec![] });
        let all = |visit: &mut dyn FnMut(Kept)| {
            for (id, bytes) in &test.objects {
                let content = Content::Opaque { sha256: *id, extra: Map::new() };
                let manifest = Manifest { size: bytes.len() as u64, content, extra: Map::new() };
                visit(Kept { blob: blob(), manifest: Ok(manifest), objects: None });
            }
            Ok(())
        };
        let report = repair(&open(dir), &all, &files, &Silent).expect("repaired");
        prop_assert!(good.iter().all(|id| test.reads(*id)));
        if has_files {
            prop_assert_eq!(&report.remaining, &[]);
            prop_assert!(test.objects.keys().all(|id| test.reads(*id)));
        }
        for finding in &report.remaining {
            let is_lost = matches!(finding, Finding::Missing { .. } | Finding::Object { is_recipe_wrong: false, .. });
            prop_assert!(is_lost, "{}", finding);
        }
        let again = repair(&open(dir), &all, &files, &Silent).expect("repaired");
        let is_done = again.repairs.iter().all(|repair| matches!(repair, Repair::Restored { .. }));
        prop_assert!(is_done, "{:?}", again.repairs);
        prop_assert_eq!(&again.remaining, &report.remaining);
    }
}
