//! Every input that once broke something, and every hostile file, against all properties of the fuzz targets.
//!
//! `tests/data/fuzz/<target>/` holds what `tests/fuzz/run.sh` found. These tests need no fuzzer and no nightly compiler.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "fuzz/src/lib.rs"]
mod properties;

/// Far more than any of these small inputs takes, on a slow machine and without optimization.
const TIME_MAX: Duration = Duration::from_secs(20);

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

/// The files in a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    paths.sort();
    paths
}

/// Runs targets on files; the failures of all of them are told together.
fn replay(cases: impl Iterator<Item = (&'static str, PathBuf)>) -> usize {
    let (mut count, mut broken) = (0, Vec::new());
    for (target, path) in cases {
        let bytes = std::fs::read(&path).expect("readable");
        let begun = Instant::now();
        let survived = catch_unwind(AssertUnwindSafe(|| properties::run(target, &bytes))).is_ok();
        if !survived || begun.elapsed() > TIME_MAX {
            broken.push(format!("{target}: {} ({:?})", path.display(), begun.elapsed()));
        }
        count += 1;
    }
    assert!(broken.is_empty(), "{broken:#?}");
    count
}

#[test]
fn what_was_found_once_stays_mended() {
    let folders: Vec<_> =
        std::fs::read_dir(data("fuzz")).expect("a folder").map(|entry| entry.expect("an entry")).collect();
    for folder in folders {
        let name = folder.file_name();
        assert!(properties::TARGETS.iter().any(|(target, _)| name == **target), "no target is named {name:?}");
    }
    let targets = properties::TARGETS.iter().filter(|(target, _)| data("fuzz").join(target).is_dir());
    let cases =
        targets.flat_map(|&(target, _)| files(&data("fuzz").join(target)).into_iter().map(move |path| (target, path)));
    assert!(replay(cases) > 0, "there are inputs to replay");
}

#[test]
fn hostile_files_are_survived_by_every_parser() {
    let hostile = files(&data("hostile"));
    let cases = hostile.iter().flat_map(|path| properties::TARGETS.iter().map(|&(target, _)| (target, path.clone())));
    assert!(replay(cases) > 1000, "the corpus is there");
}

#[test]
fn good_files_are_read_as_what_they_are() {
    let models = files(&data("models"));
    let cases = models.iter().flat_map(|path| properties::TARGETS.iter().map(|&(target, _)| (target, path.clone())));
    assert!(replay(cases) > 500, "the corpus is there");
}
