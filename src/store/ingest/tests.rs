use std::path::Path;

use super::worker::DELTA_DEPTH_MAX;
use super::*;
use crate::store::{BlockReader, Permissions};

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 57) as u8
        })
        .collect()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Vec::new(), Permissions::default()).expect("a store")
}

fn spec(cut: Cut, base: Option<ObjectId>, store: &Store) -> ObjectSpec {
    let base = base.map(|base| Arc::new(store.recipe(&base).expect("a recipe")));
    ObjectSpec { word_bytes: 2, cut, base }
}

fn put(store: &Store, cut: Cut, base: Option<ObjectId>, bytes: &[u8]) -> Ingested {
    let mut ingest = Ingest::new(store, 3);
    ingest.bytes(spec(cut, base, store), bytes);
    ingest.finish().expect("stored")
}

#[test]
fn objects_of_any_size_come_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let block = BLOCK_BYTES;
    for cut in [Cut::Even, Cut::Content] {
        for len in [0, 1, 2, 3, 65_535, 65_536, 65_537, block - 1, block, block + 1, 5 * block + 7] {
            let bytes = noise(len, len as u64);
            let ingested = put(&store, cut, None, &bytes);
            assert_eq!(ingested.objects, [ObjectId::of(&bytes)], "{len}");
            let read = BlockReader::new(&open(dir.path())).read_object_by_id(&ingested.objects[0]);
            assert!(read.expect("readable") == bytes, "{len}");
        }
    }
}

#[test]
fn many_objects_keep_their_order() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let mut ingest = Ingest::new(&store, 4);
    let objects: Vec<_> = (0..500).map(|at| noise(at * 37 % 9000 + (at % 50 / 49) * at * 3000, at as u64)).collect();
    for bytes in &objects {
        ingest.bytes(spec(Cut::Even, None, &store), bytes);
    }
    let ingested = ingest.finish().expect("stored");
    assert_eq!(ingested.objects, objects.iter().map(|bytes| ObjectId::of(bytes)).collect::<Vec<_>>());
    assert_eq!(std::fs::read_dir(store.packs_dir()).expect("packs").count(), 1);
}

#[test]
fn a_second_version_is_stored_as_deltas_and_named_right() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let first = noise(4 * BLOCK_BYTES + 10, 1);
    let base = put(&store, Cut::Even, None, &first).objects[0];

    let same = put(&store, Cut::Even, Some(base), &first);
    assert_eq!((same.objects[0], same.stored_bytes, same.is_new[0]), (base, 0, false));

    for at in [0, 3 * BLOCK_BYTES, first.len() - 1] {
        let mut second = first.clone();
        second[at] ^= 1;
        let put = put(&store, Cut::Even, Some(base), &second);
        assert_eq!(put.objects, [ObjectId::of(&second)]);
        assert!(put.is_new[0] && put.stored_bytes < 5000, "{}", put.stored_bytes);
        let read = BlockReader::new(&store).read_object_by_id(&put.objects[0]).expect("readable");
        assert!(read == second);
    }
    let prefix = &first[..2 * BLOCK_BYTES];
    assert_eq!(put(&store, Cut::Even, Some(base), prefix).objects, [ObjectId::of(prefix)]);
    let longer = [&first[..], b"and more"].concat();
    assert_eq!(put(&store, Cut::Even, Some(base), &longer).objects, [ObjectId::of(&longer)]);
}

#[test]
fn chains_of_deltas_end() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let mut bytes = noise(100_000, 3);
    let mut base = put(&store, Cut::Even, None, &bytes).objects[0];
    for round in 0..20 {
        bytes[round * 1000] ^= 1;
        base = put(&store, Cut::Even, Some(base), &bytes).objects[0];
    }
    assert!(BlockReader::new(&store).read_object_by_id(&base).expect("readable") == bytes);
    let packs = store.packs();
    let depth_max = packs.iter().flat_map(|pack| pack.records().collect::<Vec<_>>());
    assert_eq!(depth_max.map(|record| record.depth).max(), Some(DELTA_DEPTH_MAX));
}

#[test]
fn an_error_of_the_input_is_told_and_nothing_appears() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(dir.path());
    let mut ingest = Ingest::new(&store, 2);
    assert!(ingest.object(spec(Cut::Even, None, &store), Some(10), &mut Broken).is_err());
    drop(ingest);
    assert!(!store.packs_dir().exists());
}
