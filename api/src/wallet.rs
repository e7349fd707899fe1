//! The node's own wallet: it signs for whoever holds the node's token.

use crate::text::{AmountText, HashText};
use crate::{Amount, Hash, TransactionItem, TransactionStatus};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// `POST /wallet/transactions`: coins, a message, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WalletTransactionRequest {
    /// Recipient: a node id, a PEM or base64 DER public key, or a fingerprint.
    pub to: String,
    /// BCC, decimal; missing for a message without coins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Text; missing for coins without a message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// `PUT /wallet/stake`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StakeRequest {
    /// The stake to have from then on, BCC; `"0"` frees it all.
    pub amount: String,
}

/// Balance, stake and nonce of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Balances {
    /// Spendable, BCC.
    #[schema(value_type = AmountText)]
    pub balance: Amount,
    /// Locked, BCC.
    #[schema(value_type = AmountText)]
    pub stake: Amount,
    /// The next nonce.
    pub nonce: u64,
}

/// `GET /wallet`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WalletAnswer {
    /// The member id.
    pub id: u16,
    /// The public key, base64 DER.
    pub address: String,
    /// First 16 hex digits of SHA-256 of the DER.
    pub fingerprint: String,
    /// On the chain.
    #[serde(rename = "final")]
    pub final_state: Balances,
    /// After the wallet's own pending transactions.
    pub pending: Balances,
}

/// The query of `GET /wallet/transactions` and `GET /accounts/{address}/transactions`: newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryRange {
    /// Only what is older than this: [`HistoryPage::next`] of the page before. Missing: from the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Most items, 1 to [`crate::MAX_PAGE_ITEMS`]; [`crate::DEFAULT_PAGE_ITEMS`] if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// A page of transactions that an account sent or received, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPage {
    /// The items.
    pub transactions: Vec<HistoryItem>,
    /// What is not in a block: pending, oldest first, then what left the pool lately. On the first page only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncommitted: Vec<UncommittedItem>,
    /// Give this as `before` for the next page; missing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A transaction of the history that is in no block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UncommittedItem {
    /// The transaction.
    pub transaction: TransactionItem,
    /// Where it stands.
    pub status: TransactionStatus,
    /// Why it was rejected or has expired: a stable code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryItem {
    /// The transaction.
    pub transaction: TransactionItem,
    /// Where it stands.
    pub status: TransactionStatus,
    /// The block that holds it.
    pub block_index: u64,
    /// That block's hash.
    #[schema(value_type = HashText)]
    pub block_hash: Hash,
    /// Member id of that block's validator; missing for genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_id: Option<u16>,
}
