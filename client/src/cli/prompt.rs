//! The prompt: the commands of the command line, with history, completion, and a look at the cost before it is paid.

use super::args::{Cli, Command, Global};
use super::failure::{EXIT_USAGE, Failure};
use super::output;
use super::send::{self, Payment};
use super::session::Session;
use clap::{CommandFactory as _, Parser as _};
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Context, Editor, Helper, Highlighter, Hinter, Validator};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

const PROMPT: &str = "blockchat> ";
const QUESTION: &str = "send? [y/N] ";

/// Completes commands, and members where a recipient stands.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Words {
    commands: Vec<String>,
    members: Vec<String>,
}

impl Words {
    fn candidates(&self, line: &str) -> (usize, Vec<String>) {
        let start = line.rfind(' ').map_or(0, |at| at + 1);
        let begun = &line[start..];
        let before: Vec<&str> = line[..start].split_whitespace().collect();
        let words = match before.as_slice() {
            [] => &self.commands,
            ["t" | "m" | "send" | "balance" | "history"] => &self.members,
            _ => return (start, Vec::new()),
        };
        (start, words.iter().filter(|word| word.starts_with(begun)).cloned().collect())
    }
}

impl Completer for Words {
    type Candidate = Pair;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        let (start, words) = self.candidates(line.get(..at).unwrap_or_default());
        let pair = |word: String| Pair { display: word.clone(), replacement: format!("{word} ") };
        Ok((start, words.into_iter().map(pair).collect()))
    }
}

/// Runs until the input ends.
pub async fn run(global: &Global) -> Result<(), Failure> {
    if !super::session::can_ask() {
        return Err(
            Failure::usage("a command is missing, and there is no terminal to ask for one").hint("blockchat --help")
        );
    }
    let session = Session::new(global)?;
    let mut editor = editor(words(&session).await)?;
    let history = history_file();
    if let Some(path) = &history {
        // A first run has none.
        let _ = editor.load_history(path);
    }
    greet(&session).await;
    loop {
        let line = match editor.readline(PROMPT) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(Failure::new(EXIT_USAGE, format!("the terminal: {error}"))),
        };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        // What can't be remembered is only inconvenient.
        let _ = editor.add_history_entry(line);
        if matches!(line, "quit" | "exit") {
            break;
        }
        if let Err(failure) = answer(global, &session, &mut editor, line).await {
            eprintln!("{failure}");
        }
    }
    if let Some(path) = &history {
        save_history(&mut editor, path);
    }
    Ok(())
}

async fn answer(
    global: &Global,
    session: &Session,
    editor: &mut Editor<Words, FileHistory>,
    line: &str,
) -> Result<(), Failure> {
    if matches!(line, "help" | "?") {
        output::line(&help());
        return Ok(());
    }
    let cli = match Cli::try_parse_from(std::iter::once("blockchat".to_owned()).chain(words_of(line))) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and errors, both in clap's words.
            let _ = error.print();
            return Ok(());
        }
    };
    let Some(command) = cli.command else { return Ok(()) };
    let payment = match &command {
        Command::T { recipient, what } => Some(Payment::from_t(recipient, what)?),
        Command::M { recipient, message } => Some(Payment::message(recipient, &message.join(" "))?),
        Command::Send { recipient, amount, message } => Some(Payment::both(recipient, amount, &message.join(" "))?),
        _ => None,
    };
    let Some(payment) = payment else { return super::execute(global, Some(session), command).await };
    output::line(&send::preview(session, &payment).await?);
    let agreed =
        session.yes || editor.readline(QUESTION).is_ok_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes"));
    if !agreed {
        output::line("nothing was sent");
        return Ok(());
    }
    send::pay(session, &payment).await
}

/// A line's words. The text of a message is one word, with its blanks and quotes as they were typed.
fn words_of(line: &str) -> Vec<String> {
    let mut words = line.split_whitespace();
    let leading = match words.next() {
        Some("t" | "m") => 2,
        Some("send") => 3,
        _ => return line.split_whitespace().map(str::to_owned).collect(),
    };
    let mut taken = Vec::new();
    let mut rest = line.trim_start();
    while taken.len() < leading && !rest.is_empty() {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        taken.push(word.to_owned());
        rest = tail.trim_start();
    }
    if !rest.is_empty() {
        // Whatever the text is, it is no option.
        taken.push("--".to_owned());
        taken.push(rest.trim_end().to_owned());
    }
    taken
}

fn help() -> String {
    let mut lines: Vec<String> = Cli::command()
        .get_subcommands()
        .filter(|command| command.get_name() != "completions")
        .map(|command| {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            format!("  {:<9} {about}", command.get_name())
        })
        .collect();
    lines.push("  quit      Leave; so does Ctrl-D".to_owned());
    lines.push("COMMAND --help tells more.".to_owned());
    lines.join("\n")
}

async fn greet(session: &Session) {
    match session.account().await {
        Ok(account) => {
            let name = account.id.map_or_else(|| account.fingerprint.clone(), |id| format!("node {id}"));
            let balance = output::amount(account.pending.balance);
            output::line(&format!("{name} at {}: {balance} BCC. `help` lists the commands.", session.client.url()));
        }
        // The node may come up later; each command says so itself.
        Err(failure) => eprintln!("{failure}"),
    }
}

async fn words(session: &Session) -> Words {
    let grammar = Cli::command();
    let commands = grammar.get_subcommands().map(|command| command.get_name().to_owned());
    let commands = commands.chain(["quit".to_owned()]).collect();
    let members = match session.client.network().await {
        Ok(network) => network.members.iter().map(|member| member.id.to_string()).collect(),
        Err(_) => Vec::new(),
    };
    Words { commands, members }
}

fn editor(words: Words) -> Result<Editor<Words, FileHistory>, Failure> {
    let mut editor = Editor::new().map_err(|error| Failure::new(EXIT_USAGE, format!("the terminal: {error}")))?;
    editor.set_helper(Some(words));
    Ok(editor)
}

/// Where the history is kept: it holds messages, so it is for its owner only.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
    let folder =
        state.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?.join("blockchat");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn save_history(editor: &mut Editor<Words, FileHistory>, path: &PathBuf) {
    let private = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
    if let Err(error) = private.map_err(ReadlineError::from).and_then(|_| editor.save_history(path)) {
        eprintln!("the history is not kept: {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_keeps_its_blanks_and_quotes() {
        assert_eq!(words_of("m 3 don't  --go"), ["m", "3", "--", "don't  --go"]);
        assert_eq!(words_of(" send 1 2.5 a b "), ["send", "1", "2.5", "--", "a b"]);
        assert_eq!(words_of("t 1 5"), ["t", "1", "--", "5"]);
        assert_eq!(words_of("m 3"), ["m", "3"]);
        assert_eq!(words_of("view  12"), ["view", "12"]);
    }

    #[test]
    fn commands_and_members_are_completed() {
        let words = Words { commands: vec!["view".into(), "verify".into()], members: vec!["1".into(), "10".into()] };
        assert_eq!(words.candidates("ve"), (0, vec!["verify".to_owned()]));
        assert_eq!(words.candidates("m 1"), (2, vec!["1".to_owned(), "10".to_owned()]));
        assert_eq!(words.candidates("m 1 1").1, Vec::<String>::new());
    }
}
