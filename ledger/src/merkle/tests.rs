use proptest::prelude::*;

use super::*;
use crate::testing::hash;

#[test]
fn the_shape_is_that_of_rfc_6962() {
    let hashes: Vec<Hash> = (0..5).map(hash).collect();
    let leaves: Vec<Hash> = hashes.iter().map(leaf).collect();
    let four = branch(&branch(&leaves[0], &leaves[1]), &branch(&leaves[2], &leaves[3]));
    assert_eq!(root(&hashes), branch(&four, &leaves[4]));
    assert_eq!(root(&hashes[..1]), leaves[0]);
    assert_eq!(root(&[]), Hash::of("blockchat/transaction-empty/v1", &[]));
}

proptest! {
    #[test]
    fn a_proof_leads_to_the_root_from_its_leaf_only(count in 1..70_u64, at: proptest::sample::Index, broken: proptest::sample::Index) {
        let hashes: Vec<Hash> = (0..count).map(hash).collect();
        let index = at.index(hashes.len());
        let proof = prove(&hashes, index).unwrap();
        prop_assert_eq!(proof.root_of(&hashes[index]), Some(root(&hashes)));
        prop_assert_ne!(proof.root_of(&hash(1_000)), Some(root(&hashes)));
        if !proof.siblings.is_empty() {
            let mut other = proof.clone();
            let position = broken.index(other.siblings.len());
            other.siblings[position] = hash(1_000);
            prop_assert_ne!(other.root_of(&hashes[index]), Some(root(&hashes)));
            other = proof.clone();
            other.siblings.pop();
            prop_assert_eq!(other.root_of(&hashes[index]), None);
        }
        let longer = InclusionProof { siblings: [&proof.siblings[..], &[hash(0)]].concat(), ..proof.clone() };
        prop_assert_eq!(longer.root_of(&hashes[index]), None);
        let beyond = InclusionProof { index: proof.count, ..proof };
        prop_assert_eq!(beyond.root_of(&hashes[index]), None);
        prop_assert_eq!(prove(&hashes, hashes.len()), None);
    }

    #[test]
    fn order_and_number_of_leaves_matter(count in 2..40_u64, at: proptest::sample::Index) {
        let hashes: Vec<Hash> = (0..count).map(hash).collect();
        let mut swapped = hashes.clone();
        let index = at.index(hashes.len() - 1);
        swapped.swap(index, index + 1);
        prop_assert_ne!(root(&swapped), root(&hashes));
        prop_assert_ne!(root(&hashes[..hashes.len() - 1]), root(&hashes));
        let repeated: Vec<Hash> = hashes.iter().copied().chain(hashes.last().copied()).collect();
        prop_assert_ne!(root(&repeated), root(&hashes));
    }
}

#[test]
fn a_proof_with_an_absurd_count_ends() {
    let proof = InclusionProof { index: 0, count: u32::MAX, siblings: vec![hash(0); 3] };
    assert_eq!(proof.root_of(&hash(1)), None);
    let proof = InclusionProof { index: 0, count: 0, siblings: vec![] };
    assert_eq!(proof.root_of(&hash(1)), None);
}
