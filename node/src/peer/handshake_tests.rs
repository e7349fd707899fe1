use super::*;
use tokio::io::{DuplexStream, duplex};

use crate::peer::testing::consensus_key;

const CHAIN: Hash = Hash([7; 32]);

fn credentials(me: u16) -> Credentials {
    let members = (0..4).map(|id| consensus_key(id).verifying_key().to_bytes()).collect();
    Credentials { chain_id: CHAIN, me, key: consensus_key(me), members }
}

async fn shake(
    dialler: Credentials,
    acceptor: Credentials,
    expected: u16,
) -> (Result<(), HandshakeError>, Result<u16, HandshakeError>) {
    let (mut left, mut right) = duplex(1024);
    tokio::join!(dial(&mut left, &dialler, expected), accept(&mut right, &acceptor))
}

fn refused<T: std::fmt::Debug>(result: Result<T, HandshakeError>) -> Refusal {
    match result {
        Err(HandshakeError::Refused(refusal, _) | HandshakeError::RefusedByPeer(refusal, _)) => refusal,
        other => panic!("expected a refusal, found {other:?}"),
    }
}

#[tokio::test]
async fn members_recognise_each_other() {
    let (dialled, accepted) = shake(credentials(2), credentials(1), 1).await;
    dialled.unwrap();
    assert_eq!(accepted.unwrap(), 2);
}

#[tokio::test]
async fn another_chain_is_refused_and_told_so() {
    let stranger = Credentials { chain_id: Hash([8; 32]), ..credentials(2) };
    let (dialled, accepted) = shake(stranger, credentials(1), 1).await;
    let text = dialled.as_ref().unwrap_err().to_string();
    assert!(text.contains("another chain") && text.contains(&CHAIN.to_string()), "{text}");
    assert_eq!((refused(dialled), refused(accepted)), (Refusal::Chain, Refusal::Chain));
}

#[tokio::test]
async fn a_wrong_key_is_refused_on_either_side() {
    let impostor = Credentials { key: consensus_key(3), ..credentials(2) };
    let (dialled, accepted) = shake(impostor, credentials(1), 1).await;
    assert_eq!((refused(dialled), refused(accepted)), (Refusal::Proof, Refusal::Proof));

    let impostor = Credentials { key: consensus_key(3), ..credentials(1) };
    let (dialled, accepted) = shake(credentials(2), impostor, 1).await;
    assert_eq!(refused(dialled), Refusal::Proof);
    assert_eq!(accepted.unwrap(), 2);
}

#[tokio::test]
async fn only_a_higher_member_dials_and_only_the_one_it_means() {
    for (dialler, acceptor, expected) in [(1, 2, 2), (1, 1, 1), (3, 1, 0)] {
        let (dialled, accepted) = shake(credentials(dialler), credentials(acceptor), expected).await;
        assert_eq!((refused(dialled), refused(accepted)), (Refusal::Member, Refusal::Member));
    }
    let outside = Credentials { me: 9, ..credentials(2) };
    let (dialled, _) = shake(outside, credentials(1), 1).await;
    assert_eq!(refused(dialled), Refusal::Member);
}

/// Passes bytes through and keeps what each side said.
async fn tap(mut left: DuplexStream, mut right: DuplexStream) -> (Vec<u8>, Vec<u8>) {
    let (mut from_left, mut from_right) = (Vec::new(), Vec::new());
    let (mut a, mut b) = ([0; 512], [0; 512]);
    loop {
        tokio::select! {
            count = left.read(&mut a) => match count.unwrap() {
                0 => break,
                count => { from_left.extend_from_slice(&a[..count]); right.write_all(&a[..count]).await.unwrap(); }
            },
            count = right.read(&mut b) => match count.unwrap() {
                0 => break,
                count => { from_right.extend_from_slice(&b[..count]); left.write_all(&b[..count]).await.unwrap(); }
            },
        }
    }
    (from_left, from_right)
}

#[tokio::test]
async fn what_was_said_once_proves_nothing_a_second_time() {
    let (mut dialler, left) = duplex(1024);
    let (right, mut acceptor) = duplex(1024);
    let tapped = tokio::spawn(tap(left, right));
    let (me, other) = (credentials(2), credentials(1));
    let (dialled, accepted) = tokio::join!(dial(&mut dialler, &me, 1), accept(&mut acceptor, &other));
    dialled.unwrap();
    accepted.unwrap();
    drop(dialler);
    let (said, answered) = tapped.await.unwrap();

    // The dialler's part again, to the same acceptor.
    let (mut replayer, mut acceptor) = duplex(1024);
    replayer.write_all(&said).await.unwrap();
    assert_eq!(refused(accept(&mut acceptor, &other).await), Refusal::Proof);

    // The acceptor's part again, to the same dialler.
    let (mut dialler, mut replayer) = duplex(1024);
    replayer.write_all(&answered).await.unwrap();
    assert_eq!(refused(dial(&mut dialler, &me, 1).await), Refusal::Proof);
}

#[tokio::test]
async fn another_version_and_noise_are_refused() {
    for change in [0, 4] {
        let (mut stranger, mut acceptor) = duplex(1024);
        let mut hello = [0; HELLO_BYTES];
        hello[..4].copy_from_slice(&MAGIC);
        hello[4] = STREAM_VERSION;
        hello[change] ^= 1;
        stranger.write_all(&hello).await.unwrap();
        assert_eq!(refused(accept(&mut acceptor, &credentials(1)).await), Refusal::Version);
    }
    let (mut dialler, mut stranger) = duplex(1024);
    stranger.write_all(b"HTTP/1.1 400 Bad Request\r\n").await.unwrap();
    let result = dial(&mut dialler, &credentials(2), 1).await;
    assert!(matches!(result, Err(HandshakeError::Malformed)), "{result:?}");
}

#[tokio::test]
async fn a_silent_side_is_given_up() {
    let (mut dialler, _silent) = duplex(1024);
    let result = dial(&mut dialler, &credentials(2), 1).await;
    assert!(matches!(result, Err(HandshakeError::Timeout)), "{result:?}");
}
