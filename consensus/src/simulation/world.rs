//! The event queue: everything that happens to a simulated network, in the order of virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::validate_chain;
use sha2::{Digest, Sha256};

use super::disk::Disk;
use super::faults::{Faults, Planted, Rng};
use super::fixture::{Network, network, verify};
use super::invariants::Invariants;
use crate::context::fault_tolerance;
use crate::core::Core;
use crate::io::{Action, Event as CoreEvent, Input, Now, Outputs, TimerId};
use crate::message::{CertifiedBlock, PeerMessage};

/// Virtual time is in microseconds.
pub(super) const MS: u64 = 1_000;
pub(super) const FAULTS_END: u64 = 12_000 * MS;
const HEALED_BY: u64 = FAULTS_END + 90_000 * MS;
/// Blocks that must be added after the faults have ended.
const PROGRESS: u64 = 6;
const SILENCE: u64 = 3_000 * MS;
const EPOCH_MS: u64 = 1_700_000_000_000;

#[derive(Debug)]
pub(super) enum Event {
    Message { to: usize, from: u16, bytes: Vec<u8> },
    Timer { slot: usize, id: TimerId, generation: u64 },
    Verified { slot: usize, epoch: u64, job: u64, transactions: Vec<blockchat_ledger::SignedTransaction> },
    Link { slot: usize, peer: u16, up: bool },
    Restart { slot: usize },
    Client,
    Partition,
    ClockStep,
}

/// A process: one per member, and one more for a member that runs twice.
pub(super) struct Slot {
    pub(super) member: u16,
    pub(super) core: Option<Core>,
    pub(super) disk: Disk,
    pub(super) timers: HashMap<TimerId, u64>,
    pub(super) epoch: u64,
    pub(super) clock_offset_ms: i64,
    /// Lost its log and does not vote yet.
    pub(super) muted: bool,
    pub(super) started: u64,
}

/// What happened in a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) trace: String,
    pub(super) events: u64,
    pub(super) blocks: u64,
    pub(super) transactions: u64,
    pub(super) crashes: u64,
    pub(super) lost_logs: u64,
    pub(super) late_rounds: u64,
    pub(super) synced: u64,
    pub(super) evidence: u64,
}

impl Report {
    pub(super) fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.blocks += other.blocks;
        self.transactions += other.transactions;
        self.crashes += other.crashes;
        self.lost_logs += other.lost_logs;
        self.late_rounds += other.late_rounds;
        self.synced += other.synced;
        self.evidence += other.evidence;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} events, {} blocks with {} transactions, {} decided in late rounds, {} fetched by sync, {} crashes, \
             {} lost logs, {} contradictions seen",
            self.events,
            self.blocks,
            self.transactions,
            self.late_rounds,
            self.synced,
            self.crashes,
            self.lost_logs,
            self.evidence
        )
    }
}

pub(super) struct World {
    pub(super) network: Arc<Network>,
    pub(super) members: u16,
    pub(super) faults: Faults,
    pub(super) planted: Planted,
    pub(super) rng: Rng,
    pub(super) now: u64,
    pub(super) sequence: u64,
    pub(super) queue: BinaryHeap<Reverse<(u64, u64)>>,
    pub(super) events: HashMap<u64, Event>,
    pub(super) slots: Vec<Slot>,
    /// Which side of the partition each slot is on.
    pub(super) side: Vec<u8>,
    pub(super) invariants: Invariants,
    pub(super) trace: Sha256,
    pub(super) report: Report,
    pub(super) clients_on: bool,
    pub(super) nonces: Vec<u64>,
    pub(super) tickets: BTreeMap<u64, (usize, u64)>,
    pub(super) next_ticket: u64,
    pub(super) next_generation: u64,
    /// Messages other than heights since the last reset.
    pub(super) chatter: u64,
    pub(super) log: bool,
}

impl World {
    pub(super) fn new(seed: u64, members: u16, faults: Faults, planted: Planted) -> Self {
        let network = network(members);
        // Fewer than four members tolerate no liar.
        let faults = Faults { twin: faults.twin && fault_tolerance(usize::from(members)) > 0, ..faults };
        let mut slots: Vec<u16> = (0..members).collect();
        if faults.twin {
            slots.push(members - 1);
        }
        let slots: Vec<Slot> = slots
            .into_iter()
            .map(|member| Slot {
                member,
                core: None,
                disk: Disk::new(),
                timers: HashMap::new(),
                epoch: 0,
                clock_offset_ms: 0,
                muted: false,
                started: 0,
            })
            .collect();
        Self {
            members,
            faults,
            planted,
            rng: Rng(seed.wrapping_mul(1_000_003) ^ u64::from(members)),
            now: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            side: vec![0; slots.len()],
            slots,
            invariants: Invariants::new(Arc::clone(&network)),
            trace: Sha256::new(),
            report: Report::default(),
            clients_on: true,
            nonces: vec![0; usize::from(members)],
            tickets: BTreeMap::new(),
            next_ticket: 0,
            next_generation: 0,
            chatter: 0,
            log: std::env::var_os("BLOCKCHAT_SIMULATION_LOG").is_some(),
            network,
        }
    }

    pub(super) fn run(mut self) -> Report {
        for slot in 0..self.slots.len() {
            let at = self.rng.below(300 * MS);
            self.push(at, Event::Restart { slot });
        }
        self.push(400 * MS, Event::Client);
        if self.faults.partition_every_ms > 0 {
            self.push(1_000 * MS, Event::Partition);
        }
        if self.faults.clock_step_ms > 0 {
            self.push(700 * MS, Event::ClockStep);
        }
        self.run_until(FAULTS_END, |_| false);
        self.heal();
        let target = self.invariants.height() + PROGRESS;
        let progressed = self.run_until(HEALED_BY, |world| world.all_at_least(target));
        assert!(progressed, "no progress after healing: {}", self.situation());
        self.clients_on = false;
        let drained = self.run_until(HEALED_BY + 60_000 * MS, Self::is_drained);
        assert!(drained, "the pools don't drain: {}", self.situation());
        // Let what is on its way arrive, then listen.
        let settled = self.now + 2_000 * MS;
        self.run_until(settled, |_| false);
        self.chatter = 0;
        let silent = self.now + SILENCE;
        self.run_until(silent, |_| false);
        assert_eq!(self.chatter, 0, "an idle chain is not silent: {}", self.situation());
        self.check_end();
        self.finish()
    }

    fn heal(&mut self) {
        self.faults = Faults {
            loss_percent: 0,
            crash_per_million: 0,
            slow_percent: 0,
            garbage_percent: 0,
            clock_step_ms: 0,
            ..self.faults
        };
        self.side.fill(0);
        for slot in &mut self.slots {
            slot.clock_offset_ms = 0;
        }
        self.relink();
    }

    pub(super) fn relink(&mut self) {
        for slot in 0..self.slots.len() {
            for peer in 0..self.members {
                if peer != self.slots[slot].member {
                    let at = self.now + self.rng.below(20 * MS);
                    self.push(at, Event::Link { slot, peer, up: true });
                }
            }
        }
    }

    fn all_at_least(&self, height: u64) -> bool {
        self.slots.iter().all(|slot| {
            slot.core
                .as_ref()
                .is_some_and(|core| core.view().height >= height && (core.view().voting || slot.disk.height() == 0))
        })
    }

    fn is_drained(&self) -> bool {
        let mut views = self.slots.iter().map(|slot| slot.core.as_ref().map(Core::view));
        let Some(Some(first)) = views.next() else { return false };
        first.pool_transactions == 0
            && first.round.is_none()
            && views.all(|view| {
                view.is_some_and(|view| {
                    view.pool_transactions == 0 && view.height == first.height && view.round.is_none()
                })
            })
    }

    fn situation(&self) -> String {
        let nodes: Vec<String> = self
            .slots
            .iter()
            .map(|slot| match slot.core.as_ref().map(Core::view) {
                Some(view) => format!(
                    "{}: height {} round {:?} pool {} voting {} behind {}",
                    slot.member, view.height, view.round, view.pool_transactions, view.voting, view.syncing
                ),
                None => format!("{}: down", slot.member),
            })
            .collect();
        format!("at {} ms: {}", self.now / MS, nodes.join("; "))
    }

    /// One chain on all disks that a newcomer would accept too.
    fn check_end(&self) {
        let ring = &self.network.ring;
        let tip = self.slots[0].core.as_ref().map(|core| core.view().state.root());
        for slot in &self.slots {
            assert_eq!(slot.core.as_ref().map(|core| core.view().state.root()), tip, "{}", self.situation());
        }
        let chain = self.slots[0].disk.chain(&self.network.genesis_block);
        let state = validate_chain(ring, chain).expect("the chain is valid from its genesis");
        assert_eq!(Some(state.root()), tip);
        assert!(state.grants_missing(ring).is_empty(), "not every member got its endowment");
    }

    fn finish(mut self) -> Report {
        self.report.blocks = self.invariants.height();
        self.report.trace = hex::encode(self.trace.finalize());
        self.report
    }

    pub(super) fn push(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    /// Runs until `end` or until `done`, which is looked at now and then; says whether it was done.
    fn run_until(&mut self, end: u64, done: impl Fn(&Self) -> bool) -> bool {
        let mut steps = 0_u64;
        while let Some(Reverse((at, sequence))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            let Some(event) = self.events.remove(&sequence) else { continue };
            self.report.events += 1;
            self.step(event);
            steps += 1;
            if steps.is_multiple_of(64) && done(self) {
                return true;
            }
        }
        self.now = self.now.max(end);
        done(self)
    }

    fn step(&mut self, event: Event) {
        self.trace.update(self.now.to_be_bytes());
        match event {
            Event::Message { to, from, bytes } => {
                if let Ok(message) = PeerMessage::decode(&bytes) {
                    self.input(to, Input::Peer { from, message });
                }
            }
            Event::Timer { slot, id, generation } => {
                if self.slots[slot].timers.get(&id) == Some(&generation) {
                    self.slots[slot].timers.remove(&id);
                    self.input(slot, Input::Timer(id));
                }
            }
            Event::Verified { slot, epoch, job, transactions } => {
                if self.slots[slot].epoch == epoch {
                    let results = transactions.iter().map(verify).collect();
                    self.input(slot, Input::Verified { job, results });
                }
            }
            Event::Link { slot, peer, up } => {
                self.input(slot, if up { Input::Connected(peer) } else { Input::Disconnected(peer) });
            }
            Event::Restart { slot } => self.restart(slot),
            Event::Client => self.client(),
            Event::Partition => self.partition(),
            Event::ClockStep => self.step_clock(),
        }
    }

    pub(super) fn clock(&self, slot: usize) -> Now {
        let slot = &self.slots[slot];
        let wall = EPOCH_MS + self.now / MS;
        Now {
            monotonic: Duration::from_micros(self.now - slot.started),
            wall_ms: wall.saturating_add_signed(slot.clock_offset_ms),
        }
    }

    pub(super) fn input(&mut self, slot: usize, input: Input) {
        let now = self.clock(slot);
        let Some(core) = self.slots[slot].core.as_mut() else { return };
        let mut out = Outputs::default();
        if let Err(error) = core.handle(now, input, &mut out) {
            panic!("member {}: {error}", self.slots[slot].member);
        }
        self.execute(slot, out);
    }

    /// Performs an output list; a crash may come between any two steps.
    pub(super) fn execute(&mut self, slot: usize, out: Outputs) {
        for record in &out.log {
            self.slots[slot].disk.append(record);
            if self.crashes(slot) {
                return;
            }
        }
        if out.sync {
            self.slots[slot].disk.sync();
        }
        for action in out.actions {
            if self.crashes(slot) {
                return;
            }
            self.perform(slot, action);
        }
    }

    fn perform(&mut self, slot: usize, action: Action) {
        let member = self.slots[slot].member;
        match action {
            Action::Send { to, message } => self.send(slot, to, &message),
            Action::Broadcast(message) => {
                if !(self.faults.twin && member == self.members - 1) {
                    self.invariants.on_broadcast(&message);
                }
                for to in (0..self.members).filter(|to| *to != member) {
                    self.send(slot, to, &message);
                }
            }
            Action::SetTimer { id, after } => {
                self.next_generation += 1;
                let generation = self.next_generation;
                self.slots[slot].timers.insert(id, generation);
                let at = self.now + u64::try_from(after.as_micros()).unwrap();
                self.push(at, Event::Timer { slot, id, generation });
            }
            Action::CancelTimer(id) => {
                self.slots[slot].timers.remove(&id);
            }
            Action::Verify { job, transactions } => {
                let at = self.now + 50 + self.rng.below(2 * MS);
                let epoch = self.slots[slot].epoch;
                self.push(at, Event::Verified { slot, epoch, job, transactions });
            }
            Action::ServeBlocks { to, from_height, max } => {
                let blocks: Vec<CertifiedBlock> = self.slots[slot]
                    .disk
                    .range(from_height, max.min(8))
                    .iter()
                    .map(|known| CertifiedBlock { block: known.block.encode(), certificate: known.certificate.clone() })
                    .collect();
                self.report.synced += blocks.len() as u64;
                if !blocks.is_empty() {
                    self.send(slot, to, &PeerMessage::Blocks(blocks));
                }
            }
            Action::Commit(committed) => {
                self.invariants.on_commit(member, &committed);
                self.trace.update(committed.certificate.block.0);
                if slot == 0 {
                    self.report.transactions += committed.block.transactions.len() as u64;
                    self.report.late_rounds += u64::from(committed.certificate.round > 0);
                }
                self.slots[slot].disk.store(committed, &mut self.rng);
            }
            Action::Submitted { ticket, results } => self.submitted(ticket, &results),
            Action::Evidence(_) => self.report.evidence += 1,
            Action::Event(event) => self.core_event(slot, &event),
            Action::PendingAccount { .. } | Action::Pooled(_) | Action::Dropped(_) => {}
        }
    }

    fn core_event(&mut self, slot: usize, event: &CoreEvent) {
        if self.log {
            println!("{:>9} us  slot {slot}: {event:?}", self.now);
        }
        match event {
            CoreEvent::Muted { .. } => self.slots[slot].muted = true,
            CoreEvent::Unmuted { .. } => self.slots[slot].muted = false,
            _ => {}
        }
    }

    fn send(&mut self, slot: usize, to: u16, message: &PeerMessage) {
        if !matches!(message, PeerMessage::Status { .. }) {
            self.chatter += 1;
            if self.log {
                println!("{:>9} us  slot {slot} -> {to}: {}", self.now, message.kind());
            }
        }
        let from = self.slots[slot].member;
        let mut bytes = message.encode();
        if self.rng.percent(self.faults.garbage_percent) {
            let place = self.rng.index(bytes.len());
            bytes[place] ^= 1 << self.rng.below(8);
        }
        for target in 0..self.slots.len() {
            if self.slots[target].member != to || self.side[target] != self.side[slot] {
                continue;
            }
            if self.rng.percent(self.faults.loss_percent) {
                continue;
            }
            let copies = 1 + u64::from(self.rng.percent(self.faults.duplicate_percent));
            for _ in 0..copies {
                let slow = self.rng.percent(self.faults.slow_percent);
                let delay = 200 + self.rng.below(if slow { 200 * MS } else { 8 * MS });
                self.push(self.now + delay, Event::Message { to: target, from, bytes: bytes.clone() });
            }
        }
    }
}
