//! The answer to a submission: where the transaction stands, at once or once that is final.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use blockchat_api::{SubmitAnswer, TransactionStatus, Wait};
use blockchat_ledger::{Hash, SignedTransaction};

use crate::http::MAX_WAIT;
use crate::http::activity::Outcome;
use crate::http::error::ApiError;
use crate::http::state::Joined;

/// The answer for a transaction of which nothing final is known.
pub fn pending(signed: &SignedTransaction) -> SubmitAnswer {
    SubmitAnswer {
        transaction_id: signed.id(),
        status: TransactionStatus::Pending,
        nonce: signed.transaction().nonce,
        valid_until: signed.transaction().valid_until,
        block_index: None,
        reason: None,
    }
}

/// The answer for a transaction that ended so.
pub fn ended(signed: &SignedTransaction, outcome: Outcome) -> SubmitAnswer {
    let answer = pending(signed);
    match outcome {
        Outcome::Committed(height) => {
            SubmitAnswer { status: TransactionStatus::Committed, block_index: Some(height), ..answer }
        }
        Outcome::Dropped(status, reason) => SubmitAnswer { status, reason: Some(reason.to_owned()), ..answer },
    }
}

/// Answers for an admitted transaction, after its end if the caller waits for that.
pub async fn answer(node: &Arc<Joined>, signed: &SignedTransaction, wait: Wait) -> Result<Response, ApiError> {
    let outcome = match wait {
        Wait::Admitted => outcome(node, signed.id()).await?,
        Wait::Committed => wait_for_end(node, signed).await?,
    };
    Ok(match outcome {
        Some(outcome) => (StatusCode::OK, Json(ended(signed, outcome))).into_response(),
        None => (StatusCode::ACCEPTED, Json(pending(signed))).into_response(),
    })
}

/// How a transaction ended, if it did.
async fn outcome(node: &Arc<Joined>, id: Hash) -> Result<Option<Outcome>, ApiError> {
    if let Some(outcome) = node.activity.outcome(&id) {
        return Ok(Some(outcome));
    }
    if node.activity.pending(&id).is_some() {
        return Ok(None);
    }
    // A retry may be about a transaction that was committed before the activity begins.
    let location = node.read(move |node| Ok(node.chain.locate(&id)?)).await?;
    Ok(location.map(|location| Outcome::Committed(location.height)))
}

async fn wait_for_end(node: &Arc<Joined>, signed: &SignedTransaction) -> Result<Option<Outcome>, ApiError> {
    let id = signed.id();
    let waiter = node.activity.wait(id);
    if let Some(outcome) = outcome(node, id).await? {
        return Ok(Some(outcome));
    }
    Ok(tokio::time::timeout(MAX_WAIT, waiter.outcome()).await.ok().flatten())
}
