//! A persistent authenticated map: a binary Patricia tree over account ids.
//!
//! A branch stands where two groups of keys first differ, so the shape, and with it the root hash,
//! depends on nothing but the contents. Nodes are shared between clones and copied when one of them
//! changes; hashes are computed when asked for and kept, so that a block costs as much as the accounts
//! it touches, however many there are.

use std::sync::{Arc, OnceLock};

use crate::hash::Hash;
use crate::keys::AccountId;
use crate::state::Account;

const LEAF_DOMAIN: &str = "blockchat/state-leaf/v1";
const BRANCH_DOMAIN: &str = "blockchat/state-branch/v1";
const EMPTY_DOMAIN: &str = "blockchat/state-empty/v1";

/// Accounts by id. Cloning is O(1).
#[derive(Clone, Debug, Default)]
pub(crate) struct Trie {
    root: Option<Arc<Node>>,
}

#[derive(Clone, Debug)]
enum Node {
    Leaf(Leaf),
    Branch(Branch),
}

#[derive(Clone, Debug)]
struct Leaf {
    id: AccountId,
    account: Account,
    hash: OnceLock<Hash>,
}

#[derive(Clone, Debug)]
struct Branch {
    /// The first bit, counted from the most significant of the first byte, in which the two sides differ.
    bit: u16,
    /// Keys with 0 there.
    zero: Arc<Node>,
    /// Keys with 1 there.
    one: Arc<Node>,
    hash: OnceLock<Hash>,
}

impl Trie {
    /// The account with the id.
    pub(crate) fn get(&self, id: &AccountId) -> Option<&Account> {
        let leaf = self.root.as_ref()?.closest(id);
        (leaf.id == *id).then_some(&leaf.account)
    }

    /// Puts the account under its id, in place of the one that was there.
    pub(crate) fn put(&mut self, id: AccountId, account: Account) {
        let leaf = Leaf { id, account, hash: OnceLock::new() };
        match &mut self.root {
            None => self.root = Some(Arc::new(Node::Leaf(leaf))),
            Some(root) => {
                let difference = first_difference(&root.closest(&id).id, &id);
                put(root, leaf, difference);
            }
        }
    }

    /// The hash of all contents.
    pub(crate) fn root(&self) -> Hash {
        self.root.as_ref().map_or_else(|| Hash::of(EMPTY_DOMAIN, &[]), |root| root.hash())
    }

    /// All accounts in the order of their ids.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Account> {
        let mut waiting: Vec<&Node> = self.root.as_deref().into_iter().collect();
        std::iter::from_fn(move || {
            loop {
                match waiting.pop()? {
                    Node::Leaf(leaf) => return Some(&leaf.account),
                    Node::Branch(branch) => waiting.extend([&*branch.one, &*branch.zero]),
                }
            }
        })
    }
}

impl Node {
    /// The leaf that the id's bits lead to; the id's own when it is there.
    fn closest(&self, id: &AccountId) -> &Leaf {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(leaf) => return leaf,
                Self::Branch(branch) => node = if bit(id, branch.bit) { &branch.one } else { &branch.zero },
            }
        }
    }

    fn hash(&self) -> Hash {
        match self {
            Self::Leaf(leaf) => *leaf.hash.get_or_init(|| hash_leaf(leaf)),
            Self::Branch(branch) => *branch.hash.get_or_init(|| hash_branch(branch)),
        }
    }
}

/// Puts the leaf below `node`. `difference` is the first bit in which its id differs from the closest
/// one in the tree; `None` when it is there.
fn put(node: &mut Arc<Node>, leaf: Leaf, difference: Option<u16>) {
    let deeper = match &**node {
        Node::Leaf(_) => false,
        Node::Branch(branch) => difference.is_none_or(|difference| branch.bit < difference),
    };
    if deeper {
        if let Node::Branch(branch) = Arc::make_mut(node) {
            branch.hash = OnceLock::new();
            let side = if bit(&leaf.id, branch.bit) { &mut branch.one } else { &mut branch.zero };
            put(side, leaf, difference);
        }
        return;
    }
    let Some(difference) = difference else {
        *node = Arc::new(Node::Leaf(leaf));
        return;
    };
    let one = bit(&leaf.id, difference);
    let (old, new) = (Arc::clone(node), Arc::new(Node::Leaf(leaf)));
    let (zero, one) = if one { (old, new) } else { (new, old) };
    *node = Arc::new(Node::Branch(Branch { bit: difference, zero, one, hash: OnceLock::new() }));
}

fn hash_leaf(leaf: &Leaf) -> Hash {
    let Account { key: _, balance, stake, nonce, granted } = &leaf.account;
    // The id is the hash of the key, so the key is covered.
    let mut bytes = Vec::with_capacity(32 + 3 * 8 + 1);
    bytes.extend(leaf.id.0);
    bytes.extend(balance.micros().to_le_bytes());
    bytes.extend(stake.micros().to_le_bytes());
    bytes.extend(nonce.to_le_bytes());
    bytes.push(u8::from(*granted));
    Hash::of(LEAF_DOMAIN, &[&bytes])
}

fn hash_branch(branch: &Branch) -> Hash {
    let mut bytes = Vec::with_capacity(2 + 2 * 32);
    bytes.extend(branch.bit.to_le_bytes());
    bytes.extend(branch.zero.hash().0);
    bytes.extend(branch.one.hash().0);
    Hash::of(BRANCH_DOMAIN, &[&bytes])
}

/// Bit `index` of the id, the most significant of the first byte being 0.
fn bit(id: &AccountId, index: u16) -> bool {
    let byte = id.0.get(usize::from(index / 8)).copied().unwrap_or_default();
    byte & (0x80 >> (index % 8)) != 0
}

/// The first bit in which two ids differ.
fn first_difference(left: &AccountId, right: &AccountId) -> Option<u16> {
    (0_u16..).zip(left.0.iter().zip(&right.0)).find_map(|(index, (left, right))| {
        let difference = left ^ right;
        (difference != 0).then(|| index * 8 + u16::try_from(difference.leading_zeros()).unwrap_or_default())
    })
}
