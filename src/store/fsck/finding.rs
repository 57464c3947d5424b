//! What a check finds, in words that say what to do.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use crate::git::BlobId;
use crate::id::ObjectId;
use crate::store::pack::{EntryId, Kind};

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// A pack whose frame or index is damaged: what is in it cannot be found.
    Pack {
        /// The pack.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// An entry of a pack that cannot be read.
    Entry {
        /// The pack.
        path: PathBuf,
        /// The entry.
        entry: (EntryId, Kind),
        /// What is wrong.
        what: String,
    },
    /// A stored object that cannot be put together.
    Object {
        /// The object.
        object: ObjectId,
        /// What is wrong.
        what: String,
        /// The list of its blocks is wrong, rather than a block missing.
        is_recipe_wrong: bool,
    },
    /// An object that history names and the store does not have, or not all of.
    Missing {
        /// The object.
        object: ObjectId,
        /// A manifest that names it.
        manifest: BlobId,
    },
    /// A manifest that does not fit its objects.
    Manifest {
        /// Its blob.
        blob: BlobId,
        /// What is wrong.
        what: String,
    },
    /// Git's history cannot be read as a whole.
    History {
        /// Why not.
        why: String,
    },
    /// A text in history that starts like a manifest and cannot be used as one. Nothing is lost by that.
    NoManifest {
        /// Its blob.
        blob: BlobId,
        /// Why not.
        why: String,
    },
}

impl Finding {
    /// Whether bytes are damaged or missing; the rest is worth knowing.
    pub const fn is_damage(&self) -> bool {
        !matches!(self, Self::NoManifest { .. })
    }

    /// What to do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::Pack { .. } | Self::Entry { .. } | Self::Object { .. } => "run `git model fsck --repair`".to_owned(),
            Self::Missing { .. } => {
                "fetch it from a remote that has it, or run `git model fsck --repair` with the file \
                                     it belongs to in the work tree"
                    .to_owned()
            }
            Self::Manifest { blob, .. } => format!("find the commit with `git log --all --find-object={blob}`"),
            Self::History { .. } => "run `git fsck`".to_owned(),
            Self::NoManifest { blob, .. } => format!("see it with `git show {blob}`"),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pack { path, what } | Self::Entry { path, what, .. } => {
                write!(f, "pack `{}` is damaged: {what}", path.display())
            }
            Self::Object { object, what, .. } => write!(f, "object {object} cannot be read: {what}"),
            Self::Missing { object, manifest } => {
                write!(f, "object {object}, which manifest {manifest} names, is missing")
            }
            Self::Manifest { blob, what } => write!(f, "manifest {blob} does not fit its objects: {what}"),
            Self::History { why } => f.write_str(why),
            Self::NoManifest { blob, why } => write!(f, "blob {blob} starts like a manifest and is none: {why}"),
        }
    }
}

/// What a repair did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// A damaged pack was put aside; what was good in it is in new packs.
    Quarantined {
        /// Where the damaged pack was.
        pack: PathBuf,
        /// Where it is now.
        to: PathBuf,
        /// How many entries were saved.
        saved: usize,
    },
    /// Entries that were missing were found in a pack that had been put aside.
    Recovered {
        /// The pack.
        from: PathBuf,
        /// How many.
        saved: usize,
    },
    /// Files of the work tree were stored again.
    Restored {
        /// The files.
        files: BTreeSet<PathBuf>,
    },
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Quarantined { pack, to, saved } => write!(
                f,
                "saved {saved} entries of `{}` and moved the damaged pack to `{}`",
                pack.display(),
                to.display()
            ),
            Self::Recovered { from, saved } => write!(f, "recovered {saved} entries from `{}`", from.display()),
            Self::Restored { files } => {
                write!(f, "stored again what the work tree has: ")?;
                for (at, file) in files.iter().enumerate() {
                    write!(f, "{}`{}`", if at == 0 { "" } else { ", " }, file.display())?;
                }
                Ok(())
            }
        }
    }
}
