//! The state behind the view: answers and events go in, a snapshot comes out. No clock, no network, no terminal.

use super::snapshot::{Agreement, BlockRow, Figures, MemberRow, NodeRow, Snapshot, Source, Tip, percent, rate};
use super::throughput::Throughput;
use blockchat_client::api::{Amount, BlockEvent, Hash, LotteryAnswer, StatusAnswer};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// Heights whose hash is remembered: a minute at more than a hundred blocks a second.
const MAX_HASHES: usize = 8_192;
/// Members that are shown: as many as a network may have. A node may claim more.
const MAX_MEMBERS: usize = 256;
/// Blocks that can be shown.
const MAX_BLOCKS: usize = 200;

/// Something that was learnt.
#[derive(Clone, Debug)]
pub enum Report {
    /// What a node said of itself, or why it said nothing.
    Status { node: usize, answer: Result<Box<StatusAnswer>, String> },
    /// Blocks come from this node from now on, from this one on; those up to `height` are older than our look.
    Source { node: usize, chain_id: Hash, height: u64 },
    /// The next block of the source.
    Block(Box<BlockEvent>),
    /// The stakes, as tickets.
    Tickets(Box<LotteryAnswer>),
    /// The hash of an older block on the source's chain.
    Hash { node: usize, height: u64, hash: Hash },
}

/// Everything that was learnt.
#[derive(Debug)]
pub struct Model {
    nodes: Vec<Node>,
    source: Option<usize>,
    chain_id: Option<Hash>,
    /// Blocks up to this one were there before we looked.
    old: u64,
    /// The hash at a height, and the node it is from.
    hashes: BTreeMap<u64, (Hash, usize)>,
    /// The last ones, newest first, with the time of their minting (milliseconds since 1970).
    blocks: VecDeque<(u64, BlockRow)>,
    seen: u64,
    won: BTreeMap<u16, (u64, Amount)>,
    stakes: BTreeMap<u16, u64>,
    throughput: Throughput,
}

/// A node that is asked.
#[derive(Debug)]
struct Node {
    url: String,
    /// Whether a question has had its outcome.
    asked: bool,
    id: Option<u16>,
    answer: Option<Box<StatusAnswer>>,
    reason: Option<String>,
    verdict: Verdict,
    /// Its newest block, not compared yet.
    tip: Option<(u64, Hash)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Unknown,
    Agrees,
    Differs { height: u64, from: usize },
    OtherNetwork,
}

impl Model {
    /// Nothing is known yet of these nodes.
    pub fn new(urls: impl IntoIterator<Item = String>, now: Instant) -> Self {
        let node = |url| Node {
            url,
            asked: false,
            id: None,
            answer: None,
            reason: None,
            verdict: Verdict::Unknown,
            tip: None,
        };
        Self {
            nodes: urls.into_iter().map(node).collect(),
            source: None,
            chain_id: None,
            old: 0,
            hashes: BTreeMap::new(),
            blocks: VecDeque::new(),
            seen: 0,
            won: BTreeMap::new(),
            stakes: BTreeMap::new(),
            throughput: Throughput::new(now),
        }
    }

    /// Takes in what was learnt.
    pub fn apply(&mut self, report: Report, now: Instant) {
        match report {
            Report::Status { node, answer } => self.status(node, answer),
            Report::Source { node, chain_id, height } => self.source(node, chain_id, height),
            Report::Block(block) => self.block(&block, now),
            Report::Tickets(lottery) => {
                let stakes = lottery
                    .tickets
                    .iter()
                    .take(MAX_MEMBERS)
                    .filter_map(|entry| Some((entry.member, entry.tickets.parse().ok()?)));
                self.stakes = stakes.collect();
            }
            Report::Hash { node, height, hash } => self.hash(height, hash, node),
        }
    }

    fn status(&mut self, node: usize, answer: Result<Box<StatusAnswer>, String>) {
        let Some(entry) = self.nodes.get_mut(node) else { return };
        entry.asked = true;
        match answer {
            Ok(answer) => {
                entry.id = answer.id.or(entry.id);
                entry.tip = answer.height.zip(answer.tip_hash);
                entry.answer = Some(answer);
                entry.reason = None;
            }
            Err(reason) => {
                (entry.answer, entry.tip, entry.verdict) = (None, None, Verdict::Unknown);
                entry.reason = Some(reason);
            }
        }
        self.judge(node);
    }

    fn source(&mut self, node: usize, chain_id: Hash, height: u64) {
        if self.chain_id != Some(chain_id) {
            // The first one, or a network that was founded anew under the same URLs.
            (self.hashes, self.blocks, self.won, self.stakes) = Default::default();
            (self.chain_id, self.old, self.seen) = (Some(chain_id), height, 0);
            for node in &mut self.nodes {
                node.verdict = Verdict::Unknown;
            }
        }
        self.source = Some(node);
        for node in 0..self.nodes.len() {
            self.judge(node);
        }
    }

    fn block(&mut self, block: &BlockEvent, now: Instant) {
        let Some(source) = self.source else { return };
        let transactions = u64::try_from(block.transactions.len()).unwrap_or(u64::MAX);
        if block.index > self.old {
            self.throughput.add(now, transactions);
        }
        self.seen += 1;
        if let Some(winner) = block.validator_id {
            let (won, fees) = self.won.entry(winner).or_default();
            *won += 1;
            *fees = fees.checked_add(block.fees).unwrap_or(*fees);
        }
        let (index, validator_id, round, fees) = (block.index, block.validator_id, block.round, block.fees);
        let row = BlockRow { index, age_ms: 0, validator_id, round, transactions, fees };
        self.blocks.push_front((block.timestamp_ms, row));
        self.blocks.truncate(MAX_BLOCKS);
        self.hash(block.index, block.current_hash, source);
    }

    fn hash(&mut self, height: u64, hash: Hash, from: usize) {
        self.hashes.entry(height).or_insert((hash, from));
        while self.hashes.len() > MAX_HASHES {
            self.hashes.pop_first();
        }
        for node in 0..self.nodes.len() {
            self.judge(node);
        }
    }

    /// Compares a node's newest block with the one that the source has at that height, once it is known: nodes at
    /// different heights are no fork.
    fn judge(&mut self, node: usize) {
        let Some(entry) = self.nodes.get_mut(node) else { return };
        let Some(answer) = &entry.answer else { return };
        if let (Some(theirs), Some(ours)) = (answer.chain_id, self.chain_id)
            && theirs != ours
        {
            entry.verdict = Verdict::OtherNetwork;
            return;
        }
        let Some((height, hash)) = entry.tip else { return };
        if let Some((known, from)) = self.hashes.get(&height) {
            entry.tip = None;
            entry.verdict = match entry.verdict {
                _ if *known == hash => Verdict::Agrees,
                // The first height at which it was noticed says more than the newest one.
                earlier @ Verdict::Differs { .. } => earlier,
                _ => Verdict::Differs { height, from: *from },
            };
        }
    }

    /// Heights below those that the source has told, whose hash is needed to compare a node that is behind.
    pub fn missing(&self) -> Option<(usize, BTreeSet<u64>)> {
        let (source, newest) = (self.source?, *self.hashes.last_key_value()?.0);
        let tips = self.nodes.iter().filter(|node| node.verdict != Verdict::OtherNetwork).filter_map(|node| node.tip);
        let heights: BTreeSet<u64> = tips
            .map(|(height, _)| height)
            .filter(|height| *height < newest && !self.hashes.contains_key(height))
            .collect();
        Some((source, heights))
    }

    /// Whether every node was asked, and the blocks up to the source's newest one have come.
    pub fn complete(&self) -> bool {
        let joined = |node: &Node| node.answer.as_ref().is_some_and(|answer| answer.height.is_some());
        let blocks = match self.source {
            Some(_) => self.hashes.last_key_value().is_some_and(|(newest, _)| *newest >= self.old),
            None => !self.nodes.iter().any(joined),
        };
        self.nodes.iter().all(|node| node.asked) && blocks
    }

    /// Why the first node does not answer, if none of them does.
    pub fn silence(&self) -> Option<(String, String)> {
        let first = self.nodes.first()?;
        let silent = self.nodes.iter().all(|node| node.answer.is_none());
        silent.then(|| (first.url.clone(), first.reason.clone().unwrap_or_else(|| "no answer yet".to_owned())))
    }

    /// What is to be shown; `at_ms` is the time of day, milliseconds since 1970.
    pub fn snapshot(&self, now: Instant, at_ms: u64) -> Snapshot {
        let source = self.source.and_then(|source| self.nodes.get(source));
        let answering = || self.nodes.iter().filter(|node| node.answer.is_some());
        let told = answering()
            .filter(|node| node.verdict != Verdict::OtherNetwork)
            .filter_map(|node| node.answer.as_ref()?.height);
        let seen = self.blocks.front().map(|(_, block)| block.index);
        let aged =
            |(minted, block): &(u64, BlockRow)| BlockRow { age_ms: at_ms.saturating_sub(*minted), ..block.clone() };
        Snapshot {
            at_ms,
            chain_id: self.chain_id,
            height: told.chain(seen).max(),
            agreement: self.agreement(),
            nodes_answering: answering().count(),
            source: source.map(|node| Source { url: node.url.clone(), id: node.id }),
            figures: self.figures(source, now),
            nodes: self.nodes.iter().map(row).collect(),
            blocks_seen: self.seen,
            members: self.members(source),
            blocks: self.blocks.iter().map(aged).collect(),
            per_second: self.throughput.per_second(now),
        }
    }

    /// The source's own figures; from its blocks alone if it is of a version that does not tell them.
    fn figures(&self, source: Option<&Node>, now: Instant) -> Figures {
        let Some(answer) = source.and_then(|node| node.answer.as_ref()) else { return Figures::default() };
        let Some(told) = answer.figures else {
            let (transactions, window_ms) = self.throughput.recent(now);
            let transactions_per_second = rate(transactions, window_ms);
            return Figures { window_ms: Some(window_ms), transactions_per_second, ..Figures::default() };
        };
        Figures {
            window_ms: Some(told.window_ms),
            transactions_per_second: rate(told.transactions, told.window_ms),
            block_interval_mean_us: told.block_interval_mean_us,
            block_interval_p95_us: told.block_interval_p95_us,
            transaction_finality_p50_us: told.transaction_finality_p50_us,
            transaction_finality_p95_us: told.transaction_finality_p95_us,
            extra_rounds: Some(told.extra_rounds),
        }
    }

    fn members(&self, source: Option<&Node>) -> Vec<MemberRow> {
        let answer = source.and_then(|node| node.answer.as_ref());
        let peers = answer.map(|answer| answer.peers.as_slice()).unwrap_or_default();
        let peers: BTreeMap<u16, _> = peers.iter().take(MAX_MEMBERS).map(|peer| (peer.id, peer)).collect();
        let itself = source.and_then(|node| node.id);
        let mut ids: BTreeSet<u16> = self.stakes.keys().chain(self.won.keys()).copied().collect();
        ids.extend(peers.keys().copied().chain(itself));
        let total = self.stakes.values().fold(0_u64, |sum, stake| sum.saturating_add(*stake));
        let row = |id: u16| {
            let peer = peers.get(&id);
            let stake = self.stakes.get(&id).copied();
            let (blocks_won, fees) = self.won.get(&id).copied().unwrap_or_default();
            MemberRow {
                id,
                stake: stake.map(Amount::from_micros),
                stake_percent: stake.and_then(|stake| percent(stake, total)),
                blocks_won,
                blocks_won_percent: percent(blocks_won, self.seen),
                fees,
                height: peer
                    .map_or(answer.filter(|_| itself == Some(id)).and_then(|own| own.height), |peer| peer.height),
                connected: peer.map(|peer| peer.connected),
            }
        };
        ids.into_iter().take(MAX_MEMBERS).map(row).collect()
    }

    fn agreement(&self) -> Agreement {
        let name = |node: &Node| row(node).name();
        let answering: Vec<&Node> = self.nodes.iter().filter(|node| node.answer.is_some()).collect();
        let of = |verdict: fn(&Verdict) -> bool| answering.iter().filter(move |node| verdict(&node.verdict)).copied();
        let strangers: Vec<String> = of(|verdict| *verdict == Verdict::OtherNetwork).map(name).collect();
        let mut forks = Vec::new();
        for node in &answering {
            if let Verdict::Differs { height, from } = node.verdict {
                let other = self.nodes.get(from).map_or_else(String::new, name);
                forks.push(format!("{} has another block {height} than {other}", name(node)));
            }
        }
        let agree = of(|verdict| *verdict == Verdict::Agrees).count();
        let mut text = match (forks.is_empty(), agree) {
            (false, _) => format!("FORKED: {}", forks.join(", ")),
            (true, 0 | 1) if answering.is_empty() => "no node answers".to_owned(),
            (true, 0 | 1) if self.nodes.len() == 1 => "one node is asked: nothing to compare".to_owned(),
            (true, 0 | 1) => "not compared yet".to_owned(),
            (true, _) => "one chain".to_owned(),
        };
        if !strangers.is_empty() {
            text.push_str("; of another network: ");
            text.push_str(&strangers.join(", "));
        }
        let compared = agree > 1 || !forks.is_empty();
        Agreement { one_chain: compared.then_some(forks.is_empty()), text }
    }
}

fn row(node: &Node) -> NodeRow {
    let answer = node.answer.as_deref();
    let pool = answer.and_then(|answer| answer.pool.as_ref());
    let peers = answer.filter(|answer| answer.id.is_some()).map(|answer| &answer.peers);
    let (tip, differs_at) = match node.verdict {
        Verdict::Unknown => (Tip::Unknown, None),
        Verdict::Agrees => (Tip::Agrees, None),
        Verdict::Differs { height, .. } => (Tip::Differs, Some(height)),
        Verdict::OtherNetwork => (Tip::OtherNetwork, None),
    };
    NodeRow {
        url: node.url.clone(),
        id: node.id,
        unreachable: node.reason.clone(),
        phase: answer.map(|answer| answer.phase),
        waiting_for: answer.and_then(|answer| answer.waiting_for.clone()),
        height: answer.and_then(|answer| answer.height),
        tip,
        differs_at,
        round: answer.and_then(|answer| answer.round),
        pool_transactions: pool.map(|pool| pool.transactions),
        pool_capacity: pool.and_then(|pool| pool.capacity_transactions),
        voting: answer.and_then(|answer| answer.voting),
        streams_up: peers.map(|peers| peers.iter().filter(|peer| peer.connected).count()),
        streams: peers.map(Vec::len),
        transaction_finality_p95_us: answer.and_then(|answer| answer.figures?.transaction_finality_p95_us),
    }
}

#[cfg(test)]
mod tests;
