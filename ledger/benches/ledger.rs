//! What the rules cost without signatures: execution of a block, the state's root, the pool.
//! `cargo bench -p blockchat-ledger --bench ledger`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]
#![allow(clippy::expect_used, reason = "a benchmark that cannot be set up has to stop")]

use std::hint::black_box;

use blockchat_ledger::deterministic::DeterministicSigner;
use blockchat_ledger::{
    Account, Amount, Block, Descriptor, Member, Mempool, Origin, Parameters, PoolLimits, PublicKey, Ring,
    SignedTransaction, State, Terms, Transaction, TransactionSigner, VerifiedTransaction, build, execute, founding_id,
    genesis, lottery, validate_block,
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const CAPACITY: u32 = 1_000;

/// Two members that have their endowments, and what one of them sends.
struct Network {
    ring: Ring,
    tip: Block,
    state: State,
    transactions: Vec<VerifiedTransaction>,
}

fn network() -> Network {
    let signers = [include_str!("../tests/keys/member-00.pem"), include_str!("../tests/keys/member-01.pem")]
        .map(|pem| DeterministicSigner::from_pem(pem, [0; 32]).expect("a key"));
    let parameters =
        Parameters { endowment: Amount::from_bcc(1_000_000).expect("fits"), ..Parameters::assignment(2, CAPACITY) };
    let bootstrap = signers[0].public_key().clone();
    let founding = founding_id(&parameters, &bootstrap);
    let (first, state) = genesis(&parameters, &bootstrap, 0).expect("parameters");
    let members = (0..).zip(&signers).map(|(id, signer)| {
        let consensus_key = [u8::try_from(id).expect("small"); 32];
        Member::certify(id, signer, &founding, consensus_key).expect("a signature")
    });
    let descriptor = Descriptor { genesis_hash: first.hash(), members: members.collect(), parameters };
    let ring = Ring::new(descriptor.sign(&signers[0]).expect("a signature")).expect("a descriptor");
    let terms = |nonce| Terms { nonce, valid_until: 1_000, chain_id: ring.chain_id() };
    let one = signers[1].public_key().clone();
    let grant = Transaction::grant(bootstrap.clone(), one.clone(), ring.parameters().endowment, terms(0));
    let grant = grant.sign(&signers[0]).expect("a signature");
    let (tip, executed) = next(&ring, &first, &state, std::slice::from_ref(&grant));
    let transactions = (0..u64::from(CAPACITY))
        .map(|nonce| {
            let receiver = stranger(&bootstrap, nonce % 100);
            let amount = Amount::from_micros(1_000_000 + nonce);
            let text = "a message of forty characters, more or ".into();
            let tx = Transaction::coins_and_message(one.clone(), receiver, amount, text, terms(nonce));
            tx.sign(&signers[1]).expect("a signature")
        })
        .collect();
    Network { ring, tip, state: executed.state, transactions }
}

fn next(ring: &Ring, tip: &Block, state: &State, txs: &[VerifiedTransaction]) -> (Block, blockchat_ledger::Execution) {
    let drawn = lottery::drawn(&tip.hash(), &state.stakes(ring), 0).expect("members");
    let validator = &ring.member(drawn).expect("a member").wallet;
    build(ring, state, &tip.header, validator, 0, 0, txs.iter()).expect("a block")
}

/// A well-formed key that belongs to nobody.
fn stranger(like: &PublicKey, number: u64) -> PublicKey {
    let mut der = like.der().to_vec();
    der[40..48].copy_from_slice(&number.to_le_bytes());
    PublicKey::from_der(&der).expect("well-formed")
}

fn blocks(criterion: &mut Criterion) {
    let Network { ring, tip, state, transactions } = network();
    let mut group = criterion.benchmark_group("block");
    for size in [10, usize::try_from(CAPACITY).expect("small")] {
        let txs = &transactions[..size];
        let (block, _) = next(&ring, &tip, &state, txs);
        assert_eq!(block.transactions.len(), size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(format!("execute/{size}"), |bencher| {
            let validator = block.header.validator.key().expect("a member");
            bencher.iter(|| execute(&ring, &state, 2, validator, txs).expect("valid").state.root());
        });
        group.bench_function(format!("build/{size}"), |bencher| bencher.iter(|| next(&ring, &tip, &state, txs)));
        group.bench_function(format!("validate/{size}"), |bencher| {
            bencher.iter(|| validate_block(&ring, &tip.header, &state, &block).expect("valid"));
        });
    }
    group.throughput(Throughput::Elements(1));
    let bytes = transactions[0].encode();
    group.bench_function("decode/transaction", |bencher| {
        bencher.iter(|| SignedTransaction::decode(black_box(&bytes)).expect("well-formed"));
    });
    // What a member does with a transaction from a stranger and from a sender whom it knows.
    let decoded = || SignedTransaction::decode(&bytes).expect("well-formed");
    group.bench_function("verify/unknown sender", |bencher| {
        bencher.iter_batched(decoded, |tx| tx.verify().expect("a good signature"), BatchSize::SmallInput);
    });
    group.bench_function("verify/known sender", |bencher| {
        bencher.iter_batched(
            decoded,
            |tx| tx.with_known_keys(&state).verify().expect("a good signature"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn states(criterion: &mut Criterion) {
    let Network { ring, state: small, transactions, .. } = network();
    let like = ring.bootstrap().clone();
    let mut group = criterion.benchmark_group("state");
    for size in [2_000_u64, 100_000] {
        let account =
            |number| Account { balance: Amount::from_micros(number), ..Account::new(stranger(&like, number)) };
        let state = State::from_accounts(small.iter().cloned().chain((1_000..size).map(account)));
        state.root();
        group.bench_function(format!("update-and-root/{size}/block of 10"), |bencher| {
            bencher.iter(|| execute(&ring, &state, 2, &like, &transactions[..10]).expect("valid").state.root());
        });
        group.bench_function(format!("rebuild-and-root/{size}"), |bencher| {
            bencher.iter_batched(
                || state.iter().cloned().collect::<Vec<_>>(),
                |it| State::from_accounts(it).root(),
                BatchSize::LargeInput,
            );
        });
        group.bench_function(format!("lookup/{size}"), |bencher| {
            let id = account(size / 2).key.account_id();
            bencher.iter(|| state.account(black_box(&id)).map(|account| account.balance));
        });
    }
    group.finish();
}

fn pool(criterion: &mut Criterion) {
    let Network { ring, tip, state, transactions } = network();
    let fill = |count: usize| {
        let mut pool = Mempool::new(PoolLimits::default());
        for tx in &transactions[..count] {
            pool.insert(&ring, &state, tip.header.index, 0, tx.clone(), Origin::Client).expect("admitted");
        }
        pool
    };
    let mut group = criterion.benchmark_group("mempool");
    group.throughput(Throughput::Elements(u64::from(CAPACITY)));
    group.bench_function("insert/1000", |bencher| bencher.iter(|| fill(transactions.len())));
    let (_, executed) = next(&ring, &tip, &state, &transactions[..100]);
    group.throughput(Throughput::Elements(100));
    group.bench_function("commit 100 of 1000", |bencher| {
        bencher.iter_batched(
            || fill(transactions.len()),
            |mut pool| {
                let dropped = pool.on_commit(&ring, &executed.state, 2, &executed.accepted);
                assert!(dropped.is_empty());
                pool
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, blocks, states, pool);
criterion_main!(benches);
