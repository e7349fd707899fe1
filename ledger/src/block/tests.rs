use super::*;
use crate::testing::{Network, assumed, bcc, key};

fn block() -> Block {
    let network = Network::funded(3);
    network.next(1, &[assumed(network.coins(1, 2, bcc(1), 0)), assumed(network.coins(2, 1, bcc(2), 0))]).0
}

#[test]
fn every_field_of_the_header_is_in_the_hash() {
    let good = block().header;
    let changes: [fn(&mut BlockHeader); 9] = [
        |header| header.index += 1,
        |header| header.timestamp_ms += 1,
        |header| header.validator = Party::Key(key(7)),
        |header| header.previous_hash = Hash::ZERO,
        |header| header.round += 1,
        |header| header.transaction_count += 1,
        |header| header.transaction_root = Hash::ZERO,
        |header| header.state_root = Hash::ZERO,
        |header| header.chain_id = Hash::ZERO,
    ];
    for change in changes {
        let mut header = good.clone();
        change(&mut header);
        assert_ne!(header.hash(), good.hash());
    }
}

#[test]
fn a_block_survives_its_bytes_and_no_other_bytes_are_that_block() {
    let block = block();
    let bytes = block.encode();
    let decoded = UnverifiedBlock::decode(&bytes).unwrap();
    assert_eq!(decoded.encode(), bytes);
    assert_eq!(decoded.hash(), block.hash());
    assert!(UnverifiedBlock::decode(&[&bytes[..], &[0]].concat()).is_err());
    for end in 0..bytes.len() {
        assert!(UnverifiedBlock::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let header = block.header.encode();
    assert_eq!(BlockHeader::decode(&header), Ok(block.header));
    assert!(BlockHeader::decode(&[&header[..], &[0]].concat()).is_err());
}

#[test]
fn a_count_beyond_every_block_is_refused_before_memory_is_set_aside() {
    let block = block();
    let mut bytes = block.header.encode();
    bytes.extend((MAX_CAPACITY + 1).to_le_bytes());
    let error = UnverifiedBlock::decode(&bytes).unwrap_err();
    assert!(error.to_string().contains("limit"), "{error}");
    assert!(UnverifiedBlock::decode(&vec![0; MAX_ENCODED_BLOCK_BYTES + 1]).unwrap_err().to_string().contains("limit"));
}
