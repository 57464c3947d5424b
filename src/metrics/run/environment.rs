//! Where a run takes place: system, processor, memory, accelerators, Python. No names of machines or people, and nothing of
//! the environment's variables.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

/// A short description of the machine and the programs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The operating system, as it calls itself.
    pub os: String,
    /// The processor's architecture.
    pub arch: String,
    /// The processor.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: usize,
    /// Main memory.
    pub memory_bytes: Option<u64>,
    /// Accelerators, where their driver tells.
    pub gpus: Vec<String>,
    /// The version of Python, if the command is one.
    pub python: Option<String>,
    /// The version of this program.
    pub git_model: String,
}

impl Environment {
    /// Of this machine, for a command.
    pub fn of(command: &OsStr) -> Self {
        Self {
            os: os(),
            arch: std::env::consts::ARCH.to_owned(),
            cpu: read("/proc/cpuinfo").as_deref().and_then(cpu).or_else(|| ask("sysctl", "machdep.cpu.brand_string")),
            cores: crate::parallel::cores(),
            memory_bytes: read("/proc/meminfo")
                .as_deref()
                .and_then(memory_bytes)
                .or_else(|| ask("sysctl", "hw.memsize")?.parse().ok()),
            gpus: gpus(),
            python: python(command),
            git_model: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

fn os() -> String {
    let name = read("/etc/os-release").as_deref().and_then(pretty_name);
    name.unwrap_or_else(|| std::env::consts::OS.to_owned())
}

/// `PRETTY_NAME="Debian GNU/Linux 13 (trixie)"`
fn pretty_name(release: &str) -> Option<String> {
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// The value of the first line `key : value`.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find_map(|(name, value)| (name.trim() == key).then(|| value.trim())).filter(|value| !value.is_empty())
}

fn cpu(cpuinfo: &str) -> Option<String> {
    value(cpuinfo, "model name").map(str::to_owned)
}

fn memory_bytes(meminfo: &str) -> Option<u64> {
    let kibibytes: u64 = value(meminfo, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

/// Those that the driver of NVIDIA knows.
fn gpus() -> Vec<String> {
    let Ok(folder) = std::fs::read_dir("/proc/driver/nvidia/gpus") else { return Vec::new() };
    let texts = folder.flatten().filter_map(|gpu| std::fs::read_to_string(gpu.path().join("information")).ok());
    let mut gpus: Vec<String> = texts.filter_map(|text| value(&text, "Model").map(str::to_owned)).collect();
    gpus.sort();
    gpus
}

/// `Python 3.13.1` without the first word; none if the command is no `python`.
fn python(command: &OsStr) -> Option<String> {
    let name = Path::new(command).file_name()?.to_str()?;
    let version = name.strip_prefix("python")?;
    if !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    answer(Command::new(command).arg("--version"))?.strip_prefix("Python ").map(str::to_owned)
}

fn ask(program: &str, key: &str) -> Option<String> {
    if cfg!(target_os = "macos") { answer(Command::new(program).args(["-n", key])) } else { None }
}

fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells() {
        assert_eq!(pretty_name("ID=x\nPRETTY_NAME=\"An OS 1\"\n").as_deref(), Some("An OS 1"));
        assert_eq!(cpu("processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n").as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(memory_bytes("MemTotal:        2048 kB\nMemFree: 1 kB\n"), Some(2 << 20));
        assert_eq!((cpu(""), memory_bytes("MemTotal: lots\n")), (None, None));
    }

    #[test]
    fn only_python_is_asked() {
        for command in ["./train.sh", "pythonic", "/usr/bin/env", ""] {
            assert_eq!(python(OsStr::new(command)), None, "{command}");
        }
    }
}
