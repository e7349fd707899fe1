//! Challenges that were given out: each is signed at most once, and only so many are remembered.

use std::collections::VecDeque;
use std::time::Duration;

use blockchat_ledger::Hash;
use rand::RngCore;

const MAX_CHALLENGES: usize = 4096;
const LIFE: Duration = Duration::from_mins(1);

/// The challenges that may still be answered, oldest first.
#[derive(Debug, Default)]
pub struct Challenges {
    given: VecDeque<(Duration, Hash)>,
}

impl Challenges {
    /// A fresh one. At the bound the oldest is forgotten: whoever holds it is told to take another.
    pub fn give(&mut self, now: Duration, rng: &mut impl RngCore) -> Hash {
        self.forget_old(now);
        if self.given.len() >= MAX_CHALLENGES {
            self.given.pop_front();
        }
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        self.given.push_back((now, Hash(bytes)));
        Hash(bytes)
    }

    /// Uses one up; false when it was never given, is used already or forgotten.
    pub fn take(&mut self, now: Duration, challenge: &Hash) -> bool {
        self.forget_old(now);
        let found = self.given.iter().position(|(_, given)| given == challenge);
        found.and_then(|index| self.given.remove(index)).is_some()
    }

    fn forget_old(&mut self, now: Duration) {
        while self.given.front().is_some_and(|(given, _)| *given + LIFE < now) {
            self.given.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_good_once_and_not_for_ever() {
        let mut rng = rand::thread_rng();
        let mut challenges = Challenges::default();
        let first = challenges.give(Duration::ZERO, &mut rng);
        let second = challenges.give(Duration::ZERO, &mut rng);
        assert!(challenges.take(LIFE, &first));
        assert!(!challenges.take(LIFE, &first));
        assert!(!challenges.take(LIFE + Duration::from_millis(1), &second));
        assert!(!challenges.take(Duration::ZERO, &Hash([7; 32])));
    }

    #[test]
    fn their_number_is_bounded() {
        let mut rng = rand::thread_rng();
        let mut challenges = Challenges::default();
        let first = challenges.give(Duration::ZERO, &mut rng);
        let last = (0..MAX_CHALLENGES).map(|_| challenges.give(Duration::ZERO, &mut rng)).last().unwrap();
        assert_eq!(challenges.given.len(), MAX_CHALLENGES);
        assert!(!challenges.take(Duration::ZERO, &first));
        assert!(challenges.take(Duration::ZERO, &last));
    }
}
