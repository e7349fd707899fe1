use super::*;
use crate::peer::testing::{consensus_key, ring};

fn open(folder: &std::path::Path, me: u16, url: &str) -> UrlBook {
    let file = DurableFile::new(folder, "urls");
    let hints = [(0, "http://zero:1".to_owned()), (9, "http://nobody:1".to_owned())];
    UrlBook::open(ring(3, 5), me, url, consensus_key(me), file, hints).unwrap()
}

fn record(id: u16, url: &str, sequence: u64) -> UrlRecord {
    UrlRecord::sign(&ring(3, 5).chain_id(), id, url, sequence, &consensus_key(id))
}

fn records(records: &[UrlRecord]) -> UrlRecords {
    UrlRecords(records.to_vec())
}

#[test]
fn a_node_announces_itself_once_per_url() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path(), 1, "http://one:1");
    assert_eq!(book.newest(), records(&[record(1, "http://one:1", 1)]));
    assert_eq!(book.url_of(0).unwrap(), "http://zero:1");
    assert_eq!(book.url_of(9), None);
    assert_eq!(open(folder.path(), 1, "http://one:1").newest(), book.newest());
    let moved = open(folder.path(), 1, "http://one:2");
    assert_eq!(moved.newest(), records(&[record(1, "http://one:2", 2)]));
}

#[test]
fn only_newer_and_properly_signed_records_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path(), 1, "http://one:1");
    let changes = book.changes();
    assert!(book.merge(&records(&[record(0, "http://zero:2", 3)])));
    assert!(changes.has_changed().unwrap());
    assert!(!book.merge(&records(&[record(0, "http://zero:3", 2)])));
    let mut forged = record(0, "http://evil:1", 9);
    forged.signature = record(2, "http://evil:1", 9).signature;
    let other_chain = UrlRecord::sign(&ring(3, 6).chain_id(), 0, "http://evil:1", 9, &consensus_key(0));
    let no_url = record(0, "evil", 9);
    let stranger = UrlRecord { id: 7, ..record(0, "http://evil:1", 9) };
    assert!(!book.merge(&records(&[forged, other_chain, no_url, stranger])));
    assert_eq!(book.url_of(0).unwrap(), "http://zero:2");
    assert_eq!(open(folder.path(), 1, "http://one:1").url_of(0).unwrap(), "http://zero:2");
}

#[test]
fn a_node_that_forgot_its_records_catches_up_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path(), 1, "http://one:2");
    assert!(book.merge(&records(&[record(1, "http://one:1", 5)])));
    assert_eq!(book.newest(), records(&[record(1, "http://one:2", 6)]));
    // An older life at the same address needs no new record.
    assert!(book.merge(&records(&[record(1, "http://one:2", 8)])));
    assert_eq!(book.newest(), records(&[record(1, "http://one:2", 8)]));
}

#[test]
fn all_members_keep_the_same_of_two_records_with_one_sequence() {
    let (one, two) = (record(0, "http://a:1", 4), record(0, "http://b:1", 4));
    for order in [[&one, &two], [&two, &one]] {
        let folder = tempfile::tempdir().unwrap();
        let book = open(folder.path(), 1, "http://one:1");
        for record in order {
            book.merge(&records(std::slice::from_ref(record)));
        }
        assert_eq!(book.url_of(0).unwrap(), "http://b:1");
    }
}

#[test]
fn malformed_and_oversized_lists_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let book = open(folder.path(), 1, "http://one:1");
    assert!(book.learn(&book.records()));
    let mut trailing = book.records();
    trailing.push(0);
    let too_many = u32::MAX.to_le_bytes().to_vec();
    let long = record(0, &format!("http://{}:1", "x".repeat(MAX_URL_BYTES)), 1);
    let long = super::super::wire::concat(&[&records(&[long])]);
    for bytes in [trailing, too_many, long, vec![1]] {
        assert!(!book.learn(&bytes));
    }
}

#[test]
fn another_network_starts_with_an_empty_book() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 1, "http://one:1").merge(&records(&[record(0, "http://zero:2", 1)]));
    let file = DurableFile::new(folder.path(), "urls");
    let other = UrlBook::open(ring(3, 6), 1, "http://one:1", consensus_key(1), file, []).unwrap();
    assert_eq!(other.url_of(0), None);
}
