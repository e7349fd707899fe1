//! The check at the end of every run: one chain on all nodes, supply conserved, nothing lost.

use crate::error::{LoadError, unreachable};
use crate::network::{Member, Network};
use blockchat_client::api::{BlockAnswer, BlockPage};
use blockchat_client::{Client, Error};
use blockchat_ledger::{Amount, Hash};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

/// Blocks asked for at once.
const PAGE_BLOCKS: u32 = 500;
/// How often nodes are asked whether they agree.
const POLL: Duration = Duration::from_millis(20);
/// How long nodes may take to reach the same tip once nothing is sent any more.
const AGREE_BOUND: Duration = Duration::from_secs(20);

/// The verdict on the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainCheck {
    /// Every node has the same block hash at every height, each block names the hash before it, and all tips are equal.
    pub one_chain: bool,
    /// Height that all nodes have reached.
    pub height: u64,
    /// Hash of the block there.
    #[schemars(with = "Option<String>")]
    pub tip_hash: Option<Hash>,
    /// Endowment times members, BCC.
    #[schemars(with = "String")]
    pub supply_expected: Amount,
    /// Balances and stakes of all accounts, BCC; missing if the chain did not stand still long enough to add them up.
    #[schemars(with = "Option<String>")]
    pub supply_found: Option<Amount>,
    /// What is wrong, for people; empty if nothing is.
    pub problems: Vec<String>,
}

/// Balance and stake of a member at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// Spendable.
    pub balance: Amount,
    /// Locked.
    pub stake: Amount,
}

/// The chain, read and checked.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// All blocks, from genesis on, of the first node.
    pub blocks: Vec<BlockAnswer>,
    /// By member id; empty if the supply could not be added up.
    pub holdings: BTreeMap<u16, Holding>,
    /// The verdict.
    pub check: ChainCheck,
}

/// Waits until all nodes of `network` agree, reads every block of every node and adds up all accounts.
///
/// # Errors
/// A node does not answer.
pub async fn read(network: &Network) -> Result<Ledger, LoadError> {
    let mut problems = Vec::new();
    if let Err(heights) = agree(&network.members).await? {
        problems.push(format!("the nodes did not reach the same tip within {AGREE_BOUND:?}: heights {heights:?}"));
    }
    let Some((first, others)) = network.members.split_first() else {
        return Err(LoadError::Usage("no node was named".to_owned()));
    };
    let blocks = blocks(&first.client).await.map_err(unreachable(format!("reading the chain of node {}", first.id)))?;
    let mut chains = vec![(first.id, links(&blocks))];
    for member in others {
        let what = format!("reading the chain of node {}", member.id);
        let blocks = self::blocks(&member.client).await.map_err(unreachable(what))?;
        chains.push((member.id, links(&blocks)));
    }
    problems.extend(differences(&chains));
    let one_chain = problems.is_empty();
    let shortest = chains.iter().map(|(_, chain)| chain.len()).min().unwrap_or_default();
    let height = (shortest as u64).saturating_sub(1);
    let tip_hash = shortest.checked_sub(1).map(|last| blocks[last].current_hash);
    let supply_expected = network.supply().unwrap_or_default();
    let (supply_found, holdings) = match accounts(&first.client, &blocks).await? {
        None => (None, BTreeMap::new()),
        Some((found, holdings)) => (Some(found), holdings),
    };
    if let Some(found) = supply_found
        && found != supply_expected
    {
        problems.push(format!("the supply is {found} BCC, but must be {supply_expected} BCC"));
    }
    let check = ChainCheck { one_chain, height, tip_hash, supply_expected, supply_found, problems };
    Ok(Ledger { blocks, holdings, check })
}

/// The check for a load too large to read back: all nodes tell the same hash at the same height, and with it, since each
/// block names the one before it, the same chain. Supply and single transactions are not looked at.
///
/// # Errors
/// A node does not answer.
pub async fn read_tips(network: &Network) -> Result<ChainCheck, LoadError> {
    let mut problems = Vec::new();
    if let Err(heights) = agree(&network.members).await? {
        problems.push(format!("the nodes did not reach the same tip within {AGREE_BOUND:?}: heights {heights:?}"));
    }
    let mut tips = BTreeMap::new();
    for member in &network.members {
        let what = format!("asking node {} for its status", member.id);
        let status = member.client.status().await.map_err(unreachable(what))?;
        tips.insert(member.id, (status.height.unwrap_or_default(), status.tip_hash));
    }
    let distinct: BTreeSet<_> = tips.values().collect();
    if distinct.len() > 1 && problems.is_empty() {
        problems.push(format!("forked: the nodes have different blocks at the end: {tips:?}"));
    }
    let (height, tip_hash) = tips.values().min().copied().unwrap_or_default();
    let supply_expected = network.supply().unwrap_or_default();
    Ok(ChainCheck { one_chain: problems.is_empty(), height, tip_hash, supply_expected, supply_found: None, problems })
}

/// Waits until all nodes tell the same height, or are seen to have forked; else the heights they tell at the end.
async fn agree(members: &[Member]) -> Result<Result<(), BTreeMap<u16, u64>>, LoadError> {
    let started = Instant::now();
    loop {
        let mut tips = BTreeSet::new();
        let mut heights = BTreeMap::new();
        for member in members {
            let what = format!("asking node {} for its status", member.id);
            let status = member.client.status().await.map_err(unreachable(what))?;
            tips.insert((status.height, status.tip_hash));
            heights.insert(member.id, status.height.unwrap_or_default());
        }
        // Two hashes at one height never become one again: the comparison of the chains will say where they parted.
        let distinct: BTreeSet<_> = tips.iter().map(|(height, _)| height).collect();
        if tips.len() == 1 || distinct.len() < tips.len() {
            return Ok(Ok(()));
        }
        if started.elapsed() > AGREE_BOUND {
            return Ok(Err(heights));
        }
        tokio::time::sleep(POLL).await;
    }
}

/// All blocks of a node, genesis first.
async fn blocks(client: &Client) -> Result<Vec<BlockAnswer>, Error> {
    let mut blocks = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next {
        let page: BlockPage = client.blocks(from, PAGE_BLOCKS).await?;
        // An empty page with a successor would make this loop endless.
        next = page.next.filter(|next| *next > from && !page.blocks.is_empty());
        blocks.extend(page.blocks);
    }
    Ok(blocks)
}

/// A block as far as the comparison needs it: index, own hash, previous hash.
type Link = (u64, Hash, Hash);

fn links(blocks: &[BlockAnswer]) -> Vec<Link> {
    blocks.iter().map(|block| (block.index, block.current_hash, block.previous_hash)).collect()
}

/// What is wrong with these chains: gaps, broken links, and the first height at which two of them differ.
fn differences(chains: &[(u16, Vec<Link>)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (node, chain) in chains {
        let gap = chain.iter().enumerate().find(|(position, link)| *position as u64 != link.0);
        if let Some((position, link)) = gap {
            problems.push(format!("node {node} has block {} where block {position} belongs", link.0));
        }
        let broken = chain.windows(2).find(|pair| pair[1].2 != pair[0].1);
        if let Some([_, block]) = broken {
            problems.push(format!("block {} of node {node} does not name the hash of the block before it", block.0));
        }
    }
    let Some(((first_node, first), others)) = chains.split_first() else {
        return problems;
    };
    for (node, chain) in others {
        let fork = first.iter().zip(chain).find(|(a, b)| a.1 != b.1);
        if let Some((a, b)) = fork {
            problems.push(format!(
                "forked: at height {} node {first_node} has block {} and node {node} has block {}",
                a.0, a.1, b.1
            ));
        }
    }
    problems
}

/// The sum of all accounts and the members' holdings; `None` if blocks keep coming.
async fn accounts(
    client: &Client,
    blocks: &[BlockAnswer],
) -> Result<Option<(Amount, BTreeMap<u16, Holding>)>, LoadError> {
    let what = "adding up the accounts";
    let transactions = blocks.iter().flat_map(|block| &block.transactions);
    let addresses: BTreeSet<&str> = transactions
        .flat_map(|item| [item.sender_address.as_str(), item.receiver_address.as_str()])
        .filter(|address| *address != "0")
        .collect();
    for _ in 0..5 {
        let before = client.status().await.map_err(unreachable(what))?.height;
        let mut holdings = BTreeMap::new();
        let mut sum = Some(Amount::ZERO);
        for address in &addresses {
            let account = client.account(address).await.map_err(unreachable(what))?;
            let holding = Holding { balance: account.final_state.balance, stake: account.final_state.stake };
            sum = sum.and_then(|sum| sum.checked_add(holding.balance)?.checked_add(holding.stake));
            if let Some(id) = account.id {
                holdings.insert(id, holding);
            }
        }
        let after = client.status().await.map_err(unreachable(what))?.height;
        if before == after {
            return Ok(sum.map(|sum| (sum, holdings)));
        }
    }
    Ok(None)
}

/// How often each transaction stands in a chain.
#[derive(Clone, Debug)]
pub struct Occurrences(HashMap<Hash, u32>);

impl Occurrences {
    /// Counts.
    pub fn of(blocks: &[BlockAnswer]) -> Self {
        let mut counts = HashMap::new();
        for item in blocks.iter().flat_map(|block| &block.transactions) {
            *counts.entry(item.transaction_id).or_default() += 1;
        }
        Self(counts)
    }

    /// Whether it stands in any block.
    pub fn contains(&self, id: &Hash) -> bool {
        self.0.get(id).is_some_and(|count| *count > 0)
    }

    /// How many transactions stand in the chain more than once.
    pub fn duplicated(&self) -> u64 {
        self.0.values().filter(|count| **count > 1).count() as u64
    }

    /// Takes one occurrence away; `false` if there is none left.
    pub fn take(&mut self, id: &Hash) -> bool {
        match self.0.get_mut(id) {
            Some(count) if *count > 0 => {
                *count -= 1;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Link, differences};
    use blockchat_ledger::Hash;

    fn chain(hashes: &[u8]) -> Vec<Link> {
        let hash = |byte: u8| Hash([byte; 32]);
        let mut previous = 0;
        let mut links = Vec::new();
        for (index, byte) in hashes.iter().enumerate() {
            links.push((index as u64, hash(*byte), hash(previous)));
            previous = *byte;
        }
        links
    }

    #[test]
    fn equal_chains_and_prefixes_are_one_chain() {
        assert!(differences(&[(0, chain(&[1, 2, 3])), (1, chain(&[1, 2, 3]))]).is_empty());
        assert!(differences(&[(0, chain(&[1, 2, 3])), (1, chain(&[1, 2]))]).is_empty());
    }

    #[test]
    fn a_fork_names_height_and_nodes() {
        let problems = differences(&[(0, chain(&[1, 2, 3])), (1, chain(&[1, 2, 3])), (4, chain(&[1, 9, 8]))]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("forked: at height 1 node 0 has block 0202"), "{problems:?}");
        assert!(problems[0].contains("node 4 has block 0909"), "{problems:?}");
    }

    #[test]
    fn gaps_and_broken_links_are_found() {
        let mut broken = chain(&[1, 2, 3]);
        broken[2].2 = Hash([7; 32]);
        assert_eq!(differences(&[(3, broken)]), ["block 2 of node 3 does not name the hash of the block before it"]);
        let mut gap = chain(&[1, 2, 3]);
        gap.remove(1);
        let problems = differences(&[(3, gap)]);
        assert_eq!(problems[0], "node 3 has block 2 where block 1 belongs");
    }
}
