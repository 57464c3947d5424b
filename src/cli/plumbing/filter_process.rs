//! `git-model filter-process` (`filter.model.process`): answers git as long as it asks, then materializes.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;

use crate::error::{Error, Result};
use crate::git::filter_protocol::{Command, FilterServer, Request, WriteError};
use crate::git::{BlobId, shown};
use crate::manifest::{BYTES_MAX, Manifest};
use crate::merge::state;
use crate::progress::{Counted, Progress, Silent};
use crate::store::StoreError;
use crate::ui::{Ui, count};
use crate::worktree::assemble::AssembleError;
use crate::worktree::clean::CleanError;
use crate::worktree::pending::{Notes, Pending};
use crate::worktree::recover::{self, Scope};
use crate::worktree::smudge::Answer;
use crate::worktree::{Context, clean, manifest_deltas, materialize, smudge};

/// A larger pipe spares git and us half of the switches between them.
const PIPE_BYTES: usize = 1 << 20;

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_: Args, ui: &Ui) -> Result {
    let context = crate::cli::context()?;
    let stdin = io::stdin();
    // Only an optimization; a system may allow less.
    let _ = rustix::pipe::fcntl_setpipe_size(stdin.as_fd(), PIPE_BYTES);
    let mut notes = Notes::new(&context.repo.git_dir(), context.store.permissions());
    let outcome = serve(&context, &mut notes, stdin.lock(), io::stdout().lock(), ui);
    let report = materialize::materialize(&context, &notes.pending, ui);
    crate::cli::checkout::tell(&report, ui);
    notes.finish(&report.unresolved());
    recover::recover(&context, Scope::Stale, &Silent);
    outcome.map_err(|error| Error::failed(format!("the conversation with git broke off: {error}")))
}

fn serve(context: &Context, notes: &mut Notes, input: impl Read, output: impl Write, ui: &Ui) -> io::Result<()> {
    let mut server = FilterServer::greet(input, output)?;
    while let Some(request) = server.next_request()? {
        match request.head.command {
            Command::Clean => answer_clean(context, request, ui)?,
            Command::Smudge => answer_smudge(context, notes, request, ui)?,
            Command::ListAvailableBlobs => request.answer_nothing_available()?,
        }
    }
    Ok(())
}

/// After `git add` the tensors in conflict are ours, and where all of them were, git may find nothing to commit.
fn tell_of_conflict(context: &Context, path: &[u8], text: &[u8], ui: &Ui) {
    let Ok(Some(state)) = state::open_at(&context.repo, path) else { return };
    if context.repo.hash_blob(text).is_ok_and(|blob| state.results.contains(&blob.to_string())) {
        let name = shown(path);
        ui.warn(&format!(
            "`{name}`: {} still in conflict, as on our side; decide with `git model resolve {name} --take \
             ours|theirs|METHOD`",
            count(state.open.len(), "tensor")
        ));
    }
}

fn answer_clean(context: &Context, mut request: Request<'_, impl Read, impl Write>, ui: &Ui) -> io::Result<()> {
    let path = request.head.path.clone();
    let name = String::from_utf8_lossy(&path);
    let total = context.file_path(&path).and_then(|file| Some(file.symlink_metadata().ok()?.len()));
    let cleaned = clean::clean(context, &path, &mut Counted::new(request.content(), ui, &name, total));
    match cleaned {
        Ok(cleaned) => {
            if let Some(warning) = &cleaned.warning {
                ui.warn(&format!("`{name}` {warning}"));
            }
            if let Some(line) = cleaned.summary.as_ref().and_then(|summary| super::summary(&path, summary, ui)) {
                ui.note(&line);
            }
            tell_of_conflict(context, &path, &cleaned.text, ui);
            let older = manifest_deltas::older(context, &path, &cleaned);
            request.answer(&cleaned.text)?;
            // While git takes the manifest in.
            manifest_deltas::note(context, older, &cleaned);
            Ok(())
        }
        Err(error) => {
            let next = match &error {
                CleanError::Store(StoreError::Corrupt { .. }) => "run `git model fsck --repair`",
                _ => "run `git model doctor`",
            };
            ui.error(&Error::failed(format!("cannot store `{name}`: {error}")).hint(next));
            request.fail()
        }
    }
}

fn answer_smudge(
    context: &Context,
    notes: &mut Notes,
    mut request: Request<'_, impl Read, impl Write>,
    ui: &Ui,
) -> io::Result<()> {
    let head = request.head.clone();
    let name = String::from_utf8_lossy(&head.path);
    let mut text = Vec::new();
    request.content().take(BYTES_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > BYTES_MAX || !Manifest::looks_like(&text) {
        return pass_through(request, &text);
    }
    let text = smudge::without_converted_line_ends(context, &head, text);
    let mut answer = smudge::answer(context, &head, &text);
    if let Answer::Inline(assembly) = &answer
        && head.can_delay
        && assembly.size() <= context.settings.inline_limit_bytes
    {
        // Whole before git hears of it: a failure half-way would have git delete the file and stop.
        let mut bytes = Vec::with_capacity(assembly.size() as usize);
        match assembly.stream(&context.store, &mut bytes) {
            Ok(()) => return request.answer(&bytes),
            Err(_) => answer = Answer::Deferred,
        }
    }
    match answer {
        Answer::AsIs { warning } => {
            if let Some(warning) = warning {
                ui.warn(&format!("`{name}`: {warning}"));
            }
            request.answer(&text)
        }
        Answer::Deferred => {
            if let Some(manifest) = blob_of(context, head.blob.as_deref(), &text) {
                notes.add(Pending { path: head.path, manifest });
            }
            request.answer(&text)
        }
        Answer::Inline(assembly) => {
            let result = request.succeed(|out| {
                assembly.stream(&context.store, out).map_err(|error| match error {
                    AssembleError::Write(error) => WriteError::Pipe(error),
                    error => WriteError::Content(error),
                })
            })?;
            if let Err(error) = result {
                ui.error(&cannot_restore(&name, &error));
            }
            Ok(())
        }
        Answer::Refused { why } => {
            ui.error(&cannot_restore(&name, &why));
            request.fail()
        }
    }
}

/// Text that is no manifest goes back as it came, whatever its size.
fn pass_through(mut request: Request<'_, impl Read, impl Write>, start: &[u8]) -> io::Result<()> {
    let mut rest = Vec::new();
    request.content().read_to_end(&mut rest)?;
    let written = request.succeed(|out| {
        out.write_all(start).and_then(|()| out.write_all(&rest)).map_err(WriteError::<AssembleError>::Pipe)
    })?;
    debug_assert!(written.is_ok(), "passing bytes on fails only with the pipe");
    Ok(())
}

fn blob_of(context: &Context, told: Option<&[u8]>, text: &[u8]) -> Option<BlobId> {
    let told = told.and_then(|hex| std::str::from_utf8(hex).ok()?.parse().ok());
    told.or_else(|| context.repo.hash_blob(text).ok())
}

fn cannot_restore(name: &str, error: &AssembleError) -> Error {
    let failure = Error::failed(format!("cannot restore `{name}`: {error}"));
    if error.is_missing() {
        failure.hint("fetch the missing objects, or leave manifests in place with `GIT_MODEL_SMUDGE=skip`")
    } else {
        failure.hint("run `git model fsck --repair`")
    }
}
