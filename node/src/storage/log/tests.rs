//! One suite for every disk, then each way in which a disk can fail.

use super::disk::Directory;
use super::fault::{Fault, FaultyDisk, Survives};
use super::*;

const FRESH: LogId = [7; 16];
/// Small, so that a few records fill several segments.
const SMALL: u64 = 200;

fn open<D: Disk>(disk: D, anchor: Option<&Anchor>) -> Result<Opened<D>, LogError> {
    // In these tests the first byte of a record is its height.
    Log::open(disk, anchor, FRESH, SMALL, |payload| u64::from(payload[0]))
}

/// The record of a number: its height is one more than a quarter of it, its length varies.
fn record(number: u8) -> Vec<u8> {
    let mut record = vec![number / 4 + 1; 5 + usize::from(number) * 7 % 40];
    record[1] = number;
    record
}

fn append<D: Disk>(log: &mut Log<D>, number: u8) -> Result<u64, LogError> {
    let record = record(number);
    log.append(u64::from(record[0]), &record)
}

fn numbers(records: &[Vec<u8>]) -> Vec<u8> {
    for record in records {
        assert_eq!(*record, self::record(record[1]), "never a wrong record");
    }
    records.iter().map(|record| record[1]).collect()
}

fn suite<D: Disk>(reopen: impl Fn() -> D) {
    let mut opened = open(reopen(), None).unwrap();
    assert_eq!((&opened.found, opened.records.len()), (&Found::Created, 0));
    for number in 0..20 {
        append(&mut opened.log, number).unwrap();
        if number % 3 == 0 {
            opened.log.sync().unwrap();
        }
    }
    assert!(matches!(opened.log.append(0, &[]), Err(LogError::Length(0))));
    opened.log.flush().unwrap();
    let anchor = Anchor { log_id: FRESH, synced: opened.log.synced(), taken: 0 };
    drop(opened);

    let mut opened = open(reopen(), Some(&anchor)).unwrap();
    assert_eq!(opened.found, Found::Intact);
    assert_eq!(numbers(&opened.records), (0..20).collect::<Vec<_>>());
    assert_eq!(opened.log.release(u64::MAX, 0).unwrap(), 0, "nothing was taken by the store");
    assert_eq!(opened.log.release(0, u64::MAX).unwrap(), 0, "no height is below");
    let taken = opened.log.synced();
    assert!(opened.log.release(2, taken).unwrap() > 0);
    append(&mut opened.log, 20).unwrap();
    opened.log.sync().unwrap();
    let anchor = Anchor { log_id: FRESH, synced: opened.log.synced(), taken };
    drop(opened);

    let opened = open(reopen(), Some(&anchor)).unwrap();
    assert_eq!(opened.found, Found::Intact);
    let left = numbers(&opened.records);
    assert_eq!(left, (left[0]..=20).collect::<Vec<_>>());
    assert!(left[0] > 0 && left[0] <= 8, "records of height 3 are kept: {left:?}");
}

#[test]
fn the_suite_holds_on_the_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    suite(|| Directory::open(&path).unwrap());
}

#[test]
fn the_suite_holds_in_memory() {
    let disk = FaultyDisk::new(Fault::None);
    suite(|| disk.clone());
}

/// A log of three segments whose last record is durable; with a torn tail on request.
fn small_log(tail: bool) -> (FaultyDisk, Anchor) {
    let disk = FaultyDisk::new(Fault::None);
    let mut log = open(disk.clone(), None).unwrap().log;
    for number in 0..8 {
        append(&mut log, number).unwrap();
        log.sync().unwrap();
    }
    let anchor = Anchor { log_id: FRESH, synced: 0, taken: 0 };
    if tail {
        append(&mut log, 8).unwrap();
        append(&mut log, 9).unwrap();
        log.flush().unwrap();
    }
    let names = segments(&disk);
    assert!(names.len() >= 3, "{names:?}");
    (disk, anchor)
}

fn segments(disk: &FaultyDisk) -> Vec<String> {
    disk.list().unwrap().into_iter().filter(|name| name.ends_with(SEGMENT)).collect()
}

/// Where each frame of a segment begins, and its end.
fn frames(bytes: &[u8]) -> Vec<(usize, usize, Vec<u8>)> {
    let mut frames = Vec::new();
    let mut at = HEADER_BYTES;
    while let Some(frame) = Frame::decode(&FRESH, &bytes[at..]) {
        frames.push((at, at + frame.length(), frame.payload.to_vec()));
        at += frame.length();
    }
    frames
}

#[test]
fn a_flipped_bit_anywhere_is_a_torn_tail_or_a_lost_log() {
    let (mut lost, mut torn) = (0, 0);
    for tail in [true, false] {
        let (disk, anchor) = small_log(tail);
        let names = segments(&disk);
        for name in &names {
            let whole = disk.bytes(name).unwrap();
            // Record 7 was the last to be synced; what comes after it was not: its mark, and the tail.
            let durable_end = frames(&whole).iter().find(|(_, _, payload)| payload.get(1) == Some(&7)).map(|f| f.1);
            for at in 0..whole.len() {
                for bit in 0..8 {
                    let mut bytes = whole.clone();
                    bytes[at] ^= 1 << bit;
                    let opened = open(disk.with(name, Some(bytes)), Some(&anchor)).unwrap();
                    let kept = numbers(&opened.records);
                    assert_eq!(kept, (0..u8::try_from(kept.len()).unwrap()).collect::<Vec<_>>(), "a prefix");
                    if durable_end.is_some_and(|end| at >= end) {
                        assert_eq!(opened.found, Found::Intact, "{name} {at}");
                        assert!((8..10).contains(&kept.len()), "{kept:?}");
                        torn += 1;
                    } else {
                        assert!(matches!(opened.found, Found::Lost { .. }), "{name} byte {at} bit {bit}: {kept:?}");
                        assert_eq!(opened.log.next, 0);
                        lost += 1;
                    }
                }
            }
        }
    }
    assert!(lost > 2_000 && torn > 500, "{lost} {torn}");
}

#[test]
fn a_log_cut_anywhere_is_the_exact_prefix_or_lost() {
    let (disk, anchor) = small_log(false);
    let names = segments(&disk);
    for name in &names {
        let whole = disk.bytes(name).unwrap();
        for length in 0..whole.len() {
            let cut = || disk.with(name, Some(whole[..length].to_vec()));
            let opened = open(cut(), Some(&anchor)).unwrap();
            let kept = numbers(&opened.records);
            assert_eq!(kept, (0..u8::try_from(kept.len()).unwrap()).collect::<Vec<_>>());
            if opened.found == Found::Intact {
                assert_eq!(name, names.last().unwrap());
                // What is left is a log that goes on, and whose next start finds it whole.
                let mut log = opened.log;
                append(&mut log, 200).unwrap();
                log.sync().unwrap();
                let again = open(log.disk.clone(), Some(&anchor)).unwrap();
                assert_eq!(again.found, Found::Intact);
                assert_eq!(numbers(&again.records), [kept.as_slice(), &[200]].concat());
            }
            // The store's anchor knows that all eight records and the marks between them were durable.
            let opened = open(cut(), Some(&Anchor { synced: 15, ..anchor })).unwrap();
            assert_eq!(matches!(opened.found, Found::Lost { .. }), kept.len() < 8, "{name} cut to {length}");
        }
    }
}

#[test]
fn a_missing_segment_or_another_log_is_lost() {
    let (disk, anchor) = small_log(false);
    for name in segments(&disk) {
        let opened = open(disk.with(&name, None), Some(&Anchor { synced: 15, ..anchor })).unwrap();
        assert!(matches!(opened.found, Found::Lost { .. }), "{name}");
    }
    for anchor in [None, Some(Anchor { log_id: [8; 16], ..anchor })] {
        let opened = open(disk.restart(Survives::Everything, Fault::None), anchor.as_ref()).unwrap();
        assert!(matches!(opened.found, Found::Lost { .. }));
        assert!(opened.records.is_empty(), "records of a log that is not ours are not used");
    }
    let opened = open(FaultyDisk::new(Fault::None), Some(&anchor)).unwrap();
    assert!(matches!(opened.found, Found::Lost { reason } if reason == "its files are missing"));
}

#[test]
fn a_frame_inside_a_record_is_not_taken_for_one_of_the_log() {
    // Whoever can put bytes into a record, but does not know the id of the log, can't make a torn tail look like damage.
    let mut inner = Vec::new();
    Frame { sequence: 1, synced: 1_000, payload: b"x" }.encode(&[8; 16], &mut inner);
    let disk = FaultyDisk::new(Fault::None);
    let mut log = open(disk.clone(), None).unwrap().log;
    log.append(0, &inner).unwrap();
    log.flush().unwrap();
    let name = &segments(&disk)[0];
    let mut bytes = disk.bytes(name).unwrap();
    bytes[HEADER_BYTES] ^= 1;
    let opened = open(disk.with(name, Some(bytes)), Some(&Anchor { log_id: FRESH, synced: 0, taken: 0 })).unwrap();
    assert_eq!((opened.found, opened.records.len()), (Found::Intact, 0));
}

/// What a run believed when it stopped.
#[derive(Debug, Default)]
struct Believed {
    /// Records handed to the log, in order.
    appended: Vec<u8>,
    /// How many of them it was told are durable.
    durable: usize,
    /// What the store would hold, durably.
    anchor: Option<Anchor>,
    /// The first record that may still be needed.
    needed_from: u8,
}

/// Appends, syncs, tells the store, releases; until something fails.
fn run(disk: &FaultyDisk, believed: &mut Believed, rounds: u8) -> Result<(), LogError> {
    let mut log = open(disk.clone(), believed.anchor.as_ref())?.log;
    let mut next = believed.appended.last().map_or(0, |number| number + 1);
    believed.anchor.get_or_insert(Anchor { log_id: log.id(), synced: 0, taken: 0 });
    for round in 0..rounds {
        for _ in 0..=(round % 3) {
            // Counted before the attempt: a record of a failed write may be on the disk.
            believed.appended.push(next);
            append(&mut log, next)?;
            next += 1;
        }
        log.sync()?;
        believed.durable = believed.appended.len();
        if round % 4 == 3 {
            // The store took everything below the height in progress.
            let height = u64::from(next / 4).saturating_sub(2);
            believed.anchor = Some(Anchor { log_id: log.id(), synced: log.synced(), taken: log.synced() });
            believed.needed_from = u8::try_from(height * 4).unwrap();
            log.release(height, log.synced())?;
        }
    }
    Ok(())
}

fn check_after_crash(disk: &FaultyDisk, believed: &Believed, context: &str) {
    let opened = open(disk.clone(), believed.anchor.as_ref()).unwrap();
    match (&opened.found, &believed.anchor) {
        (Found::Intact, _) => {}
        (Found::Created, None) => return,
        (found, _) => panic!("{context}: {found:?} after a mere crash; believed {believed:?}"),
    }
    let kept = numbers(&opened.records);
    let first = kept.first().copied().unwrap_or(believed.needed_from);
    assert!(first <= believed.needed_from, "{context}: {first} of {believed:?}");
    let from = believed.appended.iter().position(|number| *number == first).unwrap_or(0);
    assert!(believed.appended[from..].starts_with(&kept), "{context}: not a prefix: {kept:?} of {believed:?}");
    assert!(from + kept.len() >= believed.durable, "{context}: a durable record is gone: {kept:?} of {believed:?}");

    // What was returned is durable: the power may go at once.
    let again = open(disk.restart(Survives::Synced, Fault::None), believed.anchor.as_ref()).unwrap();
    assert_eq!(numbers(&again.records), kept, "{context}: what recovery returned was not durable");
}

#[test]
fn stopped_at_every_operation_the_log_keeps_what_was_durable() {
    let total = {
        let disk = FaultyDisk::new(Fault::None);
        run(&disk, &mut Believed::default(), 24).unwrap();
        assert!(segments(&disk).len() < 8, "old segments were deleted");
        disk.operations()
    };
    assert!(total > 80);
    for stop in 0..total {
        let survivals = [Survives::Everything, Survives::Synced].into_iter();
        for survives in survivals.chain((0..12).map(|seed| Survives::Some(seed + stop * 100))) {
            let disk = FaultyDisk::new(Fault::StopAt(stop));
            let mut believed = Believed::default();
            run(&disk, &mut believed, 24).expect_err("stopped");
            let left = disk.restart(survives, Fault::None);
            check_after_crash(&left, &believed, &format!("stop {stop}, {survives:?}"));

            // Stopped again at any operation of the recovery, and of what follows it.
            for second in 0..12 {
                let disk = disk.restart(survives, Fault::StopAt(second));
                let survives = if second % 2 == 0 { Survives::Some(second + stop) } else { Survives::Synced };
                if open(disk.clone(), believed.anchor.as_ref()).is_err() {
                    let left = disk.restart(survives, Fault::None);
                    check_after_crash(&left, &believed, &format!("stops {stop} and {second}, {survives:?}"));
                }
            }
        }
    }
}

#[test]
fn after_a_refused_operation_nothing_more_is_promised() {
    let total = {
        let disk = FaultyDisk::new(Fault::None);
        run(&disk, &mut Believed::default(), 24).unwrap();
        disk.operations()
    };
    for at in 1..=total {
        let disk = FaultyDisk::new(Fault::ErrorAt(at));
        let mut believed = Believed::default();
        run(&disk, &mut believed, 24).expect_err("refused");
        let left = disk.restart(Survives::Synced, Fault::None);
        check_after_crash(&left, &believed, &format!("error at {at}"));
    }
    // A failed sync closes the log for good, even though the next one would succeed.
    let disk = FaultyDisk::new(Fault::None);
    let mut log = open(disk.clone(), None).unwrap().log;
    append(&mut log, 0).unwrap();
    disk.fail_next(2);
    assert!(matches!(log.sync(), Err(LogError::Io { doing: "syncing the log", .. })));
    assert!(matches!(log.sync(), Err(LogError::Failed)));
    assert!(matches!(append(&mut log, 1), Err(LogError::Failed)));
}

#[test]
fn a_lost_log_stays_lost_until_the_store_names_the_new_one() {
    let (disk, anchor) = small_log(false);
    let name = &segments(&disk)[1];
    let mut bytes = disk.bytes(name).unwrap();
    bytes[HEADER_BYTES + 10] ^= 1;
    let damaged = disk.with(name, Some(bytes));
    let total = {
        let disk = damaged.restart(Survives::Everything, Fault::None);
        open(disk.clone(), Some(&anchor)).unwrap();
        disk.operations()
    };
    for stop in 0..=total {
        for survives in [Survives::Everything, Survives::Synced, Survives::Some(stop)] {
            let disk = damaged.restart(Survives::Everything, Fault::StopAt(stop));
            let _ = Log::open(disk.clone(), Some(&anchor), [9; 16], SMALL, |_| 0);
            let left = disk.restart(survives, Fault::None);
            let opened = Log::open(left.clone(), Some(&anchor), [10; 16], SMALL, |_| 0).unwrap();
            assert!(matches!(opened.found, Found::Lost { .. }), "stop {stop}, {survives:?}: {:?}", opened.found);
            let named = Anchor { log_id: opened.log.id(), synced: 0, taken: 0 };
            assert_eq!(open(left.clone(), Some(&named)).unwrap().found, Found::Intact);
            assert!(left.list().unwrap().iter().any(|name| name.ends_with(ASIDE)), "kept for a look");
        }
    }
}
