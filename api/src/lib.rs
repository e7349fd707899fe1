//! The public HTTP interface of a BlockChat node as types: what a client sends, what a node answers, under which
//! path, and with which error code.
//!
//! Node and client share this crate so that neither can drift from the other. It holds no
//! behaviour but the conversions between wire and ledger types.
//!
//! Conventions, the same on every endpoint:
//! * amounts are decimal strings in BCC with at most six places (`"12.5"`), never JSON numbers;
//! * hashes are 64 lower-case hex digits, keys are base64 of their SubjectPublicKeyInfo DER, signatures base64;
//! * in a request, an amount, hash or key stays a `String`: the node parses it, so that a bad one gets its own code
//!   (see [`Code`]) and not a parser's message;
//! * unknown fields in a request are refused (a misspelt `message` must not send an empty one), unknown fields in an
//!   answer are to be ignored by clients (fields may be added);
//! * every error is `application/problem+json`, see [`Problem`].

mod account;
mod block;
mod convert;
mod event;
mod network;
mod openapi;
pub mod paths;
mod printable;
mod problem;
mod text;
mod transaction;
mod wallet;

pub use account::AccountAnswer;
pub use block::{
    BlockAnswer, BlockPage, BlockRange, CertificateAnswer, CertificateSignature, EvidenceAnswer, EvidenceItem,
    LotteryAnswer, LotteryDraw, LotteryTicket, ReceiptItem,
};
pub use blockchat_ledger::{Amount, Hash};
pub use convert::ConvertError;
pub use event::{BlockEvent, DroppedEvent, Event, EventRange, EvidenceEvent, GapEvent};
pub use network::{
    FiguresAnswer, MemberItem, NetworkAnswer, ParametersAnswer, PeerItem, Phase, PoolAnswer, StatusAnswer,
};
pub use openapi::openapi;
pub use printable::printable;
pub use problem::{Code, ERROR_MEDIA_TYPE, Problem};
pub use transaction::{
    BatchAnswer, BatchItem, HeaderItem, InclusionItem, ReceiptAnswer, SignedTransactionRequest, SubmitAnswer,
    TransactionAnswer, TransactionBatchRequest, TransactionItem, TransactionStatus, TransactionType, Wait, WaitQuery,
};
pub use wallet::{
    Balances, HistoryItem, HistoryPage, HistoryRange, StakeRequest, UncommittedItem, WalletAnswer,
    WalletTransactionRequest,
};

/// Header in which a client names its wallet request, so that a retry is never paid twice.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";
/// Longest `Idempotency-Key`, in bytes of visible ASCII.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Most transactions in one batch.
pub const MAX_BATCH_TRANSACTIONS: usize = 10_000;
/// Largest body of any request but a batch, in bytes.
pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Largest body of a batch, in bytes.
pub const MAX_BATCH_BODY_BYTES: usize = 16 * 1024 * 1024;
/// Most items on one page (`limit`).
pub const MAX_PAGE_ITEMS: u32 = 1_000;
/// Items on a page when `limit` is missing.
pub const DEFAULT_PAGE_ITEMS: u32 = 100;
