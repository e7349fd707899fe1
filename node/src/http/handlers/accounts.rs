//! Any account.

use axum::Json;
use blockchat_api::{AccountAnswer, Code, HistoryPage, HistoryRange};

use super::wallet;
use crate::http::error::ApiError;
use crate::http::extract::{Page, Segment};
use crate::http::state::Node;
use crate::http::{address, render};

/// `GET /accounts/{address}`.
pub async fn show(Node(node): Node, Segment(text): Segment) -> Result<Json<AccountAnswer>, ApiError> {
    let view = node.view();
    let key = address::resolve(&text, &node.ring, &view.state, Code::UnknownAccount)?;
    let id = key.account_id();
    let account = view.state.account(&id);
    let member = node.ring.id_of(&id);
    if account.is_none() && member.is_none() {
        return Err(ApiError::new(Code::UnknownAccount, format!("the account {} was never paid", id.short())));
    }
    let pending = node.backend.pending_account(id).await?;
    Ok(Json(AccountAnswer {
        id: member,
        address: key.to_base64(),
        fingerprint: id.short(),
        final_state: render::final_balances(account),
        pending: render::pending_balances(&pending),
    }))
}

/// `GET /accounts/{address}/transactions`: the chain is public, so whose it is needs no token.
pub async fn history(
    Node(node): Node,
    Segment(text): Segment,
    Page(range): Page<HistoryRange>,
) -> Result<Json<HistoryPage>, ApiError> {
    let key = address::resolve(&text, &node.ring, &node.view().state, Code::UnknownAccount)?;
    wallet::page(&node, key.account_id(), &range).await
}
