//! Accounts: any key that was ever paid.

use crate::Balances;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /accounts/{address}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountAnswer {
    /// The member id, if it is a member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// The public key, base64 DER.
    pub address: String,
    /// First 16 hex digits of SHA-256 of the DER.
    pub fingerprint: String,
    /// On the chain.
    #[serde(rename = "final")]
    pub final_state: Balances,
    /// After the account's own pending transactions, as this node knows them.
    pub pending: Balances,
}
