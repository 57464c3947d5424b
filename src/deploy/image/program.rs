//! The program that serves: a static one needs nothing else; with another, its loader and libraries go into the image too.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::ImageError;
use super::elf::{Architecture, Elf};
use super::layer::{Files, Source};

/// Where the program is in an image.
pub const PATH: &str = "git-model";
const MODE: u32 = 0o555;
/// Libraries are followed so far: a chain of libraries is short, and a broken one has no end.
const LIBRARIES_MAX: usize = 256;

/// A program and what it needs.
pub struct Program {
    /// What it runs on.
    pub architecture: Architecture,
    /// Its loader and libraries; none if it is static.
    pub libraries: Option<Files>,
    /// Itself.
    pub files: Files,
}

/// Reads what the program at `path` needs.
///
/// # Errors
/// A file that is no 64-bit Linux program, libraries that are not there.
pub fn program(path: &Path) -> Result<Program, ImageError> {
    let elf = read(path)?;
    let refuse = |why: &str| ImageError::Program { path: path.to_owned(), why: why.to_owned() };
    let architecture = elf.architecture().ok_or_else(|| refuse("no image is known for its processor"))?;
    let libraries = match &elf.interpreter {
        Some(interpreter) => Some(libraries(path, &elf, interpreter, architecture)?),
        None => None,
    };
    let mut files = Files::default();
    put(&mut files, Path::new(PATH), path)?;
    Ok(Program { architecture, libraries, files })
}

fn read(path: &Path) -> Result<Elf, ImageError> {
    let unreadable = |source| ImageError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(unreadable)?;
    let elf = Elf::read(&mut file).map_err(unreadable)?;
    elf.ok_or_else(|| ImageError::Program { path: path.to_owned(), why: "it is no 64-bit Linux program".into() })
}

/// The file at `from`, at its path `to` in the image.
fn put(files: &mut Files, to: &Path, from: &Path) -> Result<(), ImageError> {
    use std::os::unix::ffi::OsStrExt;
    let metadata = from.metadata().map_err(|source| ImageError::Read { path: from.to_owned(), source })?;
    let path = to.strip_prefix("/").unwrap_or(to).as_os_str().as_bytes();
    files.put(path, MODE, Source::File(from.to_owned(), metadata.len()));
    Ok(())
}

/// The loader and all libraries, each at the path where the loader will look for it.
fn libraries(program: &Path, elf: &Elf, interpreter: &str, architecture: Architecture) -> Result<Files, ImageError> {
    let mut files = Files::default();
    put(&mut files, Path::new(interpreter), Path::new(interpreter))?;
    let loader = Path::new(interpreter).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut found = BTreeMap::from([(loader, PathBuf::from(interpreter))]);
    let mut waiting: Vec<(String, Vec<String>)> = wanted(elf);
    while let Some((name, search)) = waiting.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let missing = |why| ImageError::Program { path: program.to_owned(), why };
        if found.len() > LIBRARIES_MAX {
            return Err(missing(format!("it needs more than {LIBRARIES_MAX} libraries")));
        }
        let (path, library) = find(&name, &search, elf.machine, architecture)
            .ok_or_else(|| missing(format!("its library `{name}` is not there")))?;
        put(&mut files, &path, &path)?;
        found.insert(name, path);
        waiting.extend(wanted(&library));
    }
    Ok(files)
}

fn wanted(elf: &Elf) -> Vec<(String, Vec<String>)> {
    elf.needed.iter().map(|name| (name.clone(), elf.search.clone())).collect()
}

/// A library for this machine in the folders where the loader looks without a list of its own: there is none in the image.
fn find(name: &str, search: &[String], machine: u16, architecture: Architecture) -> Option<(PathBuf, Elf)> {
    let triplet = architecture.triplet();
    let usual = [format!("/lib/{triplet}"), format!("/usr/lib/{triplet}")];
    let usual = usual.iter().map(String::as_str).chain(["/lib64", "/usr/lib64", "/lib", "/usr/lib"]);
    let asked = search.iter().map(String::as_str).filter(|folder| folder.starts_with('/'));
    asked.chain(usual).map(|folder| Path::new(folder).join(name)).find_map(|path| {
        let elf = read(&path).ok().filter(|elf| elf.machine == machine)?;
        Some((path, elf))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_brings_its_libraries() {
        let itself = std::env::current_exe().expect("a path");
        let program = program(&itself).expect("a program");
        assert!(program.files.has(b"git-model"));
        let interpreter = read(&itself).expect("read").interpreter;
        assert_eq!(program.libraries.is_some(), interpreter.is_some());
        if let (Some(libraries), Some(interpreter)) = (program.libraries, interpreter) {
            assert!(libraries.has(interpreter.trim_start_matches('/').as_bytes()));
        }
    }

    #[test]
    fn a_script_is_no_program() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("script");
        std::fs::write(&path, "#!/bin/sh\nexit 0\n".repeat(10)).expect("written");
        let error = program(&path).map(drop).expect_err("refused");
        assert!(error.to_string().contains("no 64-bit Linux program"), "{error}");
        assert!(program(&dir.path().join("absent")).is_err());
    }
}
