//! The registrations of a network that is being founded.
//!
//! Rules only: time comes in as an argument, and what must be durable before it is answered goes
//! through a closure.

use std::collections::BTreeMap;
use std::time::Duration;

use blockchat_ledger::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};
use thiserror::Error;

use super::files::FileError;

/// A place in the ring, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// The joiner's wallet.
    pub wallet: PublicKey,
    /// Its key for votes.
    pub consensus_key: [u8; 32],
    /// The wallet's signature over the latter.
    pub certification: Vec<u8>,
    /// Where it is.
    pub url: String,
}

/// Registrations by id, as they are stored.
pub type Registrations = BTreeMap<u16, Registration>;

/// Makes registrations durable.
pub type Store = Box<dyn Fn(&Registrations) -> Result<(), FileError> + Send>;

/// Why a joiner gets no place.
#[derive(Debug, Error)]
pub enum DeskError {
    /// The wallet is the bootstrap node's own.
    #[error("this wallet is the bootstrap node's own")]
    BootstrapKey,
    /// Another process with the same wallet is alive.
    #[error("a live node at {0} registered with this wallet; two nodes cannot share one")]
    KeyInUse(String),
    /// Another wallet registered this consensus key.
    #[error("another wallet has registered this consensus key")]
    ConsensusKeyTaken,
    /// Every place is held by a lease that has not run out, though not all of them are known to live.
    #[error("every place is held by a registration; one is free again at the latest in {} s", .0.as_secs() + 1)]
    Held(Duration),
    /// It could not be made durable.
    #[error(transparent)]
    Store(#[from] FileError),
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    until: Duration,
    /// Renewed since this process started. Only such a one counts as live.
    renewed: bool,
}

/// The desk at which joiners register.
pub struct Desk {
    places: u16,
    lease: Duration,
    bootstrap: PublicKey,
    bootstrap_consensus_key: [u8; 32],
    registrations: Registrations,
    leases: BTreeMap<u16, Lease>,
    store: Store,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Desk").field("registrations", &self.registrations.len()).finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk for `places` joiners that goes on from what was stored. The leases found start anew,
    /// since nobody could renew them while the bootstrap node was away.
    pub fn new(
        places: u16,
        lease: Duration,
        bootstrap: (PublicKey, [u8; 32]),
        mut registrations: Registrations,
        now: Duration,
        store: Store,
    ) -> Self {
        registrations.retain(|id, _| (1..=places).contains(id));
        let until = now + lease;
        let leases = registrations.keys().map(|id| (*id, Lease { until, renewed: false })).collect();
        let (bootstrap, bootstrap_consensus_key) = bootstrap;
        Self { places, lease, bootstrap, bootstrap_consensus_key, registrations, leases, store }
    }

    /// Gives a place, or renews it. The caller has checked proof and certification. Durable when it
    /// returns.
    pub fn register(&mut self, now: Duration, new: Registration) -> Result<u16, DeskError> {
        if new.wallet == self.bootstrap {
            return Err(DeskError::BootstrapKey);
        }
        let known = self.registrations.iter().find(|(_, known)| known.wallet == new.wallet);
        let id = match known {
            Some((id, known)) if known.url != new.url && self.is_held(*id, now) => {
                let _ = id;
                return Err(DeskError::KeyInUse(known.url.clone()));
            }
            Some((id, _)) => *id,
            None => self.free_place(now)?,
        };
        let taken = self.registrations.iter().any(|(other, r)| *other != id && r.consensus_key == new.consensus_key);
        if taken || new.consensus_key == self.bootstrap_consensus_key {
            return Err(DeskError::ConsensusKeyTaken);
        }
        if self.registrations.get(&id).is_none_or(|old| differs(old, &new)) {
            let mut registrations = self.registrations.clone();
            registrations.insert(id, new);
            (self.store)(&registrations)?;
            self.registrations = registrations;
        }
        self.leases.insert(id, Lease { until: now + self.lease, renewed: true });
        Ok(id)
    }

    /// How many joiners are known to live.
    pub fn live(&self, now: Duration) -> u16 {
        let live = self.leases.values().filter(|lease| lease.renewed && lease.until > now);
        u16::try_from(live.count()).unwrap_or(u16::MAX)
    }

    /// How many joiners there must be.
    pub fn places(&self) -> u16 {
        self.places
    }

    /// All of them, once the ring is complete: every place has a live joiner.
    pub fn complete(&self, now: Duration) -> Option<&Registrations> {
        (self.live(now) == self.places).then_some(&self.registrations)
    }

    /// The lowest place without a holder. One whose lease ran out is given away only now, so that a
    /// joiner which was away and comes back in time finds its place.
    fn free_place(&self, now: Duration) -> Result<u16, DeskError> {
        (1..=self.places).find(|id| !self.is_held(*id, now)).ok_or_else(|| {
            let soonest = self.leases.values().map(|lease| lease.until.saturating_sub(now)).min();
            DeskError::Held(soonest.unwrap_or_default())
        })
    }

    fn is_held(&self, id: u16, now: Duration) -> bool {
        self.leases.get(&id).is_some_and(|lease| lease.until > now)
    }
}

/// A renewal brings a new certification of the same key (signatures are randomised): the stored one
/// stays, so that renewing does not write.
fn differs(old: &Registration, new: &Registration) -> bool {
    (&old.wallet, &old.consensus_key, &old.url) != (&new.wallet, &new.consensus_key, &new.url)
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
