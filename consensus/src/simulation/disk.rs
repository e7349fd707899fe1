//! A member's disk: a log of which a crash keeps the synced part and any prefix of the rest, and a store that lags.

use std::sync::Arc;

use blockchat_ledger::{Block, BlockHeader, State};

use super::faults::Rng;
use super::fixture::Network;
use crate::certificate::Certificate;
use crate::config::{LogStatus, Recovered};
use crate::io::Committed;
use crate::record::Record;

pub(super) struct Disk {
    synced: Vec<Vec<u8>>,
    unsynced: Vec<Vec<u8>>,
    /// Every block handed to the store, genesis not counted.
    blocks: Vec<Arc<Committed>>,
    /// How many of them are durable.
    durable: usize,
    log: LogStatus,
}

impl Disk {
    pub(super) fn new() -> Self {
        Self { synced: Vec::new(), unsynced: Vec::new(), blocks: Vec::new(), durable: 0, log: LogStatus::New }
    }

    pub(super) fn append(&mut self, record: &Record) {
        let bytes = record.encode();
        assert_eq!(Record::decode(&bytes).as_ref().ok(), Some(record), "a record reads back as another one");
        self.unsynced.push(bytes);
    }

    pub(super) fn sync(&mut self) {
        self.synced.append(&mut self.unsynced);
    }

    pub(super) fn store(&mut self, committed: Arc<Committed>, rng: &mut Rng) {
        let height = committed.block.header.index;
        if height <= self.blocks.len() as u64 {
            // Replayed from the log after a restart.
            return;
        }
        assert_eq!(height, self.blocks.len() as u64 + 1, "the store was given a gap");
        self.blocks.push(committed);
        // Durable now and then, and old records of the log go with it.
        if rng.percent(30) {
            self.durable = self.blocks.len();
            let durable = self.durable as u64;
            let keep = self
                .synced
                .iter()
                .position(|bytes| Record::decode(bytes).unwrap().height() > durable)
                .unwrap_or(self.synced.len());
            if rng.percent(50) {
                self.synced.drain(..keep);
            }
        }
    }

    /// What a crash leaves: synced records, perhaps some unsynced ones, durable blocks.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let survives = rng.index(self.unsynced.len() + 1);
        self.unsynced.truncate(survives);
        self.sync();
        self.blocks.truncate(self.durable);
        if self.log == LogStatus::New {
            self.log = LogStatus::Intact;
        }
    }

    /// The log is gone; the member knows, unless a bug is planted.
    pub(super) fn lose_log(&mut self, with_store: bool, known: bool) {
        self.synced.clear();
        if with_store {
            self.blocks.clear();
            self.durable = 0;
        }
        self.log = if known { LogStatus::Lost { reason: "simulated".to_owned() } } else { LogStatus::Intact };
    }

    pub(super) fn recover(&mut self, network: &Network) -> Recovered {
        let records = self.synced.iter().map(|bytes| Record::decode(bytes).unwrap()).collect();
        let log = std::mem::replace(&mut self.log, LogStatus::Intact);
        let (tip, state, tip_certificate) = self.tip(network);
        Recovered { tip, state, tip_certificate, records, log }
    }

    fn tip(&self, network: &Network) -> (BlockHeader, State, Option<Certificate>) {
        match self.blocks.last() {
            Some(last) => (last.block.header.clone(), last.state.clone(), Some(last.certificate.clone())),
            None => (network.genesis.clone(), network.state.clone(), None),
        }
    }

    pub(super) fn height(&self) -> u64 {
        self.blocks.len() as u64
    }

    pub(super) fn range(&self, from: u64, max: u32) -> &[Arc<Committed>] {
        let start = usize::try_from(from.max(1) - 1).unwrap();
        let end = (start + max as usize).min(self.blocks.len());
        self.blocks.get(start..end).unwrap_or_default()
    }

    pub(super) fn chain<'a>(&'a self, genesis: &'a Block) -> impl Iterator<Item = &'a Block> {
        std::iter::once(genesis).chain(self.blocks.iter().map(|committed| &committed.block))
    }
}
