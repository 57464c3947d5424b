//! An image as one file: what `docker load` reads, and a layout of the OCI.
//!
//! Source: the `docker save` format 1.2 (`manifest.json`), and OCI image specification 1.1, `image-layout.md`.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use serde_json::json;

use super::archive::{Archive, END_BYTES, entry_len};
use super::cache::Cache;
use super::layer::Layer;
use super::{Digest, Image, ImageError, config};

const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// A file of an archive.
enum Part<'i> {
    Folder,
    Bytes(Vec<u8>),
    Layer(&'i Layer),
}

impl Part<'_> {
    const fn len(&self) -> u64 {
        match self {
            Self::Folder => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Layer(layer) => layer.size,
        }
    }
}

type Parts<'i> = Vec<(String, Part<'i>)>;

impl Image<'_> {
    /// Writes the archive that `docker load` and `podman load` read, with `tag` as the image's name. Layers of `without` are
    /// named but left out, for an engine that has them.
    ///
    /// # Errors
    /// Layers that cannot be read or have changed since, a writer that fails.
    pub fn write_docker_archive(
        &self,
        tag: Option<&str>,
        without: &HashSet<Digest>,
        out: &mut dyn Write,
    ) -> Result<(), ImageError> {
        self.write(&self.docker_archive(tag, without), out)
    }

    /// Bytes of that archive.
    pub fn docker_archive_len(&self, tag: Option<&str>, without: &HashSet<Digest>) -> u64 {
        len(&self.docker_archive(tag, without))
    }

    /// Writes an OCI image layout as a tar archive, with `tag` as the image's name.
    ///
    /// # Errors
    /// Layers that cannot be read or have changed since, a writer that fails.
    pub fn write_oci_layout(&self, tag: Option<&str>, out: &mut dyn Write) -> Result<(), ImageError> {
        self.write(&self.oci_layout(tag), out)
    }

    /// Bytes of that layout.
    pub fn oci_layout_len(&self, tag: Option<&str>) -> u64 {
        len(&self.oci_layout(tag))
    }

    fn docker_archive(&self, tag: Option<&str>, without: &HashSet<Digest>) -> Parts<'_> {
        let config = format!("{}.json", self.id.hex());
        let layer_name = |layer: &Layer| format!("{}.tar", layer.diff_id.hex());
        let names: Vec<String> = self.layers.iter().map(layer_name).collect();
        let manifest = json!([{ "Config": config, "RepoTags": tag.map(|tag| [tag]), "Layers": names }]);
        let mut parts = vec![
            ("manifest.json".to_owned(), Part::Bytes(config::bytes(&manifest))),
            (config, Part::Bytes(self.config.clone())),
        ];
        let sent = self.distinct().into_values().filter(|layer| !without.contains(&layer.diff_id));
        parts.extend(sent.map(|layer| (layer_name(layer), Part::Layer(layer))));
        parts
    }

    fn oci_layout(&self, tag: Option<&str>) -> Parts<'_> {
        let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
        let layout = json!({ "imageLayoutVersion": "1.0.0" });
        let mut parts = vec![
            ("oci-layout".to_owned(), Part::Bytes(config::bytes(&layout))),
            ("index.json".to_owned(), Part::Bytes(config::index(&self.manifest, tag))),
            ("blobs".to_owned(), Part::Folder),
            ("blobs/sha256".to_owned(), Part::Folder),
            (blob(&self.manifest_digest), Part::Bytes(self.manifest.clone())),
            (blob(&self.id), Part::Bytes(self.config.clone())),
        ];
        parts.extend(self.distinct().into_values().map(|layer| (blob(&layer.diff_id), Part::Layer(layer))));
        parts
    }

    /// Layers that are equal are one file; in the order in which they lie.
    fn distinct(&self) -> BTreeMap<usize, &Layer> {
        let mut seen = HashSet::new();
        self.layers.iter().enumerate().filter(|(_, layer)| seen.insert(layer.diff_id)).collect()
    }

    fn write(&self, parts: &Parts<'_>, out: &mut dyn Write) -> Result<(), ImageError> {
        let mut archive = Archive::new(out, 0);
        for (name, part) in parts {
            match part {
                Part::Folder => archive.folder(name.as_bytes(), FOLDER_MODE)?,
                Part::Bytes(bytes) => archive.bytes(name.as_bytes(), FILE_MODE, bytes)?,
                Part::Layer(layer) => {
                    archive.file(name.as_bytes(), FILE_MODE, layer.size, &mut |out| self.write_layer(layer, out))?;
                }
            }
        }
        Ok(archive.finish()?)
    }

    fn write_layer(&self, layer: &Layer, out: &mut dyn Write) -> Result<(), ImageError> {
        let written = layer.write(self.store, out);
        if let Err(ImageError::Changed(_)) = written {
            // What was noted may be wrong, and would be again next time.
            Cache::new(&self.scratch).clear();
        }
        written
    }
}

fn len(parts: &Parts<'_>) -> u64 {
    let slash = |part: &Part<'_>| usize::from(matches!(part, Part::Folder));
    parts.iter().map(|(name, part)| entry_len(name.len() + slash(part), part.len())).sum::<u64>() + END_BYTES
}
