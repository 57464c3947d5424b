//! A whole model, as a file beside the work tree.

use std::path::Path;

use crate::atomic_file::write_whole;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::worktree::Context;
use crate::worktree::assemble::{AssembleError, Assembly};

/// Writes the file that `manifest` describes; it appears when it is whole, in place of one that was there.
///
/// # Errors
/// What the store does not have, and a place that cannot be written.
pub fn export(context: &Context, manifest: &Manifest, to: &Path, progress: &dyn Progress) -> Result<(), AssembleError> {
    let assembly = Assembly::plan_or_fetch(context, manifest)?;
    write_whole(to, |file| {
        progress.begin(&to.file_name().unwrap_or_default().to_string_lossy(), Some(assembly.size()));
        let written = assembly.write_to(&context.store, file, context.settings.workers, progress);
        progress.end();
        written
    })
}
