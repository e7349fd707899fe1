//! The store: everything that is read by key. It lags behind the log and is filled from it after a restart.

use std::path::Path;
use std::sync::Arc;

use blockchat_consensus::{Certificate, CertifiedBlock, Committed, Evidence};
use blockchat_ledger::{
    Account, AccountId, Block, BlockHeader, Hash, Party, Ring, SignedDescriptor, SignedTransaction, State,
};
use redb::{Database, ReadableDatabase, ReadableTable, WriteTransaction};

use super::error::StoreError;
use super::log::Anchor;
use super::tables::{
    self, ACCOUNTS, BLOCKS, CERTIFICATES, EVIDENCE, FORMAT, HASHES, HISTORY, KEYS, META, META_ANCHOR, META_DESCRIPTOR,
    META_FORMAT, META_IN_USE, OWN, OwnTransaction, StoredBlock, TICKETS, TRANSACTIONS,
};

/// Memory for pages of the database, in bytes; the operating system caches the rest.
const CACHE_BYTES: usize = 24 << 20;

/// What one durable write adds.
#[derive(Debug, Default)]
pub struct Batch {
    /// Blocks in order, the first one right above the tip.
    pub blocks: Vec<Arc<Committed>>,
    /// Height and tickets of its lottery, where they are not as at the height before.
    pub tickets: Vec<(u64, Vec<u64>)>,
    /// Transactions that the wallet signed.
    pub own: Vec<OwnTransaction>,
    /// Conflicting statements.
    pub evidence: Vec<Evidence>,
    /// What to remember about the log.
    pub anchor: Option<Anchor>,
    /// Whether the log has been in use.
    pub in_use: Option<bool>,
}

/// The store. Clones share the database; one thread writes.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
}

impl Store {
    /// Opens the store, made when missing.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        Self::with(database)
    }

    /// Uses a database, empty or filled by an earlier start.
    pub fn with(database: Database) -> Result<Self, StoreError> {
        let store = Self { database: Arc::new(database) };
        let write = store.begin()?;
        {
            write.open_table(BLOCKS)?;
            write.open_table(HASHES)?;
            write.open_table(CERTIFICATES)?;
            write.open_table(TRANSACTIONS)?;
            write.open_table(ACCOUNTS)?;
            write.open_table(TICKETS)?;
            write.open_table(HISTORY)?;
            write.open_table(OWN)?;
            write.open_table(KEYS)?;
            write.open_table(EVIDENCE)?;
            let mut meta = write.open_table(META)?;
            let format = meta.get(META_FORMAT)?.map(|format| format.value().to_vec());
            match format.as_deref() {
                Some(FORMAT) => {}
                Some(other) => {
                    let other = String::from_utf8_lossy(other).into_owned();
                    return Err(StoreError::Damaged(format!("its layout is {other}, this program knows 1")));
                }
                None => drop(meta.insert(META_FORMAT, FORMAT)?),
            }
        }
        write.commit()?;
        Ok(store)
    }

    /// A write whose commit is durable and needs no repair after a crash.
    fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut write = self.database.begin_write()?;
        write.set_quick_repair(true);
        Ok(write)
    }

    /// Stores the network: its descriptor, genesis and the accounts after it.
    pub fn found(&self, ring: &Ring, genesis: &Block, state: &State) -> Result<(), StoreError> {
        let write = self.begin()?;
        write.open_table(TICKETS)?.insert(1, state.stakes(ring))?;
        {
            let mut accounts = write.open_table(ACCOUNTS)?;
            for account in state.iter() {
                accounts.insert(account.key.account_id().0, account.encode().as_slice())?;
            }
            Self::index_block(&write, genesis)?;
            let mut meta = write.open_table(META)?;
            meta.insert(META_DESCRIPTOR, tables::encode(ring.descriptor()).as_slice())?;
        }
        write.commit()?;
        Ok(())
    }

    /// From now on what the log says of the past is complete, and a lost one before it is remembered in it.
    pub fn log_is_in_use(&self) -> Result<(), StoreError> {
        self.write(&Batch { in_use: Some(true), ..Batch::default() })
    }

    /// Whether the log has been in use.
    pub fn in_use(&self) -> Result<bool, StoreError> {
        Ok(self.meta(META_IN_USE)?.as_deref() == Some(&[1]))
    }

    /// Adds a batch. Durable when this returns.
    pub fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        let write = self.begin()?;
        self.write_blocks(&write, &batch.blocks)?;
        {
            let mut tickets = write.open_table(TICKETS)?;
            for (height, stakes) in &batch.tickets {
                tickets.insert(height, stakes)?;
            }
            let mut own = write.open_table(OWN)?;
            let mut keys = write.open_table(KEYS)?;
            for entry in &batch.own {
                let bytes = tables::encode(entry);
                own.insert(entry.transaction.transaction().nonce, bytes.as_slice())?;
                if let Some(key) = &entry.key {
                    keys.insert(key.as_str(), bytes.as_slice())?;
                }
            }
            let mut evidence = write.open_table(EVIDENCE)?;
            for item in &batch.evidence {
                let bytes = tables::encode(item);
                evidence.insert((item.height, item.member, Hash::of_bytes(&bytes).0), bytes.as_slice())?;
            }
            let mut meta = write.open_table(META)?;
            if let Some(anchor) = &batch.anchor {
                meta.insert(META_ANCHOR, tables::encode_anchor(anchor).as_slice())?;
            }
            if let Some(in_use) = batch.in_use {
                meta.insert(META_IN_USE, [u8::from(in_use)].as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    fn write_blocks(&self, write: &WriteTransaction, blocks: &[Arc<Committed>]) -> Result<(), StoreError> {
        let Some(last) = blocks.last() else { return Ok(()) };
        let next = self.height()?.map_or(0, |tip| tip + 1);
        for (next, committed) in (next..).zip(blocks) {
            let height = committed.block.header.index;
            if height != next {
                return Err(StoreError::Damaged(format!("block {height} came where {next} was to follow")));
            }
            Self::index_block(write, &committed.block)?;
            let certificate = tables::encode(&committed.certificate);
            write.open_table(CERTIFICATES)?.insert(height, certificate.as_slice())?;
        }
        let mut accounts = write.open_table(ACCOUNTS)?;
        let touched: std::collections::BTreeSet<_> = blocks.iter().flat_map(|committed| &committed.touched).collect();
        for id in touched {
            // Accounts never go away, so every touched one is in the last state.
            if let Some(account) = last.state.account(id) {
                accounts.insert(id.0, account.encode().as_slice())?;
            }
        }
        Ok(())
    }

    fn index_block(write: &WriteTransaction, block: &Block) -> Result<(), StoreError> {
        let height = block.header.index;
        write.open_table(BLOCKS)?.insert(height, block.encode().as_slice())?;
        write.open_table(HASHES)?.insert(block.hash().0, height)?;
        let mut transactions = write.open_table(TRANSACTIONS)?;
        let mut history = write.open_table(HISTORY)?;
        for (position, transaction) in (0u32..).zip(&block.transactions) {
            transactions.insert(transaction.id().0, (height, position))?;
            for account in parties(transaction) {
                history.insert((account.0, height, position), ())?;
            }
        }
        Ok(())
    }

    /// Height of the last stored block.
    pub fn height(&self) -> Result<Option<u64>, StoreError> {
        let blocks = self.database.begin_read()?.open_table(BLOCKS)?;
        Ok(blocks.last()?.map(|(height, _)| height.value()))
    }

    /// The network this store belongs to, once it was founded or joined.
    pub fn descriptor(&self) -> Result<Option<SignedDescriptor>, StoreError> {
        self.meta(META_DESCRIPTOR)?.map(|bytes| tables::decode_descriptor(&bytes)).transpose()
    }

    /// What is known about the log.
    pub fn anchor(&self) -> Result<Option<Anchor>, StoreError> {
        self.meta(META_ANCHOR)?.map(|bytes| tables::decode_anchor(&bytes)).transpose()
    }

    fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        Ok(meta.get(name)?.map(|value| value.value().to_vec()))
    }

    /// The last block's header and the accounts after it, checked against each other.
    pub fn load(&self) -> Result<(BlockHeader, State), StoreError> {
        let read = self.database.begin_read()?;
        let tip = match read.open_table(BLOCKS)?.last()? {
            Some((_, block)) => tables::decode_block(block.value())?.header,
            None => return Err(StoreError::Damaged("it holds no block".to_owned())),
        };
        let mut accounts = Vec::new();
        for entry in read.open_table(ACCOUNTS)?.iter()? {
            let (_, bytes) = entry?;
            let account = Account::decode(bytes.value());
            accounts.push(account.map_err(|error| StoreError::Damaged(format!("an account: {error}")))?);
        }
        let state = State::from_accounts(accounts);
        if state.root() != tip.state_root {
            let reason = format!("its accounts don't have the state root of block {}", tip.index);
            return Err(StoreError::Damaged(reason));
        }
        Ok((tip, state))
    }

    /// The block at a height. Its signatures are verified again: the disk may lie.
    pub fn block(&self, height: u64) -> Result<Option<StoredBlock>, StoreError> {
        let read = self.database.begin_read()?;
        let blocks = read.open_table(BLOCKS)?;
        let Some(bytes) = blocks.get(height)? else { return Ok(None) };
        let block = tables::decode_block(bytes.value())?;
        let block = block.verify().map_err(|error| StoreError::Damaged(format!("block {height}: {error}")))?;
        Ok(Some(StoredBlock { block, certificate: self.certificate(height)? }))
    }

    /// The certificate of the block at a height; genesis has none.
    pub fn certificate(&self, height: u64) -> Result<Option<Certificate>, StoreError> {
        let certificates = self.database.begin_read()?.open_table(CERTIFICATES)?;
        certificates.get(height)?.map(|bytes| tables::decode_certificate(bytes.value())).transpose()
    }

    /// The block at a height as it is sent to a member that is behind, which verifies it itself. None for genesis.
    pub fn certified(&self, height: u64) -> Result<Option<CertifiedBlock>, StoreError> {
        let read = self.database.begin_read()?;
        let (blocks, certificates) = (read.open_table(BLOCKS)?, read.open_table(CERTIFICATES)?);
        let (Some(block), Some(certificate)) = (blocks.get(height)?, certificates.get(height)?) else {
            return Ok(None);
        };
        let certificate = tables::decode_certificate(certificate.value())?;
        Ok(Some(CertifiedBlock { block: block.value().to_vec(), certificate }))
    }

    /// The members' tickets in the lottery of a height, by id.
    pub fn tickets(&self, height: u64) -> Result<Option<Vec<u64>>, StoreError> {
        let tickets = self.database.begin_read()?.open_table(TICKETS)?;
        Ok(tickets.range(..=height)?.next_back().transpose()?.map(|(_, stakes)| stakes.value()))
    }

    /// Height of the block with this hash.
    pub fn height_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        let hashes = self.database.begin_read()?.open_table(HASHES)?;
        Ok(hashes.get(hash.0)?.map(|height| height.value()))
    }

    /// Height and position of a committed transaction.
    pub fn place(&self, id: &Hash) -> Result<Option<(u64, u32)>, StoreError> {
        let transactions = self.database.begin_read()?.open_table(TRANSACTIONS)?;
        Ok(transactions.get(id.0)?.map(|place| place.value()))
    }

    /// Places of an account's committed transactions, sent and received, newest first, strictly before `before`.
    pub fn history(
        &self,
        account: &AccountId,
        before: (u64, u32),
        limit: usize,
    ) -> Result<Vec<(u64, u32)>, StoreError> {
        let history = self.database.begin_read()?.open_table(HISTORY)?;
        let places = history.range((account.0, 0, 0)..(account.0, before.0, before.1))?;
        let place = |(_, height, position): ([u8; 32], u64, u32)| (height, position);
        places.rev().take(limit).map(|entry| Ok(place(entry?.0.value()))).collect()
    }

    /// The transaction that was signed for an Idempotency-Key.
    pub fn keyed(&self, key: &str) -> Result<Option<OwnTransaction>, StoreError> {
        let keys = self.database.begin_read()?.open_table(KEYS)?;
        keys.get(key)?.map(|bytes| tables::decode_own(bytes.value())).transpose()
    }

    /// The last transactions that the wallet signed with this nonce and later ones, by nonce.
    pub fn own_from(&self, nonce: u64) -> Result<Vec<OwnTransaction>, StoreError> {
        let own = self.database.begin_read()?.open_table(OWN)?;
        own.range(nonce..)?.map(|entry| tables::decode_own(entry?.1.value())).collect()
    }

    /// All evidence, by height.
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        let evidence = self.database.begin_read()?.open_table(EVIDENCE)?;
        evidence.iter()?.map(|entry| tables::decode_evidence(entry?.1.value())).collect()
    }
}

/// The accounts that a transaction is of: sender and receiver, as far as they are accounts.
pub fn parties(transaction: &SignedTransaction) -> impl Iterator<Item = AccountId> {
    let transaction = transaction.transaction();
    [&transaction.sender, &transaction.receiver].into_iter().filter_map(Party::account_id)
}
