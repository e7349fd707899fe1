//! The network under load, as its nodes describe it.

use crate::error::{LoadError, unreachable};
use crate::report::schema::FailedNode;
use blockchat_client::api::{ParametersAnswer, TransactionStatus};
use blockchat_client::{Client, Options, Wait};
use blockchat_ledger::Amount;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bound on a stake's way into a block.
const STAKE_BOUND: Duration = Duration::from_secs(30);

/// One node under load.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its member id.
    pub id: u16,
    /// A client of its own: connections are not shared between nodes.
    pub client: Client,
}

/// The nodes that take part in a run, and what they agreed on.
#[derive(Clone, Debug)]
pub struct Network {
    /// By id. Fewer than `parameters.nodes` if not all nodes were named.
    pub members: Vec<Member>,
    /// Parameters of the network.
    pub parameters: ParametersAnswer,
    /// Version that the first node tells.
    pub node_version: String,
}

impl Network {
    /// Asks each node at `urls` who it is.
    ///
    /// # Errors
    /// A node does not answer or has not joined, two URLs are the same member, or they belong to different networks.
    pub async fn connect(urls: &[String], options: &Options) -> Result<Self, LoadError> {
        let mut members = BTreeMap::new();
        let mut chain = None;
        let mut node_version = String::new();
        for url in urls {
            let client = Client::with_options(url, options).map_err(|error| LoadError::Usage(error.to_string()))?;
            let status = client.status().await.map_err(unreachable(format!("asking {url} for its status")))?;
            let (Some(id), Some(chain_id)) = (status.id, status.chain_id) else {
                let waiting = status.waiting_for.unwrap_or_default();
                return Err(LoadError::Failed(format!("{url} has not joined a network yet {waiting}")));
            };
            let (first_chain, first_url) = chain.get_or_insert_with(|| (chain_id, url.clone()));
            if *first_chain != chain_id {
                return Err(LoadError::Usage(format!("{first_url} and {url} belong to different networks")));
            }
            if members.insert(id, Member { id, client }).is_some() {
                return Err(LoadError::Usage(format!("{url} is node {id}, which was named before")));
            }
            node_version = status.version;
        }
        let members: Vec<Member> = members.into_values().collect();
        let Some(first) = members.first() else {
            return Err(LoadError::Usage("no node was named".to_owned()));
        };
        let network = first.client.network().await.map_err(unreachable("asking for the network's parameters"))?;
        if network.parameters.nodes < 2 {
            return Err(LoadError::Usage("a network of one node has nobody to send to".to_owned()));
        }
        Ok(Self { members, parameters: network.parameters, node_version })
    }

    /// The network as those of its nodes see it that have not failed.
    ///
    /// # Errors
    /// None is left.
    pub fn without(&self, failed: &[FailedNode]) -> Result<Self, LoadError> {
        let left = |member: &&Member| failed.iter().all(|failed| failed.node != member.id);
        let members: Vec<Member> = self.members.iter().filter(left).cloned().collect();
        if members.is_empty() {
            return Err(LoadError::NodesFailed(describe(failed)));
        }
        Ok(Self { members, ..self.clone() })
    }

    /// All money there is: the endowment of each member.
    pub fn supply(&self) -> Option<Amount> {
        self.parameters.endowment.checked_mul(u64::from(self.parameters.nodes))
    }

    /// Sets stakes by member id and waits until they are committed. A stake that is already set is not sent again.
    ///
    /// # Errors
    /// A node refuses its stake, or it is not committed in time.
    pub async fn set_stakes(&self, stakes: &BTreeMap<u16, Amount>) -> Result<(), LoadError> {
        let staked = self.members.iter().filter_map(|member| Some((member, *stakes.get(&member.id)?)));
        futures::future::try_join_all(staked.map(|(member, amount)| set_stake(member, amount))).await?;
        Ok(())
    }

    /// Stakes as each named member's own node knows them.
    ///
    /// # Errors
    /// A node does not answer.
    pub async fn stakes(&self) -> Result<BTreeMap<u16, Amount>, LoadError> {
        let mut stakes = BTreeMap::new();
        for member in &self.members {
            let wallet = member.client.wallet().await.map_err(unreachable("reading a wallet"))?;
            stakes.insert(member.id, wallet.final_state.stake);
        }
        Ok(stakes)
    }
}

/// The failed nodes for people, a line each.
pub fn describe(failed: &[FailedNode]) -> String {
    let lines: Vec<String> = failed.iter().map(|node| format!("node {} failed: {}", node.node, node.error)).collect();
    lines.join("\n")
}

async fn set_stake(member: &Member, amount: Amount) -> Result<(), LoadError> {
    let what = format!("setting the stake of node {} to {amount}", member.id);
    let read = || async { member.client.wallet().await.map_err(unreachable(what.clone())) };
    if read().await?.pending.stake == amount {
        return Ok(());
    }
    let answer = member.client.set_stake(&amount.to_string(), None, Wait::Committed).await;
    let answer = answer.map_err(|error| match error.code() {
        Some(_) => LoadError::Failed(format!("{what}: {error}")),
        None => unreachable(what.clone())(error),
    })?;
    if matches!(answer.status, TransactionStatus::Rejected | TransactionStatus::Expired) {
        let reason = answer.reason.unwrap_or_default();
        return Err(LoadError::Failed(format!("{what}: {:?} {reason}", answer.status)));
    }
    let started = Instant::now();
    while read().await?.final_state.stake != amount {
        if started.elapsed() > STAKE_BOUND {
            return Err(LoadError::Failed(format!("{what}: not committed within {STAKE_BOUND:?}")));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// `--stake 10`, `--stake 0=100,1=10` or `--stake 10,0=100`: one amount for all, amounts by node id, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StakePlan {
    /// For every node that is not named.
    pub default: Option<Amount>,
    /// By node id.
    pub by_id: BTreeMap<u16, Amount>,
}

impl StakePlan {
    /// The same stake for every node.
    pub fn equal(amount: Amount) -> Self {
        Self { default: Some(amount), by_id: BTreeMap::new() }
    }

    /// The stakes of `ids`; those without one keep theirs.
    pub fn resolve(&self, ids: impl IntoIterator<Item = u16>) -> BTreeMap<u16, Amount> {
        let stake = |id: u16| self.by_id.get(&id).copied().or(self.default);
        ids.into_iter().filter_map(|id| Some((id, stake(id)?))).collect()
    }
}

impl std::str::FromStr for StakePlan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let amount = |text: &str| text.parse::<Amount>().map_err(|error| format!("`{text}`: {error}"));
        let mut plan = Self::default();
        for part in text.split(',') {
            let known = match part.split_once('=') {
                None => plan.default.replace(amount(part)?).is_some(),
                Some((id, stake)) => {
                    let id = id.parse().map_err(|_| format!("`{id}` is no node id"))?;
                    plan.by_id.insert(id, amount(stake)?).is_some()
                }
            };
            if known {
                return Err(format!("`{part}` gives a stake for the second time"));
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::StakePlan;
    use blockchat_ledger::Amount;

    fn resolved(text: &str) -> Vec<(u16, String)> {
        let plan: StakePlan = text.parse().unwrap();
        plan.resolve(0..3).into_iter().map(|(id, amount): (u16, Amount)| (id, amount.to_string())).collect()
    }

    #[test]
    fn stakes_for_all_for_some_and_both() {
        let ten = |id| (id, "10".to_owned());
        assert_eq!(resolved("10"), [ten(0), ten(1), ten(2)]);
        assert_eq!(resolved("0=100,2=0.5"), [(0, "100".to_owned()), (2, "0.5".to_owned())]);
        assert_eq!(resolved("10,1=100"), [ten(0), (1, "100".to_owned()), ten(2)]);
        assert_eq!(resolved("7=1"), []);
    }

    #[test]
    fn malformed_stakes_are_refused() {
        for text in ["", "x", "1=", "=1", "a=1", "-5", "1e3", "10,20", "0=1,0=2", "0=1,,"] {
            assert!(text.parse::<StakePlan>().is_err(), "{text}");
        }
    }
}
