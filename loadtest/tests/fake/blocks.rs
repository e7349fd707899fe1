//! The blocks of the fake ledger, as pages and as events.

use super::*;
use std::convert::Infallible;

/// `GET /blocks`.
pub async fn page(State(node): State<Node>, Query(query): Query<HashMap<String, u64>>) -> Json<Value> {
    let world = node.world.lock().unwrap();
    // Small pages, so that every test reads several.
    let (from, limit) = (query["from"], query["limit"].min(7));
    let height = world.blocks.len() as u64 - 1;
    let last = (from + limit - 1).min(height);
    let shown: Vec<Value> = (from..=last).map(|index| block(&world, node.id, index)).collect();
    let next = (last < height).then_some(last + 1);
    Json(json!({"blocks": shown, "next": next, "height": height}))
}

fn block(world: &World, node: u16, index: u64) -> Value {
    let block = &world.blocks[usize::try_from(index).unwrap()];
    let items: Vec<Value> = block
        .transactions
        .iter()
        .map(|tx| {
            json!({
                "transaction_id": tx.id, "sender_address": address(tx.from), "sender_id": tx.from,
                "receiver_address": tx.to.map_or("0".to_owned(), address), "receiver_id": tx.to,
                "type_of_transaction": if tx.to.is_some() { "message" } else { "stake" }, "amount": tx.amount,
                "message": tx.message, "nonce": tx.nonce, "valid_until": 9, "chain_id": Hash::ZERO, "signature": "",
            })
        })
        .collect();
    let fees: u64 = block.transactions.iter().map(|tx| tx.fee.micros()).sum();
    // The fake's grants, so that every account is on the chain.
    let items = if index == 0 { (0..world.setup.nodes).map(grant).collect() } else { items };
    let previous = index.checked_sub(1).map_or(Hash::ZERO, |parent| world.hash(node, parent));
    json!({
        "index": index, "timestamp_ms": block.timestamp_ms, "validator": address(block.validator),
        "validator_id": block.validator, "current_hash": world.hash(node, index), "previous_hash": previous, "round": 0,
        "transaction_count": items.len(), "transaction_root": Hash::ZERO, "state_root": Hash::ZERO,
        "chain_id": Hash::ZERO, "transactions": items, "receipts": [], "fees": Amount::from_micros(fees),
    })
}

fn grant(id: u16) -> Value {
    json!({
        "transaction_id": Hash::of("fake grant", &[&id.to_be_bytes()]), "sender_address": "0",
        "receiver_address": address(id), "receiver_id": id, "type_of_transaction": "grant", "amount": "1000",
        "message": "", "nonce": 0, "valid_until": 9, "chain_id": Hash::ZERO, "signature": "",
    })
}

/// `GET /events`: each block from `from` on, without end.
pub async fn events(State(node): State<Node>, Query(query): Query<HashMap<String, u64>>) -> Response {
    let first = query.get("from").copied().unwrap_or_else(|| node.world.lock().unwrap().blocks.len() as u64);
    let next = |(node, index): (Node, u64)| async move {
        loop {
            let found = {
                let world = node.world.lock().unwrap();
                let known = index < world.blocks.len() as u64;
                known.then(|| block(&world, node.id, index))
            };
            if let Some(block) = found {
                let ids: Vec<&Value> =
                    block["transactions"].as_array().unwrap().iter().map(|item| &item["transaction_id"]).collect();
                let data = json!({
                    "index": index, "current_hash": block["current_hash"], "timestamp_ms": block["timestamp_ms"],
                    "validator_id": block["validator_id"], "round": 0, "fees": block["fees"], "transactions": ids,
                });
                let event = format!("event: block\nid: {index}\ndata: {data}\n\n");
                return Some((Ok::<_, Infallible>(event), (node, index + 1)));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let stream = futures::stream::unfold((node, first), next);
    ([("content-type", "text/event-stream")], Body::from_stream(stream)).into_response()
}
