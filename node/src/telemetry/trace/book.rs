//! What is known of the transactions and blocks that are traced, between one step and the next.
//!
//! Bounded for each source, so that a member that sends contexts for what does not exist displaces nobody else's.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::SystemTime;

use opentelemetry::trace::SpanContext;

use super::envelope::Key;

/// Transactions remembered for each source: more than a source has pending while anybody looks at traces.
const MAX_TRANSACTIONS: usize = 4_096;
/// Blocks remembered for each member: it proposes one at a time.
const MAX_BLOCKS: usize = 8;

/// From which member; none: from a client of this node.
pub type Source = Option<u16>;

/// A span's time.
pub type Times = (SystemTime, SystemTime);

/// A traced transaction.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Parent of what happens to it here.
    pub parent: SpanContext,
    /// When it came from another member; none if a client brought it.
    pub received: Option<SystemTime>,
    /// When its signature was verified, if nobody has been told yet.
    pub verified: Option<Times>,
    /// Since when it is in the pool.
    pub pooled: Option<SystemTime>,
    source: Source,
}

/// A block that is traced elsewhere.
#[derive(Clone, Debug)]
pub struct BlockEntry {
    /// Parent of what happens to it here.
    pub parent: SpanContext,
    /// When the proposal came.
    pub received: SystemTime,
}

/// Transactions and blocks that are traced.
#[derive(Debug, Default)]
pub struct Book {
    transactions: HashMap<Key, Entry>,
    order: BTreeMap<Source, VecDeque<Key>>,
    blocks: BTreeMap<u16, VecDeque<(Key, BlockEntry)>>,
}

impl Book {
    /// A transaction is traced from now on. Who is first says where it belongs.
    pub fn begin(&mut self, key: Key, parent: SpanContext, source: Source, received: Option<SystemTime>) {
        if self.transactions.contains_key(&key) {
            return;
        }
        let order = self.order.entry(source).or_default();
        if order.len() >= MAX_TRANSACTIONS
            && let Some(oldest) = order.pop_front()
            && self.transactions.get(&oldest).is_some_and(|entry| entry.source == source)
        {
            self.transactions.remove(&oldest);
        }
        order.push_back(key);
        self.transactions.insert(key, Entry { parent, received, verified: None, pooled: None, source });
    }

    /// The transaction, if it is traced.
    pub fn get(&self, key: Key) -> Option<&Entry> {
        self.transactions.get(&key)
    }

    /// The transaction, to note something.
    pub fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        self.transactions.get_mut(&key)
    }

    /// Its time in the pool has ended.
    pub fn end(&mut self, key: Key) -> Option<Entry> {
        self.transactions.remove(&key)
    }

    /// A member proposes a block that is traced.
    pub fn begin_block(&mut self, key: Key, entry: BlockEntry, from: u16) {
        let blocks = self.blocks.entry(from).or_default();
        if blocks.iter().any(|(known, _)| *known == key) {
            return;
        }
        blocks.push_back((key, entry));
        if blocks.len() > MAX_BLOCKS {
            blocks.pop_front();
        }
    }

    /// The block, if it is traced: what `from` said about it.
    pub fn block(&self, key: Key, from: u16) -> Option<&BlockEntry> {
        self.blocks.get(&from)?.iter().find(|(known, _)| *known == key).map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockchat_ledger::Hash;

    fn key(number: u16) -> Key {
        let mut hash = Hash::ZERO;
        hash.0[..2].copy_from_slice(&number.to_be_bytes());
        (&hash).into()
    }

    #[test]
    fn a_source_displaces_its_own_oldest_only() {
        let mut book = Book::default();
        let parent = SpanContext::empty_context();
        book.begin(key(0), parent.clone(), None, None);
        for number in 1..=u16::try_from(MAX_TRANSACTIONS).unwrap() + 1 {
            book.begin(key(number), parent.clone(), Some(3), None);
        }
        assert!(book.get(key(0)).is_some(), "another source's");
        assert!(book.get(key(1)).is_none(), "the oldest");
        assert!(book.get(key(2)).is_some());
        assert_eq!(book.transactions.len(), MAX_TRANSACTIONS + 1);
    }

    #[test]
    fn the_first_context_stays() {
        let mut book = Book::default();
        book.begin(key(1), SpanContext::empty_context(), None, None);
        book.begin(key(1), SpanContext::empty_context(), Some(2), Some(SystemTime::now()));
        assert_eq!(book.get(key(1)).unwrap().received, None);
        assert_eq!(book.order.get(&Some(2)), None);
        assert!(book.end(key(1)).is_some() && book.end(key(1)).is_none());
    }

    #[test]
    fn blocks_of_a_member_are_few() {
        let mut book = Book::default();
        let entry = BlockEntry { parent: SpanContext::empty_context(), received: SystemTime::now() };
        for number in 0..100 {
            book.begin_block(key(number), entry.clone(), 1);
        }
        assert!(book.block(key(99), 1).is_some() && book.block(key(0), 1).is_none());
        assert!(book.block(key(99), 2).is_none(), "another member said nothing about it");
        assert_eq!(book.blocks[&1].len(), MAX_BLOCKS);
    }
}
