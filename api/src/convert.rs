//! Conversions between the wire form of a transaction and the ledger's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockchat_ledger::{
    AmountError, BlockHeader, Hash, KeyError, Kind, MAX_MESSAGE_BYTES, Party, PublicKey, SignatureError,
    SignedTransaction, Transaction,
};

use crate::{Code, HeaderItem, SignedTransactionRequest, TransactionItem, TransactionType};

/// Why a request is not a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConvertError {
    /// The amount is no amount.
    Amount(AmountError),
    /// An address is no accepted key.
    Key {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A hash is not 64 lower-case hex digits.
    Hash {
        /// Which field.
        field: &'static str,
    },
    /// The message is longer than [`MAX_MESSAGE_BYTES`].
    MessageTooLong,
    /// The signature is no base64.
    SignatureEncoding,
    /// The signature can't belong to the key.
    Signature(SignatureError),
    /// The id given is not that of the fields.
    IdMismatch {
        /// The id of the fields.
        actual: Hash,
    },
}

impl ConvertError {
    /// The stable code of the problem.
    pub const fn code(&self) -> Code {
        match self {
            Self::Amount(_) => Code::InvalidAmount,
            Self::Key { .. } => Code::InvalidKey,
            Self::Hash { .. } => Code::InvalidHash,
            Self::MessageTooLong => Code::MessageTooLong,
            Self::SignatureEncoding | Self::Signature(_) => Code::InvalidSignature,
            Self::IdMismatch { .. } => Code::IdMismatch,
        }
    }
}

impl std::fmt::Display for ConvertError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Amount(error) => write!(f, "amount: {error}"),
            Self::Key { field, error } => write!(f, "{field}: {error}"),
            Self::Hash { field } => write!(f, "{field} must be 64 lower-case hexadecimal digits"),
            Self::MessageTooLong => write!(f, "the message is longer than {MAX_MESSAGE_BYTES} bytes of UTF-8"),
            Self::SignatureEncoding => write!(f, "the signature is not base64"),
            Self::Signature(error) => write!(f, "{error}"),
            Self::IdMismatch { actual } => write!(f, "the id of these fields is {actual}"),
        }
    }
}

impl std::error::Error for ConvertError {}

impl From<Kind> for TransactionType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Coins => Self::Coins,
            Kind::Message => Self::Message,
            Kind::CoinsAndMessage => Self::CoinsAndMessage,
            Kind::Stake => Self::Stake,
            Kind::Grant => Self::Grant,
            Kind::Genesis => Self::Genesis,
        }
    }
}

impl From<TransactionType> for Kind {
    fn from(kind: TransactionType) -> Self {
        match kind {
            TransactionType::Coins => Self::Coins,
            TransactionType::Message => Self::Message,
            TransactionType::CoinsAndMessage => Self::CoinsAndMessage,
            TransactionType::Stake => Self::Stake,
            TransactionType::Grant => Self::Grant,
            TransactionType::Genesis => Self::Genesis,
        }
    }
}

/// How a party is written: base64 DER, or `0` for the network.
pub(crate) fn address(party: &Party) -> String {
    party.key().map_or_else(|| "0".to_owned(), PublicKey::to_base64)
}

fn party(field: &'static str, text: &str) -> Result<Party, ConvertError> {
    if text == "0" {
        return Ok(Party::Network);
    }
    PublicKey::from_base64(text).map(Party::Key).map_err(|error| ConvertError::Key { field, error })
}

fn hash(field: &'static str, text: &str) -> Result<Hash, ConvertError> {
    text.parse().map_err(|_| ConvertError::Hash { field })
}

impl From<&SignedTransaction> for SignedTransactionRequest {
    fn from(signed: &SignedTransaction) -> Self {
        let transaction = signed.transaction();
        Self {
            sender_address: address(&transaction.sender),
            receiver_address: address(&transaction.receiver),
            type_of_transaction: transaction.kind.into(),
            amount: transaction.amount.to_string(),
            message: transaction.message.clone(),
            nonce: transaction.nonce,
            valid_until: transaction.valid_until,
            chain_id: transaction.chain_id.to_string(),
            transaction_id: Some(signed.id().to_string()),
            signature: STANDARD.encode(signed.signature()),
        }
    }
}

impl TryFrom<&TransactionItem> for SignedTransaction {
    type Error = ConvertError;

    /// What a node shows, read back. The id that it claims must be that of the fields.
    fn try_from(item: &TransactionItem) -> Result<Self, ConvertError> {
        Self::try_from(SignedTransactionRequest {
            sender_address: item.sender_address.clone(),
            receiver_address: item.receiver_address.clone(),
            type_of_transaction: item.type_of_transaction,
            amount: item.amount.to_string(),
            message: item.message.clone(),
            nonce: item.nonce,
            valid_until: item.valid_until,
            chain_id: item.chain_id.to_string(),
            transaction_id: Some(item.transaction_id.to_string()),
            signature: item.signature.clone(),
        })
    }
}

impl TryFrom<&HeaderItem> for BlockHeader {
    type Error = ConvertError;

    fn try_from(item: &HeaderItem) -> Result<Self, ConvertError> {
        Ok(Self {
            index: item.index,
            timestamp_ms: item.timestamp_ms,
            validator: party("validator", &item.validator)?,
            previous_hash: item.previous_hash,
            round: item.round,
            transaction_count: item.transaction_count,
            transaction_root: item.transaction_root,
            state_root: item.state_root,
            chain_id: item.chain_id,
        })
    }
}

impl TryFrom<SignedTransactionRequest> for SignedTransaction {
    type Error = ConvertError;

    /// Checks the form alone: neither the signature nor any rule of the ledger.
    fn try_from(request: SignedTransactionRequest) -> Result<Self, ConvertError> {
        if request.message.len() > MAX_MESSAGE_BYTES {
            return Err(ConvertError::MessageTooLong);
        }
        let transaction = Transaction {
            sender: party("sender_address", &request.sender_address)?,
            receiver: party("receiver_address", &request.receiver_address)?,
            kind: request.type_of_transaction.into(),
            amount: request.amount.parse().map_err(ConvertError::Amount)?,
            message: request.message,
            nonce: request.nonce,
            valid_until: request.valid_until,
            chain_id: hash("chain_id", &request.chain_id)?,
        };
        let signature = STANDARD.decode(&request.signature).map_err(|_| ConvertError::SignatureEncoding)?;
        let signed = Self::new(transaction, signature).map_err(ConvertError::Signature)?;
        let given = request.transaction_id.as_deref().map(|id| hash("transaction_id", id)).transpose()?;
        match given {
            Some(id) if id != signed.id() => Err(ConvertError::IdMismatch { actual: signed.id() }),
            _ => Ok(signed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockchat_ledger::{Amount, Terms, Wallet};
    use rand::SeedableRng as _;

    fn signed() -> SignedTransaction {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let wallet = Wallet::generate(2048, &mut rng).unwrap();
        let other = Wallet::generate(2048, &mut rng).unwrap();
        let terms = Terms { nonce: 3, valid_until: 900, chain_id: Hash([9; 32]) };
        let amount: Amount = "12.5".parse().unwrap();
        Transaction::coins_and_message(
            wallet.public_key().clone(),
            other.public_key().clone(),
            amount,
            "héllo".into(),
            terms,
        )
        .sign(&wallet)
        .unwrap()
        .into_signed()
    }

    #[test]
    fn a_transaction_survives_the_wire() {
        let before = signed();
        let json = serde_json::to_string(&SignedTransactionRequest::from(&before)).unwrap();
        let request: SignedTransactionRequest = serde_json::from_str(&json).unwrap();
        assert_eq!(SignedTransaction::try_from(request).unwrap(), before);
    }

    #[test]
    fn each_bad_field_has_its_code() {
        let good = SignedTransactionRequest::from(&signed());
        let with = |change: fn(&mut SignedTransactionRequest)| {
            let mut request = good.clone();
            change(&mut request);
            SignedTransaction::try_from(request).unwrap_err().code()
        };
        assert_eq!(with(|r| r.amount = "-1".into()), Code::InvalidAmount);
        assert_eq!(with(|r| r.amount = "0.0000001".into()), Code::InvalidAmount);
        assert_eq!(with(|r| r.sender_address = "3".into()), Code::InvalidKey);
        assert_eq!(with(|r| r.receiver_address = String::new()), Code::InvalidKey);
        assert_eq!(with(|r| r.chain_id = "00".into()), Code::InvalidHash);
        assert_eq!(with(|r| r.message = "x".repeat(MAX_MESSAGE_BYTES + 1)), Code::MessageTooLong);
        assert_eq!(with(|r| r.signature = "AA==".into()), Code::InvalidSignature);
        assert_eq!(with(|r| r.signature = "!".into()), Code::InvalidSignature);
        assert_eq!(with(|r| r.nonce += 1), Code::IdMismatch);
    }
}
