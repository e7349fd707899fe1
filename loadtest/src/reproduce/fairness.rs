//! The fairness experiment: five nodes, capacity 5, one stake of 100 among stakes of 10. Blocks and fees should follow
//! the stakes.

use super::{Cell, Lab, Plan, files, matrix, usual_stake};
use crate::error::LoadError;
use crate::report::schema::{Fairness, Run, Share};
use crate::run::{Fired, balance};
use crate::stats::{binomial_interval, count_f64};
use blockchat_client::api::BlockAnswer;
use blockchat_ledger::Amount;
use std::collections::BTreeMap;

/// The member with the large stake.
const LARGE_STAKE_NODE: u16 = 0;
/// Its stake, BCC.
const LARGE_STAKE_BCC: u64 = 100;

pub async fn run(lab: &mut Lab<'_>, plan: &Plan, cell: &Cell, files: &files::Files) -> Result<Run, LoadError> {
    let mut stakes = usual_stake();
    stakes.by_id.insert(LARGE_STAKE_NODE, Amount::from_bcc(LARGE_STAKE_BCC).unwrap_or_default());
    let fired = matrix::fire(lab, plan, cell, files, &stakes).await?;
    let fairness = evaluate(&fired);
    Ok(Run { fairness: Some(fairness), ..fired.run })
}

fn evaluate(fired: &Fired) -> Fairness {
    let empty = BTreeMap::new();
    let stakes = fired.run.load.as_ref().map_or(&empty, |load| &load.stakes);
    let start = usize::try_from(fired.start_height + 1).unwrap_or(usize::MAX);
    let blocks = fired.ledger.blocks.get(start..).unwrap_or_default();
    let mut fairness = shares(blocks, stakes);
    for share in &mut fairness.members {
        share.balance = balance(&fired.ledger, share.node);
    }
    fairness
}

/// Wins and fees of each member in `blocks`, against its share in `stakes`.
fn shares(blocks: &[BlockAnswer], stakes: &BTreeMap<u16, Amount>) -> Fairness {
    let total: u64 = stakes.values().map(|stake| stake.micros()).sum();
    let count = blocks.len() as u64;
    let share = |(node, stake): (&u16, &Amount)| {
        let won = || blocks.iter().filter(|block| block.validator_id == Some(*node));
        let fees: u64 = won().map(|block| block.fees.micros()).sum();
        let expected_share = if total == 0 {
            1.0 / count_f64(stakes.len() as u64)
        } else {
            count_f64(stake.micros()) / count_f64(total)
        };
        let (wins_low, wins_high) = binomial_interval(count, expected_share);
        Share {
            node: *node,
            stake: *stake,
            expected_share,
            wins: won().count() as u64,
            wins_low,
            wins_high,
            fees: Amount::from_micros(fees),
            balance: None,
        }
    };
    Fairness { blocks: count, members: stakes.iter().map(share).collect() }
}

#[cfg(test)]
mod tests {
    use super::shares;
    use blockchat_client::api::BlockAnswer;
    use blockchat_ledger::Amount;
    use std::collections::BTreeMap;

    fn block(index: u64, validator: u16) -> BlockAnswer {
        let zero = "0".repeat(64);
        serde_json::from_value(serde_json::json!({
            "index": index, "timestamp_ms": index, "validator": "key", "validator_id": validator, "current_hash": zero,
            "previous_hash": zero, "round": 0, "transaction_count": 0, "transaction_root": zero, "state_root": zero,
            "chain_id": zero, "transactions": [], "receipts": [], "fees": "2.5",
        }))
        .unwrap()
    }

    #[test]
    fn wins_and_fees_against_the_stake() {
        let validators = [0_u16; 70].into_iter().chain([1; 30]);
        let blocks: Vec<BlockAnswer> = (1..).zip(validators).map(|(index, node)| block(index, node)).collect();
        let stake = |bcc| Amount::from_bcc(bcc).unwrap();
        let stakes = BTreeMap::from([(0, stake(100)), (1, stake(10)), (2, stake(10)), (3, stake(10)), (4, stake(10))]);
        let found = shares(&blocks, &stakes);
        assert_eq!(found.blocks, 100);
        let first = &found.members[0];
        assert!((first.expected_share - 100.0 / 140.0).abs() < 1e-12);
        assert_eq!((first.wins, first.wins_low, first.wins_high), (70, 62, 80));
        assert_eq!(first.fees.to_string(), "175");
        let second = &found.members[1];
        assert_eq!(second.wins, 30);
        assert!(second.wins > second.wins_high, "30 of 100 is far too many for a fourteenth: {second:?}");
        assert_eq!(found.members[4].wins, 0);
    }

    #[test]
    fn without_stakes_all_members_are_equal() {
        let stakes: BTreeMap<u16, Amount> = (0..4).map(|id| (id, Amount::ZERO)).collect();
        let found = shares(&[block(1, 3)], &stakes);
        assert!(found.members.iter().all(|share| (share.expected_share - 0.25).abs() < 1e-12));
        assert_eq!(found.members[3].wins, 1);
    }
}
