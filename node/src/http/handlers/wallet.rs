//! The node's own wallet: whoever may call this spends its coins.

use std::sync::Arc;

use axum::Json;
use axum::http::HeaderMap;
use axum::response::Response;
use blockchat_api::{
    Code, HistoryItem, HistoryPage, HistoryRange, IDEMPOTENCY_KEY_HEADER, MAX_IDEMPOTENCY_KEY_BYTES, StakeRequest,
    TransactionStatus, UncommittedItem, WaitQuery, WalletAnswer, WalletTransactionRequest,
};
use blockchat_ledger::{AccountId, Amount, MAX_MESSAGE_BYTES};

use super::{blocks, submitted};
use crate::http::activity::Outcome;
use crate::http::address;
use crate::http::backend::Location;
use crate::http::error::ApiError;
use crate::http::extract::{Body, Page, Parameters};
use crate::http::render;
use crate::http::state::{Joined, Node};
use crate::wallet::Order;

/// `GET /wallet`.
pub async fn show(Node(node): Node) -> Result<Json<WalletAnswer>, ApiError> {
    let key = node.wallet.public_key();
    let account = key.account_id();
    let pending = node.backend.pending_account(account).await?;
    Ok(Json(WalletAnswer {
        id: node.me,
        address: key.to_base64(),
        fingerprint: account.short(),
        final_state: render::final_balances(node.view().state.account(&account)),
        pending: render::pending_balances(&pending),
    }))
}

/// `POST /wallet/transactions`.
pub async fn send(
    Node(node): Node,
    Parameters(query): Parameters<WaitQuery>,
    headers: HeaderMap,
    Body(request): Body<WalletTransactionRequest>,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?;
    let order = order(&node, &request)?;
    let signed = node.wallet.execute(order, key).await?;
    submitted::answer(&node, &signed, query.wait).await
}

/// `PUT /wallet/stake`.
pub async fn stake(
    Node(node): Node,
    Parameters(query): Parameters<WaitQuery>,
    headers: HeaderMap,
    Body(request): Body<StakeRequest>,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?;
    let amount = parse_amount(&request.amount)?;
    let signed = node.wallet.execute(Order::Stake(amount), key).await?;
    submitted::answer(&node, &signed, query.wait).await
}

/// Reads what the caller wants to send. A missing amount and `"0"` beside a message mean the same.
fn order(node: &Joined, request: &WalletTransactionRequest) -> Result<Order, ApiError> {
    let amount = request.amount.as_deref().map(parse_amount).transpose()?;
    let message = request.message.clone().unwrap_or_default();
    if message.len() > MAX_MESSAGE_BYTES {
        let detail = format!("the message is longer than {MAX_MESSAGE_BYTES} bytes of UTF-8");
        return Err(ApiError::new(Code::MessageTooLong, detail));
    }
    let receiver = address::resolve(&request.to, &node.ring, &node.view().state, Code::UnknownRecipient)?;
    if receiver == *node.wallet.public_key() {
        return Err(ApiError::new(Code::SelfTransfer, "the recipient is this node's own wallet"));
    }
    match amount {
        Some(amount) if !amount.is_zero() => Ok(Order::Pay { receiver, amount, message }),
        Some(_) if message.is_empty() => Err(ApiError::new(Code::ZeroAmount, "the amount must be greater than 0")),
        None if message.is_empty() && request.message.is_some() => {
            Err(ApiError::new(Code::EmptyMessage, "the message is empty"))
        }
        None if message.is_empty() => Err(ApiError::new(Code::EmptyTransaction, "neither amount nor message is given")),
        _ => Ok(Order::Pay { receiver, amount: Amount::ZERO, message }),
    }
}

fn parse_amount(text: &str) -> Result<Amount, ApiError> {
    text.parse().map_err(|error: blockchat_ledger::AmountError| ApiError::new(Code::InvalidAmount, error.to_string()))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY_HEADER) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| {
        !text.is_empty() && text.len() <= MAX_IDEMPOTENCY_KEY_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic())
    });
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        let detail = format!("an Idempotency-Key is 1 to {MAX_IDEMPOTENCY_KEY_BYTES} visible ASCII characters");
        ApiError::new(Code::InvalidIdempotencyKey, detail)
    })
}

/// `GET /wallet/transactions`.
pub async fn history(Node(node): Node, Page(range): Page<HistoryRange>) -> Result<Json<HistoryPage>, ApiError> {
    let account = node.wallet.public_key().account_id();
    page(&node, account, &range).await
}

/// A page of an account's history, newest first, from the index by account.
pub(super) async fn page(
    node: &Arc<Joined>,
    account: AccountId,
    range: &HistoryRange,
) -> Result<Json<HistoryPage>, ApiError> {
    let limit = blocks::limit(range.limit)?;
    let before = range.before.as_deref().map(parse_cursor).transpose()?;
    let page = node
        .read(move |node| {
            let uncommitted = if before.is_none() { uncommitted(node, &account) } else { Vec::new() };
            // One more than asked for tells whether there is another page.
            let mut locations = node.chain.history(&account, before, limit + 1)?;
            let more = locations.len() > limit;
            locations.truncate(limit);
            let next = locations.last().filter(|_| more).map(|last| format!("{}-{}", last.height, last.position));
            let transactions = locations.into_iter().map(|at| item(node, at)).collect::<Result<_, _>>()?;
            Ok(HistoryPage { transactions, uncommitted, next })
        })
        .await?;
    Ok(Json(page))
}

fn uncommitted(node: &Joined, account: &AccountId) -> Vec<UncommittedItem> {
    let pending = node.activity.pending_of(account).into_iter().map(|signed| UncommittedItem {
        transaction: render::transaction(&signed, &node.ring),
        status: TransactionStatus::Pending,
        reason: None,
    });
    let failed = node.activity.failed_of(account).into_iter().map(|signed| {
        let (status, reason) = match node.activity.outcome(&signed.id()) {
            Some(Outcome::Dropped(status, reason)) => (status, Some(reason.to_owned())),
            _ => (TransactionStatus::Rejected, None),
        };
        UncommittedItem { transaction: render::transaction(&signed, &node.ring), status, reason }
    });
    pending.chain(failed).collect()
}

fn item(node: &Joined, at: Location) -> Result<HistoryItem, ApiError> {
    let missing = || ApiError::new(Code::Internal, format!("the index names block {} in vain", at.height));
    let found = node.chain.block(at.height)?.ok_or_else(missing)?;
    let position = usize::try_from(at.position).map_err(|_| missing())?;
    let signed = found.block.transactions.get(position).ok_or_else(missing)?;
    Ok(HistoryItem {
        transaction: render::transaction(signed, &node.ring),
        status: TransactionStatus::Committed,
        block_index: at.height,
        block_hash: found.block.hash(),
        validator_id: render::member_id(&found.block.header.validator, &node.ring),
    })
}

fn parse_cursor(text: &str) -> Result<Location, ApiError> {
    let parsed = text.split_once('-').and_then(|(height, position)| {
        Some(Location { height: height.parse().ok()?, position: position.parse().ok()? })
    });
    parsed.ok_or_else(|| ApiError::new(Code::InvalidPagination, "before must be the next of an earlier page"))
}
