//! What the tests of this crate share: wallets, networks and transactions.

use std::sync::LazyLock;

use crate::amount::Amount;
use crate::block::{Block, BlockHeader, genesis};
use crate::descriptor::{Descriptor, Member};
use crate::execution::{Execution, build, execute};
use crate::hash::Hash;
use crate::keys::PublicKey;
use crate::lottery::drawn;
use crate::params::{Parameters, founding_id};
use crate::ring::Ring;
use crate::state::State;
use crate::transaction::{Terms, Transaction, VerifiedTransaction};
use crate::wallet::Wallet;

/// The fixed wallets, by member id.
pub(crate) static WALLETS: LazyLock<Vec<Wallet>> = LazyLock::new(|| {
    [
        include_str!("../tests/keys/member-00.pem"),
        include_str!("../tests/keys/member-01.pem"),
        include_str!("../tests/keys/member-02.pem"),
        include_str!("../tests/keys/member-03.pem"),
        include_str!("../tests/keys/member-04.pem"),
        include_str!("../tests/keys/member-05.pem"),
        include_str!("../tests/keys/member-06.pem"),
        include_str!("../tests/keys/member-07.pem"),
    ]
    .into_iter()
    .map(|pem| Wallet::from_pem(pem).unwrap())
    .collect()
});

/// The key of wallet `id`.
pub(crate) fn key(id: usize) -> PublicKey {
    WALLETS[id].public_key().clone()
}

/// A well-formed key that belongs to nobody: the modulus is odd and large, its factors unknown.
pub(crate) fn stranger(number: u64) -> PublicKey {
    let mut der = key(0).der().to_vec();
    der[40..48].copy_from_slice(&number.to_le_bytes());
    PublicKey::from_der(&der).unwrap()
}

pub(crate) fn bcc(amount: u64) -> Amount {
    Amount::from_bcc(amount).unwrap()
}

/// A network at some height.
#[derive(Clone)]
pub(crate) struct Network {
    pub(crate) ring: Ring,
    pub(crate) blocks: Vec<Block>,
    pub(crate) state: State,
}

pub(crate) fn descriptor(parameters: &Parameters) -> Descriptor {
    let founding = founding_id(parameters, &key(0));
    let (block, _) = genesis(parameters, &key(0), 1_000).unwrap();
    let members = (0..parameters.nodes)
        .map(|id| Member::certify(id, &WALLETS[usize::from(id)], &founding, [id as u8 + 1; 32]).unwrap())
        .collect();
    Descriptor { parameters: parameters.clone(), genesis_hash: block.hash(), members }
}

impl Network {
    /// With nothing but the genesis block.
    pub(crate) fn founded(parameters: &Parameters) -> Self {
        let signed = descriptor(parameters).sign(&WALLETS[0]).unwrap();
        let (block, state) = genesis(parameters, &key(0), 1_000).unwrap();
        Self { ring: Ring::new(signed).unwrap(), blocks: vec![block], state }
    }

    /// With one block more, in which every member got its endowment.
    pub(crate) fn funded(nodes: u16) -> Self {
        let parameters = Parameters::assignment(nodes, 10);
        let mut network = Self::founded(&parameters);
        let grants: Vec<_> = (1..nodes).map(|id| network.grant(id, u64::from(id) - 1)).collect();
        network.mint(&grants);
        network
    }

    pub(crate) fn tip(&self) -> &BlockHeader {
        &self.blocks.last().unwrap().header
    }

    pub(crate) fn height(&self) -> u64 {
        self.tip().index
    }

    /// The committed nonce of wallet `id`.
    pub(crate) fn nonce(&self, id: usize) -> u64 {
        self.state.account(&key(id).account_id()).unwrap().nonce
    }

    pub(crate) fn terms(&self, nonce: u64) -> Terms {
        Terms { nonce, valid_until: self.height() + 100, chain_id: self.ring.chain_id() }
    }

    pub(crate) fn grant(&self, member: u16, nonce: u64) -> VerifiedTransaction {
        let endowment = self.ring.parameters().endowment;
        let grant = Transaction::grant(key(0), key(usize::from(member)), endowment, self.terms(nonce));
        VerifiedTransaction::assumed(grant, 0)
    }

    pub(crate) fn coins(&self, from: usize, to: usize, amount: Amount, nonce: u64) -> Transaction {
        Transaction::coins(key(from), key(to), amount, self.terms(nonce))
    }

    /// The member drawn to mint the next block in the round.
    pub(crate) fn drawn(&self, round: u32) -> PublicKey {
        let id = drawn(&self.tip().hash(), &self.state.stakes(&self.ring), round).unwrap();
        self.ring.member(id).unwrap().wallet.clone()
    }

    /// The next block, not yet part of the network.
    pub(crate) fn next(&self, round: u32, candidates: &[VerifiedTransaction]) -> (Block, Execution) {
        let validator = self.drawn(round);
        build(&self.ring, &self.state, self.tip(), &validator, round, 0, candidates.iter()).unwrap()
    }

    /// Appends the next block.
    pub(crate) fn mint(&mut self, candidates: &[VerifiedTransaction]) -> Execution {
        let (block, execution) = self.next(0, candidates);
        self.blocks.push(block);
        self.state = execution.state.clone();
        execution
    }

    /// Executes transactions in the next block on top of the state.
    pub(crate) fn run(&self, transactions: &[VerifiedTransaction]) -> Result<Execution, crate::BlockError> {
        execute(&self.ring, &self.state, self.height() + 1, &self.drawn(0), transactions)
    }
}

/// As if signed.
pub(crate) fn assumed(transaction: Transaction) -> VerifiedTransaction {
    VerifiedTransaction::assumed(transaction, 0)
}

/// Another signature of the same transaction.
pub(crate) fn assumed_again(transaction: Transaction) -> VerifiedTransaction {
    VerifiedTransaction::assumed(transaction, 1)
}

/// A hash that is that of a number.
pub(crate) fn hash(number: u64) -> Hash {
    Hash::of("test", &[&number.to_le_bytes()])
}
