//! `git model build` into files, without an engine.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;

use serde_json::Value;

use crate::support::{Env, Outcome, Repo, model, sha256};

const POLICY: &[u8] = b"[model.house]\nweights = [\"models/*.safetensors\"]\nmetrics = \"metrics.json\"\n";

/// A model in two files, with metrics.
fn repo<'e>(env: &'e Env, name: &str) -> Repo<'e> {
    let repo = env.repo(name);
    repo.write(".gitmodel.toml", POLICY);
    repo.write("metrics.json", br#"{"test": {"mse": 4.5, "note": "good"}}"#);
    repo.write("models/a.safetensors", &model(1));
    repo.write("models/b.safetensors", &model(2));
    repo.commit("all");
    repo
}

/// The files of a tar archive.
fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let mut files = BTreeMap::new();
    for entry in archive.entries().expect("an archive") {
        let mut entry = entry.expect("an entry");
        let header = entry.header();
        assert_eq!((header.uid().expect("a user"), header.mtime().expect("a time")), (0, 0));
        let path = entry.path().expect("a path").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("read");
        assert_eq!(files.insert(path.clone(), bytes), None, "{path} is there once");
    }
    files
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

fn told(outcome: Outcome) -> Value {
    json(&outcome.ok().stdout)
}

#[test]
fn a_docker_archive_has_all_layers() {
    let env = Env::new();
    let repo = repo(&env, "r");
    let told = told(repo.model(&["build", "-o", "image.tar", "--json"]));
    let files = files(&repo.read("image.tar"));
    let manifest = &json(&files["manifest.json"])[0];
    let commit = repo.git(&["rev-parse", "HEAD"]).ok().text().trim().to_owned();
    assert_eq!(manifest["RepoTags"], serde_json::json!([format!("house:{}", &commit[..10])]));
    let config = &files[manifest["Config"].as_str().expect("a name")];
    assert_eq!(told["id"], format!("sha256:{}", sha256(config)));
    let config = json(config);
    let ids: Vec<&str> =
        config["rootfs"]["diff_ids"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    let layers: Vec<&str> = manifest["Layers"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(ids.len(), layers.len());
    assert_eq!(config["history"].as_array().map(Vec::len), Some(ids.len()));
    for (id, layer) in ids.iter().zip(&layers) {
        assert_eq!(*id, format!("sha256:{}", sha256(&files[*layer])));
    }

    let weights = self::files(&files[layers[0]]);
    assert_eq!(weights.keys().collect::<Vec<_>>(), ["model/", "model/a.safetensors", "model/b.safetensors"]);
    assert!(weights["model/b.safetensors"] == model(2));
    let metadata = self::files(&files[layers[layers.len() - 1]]);
    let metadata = json(&metadata["model/metadata.json"]);
    assert_eq!(metadata["commit"], commit);
    assert_eq!(metadata["metrics"], serde_json::json!({ "test.mse": 4.5 }));

    let settings = &config["config"];
    assert_eq!(settings["User"], "65532:65532");
    assert_eq!(settings["Entrypoint"], serde_json::json!(["/git-model", "serve-model"]));
    assert_eq!(settings["ExposedPorts"], serde_json::json!({ "8080/tcp": {} }));
    let command = [
        "--version",
        &commit[..10],
        "--address",
        "0.0.0.0",
        "--port",
        "8080",
        "--",
        "house-a=/model/a.safetensors",
        "house-b=/model/b.safetensors",
    ];
    assert_eq!(settings["Cmd"], serde_json::json!(command));
    assert_eq!(settings["Labels"]["org.opencontainers.image.created"], "2026-01-02T03:04:05Z");
    assert_eq!(settings["Labels"]["git-model.model"], "house");
}

#[test]
fn a_layout_of_the_oci_has_every_blob_under_its_digest() {
    let env = Env::new();
    let repo = repo(&env, "r");
    repo.git(&["remote", "add", "origin", "https://user:secret@example.org/house.git"]).ok();
    repo.git(&["tag", "-a", "-m", "one", "house@v1.2.0"]).ok();
    let args = ["build", "house@v1.2.0", "-o", "image.tar", "--format", "oci", "--json"];
    let told = told(repo.model(&args));
    let files = files(&repo.read("image.tar"));
    assert_eq!(json(&files["oci-layout"]), serde_json::json!({ "imageLayoutVersion": "1.0.0" }));
    let blobs = files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("blobs/sha256/")?, bytes)));
    let blobs: Vec<_> = blobs.filter(|(name, _)| !name.is_empty()).collect();
    assert!(blobs.len() >= 5);
    for (name, bytes) in &blobs {
        assert_eq!(**name, sha256(bytes));
    }
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().expect("a digest").strip_prefix("sha256:").expect("SHA-256");
        let bytes = &files[&format!("blobs/sha256/{digest}")];
        assert_eq!(descriptor["size"].as_u64(), Some(bytes.len() as u64));
        bytes
    };
    let index = json(&files["index.json"]);
    let entry = &index["manifests"][0];
    assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], "v1.2.0");
    assert_eq!((&entry["digest"], &told["image"]), (&told["digest"], &"house:v1.2.0".into()));
    let manifest = json(blob(entry));
    let config = json(blob(&manifest["config"]));
    let layers = manifest["layers"].as_array().expect("a list");
    assert!(layers.iter().all(|layer| !blob(layer).is_empty()));
    let named = layers.iter().map(|layer| layer["digest"].clone()).collect::<Vec<_>>();
    assert_eq!(config["rootfs"]["diff_ids"], Value::Array(named), "the layers are not compressed");
    let labels = &config["config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], "v1.2.0");
    assert_eq!(labels["org.opencontainers.image.source"], "https://example.org/house");
}

#[test]
fn the_same_commit_gives_the_same_bytes() {
    let env = Env::new();
    let one = repo(&env, "one");
    let two = repo(&env, "two");
    for format in ["docker", "oci"] {
        let build = |repo: &Repo<'_>| {
            repo.model(&["build", "-o", "image.tar", "--format", format]).ok();
            repo.read("image.tar")
        };
        let first = build(&one);
        assert!(build(&one) == first, "with what was noted");
        assert!(build(&two) == first, "elsewhere");
        let piped = one.model(&["build", "-o", "-", "--format", format]).ok();
        assert!(piped.stdout == first, "into a pipe");
    }
    // A note that is wrong is noticed, and then forgotten.
    let notes = one.path(".git/model/deploy/images/layers.json");
    let note = std::fs::read_to_string(&notes).expect("a note");
    let (key, _) = note.split_once(": \"sha256:").expect("an entry");
    std::fs::write(&notes, format!("{key}: \"sha256:{}\"\n}}", "0".repeat(64))).expect("written");
    std::fs::remove_file(one.path("image.tar")).expect("removed");
    let outcome = one.model(&["build", "-o", "image.tar"]).fails_with(1);
    assert!(outcome.stderr.contains("hint: run it again"), "{}", outcome.stderr);
    assert!(!one.path("image.tar").exists());
    one.model(&["build", "-o", "image.tar"]).ok();
}

#[test]
fn what_cannot_be_an_image() {
    let env = Env::new();
    let repo = repo(&env, "r");
    repo.write("other/c.safetensors", &model(3));
    repo.write("script", b"#!/bin/sh\n");
    repo.write(".gitmodel.toml", b"[model.a]\nweights = [\"models/a*\"]\n[model.none]\nweights = [\"absent/*\"]\n");
    repo.commit("more");
    for (args, code, message) in [
        (&["build", "-o", "i.tar"][..], 1, "there are 2 models: name one"),
        (&["build", "-o", "i.tar", "--model", "none"], 1, "model `none` has no weights in commit"),
        (&["build", "-o", "i.tar", "--model", "b"], 1, "there is no model `b`"),
        (&["build", "-o", "i.tar", "--model", "a", "--binary", "script"], 1, "it is no 64-bit Linux program"),
        (&["build", "-o", "i.tar", "--model", "a", "--binary", "gone"], 1, "cannot read `gone`"),
        (&["build", "-o", "i.tar", "--model", "a", "--tag", "House:x"], 2, "`House:x` is no name of an image"),
        (&["build", "-o", "no/such/i.tar", "--model", "a"], 1, "cannot write `no/such/i.tar`"),
        (&["build", "nothing", "-o", "i.tar"], 1, "there is no commit `nothing`"),
        (&["build", "--format", "oci"], 2, "--output"),
        (&["build", "-o", "-", "--json", "--model", "a"], 2, "both the image and JSON"),
    ] {
        let outcome = repo.model(args).fails_with(code);
        assert!(outcome.stderr.contains(message), "{args:?}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{args:?}");
    }
    assert!(!repo.path("i.tar").exists());
    assert!(repo.leftovers().is_empty());
}

#[test]
fn a_full_disk_is_told() {
    let env = Env::new();
    let repo = repo(&env, "r");
    let mut command = repo.model_command(&["build", "-o", "-"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = command.stdout(Stdio::from(full)).output().expect("it starts");
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(talk.contains("cannot write the image: No space left on device"), "{talk}");
}

#[test]
fn weights_that_are_lost_are_told() {
    let env = Env::new();
    let repo = repo(&env, "r");
    std::fs::remove_dir_all(repo.path(".git/model")).expect("removed");
    let outcome = repo.model(&["build", "-o", "image.tar"]).fails_with(1);
    assert!(outcome.stderr.contains("cannot restore `model/a.safetensors`"), "{}", outcome.stderr);
    assert!(!repo.path("image.tar").exists());
}
