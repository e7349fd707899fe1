//! The test vectors: they are what the generator writes, and a second implementation, written from
//! `docs/encoding.md` with other libraries, arrives at the same bytes.

#![allow(clippy::cast_possible_truncation, reason = "the vectors hold small numbers")]

#[path = "../examples/vectors.rs"]
#[allow(dead_code, clippy::missing_panics_doc, reason = "it is a program")]
mod generate;
#[path = "vectors/independent.rs"]
mod independent;

use blockchat_ledger::{PublicKey, SignedDescriptor, SignedTransaction, UnverifiedBlock};
use independent::{Bytes, draw_order, merkle_root, sha256, state_root, tagged};
use rsa::pkcs8::DecodePublicKey as _;
use rsa::signature::Verifier as _;
use serde_json::Value;

const FILES: [(&str, &str); 8] = [
    ("hash.json", include_str!("vectors/hash.json")),
    ("keys.json", include_str!("vectors/keys.json")),
    ("transactions.json", include_str!("vectors/transactions.json")),
    ("merkle.json", include_str!("vectors/merkle.json")),
    ("state.json", include_str!("vectors/state.json")),
    ("lottery.json", include_str!("vectors/lottery.json")),
    ("network.json", include_str!("vectors/network.json")),
    ("blocks.json", include_str!("vectors/blocks.json")),
];

fn file(name: &str) -> Value {
    let (_, text) = FILES.iter().find(|(file, _)| *file == name).unwrap();
    serde_json::from_str(text).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).unwrap()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_else(|| text(value, field).parse().unwrap())
}

#[test]
fn the_files_are_what_the_generator_writes() {
    let generated = generate::all();
    assert_eq!(generated.len(), FILES.len());
    for (name, value) in generated {
        assert_eq!(value, file(name), "{name}: run `cargo run -p blockchat-ledger --example vectors`");
    }
}

#[test]
fn hashes() {
    for case in list(&file("hash.json")) {
        let mut expected = Bytes::default();
        for part in std::iter::once(text(case, "domain").as_bytes().to_vec())
            .chain(list(&case["parts"]).iter().map(|part| hex::decode(part.as_str().unwrap()).unwrap()))
        {
            expected.u64(part.len() as u64).raw(&part);
        }
        assert_eq!(sha256(&expected.0), text(case, "hash"));
    }
}

#[test]
fn keys() {
    for case in list(&file("keys.json")) {
        let der = bytes(case, "der");
        assert_eq!(sha256(&der), text(case, "account_id"));
        assert_eq!(text(case, "fingerprint"), &text(case, "account_id")[..16]);
        rsa::RsaPublicKey::from_public_key_der(&der).unwrap();
    }
}

/// Checks a signature with the `rsa` crate, which the ledger does not verify with.
fn verify(der: &[u8], message: &[u8], signature: &[u8]) {
    let key = rsa::RsaPublicKey::from_public_key_der(der).unwrap();
    let key = rsa::pss::VerifyingKey::<rsa::sha2::Sha256>::new_with_salt_len(key, 32);
    key.verify(message, &rsa::pss::Signature::try_from(signature).unwrap()).unwrap();
}

fn party(out: &mut Bytes, value: &Value, field: &str) {
    match text(value, field) {
        "0" => out.raw(&[0]),
        der => out.raw(&[1]).prefixed(&hex::decode(der).unwrap()),
    };
}

fn transaction_body(case: &Value) -> Bytes {
    let kinds = ["coins", "message", "coins_and_message", "stake", "grant", "genesis"];
    let kind = kinds.iter().position(|kind| *kind == text(case, "kind")).unwrap();
    let mut body = Bytes::default();
    party(&mut body, case, "sender");
    party(&mut body, case, "receiver");
    body.raw(&[kind as u8])
        .u64(number(case, "amount_micros"))
        .prefixed(text(case, "message").as_bytes())
        .u64(number(case, "nonce"))
        .u64(number(case, "valid_until"))
        .raw(&bytes(case, "chain_id"));
    body
}

#[test]
fn transactions() {
    let network = file("network.json");
    for case in list(&file("transactions.json")) {
        let body = transaction_body(case);
        let signed = tagged("blockchat/transaction/v1", &body.0);
        let signature = bytes(case, "signature");
        assert_eq!(signed, bytes(case, "signing_bytes"));
        assert_eq!(sha256(&signed), text(case, "id"));
        assert_eq!(sha256(&[&signed[..], &signature].concat()), text(case, "wire_hash"));
        let mut encoding = body;
        encoding.prefixed(&signature);
        assert_eq!(encoding.0, bytes(case, "encoding"));
        SignedTransaction::decode(&encoding.0).unwrap();
        if text(case, "sender") != "0" {
            verify(&bytes(case, "sender"), &signed, &signature);
            assert_eq!(text(case, "chain_id"), text(&network, "chain_id"));
        }
        let coins = text(case, "kind").starts_with("coins");
        let three_percent = if coins { (number(case, "amount_micros") * 3).div_ceil(100) } else { 0 };
        let characters = text(case, "message").chars().count() as u64;
        assert_eq!(number(case, "fee_micros"), three_percent + 1_000_000 * characters);
    }
}

#[test]
fn transaction_roots() {
    for case in list(&file("merkle.json")) {
        let leaves: Vec<Vec<u8>> =
            list(&case["wire_hashes"]).iter().map(|leaf| hex::decode(leaf.as_str().unwrap()).unwrap()).collect();
        assert_eq!(hex::encode(merkle_root(&leaves)), text(case, "root"));
    }
}

#[test]
fn state_roots() {
    for case in list(&file("state.json")) {
        let mut accounts = Vec::new();
        for account in list(&case["accounts"]) {
            let mut leaf = Bytes::default();
            leaf.raw(&bytes(account, "account_id"))
                .u64(number(account, "balance_micros"))
                .u64(number(account, "stake_micros"))
                .u64(number(account, "nonce"))
                .raw(&[u8::from(account["granted"].as_bool().unwrap())]);
            let mut stored = Bytes::default();
            stored.prefixed(&bytes(account, "key")).raw(&leaf.0[32..]);
            assert_eq!(stored.0, bytes(account, "encoding"));
            accounts.push(leaf.0);
        }
        assert_eq!(hex::encode(state_root(&accounts)), text(case, "root"));
    }
}

#[test]
fn lottery() {
    for case in list(&file("lottery.json")) {
        let tickets: Vec<u64> = list(&case["tickets"]).iter().map(|it| it.as_str().unwrap().parse().unwrap()).collect();
        let draws: Vec<_> = list(&case["draws"])
            .iter()
            .map(|draw| {
                (bytes(draw, "seed"), number(draw, "tickets_total"), number(draw, "ticket"), number(draw, "member"))
            })
            .collect();
        assert_eq!(draw_order(&bytes(case, "previous_hash"), &tickets), draws);
    }
}

#[test]
fn network_identity() {
    let case = file("network.json");
    let parameters = &case["parameters"];
    let mut encoded = Bytes::default();
    encoded
        .raw(&(number(parameters, "nodes") as u16).to_le_bytes())
        .raw(&(number(parameters, "capacity") as u32).to_le_bytes())
        .u64(number(parameters, "endowment_micros"))
        .u64(number(parameters, "ttl_blocks"))
        .raw(&[number(parameters, "coin_fee_percent") as u8])
        .u64(number(parameters, "message_fee_micros"));
    let members = list(&case["members"]);
    let mut founding = Bytes::default();
    for part in [&b"blockchat/founding/v1"[..], &encoded.0, &bytes(&members[0], "wallet")] {
        founding.u64(part.len() as u64).raw(part);
    }
    let founding_id = sha256(&founding.0);
    assert_eq!(founding_id, text(&case, "founding_id"));

    let mut descriptor = encoded;
    descriptor.raw(&bytes(&case, "genesis_hash")).raw(&(members.len() as u32).to_le_bytes());
    for member in members {
        let certified = [hex::decode(&founding_id).unwrap(), bytes(member, "consensus_key")].concat();
        verify(
            &bytes(member, "wallet"),
            &tagged("blockchat/consensus-key/v1", &certified),
            &bytes(member, "certification"),
        );
        descriptor
            .raw(&(number(member, "id") as u16).to_le_bytes())
            .prefixed(&bytes(member, "wallet"))
            .raw(&bytes(member, "consensus_key"))
            .prefixed(&bytes(member, "certification"));
    }
    let signed = tagged("blockchat/descriptor/v1", &descriptor.0);
    assert_eq!(signed, bytes(&case, "signing_bytes"));
    assert_eq!(sha256(&signed), text(&case, "chain_id"));
    verify(&bytes(&members[0], "wallet"), &signed, &bytes(&case, "signature"));
    descriptor.prefixed(&bytes(&case, "signature"));
    assert_eq!(descriptor.0, bytes(&case, "encoding"));
    assert_eq!(SignedDescriptor::decode(&descriptor.0).unwrap().verify(), Ok(()));
}

#[test]
fn blocks() {
    let network = file("network.json");
    let blocks = file("blocks.json");
    for case in list(&blocks) {
        let mut header = Bytes::default();
        header.u64(number(case, "index")).u64(number(case, "timestamp_ms"));
        party(&mut header, case, "validator");
        header
            .raw(&bytes(case, "previous_hash"))
            .raw(&(number(case, "round") as u32).to_le_bytes())
            .raw(&(number(case, "transaction_count") as u32).to_le_bytes())
            .raw(&bytes(case, "transaction_root"))
            .raw(&bytes(case, "state_root"))
            .raw(&bytes(case, "chain_id"));
        assert_eq!(header.0, bytes(case, "header_encoding"));
        assert_eq!(sha256(&tagged("blockchat/header/v1", &header.0)), text(case, "hash"));
        let leaves: Vec<Vec<u8>> =
            list(&case["wire_hashes"]).iter().map(|leaf| hex::decode(leaf.as_str().unwrap()).unwrap()).collect();
        assert_eq!(hex::encode(merkle_root(&leaves)), text(case, "transaction_root"));
        let encoding = bytes(case, "encoding");
        assert!(encoding.starts_with(&header.0));
        UnverifiedBlock::decode(&encoding).unwrap().verify().unwrap();
    }
    let [genesis, grants] = list(&blocks) else { panic!("two blocks") };
    assert_eq!(text(genesis, "previous_hash"), format!("{:064x}", 1));
    assert_eq!(text(genesis, "chain_id"), text(&network, "founding_id"));
    assert_eq!(text(genesis, "hash"), text(&network, "genesis_hash"));
    assert_eq!(text(genesis, "hash"), text(grants, "previous_hash"));
    assert_eq!(text(grants, "chain_id"), text(&network, "chain_id"));
    let (.., drawn) = draw_order(&bytes(genesis, "hash"), &[0, 0, 0])[0];
    assert_eq!(text(grants, "validator"), text(&network["members"][drawn as usize], "wallet"));
    // All three members have their endowments after block 1, and the bootstrap node has used two nonces.
    let mut accounts = Vec::new();
    for (member, (nonce, granted)) in list(&network["members"]).iter().zip([(2, 0), (0, 1), (0, 1)]) {
        let mut leaf = Bytes::default();
        leaf.raw(&hex::decode(sha256(&bytes(member, "wallet"))).unwrap())
            .u64(1_000_000_000)
            .u64(0)
            .u64(nonce)
            .raw(&[granted]);
        accounts.push(leaf.0);
    }
    assert_eq!(hex::encode(state_root(&accounts)), text(grants, "state_root"));
}

#[test]
fn the_draw_worked_out_in_the_document_is_the_vector() {
    let document = include_str!("../../docs/encoding.md");
    let case = &file("lottery.json")[0];
    for draw in list(&case["draws"]) {
        for field in ["seed", "ticket", "tickets_total"] {
            assert!(document.contains(text(draw, field)), "{field} of round {}", draw["round"]);
        }
    }
    for hash in ["founding_id", "chain_id", "genesis_hash"] {
        assert!(document.contains(text(&file("network.json"), hash)), "{hash}");
    }
}

#[test]
fn keys_are_read_from_their_files() {
    for (case, signer) in list(&file("keys.json")).iter().zip(generate::signers()) {
        let key = PublicKey::from_der(&bytes(case, "der")).unwrap();
        assert_eq!(blockchat_ledger::TransactionSigner::public_key(&signer), &key);
    }
}
