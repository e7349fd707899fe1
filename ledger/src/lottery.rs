//! The lottery that draws who mints: one ticket per millionth of a BCC staked.
//!
//! All rounds of a height together are a permutation of the members, so that every member gets its turn
//! within n rounds whatever the stakes are. Round 0 is exactly the assignment's draw.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use sha2::{Digest as _, Sha256};

use crate::hash::Hash;

/// One draw, with everything needed to do it again by hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Round of the height.
    pub round: u32,
    /// Seed of the generator.
    pub seed: [u8; 32],
    /// Tickets in this draw: those of the members not drawn before.
    pub tickets_total: u64,
    /// The ticket drawn, counted from 0 through the remaining members in the order of their ids.
    pub ticket: u64,
    /// Whose it is.
    pub member: u16,
}

/// The seed of a round: SHA-256 of the previous block's hash and the round. The assignment seeds with
/// the previous hash alone; this function is the only place that knows the rule.
pub fn seed(previous_hash: &Hash, round: u32) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(previous_hash.0);
    hasher.update(round.to_le_bytes());
    hasher.finalize().into()
}

/// A number below `bound` (not 0), each equally likely: draws of 64 bits that fall into the incomplete
/// last multiple of the bound are thrown away.
fn uniform(rng: &mut ChaCha20Rng, bound: u64) -> u64 {
    // 2^64 mod bound.
    let excess = (u64::MAX % bound + 1) % bound;
    loop {
        let number = rng.next_u64();
        if number <= u64::MAX - excess {
            return number % bound;
        }
    }
}

/// The draws of the first n rounds. `tickets` are by member id; once only members without tickets
/// remain, each of them has one.
pub fn draws(previous_hash: &Hash, tickets: &[u64]) -> Vec<Draw> {
    let mut remaining: Vec<(u16, u64)> = (0..).zip(tickets.iter().copied()).collect();
    let mut draws = Vec::with_capacity(remaining.len());
    for round in 0.. {
        if remaining.is_empty() {
            break;
        }
        if remaining.iter().all(|(_, tickets)| *tickets == 0) {
            for (_, tickets) in &mut remaining {
                *tickets = 1;
            }
        }
        let total = remaining.iter().fold(0_u64, |sum, (_, tickets)| sum.saturating_add(*tickets));
        let seed = seed(previous_hash, round);
        let ticket = uniform(&mut ChaCha20Rng::from_seed(seed), total);
        let mut end = 0_u64;
        let position = remaining.iter().position(|(_, tickets)| {
            end = end.saturating_add(*tickets);
            ticket < end
        });
        // The ticket is below the total, so there always is one.
        let Some(position) = position else { break };
        let (member, _) = remaining.remove(position);
        draws.push(Draw { round, seed, tickets_total: total, ticket, member });
    }
    draws
}

/// The members in the order in which they mint: round r of the height belongs to `order[r % n]`.
pub fn draw_order(previous_hash: &Hash, tickets: &[u64]) -> Vec<u16> {
    draws(previous_hash, tickets).into_iter().map(|draw| draw.member).collect()
}

/// The member that round `round` of the height belongs to; `None` when there are no members.
pub fn drawn(previous_hash: &Hash, tickets: &[u64], round: u32) -> Option<u16> {
    let order = draw_order(previous_hash, tickets);
    let position = usize::try_from(round).ok()?.checked_rem(order.len())?;
    order.get(position).copied()
}

#[cfg(test)]
mod tests;
