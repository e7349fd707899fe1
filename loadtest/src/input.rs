//! Transaction files: `transN.txt` holds what node N sends, one message a line.
//!
//! Two forms of a line are accepted: `id3 how are you` (the original's files) and `3   how are you` (the assignment's).
//! Between recipient and message stand one or more spaces or tabs; the message is the rest of the line, spaces at its
//! end included, since each character is paid for. Lines may end in CRLF; blank lines and a byte order mark are
//! skipped. Anything else is an error that names file, line and column, because a run that silently skips lines
//! measures something else than it says.

use blockchat_ledger::MAX_MESSAGE_BYTES;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// How many errors of one file are reported.
const MAX_ERRORS_PER_FILE: usize = 5;

/// One line of a transaction file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// From 1, as an editor counts.
    pub number: usize,
    /// The recipient as written, not yet folded.
    pub recipient: u16,
    /// The text.
    pub message: String,
}

/// A line, or a whole file, that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct InputError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, both from 1, columns in characters; `None` if the file itself is the problem.
    pub position: Option<(usize, usize)>,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some((line, column)) = self.position {
            write!(out, ":{line}:{column}")?;
        }
        write!(out, ": {}", self.reason)
    }
}

/// Reads `transN.txt` of each node in `ids` from `directory`.
///
/// # Errors
/// Every error found in any of the files (of one file the first few), or that all files together hold no transaction.
pub fn read_directory(
    directory: &Path,
    ids: impl IntoIterator<Item = u16>,
) -> Result<BTreeMap<u16, Vec<Line>>, Vec<InputError>> {
    let mut files = BTreeMap::new();
    let mut errors = Vec::new();
    for id in ids {
        match read_file(&directory.join(format!("trans{id}.txt"))) {
            Ok(lines) => {
                files.insert(id, lines);
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() && files.values().all(Vec::is_empty) {
        errors.push(InputError {
            file: directory.to_owned(),
            position: None,
            reason: "the transaction files hold no transaction".to_owned(),
        });
    }
    if errors.is_empty() { Ok(files) } else { Err(errors) }
}

/// Reads one file.
///
/// # Errors
/// The first few errors in it.
pub fn read_file(path: &Path) -> Result<Vec<Line>, Vec<InputError>> {
    let bytes = std::fs::read(path).map_err(|error| {
        vec![InputError { file: path.to_owned(), position: None, reason: format!("it cannot be read: {error}") }]
    })?;
    parse(path, &bytes)
}

/// Parses a file's contents; `file` is only named in errors.
///
/// # Errors
/// The first few errors in it.
pub fn parse(file: &Path, bytes: &[u8]) -> Result<Vec<Line>, Vec<InputError>> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    let mut lines = Vec::new();
    let mut errors = Vec::new();
    for (index, raw) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        match parse_line(raw) {
            Ok(None) => {}
            Ok(Some((recipient, message))) => lines.push(Line { number, recipient, message }),
            Err((column, reason)) => {
                errors.push(InputError { file: file.to_owned(), position: Some((number, column)), reason });
            }
        }
        if errors.len() == MAX_ERRORS_PER_FILE {
            break;
        }
    }
    if errors.is_empty() { Ok(lines) } else { Err(errors) }
}

/// One line without its `\n`: `None` if blank, else recipient and message; or the column of the error and the reason.
fn parse_line(raw: &[u8]) -> Result<Option<(u16, String)>, (usize, String)> {
    let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
    let text = std::str::from_utf8(raw).map_err(|error| {
        let valid = &raw[..error.valid_up_to()];
        let column = String::from_utf8_lossy(valid).chars().count() + 1;
        (column, "the text is not UTF-8 from here on".to_owned())
    })?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    let (digits, digits_column) = match text.strip_prefix("id") {
        Some(rest) => (rest, 3),
        None => (text, 1),
    };
    let digits_end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(digits_end);
    if digits.is_empty() {
        let reason = "expected a recipient, as `id3 message` or `3 message`";
        return Err((digits_column, reason.to_owned()));
    }
    let recipient = digits.parse().map_err(|_| {
        let reason = format!("the recipient {digits} is too large for a node id (at most 65535)");
        (digits_column, reason)
    })?;
    let after_digits = digits_column + digits.len();
    let message = rest.trim_start_matches([' ', '\t']);
    if message.is_empty() {
        return Err((after_digits, "the message is missing".to_owned()));
    }
    if message.len() == rest.len() {
        let reason = format!("expected a space between the recipient {digits} and the message");
        return Err((after_digits, reason));
    }
    if message.len() > MAX_MESSAGE_BYTES {
        let column = after_digits + (rest.len() - message.len());
        let reason = format!(
            "the message has {} bytes, more than the {MAX_MESSAGE_BYTES} that fit a transaction",
            message.len()
        );
        return Err((column, reason));
    }
    Ok(Some((recipient, message.to_owned())))
}

/// The recipient in a network of `nodes` members, seen from node `sender`: ids from `nodes` on fold down by `nodes` (so
/// that the files for ten nodes also run on five), and oneself becomes the next node.
pub fn fold(recipient: u16, sender: u16, nodes: u16) -> u16 {
    let folded = recipient % nodes;
    if folded == sender { (sender + 1) % nodes } else { folded }
}

#[cfg(test)]
mod tests {
    use super::{InputError, fold, parse, read_directory};
    use std::path::Path;

    fn accepted(text: &[u8]) -> Vec<(usize, u16, String)> {
        let lines = parse(Path::new("trans0.txt"), text).expect("the file is fine");
        lines.into_iter().map(|line| (line.number, line.recipient, line.message)).collect()
    }

    fn refused(text: &[u8]) -> Vec<String> {
        let errors = parse(Path::new("in/trans0.txt"), text).expect_err("the file is refused");
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn both_forms_of_a_line_are_read() {
        assert_eq!(accepted(b"id3 hello there\n"), [(1, 3, "hello there".into())]);
        assert_eq!(accepted(b"3   hello there\n"), [(1, 3, "hello there".into())]);
        assert_eq!(accepted(b"3\thello"), [(1, 3, "hello".into())]);
        assert_eq!(accepted(b"id12 two digits"), [(1, 12, "two digits".into())]);
        assert_eq!(accepted(b"007 agent"), [(1, 7, "agent".into())]);
        assert_eq!(accepted(b"id65535 x"), [(1, 65535, "x".into())]);
    }

    #[test]
    fn line_ends_blank_lines_and_byte_order_mark() {
        let text = b"\xEF\xBB\xBFid1 a\r\n\r\n \t\nid2 b\r\nid3 c";
        assert_eq!(accepted(text), [(1, 1, "a".into()), (4, 2, "b".into()), (5, 3, "c".into())]);
        assert_eq!(accepted(b""), []);
        assert_eq!(accepted(b"\n\n"), []);
    }

    #[test]
    fn the_message_is_the_rest_of_the_line() {
        assert_eq!(accepted(b"id1 two  spaces "), [(1, 1, "two  spaces ".into())]);
        assert_eq!(accepted(b"id1 id2 in text"), [(1, 1, "id2 in text".into())]);
        let text = "id1 καλημέρα 🌞".as_bytes();
        assert_eq!(accepted(text), [(1, 1, "καλημέρα 🌞".into())]);
        assert_eq!(accepted(b"1 5"), [(1, 1, "5".into())]);
    }

    #[test]
    fn errors_name_file_line_and_column() {
        for (text, expected) in [
            (&b"hello"[..], "in/trans0.txt:1:1: expected a recipient"),
            (b"id1 a\nid hello", "in/trans0.txt:2:3: expected a recipient"),
            (b"idx hello", "in/trans0.txt:1:3: expected a recipient"),
            (b" id1 indented", "in/trans0.txt:1:1: expected a recipient"),
            (b"ID1 capitals", "in/trans0.txt:1:1: expected a recipient"),
            (b"-1 negative", "in/trans0.txt:1:1: expected a recipient"),
            (b"\n\nid1", "in/trans0.txt:3:4: the message is missing"),
            (b"id12   \r\n", "in/trans0.txt:1:5: the message is missing"),
            (b"id1hello", "in/trans0.txt:1:4: expected a space"),
            (b"1.5 coins", "in/trans0.txt:1:2: expected a space"),
            (b"id65536 x", "in/trans0.txt:1:3: the recipient 65536 is too large"),
            ("id1 é\u{e9}".as_bytes().split_last().unwrap().1, "in/trans0.txt:1:6: the text is not UTF-8"),
        ] {
            let errors = refused(text);
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(errors[0].starts_with(expected), "{errors:?} for {expected}");
        }
        let long = [b"id1  ".to_vec(), vec![b'x'; 16 * 1024 + 1]].concat();
        assert!(refused(&long)[0].starts_with("in/trans0.txt:1:6: the message has 16385 bytes"));
    }

    #[test]
    fn several_errors_are_reported_together_and_bounded() {
        assert_eq!(refused(b"x\nid1 fine\ny\n").len(), 2);
        assert_eq!(refused(&b"bad\n".repeat(100)).len(), 5);
    }

    #[test]
    fn a_directory_is_read_whole() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        write("trans0.txt", "id1 a\n");
        write("trans1.txt", "oops\n");
        let positions = |errors: Vec<InputError>| -> Vec<String> {
            let name = |error: &InputError| error.file.file_name().unwrap().to_owned();
            errors.iter().map(|error| format!("{}{:?}", name(error).display(), error.position)).collect()
        };
        let errors = read_directory(directory.path(), 0..3).unwrap_err();
        assert_eq!(positions(errors), ["trans1.txtSome((1, 1))", "trans2.txtNone"]);
        write("trans1.txt", "");
        assert_eq!(read_directory(directory.path(), 0..2).unwrap()[&0].len(), 1);
        assert_eq!(read_directory(directory.path(), 1..2).unwrap_err().len(), 1);
    }

    #[test]
    fn recipients_fold_and_never_are_oneself() {
        assert_eq!(fold(3, 0, 5), 3);
        assert_eq!(fold(7, 0, 5), 2);
        assert_eq!(fold(9, 4, 5), 0, "folds onto oneself, so the next, which wraps");
        assert_eq!(fold(0, 0, 5), 1);
        assert_eq!(fold(12, 1, 5), 2);
        for sender in 0..5 {
            for recipient in 0..40 {
                let folded = fold(recipient, sender, 5);
                assert!(folded < 5 && folded != sender);
            }
        }
    }
}
