//! One run of the node: open what is on disk, join, start everything, wait, stop in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use blockchat_consensus::{CoreConfig, LogStatus, Recovered};
use blockchat_ledger::{SignedTransaction, Wallet};
use ed25519_dalek::SigningKey;
use rand::RngCore;
use rand::rngs::OsRng;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, EXIT_USAGE};
use crate::http::{self, Activity, ApiToken, AppState, Joined};
use crate::join::{Identity, JoinError, JoinSettings, JoinTiming, Joining, Membership};
use crate::keys::{self, KeysError};
use crate::peer::{
    Directory as _, PeerBytes, PeerNetwork, PeerServer, PeerSettings, ServerError, ServerLimits, StreamDoor,
};
use crate::runtime::{self, EXIT_FATAL, RuntimeError};
use crate::storage::log::disk::Directory;
use crate::storage::{self, DataDir, OpenLog, Reader, Store, StoreError, Writer};
use crate::telemetry::{Metrics, Place, TelemetryError, TraceSettings, Traces, init_logging};
use crate::wallet::{self, WalletParts};

/// After the request to stop, the thread that owns the state gets this long to finish and sync.
const STOP: Duration = Duration::from_secs(10);

/// Why a run ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Logs or metrics.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The wallet's file.
    #[error("WALLET_FILE: {0}")]
    Key(#[from] KeysError),
    /// Store, log or data directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener can't be bound.
    #[error("{setting}: cannot listen on {address}: {source}")]
    Bind {
        /// The setting.
        setting: &'static str,
        /// Its address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The peer listener can't be bound.
    #[error(transparent)]
    Peer(#[from] ServerError),
    /// The network can't be joined.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The store belongs to another network than the folder.
    #[error("DATA_DIR: its store belongs to another network than its descriptor")]
    OtherNetwork,
    /// The thread that owns the state has ended.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A thread has panicked.
    #[error("a thread ended unexpectedly")]
    Panic,
    /// The state's thread did not stop in time.
    #[error("the node did not stop within {} s", STOP.as_secs())]
    Stuck,
}

impl AppError {
    /// The exit code of the process: 64 when another setting is needed, 70 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Bind { .. } | Self::Peer(_) | Self::Key(_) | Self::Join(JoinError::Setting { .. }) => EXIT_USAGE,
            _ => EXIT_FATAL,
        }
    }
}

/// What a run tells those who watch it.
struct Watched {
    metrics: Metrics,
    place: Place,
    traces: Traces,
}

/// What is on disk, opened.
struct Opened {
    // The lock goes last: nobody else may open the rest before it is closed.
    open: OpenLog<Directory>,
    store: Store,
    wallet: Arc<Wallet>,
    consensus_key: SigningKey,
    _data: DataDir,
}

/// Runs until `shutdown` or until the node can't go on.
pub async fn run(config: Config, shutdown: CancellationToken) -> Result<(), AppError> {
    let metrics = if config.metrics { Metrics::register(&prometheus::Registry::new()) } else { Metrics::off() };
    let metrics = metrics.map_err(TelemetryError::from)?;
    let place = Place::default();
    let traces = match trace_settings(&config) {
        Some(settings) => Traces::start(&settings, &metrics.trace, &place)?,
        None => Traces::default(),
    };
    init_logging(&log_filter(&config.log), config.log_format, &place, &traces)?;
    let watched = Watched { metrics, place, traces: traces.clone() };
    let result = observed(config, watched, shutdown).await;
    blocking(move || traces.stop()).await?;
    result
}

/// Where traces go, if anywhere.
fn trace_settings(config: &Config) -> Option<TraceSettings> {
    let endpoint = config.otlp_endpoint.clone()?;
    Some(TraceSettings { endpoint, ratio: config.trace_ratio, instance: config.advertise_url.clone() })
}

/// The run, with everything in place that watches it.
async fn observed(config: Config, watched: Watched, shutdown: CancellationToken) -> Result<(), AppError> {
    let metrics = &watched.metrics;
    metrics.watch_storage(config.data_dir.clone());
    let tasks = TaskTracker::new();
    let token = config.api_token.as_ref().and_then(|token| ApiToken::new(token.expose()));
    let app = AppState::new(metrics.clone(), token);
    app.set_origins(config.cors_origins.clone());

    let api = bind("LISTEN", config.listen).await?;
    let admin = bind("ADMIN_LISTEN", config.admin_listen).await?;
    let peers = PeerServer::bind(config.peer_listen, ServerLimits::default()).await?;
    let opened = blocking({
        let config = config.clone();
        move || open(&config)
    })
    .await??;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        wallet = %opened.wallet.public_key().account_id().short(),
        listen = %config.listen,
        peer_listen = %peers.address(),
        admin_listen = %config.admin_listen,
        "starting"
    );
    tasks.spawn(http::serve(api, app.clone(), shutdown.child_token()));
    tasks.spawn(http::serve_admin(admin, app.clone(), shutdown.child_token()));

    let door = StreamDoor::new();
    let joining = open_joining(&config, &opened, metrics).await?;
    tasks.spawn(peers.serve(joining.router().merge(door.router()), shutdown.child_token()));
    let membership = match establish(&joining, &app, &shutdown).await {
        Err(JoinError::Stopped) => {
            drain(&tasks).await;
            return Ok(());
        }
        joined => joined?,
    };

    let result = take_part(config, opened, joining, membership, &door, app, watched, &shutdown).await;
    shutdown.cancel();
    drain(&tasks).await;
    result
}

/// The engine logs every vote at the level `info`: it speaks up only when something is wrong, or when it is named.
fn log_filter(filter: &str) -> String {
    let quiet = ["error", "off"].contains(&filter) || filter.contains("malachite");
    if quiet { filter.to_owned() } else { format!("{filter},arc_malachitebft_core_consensus=warn") }
}

async fn bind(setting: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Bind { setting, address, source })
}

/// Runs what waits for disks off the tasks that serve.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AppError::Panic)
}

async fn drain(tasks: &TaskTracker) {
    tasks.close();
    // Each server bounds its own drain; this is for one that doesn't keep to it.
    if tokio::time::timeout(STOP, tasks.wait()).await.is_err() {
        tracing::warn!("a listener did not stop in time");
    }
}

fn open(config: &Config) -> Result<Opened, AppError> {
    let data = DataDir::lock(&config.data_dir)?;
    let wallet = keys::wallet(&config.wallet_file, config.wallet_passphrase.as_ref())?;
    let consensus_key = keys::consensus(&wallet).map_err(KeysError::from)?;
    let store = data.store()?;
    let mut fresh = [0; 16];
    OsRng.fill_bytes(&mut fresh);
    let open = storage::open_log(data.log()?, &store, fresh)?;
    Ok(Opened { open, store, wallet: Arc::new(wallet), consensus_key, _data: data })
}

async fn open_joining(config: &Config, opened: &Opened, metrics: &Metrics) -> Result<Joining, AppError> {
    let settings = JoinSettings {
        data_dir: config.data_dir.clone(),
        parameters: config.parameters.clone(),
        is_bootstrap: config.bootstrap,
        bootstrap_url: Some(config.bootstrap_url.clone()),
        advertise_url: config.advertise_url.clone(),
        join_token: config.join_token.as_ref().map(|token| token.expose().to_owned()),
        requests: Some(metrics.peer.join_requests_total.clone()),
        timing: JoinTiming::default(),
    };
    let identity = Identity { wallet: opened.wallet.clone(), consensus_key: opened.consensus_key.clone() };
    Ok(blocking(move || Joining::open(settings, identity)).await??)
}

/// Waits for membership, and tells those who ask what it waits for.
async fn establish(joining: &Joining, app: &AppState, shutdown: &CancellationToken) -> Result<Membership, JoinError> {
    let mut phase = joining.phase();
    let tell = async {
        loop {
            app.set_waiting_for(phase.borrow_and_update().to_string());
            if phase.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        membership = joining.establish(shutdown) => membership,
        () = tell => Err(JoinError::Stopped),
    }
}

/// From joining to the end.
#[expect(clippy::too_many_arguments)]
async fn take_part(
    config: Config,
    opened: Opened,
    joining: Joining,
    membership: Membership,
    door: &StreamDoor,
    app: AppState,
    watched: Watched,
    shutdown: &CancellationToken,
) -> Result<(), AppError> {
    let Watched { metrics, place, traces } = watched;
    let (senders, inputs) = runtime::queues(traces.clone());
    let streams = shutdown.child_token();
    let settings = PeerSettings::new(
        membership.ring.clone(),
        membership.me,
        opened.consensus_key.clone(),
        membership.urls.clone(),
        PeerBytes::new(metrics.peer.peer_bytes_total.clone()),
    );
    let Opened { mut open, store, wallet, consensus_key, _data } = opened;
    let (failed, store_failed) = oneshot::channel();
    let started = blocking({
        let (membership, store) = (membership.clone(), store.clone());
        move || recover(&membership, &mut open, &store, failed).map(|recovered| (recovered, open))
    });
    let ((recovered, writer, reader), open) = started.await??;
    let network = PeerNetwork::start(settings, senders, door, streams.clone());
    joining.tell_others(network.clone(), streams.clone())?;

    let activity = Activity::default();
    let nonce = recovered.state.account(&wallet.public_key().account_id()).map_or(0, |account| account.nonce);
    let pending = reader.own_from(nonce)?;
    let mut nonce_seed = [0; 32];
    OsRng.fill_bytes(&mut nonce_seed);
    let core = CoreConfig {
        me: membership.me,
        ring: membership.ring.clone(),
        consensus_key,
        grants_signer: (membership.me == 0).then(|| wallet.clone() as _),
        timing: config.timing,
        pool: config.pool,
        accept_lost_log: config.accept_lost_log,
        nonce_seed,
    };
    let parts = runtime::Parts {
        core,
        recovered,
        log: open.log,
        writer,
        reader: reader.clone(),
        outbound: Arc::new(network.clone()),
        activity: activity.clone(),
        metrics: metrics.clone(),
        traces: traces.clone(),
        place,
    };
    let runtime = blocking(move || runtime::spawn(parts, inputs)).await??;
    // What was lost before is in the new log now, so the next start may trust it.
    store.log_is_in_use()?;
    joining.takes_part()?;

    let backend = Arc::new(runtime.handle.clone());
    let parts = WalletParts {
        signer: wallet,
        ring: membership.ring.clone(),
        backend: backend.clone(),
        chain: Arc::new(reader.clone()),
        activity: activity.clone(),
        metrics: metrics.verify.clone(),
        traces: traces.clone(),
    };
    let pending: Vec<(Option<String>, SignedTransaction)> =
        pending.into_iter().map(|own| (own.key, own.transaction)).collect();
    let (wallet, _task) = wallet::spawn(parts, pending);
    let urls = membership.urls.clone();
    app.join(Joined {
        me: membership.me,
        ring: membership.ring.clone(),
        backend,
        chain: Arc::new(reader),
        activity,
        wallet,
        urls: Arc::new(move |id| urls.url_of(id)),
        connected: Arc::new(move |id| network.is_connected(id)),
        traces,
    });
    wait(runtime, store_failed, shutdown).await
}

/// What the core starts from, and the storage thread.
fn recover(
    membership: &Membership,
    open: &mut OpenLog<Directory>,
    store: &Store,
    failed: oneshot::Sender<String>,
) -> Result<(Recovered, Writer, Reader), AppError> {
    match store.descriptor()? {
        None => store.found(&membership.ring, &membership.genesis, &membership.genesis_state)?,
        Some(descriptor) if descriptor == *membership.ring.descriptor() => {}
        Some(_) => return Err(AppError::OtherNetwork),
    }
    let (tip, state) = store.load()?;
    let log = open.status(store, membership.witnessed)?;
    match &log {
        LogStatus::Lost { reason } => tracing::warn!(reason, "the log of this member is lost"),
        LogStatus::New | LogStatus::Intact => {}
    }
    let (writer, reader) = storage::start(store.clone(), move |error| {
        let _ = failed.send(error.to_string());
    })?;
    let tip_certificate = store.certificate(tip.index)?;
    let recovered = Recovered { tip, tip_certificate, state, records: std::mem::take(&mut open.records), log };
    Ok((recovered, writer, reader))
}

/// Until somebody asks to stop, or the state's thread ends on its own.
async fn wait(
    mut runtime: runtime::Runtime,
    store_failed: oneshot::Receiver<String>,
    shutdown: &CancellationToken,
) -> Result<(), AppError> {
    let failed = async {
        match store_failed.await {
            Ok(reason) => reason,
            // The thread ended without a failure: the node is stopping.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = &mut runtime.ended => return ended.map_err(|_| AppError::Panic)?.map_err(AppError::from),
        reason = failed => return Err(StoreError::Failed(reason).into()),
        () = shutdown.cancelled() => {}
    }
    tracing::info!("stopping");
    runtime.handle.stop();
    match tokio::time::timeout(STOP, runtime.ended).await {
        Err(_) => Err(AppError::Stuck),
        Ok(Err(_)) => Err(AppError::Panic),
        Ok(Ok(result)) => Ok(result?),
    }
}
