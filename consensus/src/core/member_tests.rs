//! One member by itself: what it admits, logs and refuses, and what it says while it is behind or has lost its log.

use std::sync::Arc;
use std::time::Duration;

use blockchat_ledger::{
    Amount, Descriptor, Hash, Member, Parameters, PoolError, PoolLimits, Ring, State, Terms, Transaction,
    TransactionError, VerifiedTransaction, Wallet, build, founding_id, genesis, lottery,
};
use ed25519_dalek::{Signer as _, SigningKey};
use malachitebft_core_types::{Round, SignedMessage};

use super::Core;
use crate::certificate::{Certificate, CommitSignature};
use crate::config::{CoreConfig, LogStatus, Recovered, Timing};
use crate::context::{BlockId, ConsensusSignature, Height, MemberId, Proposal};
use crate::io::{Action, Admitted, Event, Input, Now, Outputs, Submission, SubmitError, TimerId, View};
use crate::message::{CertifiedBlock, PeerMessage, ProposalMessage};
use crate::record::Record;
use crate::signing::vote_bytes;

const NOW: Now = Now { monotonic: Duration::from_secs(1), wall_ms: 1_700_000_001_000 };

struct Node {
    core: Core,
    ring: Arc<Ring>,
    wallet: Wallet,
    stranger: Wallet,
}

fn alone() -> Node {
    node_of(1, LogStatus::New)
}

/// Member 0 of `count`, at genesis.
fn node_of(count: u16, log: LogStatus) -> Node {
    let wallet = Wallet::from_pem(include_str!("../../../ledger/tests/keys/member-00.pem")).unwrap();
    let stranger = Wallet::from_pem(include_str!("../../../ledger/tests/keys/member-01.pem")).unwrap();
    // Blocks larger than any test here fills, and no wait: nothing is minted while it looks.
    let parameters = Parameters { ttl_blocks: 100, ..Parameters::assignment(count, 1000) };
    let key = |id: u16| SigningKey::from_bytes(&[u8::try_from(id).unwrap() + 1; 32]);
    let founding = founding_id(&parameters, wallet.public_key());
    let (block, state) = genesis(&parameters, wallet.public_key(), 1_700_000_000_000).unwrap();
    let members = (0..count).map(|id| {
        let pem = format!("{}/../ledger/tests/keys/member-{id:02}.pem", env!("CARGO_MANIFEST_DIR"));
        let wallet = Wallet::from_pem(&std::fs::read_to_string(pem).unwrap()).unwrap();
        Member::certify(id, &wallet, &founding, key(id).verifying_key().to_bytes()).unwrap()
    });
    let descriptor = Descriptor { parameters, genesis_hash: block.hash(), members: members.collect() };
    let ring = Arc::new(Ring::new(descriptor.sign(&wallet).unwrap()).unwrap());
    let config = CoreConfig {
        me: 0,
        ring: Arc::clone(&ring),
        consensus_key: key(0),
        grants_signer: None,
        timing: Timing { max_block_wait: Duration::ZERO, ..Timing::default() },
        pool: PoolLimits::default(),
        accept_lost_log: false,
        nonce_seed: [7; 32],
        planted_quorum: None,
    };
    let recovered = Recovered { tip: block.header, state, tip_certificate: None, records: Vec::new(), log };
    let core = Core::new(config, recovered, NOW, &mut Outputs::default()).unwrap();
    Node { core, ring, wallet, stranger }
}

impl Node {
    fn pay(&self, bcc: u64, nonce: u64, valid_until: u64) -> VerifiedTransaction {
        let terms = Terms { nonce, valid_until, chain_id: self.ring.chain_id() };
        let (from, to) = (self.wallet.public_key().clone(), self.stranger.public_key().clone());
        Transaction::coins(from, to, Amount::from_bcc(bcc).unwrap(), terms).sign(&self.wallet).unwrap()
    }

    /// Submits, verifies as asked, and gives back the answer and what was logged.
    fn submit(&mut self, transactions: Vec<Submission>) -> (Vec<Result<Admitted, SubmitError>>, Vec<Record>) {
        let mut out = Outputs::default();
        self.core.handle(NOW, Input::Submit { ticket: 1, transactions }, &mut out).unwrap();
        let mut records = std::mem::take(&mut out.log);
        let jobs: Vec<_> = std::mem::take(&mut out.actions);
        let mut answers = Vec::new();
        for action in jobs {
            match action {
                Action::Verify { job, transactions } => {
                    let results =
                        transactions.into_iter().map(|signed| signed.clone().verify().map_err(|_| signed.wire_hash()));
                    let input = Input::Verified { job, results: results.collect() };
                    self.core.handle(NOW, input, &mut out).unwrap();
                }
                other => out.actions.push(other),
            }
        }
        records.append(&mut out.log);
        for action in out.actions {
            if let Action::Submitted { results, .. } = action {
                answers = results;
            }
        }
        (answers, records)
    }

    fn hear(&mut self, input: Input) -> Outputs {
        let mut out = Outputs::default();
        self.core.handle(NOW, input, &mut out).unwrap();
        out
    }

    /// A member connects and says how far it is.
    fn greet(&mut self, from: u16, height: u64) {
        self.hear(Input::Connected(from));
        let message = PeerMessage::Hello { height, your_latest_vote: None, answer: false };
        self.hear(Input::Peer { from, message });
    }

    fn state(&self) -> State {
        self.core.view().state
    }
}

fn unverified(transactions: &[VerifiedTransaction]) -> Vec<Submission> {
    transactions.iter().map(|signed| Submission::Unverified((**signed).clone())).collect()
}

#[test]
fn a_batch_may_hold_consecutive_nonces_of_one_sender() {
    let mut node = alone();
    let batch: Vec<_> = (0..5).map(|nonce| node.pay(1, nonce, 50)).collect();
    let (answers, _) = node.submit(unverified(&batch));
    assert_eq!(answers.len(), 5);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(node.core.view().pool_transactions, 5);
}

#[test]
fn a_gap_is_an_error_in_a_batch_too() {
    let mut node = alone();
    let batch = [node.pay(1, 0, 50), node.pay(1, 2, 50)];
    let (answers, _) = node.submit(unverified(&batch));
    assert!(answers[0].is_ok());
    let gap = SubmitError::Pool(PoolError::Invalid(TransactionError::WrongNonce { expected: 1, found: 2 }));
    assert_eq!(answers[1], Err(gap));
    assert_eq!(node.core.view().pool_transactions, 1);
}

#[test]
fn a_transaction_may_be_meant_for_the_next_block_only() {
    let mut node = alone();
    assert_eq!(node.core.view().height, 0);
    let next = node.pay(1, 0, 1);
    let (answers, _) = node.submit(unverified(&[next]));
    assert!(answers[0].is_ok(), "{answers:?}");
    let too_far = node.pay(1, 1, 102);
    let (answers, _) = node.submit(unverified(&[too_far]));
    let refused =
        matches!(answers[0], Err(SubmitError::Pool(PoolError::Invalid(TransactionError::ValidUntilTooFar { .. }))));
    assert!(refused, "{answers:?}");
}

#[test]
fn a_refused_transaction_of_the_wallet_is_not_logged() {
    let mut node = alone();
    let root = node.state().root();
    let own = |transaction| vec![Submission::Own { transaction, key: Some("k".to_owned()) }];
    let (answers, records) = node.submit(own(node.pay(2000, 0, 50)));
    assert!(answers[0].is_err());
    assert_eq!(records, []);
    let (answers, records) = node.submit(own(node.pay(1, 0, 50)));
    assert!(answers[0].is_ok());
    assert!(matches!(&records[..], [Record::Wallet { key: Some(key), .. }] if key == "k"), "{records:?}");
    assert_eq!(node.state().root(), root);
}

#[test]
fn a_member_that_is_behind_at_its_start_judges_nothing() {
    let mut node = node_of(4, LogStatus::New);
    let payment = node.pay(1, 0, 50);
    let (answers, _) = node.submit(unverified(std::slice::from_ref(&payment)));
    assert_eq!(answers, [Err(SubmitError::CatchingUp)], "nobody has said how far the chain is");
    node.greet(1, 7);
    node.greet(2, 0);
    assert!(!node.core.view().caught_up);
    let (answers, _) = node.submit(unverified(std::slice::from_ref(&payment)));
    assert_eq!(answers, [Err(SubmitError::CatchingUp)], "seven blocks are missing");
    // The one that claimed them has none to send.
    node.hear(Input::Peer { from: 1, message: PeerMessage::Blocks(Vec::new()) });
    assert!(node.core.view().caught_up);
    let (answers, _) = node.submit(unverified(&[payment]));
    let judged = SubmitError::Pool(PoolError::Invalid(TransactionError::GrantsPending));
    assert_eq!(answers, [Err(judged)]);
}

#[test]
fn a_member_that_falls_behind_does_not_refuse_what_its_old_accounts_forbid() {
    let mut node = node_of(4, LogStatus::New);
    node.greet(1, 0);
    node.greet(2, 0);
    let payment = node.pay(1, 0, 50);
    let (answers, _) = node.submit(unverified(std::slice::from_ref(&payment)));
    let judged = SubmitError::Pool(PoolError::Invalid(TransactionError::GrantsPending));
    assert_eq!(answers, [Err(judged)]);
    for from in [1, 2] {
        node.hear(Input::Peer { from, message: PeerMessage::Status { height: 9 } });
    }
    let (answers, _) = node.submit(unverified(&[payment]));
    assert_eq!(answers, [Err(SubmitError::CatchingUp)]);
}

#[test]
fn what_one_member_claims_makes_no_node_lag() {
    let mut node = node_of(4, LogStatus::New);
    for from in [1, 2] {
        node.greet(from, 0);
    }
    let claims = |node: &mut Node, from, height| {
        node.hear(Input::Peer { from, message: PeerMessage::Status { height } });
        let view = node.core.view();
        (view.blocks_behind, view.syncing)
    };
    assert_eq!(claims(&mut node, 1, u64::MAX), (0, false), "one of four may lie");
    assert_eq!(claims(&mut node, 2, 9), (9, true), "two of four do not");
    node.hear(Input::Disconnected(1));
    assert_eq!(claims(&mut node, 2, 10), (0, false), "whoever is gone claims nothing");
}

#[test]
fn a_refused_proposal_is_laid_at_the_door_of_whoever_sent_it() {
    let mut node = node_of(4, LogStatus::New);
    for (round, header, expected) in
        [(0, true, "not_the_proposer"), (0, false, "other_header"), (9_000, true, "too_far_ahead")]
    {
        let header_of = node.core.view().tip;
        let block = if header { header_of.hash() } else { Hash::ZERO };
        let (round, pol_round) = (Round::new(round), Round::Nil);
        let proposal =
            Proposal { height: Height(1), round, block: BlockId(block), pol_round, proposer: MemberId(65_000) };
        let proposal = SignedMessage::new(proposal, ConsensusSignature([0; 64]));
        let message = ProposalMessage { proposal, header: header_of, transactions: Vec::new() };
        let mut out = Outputs::default();
        node.core.on_proposal(2, message, &mut out).unwrap();
        let events = out.actions.iter().filter_map(|action| match action {
            Action::Event(Event::ProposalReceived { proposer, result, .. }) => Some((*proposer, *result)),
            _ => None,
        });
        assert_eq!(events.collect::<Vec<_>>(), [(2, expected)]);
    }
}

#[test]
fn a_member_without_its_log_asks_until_it_may_vote() {
    let mut node = node_of(4, LogStatus::Lost { reason: "a test".to_owned() });
    let asks = |out: &Outputs| {
        out.actions.iter().find_map(|action| match action {
            Action::Broadcast(PeerMessage::LostLog { until, .. }) => Some(*until),
            _ => None,
        })
    };
    assert_eq!(asks(&node.hear(Input::Timer(TimerId::LostLog))), Some(None));
    // As if everybody had answered: the chain has to move, and an idle one moves only when asked.
    node.core.mute = super::lost_log::Mute::Until(3);
    assert!(!node.core.view().voting);
    let out = node.hear(Input::Timer(TimerId::LostLog));
    assert_eq!(asks(&out), Some(Some(2)));
    assert!(out.actions.iter().any(|action| matches!(action, Action::SetTimer { id: TimerId::LostLog, .. })));
}

/// The first block after genesis, certified by some members.
fn certified(node: &Node, signers: &[u16]) -> CertifiedBlock {
    let View { tip, state, .. } = node.core.view();
    let winner = lottery::draw_order(&tip.hash(), &state.stakes(&node.ring))[0];
    let validator = node.ring.member(winner).unwrap().wallet.clone();
    let none = std::iter::empty();
    let (block, _) = build(&node.ring, &state, &tip, &validator, 0, NOW.wall_ms, none).unwrap();
    let mut certificate = Certificate { height: 1, round: 0, block: block.hash(), signatures: Vec::new() };
    for &member in signers {
        let bytes = vote_bytes(&node.ring.chain_id(), &certificate.precommit(member));
        let signature = SigningKey::from_bytes(&[u8::try_from(member).unwrap() + 1; 32]).sign(&bytes).to_bytes();
        certificate.signatures.push(CommitSignature { member, signature });
    }
    CertifiedBlock { block: borsh::to_vec(&block).unwrap(), certificate }
}

#[test]
fn a_certificate_with_a_vote_that_the_log_lacks_means_that_the_log_is_lost() {
    // As after an older snapshot of its volume was put back while all others were started anew: nobody's hello tells.
    for (signers, forgot) in [([0, 1, 2], true), ([1, 2, 3], false)] {
        let mut node = node_of(4, LogStatus::Intact);
        node.greet(1, 1);
        node.greet(2, 1);
        let block = certified(&node, &signers);
        let mut out = node.hear(Input::Peer { from: 1, message: PeerMessage::Blocks(vec![block]) });
        let jobs: Vec<u64> = out
            .actions
            .iter()
            .filter_map(|action| if let Action::Verify { job, .. } = action { Some(*job) } else { None })
            .collect();
        for job in jobs {
            let more = node.hear(Input::Verified { job, results: Vec::new() });
            out.actions.extend(more.actions);
        }
        assert_eq!(node.core.view().height, 1, "the block is final whoever voted");
        assert_eq!(node.core.view().voting, !forgot, "{signers:?}");
        let told = out.actions.iter().any(|action| matches!(action, Action::Event(Event::Muted { .. })));
        assert_eq!(told, forgot);
    }
}

#[test]
fn under_the_strict_rule_pending_transactions_are_told_again() {
    let mut node = alone();
    let payment = node.pay(1, 0, 50);
    let (answers, _) = node.submit(unverified(std::slice::from_ref(&payment)));
    assert!(answers[0].is_ok(), "{answers:?}");
    let told = |out: &Outputs| {
        out.actions.iter().any(
            |action| matches!(action, Action::Broadcast(PeerMessage::Have(hashes)) if hashes == &[payment.wire_hash()]),
        )
    };
    let mut status = |ms: u64| {
        let mut out = Outputs::default();
        let now = Now { monotonic: NOW.monotonic + Duration::from_millis(ms), wall_ms: NOW.wall_ms + ms };
        node.core.handle(now, Input::Timer(TimerId::Status), &mut out).unwrap();
        out
    };
    assert!(!told(&status(100)), "it has only just been gossiped");
    assert!(told(&status(1_500)));
    assert!(!told(&status(1_520)), "not more than once a second");
}

#[test]
fn an_answer_about_transactions_is_bounded() {
    let mut node = alone();
    let payment = node.pay(1, 0, 50);
    node.submit(unverified(std::slice::from_ref(&payment)));
    let mut out = Outputs::default();
    node.core.on_get_transactions(0, &vec![payment.wire_hash(); 10_000], &mut out);
    let sent: usize = out
        .actions
        .iter()
        .map(|action| match action {
            Action::Send { message: PeerMessage::Transactions(transactions), .. } => transactions.len(),
            _ => 0,
        })
        .sum();
    assert_eq!(sent, 1);
}
