//! Checking a receipt without believing the node that gave it.
//!
//! The only thing taken on trust is the chain id. It is the hash of the network's descriptor, which names the members'
//! keys; more than two thirds of these have signed the block's hash; the hash covers the header, the header's root the
//! transaction, and the transaction carries its sender's signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockchat_api::{ConvertError, ReceiptAnswer};
use blockchat_ledger::merkle::InclusionProof;
use blockchat_ledger::{
    BlockHeader, Commit, CommitError, DescriptorError, Hash, Ring, SignedDescriptor, SignedTransaction, Transaction,
};

/// What a receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The network it is about.
    pub chain_id: Hash,
    /// The transaction, as its sender signed it.
    pub transaction: Transaction,
    /// Its id.
    pub transaction_id: Hash,
    /// The block that holds it.
    pub block_index: u64,
    /// That block's hash.
    pub block_hash: Hash,
    /// Members that signed, and members in all.
    pub signers: (usize, usize),
}

/// Why a receipt proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The descriptor can't be read.
    #[error("the network's descriptor is unreadable")]
    Descriptor,
    /// The descriptor is not one that its bootstrap node signed.
    #[error("the network's descriptor: {0}")]
    Network(#[from] DescriptorError),
    /// The receipt of another network.
    #[error("the receipt is of chain {found}, not of {expected}")]
    OtherChain {
        /// As asked for.
        expected: Hash,
        /// In the receipt.
        found: Hash,
    },
    /// A field can't be read.
    #[error("{0}")]
    Field(String),
    /// The transaction's signature is not its sender's.
    #[error("the transaction is not signed by its sender")]
    Signature,
    /// Two fields that must agree don't.
    #[error("{0} does not fit the rest of the receipt")]
    Mismatch(&'static str),
    /// Nobody votes on block 0: it is part of what a network is.
    #[error("block 0 is not voted on, so that there is nothing to prove it by; compare the genesis hash instead")]
    Genesis,
    /// The certificate does not make the block final.
    #[error("the commit certificate: {0}")]
    Certificate(#[from] CommitError),
}

impl From<ConvertError> for ReceiptError {
    fn from(error: ConvertError) -> Self {
        Self::Field(error.to_string())
    }
}

/// Checks a receipt. Without `expected_chain` the result says which chain it is about, and whether that is the right
/// one is for the caller to judge.
///
/// # Errors
/// Names the first thing that does not hold.
pub fn verify_receipt(receipt: &ReceiptAnswer, expected_chain: Option<&Hash>) -> Result<VerifiedReceipt, ReceiptError> {
    let descriptor = STANDARD.decode(&receipt.descriptor).map_err(|_| ReceiptError::Descriptor)?;
    let descriptor = SignedDescriptor::decode(&descriptor).map_err(|_| ReceiptError::Descriptor)?;
    let ring = Ring::new(descriptor)?;
    let chain_id = ring.chain_id();
    if let Some(expected) = expected_chain
        && *expected != chain_id
    {
        return Err(ReceiptError::OtherChain { expected: *expected, found: chain_id });
    }
    let certificate = receipt.certificate.as_ref().ok_or(ReceiptError::Genesis)?;
    let signed = SignedTransaction::try_from(&receipt.transaction)?;
    let verified = signed.verify().map_err(|_| ReceiptError::Signature)?;
    let header = BlockHeader::try_from(&receipt.header)?;
    let agree = |holds: bool, what| if holds { Ok(()) } else { Err(ReceiptError::Mismatch(what)) };
    agree(verified.id() == receipt.transaction_id, "the transaction id")?;
    agree(verified.transaction().chain_id == chain_id && header.chain_id == chain_id, "the chain id")?;
    agree(header.hash() == receipt.block_hash, "the block's hash")?;
    agree(header.index == receipt.block_index, "the block's index")?;
    agree(receipt.inclusion.index == receipt.position, "the position")?;
    agree(receipt.inclusion.count == header.transaction_count, "the number of transactions")?;
    let proof = InclusionProof {
        index: receipt.inclusion.index,
        count: receipt.inclusion.count,
        siblings: receipt.inclusion.siblings.clone(),
    };
    agree(proof.root_of(&verified.wire_hash()) == Some(header.transaction_root), "the path to the transaction root")?;
    agree(receipt.validator == receipt.header.validator, "the validator")?;
    let cost = verified.transaction().cost(ring.parameters()).map_err(|_| ReceiptError::Mismatch("the amount"))?;
    agree(cost.fee == receipt.fee, "the fee")?;
    agree(certificate.height == header.index && certificate.block_hash == receipt.block_hash, "the certificate")?;
    agree(header.round <= certificate.round, "the certificate's round")?;
    let mut signatures = Vec::with_capacity(certificate.signatures.len());
    for entry in &certificate.signatures {
        let bytes = STANDARD.decode(&entry.signature).ok().and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
        signatures.push((entry.member, bytes.ok_or(CommitError::BadSignature(entry.member))?));
    }
    let commit = Commit { height: certificate.height, round: certificate.round, block: certificate.block_hash };
    commit.verify(&ring, &signatures)?;
    Ok(VerifiedReceipt {
        chain_id,
        transaction: verified.transaction().clone(),
        transaction_id: verified.id(),
        block_index: header.index,
        block_hash: receipt.block_hash,
        signers: (signatures.len(), ring.members().len()),
    })
}
