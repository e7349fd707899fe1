//! A child process that never outlives its owner.

use crate::error::{LoadError, io_error};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Lines of a log that are shown when a process has failed.
const TAIL_LINES: usize = 20;
/// How often a process that was asked to end is looked at.
const POLL: Duration = Duration::from_millis(10);

/// A process in a group of its own: a Ctrl-C on the terminal reaches only us, and we end the group. Dropping it kills
/// the whole group and waits for it, whatever the reason: an error, a signal, a panic.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `binary` with output to `log`. Of our environment it sees no `BLOCKCHAT_*` setting but those given.
    ///
    /// # Errors
    /// The log cannot be made, or the program not started.
    pub fn start(
        name: &str,
        binary: &Path,
        arguments: &[&str],
        settings: impl IntoIterator<Item = (String, String)>,
        log: PathBuf,
    ) -> Result<Self, LoadError> {
        let output = File::create(&log).map_err(io_error(&log))?;
        let errors = output.try_clone().map_err(io_error(&log))?;
        let mut command = Command::new(binary);
        for (variable, _) in std::env::vars_os().filter(|(variable, _)| is_setting(variable)) {
            command.env_remove(variable);
        }
        let child = command
            .args(arguments)
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(io_error(binary))?;
        Ok(Self { name: name.to_owned(), child, log })
    }

    /// How it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Says that it has ended, with the last lines of its log; `None` while it runs.
    pub fn failure(&mut self) -> Option<String> {
        let status = self.ended()?;
        Some(format!("{} ended with {status}; the end of its log:\n{}", self.name, self.tail()))
    }

    /// The last lines of its log.
    pub fn tail(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Processor time that it has used so far, with its threads; 0 if it is gone.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        ticks(&stat).map_or(Duration::ZERO, |ticks| {
            let per_second = rustix::param::clock_ticks_per_second().max(1);
            Duration::from_millis(ticks.saturating_mul(1_000) / per_second)
        })
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&mut self) {
        if self.ended().is_none()
            && let Some(pid) = self.pid()
        {
            // It may end between the question and the signal.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for its end; `None` if it still runs after `bound`.
    pub async fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Some(status);
            }
            if started.elapsed() > bound {
                return None;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills its group (SIGKILL) and waits for it.
    pub fn kill(&mut self) {
        if self.ended().is_some() {
            return;
        }
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        // A killed process ends at once; there is nothing to do about one that cannot be waited for.
        let _ = self.child.wait();
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.child.id()).ok()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// User and system time in `/proc/PID/stat`, see proc_pid_stat(5). The program's name may have blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

fn is_setting(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("BLOCKCHAT_"))
}

#[cfg(test)]
mod tests {
    use super::{Process, ticks};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    /// A shell that runs `script`, with its log beside.
    fn shell(folder: &Path, script: &str) -> Process {
        let settings = [("BLOCKCHAT_NODES".to_owned(), "5".to_owned())];
        Process::start("stub", Path::new("/bin/sh"), &["-c", script], settings, folder.join("log")).unwrap()
    }

    fn read_pid(path: &Path) -> u32 {
        for _ in 0..500 {
            if let Ok(text) = std::fs::read_to_string(path)
                && let Ok(pid) = text.trim().parse()
            {
                return pid;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no pid in {}", path.display());
    }

    fn runs(pid: u32) -> bool {
        let stat = std::fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).unwrap_or_default();
        // A zombie that waits for init to collect it does not run any more.
        !stat.is_empty() && !stat.contains(") Z ")
    }

    fn ends(pid: u32) -> bool {
        (0..500).any(|_| {
            std::thread::sleep(Duration::from_millis(10));
            !runs(pid)
        })
    }

    #[tokio::test]
    async fn it_ends_when_asked_and_its_log_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 3' TERM; echo \"nodes $BLOCKCHAT_NODES\"; while :; do sleep 0.05; done";
        let mut process = shell(folder.path(), script);
        while !process.tail().contains("nodes 5") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(process.failure().is_none());
        process.terminate();
        let status = process.wait(Duration::from_secs(10)).await.unwrap();
        assert_eq!(status.code(), Some(3));
        let failure = process.failure().unwrap();
        assert!(failure.contains("stub ended with exit status: 3") && failure.ends_with("nodes 5\nbye"), "{failure}");
    }

    #[tokio::test]
    async fn one_that_ignores_the_request_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("trap '' TERM; sleep 600 & echo $! > {}; wait", pid_file.display());
        let mut process = shell(folder.path(), &script);
        let grandchild = read_pid(&pid_file);
        assert!(runs(grandchild));
        process.terminate();
        assert!(process.wait(Duration::from_millis(200)).await.is_none(), "it ignores SIGTERM");
        process.kill();
        assert!(process.ended().is_some());
        assert!(ends(grandchild), "the group was killed");
    }

    #[test]
    fn a_panic_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let path = pid_file.clone();
        let script = format!("sleep 600 & echo $! > {}; wait", pid_file.display());
        let folder_path = folder.path().to_owned();
        let panicked = std::thread::spawn(move || {
            let _process = shell(&folder_path, &script);
            read_pid(&path);
            panic!("as a defect would");
        })
        .join();
        assert!(panicked.is_err());
        assert!(ends(read_pid(&pid_file)));
    }

    #[test]
    fn processor_time_is_counted() {
        assert_eq!(ticks("7 (a b) c) S 1 1 1 0 -1 4 100 0 0 0 25 17 0 0 20"), Some(42));
        assert_eq!(ticks(""), None);
        let folder = tempfile::tempdir().unwrap();
        let process = shell(folder.path(), "while :; do :; done");
        while process.cpu_time() < Duration::from_millis(20) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell(folder.path(), "i=0; while [ $i -lt 100 ]; do echo line $i; i=$((i+1)); done");
        while process.ended().is_none() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let tail = process.tail();
        assert!(tail.starts_with("line 80\n") && tail.ends_with("line 99"), "{tail}");
    }
}
