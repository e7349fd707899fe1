//! `report.json`: everything a run measured. Times are milliseconds where the name ends in `_ms`, else seconds where it
//! says so; amounts are decimal strings in BCC.
//!
//! A reader must check [`SCHEMA_VERSION`]: it grows when a field changes its meaning or disappears. New fields may
//! appear without notice. The definitions of the figures are in [`crate::stats`].

use crate::chain::ChainCheck;
use crate::environment::Environment;
use crate::stats::{BlockInterval, Percentiles, Spread};
use blockchat_ledger::Amount;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of this form.
pub const SCHEMA_VERSION: u32 = 2;

/// The whole report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// `fire`, `rate` or `reproduce`.
    pub command: String,
    /// When the run started, RFC 3339, UTC.
    pub started_at: String,
    /// The arguments with which the generator was called.
    pub arguments: Vec<String>,
    /// Machine and build.
    pub environment: Environment,
    /// Version that the nodes tell.
    pub node_version: String,
    /// False while the run goes on, and for ever if it was interrupted: later parts are missing.
    pub complete: bool,
    /// What was measured, in order.
    pub parts: Vec<Part>,
}

/// One experiment with one set of parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// Mean and spread of the main figures over the runs, by name; see `docs/load.md`.
    pub figures: BTreeMap<String, Spread>,
    /// Which experiment.
    pub experiment: Experiment,
    /// Number of members.
    pub nodes: u16,
    /// Most transactions in a block.
    pub capacity: u32,
    /// Where the money comes from.
    pub money: Money,
    /// BCC each member starts with.
    #[schemars(with = "String")]
    pub endowment: Amount,
    /// Further settings of the nodes, by name, that were not the defaults.
    pub node_settings: BTreeMap<String, String>,
    /// One for each repetition, each on nodes of its own.
    pub runs: Vec<Run>,
}

/// The experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Experiment {
    /// Transaction files against a network that was there already.
    Fire,
    /// A fixed rate against a network that was there already.
    Rate,
    /// A cell of the course's matrix: transaction files, equal stakes.
    Matrix,
    /// The course's fairness experiment: one stake of 100 among stakes of 10.
    Fairness,
    /// Steps of a load signed ahead of time, until the network does not keep up.
    Saturation,
    /// A fixed rate; latency to commit.
    Finality,
    /// A fixed rate while one validator is killed.
    KillValidator,
}

/// Where a run's money comes from. Results with different money are never compared with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Money {
    /// The assignment's endowment of 1000 BCC: files cost more than that, so clients live on fees and may be broke.
    Assignment,
    /// Enough for every line: measures the protocol and not the purse.
    Funded,
    /// Whatever the network under load had.
    Given,
}

/// One repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// How the nodes came up, if they were started here.
    pub startup: Option<Startup>,
    /// Transaction files.
    pub load: Option<Load>,
    /// The stakes' share in blocks and fees.
    pub fairness: Option<Fairness>,
    /// A fixed rate.
    pub rate: Option<Rate>,
    /// Steps of a load signed ahead of time.
    pub saturation: Option<Saturation>,
    /// A killed validator.
    pub kill: Option<Kill>,
    /// The check of the ledger at the end.
    pub chain: Option<ChainCheck>,
    /// Nodes that failed in the middle; the rest went on, and the check is about those.
    #[serde(default)]
    pub failed_nodes: Vec<FailedNode>,
    /// Why this run failed; empty if it did not.
    pub problems: Vec<String>,
}

/// How nodes came up; from the start of the first process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Startup {
    /// Until the first block after genesis was seen.
    pub first_commit_ms: f64,
    /// Until every node said it was ready.
    pub all_ready_ms: f64,
    /// Until every node knew every member's endowment.
    pub all_granted_ms: f64,
}

/// A closed load: one request in flight for each node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Lines sent.
    pub attempted: u64,
    /// Of these, accepted by a node.
    pub accepted: u64,
    /// Of these, refused for good, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Accepted transactions that stand in a block.
    pub committed: u64,
    /// Accepted transactions that left the pool with a reason.
    pub dropped: BTreeMap<String, u64>,
    /// Accepted transactions that stand in no block and whose node gives no reason. Must be 0.
    pub lost: u64,
    /// Transactions that stand in more than one block. Must be 0.
    pub duplicated: u64,
    /// Requests repeated after a broken connection or a request to come later.
    pub repeated: u64,
    /// Time that clients waited for money, summed.
    pub waiting_for_money_seconds: f64,
    /// From the first send to the last answer.
    pub sending_seconds: f64,
    /// From the first send to the last commit.
    pub committing_seconds: f64,
    /// The two throughputs.
    pub throughput: Throughput,
    /// The two block times.
    pub block_time: BlockTime,
    /// Response times of accepted requests.
    pub response: Percentiles,
    /// Stakes during the run, by node id.
    #[schemars(with = "BTreeMap<u16, String>")]
    pub stakes: BTreeMap<u16, Amount>,
    /// Each client.
    pub clients: Vec<ClientLoad>,
}

/// The two throughputs, transactions a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Throughput {
    /// Committed transactions from first send to last commit.
    pub committed_per_second: f64,
    /// The original's: accepted requests by response times, summed over clients.
    pub client_per_second: f64,
}

/// The two block times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BlockTime {
    /// Blocks that hold transactions of the run.
    pub blocks: u64,
    /// Intervals between them.
    pub committed_interval: BlockInterval,
    /// The original's: a client's response times by the length of the chain; mean over clients.
    pub client_ms: f64,
}

/// One client of a closed load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLoad {
    /// The node it talked to.
    pub node: u16,
    /// Lines sent.
    pub attempted: u64,
    /// Of these, accepted.
    pub accepted: u64,
    /// Sum of the accepted requests' response times.
    pub response_seconds: f64,
    /// Time it waited for money.
    pub waiting_for_money_seconds: f64,
    /// Accepted requests by response times.
    pub per_second: f64,
    /// Blocks of its node's chain, genesis counted, when it was done.
    pub chain_length: u64,
    /// Response times by that.
    pub block_time_ms: f64,
    /// Balance of its node at the end, if the supply could be added up.
    #[schemars(with = "Option<String>")]
    pub balance: Option<Amount>,
}

/// Stakes against blocks and fees.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fairness {
    /// Blocks minted during the run.
    pub blocks: u64,
    /// Each member.
    pub members: Vec<Share>,
}

/// One member's share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Share {
    /// The member.
    pub node: u16,
    /// Its stake.
    #[schemars(with = "String")]
    pub stake: Amount,
    /// Its share in all stakes: the probability that a block is its.
    pub expected_share: f64,
    /// Blocks it minted.
    pub wins: u64,
    /// The central 95 % of Binomial(blocks, expected share): lowest count.
    pub wins_low: u64,
    /// The same: highest count.
    pub wins_high: u64,
    /// Fees of those blocks.
    #[schemars(with = "String")]
    pub fees: Amount,
    /// Balance at the end.
    #[schemars(with = "Option<String>")]
    pub balance: Option<Amount>,
}

/// An open load at a fixed rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Requests a second that were meant to be sent.
    pub offered_per_second: f64,
    /// Length of the load.
    pub seconds: f64,
    /// Transactions in a request.
    pub batch: u64,
    /// Time that signing took before the clock started; 0 where the nodes sign.
    pub signing_seconds: f64,
    /// Transactions meant to be sent.
    pub planned: u64,
    /// Of these, sent at least once.
    pub sent: u64,
    /// Not sent: the time was over, or too many were still unanswered.
    pub not_sent: u64,
    /// Accepted by a node.
    pub accepted: u64,
    /// Seen committed.
    pub committed: u64,
    /// Accepted, but neither committed nor refused when the node's or the client's bound passed.
    pub undecided: u64,
    /// Refused or dropped, by code.
    pub rejected: BTreeMap<String, u64>,
    /// Requests repeated because no answer came or the node asked to come later.
    pub repeated: u64,
    /// Sent transactions by the length of the load, or by the time to the last send if that was later.
    pub sent_per_second: f64,
    /// Accepted transactions by the same time.
    pub accepted_per_second: f64,
    /// From the moment a request was meant to be sent to the answer that it is accepted; only where the load is signed ahead.
    pub admission: Percentiles,
    /// Whether what was offered was also sent, accepted (95 % of the rate) and committed (90 %).
    pub kept_up: bool,
    /// Committed transactions by the time from the first intended send to the last answer.
    pub committed_per_second: f64,
    /// From the moment a request was meant to be sent to the answer that it is committed.
    pub finality: Percentiles,
    /// From the moment a request was meant to be sent to the moment it was: the generator's own lateness, part of
    /// `finality`.
    pub send_delay: Percentiles,
}

/// A load signed ahead of time, in steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saturation {
    /// The steps, in order.
    pub steps: Vec<Rate>,
    /// The highest offered rate, transactions a second, at which the network kept up.
    pub keeps_up_to: Option<f64>,
    /// The lowest at which it did not.
    pub falls_behind_at: Option<f64>,
    /// The most transactions a second that were committed in any step.
    pub most_committed_per_second: f64,
}

/// A node that answered nothing any more in the middle of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedNode {
    /// The node.
    pub node: u16,
    /// What the generator saw.
    pub error: String,
}

/// What a killed validator did to the chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Kill {
    /// The node that was killed; it was not a target of requests.
    pub victim: u16,
    /// Height that a survivor had seen when it was killed.
    pub height_at_kill: u64,
    /// The longest time without a block before, under the same load.
    pub longest_gap_before_ms: f64,
    /// From the kill to the next block seen.
    pub first_commit_after_ms: Option<f64>,
    /// The longest time without a block from the kill to the end of the load.
    pub longest_gap_after_ms: f64,
    /// Blocks seen from the kill to the end of the load.
    pub blocks_after: u64,
    /// How long the load went on after the kill.
    pub observed_seconds: f64,
}
