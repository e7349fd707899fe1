//! Writes the test vectors of `docs/encoding.md` to `ledger/tests/vectors/`:
//! `cargo run -p blockchat-ledger --example vectors`. A test fails when they are out of date.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;

use blockchat_ledger::deterministic::DeterministicSigner;
use blockchat_ledger::{
    Account, Amount, Block, Descriptor, Hash, Kind, Member, Parameters, Party, PublicKey, Ring, SignedDescriptor,
    State, Terms, Transaction, TransactionSigner, VerifiedTransaction, build, founding_id, genesis, lottery, merkle,
};
use serde_json::{Value, json};

/// The seed of every signature's salt.
const SALT_SEED: [u8; 32] = [42; 32];
const GENESIS_TIMESTAMP_MS: u64 = 1_700_000_000_000;

/// The wallets of the members, by id.
pub(crate) fn signers() -> Vec<DeterministicSigner> {
    [
        include_str!("../tests/keys/member-00.pem"),
        include_str!("../tests/keys/member-01.pem"),
        include_str!("../tests/keys/member-02.pem"),
    ]
    .into_iter()
    .map(|pem| DeterministicSigner::from_pem(pem, SALT_SEED).unwrap())
    .collect()
}

/// All files, by name.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    let signers = signers();
    let network = Network::new(&signers);
    vec![
        ("hash.json", hashes()),
        ("keys.json", keys(&signers)),
        ("transactions.json", transactions(&network)),
        ("merkle.json", roots()),
        ("state.json", states(&signers)),
        ("lottery.json", draws()),
        ("network.json", network.describe()),
        ("blocks.json", json!([block(&network.genesis), block(&network.grants)])),
    ]
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    std::fs::create_dir_all(&folder).unwrap();
    for (name, value) in all() {
        let text = serde_json::to_string_pretty(&value).unwrap() + "\n";
        std::fs::write(folder.join(name), text).unwrap();
    }
}

struct Network<'a> {
    signers: &'a [DeterministicSigner],
    ring: Ring,
    genesis: Block,
    /// Block 1: the grants.
    grants: Block,
}

impl<'a> Network<'a> {
    fn new(signers: &'a [DeterministicSigner]) -> Self {
        let parameters = Parameters::assignment(3, 5);
        let bootstrap = signers[0].public_key();
        let founding = founding_id(&parameters, bootstrap);
        let (genesis, state) = genesis(&parameters, bootstrap, GENESIS_TIMESTAMP_MS).unwrap();
        let members = (0..).zip(signers).map(|(id, signer)| {
            let consensus_key = [u8::try_from(id).unwrap() + 1; 32];
            Member::certify(id, signer, &founding, consensus_key).unwrap()
        });
        let descriptor = Descriptor { parameters, genesis_hash: genesis.hash(), members: members.collect() };
        let ring = Ring::new(descriptor.sign(&signers[0]).unwrap()).unwrap();
        let grants: Vec<VerifiedTransaction> = [1, 2]
            .map(|member: usize| {
                let nonce = u64::try_from(member).unwrap() - 1;
                let terms = Terms { nonce, valid_until: 10_000, chain_id: ring.chain_id() };
                let endowment = ring.parameters().endowment;
                let grant = Transaction::grant(bootstrap.clone(), key(signers, member), endowment, terms);
                grant.sign(&signers[0]).unwrap()
            })
            .into();
        let drawn = lottery::drawn(&genesis.hash(), &[0; 3], 0).unwrap();
        let validator = key(signers, usize::from(drawn));
        let now_ms = GENESIS_TIMESTAMP_MS + 25;
        let (grants, _) = build(&ring, &state, &genesis.header, &validator, 0, now_ms, grants.iter()).unwrap();
        Self { signers, ring, genesis, grants }
    }

    fn describe(&self) -> Value {
        let signed: &SignedDescriptor = self.ring.descriptor();
        let Descriptor { parameters, genesis_hash, members } = &signed.descriptor;
        json!({
            "parameters": {
                "nodes": parameters.nodes,
                "capacity": parameters.capacity,
                "endowment_micros": parameters.endowment.micros().to_string(),
                "ttl_blocks": parameters.ttl_blocks.to_string(),
                "coin_fee_percent": parameters.coin_fee_percent,
                "message_fee_micros": parameters.message_fee.micros().to_string(),
            },
            "founding_id": self.ring.founding_id(),
            "genesis_hash": genesis_hash,
            "members": members.iter().map(|member| json!({
                "id": member.id,
                "wallet": hex::encode(member.wallet.der()),
                "consensus_key": hex::encode(member.consensus_key),
                "certification": hex::encode(&member.certification),
            })).collect::<Vec<_>>(),
            "signing_bytes": hex::encode(signed.descriptor.signing_bytes()),
            "chain_id": self.ring.chain_id(),
            "signature": hex::encode(&signed.signature),
            "encoding": hex::encode(signed.encode()),
        })
    }
}

fn key(signers: &[DeterministicSigner], id: usize) -> PublicKey {
    signers[id].public_key().clone()
}

fn hashes() -> Value {
    let cases: [(&str, &[&[u8]]); 3] =
        [("", &[]), ("a", &[b"bc", b""]), ("blockchat/example", &[b"\x00\x01", b"text"])];
    cases
        .map(|(domain, parts)| {
            let shown: Vec<String> = parts.iter().map(hex::encode).collect();
            json!({ "domain": domain, "parts": shown, "hash": Hash::of(domain, parts) })
        })
        .into_iter()
        .collect()
}

fn keys(signers: &[DeterministicSigner]) -> Value {
    let describe = |(id, signer): (usize, &DeterministicSigner)| {
        let key = signer.public_key();
        json!({
            "file": format!("member-{id:02}.pem"),
            "der": hex::encode(key.der()),
            "account_id": key.account_id().to_string(),
            "fingerprint": key.account_id().short(),
        })
    };
    signers.iter().enumerate().map(describe).collect()
}

fn transactions(network: &Network<'_>) -> Value {
    let [bootstrap, one, two] = [0, 1, 2].map(|id| key(network.signers, id));
    let terms = |nonce| Terms { nonce, valid_until: 10_000, chain_id: network.ring.chain_id() };
    let half = Amount::from_micros(12_500_000);
    let text = || "γεια, κόσμε 👋".to_owned();
    let signed = [
        (1, Transaction::coins(one.clone(), two.clone(), half, terms(0))),
        (1, Transaction::message(one.clone(), two.clone(), text(), terms(1))),
        (2, Transaction::coins_and_message(two.clone(), one.clone(), Amount::from_micros(1), text(), terms(0))),
        (2, Transaction::stake(two, half, terms(u64::MAX - 1))),
        (0, Transaction::grant(bootstrap, one, network.ring.parameters().endowment, terms(2))),
    ];
    let signed = signed.into_iter().map(|(id, tx)| tx.sign(&network.signers[id]).unwrap());
    let genesis = network.genesis.transactions.iter().cloned();
    signed.chain(genesis).map(|tx| transaction(&network.ring, &tx)).collect()
}

fn transaction(ring: &Ring, signed: &VerifiedTransaction) -> Value {
    let tx = signed.transaction();
    let party = |party: &Party| party.key().map_or("0".to_owned(), |key| hex::encode(key.der()));
    let kind = match tx.kind {
        Kind::Coins => "coins",
        Kind::Message => "message",
        Kind::CoinsAndMessage => "coins_and_message",
        Kind::Stake => "stake",
        Kind::Grant => "grant",
        Kind::Genesis => "genesis",
    };
    json!({
        "sender": party(&tx.sender),
        "receiver": party(&tx.receiver),
        "kind": kind,
        "amount_micros": tx.amount.micros().to_string(),
        "message": tx.message,
        "nonce": tx.nonce.to_string(),
        "valid_until": tx.valid_until.to_string(),
        "chain_id": tx.chain_id,
        "fee_micros": tx.cost(ring.parameters()).unwrap().fee.micros().to_string(),
        "signing_bytes": hex::encode(tx.signing_bytes()),
        "id": signed.id(),
        "signature": hex::encode(signed.signature()),
        "wire_hash": signed.wire_hash(),
        "encoding": hex::encode(signed.encode()),
    })
}

fn block(block: &Block) -> Value {
    let header = &block.header;
    json!({
        "index": header.index.to_string(),
        "timestamp_ms": header.timestamp_ms.to_string(),
        "validator": header.validator.key().map_or("0".to_owned(), |key| hex::encode(key.der())),
        "previous_hash": header.previous_hash,
        "round": header.round,
        "transaction_count": header.transaction_count,
        "transaction_root": header.transaction_root,
        "state_root": header.state_root,
        "chain_id": header.chain_id,
        "wire_hashes": block.transactions.iter().map(|tx| tx.wire_hash()).collect::<Vec<_>>(),
        "header_encoding": hex::encode(header.encode()),
        "hash": block.hash(),
        "encoding": hex::encode(block.encode()),
    })
}

fn roots() -> Value {
    let leaves: Vec<Hash> = (0..7_u8).map(|number| Hash([number; 32])).collect();
    [0, 1, 2, 3, 5, 7]
        .map(|count| {
            let leaves = &leaves[..count];
            let proof = merkle::prove(leaves, count / 2);
            json!({
                "wire_hashes": leaves,
                "root": merkle::root(leaves),
                "proof": proof.map(|proof| json!({ "index": proof.index, "siblings": proof.siblings })),
            })
        })
        .into_iter()
        .collect()
}

fn states(signers: &[DeterministicSigner]) -> Value {
    let accounts: Vec<Account> = (0..)
        .zip(signers)
        .map(|(number, signer)| Account {
            key: signer.public_key().clone(),
            balance: Amount::from_micros(1_000_000 * number + 7),
            stake: Amount::from_micros(10 * number),
            nonce: number,
            granted: number != 0,
        })
        .collect();
    (0..=accounts.len())
        .map(|count| {
            let accounts = &accounts[..count];
            json!({
                "accounts": accounts.iter().map(|account| json!({
                    "key": hex::encode(account.key.der()),
                    "account_id": account.key.account_id().to_string(),
                    "balance_micros": account.balance.micros().to_string(),
                    "stake_micros": account.stake.micros().to_string(),
                    "nonce": account.nonce.to_string(),
                    "granted": account.granted,
                    "encoding": hex::encode(account.encode()),
                })).collect::<Vec<_>>(),
                "root": State::from_accounts(accounts.to_vec()).root(),
            })
        })
        .collect()
}

fn draws() -> Value {
    let cases: [(u8, &[u64]); 4] = [
        (9, &[10_000_000, 20_000_000, 30_000_000]),
        (2, &[0, 0, 0, 0, 0]),
        (3, &[0, 5, 0, 1 << 62, 3]),
        (4, &[1 << 62, 1 << 62, 1 << 62]),
    ];
    cases
        .map(|(byte, tickets)| {
            let previous_hash = Hash([byte; 32]);
            let draws = lottery::draws(&previous_hash, tickets);
            json!({
                "previous_hash": previous_hash,
                "tickets": tickets.iter().map(u64::to_string).collect::<Vec<_>>(),
                "draws": draws.iter().map(|draw| json!({
                    "round": draw.round,
                    "seed": hex::encode(draw.seed),
                    "tickets_total": draw.tickets_total.to_string(),
                    "ticket": draw.ticket.to_string(),
                    "member": draw.member,
                })).collect::<Vec<_>>(),
            })
        })
        .into_iter()
        .collect()
}
