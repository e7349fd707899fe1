//! Text that somebody else wrote and that ends on a terminal or in a log.

use serde::{Deserialize, Deserializer};

/// The text, with U+FFFD for every control character: neither an escape sequence nor a forged line gets through.
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { char::REPLACEMENT_CHARACTER } else { character }).collect()
}

/// For `#[serde(deserialize_with)]`: what a node tells is printable from the moment it is read.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|text| printable(&text))
}

/// The same, of text that may be missing.
pub(crate) fn read_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.as_deref().map(printable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Problem;

    #[test]
    fn what_could_control_a_terminal_is_replaced() {
        assert_eq!(printable("füße: 3 €"), "füße: 3 €");
        assert_eq!(printable("\u{1b}]0;title\u{7}\r\nINFO forged\u{9b}2J\u{7f}"), "�]0;title���INFO forged�2J�");
    }

    #[test]
    fn a_problem_is_printable_from_the_start() {
        let text =
            r#"{"type":"t","title":"a\u001bb","status":400,"detail":"a\nb","code":"c\u0007","message":"\u009b2J"}"#;
        let problem: Problem = serde_json::from_str(text).unwrap();
        let texts = [problem.title, problem.detail, problem.code, problem.message];
        assert!(!texts.concat().chars().any(char::is_control), "{texts:?}");
    }
}
