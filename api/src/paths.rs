//! The paths of the public API, as templates (`{name}` is one path segment) and as functions that fill them in.

use std::fmt::Display;

/// Prefix of every path of this version.
pub const PREFIX: &str = "/api/v1";

/// `POST`: submit one transaction signed by the client; `?wait=committed`.
pub const TRANSACTIONS: &str = "/api/v1/transactions";
/// `POST`: submit up to [`crate::MAX_BATCH_TRANSACTIONS`] signed transactions.
pub const TRANSACTIONS_BATCH: &str = "/api/v1/transactions/batch";
/// `GET`: one transaction with its status.
pub const TRANSACTION: &str = "/api/v1/transactions/{id}";
/// `GET`: the receipt of a committed transaction.
pub const TRANSACTION_RECEIPT: &str = "/api/v1/transactions/{id}/receipt";
/// `GET`: the node's own wallet, final and pending.
pub const WALLET: &str = "/api/v1/wallet";
/// `POST`: let the node's wallet sign and submit; `GET`: its history.
pub const WALLET_TRANSACTIONS: &str = "/api/v1/wallet/transactions";
/// `PUT`: set the stake of the node's wallet.
pub const WALLET_STAKE: &str = "/api/v1/wallet/stake";
/// `GET`: one account; `{address}` is an id, base64 DER, PEM or fingerprint, percent-encoded.
pub const ACCOUNT: &str = "/api/v1/accounts/{address}";
/// `GET`: what an account sent and received, newest first.
pub const ACCOUNT_TRANSACTIONS: &str = "/api/v1/accounts/{address}/transactions";
/// `GET`: a page of blocks.
pub const BLOCKS: &str = "/api/v1/blocks";
/// `GET`: one block; `{block}` is its index, its hash, or `latest`.
pub const BLOCK: &str = "/api/v1/blocks/{block}";
/// `GET`: the commit certificate of a block.
pub const BLOCK_CERTIFICATE: &str = "/api/v1/blocks/{block}/certificate";
/// `GET`: the lottery that chose a block's validator, recomputable.
pub const BLOCK_LOTTERY: &str = "/api/v1/blocks/{block}/lottery";
/// `GET`: server-sent events: final blocks, dropped transactions, evidence.
pub const EVENTS: &str = "/api/v1/events";
/// `GET`: conflicting votes and proposals seen by this node.
pub const EVIDENCE: &str = "/api/v1/evidence";
/// `GET`: the network: chain id, parameters, members.
pub const NETWORK: &str = "/api/v1/network";
/// `GET`: this interface as an OpenAPI 3.1 document.
pub const OPENAPI: &str = "/api/v1/openapi.json";
/// `GET`: this node's state; answers before the node has joined, too.
pub const STATUS: &str = "/api/v1/status";

/// Path of one transaction.
pub fn transaction(id: impl Display) -> String {
    format!("{TRANSACTIONS}/{id}")
}

/// Path of a transaction's receipt.
pub fn transaction_receipt(id: impl Display) -> String {
    format!("{TRANSACTIONS}/{id}/receipt")
}

/// Path of one block: by index, by hash, or `latest`.
pub fn block(block: impl Display) -> String {
    format!("{BLOCKS}/{block}")
}

/// Path of a block's certificate.
pub fn block_certificate(block: impl Display) -> String {
    format!("{BLOCKS}/{block}/certificate")
}

/// Path of a block's lottery.
pub fn block_lottery(block: impl Display) -> String {
    format!("{BLOCKS}/{block}/lottery")
}

/// Path of an account. The address is percent-encoded: base64 may hold `/` and `+`, PEM holds line ends.
pub fn account(address: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::from("/api/v1/accounts/");
    for byte in address.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// Path of an account's history; the address as in [`account`].
pub fn account_transactions(address: &str) -> String {
    format!("{}/transactions", account(address))
}

#[cfg(test)]
mod tests {
    #[test]
    fn account_paths_are_percent_encoded() {
        assert_eq!(super::account("3"), "/api/v1/accounts/3");
        assert_eq!(super::account("MII+/="), "/api/v1/accounts/MII%2B%2F%3D");
        assert_eq!(super::account("a\nb"), "/api/v1/accounts/a%0Ab");
    }
}
