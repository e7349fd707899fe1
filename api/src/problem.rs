//! Errors as problem details (RFC 9457).

use crate::printable;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Media type of every error.
pub const ERROR_MEDIA_TYPE: &str = "application/problem+json";

/// The body of every answer with status 4xx or 5xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of problem: `urn:blockchat:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What kind of problem it is, the same text for each one of this kind.
    #[serde(deserialize_with = "printable::read")]
    pub title: String,
    /// The HTTP status, repeated.
    pub status: u16,
    /// What happened this time, for people.
    #[serde(deserialize_with = "printable::read")]
    pub detail: String,
    /// Stable, for programs; see [`Code`]. A `String`, so that a client survives a code it doesn't know.
    #[serde(deserialize_with = "printable::read")]
    pub code: String,
    /// The same as `detail`; clients of the original look for the text here.
    #[serde(deserialize_with = "printable::read")]
    pub message: String,
    /// The nonce the sender's next transaction must have; with `wrong_nonce` and `nonce_in_use`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_nonce: Option<u64>,
}

impl Problem {
    /// The code, if this version knows it.
    pub fn known_code(&self) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == self.code)
    }
}

/// Declares the codes once: name, wire form, title.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $wire:literal, $title:literal;)+) => {
        /// The stable code of a problem. Codes are never renamed; new ones may appear.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* $name),+ }

        impl Code {
            /// Every code of this version.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as it stands in [`Problem::code`].
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $wire),+ }
            }

            /// The fixed text of [`Problem::title`].
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),+ }
            }
        }
    };
}

codes! {
    // Framework: the request never reached an endpoint, or could not be read.
    /// 400: the body is no JSON.
    MalformedJson = "malformed_json", "The body is not JSON";
    /// 422: JSON, but a field is missing, unknown or of another type.
    InvalidRequest = "invalid_request", "The request does not have the documented form";
    /// 400: a path segment or query parameter can't be read.
    InvalidParameter = "invalid_parameter", "A path or query parameter is invalid";
    /// 400: `from`, `limit` or a cursor is out of range.
    InvalidPagination = "invalid_pagination", "The page asked for is invalid";
    /// 415: the content type is not `application/json`.
    UnsupportedMediaType = "unsupported_media_type", "The content type is not supported";
    /// 413: the body is larger than the limit.
    BodyTooLarge = "body_too_large", "The body is too large";
    /// 413: more transactions in a batch than [`crate::MAX_BATCH_TRANSACTIONS`].
    BatchTooLarge = "batch_too_large", "The batch holds too many transactions";
    /// 422: a batch without transactions.
    BatchEmpty = "batch_empty", "The batch is empty";
    /// 405: the path exists, but not with this method.
    MethodNotAllowed = "method_not_allowed", "The method is not allowed here";
    /// 404: no such path.
    UnknownPath = "unknown_path", "There is no such path";
    /// 408: the request was not answered within the node's bound.
    RequestTimeout = "request_timeout", "The request took too long";
    /// 401: a wallet call without the bearer token, or with a wrong one.
    Unauthorized = "unauthorized", "The bearer token is missing or wrong";

    /// 403: a browser's page whose origin `CORS_ORIGINS` does not list.
    OriginNotAllowed = "origin_not_allowed", "Pages of this origin may not use the node";

    // The node's condition.
    /// 503 with `Retry-After`: the node has not joined a network yet.
    NotJoined = "not_joined", "The node has not joined the network yet";
    /// 503 with `Retry-After`: the pool of pending transactions is full.
    PoolFull = "pool_full", "The pool of pending transactions is full";
    /// 429 with `Retry-After`: this sender has too many pending transactions.
    SenderLimit = "sender_limit", "The sender has too many pending transactions";
    /// 503 with `Retry-After`: until all members have their grants, the bootstrap node sends nothing else.
    GrantsPending = "grants_pending", "The members' grants are not committed yet";
    /// 503 with `Retry-After`: the node is shutting down or its core does not answer.
    Unavailable = "unavailable", "The node cannot answer now";
    /// 500: a defect of the node; details are in its log.
    Internal = "internal", "The node failed";

    // The transaction's form.
    /// 422: no decimal number, negative, more than six places, or too large.
    InvalidAmount = "invalid_amount", "The amount is invalid";
    /// 422: zero, where something must be moved.
    ZeroAmount = "zero_amount", "The amount is zero";
    /// 422: neither amount nor message.
    EmptyTransaction = "empty_transaction", "The transaction moves neither coins nor a message";
    /// 422: a message transaction without text.
    EmptyMessage = "empty_message", "The message is empty";
    /// 422: more than 16 KiB of UTF-8.
    MessageTooLong = "message_too_long", "The message is too long";
    /// 422: an address that is neither id, key nor fingerprint.
    InvalidAddress = "invalid_address", "The address is invalid";
    /// 422: a key that is no RSA key of 2048, 3072 or 4096 bits with e = 65537 in canonical DER.
    InvalidKey = "invalid_key", "The public key is not accepted";
    /// 422: not 64 hex digits.
    InvalidHash = "invalid_hash", "The hash is invalid";
    /// 422: not base64, or not of the key's length.
    InvalidSignature = "invalid_signature", "The signature does not verify";
    /// 422: the `transaction_id` given is not the hash of the other fields.
    IdMismatch = "id_mismatch", "The transaction id does not match its fields";
    /// 422: an amount, receiver or message that this type of transaction doesn't have, or genesis.
    InvalidTransaction = "invalid_transaction", "The transaction breaks a rule of its type";
    /// 422: an `Idempotency-Key` that is empty, too long or not visible ASCII.
    InvalidIdempotencyKey = "invalid_idempotency_key", "The Idempotency-Key is invalid";
    /// 422: the key was used for another request.
    IdempotencyConflict = "idempotency_conflict", "The Idempotency-Key was used for another request";

    // The transaction against the ledger.
    /// 404: a node id that is not in the ring, or a fingerprint never seen.
    UnknownRecipient = "unknown_recipient", "The recipient is unknown";
    /// 409: a short fingerprint that fits several accounts.
    AmbiguousAddress = "ambiguous_address", "The fingerprint fits several accounts";
    /// 422: sender and receiver are the same.
    SelfTransfer = "self_transfer", "Sender and recipient are the same";
    /// 409: the sender can't pay amount and fee.
    InsufficientBalance = "insufficient_balance", "The balance does not cover amount and fee";
    /// 409: not the sender's next nonce.
    WrongNonce = "wrong_nonce", "The nonce is not the sender's next one";
    /// 422: `valid_until` lies behind the chain.
    Expired = "expired", "The transaction has expired";
    /// 422: `valid_until` lies further ahead than the TTL.
    ValidUntilTooFar = "valid_until_too_far", "The transaction would be valid for too long";
    /// 422: signed for another chain.
    WrongChain = "wrong_chain", "The transaction belongs to another chain";
    /// 403: stakes are for members only.
    NotAMember = "not_a_member", "Only members of the network may do this";
    /// 409: another pending transaction of this sender has the same nonce.
    NonceInUse = "nonce_in_use", "Another pending transaction has this nonce";

    // Look-ups.
    /// 404: no such transaction, or dropped too long ago.
    UnknownTransaction = "unknown_transaction", "There is no such transaction";
    /// 404: no block with this index or hash.
    UnknownBlock = "unknown_block", "There is no such block";
    /// 404: no account with this address.
    UnknownAccount = "unknown_account", "There is no such account";
    /// 409: the transaction exists, but is not in a block.
    NotCommitted = "not_committed", "The transaction is not committed";
}

#[cfg(test)]
mod tests {
    use super::Code;
    use std::collections::BTreeSet;

    #[test]
    fn the_written_page_has_every_code() {
        let page = include_str!("../../docs/api.md");
        let rows: BTreeSet<(String, String)> = page
            .lines()
            .filter_map(|line| {
                let mut cells = line.strip_prefix("| `")?.strip_suffix(" |")?.split(" | ");
                let code = cells.next()?.strip_suffix('`')?;
                cells.next()?.parse::<u16>().ok()?;
                Some((code.to_owned(), cells.next()?.to_owned()))
            })
            .collect();
        let known = Code::ALL.iter().map(|code| (code.as_str().to_owned(), code.title().to_owned())).collect();
        assert_eq!(rows, known);
    }

    #[test]
    fn codes_are_distinct_snake_case() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(codes.iter().all(|code| code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }
}
