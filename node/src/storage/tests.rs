//! The store, what readers see of it while it lags, and the data directory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blockchat_consensus::{Committed, Evidence, EvidenceKind, LogStatus, Record};
use redb::backends::InMemoryBackend;

use super::fixture::{Chain, wallet};
use super::log::fault::{Fault, FaultyDisk};
use super::log::{Anchor, Found};
use super::*;

fn memory() -> Store {
    let database = redb::Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    Store::with(database).unwrap()
}

fn founded() -> (Store, Chain) {
    let (store, chain) = (memory(), Chain::found());
    store.found(&chain.ring, &chain.genesis, &chain.genesis_state).unwrap();
    (store, chain)
}

fn own(chain: &Chain, nonce: u64, key: Option<&str>) -> OwnTransaction {
    let transaction = chain.payment(1_000 + nonce, nonce).into_signed();
    OwnTransaction { height: 1, key: key.map(str::to_owned), transaction }
}

fn evidence(height: u64, first: u8) -> Evidence {
    Evidence { member: 3, height, kind: EvidenceKind::Vote, first: vec![first], second: vec![2] }
}

const LATEST: (u64, u32) = (u64::MAX, u32::MAX);

#[test]
fn what_was_written_is_read_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let id = wallet(0).public_key().account_id();
    let mut chain = Chain::found();
    let blocks: Vec<_> = (0..6u64).map(|i| chain.next((i == 2).then_some(7_000_000))).collect();
    let anchor = Anchor { log_id: [3; 16], synced: 9, taken: 8 };
    {
        let store = Store::open(&path).unwrap();
        assert_eq!((store.height().unwrap(), store.descriptor().unwrap(), store.anchor().unwrap()), (None, None, None));
        store.found(&chain.ring, &chain.genesis, &chain.genesis_state).unwrap();
        store
            .write(&Batch {
                blocks: blocks[..4].to_vec(),
                tickets: vec![(4, vec![7_000_000])],
                own: vec![own(&chain, 20, Some("a")), own(&chain, 21, None)],
                evidence: vec![evidence(2, 1), evidence(1, 1), evidence(1, 1), evidence(1, 9)],
                anchor: Some(anchor),
                in_use: Some(true),
            })
            .unwrap();
        store.write(&Batch { blocks: blocks[4..].to_vec(), ..Batch::default() }).unwrap();
    }
    let store = Store::open(&path).unwrap();
    let (tip, state) = store.load().unwrap();
    assert_eq!((&tip, state.root()), (&chain.tip, chain.state.root()));
    assert_eq!(state.total_supply(), chain.ring.parameters().supply());
    assert_eq!(store.descriptor().unwrap().as_ref(), Some(chain.ring.descriptor()));
    assert_eq!((store.anchor().unwrap(), store.in_use().unwrap()), (Some(anchor), true));
    for committed in &blocks {
        let height = committed.block.header.index;
        let stored = store.block(height).unwrap().unwrap();
        assert_eq!((&stored.block, stored.certificate.as_ref()), (&committed.block, Some(&committed.certificate)));
        assert_eq!(store.certified(height).unwrap().unwrap().block, committed.block.encode());
        assert_eq!(store.height_of(&committed.block.hash()).unwrap(), Some(height));
        let transaction = &committed.block.transactions[0];
        assert_eq!(store.place(&transaction.id()).unwrap(), Some((height, 0)));
    }
    assert_eq!(store.block(0).unwrap().unwrap(), StoredBlock { block: chain.genesis.clone(), certificate: None });
    assert_eq!((store.block(7).unwrap(), store.certified(0).unwrap(), store.certified(7).unwrap()), (None, None, None));
    assert_eq!(store.history(&id, LATEST, 3).unwrap(), [(6, 0), (5, 0), (4, 0)]);
    assert_eq!(store.history(&id, (4, 0), 9).unwrap(), [(3, 1), (3, 0), (2, 0), (1, 0), (0, 0)]);
    assert_eq!(store.tickets(3).unwrap(), Some(vec![0]));
    assert_eq!((store.tickets(4).unwrap(), store.tickets(99).unwrap()), (Some(vec![7_000_000]), Some(vec![7_000_000])));
    let keyed = store.keyed("a").unwrap().unwrap();
    assert_eq!((keyed.transaction.transaction().nonce, keyed.key.as_deref(), keyed.height), (20, Some("a"), 1));
    assert_eq!(store.own_from(21).unwrap().len(), 1);
    assert_eq!(store.own_from(0).unwrap().len(), 2);
    assert_eq!(store.evidence().unwrap(), sorted(vec![evidence(1, 1), evidence(1, 9), evidence(2, 1)], &store));
}

/// Evidence of one height and member is in the order of its hash.
fn sorted(mut expected: Vec<Evidence>, store: &Store) -> Vec<Evidence> {
    let stored = store.evidence().unwrap();
    expected.sort_by_key(|item| stored.iter().position(|other| other == item));
    assert!(stored.windows(2).all(|pair| pair[0].height <= pair[1].height));
    expected
}

#[test]
fn blocks_must_follow_one_another() {
    let (store, mut chain) = founded();
    let (first, second) = (chain.next(None), chain.next(None));
    let error = store.write(&Batch { blocks: vec![second.clone()], ..Batch::default() }).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert_eq!(store.height().unwrap(), Some(0), "a refused batch leaves nothing");
    store.write(&Batch { blocks: vec![first.clone(), second], ..Batch::default() }).unwrap();
    assert!(store.write(&Batch { blocks: vec![first], ..Batch::default() }).is_err());
}

#[test]
fn accounts_that_do_not_fit_the_tip_are_damage() {
    let (store, mut chain) = founded();
    let mut committed = Arc::into_inner(chain.next(None)).unwrap();
    committed.touched.pop();
    store.write(&Batch { blocks: vec![Arc::new(committed)], ..Batch::default() }).unwrap();
    assert!(matches!(store.load(), Err(StoreError::Damaged(reason)) if reason.contains("state root")));
}

#[test]
fn readers_see_a_block_before_and_after_it_is_stored() {
    let (store, mut chain) = founded();
    let (writer, reader) = start(store.clone(), |error| panic!("{error}")).unwrap();
    let mut committed = Vec::new();
    for i in 0..20u64 {
        let block = chain.next((i == 5).then_some(3_000_000));
        let tickets = (i == 5).then(|| vec![3_000_000]);
        writer.put(Item::Block(block.clone(), tickets)).unwrap();
        writer.put(Item::Own(own(&chain, 100 + i, Some(&format!("key {i}"))))).unwrap();
        committed.push(block);
        check(&reader, &committed, i);
        if i % 7 == 6 {
            let until = Instant::now() + Duration::from_secs(5);
            while writer.progress().height() < i && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
                check(&reader, &committed, i);
            }
        }
    }
    writer.put(Item::Logged(Anchor { log_id: [1; 16], synced: 40, taken: 40 })).unwrap();
    writer.stop().unwrap();
    assert_eq!((store.height().unwrap(), store.anchor().unwrap().unwrap().taken), (Some(20), 40));
    assert_eq!(store.load().unwrap().1.root(), chain.state.root());
    check(&reader, &committed, 19);
}

fn check(reader: &Reader, committed: &[Arc<Committed>], last: u64) {
    for expected in committed {
        let height = expected.block.header.index;
        assert_eq!(reader.block(height).unwrap().unwrap().block, expected.block);
        assert_eq!(reader.certified(height).unwrap().unwrap().block, expected.block.encode());
        assert_eq!(reader.height_of(&expected.block.hash()).unwrap(), Some(height));
        assert_eq!(reader.place(&expected.block.transactions[0].id()).unwrap(), Some((height, 0)));
    }
    assert_eq!(reader.block(last + 2).unwrap(), None);
    let places: Vec<(u64, u32)> = committed
        .iter()
        .rev()
        .flat_map(|c| (0..c.block.header.transaction_count).rev().map(|p| (c.block.header.index, p)))
        .chain([(0, 0)])
        .collect();
    assert_eq!(reader.history(&wallet(0).public_key().account_id(), LATEST, 1_000).unwrap(), places);
    assert_eq!(reader.history(&wallet(0).public_key().account_id(), LATEST, 4).unwrap(), places[..places.len().min(4)]);
    assert_eq!(
        reader.history(&wallet(0).public_key().account_id(), places[places.len() / 2], 1_000).unwrap(),
        places[places.len() / 2 + 1..]
    );
    let tickets = |height: u64| reader.tickets(height).unwrap().unwrap();
    for height in 1..=last + 2 {
        assert_eq!(tickets(height), [if height > 6 { 3_000_000 } else { 0 }], "height {height}");
    }
    assert!(reader.keyed(&format!("key {last}")).unwrap().is_some());
    assert!(reader.keyed("another").unwrap().is_none());
}

#[test]
fn a_failing_store_is_reported_and_takes_nothing_more() {
    let (store, mut chain) = founded();
    let (sender, receiver) = std::sync::mpsc::channel();
    let (writer, _reader) = start(store, move |error| sender.send(error.to_string()).unwrap()).unwrap();
    drop(chain.next(None));
    writer.put(Item::Block(chain.next(None), None)).unwrap();
    assert!(receiver.recv_timeout(Duration::from_secs(5)).unwrap().contains("where 1 was to follow"));
    let until = Instant::now() + Duration::from_secs(5);
    while writer.put(Item::Evidence(evidence(1, 1))).is_ok() {
        assert!(Instant::now() < until, "the thread is gone, so this must end");
    }
    assert!(writer.stop().is_err());
}

#[test]
fn one_process_at_a_time_uses_a_data_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b");
    let data = DataDir::lock(&path).unwrap();
    let error = DataDir::lock(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("{} is in use by another process", path.display()));
    drop(data);
    DataDir::lock(&path).unwrap();
}

#[test]
fn a_log_is_trusted_once_it_was_in_use_and_never_if_another_one_was() {
    let (store, chain) = founded();
    let disk = FaultyDisk::new(Fault::None);
    let open = |disk: &FaultyDisk, id: u8| open_log(disk.clone(), &store, [id; 16]).unwrap();

    // First start of a founding member, killed before it began: the next start still has to decide.
    let opened = open(&disk, 1);
    assert_eq!((&opened.found, opened.status(&store, true).unwrap()), (&Found::Created, LogStatus::New));
    drop(opened);
    let opened = open(&disk, 2);
    assert_eq!((&opened.found, opened.status(&store, true).unwrap()), (&Found::Intact, LogStatus::New));
    assert!(matches!(opened.status(&store, false).unwrap(), LogStatus::Lost { .. }), "nobody saw the ring open");

    // In use: from now on the log speaks for itself.
    store.log_is_in_use().unwrap();
    let mut opened = open(&disk, 3);
    assert_eq!(opened.status(&store, false).unwrap(), LogStatus::Intact);
    let signed = own(&chain, 4, Some("k"));
    let record = Record::Wallet { height: 1, key: signed.key.clone(), transaction: signed.transaction.clone() };
    opened.log.append(record.height(), &record.encode()).unwrap();
    opened.log.sync().unwrap();
    drop(opened);
    let opened = open(&disk, 4);
    assert_eq!(opened.records, [record]);
    assert_eq!(store.keyed("k").unwrap(), Some(signed), "what the wallet signed is in the store before anything runs");
    drop(opened);

    // Gone: lost, and still lost at the next start, until the member has begun again.
    let empty = FaultyDisk::new(Fault::None);
    for id in [5, 6] {
        let opened = open(&empty, id);
        assert!(matches!(opened.status(&store, false).unwrap(), LogStatus::Lost { .. }), "start {id}");
    }
    store.log_is_in_use().unwrap();
    assert_eq!(open(&empty, 7).status(&store, false).unwrap(), LogStatus::Intact);
    let opened = open(&disk, 8);
    assert!(matches!(opened.status(&store, false).unwrap(), LogStatus::Lost { .. }), "the old log came back");
}
