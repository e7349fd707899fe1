//! A network of one member with real keys, for the tests of storage and runtime.
#![allow(missing_docs, clippy::missing_panics_doc)]

use std::sync::{Arc, LazyLock};

use blockchat_consensus::{Certificate, Committed};
use blockchat_ledger::{
    Amount, Block, BlockHeader, Descriptor, Member, Parameters, Ring, State, Terms, Transaction, VerifiedTransaction,
    Wallet, build, founding_id, genesis,
};
use ed25519_dalek::SigningKey;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// Made once: keys are slow to make.
static WALLETS: LazyLock<[Arc<Wallet>; 2]> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(1);
    [(); 2].map(|()| Arc::new(Wallet::generate(2048, &mut rng).unwrap()))
});

/// The member's wallet, and one of somebody else.
pub fn wallet(number: usize) -> Arc<Wallet> {
    WALLETS[number].clone()
}

/// The member's key for votes.
pub fn consensus_key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

/// The network and where its chain has got.
#[derive(Clone)]
pub struct Chain {
    pub ring: Arc<Ring>,
    pub genesis: Block,
    pub genesis_state: State,
    pub tip: BlockHeader,
    pub state: State,
    pub nonce: u64,
}

impl Chain {
    pub fn found() -> Self {
        let wallet = wallet(0);
        let parameters = Parameters::assignment(1, 5);
        let founding = founding_id(&parameters, wallet.public_key());
        let (block, state) = genesis(&parameters, wallet.public_key(), 1_000).unwrap();
        let key = consensus_key().verifying_key().to_bytes();
        let members = vec![Member::certify(0, &*wallet, &founding, key).unwrap()];
        let descriptor = Descriptor { parameters, genesis_hash: block.hash(), members };
        let ring = Arc::new(Ring::new(descriptor.sign(&*wallet).unwrap()).unwrap());
        let tip = block.header.clone();
        Self { ring, genesis: block, genesis_state: state.clone(), tip, state, nonce: 0 }
    }

    pub fn terms(&self, nonce: u64) -> Terms {
        Terms { nonce, valid_until: self.tip.index + 100, chain_id: self.ring.chain_id() }
    }

    /// A payment by the member to somebody else.
    pub fn payment(&self, micros: u64, nonce: u64) -> VerifiedTransaction {
        let (from, to) = (wallet(0), wallet(1));
        let amount = Amount::from_micros(micros);
        let payment = Transaction::coins(from.public_key().clone(), to.public_key().clone(), amount, self.terms(nonce));
        payment.sign(&*from).unwrap()
    }

    /// The next block: a payment, and a stake on request.
    pub fn next(&mut self, stake: Option<u64>) -> Arc<Committed> {
        let wallet = wallet(0);
        let mut transactions = vec![self.payment(1_000 + self.tip.index, self.nonce)];
        if let Some(stake) = stake {
            let terms = self.terms(self.nonce + 1);
            let stake = Transaction::stake(wallet.public_key().clone(), Amount::from_micros(stake), terms);
            transactions.push(stake.sign(&*wallet).unwrap());
        }
        let (block, execution) =
            build(&self.ring, &self.state, &self.tip, wallet.public_key(), 0, 2_000, transactions.iter()).unwrap();
        assert_eq!(block.transactions.len(), transactions.len());
        self.nonce += transactions.len() as u64;
        self.tip = block.header.clone();
        self.state = execution.state.clone();
        let certificate =
            Certificate { height: block.header.index, round: 0, block: block.hash(), signatures: Vec::new() };
        Arc::new(Committed {
            block,
            certificate,
            receipts: execution.receipts,
            state: execution.state,
            touched: execution.touched,
        })
    }
}
