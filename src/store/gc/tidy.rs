//! Removes what interrupted commands have left behind.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::atomic_file::TEMPORARY_PREFIX;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// A temporary file this old belongs to nobody who is still at work.
const TEMPORARY_AGE: Duration = DAY;

/// The files in a store's folder that may be removed.
pub fn leftovers(store_dir: &Path, now: SystemTime) -> Vec<PathBuf> {
    let mut leftovers = Vec::new();
    for folder in [".", "packs", "tmp", "quarantine"] {
        for (path, age) in files_with_age(&store_dir.join(folder), now) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let is_temporary = name.starts_with(TEMPORARY_PREFIX) || folder == "tmp";
            if is_temporary && age > TEMPORARY_AGE {
                leftovers.push(path);
            }
        }
    }
    leftovers
}

fn files_with_age(folder: &Path, now: SystemTime) -> Vec<(PathBuf, Duration)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let age = now.duration_since(metadata.modified().ok()?).unwrap_or_default();
            metadata.is_file().then(|| (entry.path(), age))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    #[test]
    fn only_old_files_of_the_right_kind() -> std::io::Result<()> {
        let dir = tempfile::tempdir()?;
        let now = SystemTime::now();
        let temporary = format!("{TEMPORARY_PREFIX}1-2-3");
        let files = [
            ("packs", &*temporary, 2, true),
            ("packs", ".git-model-tmp-young", 0, false),
            ("packs", "a.pack", 1000, false),
            ("quarantine", "a.pack", 1000, false),
            ("tmp", "spool", 2, true),
            (".", "lock", 1000, false),
        ];
        let mut expected = Vec::new();
        for (folder, name, age, is_leftover) in files {
            let path = dir.path().join(folder).join(name);
            std::fs::create_dir_all(dir.path().join(folder))?;
            File::create(&path)?.set_times(FileTimes::new().set_modified(now - age * DAY))?;
            if is_leftover {
                expected.push(path);
            }
        }
        let mut found = leftovers(dir.path(), now);
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        Ok(())
    }
}
