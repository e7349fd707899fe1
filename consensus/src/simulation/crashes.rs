//! Crashes and what they lose, restarts, partitions, clock steps.

use std::sync::Arc;

use blockchat_ledger::{PoolLimits, TransactionSigner};

use super::fixture::consensus_key;
use super::world::{Event, FAULTS_END, MS, World};
use crate::config::{CoreConfig, LogStatus, Timing};
use crate::context::{fault_tolerance, quorum};
use crate::core::Core;
use crate::io::Outputs;

impl World {
    pub(super) fn crashes(&mut self, slot: usize) -> bool {
        // The member that runs twice is the liar of the run: what its restarts do proves nothing.
        let liar = self.faults.twin && self.slots[slot].member == self.members - 1;
        if self.rng.below(1_000_000) >= self.faults.crash_per_million || liar {
            return false;
        }
        self.crash(slot);
        // Now and then the power fails for everybody.
        if self.rng.percent(3) {
            for other in 0..usize::from(self.members) - usize::from(self.faults.twin) {
                if self.slots[other].core.is_some() {
                    self.crash(other);
                }
            }
        }
        true
    }

    pub(super) fn crash(&mut self, slot: usize) {
        self.report.crashes += 1;
        let lost = self.slots.iter().filter(|slot| slot.muted).count() + usize::from(self.faults.twin);
        let may_lose = lost < fault_tolerance(usize::from(self.members));
        let lose = self.slots[slot].muted || may_lose;
        let loses = lose && self.rng.percent(self.faults.lose_log_percent);
        let with_store = self.rng.percent(self.faults.lose_store_percent);
        let state = &mut self.slots[slot];
        state.core = None;
        state.timers.clear();
        state.epoch += 1;
        state.disk.crash(&mut self.rng);
        if self.planted.forget_log {
            state.disk.lose_log(false, false);
        } else if loses {
            state.disk.lose_log(with_store, true);
            state.muted = true;
            self.report.lost_logs += 1;
        }
        let member = state.member;
        for other in 0..self.slots.len() {
            if other != slot {
                let at = self.now + self.rng.below(5 * MS);
                self.push(at, Event::Link { slot: other, peer: member, up: false });
            }
        }
        let at = self.now + 50 * MS + self.rng.below(1_500 * MS);
        self.push(at, Event::Restart { slot });
        if self.log {
            println!("{:>9} us  slot {slot} crashes{}", self.now, if loses { " and loses its log" } else { "" });
        }
    }

    pub(super) fn restart(&mut self, slot: usize) {
        if self.slots[slot].core.is_some() {
            return;
        }
        self.slots[slot].started = self.now;
        let recovered = self.slots[slot].disk.recover(&self.network);
        let lost = matches!(recovered.log, LogStatus::Lost { .. });
        let member = self.slots[slot].member;
        let signer: Option<Arc<dyn TransactionSigner>> =
            if member == 0 { Some(Arc::clone(&self.network.wallets[0]) as Arc<dyn TransactionSigner>) } else { None };
        let twin = self.faults.twin && member == self.members - 1;
        let accept = twin || self.planted.forget_log || (lost && self.planted.vote_without_log);
        if accept {
            self.slots[slot].muted = false;
        }
        let config = CoreConfig {
            me: member,
            ring: Arc::clone(&self.network.ring),
            consensus_key: consensus_key(member),
            grants_signer: signer,
            timing: Timing::default(),
            pool: PoolLimits::default(),
            accept_lost_log: accept,
            nonce_seed: [u8::try_from(slot).unwrap(); 32],
            planted_quorum: self.planted.one_vote_too_few.then(|| quorum(usize::from(self.members)) - 1),
        };
        let mut out = Outputs::default();
        let core = Core::new(config, recovered, self.clock(slot), &mut out);
        let core = core.unwrap_or_else(|error| panic!("member {member} does not start: {error}"));
        self.slots[slot].core = Some(core);
        self.execute(slot, out);
        for other in 0..self.slots.len() {
            if self.slots[other].member == member || self.slots[other].core.is_none() {
                continue;
            }
            let peer = self.slots[other].member;
            let at = self.now + self.rng.below(30 * MS);
            self.push(at, Event::Link { slot, peer, up: true });
            let at = self.now + self.rng.below(30 * MS);
            self.push(at, Event::Link { slot: other, peer: member, up: true });
        }
    }

    pub(super) fn partition(&mut self) {
        if self.now >= FAULTS_END {
            return;
        }
        let split = self.side.iter().any(|side| *side != 0);
        for slot in 0..self.slots.len() {
            self.side[slot] = if split { 0 } else { u8::from(self.rng.percent(40)) };
        }
        if split {
            self.relink();
        }
        let wait = self.rng.below(self.faults.partition_every_ms * MS) + 200 * MS;
        self.push(self.now + wait, Event::Partition);
    }

    pub(super) fn step_clock(&mut self) {
        if self.faults.clock_step_ms == 0 {
            return;
        }
        let slot = self.rng.index(self.slots.len());
        let span = self.faults.clock_step_ms;
        let step = i64::try_from(self.rng.below(2 * span)).unwrap() - i64::try_from(span).unwrap();
        self.slots[slot].clock_offset_ms = step;
        let wait = self.rng.below(2_000 * MS) + 100 * MS;
        self.push(self.now + wait, Event::ClockStep);
    }
}
