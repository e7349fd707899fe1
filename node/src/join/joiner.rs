//! The joiner's side: asks the bootstrap node for a place until there is a network.

use std::time::Duration;

use axum::http::StatusCode;
use blockchat_api::printable;
use blockchat_ledger::{Hash, PublicKey, certification_bytes, founding_id};
use blockchat_names::Names;
use reqwest::Client;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{info, warn};

use super::Joining;
use super::network::{NetworkError, Pinned};
use super::settings::{JoinError, JoinSettings, Phase};
use super::wire::{
    FOUNDING_PATH, Founding, REGISTER_PATH, Register, Registered, first_difference, from_base64, proof_bytes, to_base64,
};
use crate::bounded;
use crate::peer::Problem;
use crate::telemetry::Seldom;

/// The longest answer that is read.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// What a request came to.
pub enum Failed {
    /// No answer, or one that is none: try again.
    Unreachable(String),
    /// A refusal.
    Refused(Problem),
}

/// A client for other nodes' peer listeners.
#[derive(Clone)]
pub struct PeerClient {
    http: Client,
    token: Option<String>,
}

impl PeerClient {
    /// With the join token and the time limit of the settings.
    pub fn new(settings: &JoinSettings) -> Result<Self, JoinError> {
        let http = Client::builder()
            .timeout(settings.timing.request)
            .no_proxy()
            .dns_resolver(Names::default())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| JoinError::Client(error.to_string()))?;
        Ok(Self { http, token: settings.join_token.clone() })
    }

    /// `GET`.
    pub async fn get<T: DeserializeOwned>(&self, base: &str, path: &str) -> Result<T, Failed> {
        self.send(self.http.get(format!("{base}{path}"))).await
    }

    /// `POST` of a JSON body.
    pub async fn post<T: DeserializeOwned>(
        &self,
        base: &str,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Failed> {
        self.send(self.http.post(format!("{base}{path}")).json(body)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, Failed> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let unreachable = |error: reqwest::Error| Failed::Unreachable(with_causes(&error));
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let Some(body) = bounded::body(&mut response, MAX_ANSWER_BYTES).await.map_err(unreachable)? else {
            return Err(Failed::Unreachable("the answer is too long".to_owned()));
        };
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|_| Failed::Unreachable("the answer is not of this protocol".to_owned()));
        }
        match serde_json::from_slice::<Problem>(&body) {
            // Both end in the log.
            Ok(Problem { status, code, detail }) => {
                Err(Failed::Refused(Problem { status, code: printable(&code), detail: printable(&detail) }))
            }
            Err(_) => Err(Failed::Unreachable(format!("answered {status}"))),
        }
    }
}

/// The error and what it was caused by: reqwest's own text names the URL only.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Before asking for the network of a ring that is complete.
const COMPLETE_PAUSE: Duration = Duration::from_millis(10);

/// Registers until the network is known (`establish` then returns it and drops this), or returns why
/// that will never be.
pub async fn register(joining: &Joining) -> JoinError {
    let settings = &joining.inner.settings;
    let Some(url) = settings.bootstrap_url.clone() else {
        let problem = "needed to join a network".to_owned();
        return JoinError::Setting { setting: "BOOTSTRAP_URL", problem };
    };
    let client = match PeerClient::new(settings) {
        Ok(client) => client,
        Err(error) => return error,
    };
    let mut joiner = Joiner { joining, client, url, place: None, refused_since: None };
    let mut waits = Waits::new(settings);
    loop {
        let pause = match joiner.step().await {
            Ok(Step::Joined) => return std::future::pending().await,
            Ok(Step::Renewed) => {
                waits.reset();
                settings.timing.renew_every
            }
            Ok(Step::Complete) => COMPLETE_PAUSE,
            Ok(Step::Again) => Duration::ZERO,
            Err(StepError::Fatal(error)) => return error,
            Err(StepError::Retry(reason)) => {
                waits.complain(&joiner.url, &reason);
                waits.next()
            }
        };
        tokio::time::sleep(pause).await;
    }
}

enum Step {
    Joined,
    Renewed,
    /// The ring is complete: the next answer brings the network.
    Complete,
    Again,
}

enum StepError {
    Retry(String),
    Fatal(JoinError),
}

/// What the bootstrap node offered, and this node's certification for it.
struct Place {
    founding_id: Hash,
    certification: String,
    challenge: Hash,
    id: Option<u16>,
}

struct Joiner<'a> {
    joining: &'a Joining,
    client: PeerClient,
    url: String,
    place: Option<Place>,
    refused_since: Option<Instant>,
}

impl Joiner<'_> {
    /// One request and what follows from its answer.
    async fn step(&mut self) -> Result<Step, StepError> {
        let Some(place) = &self.place else {
            let founding = self.client.get::<Founding>(&self.url, FOUNDING_PATH).await;
            let founding = founding.map_err(|failed| self.judge(failed))?;
            self.place = Some(self.certify(&founding)?);
            return Ok(Step::Again);
        };
        let request = self.request(place)?;
        let answer = self.client.post::<Registered>(&self.url, REGISTER_PATH, &request).await;
        let answer = answer.map_err(|failed| self.judge(failed))?;
        self.take(answer)
    }

    fn certify(&self, founding: &Founding) -> Result<Place, StepError> {
        let inner = &self.joining.inner;
        if let Some(difference) = first_difference(&inner.settings.parameters, &founding.parameters) {
            return Err(StepError::Fatal(NetworkError::Parameters(difference).into()));
        }
        let unusable = || StepError::Retry("its offer is malformed".to_owned());
        let bootstrap = from_base64(&founding.bootstrap).and_then(|der| PublicKey::from_der(&der).ok());
        let expected = founding_id(&founding.parameters, &bootstrap.ok_or_else(unusable)?);
        if expected != founding.founding_id {
            return Err(unusable());
        }
        // A bootstrap node with another key is another network: this process has certified its key
        // for one, and must not be in two.
        if *inner.founding_seen.get_or_init(|| expected) != expected {
            return Err(StepError::Fatal(JoinError::Refused {
                url: self.url.clone(),
                code: "bootstrap_changed".to_owned(),
                detail: "its wallet is not the one it showed before".to_owned(),
            }));
        }
        let key = inner.identity.consensus_public_key();
        let certification = self.sign(&certification_bytes(&expected, &key))?;
        Ok(Place { founding_id: expected, certification, challenge: founding.challenge, id: None })
    }

    fn request(&self, place: &Place) -> Result<Register, StepError> {
        let inner = &self.joining.inner;
        let wallet = inner.identity.wallet.public_key();
        let key = inner.identity.consensus_public_key();
        let url = &inner.settings.advertise_url;
        let proof = proof_bytes(&place.founding_id, &wallet.account_id(), &key, url, &place.challenge);
        Ok(Register {
            wallet: to_base64(wallet.der()),
            consensus_key: Hash(key),
            certification: place.certification.clone(),
            url: url.clone(),
            parameters: inner.settings.parameters.clone(),
            challenge: place.challenge,
            proof: self.sign(&proof)?,
        })
    }

    fn sign(&self, bytes: &[u8]) -> Result<String, StepError> {
        let signature = self.joining.inner.identity.wallet.sign(bytes);
        let signature = signature.map_err(|error| StepError::Fatal(NetworkError::Signing(error).into()))?;
        Ok(to_base64(&signature))
    }

    fn take(&mut self, answer: Registered) -> Result<Step, StepError> {
        let inner = &self.joining.inner;
        self.refused_since = None;
        if let Some(package) = answer.network {
            let fatal = |error: NetworkError| StepError::Fatal(error.into());
            let network = Pinned::from_package(&package).and_then(|pinned| inner.check(pinned)).map_err(fatal)?;
            if Some(&network.ring.founding_id()) != inner.founding_seen.get() {
                return Err(fatal(NetworkError::NotAMember(network.ring.chain_id())));
            }
            inner.learn(network, package.hints).map_err(StepError::Fatal)?;
            return Ok(Step::Joined);
        }
        let Some(place) = &mut self.place else { return Ok(Step::Again) };
        if place.id != Some(answer.id) {
            info!(id = answer.id, bootstrap = %self.url, "registered");
        }
        place.id = Some(answer.id);
        place.challenge = answer.challenge;
        let Registered { id, live, needed, now_ms, .. } = answer;
        let witnessed = inner.witness(place.founding_id, now_ms);
        witnessed.map_err(|error| StepError::Fatal(error.into()))?;
        inner.set_phase(Phase::WaitingForJoiners { id, live, needed });
        Ok(if live == needed { Step::Complete } else { Step::Renewed })
    }

    /// Whether waiting can help. A refusal because of another live node with this wallet may be about
    /// an earlier life of this one, so it is final only after its lease has run out twice.
    fn judge(&mut self, failed: Failed) -> StepError {
        let inner = &self.joining.inner;
        let url = self.url.clone();
        // The next attempt starts with what the bootstrap node offers then.
        self.place = None;
        let problem = match failed {
            Failed::Unreachable(reason) => {
                inner.set_phase(Phase::WaitingForBootstrap { url });
                return StepError::Retry(reason);
            }
            Failed::Refused(problem) => problem,
        };
        let Problem { status, code, detail } = problem;
        let busy = status >= 500 || status == StatusCode::REQUEST_TIMEOUT || code == "stale_challenge";
        if busy {
            return StepError::Retry(format!("{detail} ({code})"));
        }
        if code == "key_in_use" {
            let since = *self.refused_since.get_or_insert_with(Instant::now);
            if since.elapsed() < inner.settings.timing.lease * 2 {
                return StepError::Retry(format!("{detail} ({code})"));
            }
        }
        StepError::Fatal(JoinError::Refused { url, code, detail })
    }
}

/// Pauses that grow, and complaints that do not flood the log.
struct Waits {
    first: Duration,
    last: Duration,
    next: Duration,
    complaints: Seldom,
}

impl Waits {
    fn new(settings: &JoinSettings) -> Self {
        let timing = settings.timing;
        Self {
            first: timing.retry_first,
            last: timing.retry_last,
            next: timing.retry_first,
            complaints: Seldom::every(timing.complain_every),
        }
    }

    fn reset(&mut self) {
        self.next = self.first;
        self.complaints.reset();
    }

    fn next(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(self.last);
        pause
    }

    fn complain(&mut self, url: &str, reason: &str) {
        if self.complaints.due().is_some() {
            warn!(bootstrap = %url, %reason, "waiting for the bootstrap node");
        }
    }
}
