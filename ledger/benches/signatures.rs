//! What a signature costs: the library the node uses, the pure-Rust one it is checked against, and the consensus
//! keys. The figures in `docs/decisions/0002-signatures.md` come from here: `cargo bench -p blockchat-ledger`.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use blockchat_ledger::Wallet;
use criterion::{Criterion, criterion_group, criterion_main};
use ed25519_dalek::{Signer as _, SigningKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use rsa::pss::{Signature, SigningKey as RsaSigningKey, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::signature::{RandomizedSigner as _, Verifier as _};
use rsa::{RsaPrivateKey, RsaPublicKey};

/// About the size of a transaction with a short message.
const MESSAGE: [u8; 700] = [0x5a; 700];

fn signatures(criterion: &mut Criterion) {
    let mut rng = ChaCha20Rng::from_seed([7; 32]);
    let wallet = Wallet::generate(2048, &mut rng).expect("a key");
    let signature = wallet.sign(&MESSAGE).expect("a signature");

    let mut group = criterion.benchmark_group("rsa-2048-pss");
    group.bench_function("verify/aws-lc-rs", |bencher| {
        bencher.iter(|| wallet.public_key().verify(&MESSAGE, &signature).expect("a good signature"));
    });
    let public = RsaPublicKey::from_public_key_der(wallet.public_key().der()).expect("a key");
    let verifying = VerifyingKey::<Sha256>::new(public);
    let parsed = Signature::try_from(signature.as_slice()).expect("a signature");
    group.bench_function("verify/rsa", |bencher| {
        bencher.iter(|| verifying.verify(&MESSAGE, &parsed).expect("a good signature"));
    });
    group.bench_function("sign/aws-lc-rs", |bencher| bencher.iter(|| wallet.sign(&MESSAGE).expect("a signature")));
    let private = RsaPrivateKey::from_pkcs8_pem(&wallet.to_pem().expect("PEM")).expect("a key");
    let signing = RsaSigningKey::<Sha256>::new(private);
    group.bench_function("sign/rsa", |bencher| bencher.iter(|| signing.sign_with_rng(&mut rng, &MESSAGE)));
    group.finish();

    let key = SigningKey::from_bytes(&[7; 32]);
    let vote = &MESSAGE[..120];
    let signature = key.sign(vote);
    let mut group = criterion.benchmark_group("ed25519");
    group.bench_function("sign", |bencher| bencher.iter(|| key.sign(vote)));
    group.bench_function("verify", |bencher| {
        bencher.iter(|| key.verifying_key().verify_strict(vote, &signature).expect("a good signature"));
    });
    group.finish();
}

criterion_group!(benches, signatures);
criterion_main!(benches);
