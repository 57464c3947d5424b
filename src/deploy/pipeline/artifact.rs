//! Build: the image, or the files.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Fault, Pipeline};
use crate::deploy::image::{self, Request, reference};
use crate::deploy::local::Artifact;
use crate::deploy::record::StageState;
use crate::deploy::release;

impl Pipeline<'_> {
    pub(super) fn build(&mut self) -> Result<(Artifact, StageState), Fault> {
        if let Some(kept) = self.kept() {
            self.log.say("what was built then is still there");
            return Ok((kept, StageState::Skipped));
        }
        if !self.runner.is_docker() {
            let (digest, is_there) = release::build(self.context, self.local, &self.model, self.progress)?;
            let state = if is_there { StageState::Skipped } else { StageState::Success };
            self.log.say(&format!("release {digest}"));
            return Ok((Artifact::Release { digest }, state));
        }
        match &self.environment.dockerfile {
            Some(dockerfile) => self.build_dockerfile(dockerfile),
            None => self.build_image(),
        }
    }

    /// What a rollback goes back to.
    fn kept(&self) -> Option<Artifact> {
        let to = &self.order.rollback_to.as_ref()?.last;
        let digest = to.digest.clone()?;
        let artifact = match (&to.image, to.target.as_deref()) {
            (Some(tag), Some("docker")) => Artifact::Image { id: digest, tag: tag.clone() },
            (_, Some("process")) => Artifact::Release { digest },
            _ => return None,
        };
        let is_same_kind = self.runner.is_docker() == matches!(artifact, Artifact::Image { .. });
        (is_same_kind && to.clone == self.event.clone && self.runner.has(artifact.digest())).then_some(artifact)
    }

    fn tag(&self) -> String {
        // A `+`, which a version may have, is none of a tag's characters.
        format!("{}:{}", self.environment.image, self.event.version_or_commit().replace('+', "-"))
    }

    fn build_image(&mut self) -> Result<(Artifact, StageState), Fault> {
        let tag = self.tag();
        let origin = self.context.repo.config_string("remote.origin.url");
        let source = origin.as_deref().and_then(reference::source);
        let request = Request {
            commit: self.order.commit,
            model: &self.model,
            title: &self.environment.image,
            version: self.event.version.as_deref(),
            port: self.environment.container_port,
            binary: self.runner.program(),
            source: source.as_deref(),
        };
        let scratch = self.local.dir().join("scratch");
        let image = image::compose(self.context, &request, &scratch, self.progress)?;
        let engine = self.runner.engine()?;
        if let Some(id) = engine.image_id(&image.id().to_string())? {
            self.log.say(&format!("{tag} is in the engine already: {id}"));
            return Ok((Artifact::Image { id, tag }, StageState::Skipped));
        }
        let loaded = engine.load(&image, &tag, &mut self.log, self.progress)?;
        self.log.say(&format!("{tag}: {}, {} of {} bytes sent", loaded.id, loaded.sent, loaded.full));
        Ok((Artifact::Image { id: loaded.id, tag }, StageState::Success))
    }

    fn build_dockerfile(&mut self, dockerfile: &str) -> Result<(Artifact, StageState), Fault> {
        let tag = self.tag();
        let labels = BTreeMap::from([
            ("org.opencontainers.image.title".to_owned(), self.environment.image.clone()),
            ("org.opencontainers.image.version".to_owned(), self.event.version_or_commit().to_owned()),
            ("org.opencontainers.image.revision".to_owned(), self.event.commit.clone()),
            ("git-model.model".to_owned(), self.model.name.clone()),
        ]);
        let (context, commit) = (self.context, self.order.commit);
        let mut write =
            |out: &mut dyn Write| image::context_tar(context, commit, dockerfile, out).map_err(io::Error::other);
        let engine = self.runner.engine()?;
        let id = engine.build(&mut write, dockerfile, &tag, &labels, &mut self.log, self.progress)?;
        self.log.say(&format!("{tag}: {id}"));
        Ok((Artifact::Image { id, tag }, StageState::Success))
    }
}
