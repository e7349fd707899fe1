use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::testing::hash;

#[test]
fn the_seed_is_the_hash_of_previous_hash_and_round() {
    let bytes = [&hash(1).0[..], &[2, 1, 0, 0]].concat();
    assert_eq!(seed(&hash(1), 258), Hash::of_bytes(&bytes).0);
}

/// Pearson's statistic of the counts against shares of the total.
fn chi_square(counts: &[u64], shares: &[f64]) -> f64 {
    let total: u64 = counts.iter().sum();
    counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let expected = share * total as f64;
            (*count as f64 - expected).powi(2) / expected
        })
        .sum()
}

#[test]
fn members_win_in_proportion_to_their_stakes() {
    // 100,000 draws; 27.88 is exceeded by chance in one of 1,000 with 9 degrees of freedom, 18.47 with 4.
    let stakes: [u64; 5] = [10_000_000, 20_000_000, 30_000_000, 40_000_000, 1];
    let stakes = &stakes[..4];
    let mut counts = [0; 4];
    for number in 0..100_000 {
        counts[usize::from(drawn(&hash(number), stakes, 0).unwrap())] += 1;
    }
    let statistic = chi_square(&counts, &[0.1, 0.2, 0.3, 0.4]);
    assert!(statistic < 16.27, "{statistic} with 3 degrees of freedom: {counts:?}");
}

#[test]
fn without_stakes_everybody_is_equally_likely_in_every_round() {
    let mut counts = [[0; 10]; 2];
    for number in 0..100_000 {
        let order = draw_order(&hash(number), &[0; 10]);
        counts[0][usize::from(order[0])] += 1;
        counts[1][usize::from(order[9])] += 1;
    }
    for counts in counts {
        let statistic = chi_square(&counts, &[0.1; 10]);
        assert!(statistic < 27.88, "{statistic} with 9 degrees of freedom: {counts:?}");
    }
}

#[test]
fn the_second_round_draws_among_the_others_by_their_stakes() {
    let stakes = [60, 30, 10];
    let mut counts = [0; 2];
    for number in 0..100_000 {
        let order = draw_order(&hash(number), &stakes);
        if order[0] == 0 {
            counts[usize::from(order[1]) - 1] += 1;
        }
    }
    let statistic = chi_square(&counts, &[0.75, 0.25]);
    assert!(statistic < 10.83, "{statistic} with 1 degree of freedom: {counts:?}");
}

#[test]
fn rejection_is_without_bias_for_a_bound_that_leaves_a_large_rest() {
    // With 3·2^62 tickets a plain remainder would draw the first third twice as often.
    let third = 1_u64 << 62;
    let mut counts = [0; 3];
    for number in 0..100_000 {
        counts[usize::from(drawn(&hash(number), &[third; 3], 0).unwrap())] += 1;
    }
    let statistic = chi_square(&counts, &[1.0 / 3.0; 3]);
    assert!(statistic < 13.82, "{statistic} with 2 degrees of freedom: {counts:?}");
}

#[test]
fn members_without_tickets_come_after_all_others() {
    for number in 0..200 {
        let order = draw_order(&hash(number), &[0, 5, 0, 1, 0]);
        let first: BTreeSet<u16> = order[..2].iter().copied().collect();
        assert_eq!(first, BTreeSet::from([1, 3]), "{order:?}");
    }
}

#[test]
fn one_with_all_tickets_is_drawn_always() {
    for number in 0..200 {
        assert_eq!(drawn(&hash(number), &[0, 0, 1, 0], 0), Some(2));
    }
}

#[test]
fn without_members_nobody_is_drawn() {
    assert_eq!(draw_order(&hash(1), &[]), []);
    assert_eq!(drawn(&hash(1), &[], 0), None);
}

proptest! {
    #[test]
    fn the_rounds_are_a_permutation_and_repeat(
        number: u64,
        tickets in proptest::collection::vec(prop_oneof![Just(0), 1..100_u64, 0..u64::MAX / 64], 1..40),
        round: u32,
    ) {
        let order = draw_order(&hash(number), &tickets);
        let all: BTreeSet<u16> = order.iter().copied().collect();
        prop_assert_eq!(all.len(), tickets.len());
        prop_assert_eq!(order.len(), tickets.len());
        let expected = order[round as usize % order.len()];
        prop_assert_eq!(drawn(&hash(number), &tickets, round), Some(expected));
        for (round, draw) in draws(&hash(number), &tickets).into_iter().enumerate() {
            prop_assert_eq!(draw.round as usize, round);
            prop_assert!(draw.ticket < draw.tickets_total);
            prop_assert_eq!(draw.seed, seed(&hash(number), draw.round));
            prop_assert_eq!(draw.member, order[round]);
        }
    }
}
