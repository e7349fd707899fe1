//! A node's chain as its API shows it, and the rules of money computed a second time.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::Api;
use crate::coins::{Micros, micros};

/// What an account holds after a replay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Spendable.
    pub balance: Micros,
    /// Locked.
    pub stake: Micros,
    /// The next nonce.
    pub nonce: u64,
}

/// All blocks of a node, genesis first.
pub struct Chain {
    blocks: Vec<Value>,
}

/// Checks that two nodes hold the same blocks.
pub fn assert_same_chain(one: &Chain, other: &Chain) {
    for (index, (a, b)) in one.blocks.iter().zip(&other.blocks).enumerate() {
        assert_eq!(a["current_hash"], b["current_hash"], "fork at block {index}");
    }
    assert_eq!(one.blocks.len(), other.blocks.len(), "one chain is longer");
}

impl Chain {
    /// Reads all pages.
    pub async fn read(node: &Api) -> Self {
        let mut blocks: Vec<Value> = Vec::new();
        loop {
            let page = node.get(&format!("/blocks?from={}&limit=500", blocks.len())).await;
            blocks.extend(page["blocks"].as_array().expect("a page of blocks").iter().cloned());
            if page["next"].is_null() {
                break;
            }
        }
        for (index, block) in blocks.iter().enumerate() {
            assert_eq!(block["index"].as_u64(), u64::try_from(index).ok(), "index of block {index}");
            if index > 0 {
                let parent = &blocks[index - 1];
                assert_eq!(block["previous_hash"], parent["current_hash"], "parent of block {index}");
                assert!(block["timestamp_ms"].as_u64() > parent["timestamp_ms"].as_u64(), "time of block {index}");
            }
        }
        Self { blocks }
    }

    /// Index of the newest block.
    pub fn height(&self) -> usize {
        self.blocks.len() - 1
    }

    /// The blocks, genesis first.
    pub fn blocks(&self) -> &[Value] {
        &self.blocks
    }

    /// All transactions with the index of their block, in order.
    pub fn transactions(&self) -> impl Iterator<Item = (usize, &Value)> {
        self.blocks.iter().enumerate().flat_map(|(index, block)| {
            block["transactions"].as_array().into_iter().flatten().map(move |transaction| (index, transaction))
        })
    }

    /// The block that holds a transaction.
    pub fn block_of(&self, transaction_id: &str) -> Option<usize> {
        self.transactions()
            .find(|(_, transaction)| transaction["transaction_id"] == transaction_id)
            .map(|(index, _)| index)
    }

    /// Computes every account again, by address, from the rules: 3 % on coins, one BCC for each character, all fees to
    /// the validator after the block's last transaction, nonces without gaps, nobody spends what they don't have.
    pub fn replay(&self, supply: Micros) -> BTreeMap<String, Account> {
        let mut accounts = BTreeMap::<String, Account>::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let transactions = block["transactions"].as_array().expect("transactions");
            let receipts = block["receipts"].as_array().expect("receipts");
            assert_eq!(transactions.len(), receipts.len(), "receipts of block {index}");
            let mut fees = 0;
            for (transaction, receipt) in transactions.iter().zip(receipts) {
                let fee = apply(&mut accounts, transaction);
                assert_eq!(micros(text(receipt, "fee")), fee, "fee in block {index}: {transaction}");
                fees += fee;
            }
            if index > 0 {
                accounts.entry(text(block, "validator").to_owned()).or_default().balance += fees;
            }
            let total: Micros = accounts.values().map(|account| account.balance + account.stake).sum();
            assert_eq!(total, supply, "coins after block {index}");
        }
        accounts
    }
}

/// Applies one transaction and returns its fee.
fn apply(accounts: &mut BTreeMap<String, Account>, transaction: &Value) -> Micros {
    let amount = micros(text(transaction, "amount"));
    let characters = u64::try_from(text(transaction, "message").chars().count()).expect("a short message");
    let kind = text(transaction, "type_of_transaction");
    let fee = match kind {
        "genesis" | "grant" | "stake" => 0,
        "coins" | "message" | "coins_and_message" => (amount * 3).div_ceil(100) + characters * 1_000_000,
        other => panic!("unknown type {other}"),
    };
    let receiver = text(transaction, "receiver_address").to_owned();
    if kind != "genesis" {
        let sender = accounts.get_mut(text(transaction, "sender_address")).expect("a sender with an account");
        assert_eq!(transaction["nonce"].as_u64(), Some(sender.nonce), "nonce of {transaction}");
        sender.nonce += 1;
        if kind == "stake" {
            let all = sender.balance + sender.stake;
            sender.balance = all.checked_sub(amount).unwrap_or_else(|| panic!("stakes too much: {transaction}"));
            sender.stake = amount;
            return fee;
        }
        sender.balance =
            sender.balance.checked_sub(amount + fee).unwrap_or_else(|| panic!("spends too much: {transaction}"));
    }
    accounts.entry(receiver).or_default().balance += amount;
    fee
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {value}"))
}
