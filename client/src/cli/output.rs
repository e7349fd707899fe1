//! How things are written: tables that fit the terminal, readable amounts, times and addresses; or JSON.

use super::args::Format;
pub use blockchat_client::api::printable as text;
use blockchat_client::api::{Amount, TransactionItem, TransactionType};
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use serde::Serialize;
use std::fmt::Display;
use std::io::{self, Write as _};

/// Writes JSON, or what `table` gives. A closed pipe ends the program quietly, as for any other tool.
pub fn show(format: Format, value: &impl Serialize, table: impl FnOnce() -> String) {
    let text = match format {
        Format::Table => table(),
        Format::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
    };
    line(&text);
}

/// Writes a line to stdout.
pub fn line(text: &str) {
    if let Err(error) = writeln!(io::stdout(), "{}", text.trim_end_matches('\n'))
        && error.kind() == io::ErrorKind::BrokenPipe
    {
        std::process::exit(0);
    }
}

/// A table with these headings.
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings);
    table
}

/// A number's cell.
pub fn right(text: impl Display) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// `1,234.5`.
pub fn amount(amount: Amount) -> String {
    let text = amount.to_string();
    let (whole, places) = text.split_once('.').map_or((text.as_str(), None), |(whole, places)| (whole, Some(places)));
    let mut grouped = String::new();
    for (position, digit) in whole.chars().enumerate() {
        if position > 0 && (whole.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match places {
        Some(places) => format!("{grouped}.{places}"),
        None => grouped,
    }
}

/// `2026-01-31 12:00:00.123` UTC.
pub fn time(milliseconds: u64) -> String {
    let timestamp = i64::try_from(milliseconds).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    timestamp.map_or_else(|| milliseconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string())
}

/// A transaction's id: whole, or its first digits.
pub fn id(hash: impl Display, full: bool) -> String {
    if full { hash.to_string() } else { format!("{hash:.12}") }
}

/// Who it is: a member's id, `network`, or the key's fingerprint.
pub fn who(id: Option<u16>, address: &str) -> String {
    if let Some(id) = id {
        return format!("node {id}");
    }
    if address == "0" {
        return "network".to_owned();
    }
    blockchat_ledger::PublicKey::from_base64(address)
        .map_or_else(|_| "unknown".to_owned(), |key| key.account_id().short())
}

/// What a transaction is, in a word.
pub fn kind(kind: TransactionType) -> &'static str {
    match kind {
        TransactionType::Coins => "coins",
        TransactionType::Message => "message",
        TransactionType::CoinsAndMessage => "coins + message",
        TransactionType::Stake => "stake",
        TransactionType::Grant => "grant",
        TransactionType::Genesis => "genesis",
    }
}

/// The amount of a transaction; nothing for a message alone.
pub fn moved(item: &TransactionItem) -> String {
    if item.type_of_transaction == TransactionType::Message { String::new() } else { amount(item.amount) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped() {
        for (plain, grouped) in [("0", "0"), ("999", "999"), ("1000", "1,000"), ("1234567.000001", "1,234,567.000001")]
        {
            assert_eq!(amount(plain.parse().unwrap()), grouped);
        }
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00.000");
        assert_eq!(time(1_700_000_000_123), "2023-11-14 22:13:20.123");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }

    #[test]
    fn a_message_cannot_control_the_terminal() {
        assert_eq!(text("a\u{1b}[2Jb\nc"), "a\u{fffd}[2Jb\u{fffd}c");
    }
}
