//! Where members are.
//!
//! A URL is not part of a member's identity, so that a pod may move. Each member signs its own
//! record with its consensus key; the one with the highest sequence counts. Before a member's first
//! record is known there is only the URL it registered with: a hint, good enough to dial, because
//! whoever answers has to prove to be that member.

use std::collections::BTreeMap;
use std::io::{Read, Result as IoResult};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blockchat_ledger::{Hash, Ring};
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use tokio::sync::watch;
use tracing::{error, info};

use super::files::{DurableFile, FileError};
use crate::peer::{Directory, host_and_port};

/// The longest URL of a member.
pub const MAX_URL_BYTES: usize = 512;
const MAX_RECORDS: u32 = 256;
const DOMAIN: &str = "blockchat/member-url/v1";

/// A member's word on where its peer listener is.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UrlRecord {
    /// The member.
    pub id: u16,
    /// Base URL of its peer listener.
    #[borsh(deserialize_with = "read_url")]
    pub url: String,
    /// Counts the member's records.
    pub sequence: u64,
    /// Ed25519 by its consensus key, over [`UrlRecord::signing_bytes`].
    pub signature: [u8; 64],
}

impl UrlRecord {
    /// A signed record.
    pub fn sign(chain_id: &Hash, id: u16, url: &str, sequence: u64, key: &SigningKey) -> Self {
        let mut record = Self { id, url: url.to_owned(), sequence, signature: [0; 64] };
        record.signature = key.sign(&record.signing_bytes(chain_id)).to_bytes();
        record
    }

    /// What the member signs: domain, chain id, id, URL, sequence.
    pub fn signing_bytes(&self, chain_id: &Hash) -> Vec<u8> {
        super::wire::concat(&[&DOMAIN, chain_id, &self.id, &self.url, &self.sequence])
    }

    fn is_valid(&self, ring: &Ring) -> bool {
        let key = ring.member(self.id).and_then(|member| VerifyingKey::from_bytes(&member.consensus_key).ok());
        let signature = Signature::from_bytes(&self.signature);
        host_and_port(&self.url).is_ok()
            && key.is_some_and(|key| key.verify_strict(&self.signing_bytes(&ring.chain_id()), &signature).is_ok())
    }

    /// Equal sequences with different URLs are ordered too, so that all members keep the same one.
    fn is_newer_than(&self, other: &Self) -> bool {
        (self.sequence, &self.url) > (other.sequence, &other.url)
    }
}

fn read_url<R: Read>(reader: &mut R) -> IoResult<String> {
    let length = u32::deserialize_reader(reader)?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MAX_URL_BYTES {
        return Err(std::io::Error::other("URL too long"));
    }
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// Records as they are sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct UrlRecords(#[borsh(deserialize_with = "read_records")] pub Vec<UrlRecord>);

fn read_records<R: Read>(reader: &mut R) -> IoResult<Vec<UrlRecord>> {
    let count = u32::deserialize_reader(reader)?;
    if count > MAX_RECORDS {
        return Err(std::io::Error::other("too many URL records"));
    }
    (0..count).map(|_| UrlRecord::deserialize_reader(reader)).collect()
}

/// What the file holds.
#[derive(Debug, Clone, Default, BorshSerialize, BorshDeserialize)]
struct Known {
    chain_id: [u8; 32],
    records: BTreeMap<u16, UrlRecord>,
    hints: BTreeMap<u16, String>,
}

/// The records and hints of one network, durable.
#[derive(Debug)]
pub struct UrlBook {
    ring: Arc<Ring>,
    me: u16,
    url: String,
    key: SigningKey,
    file: DurableFile,
    known: Mutex<Known>,
    version: watch::Sender<u64>,
}

impl UrlBook {
    /// Opens the book of this network, takes in `hints`, and signs a record of this node's own URL
    /// unless the newest one says the same.
    pub fn open(
        ring: Arc<Ring>,
        me: u16,
        url: &str,
        key: SigningKey,
        file: DurableFile,
        hints: impl IntoIterator<Item = (u16, String)>,
    ) -> Result<Self, FileError> {
        let chain_id = ring.chain_id().0;
        let mut known: Known = file.load()?.filter(|known: &Known| known.chain_id == chain_id).unwrap_or_default();
        known.chain_id = chain_id;
        for (id, hint) in hints {
            if usize::from(id) < ring.members().len() && hint.len() <= MAX_URL_BYTES {
                known.hints.entry(id).or_insert(hint);
            }
        }
        let (version, _) = watch::channel(0);
        let book = Self { ring, me, url: url.to_owned(), key, file, known: Mutex::new(known), version };
        {
            let mut known = book.lock();
            book.announce(&mut known);
            book.file.store(&*known)?;
        }
        Ok(book)
    }

    /// All records.
    pub fn newest(&self) -> UrlRecords {
        UrlRecords(self.lock().records.values().cloned().collect())
    }

    /// All URLs: of records, and of hints where there is no record yet.
    pub fn urls(&self) -> BTreeMap<u16, String> {
        let known = self.lock();
        let mut urls = known.hints.clone();
        urls.extend(known.records.values().map(|record| (record.id, record.url.clone())));
        urls
    }

    /// Takes the records that are newer than those known and properly signed. True when there were any.
    pub fn merge(&self, records: &UrlRecords) -> bool {
        let mut known = self.lock();
        let before = known.clone();
        for record in &records.0 {
            let newer = known.records.get(&record.id).is_none_or(|old| record.is_newer_than(old));
            if newer && record.is_valid(&self.ring) {
                known.records.insert(record.id, record.clone());
            }
        }
        self.announce(&mut known);
        if known.records == before.records {
            return false;
        }
        // Kept in memory even if the disk refuses: peers tell it again after a restart.
        if let Err(error) = self.file.store(&*known) {
            error!(%error, "storing where members are");
        }
        drop(known);
        self.version.send_modify(|version| *version += 1);
        true
    }

    /// Makes sure that this node's newest record names its present URL. An earlier life of this node
    /// may have signed more records than it remembers; others return them.
    fn announce(&self, known: &mut Known) {
        let last = known.records.get(&self.me);
        if last.is_some_and(|record| record.url == self.url) {
            return;
        }
        let sequence = last.map_or(1, |record| record.sequence.saturating_add(1));
        info!(url = %self.url, sequence, "announcing where this node is");
        let record = UrlRecord::sign(&self.ring.chain_id(), self.me, &self.url, sequence, &self.key);
        known.records.insert(self.me, record);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory for UrlBook {
    fn url_of(&self, id: u16) -> Option<String> {
        let known = self.lock();
        known.records.get(&id).map(|record| &record.url).or_else(|| known.hints.get(&id)).cloned()
    }

    fn records(&self) -> Vec<u8> {
        super::wire::concat(&[&self.newest()])
    }

    fn learn(&self, encoded: &[u8]) -> bool {
        let Ok(records) = UrlRecords::try_from_slice(encoded) else { return false };
        self.merge(&records);
        true
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

#[cfg(test)]
#[path = "urls_tests.rs"]
mod tests;
