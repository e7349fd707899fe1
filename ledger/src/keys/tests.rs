use proptest::prelude::*;

use super::*;
use crate::testing::{WALLETS, key};
use crate::wallet::Wallet;

/// The DER form with another modulus and exponent, each length as short as it can be.
fn der(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = contents.len();
        let mut out = vec![tag];
        match length {
            0..=0x7f => out.push(length as u8),
            0x80..=0xff => out.extend([0x81, length as u8]),
            _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        out.extend(contents);
        out
    }
    let integer = |bytes: &[u8]| {
        let sign: &[u8] = if bytes[0] & 0x80 != 0 { &[0] } else { &[] };
        wrap(2, &[sign, bytes].concat())
    };
    let numbers = wrap(0x30, &[integer(modulus), integer(exponent)].concat());
    let bits = wrap(3, &[&[0], &numbers[..]].concat());
    wrap(0x30, &[&ALGORITHM[..], &bits].concat())
}

fn modulus(bytes: usize) -> Vec<u8> {
    let mut modulus = vec![0xa5; bytes];
    modulus[bytes - 1] = 0xa7;
    modulus
}

#[test]
fn the_three_sizes_are_accepted_in_their_canonical_form() {
    for bytes in [256, 384, 512] {
        let der = der(&modulus(bytes), &[1, 0, 1]);
        let key = PublicKey::from_der(&der).unwrap();
        assert_eq!(key.der(), der);
        assert_eq!(key.signature_bytes(), bytes);
        assert!(der.len() <= MAX_KEY_BYTES);
    }
}

#[test]
fn weak_and_malformed_keys_are_refused_by_name() {
    let good = key(0).der().to_vec();
    let cases: Vec<(&str, Vec<u8>, KeyError)> = vec![
        ("nothing", vec![], KeyError::Malformed),
        ("1024 bits", der(&modulus(128), &[1, 0, 1]), KeyError::ModulusSize),
        ("2040 bits", der(&modulus(255), &[1, 0, 1]), KeyError::ModulusSize),
        ("2056 bits", der(&modulus(257), &[1, 0, 1]), KeyError::ModulusSize),
        ("8192 bits", der(&modulus(1024), &[1, 0, 1]), KeyError::ModulusSize),
        ("2047 bits", der(&[&[0x7f], &modulus(255)[..]].concat(), &[1, 0, 1]), KeyError::ModulusSize),
        (
            "negative",
            der(&modulus(256), &[1, 0, 1])
                .iter()
                .copied()
                .enumerate()
                .filter(|(i, _)| *i != 32)
                .map(|(_, b)| b)
                .collect(),
            KeyError::Malformed,
        ),
        ("even", der(&[&modulus(255)[..], &[0xa6]].concat(), &[1, 0, 1]), KeyError::EvenModulus),
        ("exponent 3", der(&modulus(256), &[3]), KeyError::Exponent),
        ("exponent 65539", der(&modulus(256), &[1, 0, 3]), KeyError::Exponent),
        ("long exponent", der(&modulus(256), &[1, 0, 1, 0, 1]), KeyError::Exponent),
        ("padded exponent", der(&modulus(256), &[0, 1, 0, 1]), KeyError::Exponent),
        ("trailing byte", [&good[..], &[0]].concat(), KeyError::Malformed),
        ("cut short", good[..good.len() - 1].to_vec(), KeyError::Malformed),
        ("PKCS#1", good[24..].to_vec(), KeyError::Malformed),
    ];
    for (name, bytes, error) in cases {
        assert_eq!(PublicKey::from_der(&bytes), Err(error), "{name}");
    }
    let padded = [&[0x30, 0x83, 0, 1, 0x22], &good[4..]].concat();
    assert_eq!(PublicKey::from_der(&padded), Err(KeyError::Malformed), "length in three bytes");
    let mut leading_zero = der(&[&[0, 0], &modulus(254)[..]].concat(), &[1, 0, 1]);
    leading_zero[33] = 0;
    assert!(PublicKey::from_der(&leading_zero).is_err());
    let mut unused_bits = good.clone();
    unused_bits[23] = 1;
    assert_eq!(PublicKey::from_der(&unused_bits), Err(KeyError::Malformed));
}

#[test]
fn every_changed_byte_outside_the_modulus_is_refused() {
    let good = key(0).der().to_vec();
    let modulus = 33..289;
    for position in (0..good.len()).filter(|position| !modulus.contains(position)) {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[position] ^= flip;
            assert!(PublicKey::from_der(&bytes).is_err(), "byte {position} ^ {flip:#x}");
        }
    }
}

#[test]
fn the_rsa_crate_reads_the_same_key() {
    use rsa::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
    for wallet in WALLETS.iter() {
        let der = wallet.public_key().der();
        let other = rsa::RsaPublicKey::from_public_key_der(der).unwrap();
        assert_eq!(other.to_public_key_der().unwrap().as_bytes(), der);
    }
}

#[test]
fn text_forms_lead_back_to_the_key() {
    let key = key(0);
    assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key.clone()));
    assert_eq!(PublicKey::from_pem(&format!("\n{}\n\n", key.to_pem())), Ok(key.clone()));
    assert_eq!(PublicKey::from_base64(&key.to_base64()), Ok(key.clone()));
    assert!(key.to_pem().starts_with("-----BEGIN PUBLIC KEY-----\n"));
    assert_eq!(PublicKey::from_pem(&WALLETS[0].to_pem().unwrap()), Err(KeyError::Pem));
    assert_eq!(PublicKey::from_pem(&"A".repeat(1 << 20)), Err(KeyError::Pem));
    assert_eq!(PublicKey::from_base64(&key.to_base64()[1..]), Err(KeyError::Malformed));
}

#[test]
fn the_account_is_the_hash_of_the_key() {
    let id = key(0).account_id();
    assert_eq!(id.to_string(), Hash::of_bytes(key(0).der()).to_string());
    assert_eq!(id.short(), id.to_string()[..16]);
}

#[test]
fn signatures_of_another_length_are_refused_before_they_are_looked_at() {
    let signature = WALLETS[0].sign(b"text").unwrap();
    let key = key(0);
    assert_eq!(key.verify(b"text", &signature), Ok(()));
    for wrong in [vec![], signature[1..].to_vec(), [&[0], &signature[..]].concat(), [&signature[..], &[0]].concat()] {
        assert_eq!(key.verify(b"text", &wrong), Err(SignatureError::Length));
    }
}

#[test]
fn signatures_of_other_schemes_are_refused() {
    use rsa::pkcs8::DecodePrivateKey as _;
    use rsa::signature::{RandomizedSigner as _, SignatureEncoding as _, Signer as _};
    let pem = WALLETS[0].to_pem().unwrap();
    let private = rsa::RsaPrivateKey::from_pkcs8_pem(&pem).unwrap();
    let mut rng = rand::rngs::OsRng;
    let salted = |salt| rsa::pss::SigningKey::<rsa::sha2::Sha256>::new_with_salt_len(private.clone(), salt);
    let good = salted(32).sign_with_rng(&mut rng, b"text").to_vec();
    assert_eq!(key(0).verify(b"text", &good), Ok(()));
    for salt in [0, 20, 31, 33, 64] {
        let signature = salted(salt).sign_with_rng(&mut rng, b"text").to_vec();
        assert_eq!(key(0).verify(b"text", &signature), Err(SignatureError::Invalid), "salt of {salt}");
    }
    let pkcs1 = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new(private.clone()).sign(b"text").to_vec();
    assert_eq!(key(0).verify(b"text", &pkcs1), Err(SignatureError::Invalid));
    let other_hash = rsa::pss::SigningKey::<rsa::sha2::Sha512>::new_with_salt_len(private, 32);
    let signature = other_hash.sign_with_rng(&mut rng, b"text").to_vec();
    assert_eq!(key(0).verify(b"text", &signature), Err(SignatureError::Invalid));
}

#[test]
fn a_signature_plus_the_modulus_is_refused() {
    // The same number modulo n, and often of the same length: the classic malleation.
    let key = key(0);
    let modulus = &key.der()[33..289];
    let sum = |signature: &[u8]| {
        let mut carry = 0;
        let mut sum: Vec<u8> = signature
            .iter()
            .zip(modulus)
            .rev()
            .map(|(left, right)| {
                let digit = u16::from(*left) + u16::from(*right) + carry;
                carry = digit >> 8;
                digit as u8
            })
            .collect();
        sum.reverse();
        (carry == 0).then_some(sum)
    };
    let malleated = (0..200).find_map(|_| sum(&WALLETS[0].sign(b"text").unwrap())).unwrap();
    assert_eq!(key.verify(b"text", &malleated), Err(SignatureError::Invalid));
}

#[test]
fn a_well_formed_key_of_no_known_factors_verifies_nothing() {
    for bytes in [256, 384, 512] {
        let key = PublicKey::from_der(&der(&modulus(bytes), &[1, 0, 1])).unwrap();
        assert_eq!(key.verify(b"", &vec![1; bytes]), Err(SignatureError::Invalid));
    }
}

#[test]
fn larger_keys_sign_and_verify() {
    for pem in [include_str!("../../tests/keys/wallet-3072.pem"), include_str!("../../tests/keys/wallet-4096.pem")] {
        let wallet = Wallet::from_pem(pem).unwrap();
        let signature = wallet.sign(b"text").unwrap();
        assert_eq!(wallet.public_key().verify(b"text", &signature), Ok(()));
        assert_eq!(wallet.public_key().verify(b"texT", &signature), Err(SignatureError::Invalid));
    }
}

#[test]
fn a_length_beyond_every_key_is_refused_before_it_is_read() {
    let bytes = [u32::MAX.to_le_bytes().to_vec(), key(0).der().to_vec()].concat();
    assert!(borsh::from_slice::<PublicKey>(&bytes).is_err());
    let encoded = borsh::to_vec(&key(0)).unwrap();
    assert_eq!(borsh::from_slice::<PublicKey>(&encoded).unwrap(), key(0));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_a_key_only_in_their_canonical_form(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(PublicKey::from_der(&bytes).is_err());
    }

    #[test]
    fn a_flipped_bit_breaks_the_signature(position in 0_usize..2048, in_message: bool) {
        let mut message = b"a message of some length".to_vec();
        let mut signature = WALLETS[1].sign(&message).unwrap();
        if in_message {
            let position = position % (message.len() * 8);
            message[position / 8] ^= 1 << (position % 8);
        } else {
            signature[position / 8] ^= 1 << (position % 8);
        }
        prop_assert_eq!(key(1).verify(&message, &signature), Err(SignatureError::Invalid));
    }
}
