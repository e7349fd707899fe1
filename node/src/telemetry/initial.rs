//! Series that exist before anything has happened: a rate over a counter that appears with its first event misses it.

use blockchat_consensus::PeerMessage;

use super::Metrics;

const KINDS: [&str; 6] = ["coins", "message", "coins_and_message", "stake", "grant", "genesis"];
const STEPS: [&str; 3] = ["propose", "prevote", "precommit"];
const VOTES: [&str; 2] = ["prevote", "precommit"];
const VOTE_RESULTS: [&str; 3] = ["accepted", "stale", "early"];
const EVIDENCE: [&str; 2] = ["vote", "proposal"];
/// What clients run into; rarer reasons appear when they occur.
const REJECTIONS: [&str; 9] = [
    "bad_signature",
    "catching_up",
    "duplicate",
    "expired",
    "insufficient_balance",
    "nonce_taken",
    "pool_full",
    "pool_too_deep",
    "sender_full",
];
/// What the bootstrap node answers.
const JOINS: [&str; 3] = ["accepted", "network_full", "parameters_differ"];

/// Makes the series whose labels don't depend on the network.
pub(super) fn begin(metrics: &Metrics) {
    for kind in KINDS {
        metrics.ledger.transactions_committed_total.with_label_values(&[kind]);
    }
    for step in STEPS {
        metrics.consensus.round_timeouts_total.with_label_values(&[step]);
        metrics.consensus.consensus_step_seconds.with_label_values(&[step]);
    }
    for vote in VOTES {
        for result in VOTE_RESULTS {
            metrics.consensus.votes_total.with_label_values(&[vote, result]);
        }
    }
    for kind in EVIDENCE {
        metrics.consensus.evidence_total.with_label_values(&[kind]);
    }
    for reason in REJECTIONS {
        metrics.pool.transactions_rejected_total.with_label_values(&[reason]);
    }
    for result in JOINS {
        metrics.peer.join_requests_total.with_label_values(&[result]);
    }
    for kind in PeerMessage::KINDS {
        for direction in ["sent", "received"] {
            metrics.peer.peer_bytes_total.with_label_values(&[direction, kind]);
        }
    }
}

/// Makes the series of the members, once they are known, at this height: who signed what before is not missed.
pub fn members(metrics: &Metrics, members: usize, height: i64) {
    for member in 0..members {
        let member = member.to_string();
        for result in ["accepted", "missed"] {
            metrics.consensus.proposals_total.with_label_values(&[&member, result]);
        }
        metrics.consensus.member_last_signed_height.with_label_values(&[&member]).set(height);
        metrics.ledger.lottery_wins_total.with_label_values(&[&member]);
    }
}
