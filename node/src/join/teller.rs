//! Telling the network to members that have no stream to this one.
//!
//! They may merely be down. But a bootstrap node or a member that came back without its data folder
//! has no other way to learn what it belongs to when the node it would ask is gone, and a member
//! that moved learns here that others hold an older record of it.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use tracing::{info, warn};

use super::Joining;
use super::joiner::{Failed, PeerClient};
use super::settings::JoinError;
use super::wire::{DESCRIPTOR_PATH, NetworkPackage, Told, from_base64};
use crate::peer::{Directory, PeerNetwork};
use crate::telemetry::Seldom;

const COMPLAIN_EVERY: Duration = Duration::from_mins(1);

pub struct Teller {
    joining: Joining,
    client: PeerClient,
}

impl Teller {
    pub fn new(joining: Joining) -> Result<Self, JoinError> {
        let client = PeerClient::new(&joining.inner.settings)?;
        Ok(Self { joining, client })
    }

    /// Goes on for ever. The first round is at once, so that joiners need not poll for the network
    /// and a member that moved is known where it is.
    pub async fn run(self, peers: PeerNetwork) {
        let mut rounds = tokio::time::interval(self.joining.inner.settings.timing.tell_every);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut complained = BTreeMap::new();
        loop {
            rounds.tick().await;
            let Some(known) = self.joining.known() else { continue };
            let missing: Vec<(u16, String)> = known
                .urls
                .urls()
                .into_iter()
                .filter(|(id, _)| *id != known.network.me && !peers.is_connected(*id))
                .collect();
            if missing.is_empty() {
                continue;
            }
            let package = known.package();
            let told = missing.iter().map(|(id, url)| self.tell(*id, url, &package));
            for (id, refusal) in join_all(told).await.into_iter().flatten() {
                let complaints = complained.entry(id).or_insert(Seldom::every(COMPLAIN_EVERY));
                if complaints.due().is_some() {
                    warn!(peer = id, %refusal, "a member does not take its network");
                }
            }
        }
    }

    async fn tell(&self, id: u16, url: &str, package: &NetworkPackage) -> Option<(u16, String)> {
        match self.client.post::<Told>(url, DESCRIPTOR_PATH, package).await {
            Ok(told) => {
                let known = self.joining.known()?;
                if told.chain_id == known.network.ring.chain_id() {
                    from_base64(&told.records).map(|records| known.urls.learn(&records));
                    info!(peer = id, "told the network");
                }
                None
            }
            // Down: the streams say so.
            Err(Failed::Unreachable(_)) => None,
            Err(Failed::Refused(problem)) => Some((id, format!("{} ({})", problem.detail, problem.code))),
        }
    }
}
