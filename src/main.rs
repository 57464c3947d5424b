//! Parse, run, exit code; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    git_model::cli::main(std::env::args_os())
}
