//! The store's own formats: skeletons, recipes, entries, whole packs.

use git_model::format::Skeleton;
use git_model::id::{BlockId, ObjectId};
use git_model::store::codec::{Codec, Encoded};
use git_model::store::pack::{self, Batch, Entry, Kind, Pack, Record};
use git_model::store::{BlockReader, Permissions, Recipe, Store};

use super::take;

/// No block of a store is longer.
const BLOCK_BYTES_MAX: usize = 1 << 20;
const RECORD_LEN: usize = 46;
/// A pack taken as it comes may be all records.
const RECORDS_MAX: usize = 64;

/// What decodes is encoded and decoded again to the same.
pub fn skeleton(bytes: &[u8]) {
    for object in [bytes.to_vec(), [b"GMSK\x01", bytes].concat()] {
        let Some(skeleton) = Skeleton::decode(&object) else { continue };
        assert_eq!(skeleton.gaps().count(), skeleton.gap_count());
        assert_eq!(skeleton.gaps().map(|gap| gap.len() as u64).sum::<u64>(), skeleton.gap_bytes());
        assert_eq!(Skeleton::decode(&skeleton.encode()), Some(skeleton));
    }
    let step = bytes.first().map_or(1, |&byte| usize::from(byte) + 1);
    let mut skeleton = Skeleton::new();
    bytes.chunks(step).for_each(|gap| skeleton.push(gap));
    assert_eq!(Skeleton::decode(&skeleton.encode()), Some(skeleton));
}

/// Recipes, with their check and with one that was made right, and the headers of entries.
pub fn recipe(bytes: &[u8]) {
    let id = ObjectId::from_bytes([1; 32]);
    let checked = [bytes, &BlockId::of(bytes).as_bytes()[..16]].concat();
    for payload in [bytes, &checked] {
        let Some(recipe) = Recipe::decode(id, payload) else { continue };
        assert_eq!(recipe.blocks.iter().map(|&(_, len)| u64::from(len)).sum::<u64>(), recipe.len);
        assert!(recipe.blocks.iter().all(|&(_, len)| len as usize <= BLOCK_BYTES_MAX), "no block is that long");
        assert_eq!(Recipe::decode(id, &recipe.encode()), Some(recipe));
    }
    if let Some(entry) = Entry::parse(bytes) {
        assert_eq!(entry.payload.end, bytes.len());
        assert!(bytes.get(entry.payload.clone()).is_some());
        assert!(entry.plain_len <= pack::PLAIN_LEN_MAX);
    }
}

/// A store with one pack that holds whatever the bytes say: everything in it is read, nothing is trusted.
pub fn pack(bytes: &[u8]) {
    let dir = tempfile::Builder::new().tempdir_in(fast_dir()).expect("a folder");
    let packs = dir.path().join("packs");
    std::fs::create_dir(&packs).expect("a folder");
    let (content, name) = build(bytes);
    let path = packs.join(format!("{name}.pack"));
    std::fs::write(&path, &content).expect("a pack");
    // A second copy of everything, as damage makes it worth looking for.
    std::fs::write(packs.join(format!("{}.pack", "f".repeat(64))), content).expect("a pack");

    let Ok(pack) = Pack::open(&path) else { return };
    pack.verify_index();
    let store = Store::open(dir.path(), Vec::new(), Permissions::default()).expect("a store");
    let mut reader = BlockReader::new(&store);
    let mut out = vec![0; BLOCK_BYTES_MAX];
    for record in pack.records().take(RECORDS_MAX) {
        read(&store, &mut reader, &record, &mut out);
    }
}

fn read(store: &Store, reader: &mut BlockReader, record: &Record, out: &mut [u8]) {
    for len in [0, 1, 64, 4096] {
        let id = BlockId::from_bytes(record.id);
        if reader.read(&id, &mut out[..len]).is_ok() {
            assert_eq!(BlockId::of(&out[..len]), id, "a block is what its name says");
        }
    }
    if let Ok(recipe) = store.recipe(&ObjectId::from_bytes(record.id)) {
        assert_eq!(recipe.id.as_bytes(), &record.id);
        let _ = reader.read_object(&recipe);
    }
}

/// Bytes of a pack and a name for it. The first byte says whether they are taken as they are, or as the parts of a pack
/// whose frame, ids and checks are then made right.
fn build(mut bytes: &[u8]) -> (Vec<u8>, String) {
    let [mode, count] = take(&mut bytes);
    if mode % 4 == 0 {
        return (bytes.to_vec(), "0".repeat(64));
    }
    if mode % 4 == 3 {
        return chain(count % 64, bytes);
    }
    let mut records = Vec::new();
    let mut body = pack::header().to_vec();
    if mode % 4 == 1 {
        // Records as they come, over entries as they come.
        let (index, entries) = bytes.split_at((usize::from(count % 8) * RECORD_LEN).min(bytes.len()));
        body.extend_from_slice(entries);
        for record in index.chunks_exact(RECORD_LEN) {
            let mut offset = [0; 8];
            offset[..2].copy_from_slice(&record[32..34]);
            let mut id = [0; 32];
            id.copy_from_slice(&record[..32]);
            let kind = if record[42] & 1 == 0 { Kind::Block } else { Kind::Recipe };
            let len = u32::from(u16::from_le_bytes([record[38], record[39]]));
            records.push(Record {
                id,
                offset: u64::from_le_bytes(offset),
                len,
                kind,
                codec: record[43],
                depth: record[44],
            });
        }
    } else {
        // Entries with headers of their own, each of which may be a delta against the first.
        let mut batch = Batch::default();
        let first = BlockId::from_bytes([7; 32]);
        for at in 0..count % 8 {
            let [id, kind, codec, len, plain] = take(&mut bytes);
            let (payload, rest) = bytes.split_at(usize::from(len).min(bytes.len()));
            bytes = rest;
            let codec = Codec::from_byte(codec % 3).expect("a codec");
            let mut payload = payload.to_vec();
            let is_recipe = kind & 1 == 1;
            if is_recipe {
                payload.extend_from_slice(&BlockId::of(&payload).as_bytes()[..16]);
            }
            let base = (kind & 2 == 2).then_some((first, kind >> 4));
            let plain_len = [0, 1, 64, 4096, u32::from(plain), 1 << 20, 1 << 30][usize::from(plain) % 7];
            let id = if at == 0 { *first.as_bytes() } else { [id; 32] };
            let kind = if is_recipe { Kind::Recipe } else { Kind::Block };
            batch.push(id, kind, base, plain_len, |out| {
                out.extend_from_slice(&payload);
                Encoded { codec: if is_recipe { Codec::Raw } else { codec }, delta: base.is_some() }
            });
        }
        let (entries, placed) = batch.placed_at(body.len() as u64);
        records.extend(placed);
        body.extend_from_slice(entries);
    }
    let (tail, name) = pack::close(&mut records, body.len() as u64);
    body.extend_from_slice(&tail);
    (body, name.to_string())
}

/// A pack of blocks each of which is a delta against the next; the last is `bytes`, which its id does not fit.
fn chain(count: u8, bytes: &[u8]) -> (Vec<u8>, String) {
    let mut batch = Batch::default();
    for at in 0..=count {
        let base = (at < count).then(|| (BlockId::from_bytes([at + 1; 32]), count - at));
        batch.push([at; 32], Kind::Block, base, bytes.len() as u32, |out| {
            out.extend_from_slice(bytes);
            Encoded { codec: Codec::Raw, delta: base.is_some() }
        });
    }
    let mut body = pack::header().to_vec();
    let (entries, placed) = batch.placed_at(body.len() as u64);
    let mut records: Vec<Record> = placed.collect();
    body.extend_from_slice(entries);
    let (tail, name) = pack::close(&mut records, body.len() as u64);
    body.extend_from_slice(&tail);
    (body, name.to_string())
}

/// A folder in memory where there is one.
fn fast_dir() -> std::path::PathBuf {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { memory.into() } else { std::env::temp_dir() }
}
