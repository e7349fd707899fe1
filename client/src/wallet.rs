//! A wallet that signs here: any node takes its transactions, without that node's token.

use blockchat_api::{AccountAnswer, Balances, Code, NetworkAnswer};
use blockchat_ledger::{
    Amount, Hash, PublicKey, SignError, SignedTransaction, Terms, Transaction, TransactionSigner, Wallet,
};

use crate::{Client, Error};

/// What a wallet is asked to sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Coins, a message, or both.
    Pay {
        /// To whom.
        receiver: PublicKey,
        /// BCC; zero for a message alone.
        amount: Amount,
        /// Text; empty for coins alone.
        message: String,
    },
    /// The stake to have from then on, BCC. Members only.
    Stake(Amount),
}

/// Why an order was not signed.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The node could not be asked.
    #[error(transparent)]
    Node(#[from] Error),
    /// The node gave a key that is none.
    #[error("the node's answer holds an unusable key: {0}")]
    Key(#[from] blockchat_ledger::KeyError),
    /// The node has not joined a network.
    #[error("the node has not joined its network yet")]
    NotJoined,
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A key in this process.
pub struct LocalWallet {
    wallet: Wallet,
}

impl LocalWallet {
    /// A wallet with this key.
    pub fn new(wallet: Wallet) -> Self {
        Self { wallet }
    }

    /// Its address.
    pub fn public_key(&self) -> &PublicKey {
        TransactionSigner::public_key(&self.wallet)
    }

    /// What the account holds as `node` knows it, final and pending; nothing, if it was never paid.
    pub async fn account(&self, node: &Client) -> Result<AccountAnswer, Error> {
        let address = self.public_key().to_base64();
        match node.account(&address).await {
            Err(error) if error.code() == Some(Code::UnknownAccount.as_str()) => {
                let nothing = Balances { balance: Amount::ZERO, stake: Amount::ZERO, nonce: 0 };
                Ok(AccountAnswer {
                    id: None,
                    address,
                    fingerprint: self.public_key().account_id().short(),
                    final_state: nothing.clone(),
                    pending: nothing,
                })
            }
            answer => answer,
        }
    }

    /// The public key that `to` names: a key is taken as it is, an id or a fingerprint is looked up at `node`.
    pub async fn resolve(node: &Client, to: &str) -> Result<PublicKey, OrderError> {
        if let Ok(key) = PublicKey::from_base64(to).or_else(|_| PublicKey::from_pem(to)) {
            return Ok(key);
        }
        Ok(PublicKey::from_base64(&node.account(to).await?.address)?)
    }

    /// Signs `order` with the account's next nonce, for the network and the height that `node` tells. Submit the result
    /// with [`Client::submit`]; if the answer is lost, submit the same bytes again.
    pub async fn sign(&self, node: &Client, order: Order) -> Result<SignedTransaction, OrderError> {
        let network = node.network().await?;
        let height = node.status().await?.height.ok_or(OrderError::NotJoined)?;
        let nonce = self.account(node).await?.pending.nonce;
        Ok(self.sign_for(&network, height, nonce, order)?)
    }

    /// Signs without asking anybody: for a network at a height, with a nonce.
    pub fn sign_for(
        &self,
        network: &NetworkAnswer,
        height: u64,
        nonce: u64,
        order: Order,
    ) -> Result<SignedTransaction, SignError> {
        let valid_until = height.saturating_add(network.parameters.ttl_blocks);
        let terms = Terms { nonce, valid_until, chain_id: Hash(network.chain_id.0) };
        let me = self.public_key().clone();
        let transaction = match order {
            Order::Stake(amount) => Transaction::stake(me, amount, terms),
            Order::Pay { receiver, amount, message } if message.is_empty() => {
                Transaction::coins(me, receiver, amount, terms)
            }
            Order::Pay { receiver, amount, message } if amount.is_zero() => {
                Transaction::message(me, receiver, message, terms)
            }
            Order::Pay { receiver, amount, message } => {
                Transaction::coins_and_message(me, receiver, amount, message, terms)
            }
        };
        Ok(transaction.sign(&self.wallet)?.into_signed())
    }
}
