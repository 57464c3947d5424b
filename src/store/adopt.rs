//! Takes packs over from another store on the same file system.
//!
//! As git does with its own objects in a local clone: packs of the same owner are linked, all of them, so that the
//! clone stands on its own. Packs of somebody else, who could write into them later, are copied, and only those that
//! hold what is wanted, after the SHA-256 of each wanted object was computed.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::pack::{Entry, Kind, Pack};
use super::writer::touch;
use super::{BlockReader, PackSet, Store, StoreError};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder};
use crate::id::{BlockId, ObjectId};

impl Store {
    /// Links or copies the packs of another store that hold the objects which are missing here.
    ///
    /// # Errors
    /// Packs that cannot be read or written, and objects of another owner that are not what their name says.
    pub fn adopt_packs(&self, other: &Self, objects: impl Iterator<Item = ObjectId>) -> Result<(), StoreError> {
        let theirs = other.packs();
        let mut wanted = BTreeSet::new();
        for id in objects.filter(|id| !self.is_whole(id)) {
            let Some(found) = theirs.find(id.as_bytes(), Kind::Recipe) else { continue };
            let mut packs = BTreeSet::from([found.at]);
            for (block, _) in other.recipe(&id)?.blocks {
                other.collect_packs(&theirs, block, &mut packs)?;
            }
            if packs.iter().any(|&at| !is_ours(theirs.pack(at).path())) {
                check_name(other, &id)?;
            }
            wanted.extend(packs);
        }
        if wanted.is_empty() {
            return Ok(());
        }
        let dir = self.packs_dir();
        self.permissions().create_dir_all(&dir).map_err(|source| StoreError::io("make the folder", &dir, source))?;
        // No collection may delete what is here already, nor take the age of what comes for its own.
        let _lock = self.lock_shared()?;
        for at in wanted {
            let pack = theirs.pack(at);
            if pack.verify_index() {
                let here = self.adopt(pack.path()).and_then(|()| match pack.path().file_name() {
                    Some(name) => touch(&dir.join(name)),
                    None => Ok(()),
                });
                here.map_err(|source| StoreError::io("copy", pack.path(), source))?;
            }
        }
        for path in other.own_pack_paths()?.iter().filter(|path| is_ours(path)) {
            // What cannot be linked is not wanted now, and can be had when it is.
            let is_good = Pack::open(path).is_ok_and(|pack| pack.verify_index());
            if let Some(name) = path.file_name().filter(|_| is_good) {
                let _ = std::fs::hard_link(path, dir.join(name));
            }
        }
        open_folder(&dir).and_then(sync_folder).map_err(|source| StoreError::io("sync", &dir, source))?;
        self.rescan()
    }

    /// Whether the store has all that the object consists of.
    pub fn is_whole(&self, id: &ObjectId) -> bool {
        self.contains_object(id)
            && self.recipe(id).is_ok_and(|recipe| recipe.blocks.iter().all(|(block, _)| self.contains_block(block)))
    }

    /// The packs of a block and of the blocks it is a delta against.
    fn collect_packs(&self, packs: &PackSet, block: BlockId, wanted: &mut BTreeSet<usize>) -> Result<(), StoreError> {
        let mut next = Some(block);
        let mut bytes = Vec::new();
        while let Some(block) = next {
            let Some(found) = packs.find(block.as_bytes(), Kind::Block) else { break };
            wanted.insert(found.at);
            if found.record.depth == 0 {
                break;
            }
            let path = found.pack.path();
            self.pack_file(found.pack)
                .and_then(|file| found.pack.read_entry(&file, &found.record, &mut bytes))
                .map_err(|source| StoreError::io("read", path, source))?;
            next = Entry::parse(&bytes).and_then(|entry| entry.base);
        }
        Ok(())
    }

    fn adopt(&self, path: &Path) -> io::Result<()> {
        let dir = self.packs_dir();
        let Some(name) = path.file_name() else { return Ok(()) };
        if dir.join(name).exists() {
            return Ok(());
        }
        // Not on another file system, or on one without links.
        if is_ours(path) && std::fs::hard_link(path, dir.join(name)).is_ok() {
            return Ok(());
        }
        let copy = AtomicFile::create_in(open_folder(&dir)?.as_fd(), self.permissions().file_mode())?;
        io::copy(&mut File::open(path)?, &mut copy.file())?;
        copy.file().sync_data()?;
        copy.persist(name)
    }
}

/// Refuses an object that is not what its name says.
fn check_name(store: &Store, id: &ObjectId) -> Result<(), StoreError> {
    if BlockReader::new(store).true_name(id, |_| ())? == *id {
        return Ok(());
    }
    Err(StoreError::Corrupt { path: store.packs_dir(), what: format!("object {id} is not what its name says") })
}

/// Whether the file belongs to who runs this, so that nobody else may change it.
fn is_ours(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.uid() == rustix::process::geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Recipe;
    use crate::store::pack::Batch;
    use crate::store::testing::{TestStore, noise, open};
    use crate::store::writer::PackWriter;

    #[test]
    fn an_object_under_a_false_name_is_found_out() {
        let mut test = TestStore::new();
        let honest = test.put(&noise(3000, 1), None);
        let forged = ObjectId::of(b"something else");
        let mut batch = Batch::default();
        let recipe = Recipe { id: forged, ..test.store.recipe(&honest).expect("stored") };
        batch.push_raw(*forged.as_bytes(), Kind::Recipe, &recipe.encode());
        let writer = PackWriter::new(&test.store);
        writer.append(&mut batch).expect("written");
        writer.commit(&[]).expect("published");
        let store = open(test.store.dir());
        assert!(store.is_whole(&forged), "nothing but its SHA-256 gives it away");
        assert!(check_name(&store, &honest).is_ok());
        assert!(matches!(check_name(&store, &forged), Err(StoreError::Corrupt { .. })));
    }
}
