//! The thread and the log under it: a network of one member, killed at every operation of its disk.

use std::collections::BTreeSet;
use std::time::Duration;

use blockchat_consensus::{CoreConfig, Input, LogStatus, Recovered, Submission, Timing};
use blockchat_ledger::{AccountId, Hash, PoolLimits, SignedTransaction};
use prometheus::Registry;
use redb::backends::InMemoryBackend;

use super::*;
use crate::http::backend::{Backend, Unavailable};
use crate::peer::{Inbox as _, PeerInput};
use crate::storage::fixture::{Chain, consensus_key, wallet};
use crate::storage::log::Anchor;
use crate::storage::log::fault::{Fault, FaultyDisk, Survives};
use crate::storage::{self, Batch, Store, open_log};

struct Nobody;

impl Outbound for Nobody {
    fn queue(&self, _: u16, _: &PeerMessage, _: Bytes) {}
    fn queue_all(&self, _: &PeerMessage, _: &Bytes) {}
    fn flush(&self) {}
    fn connected(&self) -> usize {
        0
    }
}

fn me() -> AccountId {
    wallet(0).public_key().account_id()
}

/// A founded member that has not started.
fn store(chain: &Chain) -> Store {
    let database = redb::Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
    let store = Store::with(database).unwrap();
    store.found(&chain.ring, &chain.genesis, &chain.genesis_state).unwrap();
    store
}

struct Running {
    runtime: Runtime,
    reader: Reader,
    activity: Activity,
}

fn run(chain: &Chain, store: &Store, disk: FaultyDisk, first: bool) -> Result<Running, RuntimeError> {
    run_traced(chain, store, disk, first, Traces::default())
}

fn run_traced(
    chain: &Chain,
    store: &Store,
    disk: FaultyDisk,
    first: bool,
    traces: Traces,
) -> Result<Running, RuntimeError> {
    let opened = open_log(disk, store, [9; 16])?;
    let status = opened.status(store, first)?;
    assert!(first || status != LogStatus::New, "{status:?}");
    assert!(!matches!(status, LogStatus::Lost { .. }), "a crash loses no log: {status:?}");
    let (tip, state) = store.load()?;
    let (writer, reader) = storage::start(store.clone(), |error| panic!("{error}"))?;
    let core = CoreConfig {
        me: 0,
        ring: chain.ring.clone(),
        consensus_key: consensus_key(),
        grants_signer: None,
        timing: Timing { max_block_wait: Duration::from_millis(1), ..Timing::default() },
        pool: PoolLimits::default(),
        accept_lost_log: false,
        nonce_seed: [0; 32],
    };
    let tip_certificate = store.certificate(tip.index)?;
    let recovered = Recovered { tip, tip_certificate, state, records: opened.records, log: status };
    let activity = Activity::default();
    let (_, inputs) = queues(Traces::default());
    let parts = Parts {
        core,
        recovered,
        log: opened.log,
        writer,
        reader: reader.clone(),
        outbound: Arc::new(Nobody),
        activity: activity.clone(),
        metrics: Metrics::register(&Registry::new()).unwrap(),
        traces,
        place: Place::default(),
    };
    let runtime = spawn(parts, inputs)?;
    store.log_is_in_use()?;
    Ok(Running { runtime, reader, activity })
}

/// What clients were told.
#[derive(Debug, Default)]
struct Told {
    admitted: BTreeSet<Hash>,
    committed: BTreeSet<(Hash, u64)>,
}

/// Pays, one after the other, until the node stops or `payments` are committed.
async fn pay(chain: &Chain, running: &Running, payments: u64, told: &mut Told) -> Result<(), Unavailable> {
    let handle = &running.runtime.handle;
    for _ in 0..payments {
        let nonce = handle.pending_account(me()).await?.nonce;
        let transaction = chain.payment(1_000 + nonce, nonce);
        let id = transaction.id();
        let key = Some(format!("payment {nonce}"));
        let results = handle.submit(vec![Submission::Own { transaction, key }]).await?;
        assert_eq!(results.len(), 1);
        results[0].as_ref().unwrap();
        told.admitted.insert(id);
        let waiting = tokio::time::timeout(Duration::from_secs(5), running.activity.wait(id).outcome());
        tokio::select! {
            outcome = waiting => match outcome {
                Ok(Some(crate::http::activity::Outcome::Committed(height))) => told.committed.insert((id, height)),
                other => panic!("{other:?}"),
            },
            () = stopped(handle) => return Err(Unavailable),
        };
    }
    Ok(())
}

/// Until the thread answers no more.
async fn stopped(handle: &Handle) {
    while handle.pending_account(me()).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_are_committed_read_back_and_survive_a_restart() {
    let chain = Chain::found();
    let (store, disk) = (store(&chain), FaultyDisk::new(Fault::None));
    let mut told = Told::default();
    for round in 0..3 {
        let running = run(&chain, &store, disk.clone(), round == 0).unwrap();
        pay(&chain, &running, 4, &mut told).await.unwrap();
        check(&running, &told);
        let view = running.runtime.handle.view();
        assert_eq!(view.state.account(&me()).unwrap().nonce, told.committed.len() as u64);
        running.runtime.handle.stop();
        running.runtime.ended.await.unwrap().unwrap();
        assert_eq!(store.height().unwrap(), Some(view.height), "a stop in order leaves nothing to replay");
        assert!(running.runtime.handle.pending_account(me()).await.is_err());
    }
    assert_eq!(told.committed.len(), 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_traced_payment_is_linked_to_the_trace_of_its_block() {
    let chain = Chain::found();
    let (store, disk) = (store(&chain), FaultyDisk::new(Fault::None));
    let (traces, collected) = Traces::collecting(1.0);
    let running = run_traced(&chain, &store, disk, true, traces.clone()).unwrap();
    let request = traces.request();
    let transaction = chain.payment(1_000, 0);
    let id = transaction.id();
    traces.submitting_within(&transaction.wire_hash(), request.clone());
    let results = running.runtime.handle.submit(vec![Submission::Own { transaction, key: None }]).await.unwrap();
    results[0].as_ref().unwrap();
    running.activity.wait(id).outcome().await.unwrap();
    pay(&chain, &running, 1, &mut Told::default()).await.unwrap();
    running.runtime.handle.stop();
    running.runtime.ended.await.unwrap().unwrap();

    let proposed = collected.one("block.propose");
    let block = proposed.span_context.clone();
    assert_eq!(proposed.links.links.len(), 1, "of a request that is traced");
    assert_eq!(proposed.links.links[0].span_context.trace_id(), request.trace_id());
    for name in ["prevote", "precommit", "commit.apply"] {
        let span = collected.one(name);
        assert_eq!(span.span_context.trace_id(), block.trace_id(), "{name}");
        assert_eq!(span.parent_span_id, block.span_id(), "{name}");
    }
    let syncs = collected.named("log.sync");
    assert!(!syncs.is_empty());
    assert!(syncs.iter().all(|span| span.span_context.trace_id() == block.trace_id()));
    let pending = collected.one("mempool.pending");
    assert_eq!(pending.span_context.trace_id(), request.trace_id());
    assert_eq!(pending.links.links[0].span_context.trace_id(), block.trace_id());
    let order = collected.names();
    let place = |name: &str| order.iter().position(|other| other == name).unwrap();
    assert!(place("mempool.admit") < place("block.propose") && place("block.propose") < place("prevote"));
    assert!(place("prevote") < place("precommit") && place("precommit") < place("commit.apply"));
}

/// Whatever clients were told is so.
fn check(running: &Running, told: &Told) {
    for (id, height) in &told.committed {
        assert_eq!(running.reader.place(id).unwrap().map(|place| place.0), Some(*height), "{id} was told as committed");
    }
    for id in &told.admitted {
        let keyed = (0..64).filter_map(|n| running.reader.keyed(&format!("payment {n}")).unwrap());
        assert!(keyed.into_iter().any(|own| own.transaction.id() == *id), "{id} was signed and admitted");
    }
    let view = running.runtime.handle.view();
    assert_eq!(view.state.root(), view.tip.state_root);
    for height in 0..=view.height {
        assert!(running.reader.block(height).unwrap().is_some(), "block {height}");
    }
}

/// A store that has nothing but genesis, as after the longest possible lag.
fn lagging(chain: &Chain, of: &Store) -> Store {
    let lagging = store(chain);
    let anchor = of.anchor().unwrap().unwrap();
    let anchor = Anchor { taken: 0, synced: 0, ..anchor };
    lagging.write(&Batch { anchor: Some(anchor), in_use: Some(of.in_use().unwrap()), ..Batch::default() }).unwrap();
    lagging
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_operation_of_the_disk_nothing_that_was_told_is_forgotten() {
    let chain = Chain::found();
    let total = {
        let (store, disk) = (store(&chain), FaultyDisk::new(Fault::None));
        let running = run(&chain, &store, disk.clone(), true).unwrap();
        pay(&chain, &running, 5, &mut Told::default()).await.unwrap();
        disk.operations()
    };
    assert!(total > 30, "{total}");
    let mut stopped_while_paying = 0;
    for stop in 0..total {
        let (store, disk) = (store(&chain), FaultyDisk::new(Fault::StopAt(stop)));
        let mut told = Told::default();
        match run(&chain, &store, disk.clone(), true) {
            Err(error) => assert!(matches!(error, RuntimeError::Store(_) | RuntimeError::Log(_)), "{error}"),
            Ok(running) => {
                if pay(&chain, &running, 5, &mut told).await.is_err() {
                    let ended = running.runtime.ended.await.unwrap();
                    assert!(matches!(ended, Err(RuntimeError::Log(_))), "{ended:?}");
                    stopped_while_paying += 1;
                }
            }
        }
        let lag = stop % 2 == 0 && store.anchor().unwrap().is_some();
        let store = if lag { lagging(&chain, &store) } else { store };
        let survives = match stop % 3 {
            0 => Survives::Synced,
            1 => Survives::Everything,
            _ => Survives::Some(stop),
        };
        let first = !store.in_use().unwrap();
        let running = run(&chain, &store, disk.restart(survives, Fault::None), first).unwrap();
        check(&running, &told);
        pay(&chain, &running, 1, &mut told).await.unwrap();
        check(&running, &told);
    }
    // How many operations a run takes depends on what is batched, so a late stop may come too late.
    assert!(stopped_while_paying > total / 2, "{stopped_while_paying} of {total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_node_before_it_answers() {
    let chain = Chain::found();
    let (store, disk) = (store(&chain), FaultyDisk::new(Fault::None));
    let running = run(&chain, &store, disk.clone(), true).unwrap();
    let mut told = Told::default();
    pay(&chain, &running, 2, &mut told).await.unwrap();
    disk.fail_next(1);
    assert!(pay(&chain, &running, 1, &mut told).await.is_err());
    let ended = running.runtime.ended.await.unwrap();
    assert!(matches!(&ended, Err(RuntimeError::Log(error)) if error.to_string().contains("writing")), "{ended:?}");
    assert_eq!(told.admitted.len(), 2, "the third was not acknowledged");
    assert!(running.runtime.handle.submit(Vec::new()).await.is_err());
}

#[test]
fn checked_transactions_come_back_in_the_order_in_which_they_were_given() {
    let chain = Chain::found();
    let (senders, mut inputs) = queues(Traces::default());
    let metrics = Metrics::register(&Registry::new()).unwrap().verify;
    let verifiers = verify::Verifiers::start(&senders, &metrics, &Traces::default()).unwrap();
    let good: Vec<_> = (0..60).map(|nonce| chain.payment(1, nonce).into_signed()).collect();
    let mut given = good.clone();
    // The signature of another transaction: wrong, and not at the end.
    let forged = SignedTransaction::new(good[3].transaction().clone(), good[4].signature().to_vec()).unwrap();
    given[30] = forged.clone();
    verifiers.check(1, given.clone());
    verifiers.check(2, Vec::new());
    let mut batch = Vec::new();
    let until = std::time::Instant::now() + Duration::from_secs(10);
    while batch.len() < 2 && std::time::Instant::now() < until {
        inputs.drain(&mut batch);
    }
    batch.sort_by_key(|input| matches!(input, Input::Verified { job: 2, .. }));
    let [Input::Verified { job: 1, results }, Input::Verified { job: 2, results: none }] = batch.as_slice() else {
        panic!("{batch:?}");
    };
    assert!(none.is_empty());
    assert_eq!(results.len(), given.len());
    for (place, (result, given)) in results.iter().zip(&given).enumerate() {
        match result {
            Ok(checked) => assert_eq!((checked.wire_hash(), place == 30), (given.wire_hash(), false)),
            Err(hash) => assert_eq!((*hash, place), (forged.wire_hash(), 30)),
        }
    }
}

#[tokio::test]
async fn votes_overtake_transactions_and_a_full_queue_refuses_clients() {
    let (senders, mut inputs) = queues(Traces::default());
    let bulk = || PeerMessage::Have(Vec::new());
    let urgent = || PeerMessage::Status { height: 1 };
    let messages = vec![bulk(), urgent(), bulk(), urgent()];
    assert!(senders.deliver(PeerInput::Messages { from: 2, beside: Bytes::new(), messages }).await);
    let question = |ticket| Input::PendingAccount { ticket, account: me() };
    let taken = (0..5_000).take_while(|ticket| senders.client(question(*ticket))).count();
    assert_eq!(taken, 1_024, "then clients are refused");
    assert!(senders.deliver(PeerInput::Connected(3)).await, "which does not concern peers");
    let mut batch = Vec::new();
    inputs.drain(&mut batch);
    let kinds: Vec<&str> = batch
        .iter()
        .map(|input| match input {
            Input::Peer { message, .. } if message.is_urgent() => "urgent",
            Input::Peer { .. } => "bulk",
            Input::Connected(3) => "connected",
            Input::PendingAccount { .. } => "client",
            _ => "?",
        })
        .collect();
    assert_eq!(kinds[..3], ["urgent", "urgent", "connected"]);
    assert_eq!(kinds.iter().filter(|kind| **kind == "client").count(), 64, "a batch is bounded");
    assert_eq!(kinds[kinds.len() - 2..], ["bulk", "bulk"]);
    drop(inputs);
    assert!(
        !senders.deliver(PeerInput::Messages { from: 2, beside: Bytes::new(), messages: vec![urgent()] }).await,
        "the thread is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_behind_get_blocks_in_order_and_no_more_than_they_asked_for() {
    let chain = Chain::found();
    let (store, disk) = (store(&chain), FaultyDisk::new(Fault::None));
    let running = run(&chain, &store, disk, true).unwrap();
    pay(&chain, &running, 5, &mut Told::default()).await.unwrap();
    let answered = |from_height, max| {
        let request = serve::Request { to: 1, from_height, max };
        match serve::read(&running.reader, request).unwrap() {
            Some(PeerMessage::Blocks(blocks)) => blocks.iter().map(|block| block.certificate.height).collect(),
            None => Vec::new(),
            Some(other) => panic!("{other:?}"),
        }
    };
    assert_eq!(answered(1, 256), [1, 2, 3, 4, 5]);
    assert_eq!(answered(2, 2), [2, 3]);
    assert_eq!(answered(6, 10), Vec::<u64>::new());
    assert_eq!(answered(0, 10), Vec::<u64>::new(), "genesis has no certificate and is never sent");
    assert_eq!(answered(u64::MAX, 10), Vec::<u64>::new());
}
