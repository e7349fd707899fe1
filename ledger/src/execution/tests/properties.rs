//! Random sequences of all kinds of transactions, good and bad.

use proptest::prelude::*;

use super::*;
use crate::chain::validate_chain;
use crate::testing::{Network, assumed, key};

#[derive(Clone, Debug)]
struct Attempt {
    kind: u8,
    from: usize,
    to: usize,
    micros: u64,
    text: String,
    /// How far the nonce is off; mostly 0.
    off: u64,
    lifetime: u64,
}

fn attempt() -> impl Strategy<Value = Attempt> {
    let micros = prop_oneof![0..10_u64, 0..2_000_000_000_u64, Just(bcc(1000).micros()), any::<u64>()];
    let off = prop_oneof![8 => Just(0_u64), 1 => Just(1_u64), 1 => any::<u64>()];
    let lifetime = prop_oneof![8 => 1..100_u64, 1 => Just(0_u64), 1 => any::<u64>()];
    (0..6_u8, 0..6_usize, 0..7_usize, micros, "\\PC{0,8}", off, lifetime).prop_map(
        |(kind, from, to, micros, text, off, lifetime)| Attempt { kind, from, to, micros, text, off, lifetime },
    )
}

impl Attempt {
    fn transaction(&self, network: &Network, state: &State) -> VerifiedTransaction {
        let nonce = state.account(&key(self.from).account_id()).map_or(0, |account| account.nonce);
        let terms = Terms {
            nonce: nonce.wrapping_add(self.off),
            valid_until: network.height().saturating_add(self.lifetime),
            chain_id: network.ring.chain_id(),
        };
        let (from, to, amount, text) =
            (key(self.from), key(self.to), Amount::from_micros(self.micros), self.text.clone());
        assumed(match self.kind {
            0 => Transaction::coins(from, to, amount, terms),
            1 => Transaction::message(from, to, text, terms),
            2 => Transaction::coins_and_message(from, to, amount, text, terms),
            3 => Transaction::stake(from, amount, terms),
            4 => Transaction::grant(from, to, amount, terms),
            _ => Transaction { kind: Kind::Genesis, ..Transaction::coins(from, to, amount, terms) },
        })
    }
}

fn sums(state: &State) -> (Amount, Amount) {
    let sum = |of: fn(&Account) -> Amount| Amount::from_micros(state.iter().map(|account| of(account).micros()).sum());
    let stake = sum(|account| account.stake);
    (sum(|account| account.balance).checked_add(stake).unwrap(), stake)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_coin_is_made_or_lost_and_a_replay_ends_in_the_same_state(
        blocks in proptest::collection::vec(proptest::collection::vec(attempt(), 0..14), 1..8)
    ) {
        let mut network = Network::founded(&Parameters::assignment(4, 10));
        let supply = network.ring.parameters().supply();
        for (number, attempts) in blocks.iter().enumerate() {
            let mut candidates = Vec::new();
            if number < 3 {
                candidates.push(network.grant(number as u16 + 1, network.nonce(0)));
            }
            let mut state = network.state.clone();
            for attempt in attempts {
                let tx = attempt.transaction(&network, &state);
                // What is minted is told by executing one by one.
                let before = state.root();
                let height = network.height() + 1;
                let executed = execute(&network.ring, &state, height, &key(0), std::slice::from_ref(&tx));
                prop_assert_eq!(state.root(), before);
                state = executed.map_or(state, |execution| execution.state);
                candidates.push(tx);
            }
            let execution = network.mint(&candidates);
            prop_assert!(execution.accepted.len() <= 10);
            let (all, staked) = sums(&network.state);
            prop_assert_eq!(all, supply);
            prop_assert_eq!(network.state.total_supply(), supply);
            prop_assert_eq!(network.state.total_stake(), staked);
            prop_assert_eq!(network.state.len(), network.state.iter().count());
            let rebuilt = State::from_accounts(network.state.iter().cloned());
            prop_assert_eq!(rebuilt.root(), network.state.root());
            prop_assert_eq!(rebuilt.grants_missing(&network.ring), network.state.grants_missing(&network.ring));
        }
        let replayed = validate_chain(&network.ring, &network.blocks);
        prop_assert_eq!(replayed.map(|state| state.root()), Ok(network.state.root()));
    }

    #[test]
    fn a_block_that_is_refused_changes_nothing(attempts in proptest::collection::vec(attempt(), 1..12)) {
        let network = Network::funded(4);
        let before: Vec<Account> = network.state.iter().cloned().collect();
        let root = network.state.root();
        let txs: Vec<_> = attempts.iter().map(|attempt| attempt.transaction(&network, &network.state)).collect();
        let _verdict = network.run(&txs);
        prop_assert_eq!(State::from_accounts(before.clone()).root(), root);
        prop_assert_eq!(network.state.root(), root);
        prop_assert_eq!(network.state.iter().cloned().collect::<Vec<_>>(), before);
    }
}
