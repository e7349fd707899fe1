//! What goes wrong, as the caller sees it. This file alone decides which code has which HTTP status.
//!
//! The caller gets a stable code and a sentence about its own request; what broke inside the node goes to the log,
//! once, where it is handled.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use blockchat_api::{Code, ERROR_MEDIA_TYPE, Problem};
use blockchat_consensus::SubmitError;
use blockchat_ledger::{DropReason, KeyError, PoolError, TransactionError};

use crate::http::backend::{ChainError, Unavailable};
use crate::wallet::WalletError;

/// A refused request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What kind of problem it is.
    pub code: Code,
    /// What happened this time.
    pub detail: String,
    /// The nonce that would have been right.
    pub expected_nonce: Option<u64>,
}

impl ApiError {
    /// A problem of this kind, explained.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), expected_nonce: None }
    }

    /// The HTTP status of the code.
    pub fn status(&self) -> StatusCode {
        status(self.code)
    }

    /// The body of the answer.
    pub fn problem(&self) -> Problem {
        Problem {
            kind: format!("urn:blockchat:problem:{}", self.code.as_str()),
            title: self.code.title().to_owned(),
            status: self.status().as_u16(),
            detail: self.detail.clone(),
            code: self.code.as_str().to_owned(),
            message: self.detail.clone(),
            expected_nonce: self.expected_nonce,
        }
    }
}

/// HTTP status of each code.
pub const fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedJson | Code::InvalidParameter | Code::InvalidPagination => StatusCode::BAD_REQUEST,
        Code::Unauthorized => StatusCode::UNAUTHORIZED,
        Code::NotAMember | Code::OriginNotAllowed => StatusCode::FORBIDDEN,
        Code::UnknownPath
        | Code::UnknownRecipient
        | Code::UnknownTransaction
        | Code::UnknownBlock
        | Code::UnknownAccount => StatusCode::NOT_FOUND,
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        Code::AmbiguousAddress
        | Code::InsufficientBalance
        | Code::WrongNonce
        | Code::NonceInUse
        | Code::NotCommitted => StatusCode::CONFLICT,
        Code::BodyTooLarge | Code::BatchTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::InvalidRequest
        | Code::BatchEmpty
        | Code::InvalidAmount
        | Code::ZeroAmount
        | Code::EmptyTransaction
        | Code::EmptyMessage
        | Code::MessageTooLong
        | Code::InvalidAddress
        | Code::InvalidKey
        | Code::InvalidHash
        | Code::InvalidSignature
        | Code::IdMismatch
        | Code::InvalidTransaction
        | Code::InvalidIdempotencyKey
        | Code::IdempotencyConflict
        | Code::SelfTransfer
        | Code::Expired
        | Code::ValidUntilTooFar
        | Code::WrongChain => StatusCode::UNPROCESSABLE_ENTITY,
        Code::SenderLimit => StatusCode::TOO_MANY_REQUESTS,
        Code::NotJoined | Code::PoolFull | Code::GrantsPending | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds after which the same request may succeed, for the codes where waiting helps.
const fn retry_after(code: Code) -> Option<&'static str> {
    match code {
        Code::NotJoined | Code::PoolFull | Code::SenderLimit | Code::GrantsPending | Code::Unavailable => Some("1"),
        _ => None,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.problem())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(ERROR_MEDIA_TYPE));
        if let Some(seconds) = retry_after(self.code) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if self.code == Code::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// The code of a broken rule of the ledger.
pub const fn transaction_code(error: &TransactionError) -> Code {
    match error {
        TransactionError::WrongChain => Code::WrongChain,
        TransactionError::SelfReceiver => Code::SelfTransfer,
        TransactionError::ZeroAmount => Code::ZeroAmount,
        TransactionError::EmptyMessage => Code::EmptyMessage,
        TransactionError::MessageTooLong => Code::MessageTooLong,
        TransactionError::Expired { .. } => Code::Expired,
        TransactionError::ValidUntilTooFar { .. } => Code::ValidUntilTooFar,
        TransactionError::WrongNonce { .. } | TransactionError::NonceExhausted => Code::WrongNonce,
        TransactionError::InsufficientBalance { .. } | TransactionError::UnknownSender => Code::InsufficientBalance,
        TransactionError::CostOverflow(_) => Code::InvalidAmount,
        TransactionError::NotAMember => Code::NotAMember,
        TransactionError::GrantsPending => Code::GrantsPending,
        TransactionError::GenesisOutsideGenesis
        | TransactionError::NetworkSender
        | TransactionError::NetworkReceiver
        | TransactionError::StakeReceiver
        | TransactionError::UnexpectedAmount
        | TransactionError::UnexpectedMessage
        | TransactionError::NotTheBootstrap
        | TransactionError::GrantReceiver
        | TransactionError::AlreadyGranted
        | TransactionError::GrantAmount { .. } => Code::InvalidTransaction,
    }
}

impl From<TransactionError> for ApiError {
    fn from(error: TransactionError) -> Self {
        let expected_nonce = match error {
            TransactionError::WrongNonce { expected, .. } => Some(expected),
            _ => None,
        };
        Self { code: transaction_code(&error), detail: error.to_string(), expected_nonce }
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        let code = match &error {
            PoolError::Invalid(broken) => return broken.clone().into(),
            PoolError::Full | PoolError::HeldFull | PoolError::TooDeep => Code::PoolFull,
            PoolError::SenderFull => Code::SenderLimit,
            // A known id is answered with its status before it gets here.
            PoolError::NonceTaken { .. } | PoolError::Duplicate | PoolError::OtherSignature => Code::NonceInUse,
        };
        let expected_nonce = match &error {
            PoolError::NonceTaken { expected, .. } => Some(*expected),
            _ => None,
        };
        Self { code, detail: error.to_string(), expected_nonce }
    }
}

impl From<SubmitError> for ApiError {
    fn from(error: SubmitError) -> Self {
        let code = match error {
            SubmitError::Pool(error) => return error.into(),
            SubmitError::BadSignature => Code::InvalidSignature,
            SubmitError::CatchingUp => Code::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<KeyError> for ApiError {
    fn from(error: KeyError) -> Self {
        Self::new(Code::InvalidKey, error.to_string())
    }
}

impl From<Unavailable> for ApiError {
    fn from(error: Unavailable) -> Self {
        Self::new(Code::Unavailable, error.to_string())
    }
}

impl From<ChainError> for ApiError {
    fn from(error: ChainError) -> Self {
        tracing::error!(%error, "reading the store failed");
        Self::new(Code::Internal, "the node could not read its store")
    }
}

impl From<WalletError> for ApiError {
    fn from(error: WalletError) -> Self {
        match error {
            WalletError::Submit(error) => error.into(),
            WalletError::Chain(error) => error.into(),
            WalletError::Unavailable(error) => error.into(),
            WalletError::Sign(error) => {
                tracing::error!(%error, "the wallet could not sign");
                Self::new(Code::Internal, "the node's wallet could not sign")
            }
            WalletError::KeyReused => Self::new(Code::IdempotencyConflict, error.to_string()),
            WalletError::Undecided { .. } => Self::new(Code::NonceInUse, error.to_string()),
        }
    }
}

/// The stable code of the reason for which a transaction left the pool.
pub const fn drop_code(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Expired => Code::Expired.as_str(),
        DropReason::CantPay(_) => Code::InsufficientBalance.as_str(),
        DropReason::Invalid(error) => transaction_code(error).as_str(),
        DropReason::NonceUsed | DropReason::Predecessor { .. } | DropReason::HeldTooLong => reason.code(),
    }
}
