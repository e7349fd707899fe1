//! What a result depends on besides the program: the machine, and which build ran.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::process::Command;

/// Machine and build of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Logical processors this process may use.
    pub cpus: usize,
    /// The processor's name, if the system tells.
    pub cpu_model: Option<String>,
    /// Main memory, MiB.
    pub memory_mib: Option<u64>,
    /// Operating system, kernel release and architecture.
    pub kernel: String,
    /// File system under the nodes' data (fsync costs nothing on `tmpfs`); only for nodes started here.
    pub data_file_system: Option<String>,
    /// Version of the load generator.
    pub version: String,
    /// Revision of the source: of the build, else of the repository the program lies in.
    pub revision: Option<String>,
    /// Built without optimisation: not a measurement.
    pub debug_build: bool,
}

impl Environment {
    /// Looks at this machine.
    pub fn detect() -> Self {
        let uname = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpu_model: field_of("/proc/cpuinfo", "model name"),
            memory_mib: field_of("/proc/meminfo", "MemTotal").and_then(|size| {
                let kib: u64 = size.split_whitespace().next()?.parse().ok()?;
                Some(kib / 1024)
            }),
            kernel: [uname.sysname(), uname.release(), uname.machine()].map(text).join(" "),
            data_file_system: None,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: revision(),
            debug_build: cfg!(debug_assertions),
        }
    }

    /// The same, for nodes that keep their data under `directory`.
    #[must_use]
    pub fn with_data_in(mut self, directory: &Path) -> Self {
        self.data_file_system = file_system(directory);
        self
    }
}

/// The value of the first line `name : value` of a file.
fn field_of(path: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let (_, value) = text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

fn file_system(directory: &Path) -> Option<String> {
    let magic = rustix::fs::statfs(directory).ok()?.f_type;
    // Numbers of linux/magic.h.
    Some(match magic {
        0xEF53 => "ext4".to_owned(),
        0x0102_1994 => "tmpfs".to_owned(),
        0x5846_5342 => "xfs".to_owned(),
        0x9123_683E => "btrfs".to_owned(),
        0x794C_7630 => "overlayfs".to_owned(),
        0x2FC1_2FC1 => "zfs".to_owned(),
        0x6969 => "nfs".to_owned(),
        other => format!("{other:#x}"),
    })
}

fn revision() -> Option<String> {
    if let Some(revision) = option_env!("BLOCKCHAT_REVISION") {
        return Some(revision.to_owned());
    }
    let program = std::env::current_exe().ok()?;
    let describe = Command::new("git")
        .arg("-C")
        .arg(program.parent()?)
        .args(["describe", "--always", "--dirty", "--tags"])
        .output()
        .ok()?;
    let text = String::from_utf8(describe.stdout).ok()?;
    (describe.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::Environment;

    #[test]
    fn this_machine_has_processors_and_a_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let found = Environment::detect().with_data_in(directory.path());
        assert!(found.cpus >= 1);
        assert!(found.kernel.starts_with("Linux "), "{}", found.kernel);
        assert!(found.memory_mib.unwrap() > 64);
        assert!(found.data_file_system.is_some());
    }
}
