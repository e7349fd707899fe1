//! Nodes that can be killed, wiped and started again, and registrations written by hand.

use std::net::SocketAddr;

use blockchat_ledger::{Parameters, certification_bytes};
use ed25519_dalek::SigningKey;
use tempfile::TempDir;

use super::super::joiner::{Failed, PeerClient};
use super::super::wire::*;
use super::super::*;
use crate::peer::testing::{consensus_key, wallet};
use crate::peer::{Inbox, PeerBytes, PeerInput, PeerServer, PeerSettings, Problem, ServerLimits, StreamDoor};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn timing() -> JoinTiming {
    let milliseconds = Duration::from_millis;
    JoinTiming {
        lease: milliseconds(800),
        renew_every: milliseconds(50),
        retry_first: milliseconds(20),
        retry_last: milliseconds(100),
        complain_every: milliseconds(500),
        tell_every: milliseconds(100),
        request: milliseconds(2000),
    }
}

/// What survives a restart of a node: keys, data folder, address, configuration.
pub(super) struct Machine {
    pub(super) index: u16,
    pub(super) key: SigningKey,
    pub(super) folder: TempDir,
    pub(super) address: SocketAddr,
    pub(super) settings: JoinSettings,
}

/// A free port; the listener that found it is closed before the node opens its own.
pub(super) async fn free_address() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

impl Machine {
    pub(super) async fn new(index: u16, nodes: u16, bootstrap: Option<&Machine>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address().await;
        let settings = JoinSettings {
            data_dir: folder.path().to_owned(),
            parameters: Parameters::assignment(nodes, 10),
            is_bootstrap: bootstrap.is_none(),
            bootstrap_url: bootstrap.map(Machine::url),
            advertise_url: format!("http://{address}"),
            join_token: None,
            requests: None,
            timing: timing(),
        };
        Self { index, key: consensus_key(index), folder, address, settings }
    }

    pub(super) fn url(&self) -> String {
        self.settings.advertise_url.clone()
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { wallet: Arc::new(wallet(usize::from(self.index))), consensus_key: self.key.clone() }
    }

    pub(super) fn wipe(&mut self) {
        self.folder = tempfile::tempdir().unwrap();
        self.settings.data_dir = self.folder.path().to_owned();
    }

    pub(super) fn registered(&self) -> bool {
        self.folder.path().join("registrations").exists()
    }

    pub(super) async fn start(&self) -> Process {
        let shutdown = CancellationToken::new();
        let server = PeerServer::bind(self.address, ServerLimits::default()).await.unwrap();
        let joining = Joining::open(self.settings.clone(), self.identity()).unwrap();
        let door = StreamDoor::new();
        let router = joining.router().merge(door.router());
        let serving = tokio::spawn(server.serve(router, shutdown.clone()));
        let phase = joining.phase();
        let membership = {
            let (joining, shutdown, key) = (joining.clone(), shutdown.clone(), self.key.clone());
            tokio::spawn(async move {
                let membership = joining.establish(&shutdown).await?;
                let settings = PeerSettings::new(
                    Arc::clone(&membership.ring),
                    membership.me,
                    key,
                    membership.urls.clone(),
                    PeerBytes::unread(),
                );
                let peers = PeerNetwork::start(settings, Deaf, &door, shutdown.clone());
                joining.tell_others(peers.clone(), shutdown)?;
                Ok((membership, peers))
            })
        };
        Process { shutdown, serving, membership: Some(membership), phase, joining }
    }
}

#[derive(Clone)]
pub(super) struct Deaf;

impl Inbox for Deaf {
    type Message = blockchat_consensus::PeerMessage;

    async fn deliver(&self, _: PeerInput<Self::Message>) -> bool {
        true
    }
}

pub(super) type Outcome = Result<(Membership, PeerNetwork), JoinError>;

/// A running node.
pub(super) struct Process {
    pub(super) shutdown: CancellationToken,
    pub(super) serving: tokio::task::JoinHandle<()>,
    pub(super) membership: Option<tokio::task::JoinHandle<Outcome>>,
    pub(super) phase: watch::Receiver<Phase>,
    pub(super) joining: Joining,
}

impl Process {
    pub(super) async fn outcome(&mut self) -> Outcome {
        let task = self.membership.take().unwrap();
        tokio::time::timeout(PATIENCE, task).await.expect("joins or fails").unwrap()
    }

    pub(super) async fn joined(&mut self) -> Membership {
        self.outcome().await.unwrap().0
    }

    pub(super) async fn failed(&mut self) -> String {
        self.outcome().await.unwrap_err().to_string()
    }

    pub(super) async fn reaches(&mut self, expected: impl Fn(&Phase) -> bool) -> Phase {
        let reached = self.phase.wait_for(|phase| expected(phase));
        tokio::time::timeout(PATIENCE, reached).await.unwrap().unwrap().clone()
    }

    pub(super) async fn kill(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
        if let Some(membership) = self.membership {
            let _ = membership.await.unwrap();
        }
        // Unlike the death of a process, this one leaves the work that was begun to end.
        let _ = self.joining.inner.workers.acquire_many(u32::try_from(WORKERS).unwrap()).await.unwrap();
    }
}

pub(super) fn registered_as(id: u16) -> impl Fn(&Phase) -> bool {
    move |phase| matches!(phase, Phase::WaitingForJoiners { id: found, .. } if *found == id)
}

/// A running network: machines and processes by member id.
pub(super) async fn network(nodes: u16) -> (Vec<Machine>, Vec<Process>, Vec<Membership>) {
    let mut machines = vec![Machine::new(0, nodes, None).await];
    let mut processes = vec![machines[0].start().await];
    for index in 1..nodes {
        let machine = Machine::new(index, nodes, Some(&machines[0])).await;
        let mut process = machine.start().await;
        process.reaches(|phase| *phase != Phase::Starting && !matches!(phase, Phase::WaitingForBootstrap { .. })).await;
        machines.push(machine);
        processes.push(process);
    }
    let mut members = Vec::new();
    for process in &mut processes {
        members.push(process.joined().await);
    }
    (machines, processes, members)
}

/// A registration by hand, to be spoilt by tests.
pub(super) struct Hand {
    pub(super) client: PeerClient,
    pub(super) url: String,
    pub(super) machine: Machine,
}

impl Hand {
    pub(super) async fn new(index: u16, bootstrap: &Machine) -> Self {
        let machine = Machine::new(index, bootstrap.settings.parameters.nodes, Some(bootstrap)).await;
        let client = PeerClient::new(&machine.settings).unwrap();
        Self { client, url: bootstrap.url(), machine }
    }

    pub(super) async fn request(&self) -> Register {
        let Ok(founding) = self.client.get::<Founding>(&self.url, FOUNDING_PATH).await else { panic!("no founding") };
        let identity = self.machine.identity();
        let key = identity.consensus_public_key();
        let public = identity.wallet.public_key();
        let url = self.machine.url();
        let proof = proof_bytes(&founding.founding_id, &public.account_id(), &key, &url, &founding.challenge);
        let sign = |bytes: &[u8]| to_base64(&identity.wallet.sign(bytes).unwrap());
        Register {
            wallet: to_base64(public.der()),
            consensus_key: Hash(key),
            certification: sign(&certification_bytes(&founding.founding_id, &key)),
            url,
            parameters: founding.parameters,
            challenge: founding.challenge,
            proof: sign(&proof),
        }
    }

    pub(super) async fn send(&self, request: &Register) -> Result<Registered, Problem> {
        match self.client.post::<Registered>(&self.url, REGISTER_PATH, request).await {
            Ok(registered) => Ok(registered),
            Err(Failed::Refused(problem)) => Err(problem),
            Err(Failed::Unreachable(reason)) => panic!("{reason}"),
        }
    }

    pub(super) async fn refusal(&self, spoil: impl FnOnce(&mut Register)) -> (u16, String, String) {
        let mut request = self.request().await;
        spoil(&mut request);
        let problem = self.send(&request).await.unwrap_err();
        (problem.status, problem.code, problem.detail)
    }
}
