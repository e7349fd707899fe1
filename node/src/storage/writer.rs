//! The storage thread: takes what is final, in order, and makes it durable in batches. Readers see it at once, from
//! memory, until the store has it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use blockchat_consensus::{CertifiedBlock, Committed, Evidence};
use blockchat_ledger::{AccountId, Hash};

use super::error::StoreError;
use super::log::Anchor;
use super::store::{Batch, Store, parties};
use super::tables::{OwnTransaction, StoredBlock};

/// Items that may wait for the thread. More holds up the node: the log would grow without bound otherwise.
const QUEUE_ITEMS: usize = 4_096;
/// How long a batch is collected. Nothing waits for the store, so few large writes are better than many small ones.
const COLLECT: Duration = Duration::from_millis(100);
/// Blocks after which a batch is written without waiting any longer.
const MAX_BATCH_BLOCKS: usize = 256;

/// What the thread is given.
#[derive(Debug)]
pub enum Item {
    /// A final block, and the tickets of the next height's lottery if they changed.
    Block(Arc<Committed>, Option<Vec<u64>>),
    /// The wallet signed something.
    Own(OwnTransaction),
    /// Somebody contradicted itself.
    Evidence(Evidence),
    /// All that the store needs of the records below `anchor.taken` was handed over before.
    Logged(Anchor),
}

/// How far the store has got, durably.
#[derive(Debug, Default)]
pub struct Progress {
    height: AtomicU64,
    taken: AtomicU64,
}

impl Progress {
    /// Height of the last durable block.
    pub fn height(&self) -> u64 {
        self.height.load(Ordering::Acquire)
    }

    /// Every record of the log below this is no longer needed for the store.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Acquire)
    }
}

/// What is final and not yet in the store.
#[derive(Default)]
struct Overlay {
    blocks: BTreeMap<u64, Arc<StoredBlock>>,
    hashes: HashMap<Hash, u64>,
    places: HashMap<Hash, (u64, u32)>,
    tickets: BTreeMap<u64, Vec<u64>>,
    history: HashMap<AccountId, Vec<(u64, u32)>>,
    keyed: HashMap<String, OwnTransaction>,
}

/// Reads committed data, whether the store has it yet or not.
#[derive(Clone)]
pub struct Reader {
    store: Store,
    overlay: Arc<RwLock<Overlay>>,
}

/// The way in to the storage thread; it stops when this is dropped, after writing what it was given.
pub struct Writer {
    items: Option<SyncSender<Item>>,
    overlay: Arc<RwLock<Overlay>>,
    progress: Arc<Progress>,
    thread: Option<JoinHandle<Result<(), StoreError>>>,
}

/// Starts the thread. `failed` is called once, on that thread, if the store fails.
pub fn start(store: Store, failed: impl FnOnce(&StoreError) + Send + 'static) -> Result<(Writer, Reader), StoreError> {
    let (items, inbox) = sync_channel(QUEUE_ITEMS);
    let overlay = Arc::new(RwLock::new(Overlay::default()));
    let progress = Arc::new(Progress::default());
    progress.height.store(store.height()?.unwrap_or(0), Ordering::Release);
    progress.taken.store(store.anchor()?.map_or(0, |anchor| anchor.taken), Ordering::Release);
    let reader = Reader { store: store.clone(), overlay: overlay.clone() };
    let (shared, reached) = (overlay.clone(), progress.clone());
    let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
        let result = run(&store, &inbox, &shared, &reached);
        if let Err(error) = &result {
            failed(error);
        }
        result
    });
    let thread = thread.map_err(|reason| StoreError::Directory { path: "thread".into(), reason })?;
    let writer = Writer { items: Some(items), overlay, progress, thread: Some(thread) };
    Ok((writer, reader))
}

impl Writer {
    /// Hands an item over; waits while the queue is full.
    pub fn put(&self, item: Item) -> Result<(), StoreError> {
        self.show(&item);
        self.items.as_ref().and_then(|items| items.send(item).ok()).ok_or(StoreError::Stopped)
    }

    /// How far the store has got.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Writes what was handed over and ends the thread.
    pub fn stop(mut self) -> Result<(), StoreError> {
        self.items = None;
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or(Err(StoreError::Stopped))
    }

    /// Makes an item visible to readers before it is in the store.
    fn show(&self, item: &Item) {
        let mut overlay = self.overlay.write().unwrap_or_else(PoisonError::into_inner);
        match item {
            Item::Block(committed, tickets) => overlay.add(committed, tickets.as_ref()),
            Item::Own(own) => {
                if let Some(key) = &own.key {
                    overlay.keyed.insert(key.clone(), own.clone());
                }
            }
            Item::Evidence(_) | Item::Logged(_) => {}
        }
    }
}

impl Overlay {
    fn add(&mut self, committed: &Committed, tickets: Option<&Vec<u64>>) {
        let block = &committed.block;
        let (height, hash) = (block.header.index, block.hash());
        for (position, transaction) in (0u32..).zip(&block.transactions) {
            self.places.insert(transaction.id(), (height, position));
            for account in parties(transaction) {
                self.history.entry(account).or_default().push((height, position));
            }
        }
        self.hashes.insert(hash, height);
        if let Some(tickets) = tickets {
            self.tickets.insert(height + 1, tickets.clone());
        }
        let stored = StoredBlock { block: block.clone(), certificate: Some(committed.certificate.clone()) };
        self.blocks.insert(height, Arc::new(stored));
    }

    /// Forgets what the store has now.
    fn forget(&mut self, batch: &Batch) {
        for committed in &batch.blocks {
            self.blocks.remove(&committed.block.header.index);
            self.hashes.remove(&committed.block.hash());
            for transaction in &committed.block.transactions {
                self.places.remove(&transaction.id());
            }
        }
        if let Some(last) = batch.blocks.last() {
            self.history.retain(|_, places| {
                places.retain(|(height, _)| *height > last.block.header.index);
                !places.is_empty()
            });
            self.tickets.retain(|height, _| *height > last.block.header.index + 1);
        }
        for own in &batch.own {
            if let Some(key) = &own.key
                && self.keyed.get(key) == Some(own)
            {
                self.keyed.remove(key);
            }
        }
    }
}

fn run(
    store: &Store,
    inbox: &Receiver<Item>,
    overlay: &RwLock<Overlay>,
    progress: &Progress,
) -> Result<(), StoreError> {
    while let Some(batch) = collect(inbox) {
        store.write(&batch)?;
        overlay.write().unwrap_or_else(PoisonError::into_inner).forget(&batch);
        if let Some(last) = batch.blocks.last() {
            progress.height.store(last.block.header.index, Ordering::Release);
        }
        if let Some(anchor) = batch.anchor {
            progress.taken.store(anchor.taken, Ordering::Release);
        }
    }
    Ok(())
}

/// The next batch; none once the sender is gone and everything was taken.
fn collect(inbox: &Receiver<Item>) -> Option<Batch> {
    let mut batch = Batch::default();
    batch.add(inbox.recv().ok()?);
    let until = Instant::now() + COLLECT;
    while batch.blocks.len() < MAX_BATCH_BLOCKS {
        match inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(item) => batch.add(item),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Some(batch)
}

impl Batch {
    fn add(&mut self, item: Item) {
        match item {
            Item::Block(committed, tickets) => {
                self.tickets.extend(tickets.map(|tickets| (committed.block.header.index + 1, tickets)));
                self.blocks.push(committed);
            }
            Item::Own(own) => self.own.push(own),
            Item::Evidence(evidence) => self.evidence.push(evidence),
            Item::Logged(anchor) => self.anchor = Some(anchor),
        }
    }
}

impl Reader {
    fn overlay<T>(&self, read: impl FnOnce(&Overlay) -> T) -> T {
        read(&self.overlay.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The block at a height.
    pub fn block(&self, height: u64) -> Result<Option<Arc<StoredBlock>>, StoreError> {
        // First the overlay: what it forgets in between is in the store by then.
        if let Some(block) = self.overlay(|overlay| overlay.blocks.get(&height).cloned()) {
            return Ok(Some(block));
        }
        Ok(self.store.block(height)?.map(Arc::new))
    }

    /// Height of the block with this hash.
    pub fn height_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        match self.overlay(|overlay| overlay.hashes.get(hash).copied()) {
            Some(height) => Ok(Some(height)),
            None => self.store.height_of(hash),
        }
    }

    /// Height and position of a committed transaction.
    pub fn place(&self, id: &Hash) -> Result<Option<(u64, u32)>, StoreError> {
        match self.overlay(|overlay| overlay.places.get(id).copied()) {
            Some(place) => Ok(Some(place)),
            None => self.store.place(id),
        }
    }

    /// The block at a height as it is sent to a member that is behind. None for genesis.
    pub fn certified(&self, height: u64) -> Result<Option<CertifiedBlock>, StoreError> {
        let recent = self.overlay(|overlay| overlay.blocks.get(&height).cloned());
        let Some(recent) = recent else { return self.store.certified(height) };
        let block = recent.block.encode();
        Ok(recent.certificate.clone().map(|certificate| CertifiedBlock { block, certificate }))
    }

    /// The members' tickets in the lottery of a height, by id.
    pub fn tickets(&self, height: u64) -> Result<Option<Vec<u64>>, StoreError> {
        let recent = self.overlay(|overlay| overlay.tickets.range(..=height).next_back().map(|(_, t)| t.clone()));
        if recent.is_some() { Ok(recent) } else { self.store.tickets(height) }
    }

    /// Places of an account's committed transactions, sent and received, newest first, strictly before `before`.
    pub fn history(
        &self,
        account: &AccountId,
        before: (u64, u32),
        limit: usize,
    ) -> Result<Vec<(u64, u32)>, StoreError> {
        let recent = |overlay: &Overlay| {
            let places = overlay.history.get(account).into_iter().flatten().rev().copied();
            places.filter(|place| *place < before).take(limit).collect::<Vec<_>>()
        };
        let mut places = self.overlay(recent);
        // What moves to the store between the two looks is in both.
        let before = places.last().copied().unwrap_or(before);
        let older = self.store.history(account, before, limit - places.len())?;
        places.extend(older);
        Ok(places)
    }

    /// The transaction that was signed for an Idempotency-Key.
    pub fn keyed(&self, key: &str) -> Result<Option<OwnTransaction>, StoreError> {
        match self.overlay(|overlay| overlay.keyed.get(key).cloned()) {
            Some(own) => Ok(Some(own)),
            None => self.store.keyed(key),
        }
    }

    /// The last transactions that the wallet signed with this nonce and later ones, by nonce, as far as the store has
    /// them: complete at start, when what the log holds was put into the store.
    pub fn own_from(&self, nonce: u64) -> Result<Vec<OwnTransaction>, StoreError> {
        self.store.own_from(nonce)
    }

    /// All stored evidence, by height.
    pub fn evidence(&self) -> Result<Vec<Evidence>, StoreError> {
        self.store.evidence()
    }
}
