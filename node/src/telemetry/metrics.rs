//! The metrics of a node, by the part that measures them.

use super::buckets::{
    BLOCK_BYTES, BLOCK_TRANSACTIONS, CONSENSUS_SECONDS, HTTP_SECONDS, LOG_SYNC_SECONDS, ROUNDS, SIGNATURE_SECONDS,
};
use super::build::{REVISION, VERSION};
use super::define::metrics_struct;
use super::figures::Figures;
use super::kinds::{Counter, GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use super::{initial, usage};
use crate::peer::PeerBytes;
use prometheus::process_collector::ProcessCollector;
use prometheus::{Registry, TextEncoder};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

metrics_struct! {
    /// Heights, rounds and votes.
    pub struct ConsensusMetrics {
        /// Index of the newest committed block.
        consensus_height: IntGauge;
        /// Index of the block whose fingerprint is told: the newest in steps of up to 4096 blocks.
        checkpoint_height: IntGauge;
        /// The first 48 bits of that block's hash, which covers the state after it and all blocks before it. Nodes with the
        /// same checkpoint must tell the same.
        checkpoint_fingerprint: IntGauge;
        /// Round of the height in progress.
        consensus_round: IntGauge;
        /// Always 1; the label says which member this node is, for what it counts of itself alone.
        member_info: IntGaugeVec, labels = &["member"];
        /// Members of the network.
        members: IntGauge;
        /// Members whose votes make a block final: more than two thirds.
        quorum: IntGauge;
        /// The newest block that a member has signed, by member, as far as the certificates seen here tell.
        member_last_signed_height: IntGaugeVec, labels = &["member"];
        /// Proposals by the member whose turn it was, and what became of them (accepted, missed); refused ones by the member that sent them, and why.
        proposals_total: IntCounterVec, labels = &["member", "result"];
        /// Rounds until a block was final; 1 if nothing went wrong.
        rounds_per_height: Histogram, buckets = ROUNDS;
        /// Length of a step of a round, by step (propose, prevote, precommit).
        consensus_step_seconds: HistogramVec, labels = &["step"], buckets = CONSENSUS_SECONDS;
        /// Members other than this one without a stream to this node.
        members_missing: IntGauge;
        /// Blocks that this node lacks, as more of the connected members say than may lie.
        sync_lag_blocks: IntGauge;
        /// 1 while this node fetches blocks from its peers.
        syncing: IntGauge;
        /// Rounds that ended by a timeout, by step (propose, prevote, precommit).
        round_timeouts_total: IntCounterVec, labels = &["step"];
        /// Votes received, by type (prevote, precommit) and result: accepted for the height in progress, early for a later one, stale. Their signatures are not checked yet.
        votes_total: IntCounterVec, labels = &["type", "result"];
        /// Conflicting statements of one member, by kind (vote, proposal).
        evidence_total: IntCounterVec, labels = &["kind"];
        /// From one block to the next, both made final here; not if nobody began the height for ten seconds.
        block_interval_seconds: Histogram, buckets = CONSENSUS_SECONDS;
        /// From the first acceptable proposal for a height that this node made or got to the commit.
        block_finality_seconds: Histogram, buckets = CONSENSUS_SECONDS;
    }
}

metrics_struct! {
    /// What the committed blocks hold.
    pub struct LedgerMetrics {
        /// Blocks that this process saw become final. Those that it fetched because it was behind do not count, here and in all that is said of blocks.
        blocks_committed_total: IntCounter;
        /// Time that the thread that owns the state took for what made a block final, its transactions' execution included.
        block_apply_seconds: Histogram, buckets = CONSENSUS_SECONDS;
        /// Bytes of a committed block, as it is stored.
        block_size_bytes: Histogram, buckets = BLOCK_BYTES;
        /// Transactions in a committed block.
        block_transactions: Histogram, buckets = BLOCK_TRANSACTIONS;
        /// Fees that this node earned as validator, BCC.
        fees_earned_bcc_total: Counter;
        /// Transactions committed by this process, by kind.
        transactions_committed_total: IntCounterVec, labels = &["kind"];
        /// Blocks minted, by member.
        lottery_wins_total: IntCounterVec, labels = &["member"];
        /// Share of all stake, by member; 0 for all while nobody has any.
        stake_ratio: GaugeVec, labels = &["member"];
        /// Balances and stakes of all accounts minus the supply at genesis, in millionths of a BCC. Must be 0.
        supply_deviation: IntGauge;
        /// From the moment this node began to check a transaction's signature to its commit.
        transaction_finality_seconds: Histogram, buckets = CONSENSUS_SECONDS;
    }
}

metrics_struct! {
    /// Pending transactions.
    pub struct PoolMetrics {
        /// Transactions in the pool.
        mempool_transactions: IntGauge;
        /// Bytes of the transactions in the pool.
        mempool_bytes: IntGauge;
        /// Most transactions that the pool takes.
        mempool_capacity_transactions: IntGauge;
        /// Most bytes that the pool takes.
        mempool_capacity_bytes: IntGauge;
        /// Transactions refused by the pool or dropped from it, by reason.
        transactions_rejected_total: IntCounterVec, labels = &["reason"];
    }
}

metrics_struct! {
    /// Streams to the other members.
    pub struct PeerMetrics {
        /// Streams that are up.
        peers_connected: IntGauge;
        /// The height a peer told last, by member.
        peer_height: IntGaugeVec, labels = &["peer"];
        /// Bytes of messages between members, by direction (sent, received) and kind.
        peer_bytes_total: IntCounterVec, labels = PeerBytes::LABELS;
        /// Registrations that this node answered as bootstrap node, by result (accepted, or the code of the refusal).
        join_requests_total: IntCounterVec, labels = &["result"];
    }
}

metrics_struct! {
    /// The log and the store.
    pub struct StorageMetrics {
        /// One fdatasync of the log.
        log_sync_seconds: Histogram, buckets = LOG_SYNC_SECONDS;
        /// Bytes of the files in the data directory.
        storage_bytes: IntGauge;
        /// Bytes that are left on the volume of the data directory.
        storage_available_bytes: IntGauge;
    }
}

metrics_struct! {
    /// RSA.
    pub struct VerifyMetrics {
        /// Verifying one transaction's signature.
        signature_verify_seconds: Histogram, buckets = SIGNATURE_SECONDS;
        /// Signing one transaction with the node's wallet.
        signature_sign_seconds: Histogram, buckets = SIGNATURE_SECONDS;
    }
}

metrics_struct! {
    /// The public API.
    pub struct HttpMetrics {
        /// From a request's first byte to the head of its answer, by matched route, method and status.
        http_request_seconds: HistogramVec, labels = &["route", "method", "status"], buckets = HTTP_SECONDS;
    }
}

metrics_struct! {
    /// Traces on their way to the collector.
    pub struct TraceMetrics {
        /// Spans that the collector took.
        spans_exported_total: IntCounter;
        /// Spans that did not reach the collector: it did not take them, the queue in front of it was full, or they were not made because it takes none.
        spans_dropped_total: IntCounter;
    }
}

metrics_struct! {
    /// Which program this is.
    pub struct BuildMetrics {
        /// Always 1; the labels say which program runs.
        build_info: IntGaugeVec, labels = &["version", "revision"];
    }
}

/// All metrics of a node with the registry they are in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// None: nothing is measured.
    registry: Option<Registry>,
    data_dir: Arc<OnceLock<PathBuf>>,
    /// Heights, rounds and votes.
    pub consensus: ConsensusMetrics,
    /// What the committed blocks hold.
    pub ledger: LedgerMetrics,
    /// Pending transactions.
    pub pool: PoolMetrics,
    /// Streams to the other members.
    pub peer: PeerMetrics,
    /// The log and the store.
    pub storage: StorageMetrics,
    /// RSA.
    pub verify: VerifyMetrics,
    /// The public API.
    pub http: HttpMetrics,
    /// Traces on their way to the collector.
    pub trace: TraceMetrics,
    /// The last seconds, for `GET /status`.
    pub figures: Figures,
}

impl Metrics {
    /// Registers everything. Fails if the registry holds one of the names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        registry.register(Box::new(ProcessCollector::for_self()))?;
        Self::make(Some(registry))
    }

    /// Metrics that measure nothing: the baseline for what measuring costs.
    pub fn off() -> prometheus::Result<Self> {
        Self::make(None)
    }

    /// Whether anything is measured.
    pub fn is_on(&self) -> bool {
        self.registry.is_some()
    }

    fn make(registry: Option<&Registry>) -> prometheus::Result<Self> {
        let build = BuildMetrics::make(registry)?;
        build.build_info.with_label_values(&[VERSION, REVISION]).set(1);
        let metrics = Self {
            registry: registry.cloned(),
            data_dir: Arc::default(),
            consensus: ConsensusMetrics::make(registry)?,
            ledger: LedgerMetrics::make(registry)?,
            pool: PoolMetrics::make(registry)?,
            peer: PeerMetrics::make(registry)?,
            storage: StorageMetrics::make(registry)?,
            verify: VerifyMetrics::make(registry)?,
            http: HttpMetrics::make(registry)?,
            trace: TraceMetrics::make(registry)?,
            figures: Figures::default(),
        };
        initial::begin(&metrics);
        Ok(metrics)
    }

    /// Measures the data directory at each scrape from now on.
    pub fn watch_storage(&self, data_dir: PathBuf) {
        let _ = self.data_dir.set(data_dir);
    }

    /// All metrics in Prometheus' text format; none if they are off.
    pub fn encode(&self) -> prometheus::Result<Option<String>> {
        let Some(registry) = &self.registry else { return Ok(None) };
        if let Some(data_dir) = self.data_dir.get() {
            let used = usage::bytes_in(data_dir);
            self.storage.storage_bytes.set(i64::try_from(used).unwrap_or(i64::MAX));
            if let Some(left) = usage::bytes_left(data_dir) {
                self.storage.storage_available_bytes.set(i64::try_from(left).unwrap_or(i64::MAX));
            }
        }
        TextEncoder::new().encode_to_string(&registry.gather()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doc_comments_are_the_help_texts() {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        metrics.consensus.consensus_height.set(7);
        let text = metrics.encode().unwrap().unwrap();
        assert!(text.contains("# HELP blockchat_consensus_height Index of the newest committed block.\n"), "{text}");
        assert!(text.contains("blockchat_consensus_height 7\n"), "{text}");
        assert!(
            text.contains(&format!("blockchat_build_info{{revision=\"{REVISION}\",version=\"{VERSION}\"}} 1\n")),
            "{text}"
        );
    }

    #[test]
    fn names_follow_the_convention() {
        let metrics = Metrics::register(&Registry::new()).unwrap();
        for family in metrics.registry.unwrap().gather() {
            let name = family.name();
            // What Prometheus itself calls the figures of a process.
            assert!(name.starts_with("blockchat_") || name.starts_with("process_"), "{name}");
            assert!(!family.help().is_empty(), "{name} has no help text");
            let is_counter = family.get_field_type() == prometheus::proto::MetricType::COUNTER;
            assert_eq!(is_counter, name.ends_with("_total"), "{name}");
            let is_histogram = family.get_field_type() == prometheus::proto::MetricType::HISTOGRAM;
            let measured = ["_seconds", "_bytes", "_transactions", "rounds_per_height"];
            assert!(!is_histogram || measured.iter().any(|unit| name.ends_with(unit)), "{name}");
            let forbidden = ["address", "wallet", "id", "message", "transaction", "key"];
            for label in family.get_metric().iter().flat_map(prometheus::proto::Metric::get_label) {
                assert!(!forbidden.contains(&label.name()), "{name}: {}", label.name());
            }
        }
    }

    #[test]
    fn the_written_page_has_every_metric() {
        let rows = [
            ConsensusMetrics::rows(),
            LedgerMetrics::rows(),
            PoolMetrics::rows(),
            PeerMetrics::rows(),
            StorageMetrics::rows(),
            VerifyMetrics::rows(),
            HttpMetrics::rows(),
            TraceMetrics::rows(),
            BuildMetrics::rows(),
        ]
        .concat();
        let page = include_str!("../../../docs/metrics.md");
        let is_ours = |line: &&str| line.starts_with("| `blockchat_") && !line.starts_with("| `blockchat_loadtest_");
        let written: Vec<&str> = page.lines().filter(is_ours).collect();
        assert_eq!(written, rows, "expected:\n{}", rows.join("\n"));
    }

    #[test]
    fn metrics_that_are_off_count_nothing() {
        let metrics = Metrics::off().unwrap();
        metrics.ledger.blocks_committed_total.inc();
        metrics.consensus.votes_total.with_label_values(&["prevote", "accepted"]).inc();
        assert_eq!(metrics.ledger.blocks_committed_total.get(), 0);
        assert_eq!(metrics.encode().unwrap(), None);
    }

    #[test]
    fn a_registry_takes_the_metrics_once() {
        let registry = Registry::new();
        Metrics::register(&registry).unwrap();
        assert!(Metrics::register(&registry).is_err());
    }
}
