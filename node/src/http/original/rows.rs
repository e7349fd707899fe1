//! Transactions as the original's tables show them.

use blockchat_ledger::{Amount, Kind, Party, Ring, SignedTransaction};

use crate::http::error::ApiError;
use crate::http::render;
use crate::http::state::Joined;

/// Most rows of the wallet's history in one answer; of more, the newest.
const MAX_ROWS: usize = 10_000;
/// Stands for address 0.
const NOBODY: &str = "--";
/// The validator of a transaction without a block.
const NO_VALIDATOR: &str = "None";

/// One line of a table.
pub type Row = Vec<Cell>;

/// One value in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// A member's id.
    Id(u16),
    /// BCC.
    Amount(Amount),
    /// Anything else.
    Text(String),
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A member's id; another account's fingerprint; nobody.
fn party(party: &Party, ring: &Ring) -> Cell {
    match (render::member_id(party, ring), party.account_id()) {
        (Some(id), _) => Cell::Id(id),
        (None, Some(account)) => Cell::Text(account.short()),
        (None, None) => text(NOBODY),
    }
}

/// Sender, receiver, amount, message; the validator comes behind.
fn row(signed: &SignedTransaction, validator: Cell, ring: &Ring) -> Row {
    let transaction = signed.transaction();
    let message = if transaction.kind == Kind::Stake { "stake update" } else { &transaction.message };
    vec![
        party(&transaction.sender, ring),
        party(&transaction.receiver, ring),
        Cell::Amount(transaction.amount),
        text(message),
        validator,
    ]
}

/// The newest block's transactions.
pub fn newest_block(node: &Joined) -> Result<Vec<Row>, ApiError> {
    let Some(found) = node.chain.block(node.view().height)? else { return Ok(Vec::new()) };
    let validator = party(&found.block.header.validator, &node.ring);
    Ok(found.block.transactions.iter().map(|signed| row(signed, validator.clone(), &node.ring)).collect())
}

/// What the wallet sent and received, in order of arrival: what stands in blocks, what failed lately, what is pending.
pub fn of_wallet(node: &Joined) -> Result<Vec<Row>, ApiError> {
    let account = node.wallet.public_key().account_id();
    // Before the chain is read: what is committed meanwhile is seen twice rather than never.
    let (failed, pending) = (node.activity.failed_of(&account), node.activity.pending_of(&account));
    let mut locations = node.chain.history(&account, None, MAX_ROWS)?;
    locations.reverse();
    let mut rows = Vec::with_capacity(locations.len() + failed.len() + pending.len());
    let mut committed = std::collections::HashSet::with_capacity(locations.len());
    for at in locations {
        let Some(found) = node.chain.block(at.height)? else { continue };
        let position = usize::try_from(at.position).unwrap_or(usize::MAX);
        let Some(signed) = found.block.transactions.get(position) else { continue };
        committed.insert(signed.id());
        let validator = party(&found.block.header.validator, &node.ring);
        rows.push(with_status(row(signed, validator, &node.ring), "Confirmed"));
    }
    for (signed, status) in
        failed.iter().map(|signed| (signed, "Failed")).chain(pending.iter().map(|signed| (signed, "Unconfirmed")))
    {
        if !committed.contains(&signed.id()) {
            rows.push(with_status(row(signed, text(NO_VALIDATOR), &node.ring), status));
        }
    }
    Ok(rows)
}

fn with_status(mut row: Row, status: &str) -> Row {
    row.push(text(status));
    row
}
