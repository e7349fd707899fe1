//! Random sequences of arrivals, blocks and time, with the pool's invariants checked after each step.

use proptest::prelude::*;

use super::*;
use crate::execution::execute;

#[derive(Clone, Debug)]
enum Step {
    Arrive {
        from: usize,
        to: usize,
        stake: bool,
        micros: u64,
        ahead: u64,
        lifetime: u64,
        peer: bool,
        again: bool,
    },
    /// A block of the first candidates.
    Commit {
        count: usize,
    },
    /// A block with a transaction that this node has not seen, in the place of a pooled one.
    Foreign {
        from: usize,
        micros: u64,
    },
    Wait {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let micros = prop_oneof![0..50_000_000_u64, 0..1_200_000_000_u64];
    let ahead = prop_oneof![4 => Just(0_u64), 2 => 1..4_u64, 1 => 0..200_u64];
    let lifetime = prop_oneof![3 => 1..6_u64, 3 => 50..100_u64];
    let arrive = (0..4_usize, 0..5_usize, any::<bool>(), micros.clone(), ahead, lifetime, any::<bool>(), any::<bool>());
    let arrive = arrive.prop_map(|(from, to, stake, micros, ahead, lifetime, peer, again)| Step::Arrive {
        from,
        to,
        stake,
        micros,
        ahead,
        lifetime,
        peer,
        again,
    });
    prop_oneof![
        12 => arrive,
        2 => (0..8_usize).prop_map(|count| Step::Commit { count }),
        1 => (0..4_usize, micros).prop_map(|(from, micros)| Step::Foreign { from, micros }),
        1 => (0..40_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

impl Node {
    fn step(&mut self, step: &Step) -> Vec<Dropped> {
        match *step {
            Step::Arrive { from, to, stake, micros, ahead, lifetime, peer, again } => {
                let terms = Terms {
                    nonce: self.pending(from).2 + ahead,
                    valid_until: self.network.height() + lifetime,
                    chain_id: self.network.ring.chain_id(),
                };
                let amount = Amount::from_micros(micros);
                let tx = if stake {
                    Transaction::stake(key(from), amount, terms)
                } else {
                    Transaction::coins(key(from), key(to), amount, terms)
                };
                let tx = if again { assumed_again(tx) } else { assumed(tx) };
                let before = self.summary();
                let inserted = self.submit(tx, if peer { Origin::Peer } else { Origin::Client });
                if inserted.is_err() {
                    assert_eq!(self.summary(), before, "a refused one changes nothing");
                }
                inserted.map(|inserted| inserted.dropped).unwrap_or_default()
            }
            Step::Commit { count } => {
                let txs: Vec<_> = self.pool.candidates().take(count).cloned().collect();
                self.commit(&txs)
            }
            Step::Foreign { from, micros } => {
                let amount = Amount::from_micros(micros);
                let tx = assumed(self.network.coins(from, 3, amount, self.network.nonce(from)));
                if from == 3 || self.network.run(std::slice::from_ref(&tx)).is_err() {
                    return Vec::new();
                }
                self.commit(&[tx])
            }
            Step::Wait { ms } => {
                self.now_ms += ms;
                self.pool.expire_held(self.now_ms)
            }
        }
    }

    fn summary(&self) -> String {
        let pool = &self.pool;
        let candidates: Vec<Hash> = pool.candidates().map(|tx| tx.wire_hash()).collect();
        format!("{candidates:?} {:?} {:?} {} {:?}", pool.held, pool.expiry, pool.bytes, pool.ids.len())
    }

    fn check_invariants(&self) {
        let pool = &self.pool;
        let Network { ring, state, .. } = &self.network;
        let all = pool.len() + pool.held();
        assert!(all <= LIMITS.max_transactions && pool.held() <= LIMITS.max_held && pool.bytes() <= LIMITS.max_bytes);
        assert_eq!((pool.ids.len(), pool.by_wire_hash.len(), pool.expiry.len()), (all, all, all));
        assert_eq!(pool.capacity_left(), LIMITS.max_transactions - all);
        let mut bytes: usize = pool.candidates().map(|tx| tx.size_bytes()).sum();
        let mut slots = 0;
        for (sender, queue) in &pool.senders {
            assert!(queue.len() > 0 && queue.len() <= LIMITS.max_per_sender, "{sender}");
            slots += queue.slots().len();
            bytes += queue.held.values().map(|held| held.transaction.size_bytes()).sum::<usize>();
            // No one is held whose turn has come.
            let next = state.account(sender).unwrap().nonce + queue.slots().len() as u64;
            assert!(queue.held.keys().all(|nonce| *nonce > next));
        }
        assert_eq!((slots, bytes), (pool.len(), pool.bytes()));
        // Each sender's own transactions, in order of arrival and alone, stay payable on its account.
        let height = self.network.height() + 1;
        for sender in pool.senders.keys() {
            let own: Vec<_> =
                pool.candidates().filter(|tx| tx.transaction().sender.account_id() == Some(*sender)).cloned().collect();
            // The fees go to a wallet that sends nothing, so that the sender earns nothing here.
            let executed = execute(ring, state, height, &key(7), &own).unwrap();
            let account = executed.state.account(sender).unwrap();
            let pending = pool.pending_account(state, sender);
            assert_eq!(
                pending,
                PendingAccount { balance: account.balance, stake: account.stake, nonce: account.nonce }
            );
        }
        // And all together, as a block would take them.
        let everything: Vec<_> = pool.candidates().cloned().collect();
        assert!(execute(ring, state, height, &key(7), &everything).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_comes_the_pool_stays_consistent_payable_and_bounded(steps in proptest::collection::vec(step(), 1..80)) {
        let mut node = node();
        let mut seen = std::collections::BTreeSet::new();
        for step in steps {
            let dropped = node.step(&step);
            for drop in &dropped {
                prop_assert!(!node.pool.contains_id(&drop.transaction.id()));
                prop_assert_eq!(node.pool.get(&drop.transaction.wire_hash()), None);
            }
            // Arrival numbers of what was there before are kept: new ones come last.
            let order: Vec<u64> = node.pool.ready.keys().copied().collect();
            prop_assert!(order.iter().all(|arrival| seen.contains(arrival) || seen.last().is_none_or(|last| last < arrival)));
            seen.extend(order);
            node.check_invariants();
        }
    }
}
