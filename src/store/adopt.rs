//! Takes packs over from another store on the same file system.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use super::pack::{Entry, Kind};
use super::writer::touch;
use super::{PackSet, Store, StoreError};
use crate::atomic_file::{AtomicFile, open_folder, sync_folder};
use crate::id::{BlockId, ObjectId};

impl Store {
    /// Links or copies the packs of another store that hold the objects which are missing here.
    pub fn adopt_packs(&self, other: &Self, objects: impl Iterator<Item = ObjectId>) -> Result<(), StoreError> {
        let theirs = other.packs();
        let mut wanted = BTreeSet::new();
        for id in objects.filter(|id| !self.is_whole(id)) {
            let Some(found) = theirs.find(id.as_bytes(), Kind::Recipe) else { continue };
            wanted.insert(found.at);
            for (block, _) in other.recipe(&id)?.blocks {
                other.collect_packs(&theirs, block, &mut wanted)?;
            }
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
        match std::fs::hard_link(path, dir.join(name)) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            // Another file system, or one without links.
            Err(_) => {}
        }
        let copy = AtomicFile::create_in(open_folder(&dir)?.as_fd(), self.permissions().file_mode())?;
        io::copy(&mut File::open(path)?, &mut copy.file())?;
        copy.file().sync_data()?;
        copy.persist(name)
    }
}
