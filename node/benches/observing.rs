//! What observing a block costs a node, against the least that the block costs it: checking its signatures and executing
//! it. The last lines are ratios, taken in this run. `cargo bench -p blockchat-node --bench observing`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot be set up has to stop")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use blockchat_consensus::{Certificate, CommitSignature, Committed, Event, PeerMessage, View};
use blockchat_ledger::deterministic::DeterministicSigner;
use blockchat_ledger::{
    Amount, Block, Descriptor, Execution, Member, Parameters, PoolLimits, Ring, SignedTransaction, State, Terms,
    Transaction, TransactionSigner, VerifiedTransaction, build, execute, founding_id, genesis, lottery,
};
use blockchat_node::runtime::Observer;
use blockchat_node::telemetry::{Metrics, Place, TraceMetrics, TraceSettings, Traces};
use criterion::{Criterion, Throughput};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use prometheus::Registry;

const MEMBERS: u16 = 5;
const CAPACITY: u32 = 20;
/// Turns of the thread that owns the state for one block, as a busy node of five counts them.
const TURNS: usize = 12;

/// A network in which one member has just committed a full block.
struct Network {
    ring: Arc<Ring>,
    before: State,
    committed: Committed,
    signed: Vec<SignedTransaction>,
}

fn network() -> Network {
    let pems = [
        include_str!("../../ledger/tests/keys/member-00.pem"),
        include_str!("../../ledger/tests/keys/member-01.pem"),
        include_str!("../../ledger/tests/keys/member-02.pem"),
        include_str!("../../ledger/tests/keys/member-03.pem"),
        include_str!("../../ledger/tests/keys/member-04.pem"),
    ];
    let signers = pems.map(|pem| DeterministicSigner::from_pem(pem, [0; 32]).expect("a key"));
    let parameters = Parameters::assignment(MEMBERS, CAPACITY);
    let bootstrap = signers[0].public_key().clone();
    let founding = founding_id(&parameters, &bootstrap);
    let (first, state) = genesis(&parameters, &bootstrap, 0).expect("parameters");
    let members = (0..).zip(&signers).map(|(id, signer)| {
        Member::certify(id, signer, &founding, [u8::try_from(id).expect("small"); 32]).expect("a signature")
    });
    let descriptor = Descriptor { genesis_hash: first.hash(), members: members.collect(), parameters };
    let ring = Ring::new(descriptor.sign(&signers[0]).expect("a signature")).expect("a descriptor");
    let terms = |nonce| Terms { nonce, valid_until: 1_000, chain_id: ring.chain_id() };
    let payer = signers[1].public_key().clone();
    let grant = Transaction::grant(bootstrap, payer.clone(), ring.parameters().endowment, terms(0));
    let grant = grant.sign(&signers[0]).expect("a signature");
    let (tip, granted) = next(&ring, &first, &state, std::slice::from_ref(&grant));
    let receiver = signers[2].public_key().clone();
    let payment = |nonce| {
        let payment = Transaction::coins(payer.clone(), receiver.clone(), Amount::from_micros(1_000), terms(nonce));
        payment.sign(&signers[1]).expect("a signature")
    };
    let transactions: Vec<VerifiedTransaction> = (0..u64::from(CAPACITY)).map(payment).collect();
    let (block, execution) = next(&ring, &tip, &granted.state, &transactions);
    assert_eq!(block.transactions.len(), transactions.len());
    let signatures = (0..MEMBERS - 1).map(|member| CommitSignature { member, signature: [7; 64] }).collect();
    let certificate = Certificate { height: block.header.index, round: 0, block: block.hash(), signatures };
    let Execution { receipts, state, touched, .. } = execution;
    let signed = transactions.into_iter().map(VerifiedTransaction::into_signed).collect();
    let committed = Committed { block, certificate, receipts, state, touched };
    Network { ring: Arc::new(ring), before: granted.state, committed, signed }
}

fn next(ring: &Ring, tip: &Block, state: &State, txs: &[VerifiedTransaction]) -> (Block, Execution) {
    let drawn = lottery::drawn(&tip.hash(), &state.stakes(ring), 0).expect("members");
    let validator = &ring.member(drawn).expect("a member").wallet;
    build(ring, state, &tip.header, validator, 0, 0, txs.iter()).expect("a block")
}

impl Network {
    /// Nodes know the keys of senders that are in the state.
    fn work(&self) {
        let verify = |tx: &SignedTransaction| tx.clone().with_known_keys(&self.before).verify().expect("good");
        let verified: Vec<VerifiedTransaction> = self.signed.iter().map(verify).collect();
        let header = &self.committed.block.header;
        let validator = header.validator.key().expect("a member");
        let execution = execute(&self.ring, &self.before, header.index, validator, &verified).expect("valid");
        black_box(execution.state.root());
    }

    fn view(&self) -> View {
        View {
            height: self.committed.block.header.index,
            tip: self.committed.block.header.clone(),
            state: self.committed.state.clone(),
            round: Some(0),
            voting: true,
            caught_up: true,
            syncing: false,
            pool_transactions: 37,
            pool_bytes: 20_000,
            pool_limits: PoolLimits::default(),
            peer_heights: vec![Some(1); usize::from(MEMBERS)],
            connected: usize::from(MEMBERS) - 1,
            blocks_behind: 0,
        }
    }
}

/// One node's metrics.
struct Measured {
    observer: Observer,
    metrics: Metrics,
    view: View,
}

impl Measured {
    fn new(network: &Network, metrics: Metrics) -> Self {
        let view = network.view();
        let observer = Observer::new(metrics.clone(), Place::default(), network.ring.clone(), 1, &view);
        Self { observer, metrics, view }
    }

    /// Everything that is counted and timed from one block to the next.
    fn block(&mut self, committed: &Committed) {
        let height = committed.block.header.index;
        self.observer.event(&Event::HeightStarted { height });
        self.observer.event(&Event::RoundStarted { height, round: 0, proposer: 0 });
        let block = committed.certificate.block;
        self.observer.event(&Event::ProposalReceived { proposer: 0, block, result: "accepted" });
        for kind in ["prevote", "precommit"] {
            for _ in 1..MEMBERS {
                self.observer.event(&Event::VoteReceived { kind, result: "accepted" });
            }
        }
        for turn in 0..TURNS {
            if turn < usize::from(MEMBERS) - 1 {
                self.view.peer_heights[turn] = Some(height + turn as u64);
            }
            self.observer.view(&self.view, usize::from(MEMBERS) - 1);
            self.observer.synced(Duration::from_micros(90));
        }
        let peers = &self.metrics.peer.peer_bytes_total;
        for kind in ["transactions", "proposal", "prevote", "precommit"] {
            for _ in 1..MEMBERS {
                peers.with_label_values(&["sent", kind]).inc_by(200);
                peers.with_label_values(&["received", kind]).inc_by(200);
            }
        }
        for _ in 0..CAPACITY {
            self.metrics.verify.signature_verify_seconds.observe(3e-5);
            let answered = &self.metrics.http.http_request_seconds;
            answered.with_label_values(&["/api/v1/transactions", "POST", "202"]).observe(4e-3);
        }
        self.observer.applied(Duration::from_micros(400));
        self.observer.committed(committed, None);
        for _ in 0..CAPACITY {
            self.observer.final_after(0.015);
        }
    }
}

/// Every transaction of a block comes from another node, within a trace, and is committed.
fn traced(traces: &Traces, network: &Network) {
    let began = SystemTime::now();
    for (number, transaction) in (1_u64..).zip(&network.signed) {
        let context = SpanContext::new(
            TraceId::from(u128::from(number)),
            SpanId::from(number),
            TraceFlags::SAMPLED,
            true,
            TraceState::default(),
        );
        traces.submitting_within(&transaction.wire_hash(), context);
        traces.verified(&transaction.wire_hash(), Duration::from_micros(30));
        traces.pooled(transaction, began);
    }
    black_box(traces.beside(&PeerMessage::Transactions(network.signed.clone()), None));
    traces.committed(&network.committed, None);
}

/// The shortest of many, microseconds: what disturbs a run only makes it longer.
fn shortest(mut work: impl FnMut()) -> f64 {
    let once = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed().as_secs_f64() * 1e6
    };
    (0..400).map(|_| once(&mut work)).fold(f64::INFINITY, f64::min)
}

fn main() {
    let network = network();
    let mut on = Measured::new(&network, Metrics::register(&Registry::new()).expect("metrics"));
    let mut off = Measured::new(&network, Metrics::off().expect("no metrics"));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Nobody listens there.
    let settings = TraceSettings { endpoint: "http://127.0.0.1:9".into(), ratio: 1.0, instance: "bench".into() };
    let counters: TraceMetrics = on.metrics.trace.clone();
    let traces = runtime.block_on(async { Traces::start(&settings, &counters, &Place::default()) }).expect("traces");

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("a block of 20 transactions");
    group.throughput(Throughput::Elements(u64::from(CAPACITY)));
    group.bench_function("verified and executed", |bencher| bencher.iter(|| network.work()));
    group.bench_function("metrics", |bencher| bencher.iter(|| on.block(&network.committed)));
    group.bench_function("metrics, off", |bencher| bencher.iter(|| off.block(&network.committed)));
    group.bench_function("traces of all, no collector", |bencher| bencher.iter(|| traced(&traces, &network)));
    group.bench_function("traces, off", |bencher| bencher.iter(|| traced(&Traces::default(), &network)));
    group.finish();
    criterion.final_summary();

    let work = shortest(|| network.work());
    for (name, took) in [
        ("metrics", shortest(|| on.block(&network.committed))),
        ("metrics, off", shortest(|| off.block(&network.committed))),
        ("traces of all, no collector", shortest(|| traced(&traces, &network))),
        ("traces, off", shortest(|| traced(&Traces::default(), &network))),
    ] {
        println!("{name}: {took:.1} µs, {:.4} of verifying and executing ({work:.0} µs)", took / work);
    }
}
