//! What the tests tell the model.

use super::model::{Model, Report};
use super::snapshot::Snapshot;
use blockchat_client::api::{
    Amount, BlockEvent, FiguresAnswer, Hash, LotteryAnswer, LotteryTicket, PeerItem, Phase, PoolAnswer, StatusAnswer,
};
use std::time::{Duration, Instant};

/// The network.
pub const CHAIN: Hash = Hash([9; 32]);

/// The block at a height, on the chain that everybody has.
pub fn hash(height: u64) -> Hash {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&height.to_le_bytes());
    Hash(bytes)
}

/// The status of member `id` of four at a height.
pub fn status(id: u16, height: u64) -> StatusAnswer {
    let peer = |peer: u16| PeerItem { id: peer, connected: true, height: Some(height) };
    StatusAnswer {
        phase: Phase::Ready,
        waiting_for: None,
        version: "0.1.0".to_owned(),
        id: Some(id),
        chain_id: Some(CHAIN),
        height: Some(height),
        tip_hash: Some(hash(height)),
        voting: Some(true),
        round: Some(0),
        pool: Some(PoolAnswer { transactions: 37, bytes: 9_000, capacity_transactions: Some(100_000) }),
        figures: Some(FiguresAnswer {
            window_ms: 10_000,
            blocks: 1_624,
            transactions: 8_120,
            extra_rounds: 2,
            block_interval_mean_us: Some(6_100),
            block_interval_p95_us: Some(10_200),
            transaction_finality_p50_us: Some(8_600),
            transaction_finality_p95_us: Some(14_000),
        }),
        peers: (0..4).filter(|peer| *peer != id).map(peer).collect(),
    }
}

/// A node's answer.
pub fn answers(node: usize, status: StatusAnswer) -> Report {
    Report::Status { node, answer: Ok(Box::new(status)) }
}

/// A node's silence.
pub fn silent(node: usize, reason: &str) -> Report {
    Report::Status { node, answer: Err(reason.to_owned()) }
}

/// A block of five transactions; its minter earned half a BCC.
pub fn block(index: u64, validator: u16) -> Report {
    Report::Block(Box::new(BlockEvent {
        index,
        current_hash: hash(index),
        timestamp_ms: 1_000 * index,
        validator_id: (index > 0).then_some(validator),
        round: u32::from(index == 119),
        fees: Amount::from_micros(500_000),
        transactions: vec![Hash([1; 32]); 5],
    }))
}

/// The members' stakes, in millionths.
pub fn stakes(stakes: &[u64]) -> Report {
    let ticket = |(member, tickets): (usize, &u64)| LotteryTicket {
        member: u16::try_from(member).unwrap(),
        tickets: tickets.to_string(),
    };
    Report::Tickets(Box::new(LotteryAnswer {
        index: 1,
        previous_hash: hash(0),
        tickets: stakes.iter().enumerate().map(ticket).collect(),
        draws: Vec::new(),
        round: 0,
        winner: 0,
    }))
}

/// A model of so many nodes.
pub fn model(nodes: usize, now: Instant) -> Model {
    Model::new((0..nodes).map(|node| format!("http://127.0.0.1:800{node}")), now)
}

/// A network of `nodes`, the last of which is away; the first tells the blocks.
pub fn snapshot(nodes: usize) -> Snapshot {
    let start = Instant::now();
    let mut model = model(nodes, start);
    model.apply(Report::Source { node: 0, chain_id: CHAIN, height: 100 }, start);
    for index in (0_u64..1).chain(95..=120) {
        let now = start + Duration::from_millis(100 * index.saturating_sub(100));
        model.apply(block(index, u16::try_from(index % 4).unwrap()), now);
    }
    for node in 0..nodes - 1 {
        model.apply(answers(node, status(u16::try_from(node).unwrap(), 120)), start);
    }
    model.apply(silent(nodes - 1, "connection refused"), start);
    model.apply(stakes(&[10_000_000, 30_000_000, 0, 0]), start);
    model.snapshot(start + Duration::from_secs(4), 121_500)
}
