//! Becoming a member: registering with the bootstrap node, founding the network once, pinning it.
//!
//! A network is founded once. Whoever holds its descriptor never registers again, and tells it to
//! those that lost theirs: a bootstrap node that came back empty, a member whose data folder was
//! wiped. `docs/protocol.md` gives the messages.

mod challenges;
mod desk;
mod files;
mod joiner;
mod network;
mod routes;
mod settings;
mod teller;
mod urls;
mod wire;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use blockchat_ledger::{Block, Hash, Ring, State, founding_id};
use borsh::{BorshDeserialize, BorshSerialize};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::peer::{Directory, PeerNetwork};

pub use network::{Identity, NetworkError};
pub use settings::{JoinError, JoinSettings, JoinTiming, Phase};
pub use urls::UrlBook;

use challenges::Challenges;
use desk::{Desk, Registrations};
use files::{DurableFile, FileError};
use network::{Network, Pinned};
use wire::{NetworkPackage, to_base64};

/// How many requests are worked on at once: each costs RSA verifications and perhaps a sync.
const WORKERS: usize = 4;

/// What a member knows once it has joined.
#[derive(Debug, Clone)]
pub struct Membership {
    /// The members, verified.
    pub ring: Arc<Ring>,
    /// This node's id.
    pub me: u16,
    /// Block 0, recomputed from the parameters.
    pub genesis: Block,
    /// The state after block 0.
    pub genesis_state: State,
    /// Where the members are.
    pub urls: Arc<UrlBook>,
    /// This data folder has seen the ring open before this very network was founded: the member can't have voted before
    /// the folder was made.
    pub witnessed: bool,
}

/// Tells whether a member's stream is open.
pub type IsConnected = Box<dyn Fn(u16) -> bool + Send + Sync>;

/// The file that says that the ring was open when this folder was made.
const WITNESS: &str = "witness";

#[derive(Debug, BorshSerialize, BorshDeserialize)]
struct Witness {
    founding_id: Hash,
    open_at_ms: u64,
}

struct Known {
    network: Network,
    urls: Arc<UrlBook>,
    witnessed: bool,
}

struct Inner {
    settings: JoinSettings,
    identity: Identity,
    started: Instant,
    challenges: Mutex<Challenges>,
    /// Only on a bootstrap node, until the network is known.
    desk: Mutex<Option<Desk>>,
    known: OnceLock<Known>,
    /// Held while a network is pinned: what is on disk is what is known.
    pinning: Mutex<()>,
    /// The founding that the bootstrap node showed; a network of another one is not this node's.
    founding_seen: OnceLock<Hash>,
    fatal: Mutex<Option<JoinError>>,
    /// Fires when `known` or `fatal` is set.
    settled: Notify,
    phase: watch::Sender<Phase>,
    workers: Arc<Semaphore>,
    is_connected: OnceLock<IsConnected>,
}

/// A node's way into the network. A handle: clones share it.
#[derive(Clone)]
pub struct Joining {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for Joining {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Joining").field("phase", &*self.inner.phase.borrow()).finish()
    }
}

impl Joining {
    /// Reads what earlier runs left in the data folder. Blocks on files.
    pub fn open(settings: JoinSettings, identity: Identity) -> Result<Self, JoinError> {
        let settings = JoinSettings {
            advertise_url: settings.advertise_url.trim_end_matches('/').to_owned(),
            bootstrap_url: settings.bootstrap_url.map(|url| url.trim_end_matches('/').to_owned()),
            join_token: settings.join_token.map(|token| token.trim().to_owned()),
            ..settings
        };
        settings.check()?;
        let (phase, _) = watch::channel(Phase::Starting);
        let joining = Self {
            inner: Arc::new(Inner {
                identity,
                started: Instant::now(),
                challenges: Mutex::default(),
                desk: Mutex::new(None),
                known: OnceLock::new(),
                pinning: Mutex::new(()),
                founding_seen: OnceLock::new(),
                fatal: Mutex::new(None),
                settled: Notify::new(),
                phase,
                workers: Arc::new(Semaphore::new(WORKERS)),
                is_connected: OnceLock::new(),
                settings,
            }),
        };
        let inner = &joining.inner;
        if let Some(pinned) = inner.file("network").load::<Pinned>()? {
            let network = inner.check(pinned)?;
            inner.learn(network, Vec::new())?;
        } else if inner.settings.is_bootstrap {
            let mut desk = inner.desk.lock().unwrap_or_else(PoisonError::into_inner);
            *desk = Some(inner.open_desk()?);
            inner.close_ring_if_complete(&mut desk)?;
        }
        Ok(joining)
    }

    /// The routes for the peer listener. They must be served before `establish` can succeed.
    pub fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Where this node is on its way, and every change of it.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.inner.phase.subscribe()
    }

    /// Waits until this node is a member, registering with the bootstrap node if it has to.
    pub async fn establish(&self, shutdown: &CancellationToken) -> Result<Membership, JoinError> {
        let inner = &self.inner;
        let registering = async {
            if inner.known.get().is_none() && !inner.settings.is_bootstrap {
                joiner::register(self).await
            } else {
                std::future::pending().await
            }
        };
        let settled = async {
            loop {
                let settled = inner.settled.notified();
                if let Some(error) = lock(&inner.fatal).take() {
                    return Err(error);
                }
                if let Some(known) = inner.known.get() {
                    return Ok(known.membership());
                }
                settled.await;
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => Err(JoinError::Stopped),
            membership = settled => membership,
            error = registering => Err(error),
        }
    }

    /// Tells the network to members that have no stream to this one (they may have lost it), until
    /// `shutdown`. Call it once, after `establish`, inside a tokio runtime.
    pub fn tell_others(&self, peers: PeerNetwork, shutdown: CancellationToken) -> Result<(), JoinError> {
        let probe = peers.clone();
        let _ = self.inner.is_connected.set(Box::new(move |id| probe.is_connected(id)));
        let teller = teller::Teller::new(self.clone())?;
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = teller.run(peers) => {}
            }
        });
        Ok(())
    }

    /// From now on the member may vote, so that a later start without its log must not rely on [`Membership::witnessed`].
    pub fn takes_part(&self) -> Result<(), JoinError> {
        Ok(self.inner.file(WITNESS).remove()?)
    }

    fn known(&self) -> Option<&Known> {
        self.inner.known.get()
    }
}

impl Known {
    fn membership(&self) -> Membership {
        let Network { ring, me, genesis, state, .. } = &self.network;
        Membership {
            ring: Arc::clone(ring),
            me: *me,
            genesis: genesis.clone(),
            genesis_state: state.clone(),
            urls: Arc::clone(&self.urls),
            witnessed: self.witnessed,
        }
    }

    /// Everything another node needs to know.
    fn package(&self) -> NetworkPackage {
        let mut package = self.network.package();
        package.records = to_base64(&self.urls.records());
        package.hints = self.urls.urls().into_iter().collect();
        package
    }
}

impl Inner {
    fn file(&self, name: &str) -> DurableFile {
        DurableFile::new(&self.settings.data_dir, name)
    }

    /// Time since the start of the process.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn set_phase(&self, phase: Phase) {
        self.phase.send_if_modified(|current| {
            let changed = *current != phase;
            *current = phase;
            changed
        });
    }

    fn check(&self, pinned: Pinned) -> Result<Network, NetworkError> {
        Network::check(pinned, &self.identity, &self.settings.parameters, self.settings.is_bootstrap)
    }

    /// Pins a checked network and lets `establish` return. The first one wins.
    fn learn(&self, network: Network, hints: Vec<(u16, String)>) -> Result<(), JoinError> {
        let _pinning = lock(&self.pinning);
        if self.known.get().is_some() {
            return Ok(());
        }
        self.file("network").store(network.pinned())?;
        self.file("registrations").remove()?;
        let bootstrap = self.settings.bootstrap_url.clone().map(|url| (0, url));
        let urls = UrlBook::open(
            Arc::clone(&network.ring),
            network.me,
            &self.settings.advertise_url,
            self.identity.consensus_key.clone(),
            self.file("urls"),
            hints.into_iter().chain(bootstrap),
        )?;
        info!(chain_id = %network.ring.chain_id(), id = network.me, "member of the network");
        let id = network.me;
        let founding = (network.ring.founding_id(), network.genesis.header.timestamp_ms);
        let seen: Option<Witness> = self.file(WITNESS).load()?;
        let witnessed = seen.is_some_and(|seen| seen.founding_id == founding.0 && seen.open_at_ms <= founding.1);
        if self.known.set(Known { network, urls: Arc::new(urls), witnessed }).is_ok() {
            self.set_phase(Phase::Joined { id });
            self.settled.notify_waiters();
        }
        Ok(())
    }

    /// Remembers that the ring was still open at `now_ms` of the bootstrap node's clock. The first time counts.
    fn witness(&self, founding_id: Hash, now_ms: u64) -> Result<(), FileError> {
        let file = self.file(WITNESS);
        if file.load::<Witness>()?.is_some_and(|seen| seen.founding_id == founding_id) {
            return Ok(());
        }
        file.store(&Witness { founding_id, open_at_ms: now_ms })
    }

    fn fail(&self, error: JoinError) {
        lock(&self.fatal).get_or_insert(error);
        self.settled.notify_waiters();
    }

    fn open_desk(&self) -> Result<Desk, JoinError> {
        let file = self.file("registrations");
        let found: Registrations = file.load()?.unwrap_or_default();
        if !found.is_empty() {
            info!(registrations = found.len(), "going on with the registrations of an earlier run");
        }
        let settings = &self.settings;
        let bootstrap = (self.identity.wallet.public_key().clone(), self.identity.consensus_public_key());
        let places = settings.parameters.nodes - 1;
        let store = Box::new(move |registrations: &Registrations| file.store(registrations));
        let desk = Desk::new(places, settings.timing.lease, bootstrap, found, self.now(), store);
        self.set_phase(Phase::WaitingForJoiners { id: 0, live: 0, needed: places });
        Ok(desk)
    }

    /// Founds the network if every place has a live joiner. The desk is closed afterwards.
    fn close_ring_if_complete(&self, desk: &mut Option<Desk>) -> Result<(), JoinError> {
        let Some(open) = desk.as_ref() else { return Ok(()) };
        let now = self.now();
        let Some(registrations) = open.complete(now) else {
            let (live, needed) = (open.live(now), open.places());
            self.set_phase(Phase::WaitingForJoiners { id: 0, live, needed });
            return Ok(());
        };
        let timestamp_ms = wall_clock_ms();
        self.witness(founding_id(&self.settings.parameters, self.identity.wallet.public_key()), timestamp_ms)?;
        let network = Network::found(&self.identity, &self.settings.parameters, registrations, timestamp_ms)?;
        let hints = registrations.iter().map(|(id, r)| (*id, r.url.clone())).collect();
        info!(members = network.ring.members().len(), "the ring is complete");
        self.learn(network, hints)?;
        *desk = None;
        Ok(())
    }

    /// A network told by another node, which this node may or may not be part of.
    fn told(&self, package: &NetworkPackage) -> Result<(), TellError> {
        let pinned = Pinned::from_package(package)?;
        if self.settings.is_bootstrap {
            return self.told_bootstrap(pinned, package);
        }
        let ring = pinned.ring()?;
        if self.founding_seen.get().is_some_and(|seen| *seen != ring.founding_id()) {
            return Err(TellError::Other(ring.chain_id()));
        }
        match self.check(pinned) {
            Ok(network) => Ok(self.learn(network, package.hints.clone())?),
            // Told about oneself in a network that cannot be right: nothing is gained by waiting.
            Err(error @ (NetworkError::Parameters(_) | NetworkError::ConsensusKey(_) | NetworkError::IsBootstrap)) => {
                let answer = TellError::Refused(error.to_string());
                self.fail(error.into());
                Err(answer)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A bootstrap node that came back empty takes its own network back. If another wallet founded
    /// the network whose members know this very address as their bootstrap node, this node would
    /// found a second one in its place: it stops.
    fn told_bootstrap(&self, pinned: Pinned, package: &NetworkPackage) -> Result<(), TellError> {
        let ring = pinned.ring()?;
        if ring.bootstrap() != self.identity.wallet.public_key() {
            let here = |(id, url): &(u16, String)| *id == 0 && url.trim_end_matches('/') == self.settings.advertise_url;
            if package.hints.iter().any(here) {
                self.fail(JoinError::ForeignNetwork(ring.chain_id()));
            } else {
                warn!(chain_id = %ring.chain_id(), "told about a network that is not this node's");
            }
            return Err(TellError::Other(ring.chain_id()));
        }
        let mut desk = lock(&self.desk);
        match self.check(pinned) {
            Ok(network) => {
                info!("members told this bootstrap node its network; registrations are dropped");
                self.learn(network, package.hints.clone())?;
                *desk = None;
                Ok(())
            }
            Err(error @ (NetworkError::Parameters(_) | NetworkError::ConsensusKey(_))) => {
                let answer = TellError::Refused(error.to_string());
                self.fail(error.into());
                Err(answer)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Why a network that was told is not taken.
#[derive(Debug, thiserror::Error)]
enum TellError {
    #[error("this node does not belong to the network {0}")]
    Other(Hash),
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Join(#[from] JoinError),
}

fn wall_clock_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
