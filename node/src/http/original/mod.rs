//! The endpoints of the course's original program, so that its own tester and client run against a node unchanged.
//!
//! They spend the node's coins without a token, so they are there only while no token is configured. The answers are the
//! original's, texts included: its programs compare them. Whatever is refused is refused with 400, the only code its
//! tester looks at.

mod pickle;
mod rows;

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, State, rejection::FormRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use blockchat_api::Code;
use blockchat_ledger::{Amount, MAX_MESSAGE_BYTES, PendingAccount, PublicKey};
use serde_json::json;

use super::error::ApiError;
use super::state::{AppState, Joined, Node};
use crate::wallet::Order;

/// Submits a transaction of the node's wallet.
pub const CREATE_TRANSACTION: &str = "/api/create_transaction";

const CREATED: &str = "The transaction was created successfully.";
const NOT_ENOUGH: &str = "Not enough BCCs.";
const WRONG_RECEIVER: &str = "Transaction failed. Wrong receiver id.";

/// The routes.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route(CREATE_TRANSACTION, post(create_transaction))
        .route("/api/get_balance", get(balance))
        .route("/api/get_stake", get(stake))
        .route("/api/get_id", get(id))
        .route("/api/get_metrics", get(metrics))
        .route("/api/view_block", get(view_block))
        .route("/api/get_my_transactions", get(my_transactions))
}

/// `POST /api/create_transaction`.
async fn create_transaction(
    State(state): State<AppState>,
    form: Result<Form<HashMap<String, String>>, FormRejection>,
) -> Response {
    let Some(node) = state.joined() else { return refused("The node has not joined the network yet.", None) };
    let form = match form {
        Ok(Form(form)) => form,
        Err(rejection) => return refused(&rejection.body_text(), None),
    };
    let order = match order(node, &form) {
        Ok(order) => order,
        Err(text) => return refused(&text, None),
    };
    let executed = node.wallet.execute(order, None).await.map_err(ApiError::from);
    let account = node.backend.pending_account(node.wallet.public_key().account_id()).await.ok();
    match executed {
        Ok(_) => with_money(StatusCode::OK, CREATED, account),
        Err(error) if error.code == Code::InsufficientBalance => refused(NOT_ENOUGH, account),
        Err(error) => refused(&error.detail, None),
    }
}

fn order(node: &Joined, form: &HashMap<String, String>) -> Result<Order, String> {
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if field("stake").eq_ignore_ascii_case("true") {
        let text = field("amount").trim();
        let (magnitude, lower) = text.strip_prefix('-').map_or((text, false), |rest| (rest, true));
        return Ok(Order::ChangeStake { by: amount(magnitude)?, lower });
    }
    let receiver = receiver(node, field("receiver")).ok_or(WRONG_RECEIVER)?;
    let message = field("message").to_owned();
    let amount = match field("amount").trim() {
        "" => Amount::ZERO,
        text => amount(text)?,
    };
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(format!("The message is longer than {MAX_MESSAGE_BYTES} bytes."));
    }
    if amount.is_zero() && message.is_empty() {
        return Err("Neither amount nor message is given.".to_owned());
    }
    Ok(Order::Pay { receiver, amount, message })
}

fn amount(text: &str) -> Result<Amount, String> {
    text.parse().map_err(|error: blockchat_ledger::AmountError| error.to_string())
}

/// Another member's wallet, by its id.
fn receiver(node: &Joined, text: &str) -> Option<PublicKey> {
    let id: u16 = text.trim().parse().ok()?;
    let member = node.ring.member(id).filter(|_| id != node.me)?;
    Some(member.wallet.clone())
}

/// `GET /api/get_balance`.
async fn balance(Node(node): Node) -> Result<Response, ApiError> {
    let account = pending(&node).await?;
    Ok(number(&account.balance.to_string()))
}

/// `GET /api/get_stake`.
async fn stake(Node(node): Node) -> Result<Response, ApiError> {
    let account = pending(&node).await?;
    Ok(number(&account.stake.to_string()))
}

/// `GET /api/get_id`.
async fn id(Node(node): Node) -> Response {
    number(&node.me.to_string())
}

/// `GET /api/get_metrics`: genesis counts as a block.
async fn metrics(Node(node): Node) -> Response {
    let num_blocks = node.view().height.saturating_add(1);
    Json(json!({"num_blocks": num_blocks, "capacity": node.ring.parameters().capacity})).into_response()
}

/// `GET /api/view_block`: the newest block.
async fn view_block(Node(node): Node) -> Result<Response, ApiError> {
    node.read(|node| rows::newest_block(node).map(|rows| pickled(&rows))).await
}

/// `GET /api/get_my_transactions`.
async fn my_transactions(Node(node): Node) -> Result<Response, ApiError> {
    node.read(|node| rows::of_wallet(node).map(|rows| pickled(&rows))).await
}

async fn pending(node: &Arc<Joined>) -> Result<PendingAccount, ApiError> {
    Ok(node.backend.pending_account(node.wallet.public_key().account_id()).await?)
}

fn refused(text: &str, account: Option<PendingAccount>) -> Response {
    with_money(StatusCode::BAD_REQUEST, text, account)
}

/// An amount is written the way JSON writes numbers, so that no float ever holds money.
fn with_money(status: StatusCode, text: &str, account: Option<PendingAccount>) -> Response {
    let message = json!(text);
    let body = match account {
        Some(account) => {
            format!(r#"{{"message":{message},"balance":{},"stake":{}}}"#, account.balance, account.stake)
        }
        None => format!(r#"{{"message":{message}}}"#),
    };
    (status, json_text(body)).into_response()
}

fn number(digits: &str) -> Response {
    json_text(format!(r#"{{"message":{digits}}}"#)).into_response()
}

fn json_text(body: String) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body)
}

fn pickled(rows: &[rows::Row]) -> Response {
    let format = HeaderValue::from_static("application/octet-stream");
    ([(header::CONTENT_TYPE, format)], pickle::list(rows)).into_response()
}
