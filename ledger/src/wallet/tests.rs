use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

use super::*;
use crate::deterministic::DeterministicSigner;
use crate::testing::WALLETS;

#[test]
fn a_generated_wallet_survives_its_file() {
    let wallet = Wallet::generate(2048, &mut ChaCha20Rng::from_seed([7; 32])).unwrap();
    let again = Wallet::from_pem(&wallet.to_pem().unwrap()).unwrap();
    assert_eq!(again.public_key(), wallet.public_key());
    let signature = again.sign(b"text").unwrap();
    assert_eq!(wallet.public_key().verify(b"text", &signature), Ok(()));
}

#[test]
fn other_sizes_are_not_generated() {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    for bits in [0, 512, 1024, 2047, 2056, 8192] {
        assert_eq!(Wallet::generate(bits, &mut rng).unwrap_err(), KeyError::ModulusSize, "{bits}");
    }
}

#[test]
fn small_and_damaged_private_keys_are_refused() {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let small = RsaPrivateKey::new(&mut rng, 1024).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
    assert_eq!(Wallet::from_pem(&small).unwrap_err(), KeyError::ModulusSize);
    let exponent = rsa::BigUint::from(3_u8);
    let odd = RsaPrivateKey::new_with_exp(&mut rng, 2048, &exponent).unwrap().to_pkcs8_pem(LineEnding::LF).unwrap();
    assert_eq!(Wallet::from_pem(&odd).unwrap_err(), KeyError::Exponent);
    let pem = WALLETS[0].to_pem().unwrap();
    assert_eq!(Wallet::from_pem(&pem[..pem.len() / 2]).unwrap_err(), KeyError::Private);
    assert_eq!(Wallet::from_pem(&WALLETS[0].public_key().to_pem()).unwrap_err(), KeyError::Private);
    assert_eq!(Wallet::from_pem("").unwrap_err(), KeyError::Private);
}

#[test]
fn a_private_key_is_not_shown() {
    let shown = format!("{:?}", WALLETS[0]);
    assert_eq!(shown, format!("Wallet({})", WALLETS[0].public_key().account_id().short()));
}

#[test]
fn two_signatures_of_one_text_differ_and_both_verify() {
    let (first, second) = (WALLETS[0].sign(b"text").unwrap(), WALLETS[0].sign(b"text").unwrap());
    assert_ne!(first, second);
    for signature in [first, second] {
        assert_eq!(WALLETS[0].public_key().verify(b"text", &signature), Ok(()));
    }
}

#[test]
fn the_rsa_crate_verifies_what_a_wallet_signs() {
    use rsa::pkcs8::DecodePublicKey as _;
    use rsa::signature::Verifier as _;
    for wallet in WALLETS.iter() {
        let key = rsa::RsaPublicKey::from_public_key_der(wallet.public_key().der()).unwrap();
        let key = rsa::pss::VerifyingKey::<rsa::sha2::Sha256>::new_with_salt_len(key, 32);
        let signature = wallet.sign(b"text").unwrap();
        let signature = rsa::pss::Signature::try_from(&signature[..]).unwrap();
        key.verify(b"text", &signature).unwrap();
        key.verify(b"texT", &signature).unwrap_err();
    }
}

#[test]
fn the_deterministic_signer_repeats_itself_and_is_verified_like_any() {
    let pem = WALLETS[0].to_pem().unwrap();
    let signer = |seed| DeterministicSigner::from_pem(&pem, [seed; 32]).unwrap();
    let signature = signer(1).sign(b"text").unwrap();
    assert_eq!(signer(1).sign(b"text").unwrap(), signature);
    assert_ne!(signer(2).sign(b"text").unwrap(), signature);
    assert_ne!(signer(1).sign(b"texT").unwrap(), signature);
    assert_eq!(signer(1).public_key().verify(b"text", &signature), Ok(()));
    assert_eq!(signer(1).public_key(), WALLETS[0].public_key());
}
