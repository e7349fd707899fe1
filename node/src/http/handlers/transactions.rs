//! Transactions that clients have signed, and the look-up of any.

use std::sync::Arc;

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use blockchat_api::{
    BatchAnswer, BatchItem, Code, MAX_BATCH_TRANSACTIONS, ReceiptAnswer, SignedTransactionRequest, SubmitAnswer,
    TransactionAnswer, TransactionBatchRequest, TransactionStatus, WaitQuery,
};
use blockchat_consensus::{Submission, SubmitError};
use blockchat_ledger::{Hash, PoolError, SignedTransaction, TransactionError};

use super::submitted;
use crate::http::activity::Outcome;
use crate::http::backend::{FinalBlock, Location, SubmitResult};
use crate::http::error::ApiError;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::render;
use crate::http::state::{Joined, Node};

/// Transactions of one batch that are traced: enough to see, too few to crowd out those of other clients.
const MAX_TRACED: usize = 64;

/// `POST /transactions`.
pub async fn submit(
    Node(node): Node,
    Parameters(query): Parameters<WaitQuery>,
    Body(request): Body<SignedTransactionRequest>,
) -> Result<Response, ApiError> {
    let signed = parse(request)?;
    node.traces.submitting(&signed.wire_hash());
    let result = node.backend.submit(vec![Submission::Unverified(signed.clone())]).await?.pop();
    match judge(&node, &signed, result).await? {
        Some(outcome) => Ok(axum::response::IntoResponse::into_response(Json(submitted::ended(&signed, outcome)))),
        None => submitted::answer(&node, &signed, query.wait).await,
    }
}

/// `POST /transactions/batch`: each transaction is judged alone.
pub async fn submit_batch(
    Node(node): Node,
    Body(request): Body<TransactionBatchRequest>,
) -> Result<(StatusCode, Json<BatchAnswer>), ApiError> {
    let count = request.transactions.len();
    if count == 0 {
        return Err(ApiError::new(Code::BatchEmpty, "the batch holds no transaction"));
    }
    if count > MAX_BATCH_TRANSACTIONS {
        let detail = format!("{count} transactions in one batch, at most {MAX_BATCH_TRANSACTIONS} are allowed");
        return Err(ApiError::new(Code::BatchTooLarge, detail));
    }
    // Parsing keys and hashing ten thousand transactions takes long enough to hold up other requests.
    let parsed: Vec<Result<SignedTransaction, ApiError>> =
        node.read(move |_| Ok(request.transactions.into_iter().map(parse).collect())).await?;
    for signed in parsed.iter().flatten().take(MAX_TRACED) {
        node.traces.submitting(&signed.wire_hash());
    }
    let submissions = parsed.iter().flatten().cloned().map(Submission::Unverified).collect();
    let mut results = node.backend.submit(submissions).await?.into_iter();
    let mut answer = BatchAnswer { accepted: 0, rejected: 0, results: Vec::with_capacity(count) };
    for item in parsed {
        let item = match item {
            Ok(signed) => judged_item(&node, &signed, results.next()).await,
            Err(error) => Err(error),
        };
        answer.results.push(match item {
            Ok(accepted) => {
                answer.accepted += 1;
                BatchItem::Accepted(accepted)
            }
            Err(error) => {
                answer.rejected += 1;
                BatchItem::Rejected(error.problem())
            }
        });
    }
    Ok((StatusCode::OK, Json(answer)))
}

async fn judged_item(
    node: &Arc<Joined>,
    signed: &SignedTransaction,
    result: Option<SubmitResult>,
) -> Result<SubmitAnswer, ApiError> {
    let outcome = judge(node, signed, result).await?;
    Ok(outcome.map_or_else(|| submitted::pending(signed), |outcome| submitted::ended(signed, outcome)))
}

fn parse(request: SignedTransactionRequest) -> Result<SignedTransaction, ApiError> {
    SignedTransaction::try_from(request).map_err(|error| ApiError::new(error.code(), error.to_string()))
}

/// What the pool's verdict means to the caller: admitted (`None`), known to have been committed, or refused.
async fn judge(
    node: &Arc<Joined>,
    signed: &SignedTransaction,
    result: Option<SubmitResult>,
) -> Result<Option<Outcome>, ApiError> {
    let Some(result) = result else {
        tracing::error!("the core answered fewer results than transactions were submitted");
        return Err(ApiError::new(Code::Internal, "the node lost the result of this transaction"));
    };
    if result.is_err() {
        node.traces.refused(&signed.wire_hash());
    }
    match result {
        Ok(_) | Err(SubmitError::Pool(PoolError::Duplicate | PoolError::OtherSignature)) => Ok(None),
        Err(error) if may_be_committed(&error) => {
            let id = signed.id();
            let committed = match node.activity.outcome(&id) {
                Some(Outcome::Committed(height)) => Some(height),
                _ => node.read(move |node| Ok(node.chain.locate(&id)?)).await?.map(|location| location.height),
            };
            committed.map(|height| Some(Outcome::Committed(height))).ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// What a second submission of a committed transaction looks like to the pool: its nonce is used, its time over.
const fn may_be_committed(error: &SubmitError) -> bool {
    match error {
        SubmitError::Pool(PoolError::Invalid(TransactionError::WrongNonce { expected, found })) => *found < *expected,
        SubmitError::Pool(PoolError::Invalid(TransactionError::Expired { .. })) => true,
        _ => false,
    }
}

/// `GET /transactions/{id}`.
pub async fn show(Node(node): Node, Segment(id): Segment) -> Result<Json<TransactionAnswer>, ApiError> {
    let id = parse_id(&id)?;
    if let Some(pending) = node.activity.pending(&id) {
        return Ok(Json(TransactionAnswer {
            transaction: Some(render::transaction(&pending, &node.ring)),
            ..without_details(id, TransactionStatus::Pending)
        }));
    }
    if let Some((location, found)) = locate(&node, id).await? {
        let header = &found.block.header;
        let signed = transaction_at(&found, location);
        return Ok(Json(TransactionAnswer {
            transaction: signed.map(|signed| render::transaction(signed, &node.ring)),
            block_index: Some(location.height),
            validator: Some(render::address(&header.validator)),
            validator_id: render::member_id(&header.validator, &node.ring),
            ..without_details(id, TransactionStatus::Committed)
        }));
    }
    match node.activity.outcome(&id) {
        Some(Outcome::Dropped(status, reason)) => {
            Ok(Json(TransactionAnswer { reason: Some(reason.to_owned()), ..without_details(id, status) }))
        }
        _ => Err(unknown(id)),
    }
}

/// `GET /transactions/{id}/receipt`.
pub async fn receipt(Node(node): Node, Segment(id): Segment) -> Result<Json<ReceiptAnswer>, ApiError> {
    let id = parse_id(&id)?;
    let Some((location, found)) = locate(&node, id).await? else {
        let known = node.activity.pending(&id).is_some() || node.activity.outcome(&id).is_some();
        return Err(if known {
            ApiError::new(Code::NotCommitted, format!("the transaction {id} is in no block"))
        } else {
            unknown(id)
        });
    };
    let header = &found.block.header;
    let missing = || ApiError::new(Code::Internal, format!("the index names block {} in vain", location.height));
    let signed = transaction_at(&found, location).ok_or_else(missing)?;
    let position = usize::try_from(location.position).map_err(|_| missing())?;
    Ok(Json(ReceiptAnswer {
        transaction_id: id,
        block_index: location.height,
        block_hash: found.block.hash(),
        position: location.position,
        fee: render::fee(signed, &node.ring),
        validator: render::address(&header.validator),
        validator_id: render::member_id(&header.validator, &node.ring),
        transaction: render::transaction(signed, &node.ring),
        header: render::header(header),
        inclusion: render::inclusion(&found, position).ok_or_else(missing)?,
        certificate: found.certificate.as_ref().map(render::certificate),
        descriptor: render::descriptor(&node.ring),
    }))
}

async fn locate(node: &Arc<Joined>, id: Hash) -> Result<Option<(Location, Arc<FinalBlock>)>, ApiError> {
    node.read(move |node| {
        let Some(location) = node.chain.locate(&id)? else { return Ok(None) };
        Ok(node.chain.block(location.height)?.map(|block| (location, block)))
    })
    .await
}

fn transaction_at(found: &FinalBlock, location: Location) -> Option<&SignedTransaction> {
    let position = usize::try_from(location.position).ok()?;
    found.block.transactions.get(position).map(|verified| &**verified)
}

fn without_details(transaction_id: Hash, status: TransactionStatus) -> TransactionAnswer {
    TransactionAnswer {
        transaction: None,
        transaction_id,
        status,
        block_index: None,
        validator: None,
        validator_id: None,
        reason: None,
    }
}

fn parse_id(text: &str) -> Result<Hash, ApiError> {
    text.parse().map_err(|_| ApiError::new(Code::InvalidHash, "a transaction id is 64 lower-case hexadecimal digits"))
}

fn unknown(id: Hash) -> ApiError {
    ApiError::new(Code::UnknownTransaction, format!("no transaction {id} is known"))
}
