//! A store for tests, and what tests do to it.

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{BlockReader, Cut, Ingest, ObjectSpec, Permissions, Store};
use crate::id::ObjectId;

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect()
}

pub struct TestStore {
    _dir: tempfile::TempDir,
    pub store: Store,
    /// What was put, by name.
    pub objects: BTreeMap<ObjectId, Vec<u8>>,
}

impl TestStore {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let store = open(dir.path());
        Self { _dir: dir, store, objects: BTreeMap::new() }
    }

    /// Stores an object in a pack of its own, as the next version of `base`.
    pub fn put(&mut self, bytes: &[u8], base: Option<ObjectId>) -> ObjectId {
        self.put_all(&[bytes], base, Cut::Even)[0]
    }

    pub fn put_all(&mut self, objects: &[&[u8]], base: Option<ObjectId>, cut: Cut) -> Vec<ObjectId> {
        let ids = put(&self.store, objects, base, cut);
        self.objects.extend(ids.iter().zip(objects).map(|(id, bytes)| (*id, bytes.to_vec())));
        ids
    }

    pub fn packs(&self) -> Vec<PathBuf> {
        packs(self.store.dir())
    }

    /// The one pack that is there and not among `before`.
    pub fn new_pack(&self, before: &[PathBuf]) -> Option<PathBuf> {
        self.packs().into_iter().find(|pack| !before.contains(pack))
    }

    pub fn reads(&self, id: ObjectId) -> bool {
        reads(&open(self.store.dir()), id, &self.objects[&id])
    }

    pub fn has(&self, id: ObjectId) -> bool {
        open(self.store.dir()).contains_object(&id)
    }
}

pub fn open(dir: &Path) -> Store {
    Store::open(dir, Vec::new(), Permissions::default()).expect("a store")
}

pub fn put(store: &Store, objects: &[&[u8]], base: Option<ObjectId>, cut: Cut) -> Vec<ObjectId> {
    let mut ingest = Ingest::new(store, 2);
    for bytes in objects {
        let base = base.map(|base| Arc::new(store.recipe(&base).expect("a recipe")));
        ingest.bytes(ObjectSpec { word_bytes: 1, cut, base }, bytes);
    }
    ingest.finish().expect("stored").objects
}

pub fn reads(store: &Store, id: ObjectId, bytes: &[u8]) -> bool {
    BlockReader::new(store).read_object_by_id(&id).is_ok_and(|read| read == bytes)
}

pub fn packs(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir.join("packs")) else { return Vec::new() };
    let mut packs: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    packs.sort();
    packs
}

pub fn set_age(path: &Path, days: u32) {
    let times = FileTimes::new().set_modified(SystemTime::now() - days * DAY);
    File::open(path).and_then(|file| file.set_times(times)).expect("dated");
}

pub fn modified(path: &Path) -> SystemTime {
    path.metadata().and_then(|metadata| metadata.modified()).expect("dated")
}

pub fn flip(path: &Path, at: usize, mask: u8) {
    let mut bytes = std::fs::read(path).expect("readable");
    let at = at % bytes.len();
    bytes[at] ^= mask;
    let modified = modified(path);
    std::fs::write(path, bytes).expect("written");
    File::open(path).and_then(|file| file.set_times(FileTimes::new().set_modified(modified))).expect("dated");
}
