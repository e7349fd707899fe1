use std::sync::{Arc, Mutex};

use super::*;
use crate::peer::testing::wallet;

const LEASE: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn joiner(index: usize) -> Registration {
    let key = u8::try_from(index).unwrap();
    Registration {
        wallet: wallet(index).public_key().clone(),
        consensus_key: [key; 32],
        certification: vec![1],
        url: format!("http://node-{index}:6000"),
    }
}

fn bootstrap() -> (PublicKey, [u8; 32]) {
    (wallet(0).public_key().clone(), [0; 32])
}

type Disk = Arc<Mutex<Vec<Registrations>>>;

fn desk_on(disk: &Disk, places: u16, now: Duration) -> Desk {
    let found = disk.lock().unwrap().last().cloned().unwrap_or_default();
    let disk = Arc::clone(disk);
    let store: Store = Box::new(move |registrations| {
        disk.lock().unwrap().push(registrations.clone());
        Ok(())
    });
    Desk::new(places, LEASE, bootstrap(), found, now, store)
}

fn desk(places: u16) -> (Desk, Disk) {
    let disk = Disk::default();
    (desk_on(&disk, places, at(0)), disk)
}

#[test]
fn ids_are_given_in_order_of_arrival_and_kept() {
    let (mut desk, disk) = desk(4);
    for (expected, index) in (1..).zip([3, 1, 4, 2]) {
        assert_eq!(desk.live(at(0)), expected - 1);
        assert!(desk.complete(at(0)).is_none());
        assert_eq!(desk.register(at(0), joiner(index)).unwrap(), expected);
        assert_eq!(desk.register(at(1), joiner(index)).unwrap(), expected);
    }
    let complete = desk.complete(at(2)).unwrap();
    assert_eq!(complete.values().map(|r| r.consensus_key[0]).collect::<Vec<_>>(), [3, 1, 4, 2]);
    // Renewals are not written.
    assert_eq!(disk.lock().unwrap().len(), 4);
    assert!(matches!(desk.register(at(2), joiner(5)), Err(DeskError::Held(_))));
}

#[test]
fn one_that_died_frees_its_place_but_only_for_another() {
    let (mut desk, _) = desk(2);
    assert_eq!(desk.register(at(0), joiner(1)).unwrap(), 1);
    assert_eq!(desk.register(at(5), joiner(2)).unwrap(), 2);
    assert_eq!((desk.live(at(9)), desk.live(at(10))), (2, 1));
    // It comes back late and nobody wanted its place.
    assert_eq!(desk.register(at(12), joiner(1)).unwrap(), 1);
    assert_eq!(desk.register(at(14), joiner(2)).unwrap(), 2);
    // It dies again, and another one gets the place.
    assert!(matches!(desk.register(at(21), joiner(3)), Err(DeskError::Held(left)) if left == at(1)));
    assert_eq!(desk.register(at(22), joiner(3)).unwrap(), 1);
    assert!(matches!(desk.register(at(23), joiner(1)), Err(DeskError::Held(_))));
    assert_eq!(desk.complete(at(23)).unwrap()[&1], joiner(3));
}

#[test]
fn registrations_survive_a_restart_but_do_not_count_as_live_until_renewed() {
    let (mut first, disk) = desk(2);
    first.register(at(0), joiner(1)).unwrap();
    first.register(at(0), joiner(2)).unwrap();
    let mut second = desk_on(&disk, 2, at(100));
    assert_eq!(second.live(at(100)), 0);
    assert!(matches!(second.register(at(101), joiner(3)), Err(DeskError::Held(_))));
    assert_eq!(second.register(at(102), joiner(2)).unwrap(), 2);
    assert!(second.complete(at(102)).is_none());
    // The other one never came back.
    assert_eq!(second.register(at(110), joiner(3)).unwrap(), 1);
    assert!(second.complete(at(110)).is_some());
}

#[test]
fn a_second_process_with_the_same_wallet_is_refused_while_the_first_lives() {
    let (mut desk, _) = desk(3);
    desk.register(at(0), joiner(1)).unwrap();
    let elsewhere = Registration { url: "http://other:6000".to_owned(), ..joiner(1) };
    let refusal = desk.register(at(9), elsewhere.clone()).unwrap_err();
    assert!(matches!(&refusal, DeskError::KeyInUse(url) if url == "http://node-1:6000"), "{refusal}");
    assert_eq!(desk.register(at(9), joiner(1)).unwrap(), 1);
    assert!(desk.register(at(10), elsewhere.clone()).is_err());
    // A pod that moved is welcome once the lease has run out.
    assert_eq!(desk.register(at(19), elsewhere).unwrap(), 1);
}

#[test]
fn keys_belong_to_one_wallet() {
    let (mut desk, _) = desk(3);
    desk.register(at(0), joiner(1)).unwrap();
    let thief = Registration { consensus_key: joiner(1).consensus_key, ..joiner(2) };
    assert!(matches!(desk.register(at(0), thief), Err(DeskError::ConsensusKeyTaken)));
    let thief = Registration { consensus_key: bootstrap().1, ..joiner(2) };
    assert!(matches!(desk.register(at(0), thief), Err(DeskError::ConsensusKeyTaken)));
    let own = Registration { wallet: bootstrap().0, ..joiner(2) };
    assert!(matches!(desk.register(at(0), own), Err(DeskError::BootstrapKey)));
    // A joiner whose consensus key was lost before the ring closed brings a new one.
    let renewed = Registration { consensus_key: [9; 32], ..joiner(1) };
    assert_eq!(desk.register(at(1), renewed).unwrap(), 1);
    assert_eq!(desk.live(at(1)), 1);
}

#[test]
fn what_cannot_be_stored_is_not_answered_and_leaves_no_trace() {
    let failing: Store = Box::new(|_| Err(FileError::Damaged("registrations".into())));
    let mut desk = Desk::new(2, LEASE, bootstrap(), Registrations::new(), at(0), failing);
    assert!(matches!(desk.register(at(0), joiner(1)), Err(DeskError::Store(_))));
    assert_eq!(desk.live(at(0)), 0);
}

#[test]
fn a_network_of_one_needs_nobody() {
    let (mut desk, _) = desk(0);
    assert!(desk.complete(at(0)).unwrap().is_empty());
    assert!(matches!(desk.register(at(0), joiner(1)), Err(DeskError::Held(_))));
}

#[test]
fn places_beyond_the_ring_are_forgotten() {
    let (mut first, disk) = desk(3);
    for index in 1..=3 {
        first.register(at(0), joiner(index)).unwrap();
    }
    let smaller = desk_on(&disk, 2, at(0));
    assert_eq!(smaller.registrations.len(), 2);
}
