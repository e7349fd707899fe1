//! A terminal that can be looked at: a session of tmux with a shell in it, on a server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::binaries::binary;
use crate::wait::{SHORT, eventually};

/// What the shell says when it takes a line. Whatever is typed earlier is echoed anywhere.
const PROMPT: &str = "shell>";

/// A terminal. It is gone when this is dropped, with what runs in it.
pub struct Screen {
    /// No [`crate::Folder`]: there is nothing in it to keep, and a socket can't be copied.
    folder: tempfile::TempDir,
}

impl Screen {
    /// A shell in a terminal of this size.
    pub fn open(width: u16, height: u16) -> Self {
        let screen = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let size = [width.to_string(), height.to_string()];
        let folder = screen.folder.path().display().to_string();
        let prompt = format!("PS1={PROMPT} ");
        let shell = ["env", &prompt, "/bin/sh"];
        screen.tmux(&[&["new-session", "-d", "-x", &size[0], "-y", &size[1], "-c", &folder], &shell[..]].concat());
        screen
    }

    /// Gives the shell a line, once it takes one.
    pub async fn line(&self, line: &str) {
        let empty = |text: &str| text.trim_end().ends_with(PROMPT);
        self.shows("the shell's prompt", empty).await;
        self.keys(&["-l", line]);
        // So that this prompt is not taken for the next one.
        self.shows("what was typed", |text| !empty(text)).await;
        self.keys(&["Enter"]);
    }

    /// Starts `blockchat` with these words. When it has ended, the shell says `exit CODE`. Returns where its process id
    /// will be.
    pub async fn blockchat(&self, settings: &str, words: &[&str]) -> PathBuf {
        let program = binary("blockchat").display().to_string();
        let line = words.iter().fold(program, |line, word| format!("{line} '{word}'"));
        let pid = self.folder.path().join("pid");
        // Of our environment it sees nothing; a terminal's name it needs.
        let line =
            format!("env -i TERM=\"$TERM\" {settings} sh -c 'echo $$ >pid; exec \"$@\"' sh {line}; echo \"exit $?\"");
        self.line(&line).await;
        pid
    }

    /// Presses keys, by tmux's names.
    pub fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// What is to be seen.
    pub fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Whether a program has taken the whole screen and not given it back.
    pub fn is_alternate(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{alternate_on}"]).trim() == "1"
    }

    /// Whether the cursor is shown.
    pub fn has_cursor(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{cursor_flag}"]).trim() == "1"
    }

    /// Gives the terminal another size.
    pub fn resize(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// Waits until `found` is content with what is to be seen; returns that.
    pub async fn shows(&self, what: &str, found: impl Fn(&str) -> bool) -> String {
        eventually(&format!("{what} on the screen"), SHORT, async || {
            let text = self.text();
            if found(&text) { Ok(text) } else { Err(format!("\n{text}")) }
        })
        .await
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = server(self.folder.path()).args(arguments).output().expect("tmux");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A session whose shell has ended has no server any more.
        let _ = server(self.folder.path()).arg("kill-server").stderr(Stdio::null()).status();
    }
}

fn server(folder: &Path) -> Command {
    let mut command = Command::new("tmux");
    command.args(["-u", "-f", "/dev/null", "-S"]).arg(folder.join("tmux"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}
