//! The interface as an OpenAPI 3.1 document, made from the types of this crate. The functions below are never called:
//! each stands for an endpoint, so that what it takes and answers is said in terms of types that exist.
#![expect(dead_code, reason = "each function stands for an endpoint")]

use crate::{
    AccountAnswer, BatchAnswer, BlockAnswer, BlockEvent, BlockPage, BlockRange, CertificateAnswer, DroppedEvent,
    ERROR_MEDIA_TYPE, EventRange, EvidenceAnswer, EvidenceEvent, GapEvent, HistoryPage, HistoryRange, LotteryAnswer,
    NetworkAnswer, Problem, ReceiptAnswer, SignedTransactionRequest, StakeRequest, StatusAnswer, SubmitAnswer,
    TransactionAnswer, TransactionBatchRequest, Wait, WaitQuery, WalletAnswer, WalletTransactionRequest,
};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

/// The document. Every error is a [`Problem`]; wallet calls need the bearer token where the node has one.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "BlockChat node",
        description = "Amounts are decimal strings in BCC with at most six places, hashes 64 lower-case hexadecimal \
                       digits, keys base64 of their SubjectPublicKeyInfo DER. Every error is a problem document \
                       (RFC 9457) with a stable `code`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        submit, submit_batch, transaction, receipt, wallet, pay, history, stake, account, account_history, blocks,
        block, certificate, lottery, events, evidence, network, status, document
    ),
    components(schemas(BlockEvent, DroppedEvent, EvidenceEvent, GapEvent, Problem, Wait)),
    modifiers(&Common)
)]
struct Document;

/// What every endpoint has in common.
struct Common;

impl Modify for Common {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("The node's token.")).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let refused = ResponseBuilder::new()
            .description("Refused, or not possible now: `code` says why. With `Retry-After`, it may work later.")
            .content(ERROR_MEDIA_TYPE, problem)
            .build();
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post, &mut item.put].into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), refused.clone().into());
            }
        }
    }
}

/// Submit one transaction that the client has signed.
///
/// Submitting it again is safe: the same id gives the same answer.
#[utoipa::path(
    post, path = "/api/v1/transactions", tag = "transactions", params(WaitQuery),
    request_body = SignedTransactionRequest,
    responses(
        (status = 200, description = "Its fate is final: see `status`", body = SubmitAnswer),
        (status = 202, description = "In the pool", body = SubmitAnswer)
    )
)]
fn submit() {}

/// Submit up to 10,000 signed transactions; each is judged alone.
#[utoipa::path(
    post, path = "/api/v1/transactions/batch", tag = "transactions", request_body = TransactionBatchRequest,
    responses((status = 200, description = "One result for each, in order", body = BatchAnswer))
)]
fn submit_batch() {}

/// A transaction and where it stands.
#[utoipa::path(
    get, path = "/api/v1/transactions/{id}", tag = "transactions",
    params(("id" = String, Path, description = "The transaction's id")),
    responses((status = 200, description = "The transaction", body = TransactionAnswer))
)]
fn transaction() {}

/// Everything that proves that a transaction is final.
#[utoipa::path(
    get, path = "/api/v1/transactions/{id}/receipt", tag = "transactions",
    params(("id" = String, Path, description = "The transaction's id")),
    responses((status = 200, description = "The receipt", body = ReceiptAnswer))
)]
fn receipt() {}

/// The node's own wallet, final and with what is pending.
#[utoipa::path(
    get, path = "/api/v1/wallet", tag = "wallet", security(("token" = [])),
    responses((status = 200, description = "The wallet", body = WalletAnswer))
)]
fn wallet() {}

/// The node's wallet signs and sends coins, a message, or both.
#[utoipa::path(
    post, path = "/api/v1/wallet/transactions", tag = "wallet", security(("token" = [])),
    params(
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, max_length = 128,
            description = "Names the payment: under the same key it is never paid twice")
    ),
    request_body = WalletTransactionRequest,
    responses(
        (status = 200, description = "Its fate is final: see `status`", body = SubmitAnswer),
        (status = 202, description = "In the pool", body = SubmitAnswer)
    )
)]
fn pay() {}

/// What the node's wallet sent and received, newest first.
#[utoipa::path(
    get, path = "/api/v1/wallet/transactions", tag = "wallet", security(("token" = [])), params(HistoryRange),
    responses((status = 200, description = "A page", body = HistoryPage))
)]
fn history() {}

/// Set the stake of the node's wallet.
#[utoipa::path(
    put, path = "/api/v1/wallet/stake", tag = "wallet", security(("token" = [])),
    params(
        WaitQuery,
        ("Idempotency-Key" = Option<String>, Header, max_length = 128, description = "Names the order")
    ),
    request_body = StakeRequest,
    responses(
        (status = 200, description = "Its fate is final: see `status`", body = SubmitAnswer),
        (status = 202, description = "In the pool", body = SubmitAnswer)
    )
)]
fn stake() {}

/// Any account.
#[utoipa::path(
    get, path = "/api/v1/accounts/{address}", tag = "accounts",
    params(("address" = String, Path, description = "Node id, public key (base64 DER or PEM) or fingerprint")),
    responses((status = 200, description = "The account", body = AccountAnswer))
)]
fn account() {}

/// What an account sent and received, newest first.
#[utoipa::path(
    get, path = "/api/v1/accounts/{address}/transactions", tag = "accounts",
    params(
        ("address" = String, Path, description = "Node id, public key (base64 DER or PEM) or fingerprint"),
        HistoryRange
    ),
    responses((status = 200, description = "A page", body = HistoryPage))
)]
fn account_history() {}

/// A page of blocks, ascending.
#[utoipa::path(
    get, path = "/api/v1/blocks", tag = "chain", params(BlockRange),
    responses((status = 200, description = "A page", body = BlockPage))
)]
fn blocks() {}

/// One block.
#[utoipa::path(
    get, path = "/api/v1/blocks/{block}", tag = "chain",
    params(("block" = String, Path, description = "Index, hash or `latest`")),
    responses((status = 200, description = "The block", body = BlockAnswer))
)]
fn block() {}

/// The precommits that make a block final.
#[utoipa::path(
    get, path = "/api/v1/blocks/{block}/certificate", tag = "chain",
    params(("block" = String, Path, description = "Index, hash or `latest`; not genesis")),
    responses((status = 200, description = "The certificate", body = CertificateAnswer))
)]
fn certificate() {}

/// The lottery that drew a block's validator, as data that anybody can draw again.
#[utoipa::path(
    get, path = "/api/v1/blocks/{block}/lottery", tag = "chain",
    params(("block" = String, Path, description = "Index, hash or `latest`; not genesis")),
    responses((status = 200, description = "Seed, tickets, draws, winner", body = LotteryAnswer))
)]
fn lottery() {}

/// Server-sent events: `block`, `dropped`, `evidence`, `gap`.
///
/// Every block from the first one on comes, in order and once; its event's id is its height, so that a client that
/// reconnects with `Last-Event-ID` goes on where it stopped. Other events that a slow or absent reader missed are
/// summed up by a `gap`.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "chain",
    params(
        EventRange,
        ("Last-Event-ID" = Option<u64>, Header, description = "Height of the last block that was seen")
    ),
    responses((status = 200, description = "The stream", body = BlockEvent, content_type = "text/event-stream"))
)]
fn events() {}

/// Contradictions of members that this node has seen.
#[utoipa::path(
    get, path = "/api/v1/evidence", tag = "network",
    responses((status = 200, description = "Oldest first", body = EvidenceAnswer))
)]
fn evidence() {}

/// Members, parameters, chain id.
#[utoipa::path(
    get, path = "/api/v1/network", tag = "network",
    responses((status = 200, description = "The network", body = NetworkAnswer))
)]
fn network() {}

/// What this node is doing; answered before it has joined, too.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "network",
    responses((status = 200, description = "The node", body = StatusAnswer))
)]
fn status() {}

/// This document.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", tag = "network",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
fn document() {}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn the_document_has_exactly_the_paths_of_the_interface() {
        let source = include_str!("paths.rs");
        let constant = |line: &str| {
            let path = line.strip_prefix("pub const ")?.split_once("= \"")?.1.strip_suffix("\";")?;
            (path != super::super::paths::PREFIX).then(|| path.to_owned())
        };
        let declared: BTreeSet<String> = source.lines().filter_map(constant).collect();
        let documented: BTreeSet<String> = super::openapi().paths.paths.keys().cloned().collect();
        assert!(declared.len() > 15, "{declared:?}");
        assert_eq!(declared, documented);
    }

    #[test]
    fn the_document_is_whole() {
        let document = super::openapi().to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&document).unwrap();
        assert_eq!(value["openapi"], "3.1.0");
        let schemas = value["components"]["schemas"].as_object().unwrap();
        // Every reference leads somewhere.
        for part in document.split("#/components/schemas/").skip(1) {
            let name: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(schemas.contains_key(&name), "no schema {name}");
        }
        for (path, item) in value["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                assert!(operation["responses"]["default"].is_object(), "{method} {path}");
                assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}");
                let wallet = path.contains("/wallet");
                assert_eq!(operation["security"].is_array(), wallet, "{method} {path}");
            }
        }
    }
}
