//! Settings, read from git's configuration (`model.*`) and the environment once, then trusted.

use crate::git::Repo;

/// Files larger than this are materialized after git has written its work tree, not through git's memory.
const INLINE_LIMIT_BYTES: u64 = 16 << 20;
const WORKERS_MAX: usize = 64;

/// What `GIT_MODEL_SMUDGE` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmudgeMode {
    /// Small files through git, large ones after it.
    Auto,
    /// Every file through git: whoever reads them next finds them whole.
    Inline,
    /// Every file after git.
    Defer,
    /// Leave manifests in the work tree.
    Skip,
}

/// How git-model behaves in a repository.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// `model.smudge.inlineLimit`, in bytes.
    pub inline_limit_bytes: u64,
    /// `GIT_MODEL_SMUDGE`.
    pub smudge: SmudgeMode,
    /// `model.threads`; by default the number of cores.
    pub workers: usize,
}

impl Settings {
    /// Reads them.
    pub fn read(repo: &Repo) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let positive = |key: &str| repo.config_integer(key).and_then(|value| u64::try_from(value).ok());
        let workers =
            positive("model.threads").filter(|&workers| workers > 0).map_or(cores, |workers| workers as usize);
        Self {
            inline_limit_bytes: positive("model.smudge.inlineLimit").unwrap_or(INLINE_LIMIT_BYTES),
            smudge: match std::env::var("GIT_MODEL_SMUDGE").as_deref() {
                Ok("inline") => SmudgeMode::Inline,
                Ok("defer") => SmudgeMode::Defer,
                Ok("skip") => SmudgeMode::Skip,
                _ => SmudgeMode::Auto,
            },
            workers: workers.min(WORKERS_MAX),
        }
    }
}
