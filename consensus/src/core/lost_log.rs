//! How a member that lost its log gets its vote back.
//!
//! Without its log a member may have voted for something it no longer knows, so it must not vote where it may have
//! voted before. Any vote of its own was for a height at most one above what some other member has committed. It asks
//! all others how far they are, takes the highest commit certificate H among the answers of ⌊2n/3⌋+1 *other* members, and
//! votes again from H + 3. From then on its question says which height it needs, and is work for the others: they mint
//! empty blocks up to that height, all to the same one. It goes on asking until it is released.

use std::collections::BTreeMap;
use std::time::Duration;

use blockchat_ledger::Hash;
use borsh::BorshSerialize;
use sha2::{Digest, Sha256};

use super::Core;
use crate::certificate::Certificate;
use crate::context::MemberId;
use crate::io::{Action, Event, Outputs, TimerId};
use crate::message::{LostLogAnswer, PeerMessage};
use crate::record::Record;
use crate::signing::verify_raw;

const ANSWER_DOMAIN: &[u8] = b"blockchat/consensus/lost-log/v1";
/// The question is asked again this often.
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// First height above the highest certificate at which the member votes again.
const MARGIN: u64 = 3;
/// A height that is further away than this is nobody's need: the asking member took its H from a chain that is here, and
/// then waits for two more blocks.
const MAX_RELEASE_BLOCKS: u64 = MARGIN + 2;

/// Whether this member may vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mute {
    /// It may.
    No,
    /// Not before the others have said how far they are.
    Asking {
        nonce: [u8; 32],
        /// Height of the highest certificate of each member that answered; 0 at genesis.
        answers: BTreeMap<u16, u64>,
    },
    /// Not below this height.
    Until(u64),
}

impl Mute {
    /// As the log's last word has it.
    pub(super) fn recovered(from: Option<u64>) -> Self {
        match from {
            Some(from) => Self::Until(from),
            None => Self::Asking { nonce: [0; 32], answers: BTreeMap::new() },
        }
    }

    fn from(&self) -> Option<u64> {
        match self {
            Self::Until(from) => Some(*from),
            Self::No | Self::Asking { .. } => None,
        }
    }
}

/// Empty blocks minted for a member that lost its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Release {
    asked: Duration,
    until: u64,
}

impl Core {
    /// Whether this member may vote at the next height.
    pub(super) fn may_vote(&self) -> bool {
        match self.mute {
            Mute::No => true,
            Mute::Asking { .. } => false,
            Mute::Until(from) => self.next_height() >= from,
        }
    }

    /// From now on this member follows without voting.
    pub(super) fn lose_log(&mut self, reason: String, out: &mut Outputs) {
        self.mute = Mute::Asking { nonce: self.fresh_nonce(), answers: BTreeMap::new() };
        self.engine.set_voting(false);
        self.wanted = None;
        out.log.push(self.mute_record());
        out.sync = true;
        out.actions.push(Action::Event(Event::Muted { reason }));
        self.ask_lost_log(out);
    }

    /// The operator takes the risk of two votes. It is written down, so that the next start needs no such word.
    pub(super) fn accept_mute(&mut self, out: &mut Outputs) {
        if self.mute != Mute::No {
            self.mute = Mute::No;
            out.log.push(Record::Muted { height: self.next_height(), from: Some(self.next_height()) });
            out.sync = true;
        }
    }

    /// After a restart in the middle of it.
    pub(super) fn resume_mute(&mut self, out: &mut Outputs) {
        let reason = "the log was lost before the last start".to_owned();
        if let Mute::Asking { .. } = self.mute {
            self.lose_log(reason, out);
        } else if self.may_vote() {
            self.mute = Mute::No;
        } else {
            out.actions.push(Action::Event(Event::Muted { reason }));
            self.ask_lost_log(out);
        }
    }

    fn mute_record(&self) -> Record {
        Record::Muted { height: self.next_height(), from: self.mute.from() }
    }

    fn fresh_nonce(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"blockchat/consensus/nonce")
            .chain_update(self.nonce_seed)
            .chain_update(self.tip_hash.0)
            .chain_update(self.now.monotonic.as_nanos().to_be_bytes())
            .finalize()
            .into()
    }

    pub(super) fn ask_lost_log(&mut self, out: &mut Outputs) {
        let (nonce, until) = match self.mute {
            Mute::No => return,
            Mute::Asking { nonce, .. } => (nonce, None),
            // No answer is needed any more, only blocks.
            Mute::Until(from) => (self.fresh_nonce(), Some(from.saturating_sub(1))),
        };
        out.actions.push(Action::Broadcast(PeerMessage::LostLog { nonce, until }));
        out.actions.push(Action::SetTimer { id: TimerId::LostLog, after: ASK_AGAIN });
    }

    /// Another member lost its log: say how far this one is, and mint for it (not too often).
    pub(super) fn on_lost_log(&mut self, from: u16, nonce: [u8; 32], until: Option<u64>, out: &mut Outputs) {
        if let Some(until) = until {
            self.release(from, until);
            return;
        }
        let certificate = self.tip_certificate.clone();
        if certificate.is_none() && self.tip.index > 0 {
            // Restarted a moment ago and the certificate is not at hand: the question comes again.
            return;
        }
        let lost = self.mute != Mute::No;
        let bytes = answer_bytes(&self.ring.chain_id(), self.me, &nonce, lost, certificate.as_ref());
        let answer = LostLogAnswer { nonce, lost, signature: self.engine.signer().raw(&bytes), certificate };
        out.actions.push(Action::Send { to: from, message: PeerMessage::LostLogAnswer(Box::new(answer)) });
    }

    fn release(&mut self, member: u16, until: u64) {
        let now = self.now.monotonic;
        let interval = self.timing.release_interval;
        let limit = self.tip.index.saturating_add(MAX_RELEASE_BLOCKS);
        if until <= limit
            && let Some(peer) = self.peer(member)
            && peer.release.is_none_or(|release| until > release.until && now >= release.asked + interval)
        {
            peer.release = Some(Release { asked: now, until });
        }
    }

    /// Whether empty blocks are to be minted for a member that lost its log.
    pub(super) fn must_release(&self) -> bool {
        self.may_vote()
            && self.peers.iter().filter_map(|peer| peer.release).any(|release| self.tip.index < release.until)
    }

    pub(super) fn on_lost_log_answer(&mut self, from: u16, answer: &LostLogAnswer, out: &mut Outputs) {
        let Mute::Asking { nonce, .. } = self.mute else {
            return;
        };
        if answer.nonce != nonce {
            return;
        }
        let Some(height) = self.check_answer(from, answer) else {
            Self::misbehaviour(from, "bad_answer_about_a_lost_log", out);
            return;
        };
        self.note_height(from, height);
        if answer.lost {
            return;
        }
        let needed = self.engine.members().quorum();
        let Mute::Asking { answers, .. } = &mut self.mute else {
            return;
        };
        answers.insert(from, height);
        if answers.len() < needed {
            return;
        }
        let highest = answers.values().copied().max().unwrap_or(0);
        let from = highest.max(self.tip.index).saturating_add(MARGIN);
        self.mute = Mute::Until(from);
        out.log.push(self.mute_record());
        out.sync = true;
        self.ask_lost_log(out);
    }

    /// The height that the answer proves, if it is signed and its certificate is good.
    fn check_answer(&self, from: u16, answer: &LostLogAnswer) -> Option<u64> {
        let key = self.engine.members().key(MemberId(from))?;
        let bytes = answer_bytes(&self.ring.chain_id(), from, &answer.nonce, answer.lost, answer.certificate.as_ref());
        if !verify_raw(key, &bytes, &answer.signature) {
            return None;
        }
        let Some(certificate) = &answer.certificate else {
            return Some(0);
        };
        certificate.verify(self.engine.members(), &self.engine.verifier).ok()?;
        Some(certificate.height)
    }

    /// Repeats the log's word while it holds, so that it outlives old segments, and ends it in time.
    pub(super) fn after_commit_muted(&mut self, out: &mut Outputs) {
        match self.mute {
            Mute::No => {}
            Mute::Until(from) if self.next_height() >= from => {
                self.mute = Mute::No;
                out.actions.push(Action::CancelTimer(TimerId::LostLog));
                out.actions.push(Action::Event(Event::Unmuted { from }));
            }
            Mute::Until(_) | Mute::Asking { .. } => out.log.push(self.mute_record()),
        }
    }
}

fn answer_bytes(
    chain_id: &Hash,
    member: u16,
    nonce: &[u8; 32],
    lost: bool,
    certificate: Option<&Certificate>,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(ANSWER_DOMAIN);
    bytes.extend_from_slice(&chain_id.0);
    // Writing into a Vec can't fail.
    let _ = (member, nonce, lost, certificate).serialize(&mut bytes);
    bytes
}
