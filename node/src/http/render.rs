//! Ledger values as the API shows them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockchat_api::{
    Balances, BlockAnswer, CertificateAnswer, CertificateSignature, EvidenceItem, HeaderItem, InclusionItem,
    ReceiptItem, TransactionItem,
};
use blockchat_consensus::{Certificate, Evidence, EvidenceKind};
use blockchat_ledger::merkle::{self, InclusionProof};
use blockchat_ledger::{Account, Amount, BlockHeader, Party, PendingAccount, PublicKey, Ring, SignedTransaction};

use super::backend::FinalBlock;

/// Base64 DER, or `0` for the network.
pub fn address(party: &Party) -> String {
    party.key().map_or_else(|| "0".to_owned(), PublicKey::to_base64)
}

/// The member id of a party that is a member.
pub fn member_id(party: &Party, ring: &Ring) -> Option<u16> {
    party.account_id().and_then(|account| ring.id_of(&account))
}

/// The fee of a transaction. One that stands in a block has a fee that fits.
pub fn fee(transaction: &SignedTransaction, ring: &Ring) -> Amount {
    transaction.transaction().cost(ring.parameters()).map_or(Amount::ZERO, |cost| cost.fee)
}

/// A transaction.
pub fn transaction(signed: &SignedTransaction, ring: &Ring) -> TransactionItem {
    let transaction = signed.transaction();
    TransactionItem {
        transaction_id: signed.id(),
        sender_address: address(&transaction.sender),
        sender_id: member_id(&transaction.sender, ring),
        receiver_address: address(&transaction.receiver),
        receiver_id: member_id(&transaction.receiver, ring),
        type_of_transaction: transaction.kind.into(),
        amount: transaction.amount,
        message: transaction.message.clone(),
        nonce: transaction.nonce,
        valid_until: transaction.valid_until,
        chain_id: transaction.chain_id,
        signature: STANDARD.encode(signed.signature()),
    }
}

/// A block with its transactions and receipts.
pub fn block(found: &FinalBlock, ring: &Ring) -> BlockAnswer {
    let FinalBlock { block, certificate } = found;
    let header = &block.header;
    let receipts: Vec<ReceiptItem> = block
        .transactions
        .iter()
        .map(|signed| ReceiptItem { transaction_id: signed.id(), fee: fee(signed, ring) })
        .collect();
    let fees = receipts.iter().try_fold(Amount::ZERO, |sum, receipt| sum.checked_add(receipt.fee));
    BlockAnswer {
        index: header.index,
        timestamp_ms: header.timestamp_ms,
        validator: address(&header.validator),
        validator_id: member_id(&header.validator, ring),
        current_hash: block.hash(),
        previous_hash: header.previous_hash,
        round: header.round,
        commit_round: certificate.as_ref().map(|certificate| certificate.round),
        transaction_count: header.transaction_count,
        transaction_root: header.transaction_root,
        state_root: header.state_root,
        chain_id: header.chain_id,
        transactions: block.transactions.iter().map(|signed| transaction(signed, ring)).collect(),
        receipts,
        // A valid block's fees fit: they are part of the supply.
        fees: fees.unwrap_or(Amount::ZERO),
    }
}

/// A commit certificate.
pub fn certificate(certificate: &Certificate) -> CertificateAnswer {
    let signature = |entry: &blockchat_consensus::CommitSignature| CertificateSignature {
        member: entry.member,
        signature: STANDARD.encode(entry.signature),
    };
    CertificateAnswer {
        height: certificate.height,
        round: certificate.round,
        block_hash: certificate.block,
        signatures: certificate.signatures.iter().map(signature).collect(),
    }
}

/// The network's signed descriptor.
pub fn descriptor(ring: &Ring) -> String {
    STANDARD.encode(ring.descriptor().encode())
}

/// A block's header.
pub fn header(header: &BlockHeader) -> HeaderItem {
    HeaderItem {
        index: header.index,
        timestamp_ms: header.timestamp_ms,
        validator: address(&header.validator),
        previous_hash: header.previous_hash,
        round: header.round,
        transaction_count: header.transaction_count,
        transaction_root: header.transaction_root,
        state_root: header.state_root,
        chain_id: header.chain_id,
    }
}

/// The proof that the transaction at `position` stands in the block.
pub fn inclusion(found: &FinalBlock, position: usize) -> Option<InclusionItem> {
    let hashes: Vec<_> = found.block.transactions.iter().map(|signed| signed.wire_hash()).collect();
    let InclusionProof { index, count, siblings } = merkle::prove(&hashes, position)?;
    Some(InclusionItem { index, count, siblings })
}

/// One piece of evidence.
pub fn evidence(evidence: &Evidence) -> EvidenceItem {
    let kind = match evidence.kind {
        EvidenceKind::Vote => "vote",
        EvidenceKind::Proposal => "proposal",
    };
    EvidenceItem {
        kind: kind.to_owned(),
        member: evidence.member,
        height: evidence.height,
        statements: vec![STANDARD.encode(&evidence.first), STANDARD.encode(&evidence.second)],
    }
}

/// What an account holds on the chain; nothing, if it was never paid.
pub fn final_balances(account: Option<&Account>) -> Balances {
    account.map_or(Balances { balance: Amount::ZERO, stake: Amount::ZERO, nonce: 0 }, |account| Balances {
        balance: account.balance,
        stake: account.stake,
        nonce: account.nonce,
    })
}

/// What an account holds after its own pending transactions.
pub fn pending_balances(account: &PendingAccount) -> Balances {
    Balances { balance: account.balance, stake: account.stake, nonce: account.nonce }
}
