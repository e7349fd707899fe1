use super::*;
use crate::amount::Amount;
use crate::ring::Ring;
use crate::testing::{WALLETS, bcc, descriptor, key};

fn parameters() -> Parameters {
    Parameters::assignment(4, 5)
}

fn verdict(change: impl FnOnce(&mut Descriptor)) -> Result<(), DescriptorError> {
    let mut descriptor = descriptor(&parameters());
    change(&mut descriptor);
    descriptor.sign(&WALLETS[0]).unwrap().verify()
}

#[test]
fn a_proper_descriptor_makes_a_ring() {
    let signed = descriptor(&parameters()).sign(&WALLETS[0]).unwrap();
    let ring = Ring::new(signed.clone()).unwrap();
    assert_eq!(ring.chain_id(), signed.descriptor.chain_id());
    assert_eq!(*ring.bootstrap(), key(0));
    for id in 0..4 {
        assert_eq!(ring.id_of(&key(usize::from(id)).account_id()), Some(id));
        assert_eq!(ring.member(id).unwrap().wallet, key(usize::from(id)));
    }
    assert_eq!(ring.member(4), None);
    assert_eq!(ring.id_of(&key(4).account_id()), None);
    assert_eq!(ring.founding_id(), founding_id(&parameters(), &key(0)));
}

#[test]
fn the_chain_id_covers_everything_but_signature_and_urls() {
    let base = descriptor(&parameters());
    let changes: [fn(&mut Descriptor); 6] = [
        |descriptor| descriptor.parameters.capacity += 1,
        |descriptor| descriptor.genesis_hash = Hash::ZERO,
        |descriptor| descriptor.members[2].consensus_key[0] ^= 1,
        |descriptor| descriptor.members[2].certification[0] ^= 1,
        |descriptor| descriptor.members[2].wallet = key(5),
        |descriptor| descriptor.members.swap(1, 2),
    ];
    for change in changes {
        let mut other = base.clone();
        change(&mut other);
        assert_ne!(other.chain_id(), base.chain_id());
    }
}

#[test]
fn bad_members_are_refused_by_name() {
    assert_eq!(verdict(|_| {}), Ok(()));
    assert_eq!(verdict(|it| drop(it.members.pop())), Err(DescriptorError::MemberCount { expected: 4, found: 3 }));
    assert_eq!(verdict(|it| it.members.clear()), Err(DescriptorError::MemberCount { expected: 4, found: 0 }));
    assert_eq!(verdict(|it| it.members.swap(1, 2)), Err(DescriptorError::MemberId { position: 1 }));
    assert_eq!(verdict(|it| it.members[3].id = 4), Err(DescriptorError::MemberId { position: 3 }));
    assert_eq!(verdict(|it| it.members[3].wallet = key(1)), Err(DescriptorError::DuplicateKey { id: 3 }));
    let same = verdict(|it| it.members[3].consensus_key = it.members[1].consensus_key);
    assert_eq!(same, Err(DescriptorError::DuplicateKey { id: 3 }));
    let error = SignatureError::Invalid;
    assert_eq!(verdict(|it| it.members[3].wallet = key(5)), Err(DescriptorError::Certification { id: 3, error }));
    let other = verdict(|it| it.members[2].consensus_key = [99; 32]);
    assert_eq!(other, Err(DescriptorError::Certification { id: 2, error }));
    let short = verdict(|it| it.members[2].certification.truncate(255));
    assert_eq!(short, Err(DescriptorError::Certification { id: 2, error: SignatureError::Length }));
}

#[test]
fn a_certification_for_another_founding_is_refused() {
    let other = founding_id(&Parameters { endowment: bcc(1), ..parameters() }, &key(0));
    let verdict = verdict(|it| it.members[1] = Member::certify(1, &WALLETS[1], &other, [2; 32]).unwrap());
    assert_eq!(verdict, Err(DescriptorError::Certification { id: 1, error: SignatureError::Invalid }));
}

#[test]
fn only_the_bootstrap_node_signs_a_descriptor() {
    let signed = descriptor(&parameters()).sign(&WALLETS[1]).unwrap();
    assert_eq!(signed.verify(), Err(DescriptorError::Signature(SignatureError::Invalid)));
}

#[test]
fn parameters_out_of_bounds_make_no_network() {
    let base = parameters();
    let cases = [
        (Parameters { nodes: 0, ..base.clone() }, ParametersError::Nodes),
        (Parameters { nodes: MAX_NODES + 1, ..base.clone() }, ParametersError::Nodes),
        (Parameters { capacity: 0, ..base.clone() }, ParametersError::Capacity),
        (Parameters { capacity: u32::MAX, ..base.clone() }, ParametersError::Capacity),
        (Parameters { endowment: Amount::ZERO, ..base.clone() }, ParametersError::Endowment),
        (Parameters { endowment: Amount::from_micros(u64::MAX), ..base.clone() }, ParametersError::Endowment),
        (Parameters { ttl_blocks: 0, ..base.clone() }, ParametersError::Ttl),
        (Parameters { coin_fee_percent: 101, ..base.clone() }, ParametersError::CoinFee),
    ];
    assert_eq!(base.validate(), Ok(()));
    for (parameters, error) in cases {
        assert_eq!(parameters.validate(), Err(error));
        assert_eq!(verdict(|it| it.parameters = parameters), Err(DescriptorError::Parameters(error)));
    }
}

#[test]
fn a_descriptor_survives_its_bytes_only() {
    let signed = descriptor(&parameters()).sign(&WALLETS[0]).unwrap();
    let bytes = signed.encode();
    assert_eq!(SignedDescriptor::decode(&bytes), Ok(signed));
    assert!(SignedDescriptor::decode(&[&bytes[..], &[0]].concat()).is_err());
    for end in 0..bytes.len() {
        assert!(SignedDescriptor::decode(&bytes[..end]).is_err(), "cut at {end}");
    }
    let parameters_and_hash = 2 + 4 + 8 + 8 + 1 + 8 + 32;
    let mut bomb = bytes;
    bomb[parameters_and_hash..parameters_and_hash + 4].fill(0xff);
    assert!(SignedDescriptor::decode(&bomb).unwrap_err().to_string().contains("limit"));
}

#[test]
fn the_tolerated_faults_are_those_of_the_protocol() {
    let expected = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3];
    for (nodes, faults) in expected.into_iter().enumerate() {
        assert_eq!(crate::params::fault_tolerance(nodes), faults, "{nodes}");
    }
}
