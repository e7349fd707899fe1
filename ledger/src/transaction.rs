//! Transactions: what is signed, what it costs, and the types that say whether a signature was verified.

use std::io::{Read, Result as IoResult};
use std::ops::Deref;
use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest as _, Sha256};

use crate::amount::Amount;
use crate::encoding::{DecodeError, append, decode, encode, invalid, read_bytes};
use crate::hash::Hash;
use crate::keys::{AccountId, KeyError, MAX_SIGNATURE_BYTES, PublicKey, SignatureError};
use crate::params::Parameters;
use crate::state::State;
use crate::wallet::TransactionSigner;

/// The longest message, in bytes of UTF-8.
pub const MAX_MESSAGE_BYTES: usize = 16 * 1024;

const TRANSACTION_DOMAIN: &str = "blockchat/transaction/v1";

/// One end of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Party {
    /// Address 0: where genesis coins come from and stakes go.
    Network,
    /// A wallet.
    Key(PublicKey),
}

impl Party {
    /// The key, unless this is the network.
    pub fn key(&self) -> Option<&PublicKey> {
        match self {
            Self::Network => None,
            Self::Key(key) => Some(key),
        }
    }

    /// The account, unless this is the network.
    pub fn account_id(&self) -> Option<AccountId> {
        self.key().map(PublicKey::account_id)
    }
}

/// The assignment's `type_of_transaction`, with stake, grant and genesis made types of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
pub enum Kind {
    /// Coins from one wallet to another.
    Coins = 0,
    /// A message from one wallet to another.
    Message = 1,
    /// Both at once, at both charges.
    CoinsAndMessage = 2,
    /// Sets the sender's stake to the amount.
    Stake = 3,
    /// The bootstrap node's payment of the endowment to a member.
    Grant = 4,
    /// The first coins. In block 0 only.
    Genesis = 5,
}

/// What a wallet signs. Every field that affects the state is in here.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// Who pays and signs.
    pub sender: Party,
    /// Who is paid or addressed.
    pub receiver: Party,
    /// What it does.
    pub kind: Kind,
    /// Coins sent, or the new stake.
    pub amount: Amount,
    /// Text sent.
    #[borsh(deserialize_with = "read_message")]
    pub message: String,
    /// How many transactions of the sender stand before this one in the chain.
    pub nonce: u64,
    /// Index of the last block in which it may stand.
    pub valid_until: u64,
    /// The network it is for.
    pub chain_id: Hash,
}

/// The fields of a transaction that depend on when and where it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How many transactions of the sender stand before this one in the chain.
    pub nonce: u64,
    /// Index of the last block in which it may stand.
    pub valid_until: u64,
    /// The network it is for.
    pub chain_id: Hash,
}

/// What a transaction takes from its sender's spendable balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Coins that go to the receiver. Zero for a stake, which stays the sender's.
    pub amount: Amount,
    /// For the block's validator.
    pub fee: Amount,
    /// Both together.
    pub total: Amount,
}

/// The cost does not fit in an amount, so nobody can pay it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cost is larger than any balance can be")]
pub struct CostOverflow;

/// Why a transaction could not be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The signer is not the sender.
    #[error("the signer's key is not the sender's")]
    NotTheSender,
    /// The signer failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signer made a signature that does not verify.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Transaction {
    /// Coins to a wallet.
    pub fn coins(sender: PublicKey, receiver: PublicKey, amount: Amount, terms: Terms) -> Self {
        Self::new(sender, Party::Key(receiver), Kind::Coins, amount, String::new(), terms)
    }

    /// A message to a wallet.
    pub fn message(sender: PublicKey, receiver: PublicKey, message: String, terms: Terms) -> Self {
        Self::new(sender, Party::Key(receiver), Kind::Message, Amount::ZERO, message, terms)
    }

    /// Coins and a message to a wallet.
    pub fn coins_and_message(
        sender: PublicKey,
        receiver: PublicKey,
        amount: Amount,
        message: String,
        terms: Terms,
    ) -> Self {
        Self::new(sender, Party::Key(receiver), Kind::CoinsAndMessage, amount, message, terms)
    }

    /// Sets the sender's stake.
    pub fn stake(sender: PublicKey, amount: Amount, terms: Terms) -> Self {
        Self::new(sender, Party::Network, Kind::Stake, amount, String::new(), terms)
    }

    /// The endowment of a member, from the bootstrap node.
    pub fn grant(bootstrap: PublicKey, member: PublicKey, endowment: Amount, terms: Terms) -> Self {
        Self::new(bootstrap, Party::Key(member), Kind::Grant, endowment, String::new(), terms)
    }

    fn new(sender: PublicKey, receiver: Party, kind: Kind, amount: Amount, message: String, terms: Terms) -> Self {
        let Terms { nonce, valid_until, chain_id } = terms;
        Self { sender: Party::Key(sender), receiver, kind, amount, message, nonce, valid_until, chain_id }
    }

    /// The transaction's id: the hash of what is signed.
    pub fn id(&self) -> Hash {
        Hash::of_bytes(&self.signing_bytes())
    }

    /// The canonical bytes of all fields, led by what they are.
    pub fn signing_bytes(&self) -> Vec<u8> {
        let mut bytes = encode(TRANSACTION_DOMAIN);
        append(&mut bytes, self);
        bytes
    }

    /// What it costs the sender.
    pub fn cost(&self, parameters: &Parameters) -> Result<Cost, CostOverflow> {
        let characters = self.message.chars().count() as u64;
        let (amount, percent, characters) = match self.kind {
            Kind::Coins => (self.amount, parameters.coin_fee_percent, 0),
            Kind::Message => (Amount::ZERO, 0, characters),
            Kind::CoinsAndMessage => (self.amount, parameters.coin_fee_percent, characters),
            Kind::Grant | Kind::Genesis => (self.amount, 0, 0),
            Kind::Stake => (Amount::ZERO, 0, 0),
        };
        let fee = amount.percent_rounded_up(percent).ok_or(CostOverflow)?;
        let fee = parameters
            .message_fee
            .checked_mul(characters)
            .and_then(|for_message| fee.checked_add(for_message))
            .ok_or(CostOverflow)?;
        let total = amount.checked_add(fee).ok_or(CostOverflow)?;
        Ok(Cost { amount, fee, total })
    }

    /// Signs with the sender's key. The signature is checked, so that a faulty signer is found here.
    pub fn sign(self, signer: &dyn TransactionSigner) -> Result<VerifiedTransaction, SignError> {
        if self.sender.key() != Some(signer.public_key()) {
            return Err(SignError::NotTheSender);
        }
        let signature = signer.sign(&self.signing_bytes())?;
        Ok(SignedTransaction::new(self, signature)?.verify()?)
    }
}

/// A transaction with a signature that may be anything of the right length. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedTransaction(Arc<Signed>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Signed {
    transaction: Transaction,
    signature: Vec<u8>,
    id: Hash,
    wire_hash: Hash,
    size_bytes: usize,
}

impl SignedTransaction {
    /// Puts the two together. A signature is as long as the sender's modulus; that of a transaction
    /// from address 0 is empty.
    pub fn new(transaction: Transaction, signature: Vec<u8>) -> Result<Self, SignatureError> {
        let expected = transaction.sender.key().map_or(0, PublicKey::signature_bytes);
        if signature.len() != expected {
            return Err(SignatureError::Length);
        }
        let signed = transaction.signing_bytes();
        let size_bytes = signed.len() - encode(TRANSACTION_DOMAIN).len() + 4 + signature.len();
        let mut hasher = Sha256::new_with_prefix(&signed);
        let id = Hash(hasher.clone().finalize().into());
        hasher.update(&signature);
        let wire_hash = Hash(hasher.finalize().into());
        Ok(Self(Arc::new(Signed { transaction, signature, id, wire_hash, size_bytes })))
    }

    /// What is signed.
    pub fn transaction(&self) -> &Transaction {
        &self.0.transaction
    }

    /// RSA-PSS signature; empty for the genesis transaction.
    pub fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// The id of the transaction, which does not depend on the signature.
    pub fn id(&self) -> Hash {
        self.0.id
    }

    /// SHA-256 of the signed bytes and the signature: tells two signatures of one transaction apart.
    pub fn wire_hash(&self) -> Hash {
        self.0.wire_hash
    }

    /// Length of the encoding.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Accepts the canonical bytes only.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode(bytes)
    }

    /// Puts the state's copies of the parties' keys in place of those that were decoded, so that a
    /// known sender's key is prepared for verification once and not for each transaction.
    #[must_use]
    pub fn with_known_keys(mut self, state: &State) -> Self {
        if let Some(signed) = Arc::get_mut(&mut self.0) {
            for party in [&mut signed.transaction.sender, &mut signed.transaction.receiver] {
                if let Some(account) = party.account_id().and_then(|id| state.account(&id)) {
                    *party = Party::Key(account.key.clone());
                }
            }
        }
        self
    }

    /// Verifies the signature.
    pub fn verify(self) -> Result<VerifiedTransaction, SignatureError> {
        let sender = self.0.transaction.sender.key().ok_or(SignatureError::NetworkSender)?;
        sender.verify(&self.0.transaction.signing_bytes(), &self.0.signature)?;
        Ok(VerifiedTransaction(self))
    }
}

impl BorshSerialize for SignedTransaction {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> IoResult<()> {
        self.0.transaction.serialize(writer)?;
        self.0.signature.serialize(writer)
    }
}

impl BorshDeserialize for SignedTransaction {
    fn deserialize_reader<R: Read>(reader: &mut R) -> IoResult<Self> {
        let transaction = Transaction::deserialize_reader(reader)?;
        let signature = read_bytes(reader, MAX_SIGNATURE_BYTES)?;
        Self::new(transaction, signature).map_err(invalid)
    }
}

/// A transaction whose signature was verified, or the genesis transaction, which has none. Cheap to
/// clone. There is no way to decode one: bytes from elsewhere have to be verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedTransaction(SignedTransaction);

impl VerifiedTransaction {
    /// The genesis transaction, which nobody can sign. Whether its block is the network's genesis is
    /// decided by the hash in the descriptor.
    pub(crate) fn genesis(transaction: Transaction) -> Result<Self, SignatureError> {
        SignedTransaction::new(transaction, Vec::new()).map(Self)
    }

    /// A transaction as if its signature, of `mark` repeated, had been verified: tests of the rules run
    /// thousands of them.
    #[cfg(test)]
    pub(crate) fn assumed(transaction: Transaction, mark: u8) -> Self {
        let length = transaction.sender.key().map_or(0, PublicKey::signature_bytes);
        Self(SignedTransaction::new(transaction, vec![mark; length]).unwrap())
    }

    /// Without the knowledge that it was verified.
    pub fn into_signed(self) -> SignedTransaction {
        self.0
    }
}

impl Deref for VerifiedTransaction {
    type Target = SignedTransaction;

    fn deref(&self) -> &SignedTransaction {
        &self.0
    }
}

impl BorshSerialize for VerifiedTransaction {
    fn serialize<W: std::io::Write>(&self, writer: &mut W) -> IoResult<()> {
        self.0.serialize(writer)
    }
}

fn read_message<R: Read>(reader: &mut R) -> IoResult<String> {
    String::from_utf8(read_bytes(reader, MAX_MESSAGE_BYTES)?).map_err(invalid)
}

#[cfg(test)]
mod tests;
