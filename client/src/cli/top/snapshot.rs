//! What is shown at one moment: plain data, which screen, text and JSON all show. The names are those of the JSON.

use super::super::output;
use blockchat_client::api::{Amount, Hash, Phase};
use serde::Serialize;

/// Everything, at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// When, milliseconds since 1970 (UTC).
    pub at_ms: u64,
    /// The network.
    pub chain_id: Option<Hash>,
    /// The highest block that any of its nodes has told.
    pub height: Option<u64>,
    /// Whether the nodes' newest blocks are on one chain.
    pub agreement: Agreement,
    /// How many of the nodes answer.
    pub nodes_answering: usize,
    /// The node that figures, blocks, stakes and members' heights come from.
    pub source: Option<Source>,
    /// How fast it goes.
    pub figures: Figures,
    /// Every node that is asked.
    pub nodes: Vec<NodeRow>,
    /// Blocks seen: those since the start, and a few before it.
    pub blocks_seen: u64,
    /// Every member of the network.
    pub members: Vec<MemberRow>,
    /// The last blocks, newest first.
    pub blocks: Vec<BlockRow>,
    /// Transactions committed in each of the last seconds, oldest first.
    #[serde(skip)]
    pub per_second: Vec<u64>,
}

/// Whether the nodes have one chain.
#[derive(Clone, Debug, Serialize)]
pub struct Agreement {
    /// Nothing, as long as no two nodes could be compared.
    pub one_chain: Option<bool>,
    /// The same in words: which nodes differ, and where.
    pub text: String,
}

/// A node among others.
#[derive(Clone, Debug, Serialize)]
pub struct Source {
    /// Its URL.
    pub url: String,
    /// Its member id, if it has told.
    pub id: Option<u16>,
}

/// Figures of the last seconds, as the source measured them.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Figures {
    /// The time they are of, milliseconds.
    pub window_ms: Option<u64>,
    /// Committed transactions a second.
    pub transactions_per_second: Option<f64>,
    /// From one block to the next, mean, microseconds.
    pub block_interval_mean_us: Option<u64>,
    /// The same, 95th percentile.
    pub block_interval_p95_us: Option<u64>,
    /// From a node's first sight of a transaction to its commit, median, microseconds.
    pub transaction_finality_p50_us: Option<u64>,
    /// The same, 95th percentile.
    pub transaction_finality_p95_us: Option<u64>,
    /// Rounds beyond the first one of each block.
    pub extra_rounds: Option<u64>,
}

/// How a node's newest block stands to the chain of the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tip {
    /// Not compared yet.
    Unknown,
    /// The same block.
    Agrees,
    /// Another block at the same height.
    Differs,
    /// The node belongs to another network.
    OtherNetwork,
}

/// A node that is asked.
#[derive(Clone, Debug, Serialize)]
pub struct NodeRow {
    /// Where it is asked.
    pub url: String,
    /// Its member id, if it has ever told.
    pub id: Option<u16>,
    /// Why it does not answer, in words; nothing if it does.
    pub unreachable: Option<String>,
    /// What it does.
    pub phase: Option<Phase>,
    /// What it waits for.
    pub waiting_for: Option<String>,
    /// Its newest block.
    pub height: Option<u64>,
    /// Whether that is the block of the others, too.
    pub tip: Tip,
    /// The height at which it has another block.
    pub differs_at: Option<u64>,
    /// The round in progress; nothing while the chain is idle.
    pub round: Option<u32>,
    /// Pending transactions.
    pub pool_transactions: Option<u64>,
    /// Most that its pool takes.
    pub pool_capacity: Option<u64>,
    /// Whether it votes.
    pub voting: Option<bool>,
    /// Streams to other members that are up.
    pub streams_up: Option<usize>,
    /// Streams that there are if all are up.
    pub streams: Option<usize>,
    /// Its own 95th percentile of the time to finality, microseconds.
    pub transaction_finality_p95_us: Option<u64>,
}

impl NodeRow {
    /// What people call it.
    pub fn name(&self) -> String {
        self.id.map_or_else(|| output::text(&self.url), |id| format!("node {id}"))
    }
}

/// A member of the network.
#[derive(Clone, Debug, Serialize)]
pub struct MemberRow {
    /// Its id.
    pub id: u16,
    /// Its stake before the newest block, BCC.
    pub stake: Option<Amount>,
    /// Its part of all stakes; nothing while nobody has any.
    pub stake_percent: Option<f64>,
    /// Blocks that it minted among those seen.
    pub blocks_won: u64,
    /// Its part of them.
    pub blocks_won_percent: Option<f64>,
    /// Fees of these blocks, BCC.
    pub fees: Amount,
    /// Its height as it told the source.
    pub height: Option<u64>,
    /// Whether the source has a stream to it; nothing for the source itself.
    pub connected: Option<bool>,
}

/// A block.
#[derive(Clone, Debug, Serialize)]
pub struct BlockRow {
    /// Its index.
    pub index: u64,
    /// How long ago it was minted, by its minter's clock.
    pub age_ms: u64,
    /// Who minted it.
    pub validator_id: Option<u16>,
    /// The round in which it was minted.
    pub round: u32,
    /// How many transactions it holds.
    pub transactions: u64,
    /// What its minter earned, BCC.
    pub fees: Amount,
}

/// `part` of `whole`, percent to a tenth.
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    let tenths = u128::from(part) * 1_000 / u128::from(whole.max(1));
    let tenths = u32::try_from(tenths).ok().filter(|_| whole > 0)?;
    Some(f64::from(tenths) / 10.0)
}

/// Transactions a second, to a tenth.
pub fn rate(transactions: u64, milliseconds: u64) -> Option<f64> {
    let tenths = u128::from(transactions) * 10_000 / u128::from(milliseconds.max(1));
    let tenths = u32::try_from(tenths).ok().filter(|_| milliseconds > 0)?;
    Some(f64::from(tenths) / 10.0)
}
