//! An image into the engine, without the layers it has.
//!
//! An engine that keeps layers by the chain they stand in takes an archive in which the lowest layers are named but missing,
//! if it has them in that very chain. Another refuses, or takes it and has something broken after; both are noticed, and all
//! is sent.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use bollard::models::ImageInspect;
use bollard::query_parameters::{ImportImageOptionsBuilder, ListImagesOptionsBuilder};

use super::body::{self, Body};
use super::{Engine, EngineError, Watch};
use crate::deploy::image::{COMMIT_LABEL, Digest, Image, ImageError};
use crate::progress::Progress;

/// So many images are looked into for layers that they share.
const IMAGES_MAX: usize = 64;

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// By which it names the image.
    pub id: String,
    /// Bytes that were sent.
    pub sent: u64,
    /// Bytes of the archive with all layers.
    pub full: u64,
}

impl Engine {
    /// Puts an image into the engine under the name `tag`. What the engine says goes to `log`.
    ///
    /// # Errors
    /// An image that cannot be read, an engine that refuses it whole or does not answer.
    pub fn load(
        &self,
        image: &Image<'_>,
        tag: &str,
        log: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<Loaded, EngineError> {
        let full = image.docker_archive_len(Some(tag), &HashSet::new());
        let mut sent = 0;
        let known = self.known_layers(image)?;
        if !known.is_empty() {
            match self.send(image, tag, &known, &mut sent, log, progress) {
                Ok(()) => {
                    if let Some(id) = self.loaded(image, tag)? {
                        return Ok(Loaded { id, sent, full });
                    }
                    say(log, "the engine took the image without the layers it has, and does not have it; sending all")?;
                }
                Err(EngineError::Refused(why)) => {
                    say(log, &format!("the engine wants all layers: {why}"))?;
                }
                Err(error) => return Err(error),
            }
        }
        self.send(image, tag, &HashSet::new(), &mut sent, log, progress)?;
        match self.loaded(image, tag)? {
            Some(id) => Ok(Loaded { id, sent, full }),
            None => Err(EngineError::Refused(format!("it has taken the image, but does not have `{tag}`"))),
        }
    }

    /// The layers that the engine has, from the lowest on without a gap, in some image of ours.
    fn known_layers(&self, image: &Image<'_>) -> Result<HashSet<Digest>, EngineError> {
        let filters = HashMap::from([("label", vec![COMMIT_LABEL])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let mut images = self.call(self.docker.list_images(Some(options)))?;
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        let ours: Vec<String> = image.layers().iter().map(|layer| layer.diff_id.to_string()).collect();
        let mut shared_max = 0;
        for known in images.into_iter().take(IMAGES_MAX) {
            // It may have been removed meanwhile.
            let Some(known) = self.optional(self.docker.inspect_image(&known.id))? else { continue };
            let shared = layers(&known).iter().zip(&ours).take_while(|(theirs, ours)| theirs == ours).count();
            shared_max = shared_max.max(shared);
        }
        Ok(image.layers()[..shared_max].iter().map(|layer| layer.diff_id).collect())
    }

    /// Sends the image without some layers, and adds the bytes sent to `sent`.
    fn send(
        &self,
        image: &Image<'_>,
        tag: &str,
        without: &HashSet<Digest>,
        sent: &mut u64,
        log: &mut dyn Write,
        progress: &dyn Progress,
    ) -> Result<(), EngineError> {
        let (sender, pieces) = body::pipe();
        let watch = Watch::new(false);
        let docker = self.patient();
        let answer = async {
            let options = ImportImageOptionsBuilder::new().quiet(true).build();
            let body = bollard::body_try_stream(body::stream(pieces));
            let mut answer = Box::pin(docker.import_image(options, body, None));
            while let Some(word) = self.next(&mut answer, &watch).await? {
                let text = word.stream.or(word.status).unwrap_or_default();
                log.write_all(text.as_bytes()).map_err(EngineError::Log)?;
            }
            Ok(())
        };
        progress.begin(tag, Some(image.docker_archive_len(Some(tag), without)));
        let answer = Body::send(&self.runtime, &watch, sender, Box::pin(answer), |out| {
            image.write_docker_archive(Some(tag), without, &mut Told { out, progress })
        });
        progress.end();
        *sent += watch.sent.get();
        answer
    }

    /// The engine's name for the image, if it has it under `tag`.
    fn loaded(&self, image: &Image<'_>, tag: &str) -> Result<Option<String>, EngineError> {
        let Some(found) = self.optional(self.docker.inspect_image(tag))? else { return Ok(None) };
        let ours = image.layers().iter().map(|layer| layer.diff_id.to_string());
        let has_layers = layers(&found).into_iter().eq(ours);
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let has_labels = image.labels().iter().all(|(name, value)| labels.get(name) == Some(value));
        Ok(found.id.filter(|_| has_layers && has_labels))
    }
}

fn layers(image: &ImageInspect) -> Vec<String> {
    image.root_fs.as_ref().and_then(|files| files.layers.clone()).unwrap_or_default()
}

fn say(log: &mut dyn Write, line: &str) -> Result<(), EngineError> {
    writeln!(log, "{line}").map_err(EngineError::Log)
}

/// Tells of the bytes that are written through it.
struct Told<'a> {
    out: &'a mut dyn Write,
    progress: &'a dyn Progress,
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.progress.advance(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl From<std::io::Error> for EngineError {
    /// Of what could not be made to be sent.
    fn from(error: std::io::Error) -> Self {
        match error.downcast::<ImageError>() {
            Ok(error) => Self::Image(error),
            Err(error) => Self::Image(ImageError::Write(error)),
        }
    }
}
