use proptest::prelude::*;

use super::*;
use crate::testing::{WALLETS, assumed, bcc, hash, key, stranger};

fn terms() -> Terms {
    Terms { nonce: 1, valid_until: 2, chain_id: hash(3) }
}

fn signed() -> VerifiedTransaction {
    Transaction::coins_and_message(key(0), key(1), bcc(5), "hello".into(), terms()).sign(&WALLETS[0]).unwrap()
}

#[test]
fn only_the_sender_signs() {
    let tx = Transaction::coins(key(0), key(1), bcc(5), terms());
    assert_eq!(tx.clone().sign(&WALLETS[1]).unwrap_err(), SignError::NotTheSender);
    let network = Transaction { sender: Party::Network, ..tx };
    assert_eq!(network.clone().sign(&WALLETS[0]).unwrap_err(), SignError::NotTheSender);
    assert_eq!(SignedTransaction::new(network.clone(), vec![0; 256]).unwrap_err(), SignatureError::Length);
    let unsigned = SignedTransaction::new(network, vec![]).unwrap();
    assert_eq!(unsigned.verify().unwrap_err(), SignatureError::NetworkSender);
}

#[test]
fn a_faulty_signer_is_found_out() {
    struct Faulty;
    impl TransactionSigner for Faulty {
        fn public_key(&self) -> &PublicKey {
            WALLETS[0].public_key()
        }
        fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, KeyError> {
            Ok(vec![1; 256])
        }
    }
    let tx = Transaction::coins(key(0), key(1), bcc(5), terms());
    assert_eq!(tx.sign(&Faulty).unwrap_err(), SignError::Signature(SignatureError::Invalid));
}

#[test]
fn a_transaction_changed_in_any_field_has_another_id_and_no_valid_signature() {
    let good = signed();
    let changes: [fn(&mut Transaction); 12] = [
        |tx| tx.sender = Party::Key(key(2)),
        |tx| tx.receiver = Party::Key(key(2)),
        |tx| tx.receiver = Party::Network,
        |tx| tx.kind = Kind::Coins,
        |tx| tx.kind = Kind::Message,
        |tx| tx.kind = Kind::Stake,
        |tx| tx.kind = Kind::Grant,
        |tx| tx.amount = bcc(6),
        |tx| tx.message.push('x'),
        |tx| tx.nonce += 1,
        |tx| tx.valid_until += 1,
        |tx| tx.chain_id = hash(4),
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut tx = good.transaction().clone();
        change(&mut tx);
        assert_ne!(tx.id(), good.id());
        let tampered = SignedTransaction::new(tx, good.signature().to_vec()).unwrap();
        assert_ne!(tampered.wire_hash(), good.wire_hash());
        assert_eq!(tampered.verify().unwrap_err(), SignatureError::Invalid, "change {number}");
    }
}

#[test]
fn what_a_wallet_signs_for_another_purpose_is_no_transaction() {
    // The bytes of a certification and of a descriptor begin with another domain, so no signature of
    // one can stand under the other.
    let tx = Transaction::coins(key(0), key(1), bcc(5), terms());
    let certified = crate::descriptor::certification_bytes(&hash(1), &[0; 32]);
    assert_ne!(tx.signing_bytes()[..28], certified[..28]);
    for other in [certified, encode(&tx), tx.id().0.to_vec()] {
        let signature = WALLETS[0].sign(&other).unwrap();
        let forged = SignedTransaction::new(tx.clone(), signature).unwrap();
        assert_eq!(forged.verify().unwrap_err(), SignatureError::Invalid);
    }
}

#[test]
fn two_signatures_of_one_transaction_share_the_id_only() {
    let (first, second) = (signed(), signed());
    assert_eq!(first.id(), second.id());
    assert_ne!(first.wire_hash(), second.wire_hash());
    let bytes = [first.transaction().signing_bytes(), first.signature().to_vec()].concat();
    assert_eq!(first.wire_hash(), Hash::of_bytes(&bytes));
    assert_eq!(first.id(), first.transaction().id());
}

#[test]
fn the_size_is_that_of_the_encoding() {
    for tx in [signed(), assumed(Transaction::stake(key(1), bcc(1), terms()))] {
        assert_eq!(tx.size_bytes(), tx.encode().len());
    }
}

#[test]
fn every_flipped_byte_is_refused_or_changes_the_value() {
    let good = signed();
    let bytes = good.encode();
    let (mut malformed, mut forged) = (0, 0);
    for position in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        match SignedTransaction::decode(&changed) {
            Err(_) => malformed += 1,
            Ok(decoded) => {
                assert_eq!(decoded.encode(), changed);
                assert!(decoded.verify().is_err(), "byte {position}");
                forged += 1;
            }
        }
    }
    assert!(malformed > 0 && forged > 0);
}

#[test]
fn other_forms_of_the_bytes_are_refused() {
    let good = signed();
    let bytes = good.encode();
    for end in 0..bytes.len() {
        assert!(SignedTransaction::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    assert!(SignedTransaction::decode(&[&bytes[..], &[0]].concat()).is_err());
    let mut party = bytes.clone();
    party[0] = 2;
    assert!(SignedTransaction::decode(&party).is_err(), "no such party");
    let kind = 2 * (1 + 4 + 294);
    let mut other = bytes.clone();
    other[kind] = 6;
    assert!(SignedTransaction::decode(&other).is_err(), "no such kind");
    let text = kind + 1 + 8;
    let mut bomb = bytes.clone();
    bomb[text..text + 4].copy_from_slice(&(MAX_MESSAGE_BYTES as u32 + 1).to_le_bytes());
    assert!(SignedTransaction::decode(&bomb).unwrap_err().to_string().contains("limit"));
    let mut invalid = bytes;
    invalid[text + 4] = 0xff;
    assert!(SignedTransaction::decode(&invalid).is_err(), "not UTF-8");
}

#[test]
fn known_keys_are_shared_and_change_nothing() {
    let network = crate::testing::Network::funded(2);
    let good = signed();
    let decoded = SignedTransaction::decode(&good.encode()).unwrap();
    let shared = decoded.clone().with_known_keys(&network.state);
    assert_eq!(shared, decoded);
    let shared = SignedTransaction::decode(&good.encode()).unwrap().with_known_keys(&network.state);
    assert_eq!(shared.encode(), good.encode());
    assert_eq!(shared.verify(), Ok(good));
}

fn any_transaction() -> impl Strategy<Value = Transaction> {
    let party = || prop_oneof![Just(Party::Network), any::<u64>().prop_map(|number| Party::Key(stranger(number)))];
    let kind = prop_oneof![
        Just(Kind::Coins),
        Just(Kind::Message),
        Just(Kind::CoinsAndMessage),
        Just(Kind::Stake),
        Just(Kind::Grant),
        Just(Kind::Genesis),
    ];
    (party(), party(), kind, any::<u64>(), any::<String>(), any::<(u64, u64)>(), any::<u64>()).prop_map(
        |(sender, receiver, kind, micros, message, (nonce, valid_until), chain)| Transaction {
            sender,
            receiver,
            kind,
            amount: Amount::from_micros(micros),
            message,
            nonce,
            valid_until,
            chain_id: hash(chain),
        },
    )
}

proptest! {
    #[test]
    fn decoding_is_the_inverse_of_encoding(tx in any_transaction()) {
        let signed = assumed(tx);
        let decoded = SignedTransaction::decode(&signed.encode()).unwrap();
        prop_assert_eq!(&decoded, &*signed);
        prop_assert_eq!(decoded.encode(), signed.encode());
    }

    #[test]
    fn a_mutation_is_refused_or_another_value(tx in any_transaction(), at: proptest::sample::Index, flip in 1..=255_u8) {
        let signed = assumed(tx);
        let mut bytes = signed.encode();
        let position = at.index(bytes.len());
        bytes[position] ^= flip;
        if let Ok(decoded) = SignedTransaction::decode(&bytes) {
            prop_assert_ne!(&decoded, &*signed);
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        if let Ok(decoded) = SignedTransaction::decode(&bytes) {
            prop_assert_eq!(decoded.encode(), bytes);
        }
    }
}
