//! Fixed keys, networks founded with them, and transactions signed once per process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use blockchat_ledger::deterministic::DeterministicSigner;
use blockchat_ledger::{
    Amount, BlockHeader, Descriptor, Hash, Member, Parameters, Ring, SignedTransaction, State, Transaction,
    TransactionSigner, VerifiedTransaction, founding_id, genesis,
};
use ed25519_dalek::SigningKey;

const PEMS: [&str; 10] = [
    include_str!("../../../ledger/tests/keys/member-00.pem"),
    include_str!("../../../ledger/tests/keys/member-01.pem"),
    include_str!("../../../ledger/tests/keys/member-02.pem"),
    include_str!("../../../ledger/tests/keys/member-03.pem"),
    include_str!("../../../ledger/tests/keys/member-04.pem"),
    include_str!("../../../ledger/tests/keys/member-05.pem"),
    include_str!("../../../ledger/tests/keys/member-06.pem"),
    include_str!("../../../ledger/tests/keys/member-07.pem"),
    include_str!("../../../ledger/tests/keys/member-08.pem"),
    include_str!("../../../ledger/tests/keys/member-09.pem"),
];

/// A founded network.
pub(super) struct Network {
    pub(super) ring: Arc<Ring>,
    pub(super) genesis: BlockHeader,
    pub(super) genesis_block: blockchat_ledger::Block,
    pub(super) state: State,
    pub(super) wallets: Vec<Arc<DeterministicSigner>>,
}

pub(super) fn consensus_key(member: u16) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(member).unwrap() + 1; 32])
}

/// The network of `members` with small blocks, founded once per process.
pub(super) fn network(members: u16) -> Arc<Network> {
    static NETWORKS: OnceLock<Mutex<HashMap<u16, Arc<Network>>>> = OnceLock::new();
    let mut networks = NETWORKS.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(networks.entry(members).or_insert_with(|| Arc::new(found(members))))
}

fn found(members: u16) -> Network {
    let parameters = Parameters { ttl_blocks: 200, ..Parameters::assignment(members, 3) };
    let wallets: Vec<Arc<DeterministicSigner>> = PEMS
        .iter()
        .take(usize::from(members))
        .map(|pem| Arc::new(DeterministicSigner::from_pem(pem, [7; 32]).unwrap()))
        .collect();
    let bootstrap = wallets[0].public_key().clone();
    let founding = founding_id(&parameters, &bootstrap);
    let (block, state) = genesis(&parameters, &bootstrap, 1_700_000_000_000).unwrap();
    let list = (0..members)
        .map(|id| {
            let key = consensus_key(id).verifying_key().to_bytes();
            Member::certify(id, wallets[usize::from(id)].as_ref(), &founding, key).unwrap()
        })
        .collect();
    let descriptor = Descriptor { parameters, genesis_hash: block.hash(), members: list };
    let signed = descriptor.sign(wallets[0].as_ref()).unwrap();
    Network {
        ring: Arc::new(Ring::new(signed).unwrap()),
        genesis: block.header.clone(),
        genesis_block: block,
        state,
        wallets,
    }
}

/// Signs; the same transaction is signed once per process.
pub(super) fn sign(transaction: Transaction, wallet: &dyn TransactionSigner) -> VerifiedTransaction {
    static SIGNED: OnceLock<Mutex<HashMap<Hash, VerifiedTransaction>>> = OnceLock::new();
    let signed = SIGNED.get_or_init(Mutex::default);
    let id = transaction.id();
    if let Some(known) = lock(signed).get(&id) {
        return known.clone();
    }
    let made = transaction.sign(wallet).unwrap();
    lock(signed).insert(id, made.clone());
    made
}

/// Verifies; the same bytes are verified once per process.
pub(super) fn verify(transaction: &SignedTransaction) -> Result<VerifiedTransaction, Hash> {
    static VERIFIED: OnceLock<Mutex<HashMap<Hash, Option<VerifiedTransaction>>>> = OnceLock::new();
    let verified = VERIFIED.get_or_init(Mutex::default);
    let hash = transaction.wire_hash();
    let known = lock(verified).get(&hash).cloned();
    let result = known.unwrap_or_else(|| {
        let result = transaction.clone().verify().ok();
        lock(verified).insert(hash, result.clone());
        result
    });
    result.ok_or(hash)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

pub(super) fn bcc(amount: u64) -> Amount {
    Amount::from_bcc(amount).unwrap()
}
