//! `git model man`: the manual pages, made of the same words as `--help`.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::ui::Ui;

/// Write the manual pages: git-model(1) and one for each command.
#[derive(clap::Args)]
pub struct Args {
    /// The folder for the pages; it is made if it does not exist.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

pub fn run(args: Args, _: &Ui) -> Result {
    let cannot = |path: &Path, error: std::io::Error| {
        Error::failed(format!("cannot write `{}`: {error}", path.display())).hint("name a folder you may write to")
    };
    std::fs::create_dir_all(&args.output).map_err(|error| cannot(&args.output, error))?;
    for (name, page) in pages() {
        let path = args.output.join(name);
        std::fs::write(&path, page).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

/// File names and pages.
fn pages() -> Vec<(String, Vec<u8>)> {
    let mut command = super::command();
    command.build();
    let mut pages = Vec::new();
    let shown: Vec<clap::Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    for mut sub in shown {
        // `git help` asks for `git-model-track`.
        let name = format!("git-model-{}", sub.get_name());
        let usage = format!("git model {}", sub.get_name());
        sub = sub.display_name(&name).bin_name(usage);
        pages.push((format!("{name}.1"), render(sub)));
    }
    pages.push(("git-model.1".into(), render(command)));
    pages
}

fn render(command: clap::Command) -> Vec<u8> {
    let mut page = Vec::new();
    // Writing to memory cannot fail.
    let _ = clap_mangen::Man::new(command)
        .source(concat!("git-model ", env!("CARGO_PKG_VERSION")))
        .manual("Git Manual")
        .render(&mut page);
    page
}
