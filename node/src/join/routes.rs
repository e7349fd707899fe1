//! The joining routes of the peer listener.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use blockchat_ledger::{Hash, PublicKey, certification_bytes, founding_id};
use sha2::{Digest, Sha256};
use tracing::{error, info};

use super::desk::{DeskError, Registration};
use super::urls::MAX_URL_BYTES;
use super::wire::{
    DESCRIPTOR_PATH, FOUNDING_PATH, Founding, NetworkPackage, REGISTER_PATH, Register, Registered, Told,
    first_difference, from_base64, proof_bytes, to_base64,
};
use super::{Joining, TellError, lock, wall_clock_ms};
use crate::peer::{Directory, Problem, host_and_port};

pub fn router(joining: Joining) -> Router {
    Router::new()
        .route(FOUNDING_PATH, get(founding))
        .route(REGISTER_PATH, post(register))
        .route(DESCRIPTOR_PATH, get(descriptor).post(told))
        .layer(middleware::from_fn_with_state(joining.clone(), check_token))
        .with_state(joining)
}

fn refuse(status: StatusCode, code: &str, detail: impl Into<String>) -> Problem {
    Problem::new(status, code, detail)
}

/// With a join token configured, every request must carry it.
async fn check_token(State(joining): State<Joining>, request: Request, next: Next) -> Response {
    let Some(expected) = &joining.inner.settings.join_token else { return next.run(request).await };
    let given = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let given = given.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
    if same_secret(given, expected.as_bytes()) {
        next.run(request).await
    } else {
        refuse(StatusCode::UNAUTHORIZED, "bad_join_token", "the join token is missing or wrong (JOIN_TOKEN_FILE)")
            .into_response()
    }
}

/// In constant time, also as to the length.
fn same_secret(given: &[u8], expected: &[u8]) -> bool {
    let (given, expected) = (Sha256::digest(given), Sha256::digest(expected));
    aws_lc_rs::constant_time::verify_slices_are_equal(&given, &expected).is_ok()
}

async fn founding(State(joining): State<Joining>) -> Result<Json<Founding>, Problem> {
    let (bootstrap, founding_id) = offered(&joining)?;
    Ok(Json(Founding {
        parameters: joining.inner.settings.parameters.clone(),
        bootstrap: to_base64(bootstrap.der()),
        founding_id,
        challenge: challenge(&joining),
    }))
}

/// The bootstrap wallet and founding id of the network that is being founded here or known here.
fn offered(joining: &Joining) -> Result<(PublicKey, Hash), Problem> {
    let settings = &joining.inner.settings;
    if let Some(known) = joining.known() {
        let ring = &known.network.ring;
        return Ok((ring.bootstrap().clone(), ring.founding_id()));
    }
    if settings.is_bootstrap {
        let key = joining.inner.identity.wallet.public_key().clone();
        let id = founding_id(&settings.parameters, &key);
        return Ok((key, id));
    }
    let detail = "this node is not the bootstrap node and has not joined yet";
    Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "not_joined", detail))
}

fn challenge(joining: &Joining) -> Hash {
    lock(&joining.inner.challenges).give(joining.inner.now(), &mut rand::rngs::OsRng)
}

async fn register(State(joining): State<Joining>, Json(request): Json<Register>) -> Result<Json<Registered>, Problem> {
    let requests = joining.inner.settings.requests.clone();
    let result = blocking(joining, move |joining| admit(joining, &request)).await;
    if let Some(requests) = requests {
        let code = result.as_ref().err().map_or("accepted", |problem| problem.code.as_str());
        requests.with_label_values(&[code]).inc();
    }
    result.map(Json)
}

async fn told(State(joining): State<Joining>, Json(package): Json<NetworkPackage>) -> Result<Json<Told>, Problem> {
    blocking(joining, move |joining| take_network(joining, &package)).await.map(Json)
}

async fn descriptor(State(joining): State<Joining>) -> Result<Json<NetworkPackage>, Problem> {
    let not_joined = || refuse(StatusCode::SERVICE_UNAVAILABLE, "not_joined", "this node is not a member yet");
    joining.known().map(|known| Json(known.package())).ok_or_else(not_joined)
}

/// Runs what verifies signatures and writes files, off the tasks that carry consensus.
async fn blocking<T: Send + 'static>(
    joining: Joining,
    work: impl FnOnce(&Joining) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let stopped = || refuse(StatusCode::SERVICE_UNAVAILABLE, "stopping", "this node is stopping");
    let workers = Arc::clone(&joining.inner.workers);
    let worker = workers.acquire_owned().await.map_err(|_| stopped())?;
    let work = move || {
        // Held by the work itself: a request that is given up does not make room for another.
        let _worker = worker;
        work(&joining)
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| stopped())?
}

fn admit(joining: &Joining, request: &Register) -> Result<Registered, Problem> {
    let new = verified(joining, request)?;
    let inner = &joining.inner;
    let mut desk = lock(&inner.desk);
    let Some(open) = desk.as_mut() else {
        drop(desk);
        return returning(joining, &new);
    };
    // Read while the ring is open, so that its genesis is not earlier.
    let now_ms = wall_clock_ms();
    let account = new.wallet.account_id();
    let id = open.register(inner.now(), new).map_err(|error| match error {
        DeskError::BootstrapKey => refuse(StatusCode::CONFLICT, "bootstrap_key", error.to_string()),
        DeskError::KeyInUse(_) => refuse(StatusCode::CONFLICT, "key_in_use", error.to_string()),
        DeskError::ConsensusKeyTaken => refuse(StatusCode::CONFLICT, "consensus_key_taken", error.to_string()),
        DeskError::Held(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "places_held", error.to_string()),
        DeskError::Store(error) => internal(&error),
    })?;
    let (live, needed) = (open.live(inner.now()), open.places());
    let before = inner.phase.borrow().clone();
    inner.close_ring_if_complete(&mut desk).map_err(|error| internal(&error))?;
    drop(desk);
    if *inner.phase.borrow() != before {
        info!(id, account = %account.short(), live, needed, "a joiner registered");
    }
    // Even if this registration closed the ring: the answer shows the joiner that it has not taken part before.
    Ok(Registered { id, live, needed, challenge: challenge(joining), now_ms, network: None })
}

/// Everything about a registration that does not depend on others.
fn verified(joining: &Joining, request: &Register) -> Result<Registration, Problem> {
    let bad_request = |detail: &str| refuse(StatusCode::BAD_REQUEST, "bad_registration", detail);
    let (_, founding_id) = offered(joining)?;
    if let Some(difference) = first_difference(&request.parameters, &joining.inner.settings.parameters) {
        return Err(refuse(StatusCode::CONFLICT, "parameters_differ", difference));
    }
    if request.url.len() > MAX_URL_BYTES || host_and_port(&request.url).is_err() {
        return Err(bad_request("the advertised URL is not of the form http://host:port"));
    }
    let wallet = from_base64(&request.wallet).and_then(|der| PublicKey::from_der(&der).ok());
    let wallet = wallet.ok_or_else(|| bad_request("the wallet is not an RSA public key of an accepted form"))?;
    let certification = from_base64(&request.certification);
    let certification = certification.ok_or_else(|| bad_request("the certification is not base64"))?;
    let proof = from_base64(&request.proof).ok_or_else(|| bad_request("the proof is not base64"))?;
    let consensus_key = request.consensus_key.0;
    let usable = ed25519_dalek::VerifyingKey::from_bytes(&consensus_key).is_ok_and(|key| !key.is_weak());
    if !usable {
        return Err(bad_request("the consensus key is not an Ed25519 public key"));
    }
    if !lock(&joining.inner.challenges).take(joining.inner.now(), &request.challenge) {
        let detail = "the challenge is not known, too old or used already; take another";
        return Err(refuse(StatusCode::FORBIDDEN, "stale_challenge", detail));
    }
    let account = wallet.account_id();
    let proven = proof_bytes(&founding_id, &account, &consensus_key, &request.url, &request.challenge);
    if wallet.verify(&proven, &proof).is_err() {
        let detail = "the proof is not signed by this wallet";
        return Err(refuse(StatusCode::FORBIDDEN, "bad_proof", detail));
    }
    let certified = certification_bytes(&founding_id, &consensus_key);
    if wallet.verify(&certified, &certification).is_err() {
        let detail = "the certification of the consensus key is not signed by this wallet";
        return Err(refuse(StatusCode::FORBIDDEN, "bad_proof", detail));
    }
    Ok(Registration { wallet, consensus_key, certification, url: request.url.clone() })
}

/// Registrations after the ring was closed: members that lost their data are told what they are.
fn returning(joining: &Joining, new: &Registration) -> Result<Registered, Problem> {
    let Some(known) = joining.known() else {
        let detail = "this node is not the bootstrap node and has not joined yet";
        return Err(refuse(StatusCode::SERVICE_UNAVAILABLE, "not_joined", detail));
    };
    let ring = &known.network.ring;
    let Some(id) = ring.id_of(&new.wallet.account_id()) else {
        return Err(refuse(StatusCode::CONFLICT, "network_full", "network is full"));
    };
    if ring.member(id).is_none_or(|member| member.consensus_key != new.consensus_key) {
        let detail = format!("member {id} has another consensus key; restore its consensus key file");
        return Err(refuse(StatusCode::CONFLICT, "consensus_key_differs", detail));
    }
    let connected = joining.inner.is_connected.get().is_some_and(|is_connected| is_connected(id));
    let elsewhere = known.urls.url_of(id).filter(|url| *url != new.url);
    if id == known.network.me || (connected && elsewhere.is_some()) {
        let detail = format!("member {id} is running elsewhere with this wallet; two nodes cannot share one");
        return Err(refuse(StatusCode::CONFLICT, "key_in_use", detail));
    }
    let needed = ring.parameters().nodes - 1;
    info!(id, "a member came back without its data");
    let network = Some(known.package());
    Ok(Registered { id, live: needed, needed, challenge: challenge(joining), now_ms: wall_clock_ms(), network })
}

fn take_network(joining: &Joining, package: &NetworkPackage) -> Result<Told, Problem> {
    let conflict = |detail: String| refuse(StatusCode::CONFLICT, "other_network", detail);
    if joining.known().is_none() {
        joining.inner.told(package).map_err(|error| match error {
            TellError::Join(error) => internal(&error),
            error => conflict(error.to_string()),
        })?;
    }
    let Some(known) = joining.known() else { return Err(conflict("not taken".to_owned())) };
    let chain_id = known.network.ring.chain_id();
    if package.descriptor != known.network.package().descriptor {
        return Err(conflict(format!("this node belongs to the network {chain_id}")));
    }
    let learnt = from_base64(&package.records).is_some_and(|records| known.urls.learn(&records));
    if !learnt {
        return Err(refuse(StatusCode::BAD_REQUEST, "bad_records", "the URL records are malformed"));
    }
    Ok(Told { chain_id, records: to_base64(&known.urls.records()) })
}

fn internal(error: &dyn std::error::Error) -> Problem {
    error!(%error, "joining");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this node could not store its answer")
}
