//! The traces of blocks, as the thread that owns the state sees them.
//!
//! | span | where | what |
//! |---|---|---|
//! | `block.propose` | the proposer | from the start of the round to the proposal; linked to the transactions' traces |
//! | `block.verify` | the others | from the proposal's arrival to the member's own prevote |
//! | `prevote`, `precommit` | every member | from its own vote of that kind to the next step |
//! | `log.sync` | every member | what was said is made durable |
//! | `commit.apply` | every member | the turn in which the block became final |
//!
//! All are below `block.propose`, whose context travels beside the proposal.

use std::time::{Duration, SystemTime};

use blockchat_consensus::{Committed, Event, PeerMessage};
use blockchat_ledger::Hash;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanContext};
use opentelemetry_sdk::trace::Span;

use crate::telemetry::{Beside, Traces};

/// When a turn of the thread began, and when the core was done with it.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Before the first input.
    pub began: SystemTime,
    /// After the last one, before anything is made durable.
    pub handled: SystemTime,
}

impl Turn {
    /// A turn that is about to begin.
    pub fn begin() -> Self {
        let now = SystemTime::now();
        Self { began: now, handled: now }
    }
}

/// The block that is being agreed on, if it is traced.
struct Current {
    block: Hash,
    context: SpanContext,
    /// The step this member is in, since when.
    step: (&'static str, SystemTime),
}

/// The block that became final in this turn.
struct Applied {
    context: SpanContext,
    /// Its height, and the round in which it became final.
    place: (u64, u32),
    /// The step that ended with it.
    step: &'static str,
    /// Ends with the turn.
    _span: Option<Span>,
}

/// Follows the core's actions and makes the spans of blocks.
pub struct BlockTraces {
    traces: Traces,
    turn: Turn,
    /// Height and round in progress.
    place: (u64, u32),
    round_began: SystemTime,
    current: Option<Current>,
    applied: Option<Applied>,
    synced: Option<(SystemTime, Duration)>,
    /// This member's votes of this turn, with their height.
    voted: Vec<(&'static str, u64)>,
    sending: Vec<Beside>,
}

impl BlockTraces {
    /// Nothing is under way yet.
    pub fn new(traces: Traces) -> Self {
        let turn = Turn::begin();
        let (current, applied, synced, voted, sending) = (None, None, None, Vec::new(), Vec::new());
        Self { traces, turn, place: (0, 0), round_began: turn.began, current, applied, synced, voted, sending }
    }

    /// The traces of transactions.
    pub fn transactions(&self) -> &Traces {
        &self.traces
    }

    /// A turn's actions are about to be performed.
    pub fn turn_begins(&mut self, turn: Turn) {
        self.turn = turn;
    }

    /// When the present turn began.
    pub fn turn(&self) -> Turn {
        self.turn
    }

    /// The log was made durable, which took so long until now.
    pub fn synced(&mut self, took: Duration) {
        if self.traces.is_on() {
            let now = SystemTime::now();
            self.synced = Some((now.checked_sub(took).unwrap_or(now), took));
        }
    }

    /// What happened in the core.
    pub fn event(&mut self, event: &Event) {
        if !self.traces.is_on() {
            return;
        }
        match event {
            Event::RoundStarted { height, round, .. } => {
                (self.place, self.round_began) = ((*height, *round), self.turn.handled);
            }
            Event::ProposalReceived { proposer, block, result: "accepted" } => {
                let known = self.traces.of_block(block, *proposer);
                self.current = known.map(|(context, received)| Current {
                    block: *block,
                    context,
                    step: ("block.verify", received),
                });
            }
            _ => {}
        }
    }

    /// A message leaves, for one member or for all: what goes beside it.
    pub fn sending(&mut self, message: &PeerMessage) -> bytes::Bytes {
        if !self.traces.is_on() {
            return bytes::Bytes::new();
        }
        match message {
            PeerMessage::Proposal(proposed) => {
                self.proposing(&proposed.proposal.message.block.0, &proposed.transactions);
            }
            PeerMessage::Vote(vote) => {
                if let Some(step) = message.statement() {
                    self.voted.push((step, vote.message.height.0));
                    self.step(step, vote.message.height.0);
                }
            }
            _ => {}
        }
        let beside = self.traces.beside(message, self.current.as_ref().map(|current| &current.context));
        let envelope = beside.envelope.clone();
        self.sending.push(beside);
        envelope
    }

    /// This member proposes: the trace begins here, if one of the transactions is traced.
    fn proposing(&mut self, block: &Hash, transactions: &[Hash]) {
        if self.current.as_ref().is_some_and(|current| current.block == *block) {
            // Proposed again in a later round: it stays the trace it was.
            return;
        }
        self.current = None;
        let links = self.traces.of_transactions(transactions);
        if links.is_empty() {
            return;
        }
        let count = i64::try_from(transactions.len()).unwrap_or(i64::MAX);
        let mut attributes = attributes(self.place);
        attributes.push(KeyValue::new("blockchat.transactions", count));
        attributes.push(KeyValue::new("blockchat.block", block.to_string()));
        let Some(mut span) = self.traces.root("block.propose", self.round_began, links, attributes) else { return };
        let context = span.span_context().clone();
        span.end();
        let step = ("block.propose", self.turn.handled);
        self.current = Some(Current { block: *block, context, step });
        // The core counts its own messages before it gives them away, so that the votes come before the proposal.
        for step in ["prevote", "precommit"] {
            if self.voted.contains(&(step, self.place.0)) {
                self.step(step, self.place.0);
            }
        }
    }

    /// The member enters a step: the one before has ended. The proposer's own prevote comes with its proposal.
    fn step(&mut self, next: &'static str, height: u64) {
        let Some(current) = &mut self.current else { return self.last_step(next, height) };
        let (step, since) = current.step;
        if step == next {
            // Votes are said again when an answer is late.
            return;
        }
        current.step = (next, self.turn.handled);
        let context = current.context.clone();
        if step != "block.propose" {
            self.finished(step, &context, self.place, (since, self.turn.handled));
        }
    }

    /// The vote that made the block final is sent when it already is.
    fn last_step(&mut self, step: &'static str, height: u64) {
        let Some(applied) = self.applied.as_mut().filter(|applied| applied.place.0 == height) else { return };
        if applied.step == "precommit" || applied.step == step {
            return;
        }
        applied.step = step;
        let (context, place) = (applied.context.clone(), applied.place);
        self.finished(step, &context, place, (self.turn.handled, self.turn.handled));
    }

    fn finished(&self, name: &'static str, context: &SpanContext, place: (u64, u32), times: (SystemTime, SystemTime)) {
        let (since, until) = times;
        if let Some(mut span) = self.traces.span(name, context, since, || attributes(place)) {
            span.end_with_timestamp(until.max(since));
        }
    }

    /// A block is final.
    pub fn committed(&mut self, committed: &Committed) {
        if !self.traces.is_on() {
            return;
        }
        let block = committed.certificate.block;
        let current = self.current.take().filter(|current| current.block == block);
        if let Some(current) = &current {
            let (step, since) = current.step;
            let place = (committed.block.header.index, self.place.1);
            if step != "block.propose" {
                self.finished(step, &current.context, place, (since, self.turn.handled));
            }
            self.applied = Some(Applied {
                context: current.context.clone(),
                place,
                step,
                _span: self.traces.span("commit.apply", &current.context, self.turn.began, || attributes(place)),
            });
        }
        self.traces.committed(committed, current.as_ref().map(|current| &current.context));
    }

    /// The trace of the block that became final in this turn.
    pub fn applied(&self) -> Option<&SpanContext> {
        self.applied.as_ref().map(|applied| &applied.context)
    }

    /// Everything of this turn has left.
    pub fn turn_ends(&mut self) {
        self.sending.clear();
        self.voted.clear();
        let applied = self.applied.take();
        let synced = self.synced.take();
        let applied = applied.as_ref().map(|applied| (applied.context.clone(), applied.place));
        let traced = applied.or_else(|| self.current.as_ref().map(|current| (current.context.clone(), self.place)));
        if let (Some((context, place)), Some((since, took))) = (traced, synced) {
            self.finished("log.sync", &context, place, (since, since + took));
        }
        // The span of the commit ends as it is dropped here.
    }
}

fn attributes((height, round): (u64, u32)) -> Vec<KeyValue> {
    let height = i64::try_from(height).unwrap_or(i64::MAX);
    vec![KeyValue::new("blockchat.height", height), KeyValue::new("blockchat.round", i64::from(round))]
}
