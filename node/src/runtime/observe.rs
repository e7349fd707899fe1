//! What metrics and the log are told of the core's work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blockchat_consensus::{Committed, Event, Evidence, EvidenceKind, PeerMessage, View, quorum};
use blockchat_ledger::{Dropped, Kind, Ring, State};
use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, TraceContextExt as _};

use super::checkpoint;
use crate::http::backend::SubmitResult;
use crate::telemetry::{IntCounterVec, Metrics, Place, Seldom, begin_members};

/// A height that nobody began for this long was idle: the time is none of its block's. `GET /status` has the same bound.
const IDLE: Duration = Duration::from_secs(10);

/// Fills the metrics.
pub struct Observer {
    metrics: Metrics,
    place: Place,
    ring: Arc<Ring>,
    me: u16,
    last_block: Option<Instant>,
    /// When the height in progress was first heard of.
    height_began: Option<Instant>,
    /// When the first acceptable proposal for the height was seen, its own included.
    proposal_seen: Option<Instant>,
    /// The step that the round is in, and since when.
    step: Option<(&'static str, Instant)>,
    /// Whose turn it is.
    proposer: Option<u16>,
    /// As the metrics have them.
    peer_heights: Vec<Option<u64>>,
    /// Whether it is behind.
    behind: bool,
    /// Whether the blocks of this turn are others' old ones: it was behind before the turn, or is after it. The turn that
    /// catches up ends without a lag.
    fetching: bool,
    /// For each member that misbehaves.
    complaints: BTreeMap<u16, Seldom>,
}

impl Observer {
    /// Starts from a recovered core.
    pub fn new(metrics: Metrics, place: Place, ring: Arc<Ring>, me: u16, view: &View) -> Self {
        let (last_block, height_began, step, proposer) = (None, None, None, None);
        place.joined(me);
        let (peer_heights, complaints, behind) = (Vec::new(), BTreeMap::new(), behind(view));
        let observer = Self {
            metrics,
            place,
            ring,
            me,
            last_block,
            height_began,
            proposal_seen: None,
            step,
            proposer,
            peer_heights,
            behind,
            fetching: behind,
            complaints,
        };
        let members = observer.ring.members().len();
        observer.metrics.consensus.member_info.with_label_values(&[&me.to_string()]).set(1);
        observer.metrics.consensus.members.set(clamp(members));
        observer.metrics.consensus.quorum.set(clamp(quorum(members)));
        begin_members(&observer.metrics, members, clamp(view.height));
        observer.stakes_changed(&view.state.stakes(&observer.ring));
        observer.supply(&view.state);
        observer
    }

    /// A sync of the log took this long.
    pub fn synced(&self, took: Duration) {
        self.metrics.storage.log_sync_seconds.observe(took.as_secs_f64());
    }

    /// The thread that owns the state took this long for the inputs that made a block final.
    pub fn applied(&self, took: Duration) {
        // A batch of fetched blocks is no block.
        if !self.behind {
            self.metrics.ledger.block_apply_seconds.observe(took.as_secs_f64());
        }
    }

    /// This member says something to all others.
    pub fn said(&mut self, message: &PeerMessage) {
        match message.statement() {
            Some("proposal") => {
                self.proposal_seen.get_or_insert_with(Instant::now);
                self.step_ends("propose", Some("prevote"));
                self.proposed(self.me, "accepted");
            }
            Some("precommit") => self.step_ends("prevote", Some("precommit")),
            _ => {}
        }
    }

    /// The round leaves a step; nothing, if it was not in it.
    fn step_ends(&mut self, step: &'static str, next: Option<&'static str>) {
        let Some((current, since)) = self.step else { return };
        if current == step {
            let now = Instant::now();
            let seconds = (now - since).as_secs_f64();
            self.metrics.consensus.consensus_step_seconds.with_label_values(&[step]).observe(seconds);
            self.step = next.map(|next| (next, now));
        }
    }

    fn proposed(&self, member: u16, result: &str) {
        self.metrics.consensus.proposals_total.with_label_values(&[&member.to_string(), result]).inc();
    }

    /// The snapshot after a turn, whose commits follow.
    pub fn view(&mut self, view: &View, connected: usize) {
        self.place.at(view.height, view.round.unwrap_or(0));
        let was_behind = std::mem::replace(&mut self.behind, behind(view));
        self.fetching = was_behind || self.behind;
        if !self.metrics.is_on() {
            return;
        }
        let (consensus, pool) = (&self.metrics.consensus, &self.metrics.pool);
        consensus.consensus_height.set(clamp(view.height));
        consensus.consensus_round.set(i64::from(view.round.unwrap_or(0)));
        consensus.syncing.set(i64::from(view.syncing));
        consensus.sync_lag_blocks.set(clamp(view.blocks_behind));
        let others = self.ring.members().len().saturating_sub(1);
        consensus.members_missing.set(clamp(others.saturating_sub(connected)));
        self.metrics.peer.peers_connected.set(clamp(connected));
        if self.peer_heights != view.peer_heights {
            self.peer_heights.clone_from(&view.peer_heights);
            for (id, height) in
                (0..).zip(&view.peer_heights).filter_map(|(id, height): (u16, _)| Some((id, (*height)?)))
            {
                self.metrics.peer.peer_height.with_label_values(&[&id.to_string()]).set(clamp(height));
            }
        }
        pool.mempool_transactions.set(clamp(view.pool_transactions));
        pool.mempool_bytes.set(clamp(view.pool_bytes));
    }

    /// A block is final; `trace` is its trace.
    pub fn committed(&mut self, committed: &Committed, trace: Option<&SpanContext>) {
        let header = &committed.block.header;
        log_block(committed, trace);
        if !self.fetching {
            self.metrics.figures.block(header.transaction_count, committed.certificate.round);
        }
        if !self.metrics.is_on() {
            return;
        }
        if self.fetching {
            (self.last_block, self.height_began, self.proposal_seen) = (None, None, None);
        } else {
            self.counted(committed);
        }
        self.step_ends("precommit", None);
        if checkpoint::is_at(header.index) {
            checkpoint::passed(&self.metrics.consensus, header.index, &committed.certificate.block);
        }
        let consensus = &self.metrics.consensus;
        for signature in &committed.certificate.signatures {
            let member = signature.member.to_string();
            consensus.member_last_signed_height.with_label_values(&[&member]).set(clamp(header.index));
        }
        self.supply(&committed.state);
    }

    /// What balances and stakes add up to.
    fn supply(&self, state: &State) {
        let deviation =
            i128::from(state.total_supply().micros()) - i128::from(self.ring.parameters().supply().micros());
        self.metrics.ledger.supply_deviation.set(i64::try_from(deviation).unwrap_or(i64::MAX));
    }

    /// What is counted and timed of a block as it becomes final. Those that a node fetches because it is behind became
    /// final long ago: they come as fast as they can be read, and would pass for the network's throughput.
    fn counted(&mut self, committed: &Committed) {
        let (now, header) = (Instant::now(), &committed.block.header);
        let consensus = &self.metrics.consensus;
        let began = self.height_began.take();
        if let Some(last) = self.last_block.replace(now)
            && began.is_none_or(|began| began.saturating_duration_since(last) <= IDLE)
        {
            consensus.block_interval_seconds.observe((now - last).as_secs_f64());
        }
        if let Some(seen) = self.proposal_seen.take() {
            consensus.block_finality_seconds.observe((now - seen).as_secs_f64());
        }
        consensus.rounds_per_height.observe(f64::from(committed.certificate.round) + 1.0);
        let ledger = &self.metrics.ledger;
        ledger.blocks_committed_total.inc();
        ledger.block_transactions.observe(f64::from(header.transaction_count));
        if let Ok(bytes) = borsh::object_length(&committed.block) {
            ledger.block_size_bytes.observe(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
        for transaction in &committed.block.transactions {
            add(&ledger.transactions_committed_total, kind(transaction.transaction().kind));
        }
        if let Some(winner) = header.validator.account_id().and_then(|id| self.ring.id_of(&id)) {
            add(&ledger.lottery_wins_total, &winner.to_string());
            if winner == self.me {
                ledger.fees_earned_bcc_total.inc_by(bcc(committed
                    .receipts
                    .iter()
                    .map(|receipt| receipt.fee.micros())
                    .sum()));
            }
        }
    }

    /// Members have other stakes than before.
    // The ratio is for display; nothing is decided by it.
    #[expect(clippy::cast_precision_loss)]
    pub fn stakes_changed(&self, stakes: &[u64]) {
        let total: u64 = stakes.iter().sum();
        for (id, stake) in stakes.iter().enumerate() {
            let ratio = if total == 0 { 0.0 } else { *stake as f64 / total as f64 };
            self.metrics.ledger.stake_ratio.with_label_values(&[&id.to_string()]).set(ratio);
        }
    }

    /// A transaction was committed so long after it was first seen.
    pub fn final_after(&self, seconds: f64) {
        if self.fetching {
            return;
        }
        self.metrics.ledger.transaction_finality_seconds.observe(seconds);
        self.metrics.figures.finality(Duration::try_from_secs_f64(seconds).unwrap_or_default());
    }

    /// Results of a submission.
    pub fn submitted(&self, results: &[SubmitResult]) {
        use blockchat_consensus::SubmitError;
        for error in results.iter().filter_map(|result| result.as_ref().err()) {
            let reason = match error {
                SubmitError::Pool(error) => error.code(),
                SubmitError::BadSignature => "bad_signature",
                SubmitError::CatchingUp => "catching_up",
            };
            add(&self.metrics.pool.transactions_rejected_total, reason);
        }
    }

    /// Transactions left the pool.
    pub fn dropped(&self, dropped: &[Dropped]) {
        for dropped in dropped {
            add(&self.metrics.pool.transactions_rejected_total, dropped.reason.code());
        }
    }

    /// A member contradicted itself.
    pub fn evidence(&self, evidence: &Evidence) {
        let kind = match evidence.kind {
            EvidenceKind::Vote => "vote",
            EvidenceKind::Proposal => "proposal",
        };
        add(&self.metrics.consensus.evidence_total, kind);
        tracing::warn!(peer = evidence.member, height = evidence.height, kind, "a member contradicted itself");
    }

    /// Something else that happened.
    pub fn event(&mut self, event: &Event) {
        match event {
            Event::HeightStarted { .. } => {
                self.height_began.get_or_insert_with(Instant::now);
            }
            Event::ProposalReceived { proposer, result, .. } => {
                self.height_began.get_or_insert_with(Instant::now);
                if *result == "accepted" {
                    self.proposal_seen.get_or_insert_with(Instant::now);
                    self.step_ends("propose", Some("prevote"));
                }
                self.proposed(*proposer, result);
            }
            Event::RoundStarted { height, round, proposer } => {
                self.step = Some(("propose", Instant::now()));
                self.proposer = Some(*proposer);
                if *round > 0 {
                    tracing::debug!(height, round, proposer, "another round");
                }
            }
            Event::RoundTimeout { step, .. } => {
                add(&self.metrics.consensus.round_timeouts_total, step);
                if let ("propose", Some(proposer)) = (*step, self.proposer) {
                    self.proposed(proposer, "missed");
                }
            }
            Event::VoteReceived { kind, result } => {
                self.metrics.consensus.votes_total.with_label_values(&[*kind, *result]).inc();
            }
            Event::Muted { reason } => tracing::warn!(reason, "this node does not vote: its log is lost"),
            Event::Unmuted { from } => tracing::info!(from, "this node votes again from this height on"),
            Event::Misbehaviour { member, what } => {
                if let Some(left_out) = self.complaints.entry(*member).or_default().due() {
                    tracing::warn!(peer = member, what, left_out, "a member misbehaves");
                }
            }
        }
    }
}

fn behind(view: &View) -> bool {
    view.syncing || !view.caught_up
}

/// One line for each block, below the usual level.
fn log_block(committed: &Committed, trace: Option<&SpanContext>) {
    let (header, certificate) = (&committed.block.header, &committed.certificate);
    let _guard = trace.map(|trace| Context::new().with_remote_span_context(trace.clone()).attach());
    tracing::debug!(
        height = header.index,
        round = certificate.round,
        transactions = header.transaction_count,
        block = %certificate.block,
        "final"
    );
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Coins => "coins",
        Kind::Message => "message",
        Kind::CoinsAndMessage => "coins_and_message",
        Kind::Stake => "stake",
        Kind::Grant => "grant",
        Kind::Genesis => "genesis",
    }
}

/// Millionths as BCC, for display.
#[expect(clippy::cast_precision_loss)]
fn bcc(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn add(counter: &IntCounterVec, label: &str) {
    counter.with_label_values(&[label]).inc();
}

fn clamp(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use blockchat_ledger::PoolLimits;
    use prometheus::Registry;

    use super::*;
    use crate::storage::fixture::Chain;

    fn view(at: &Committed) -> View {
        View {
            height: at.block.header.index,
            tip: at.block.header.clone(),
            state: at.state.clone(),
            round: None,
            voting: true,
            caught_up: true,
            syncing: false,
            pool_transactions: 0,
            pool_bytes: 0,
            pool_limits: PoolLimits::default(),
            peer_heights: Vec::new(),
            connected: 0,
            blocks_behind: 0,
        }
    }

    /// The value of a series.
    fn value(metrics: &Metrics, series: &str) -> i64 {
        let text = metrics.encode().unwrap().unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{series} in {text}")).parse().unwrap()
    }

    #[test]
    fn neither_fetched_blocks_nor_idle_time_count_as_the_networks_pace() {
        let mut chain = Chain::found();
        let recovered = chain.next(None);
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let mut view = view(&recovered);
        let mut observer = Observer::new(metrics.clone(), Place::default(), chain.ring.clone(), 0, &view);
        let value = |series: &str| value(&metrics, series);
        let signed = value("blockchat_member_last_signed_height{member=\"0\"}");
        assert_eq!(signed, clamp(view.height), "who signed before this start is not known, and not missing");
        let blocks = || value("blockchat_blocks_committed_total");
        let intervals = || value("blockchat_block_interval_seconds_count");
        view.syncing = true;
        observer.view(&view, 1);
        observer.committed(&chain.next(None), None);
        observer.committed(&chain.next(None), None);
        assert_eq!((blocks(), intervals()), (0, 0), "fetched");
        view.syncing = false;
        observer.view(&view, 1);
        observer.committed(&chain.next(None), None);
        observer.committed(&chain.next(None), None);
        assert_eq!((blocks(), intervals()), (0, 0), "fetched in the turn that catches up");
        observer.view(&view, 1);
        observer.committed(&chain.next(None), None);
        observer.committed(&chain.next(None), None);
        assert_eq!((blocks(), intervals()), (2, 1));
        observer.last_block = Instant::now().checked_sub(IDLE * 2);
        observer.height_began = Some(Instant::now());
        observer.committed(&chain.next(None), None);
        assert_eq!((blocks(), intervals()), (3, 1), "idle for twenty seconds");
    }

    #[test]
    fn agreement_begins_with_an_acceptable_proposal() {
        let mut chain = Chain::found();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let mut observer =
            Observer::new(metrics.clone(), Place::default(), chain.ring.clone(), 0, &view(&chain.next(None)));
        let block = chain.tip.hash();
        let refused = |result| Event::ProposalReceived { proposer: 0, block, result };
        observer.event(&refused("bad_signature"));
        observer.committed(&chain.next(None), None);
        let count = || value(&metrics, "blockchat_block_finality_seconds_count");
        assert_eq!(count(), 0, "no proposal that this node could have agreed to");
        // The height began long ago, and nobody proposed anything.
        observer.height_began = Instant::now().checked_sub(Duration::from_secs(20));
        observer.event(&refused("accepted"));
        observer.committed(&chain.next(None), None);
        let within_ten = value(&metrics, "blockchat_block_finality_seconds_bucket{le=\"10\"}");
        assert_eq!((count(), within_ten), (1, 1));
        observer.committed(&chain.next(None), None);
        assert_eq!(count(), 1, "the proposal was the last block's");
    }

    #[test]
    fn evidence_and_a_wrong_supply_are_counted() {
        let mut chain = Chain::found();
        let metrics = Metrics::register(&Registry::new()).unwrap();
        let start = |state: State| {
            let view = View { state, ..view(&chain.clone().next(None)) };
            Observer::new(metrics.clone(), Place::default(), chain.ring.clone(), 0, &view)
        };
        let deviation = || value(&metrics, "blockchat_supply_deviation");
        start(State::from_accounts([]));
        assert_eq!(deviation(), -clamp(chain.ring.parameters().supply().micros()), "a store without accounts");
        let mut observer = start(chain.state.clone());
        assert_eq!(deviation(), 0);
        let wrong = Committed { state: State::from_accounts([]), ..Arc::into_inner(chain.next(None)).unwrap() };
        observer.committed(&wrong, None);
        assert!(deviation() < 0);
        observer.committed(&chain.next(None), None);
        assert_eq!(deviation(), 0);
        let evidence = |kind| Evidence { member: 0, height: 2, kind, first: vec![1], second: vec![2] };
        observer.evidence(&evidence(EvidenceKind::Vote));
        observer.evidence(&evidence(EvidenceKind::Vote));
        observer.evidence(&evidence(EvidenceKind::Proposal));
        let counted =
            ["vote", "proposal"].map(|kind| value(&metrics, &format!("blockchat_evidence_total{{kind=\"{kind}\"}}")));
        assert_eq!(counted, [2, 1]);
    }
}
