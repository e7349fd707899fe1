//! The network, and this node's place in it.

use axum::Json;
use axum::extract::State;
use blockchat_api::{
    EvidenceAnswer, MemberItem, NetworkAnswer, ParametersAnswer, PeerItem, Phase, PoolAnswer, StatusAnswer,
};

use crate::http::error::ApiError;
use crate::http::render;
use crate::http::state::{AppState, Joined, Node};
use crate::telemetry::{Metrics, VERSION};

/// `GET /network`.
pub async fn show(Node(node): Node) -> Json<NetworkAnswer> {
    let ring = &node.ring;
    let parameters = ring.parameters();
    let member = |member: &blockchat_ledger::Member| MemberItem {
        id: member.id,
        address: member.wallet.to_base64(),
        fingerprint: member.wallet.account_id().short(),
        consensus_key: hex::encode(member.consensus_key),
        url: (node.urls)(member.id),
    };
    Json(NetworkAnswer {
        chain_id: ring.chain_id(),
        genesis_hash: ring.descriptor().descriptor.genesis_hash,
        parameters: ParametersAnswer {
            nodes: parameters.nodes,
            capacity: parameters.capacity,
            endowment: parameters.endowment,
            ttl_blocks: parameters.ttl_blocks,
            coin_fee_percent: parameters.coin_fee_percent,
            message_fee: parameters.message_fee,
        },
        members: ring.members().iter().map(member).collect(),
        descriptor: render::descriptor(ring),
    })
}

/// `GET /status`: the one endpoint that answers before the node has joined.
pub async fn status(State(state): State<AppState>) -> Json<StatusAnswer> {
    Json(match state.joined() {
        Some(node) => joined_status(node, state.metrics()),
        None => StatusAnswer { waiting_for: Some(state.waiting_for()), ..empty_status(Phase::Joining) },
    })
}

fn joined_status(node: &Joined, metrics: &Metrics) -> StatusAnswer {
    let view = node.view();
    let waiting_for = node.not_ready();
    let phase = if waiting_for.is_some() { Phase::Syncing } else { Phase::Ready };
    let others = node.ring.members().iter().map(|member| member.id).filter(|id| *id != node.me);
    let peer = |id: u16| PeerItem {
        id,
        connected: (node.connected)(id),
        height: view.peer_heights.get(usize::from(id)).copied().flatten(),
    };
    StatusAnswer {
        waiting_for,
        id: Some(node.me),
        chain_id: Some(node.ring.chain_id()),
        height: Some(view.height),
        tip_hash: Some(view.tip.hash()),
        voting: Some(view.voting),
        round: view.round,
        pool: Some(PoolAnswer {
            transactions: u64::try_from(view.pool_transactions).unwrap_or(u64::MAX),
            bytes: u64::try_from(view.pool_bytes).unwrap_or(u64::MAX),
            capacity_transactions: u64::try_from(view.pool_limits.max_transactions).ok(),
        }),
        figures: Some(metrics.figures.answer()),
        peers: others.map(peer).collect(),
        ..empty_status(phase)
    }
}

fn empty_status(phase: Phase) -> StatusAnswer {
    StatusAnswer {
        phase,
        waiting_for: None,
        version: VERSION.to_owned(),
        id: None,
        chain_id: None,
        height: None,
        tip_hash: None,
        voting: None,
        round: None,
        pool: None,
        figures: None,
        peers: Vec::new(),
    }
}

/// `GET /evidence`.
pub async fn evidence(Node(node): Node) -> Result<Json<EvidenceAnswer>, ApiError> {
    let found = node.read(|node| Ok(node.chain.evidence()?)).await?;
    Ok(Json(EvidenceAnswer { evidence: found.iter().map(render::evidence).collect() }))
}
