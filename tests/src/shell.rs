//! The command line as a user runs it: arguments in; output, errors and exit code out.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::binaries::binary;
use crate::wait::LONG;

/// What a command left.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its exit code.
    pub code: i32,
    /// Its output.
    pub out: String,
    /// Its errors.
    pub err: String,
}

impl Ran {
    /// Its output as JSON.
    pub fn json(&self) -> Value {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A user: a folder to work in, and what is on every command line.
#[derive(Clone, Debug)]
pub struct Shell {
    folder: PathBuf,
    always: Vec<String>,
}

impl Shell {
    /// Somebody who works in `folder` with the node at `url`.
    pub fn at(folder: &Path, url: &str) -> Self {
        Self { folder: folder.to_owned(), always: vec!["--node".to_owned(), url.to_owned()] }
    }

    /// Adds options to every command.
    #[must_use]
    pub fn with(mut self, options: &[&str]) -> Self {
        self.always.extend(options.iter().map(ToString::to_string));
        self
    }

    /// Runs one command.
    pub async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_in(&[], arguments).await
    }

    /// Runs one command with settings in its environment.
    pub async fn run_in(&self, settings: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let mut command = Command::new(binary("blockchat"));
        command.args(&self.always).args(arguments).current_dir(&self.folder).env_clear();
        command.envs(settings.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("a command that ends");
        let output = output.expect("the command");
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Runs one command; its output as JSON.
    pub async fn json(&self, arguments: &[&str]) -> Value {
        self.clone().with(&["--output", "json"]).run(arguments).await.json()
    }

    /// Types lines at the prompt, in a terminal (of `script`, which every Debian has); what the terminal shows.
    pub async fn type_lines(&self, lines: &[&str]) -> String {
        let quote = |text: &String| format!("'{}'", text.replace('\'', r"'\''"));
        let program = binary("blockchat").display().to_string();
        let words: Vec<String> = std::iter::once(&program).chain(&self.always).map(quote).collect();
        let mut input = tempfile::tempfile().expect("a file");
        for line in lines {
            writeln!(input, "{line}").expect("a line");
        }
        input.write_all(&[4]).expect("the end of input");
        std::io::Seek::rewind(&mut input).expect("its beginning");
        let mut command = Command::new("script");
        command.args(["-qec", &words.join(" "), "/dev/null"]).current_dir(&self.folder).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "dumb");
        command.env("XDG_STATE_HOME", self.folder.join("state")).stdin(input).kill_on_drop(true);
        let output = tokio::time::timeout(LONG, command.output()).await.expect("a prompt that ends");
        String::from_utf8_lossy(&output.expect("script of util-linux").stdout).into_owned()
    }
}
