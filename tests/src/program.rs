//! A process under test: output to a file, signals, exit status; never left running.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub struct Finished {
    /// What it returned.
    pub status: ExitStatus,
    /// How long it took from the moment we began to wait.
    pub after: Duration,
}

/// A running process.
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program. Its output is appended to `log`; of our environment it sees no setting of BlockChat.
    pub fn start<'a>(
        binary: &Path,
        arguments: impl IntoIterator<Item = &'a str>,
        settings: impl IntoIterator<Item = (String, String)>,
        log: &Path,
    ) -> Self {
        let mut command = Command::new(binary);
        for (name, _) in std::env::vars_os() {
            if is_setting(&name) {
                command.env_remove(name);
            }
        }
        let output = append(log);
        let child = command
            .args(arguments)
            .envs(settings)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a second handle of the log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        Self { child, log: log.to_owned() }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("signal {signal:?}: {error}"));
    }

    /// What Ctrl-C sends.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        // It may have ended on its own; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for the end.
    pub async fn wait(&mut self, within: Duration) -> Finished {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return Finished { status, after: started.elapsed() };
            }
            assert!(started.elapsed() < within, "process {} still runs after {within:?}:\n{}", self.pid(), self.tail());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The last lines of its output, for messages.
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

fn is_setting(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("BLOCKCHAT_"))
}

fn append(log: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()))
}
