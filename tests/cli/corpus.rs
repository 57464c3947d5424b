//! Files of every format, made by the formats' own libraries; changes that are easily lost; files made to break a reader
//! (`tests/data`): all of them through the real git, byte for byte.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::Value;

use crate::support::{Env, Repo, Tensor, in_both_modes, is_manifest, noise, safetensors, walk};

fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a description")).expect("JSON")
}

/// All files in a folder of `tests/data` and the folders in it, by their paths in there, but for its description.
fn corpus(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let root = data(folder);
    let mut files = BTreeMap::new();
    walk(&root, &mut |path| {
        let name = path.strip_prefix(&root).expect("below").to_str().expect("a name").to_owned();
        files.insert(name, std::fs::read(path).expect("readable"));
    });
    files.retain(|name, _| !matches!(name.as_str(), "expected.json" | "index.json"));
    files
}

/// A repository that filters whatever it holds.
fn repo(env: &Env) -> Repo<'_> {
    let repo = env.repo("repo");
    repo.write(".gitattributes", b"* filter=model merge=model -text\n.gitattributes !filter !merge\n");
    repo.commit("attributes");
    repo
}

/// Writes the files, commits them, takes them out of the work tree, and has git bring them back. Returns what was said.
fn round_trip(repo: &Repo<'_>, files: &BTreeMap<String, Vec<u8>>) -> String {
    for (name, bytes) in files {
        repo.write(name, bytes);
    }
    let said = repo.git(&["add", "-A"]).ok().stderr;
    repo.git(&["commit", "-q", "-m", "files"]).ok();
    for name in files.keys() {
        repo.remove(name);
    }
    repo.git(&["checkout", "-q", "."]).ok();
    for (name, bytes) in files {
        repo.assert_holds(name, bytes);
    }
    repo.assert_clean();
    said
}

/// The records of a manifest, as (name, dtype, shape, sha256), and the format.
fn records(manifest: &[u8]) -> (String, Vec<[String; 4]>) {
    let text = std::str::from_utf8(manifest).expect("text");
    let mut lines = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| -> Value { serde_json::from_str(line).expect("one JSON object per line") });
    let format = lines.next().expect("a header")["format"].as_str().expect("a format").to_owned();
    let fields = |record: Value| ["name", "dtype", "shape", "sha256"].map(|key| record[key].to_string());
    (format, lines.map(fields).collect())
}

#[test]
fn files_of_every_library_come_back_and_have_the_tensors_it_wrote() {
    let (files, expected) = (corpus("models"), json(&data("models/expected.json")));
    let expected = expected.as_object().expect("an object");
    in_both_modes(|env| {
        let repo = repo(env);
        let said = round_trip(&repo, &files);
        assert!(!said.contains("error:"), "{said}");
        repo.assert_settled();
        for (name, expected) in expected {
            let manifest = repo.blob("HEAD", name);
            assert!(is_manifest(&manifest), "{name}");
            // In file order; the description has the order in which the library tells of them.
            let (format, mut found) = records(&manifest);
            found.sort();
            let tensors = expected["tensors"].as_array().expect("a list");
            if tensors.is_empty() {
                // As one piece, or as a file of its format that has no tensors.
                assert!(format == "opaque" || found.is_empty(), "{name}: {format} {found:?}");
                continue;
            }
            assert_eq!(Value::from(format), expected["format"], "{name}");
            let mut wanted: Vec<_> = tensors
                .iter()
                .map(|tensor| {
                    let name = if tensor["name"].is_null() { "array".into() } else { tensor["name"].clone() };
                    [name, tensor["dtype"].clone(), tensor["shape"].clone(), tensor["sha256"].clone()]
                        .map(|value| value.to_string())
                })
                .collect();
            wanted.sort();
            assert_eq!(found, wanted, "{name}");
        }
    });
}

#[test]
fn changes_that_are_easily_lost_are_kept() {
    let files = corpus("pairs");
    let names: Vec<&str> = files.keys().filter_map(|name| name.strip_suffix(".a.safetensors")).collect();
    assert!(names.len() >= 10, "the pairs are there");
    in_both_modes(|env| {
        let repo = repo(env);
        for version in ["a", "b"] {
            for name in &names {
                repo.write(&format!("{name}.safetensors"), &files[&format!("{name}.{version}.safetensors")]);
            }
            repo.commit(version);
        }
        for name in &names {
            let file = format!("{name}.safetensors");
            assert!(repo.blob("HEAD~", &file) != repo.blob("HEAD", &file), "{name}: git sees a change");
        }
        for (revision, version) in [("HEAD~", "a"), ("main", "b")] {
            repo.git(&["checkout", "-q", revision]).ok();
            for name in &names {
                repo.assert_holds(&format!("{name}.safetensors"), &files[&format!("{name}.{version}.safetensors")]);
            }
            repo.assert_settled();
        }
    });
}

#[test]
fn hostile_files_are_added_and_come_back() {
    let (files, index) = (corpus("hostile"), json(&data("hostile/index.json")));
    assert!(files.len() > 400, "the corpus is there");
    in_both_modes(|env| {
        let repo = repo(env);
        let said = round_trip(&repo, &files);
        assert!(!said.contains("error:"), "{said}");
        for name in files.keys() {
            let warnings = said.matches(&format!("`{name}`")).count();
            assert!(warnings <= 1, "{name}: {warnings} warnings");
            let may_become = index[name]["layout"].as_str().unwrap_or_else(|| panic!("{name} is described"));
            let blob = repo.blob("HEAD", name);
            if may_become == "none" && is_manifest(&blob) && blob != files[name] {
                assert_eq!(records(&blob).0, "opaque", "{name}");
            }
        }
        let mut ran = Vec::new();
        walk(env.root(), &mut |path| ran.extend(path.ends_with("git-model-ran-a-pickle").then(|| path.to_owned())));
        assert!(ran.is_empty(), "a pickle was run: {ran:?}");
    });
}

#[test]
fn thousands_of_tensors_need_few_descriptors() {
    let bytes: Vec<Vec<u8>> = (0..5000).map(|at| noise(16, at)).collect();
    let names: Vec<String> = (0..5000).map(|at| format!("layers.{at}.bias")).collect();
    let tensors: Vec<Tensor<'_>> =
        names.iter().zip(&bytes).map(|(name, bytes)| Tensor { name, dtype: "BF16", shape: &[16], bytes }).collect();
    let model = safetensors(&tensors);
    in_both_modes(|env| {
        let repo = repo(env);
        repo.write("m.safetensors", &model);
        let few = |script: &str| {
            let mut command = env.command("sh", &repo.dir);
            command.args(["-c", &format!("ulimit -n 256 && {script}")]);
            env.run(command).ok()
        };
        few("git add m.safetensors && git commit -q -m model && rm m.safetensors && git checkout -q m.safetensors");
        assert_eq!(records(&repo.blob("HEAD", "m.safetensors")).1.len(), 5000);
        repo.assert_holds("m.safetensors", &model);
        repo.assert_settled();
    });
}

/// What a file may hold: anything; a file of some format, cut off or with a few bytes changed; a model of any shape.
fn any_content() -> impl Strategy<Value = Vec<u8>> {
    let good: Vec<Vec<u8>> = corpus("models").into_values().collect();
    let spoiled = (prop::sample::select(good), vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), 0..3_u8)
        .prop_map(|(mut bytes, changes, cut)| {
            for (at, byte) in changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = byte;
                    if cut == 0 {
                        bytes.truncate(at);
                    }
                }
            }
            bytes
        });
    let shapes = vec((0..40_usize, 0..40_usize), 0..8);
    let model = (shapes, any::<u64>()).prop_map(|(shapes, seed)| {
        let bytes: Vec<_> = shapes.iter().map(|&(rows, columns)| noise(rows * columns, seed)).collect();
        let names: Vec<_> = (0..shapes.len()).map(|at| format!("tensor.{at}")).collect();
        let shapes: Vec<_> = shapes.iter().map(|&(rows, columns)| [rows, columns]).collect();
        let tensors = names.iter().zip(&shapes).zip(&bytes);
        let tensors: Vec<_> =
            tensors.map(|((name, shape), bytes)| Tensor { name, dtype: "BF16", shape, bytes }).collect();
        safetensors(&tensors)
    });
    prop_oneof![vec(any::<u8>(), 0..300), spoiled, model]
}

fn numbered<'a>(contents: impl Iterator<Item = &'a Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    contents.enumerate().map(|(at, bytes)| (format!("{at}.bin"), bytes.clone())).collect()
}

#[test]
fn random_files_and_their_next_versions_come_back() {
    let versions = vec((any_content(), any_content()), 1..25);
    let mut runner = TestRunner::new(Config { cases: 12, failure_persistence: None, ..Config::default() });
    runner
        .run(&(versions, any::<bool>()), |(versions, deferred)| {
            let env = if deferred { Env::deferred() } else { Env::new() };
            let repo = repo(&env);
            let first = numbered(versions.iter().map(|(first, _)| first));
            let second = numbered(versions.iter().map(|(_, second)| second));
            round_trip(&repo, &first);
            repo.git(&["tag", "first"]).ok();
            if first != second {
                round_trip(&repo, &second);
            }
            repo.git(&["checkout", "-q", "first"]).ok();
            for (name, bytes) in &first {
                repo.assert_holds(name, bytes);
            }
            repo.model(&["fsck"]).ok();
            Ok(())
        })
        .expect("every file comes back");
}
