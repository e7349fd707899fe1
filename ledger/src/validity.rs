//! What makes a transaction valid. The block rules and the pool ask the same questions here: the block
//! rules of the state as it is, the pool of a sender's account with its pending transactions replayed.

use crate::amount::Amount;
use crate::params::Parameters;
use crate::ring::Ring;
use crate::state::{Account, State};
use crate::transaction::{Cost, CostOverflow, Kind, MAX_MESSAGE_BYTES, Party, Transaction};

/// Why a transaction is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransactionError {
    /// For another network.
    #[error("the transaction is for another network")]
    WrongChain,
    /// Only block 0 may have a genesis transaction.
    #[error("a genesis transaction stands in block 0 only")]
    GenesisOutsideGenesis,
    /// Address 0 sends nothing but the genesis coins.
    #[error("address 0 cannot send")]
    NetworkSender,
    /// Coins, messages and grants go to a wallet.
    #[error("address 0 takes stakes only")]
    NetworkReceiver,
    /// A stake goes to address 0.
    #[error("a stake goes to address 0")]
    StakeReceiver,
    /// To oneself.
    #[error("sender and receiver are the same")]
    SelfReceiver,
    /// Coins of amount 0.
    #[error("the amount must be greater than 0")]
    ZeroAmount,
    /// A message with an amount.
    #[error("a message carries no amount")]
    UnexpectedAmount,
    /// A message without text.
    #[error("the message is empty")]
    EmptyMessage,
    /// Text in a transaction that carries none.
    #[error("a transaction of this type carries no message")]
    UnexpectedMessage,
    /// Too long a text.
    #[error("the message is longer than {MAX_MESSAGE_BYTES} bytes")]
    MessageTooLong,
    /// Its last block has passed.
    #[error("the transaction was valid until block {valid_until}, this is block {height}")]
    Expired {
        /// Last block in which it may stand.
        valid_until: u64,
        /// The block it was to stand in.
        height: u64,
    },
    /// Its last block is too far away.
    #[error("valid_until {valid_until} is more than {ttl_blocks} blocks after block {height}")]
    ValidUntilTooFar {
        /// Last block in which it may stand.
        valid_until: u64,
        /// The block it was to stand in.
        height: u64,
        /// How far away it may be.
        ttl_blocks: u64,
    },
    /// Never paid, so it has nothing to send.
    #[error("the sender has no account")]
    UnknownSender,
    /// Not the sender's next.
    #[error("the sender's next nonce is {expected}, not {found}")]
    WrongNonce {
        /// The account's next.
        expected: u64,
        /// The transaction's.
        found: u64,
    },
    /// The account has used all nonces.
    #[error("the sender has no nonce left")]
    NonceExhausted,
    /// Costs more than there is.
    #[error("{needed} BCC are needed, {available} are available")]
    InsufficientBalance {
        /// What it costs, or what a stake would lock.
        needed: Amount,
        /// What the sender can spend, or could stake.
        available: Amount,
    },
    /// More than any balance can be.
    #[error(transparent)]
    CostOverflow(#[from] CostOverflow),
    /// Only members stake.
    #[error("only members of the network stake")]
    NotAMember,
    /// Only the bootstrap node grants.
    #[error("only the bootstrap node grants")]
    NotTheBootstrap,
    /// Grants go to members.
    #[error("a grant goes to a member of the network")]
    GrantReceiver,
    /// Once per member.
    #[error("this member has been granted its endowment")]
    AlreadyGranted,
    /// Exactly the endowment.
    #[error("a grant is exactly the endowment, {endowment} BCC")]
    GrantAmount {
        /// By the parameters.
        endowment: Amount,
    },
    /// The bootstrap node pays its members first.
    #[error("the bootstrap node's other transactions wait until every member has its endowment")]
    GrantsPending,
}

impl TransactionError {
    /// A stable name for interfaces.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongChain => "wrong_chain",
            Self::GenesisOutsideGenesis => "genesis_outside_genesis",
            Self::NetworkSender => "network_sender",
            Self::NetworkReceiver => "network_receiver",
            Self::StakeReceiver => "stake_receiver",
            Self::SelfReceiver => "self_receiver",
            Self::ZeroAmount => "zero_amount",
            Self::UnexpectedAmount => "unexpected_amount",
            Self::EmptyMessage => "empty_message",
            Self::UnexpectedMessage => "unexpected_message",
            Self::MessageTooLong => "message_too_long",
            Self::Expired { .. } => "expired",
            Self::ValidUntilTooFar { .. } => "valid_until_too_far",
            Self::UnknownSender => "unknown_sender",
            Self::WrongNonce { .. } => "wrong_nonce",
            Self::NonceExhausted => "nonce_exhausted",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::CostOverflow(_) => "cost_overflow",
            Self::NotAMember => "not_a_member",
            Self::NotTheBootstrap => "not_the_bootstrap",
            Self::GrantReceiver => "grant_receiver",
            Self::AlreadyGranted => "already_granted",
            Self::GrantAmount { .. } => "grant_amount",
            Self::GrantsPending => "grants_pending",
        }
    }
}

/// What a sender has at the moment its transaction takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) balance: Amount,
    pub(crate) stake: Amount,
    pub(crate) nonce: u64,
}

impl Standing {
    /// That of an account as it is.
    pub(crate) fn of(account: &Account) -> Self {
        Self { balance: account.balance, stake: account.stake, nonce: account.nonce }
    }

    /// What the transaction leaves, or why it cannot be the sender's next.
    pub(crate) fn after(self, tx: &Transaction, cost: Cost) -> Result<Self, TransactionError> {
        if tx.nonce != self.nonce {
            return Err(TransactionError::WrongNonce { expected: self.nonce, found: tx.nonce });
        }
        let nonce = self.nonce.checked_add(1).ok_or(TransactionError::NonceExhausted)?;
        let insufficient = |needed, available| TransactionError::InsufficientBalance { needed, available };
        if tx.kind == Kind::Stake {
            let available = self.balance.checked_add(self.stake).ok_or(CostOverflow)?;
            let balance = available.checked_sub(tx.amount).ok_or(insufficient(tx.amount, available))?;
            return Ok(Self { balance, stake: tx.amount, nonce });
        }
        let balance = self.balance.checked_sub(cost.total).ok_or(insufficient(cost.total, self.balance))?;
        Ok(Self { balance, nonce, ..self })
    }
}

/// Everything that depends on the transaction and the network alone. Returns what it costs.
pub(crate) fn check_form(ring: &Ring, tx: &Transaction) -> Result<Cost, TransactionError> {
    if tx.kind == Kind::Genesis {
        return Err(TransactionError::GenesisOutsideGenesis);
    }
    if tx.chain_id != ring.chain_id() {
        return Err(TransactionError::WrongChain);
    }
    check_parties(ring, tx)?;
    check_contents(ring.parameters(), tx)?;
    Ok(tx.cost(ring.parameters())?)
}

fn check_parties(ring: &Ring, tx: &Transaction) -> Result<(), TransactionError> {
    let Party::Key(sender) = &tx.sender else {
        return Err(TransactionError::NetworkSender);
    };
    if tx.kind == Kind::Stake {
        if tx.receiver != Party::Network {
            return Err(TransactionError::StakeReceiver);
        }
        ring.id_of(&sender.account_id()).ok_or(TransactionError::NotAMember)?;
        return Ok(());
    }
    let Party::Key(receiver) = &tx.receiver else {
        return Err(TransactionError::NetworkReceiver);
    };
    if sender == receiver {
        return Err(TransactionError::SelfReceiver);
    }
    if tx.kind == Kind::Grant {
        if sender != ring.bootstrap() {
            return Err(TransactionError::NotTheBootstrap);
        }
        ring.id_of(&receiver.account_id()).ok_or(TransactionError::GrantReceiver)?;
    }
    Ok(())
}

fn check_contents(parameters: &Parameters, tx: &Transaction) -> Result<(), TransactionError> {
    let (has_amount, has_message) = match tx.kind {
        Kind::Message => (false, true),
        Kind::CoinsAndMessage => (true, true),
        Kind::Coins | Kind::Grant | Kind::Genesis => (true, false),
        Kind::Stake => (!tx.amount.is_zero(), false),
    };
    match (has_amount, tx.amount.is_zero()) {
        (true, true) => return Err(TransactionError::ZeroAmount),
        (false, false) => return Err(TransactionError::UnexpectedAmount),
        _ => {}
    }
    match (has_message, tx.message.is_empty()) {
        (true, true) => return Err(TransactionError::EmptyMessage),
        (false, false) => return Err(TransactionError::UnexpectedMessage),
        _ => {}
    }
    if tx.message.len() > MAX_MESSAGE_BYTES {
        return Err(TransactionError::MessageTooLong);
    }
    if tx.kind == Kind::Grant && tx.amount != parameters.endowment {
        return Err(TransactionError::GrantAmount { endowment: parameters.endowment });
    }
    Ok(())
}

/// Whether the transaction may stand in the block with index `height`.
pub(crate) fn check_window(parameters: &Parameters, height: u64, tx: &Transaction) -> Result<(), TransactionError> {
    let valid_until = tx.valid_until;
    let ttl_blocks = parameters.ttl_blocks;
    match valid_until.checked_sub(height) {
        None => Err(TransactionError::Expired { valid_until, height }),
        Some(ahead) if ahead > ttl_blocks => {
            Err(TransactionError::ValidUntilTooFar { valid_until, height, ttl_blocks })
        }
        Some(_) => Ok(()),
    }
}

/// What the bootstrap node may send before and after the members have their endowments.
pub(crate) fn check_grants(ring: &Ring, state: &State, tx: &Transaction) -> Result<(), TransactionError> {
    let Some(receiver) = tx.receiver.account_id().filter(|_| tx.kind == Kind::Grant) else {
        let owes = tx.sender.key() == Some(ring.bootstrap()) && !state.grants_complete(ring);
        return if owes { Err(TransactionError::GrantsPending) } else { Ok(()) };
    };
    let granted = state.account(&receiver).is_some_and(|account| account.granted);
    if granted { Err(TransactionError::AlreadyGranted) } else { Ok(()) }
}
