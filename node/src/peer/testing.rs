//! What tests of connections and of joining share.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use blockchat_ledger::{Descriptor, Member, Parameters, Ring, Wallet, founding_id, genesis};
use ed25519_dalek::SigningKey;

const KEYS: [&str; 8] = [
    include_str!("../../../ledger/tests/keys/member-00.pem"),
    include_str!("../../../ledger/tests/keys/member-01.pem"),
    include_str!("../../../ledger/tests/keys/member-02.pem"),
    include_str!("../../../ledger/tests/keys/member-03.pem"),
    include_str!("../../../ledger/tests/keys/member-04.pem"),
    include_str!("../../../ledger/tests/keys/member-05.pem"),
    include_str!("../../../ledger/tests/keys/member-06.pem"),
    include_str!("../../../ledger/tests/keys/member-07.pem"),
];

/// The wallet with this number.
pub fn wallet(index: usize) -> Wallet {
    Wallet::from_pem(KEYS[index]).unwrap()
}

/// The consensus key with this number.
pub fn consensus_key(index: u16) -> SigningKey {
    SigningKey::from_bytes(&[u8::try_from(index).unwrap() + 1; 32])
}

/// A ring of `n` members: wallets and consensus keys 0 to n - 1. The same arguments give the same
/// chain within a process (signatures are randomised), another capacity gives another one.
pub fn ring(n: u16, capacity: u32) -> Arc<Ring> {
    static RINGS: Mutex<BTreeMap<(u16, u32), Arc<Ring>>> = Mutex::new(BTreeMap::new());
    let mut rings = RINGS.lock().unwrap();
    Arc::clone(rings.entry((n, capacity)).or_insert_with(|| make_ring(n, capacity)))
}

fn make_ring(n: u16, capacity: u32) -> Arc<Ring> {
    let parameters = Parameters::assignment(n, capacity);
    let bootstrap = wallet(0);
    let founding_id = founding_id(&parameters, bootstrap.public_key());
    let (block, _) = genesis(&parameters, bootstrap.public_key(), 1).unwrap();
    let certify = |id: u16| {
        let key = consensus_key(id).verifying_key().to_bytes();
        Member::certify(id, &wallet(usize::from(id)), &founding_id, key).unwrap()
    };
    let members = (0..n).map(certify).collect();
    let descriptor = Descriptor { parameters, genesis_hash: block.hash(), members };
    Arc::new(Ring::new(descriptor.sign(&bootstrap).unwrap()).unwrap())
}
