//! What an image says of itself: its configuration, its manifest, its labels. Pure.
//!
//! Source: OCI image specification 1.1, `config.md`, `manifest.md`, `annotations.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Digest;
use super::elf::Architecture;
use super::layer::Layer;

/// Who serves: nobody of the host. The number that images without a shell have come to use.
const USER: &str = "65532:65532";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

/// The label with the model's name.
pub const MODEL_LABEL: &str = "git-model.model";
/// The label with the commit.
pub const COMMIT_LABEL: &str = "git-model.commit";

/// What an image is of.
pub struct About<'a> {
    /// The image's name.
    pub title: &'a str,
    /// The version, or else the commit's short name.
    pub version: &'a str,
    /// The model.
    pub model: &'a str,
    /// The commit.
    pub commit: String,
    /// When that was made: RFC 3339.
    pub created: &'a str,
    /// Where it is from.
    pub source: Option<&'a str>,
}

impl About<'_> {
    /// The labels.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::from([
            ("org.opencontainers.image.title".to_owned(), self.title.to_owned()),
            ("org.opencontainers.image.version".to_owned(), self.version.to_owned()),
            ("org.opencontainers.image.revision".to_owned(), self.commit.clone()),
            ("org.opencontainers.image.created".to_owned(), self.created.to_owned()),
            (MODEL_LABEL.to_owned(), self.model.to_owned()),
            (COMMIT_LABEL.to_owned(), self.commit.clone()),
        ]);
        if let Some(source) = self.source {
            labels.insert("org.opencontainers.image.source".to_owned(), source.to_owned());
        }
        labels
    }
}

/// The configuration of an image.
pub fn config(
    about: &About<'_>,
    architecture: Architecture,
    layers: &[Layer],
    command: &[String],
    port: u16,
) -> Vec<u8> {
    let history =
        |layer: &Layer| json!({ "created": about.created, "created_by": format!("git-model build: {}", layer.about) });
    let ports = BTreeMap::from([(format!("{port}/tcp"), json!({}))]);
    bytes(&json!({
        "created": about.created,
        "architecture": architecture.0,
        "os": "linux",
        "config": {
            "User": USER,
            "ExposedPorts": ports,
            "Entrypoint": [format!("/{}", super::program::PATH), "serve-model"],
            "Cmd": command,
            "WorkingDir": "/",
            "Labels": about.labels(),
            "StopSignal": "SIGTERM",
        },
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|layer| layer.diff_id.to_string()).collect::<Vec<_>>() },
        "history": layers.iter().map(history).collect::<Vec<_>>(),
    }))
}

/// The manifest of an image with this configuration.
pub fn manifest(config: &[u8], layers: &[Layer]) -> Vec<u8> {
    let layer = |layer: &Layer| descriptor(LAYER_TYPE, &layer.diff_id, layer.size);
    bytes(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": descriptor(CONFIG_TYPE, &Digest::of(config), config.len() as u64),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    }))
}

/// The index of a layout that holds the image with this manifest, under this name.
pub fn index(manifest: &[u8], tag: Option<&str>) -> Vec<u8> {
    let mut entry = descriptor(MANIFEST_TYPE, &Digest::of(manifest), manifest.len() as u64);
    if let Some((tag, full)) = tag.and_then(|tag| Some((super::reference::split(tag)?.1, super::reference::full(tag)?)))
    {
        entry["annotations"] = json!({ "io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag });
    }
    bytes(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    }))
}

fn descriptor(media_type: &str, digest: &Digest, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
}

/// JSON without a space, with keys in the order in which they were written.
pub fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}
