//! Wallets of the generator's own, so that it can sign ahead of time against any network, near or far: the nodes' own
//! wallets only pay them a little once.

use crate::error::{LoadError, unreachable};
use crate::network::{Member, Network};
use crate::progress::Progress;
use blockchat_client::{Payment, Wait};
use blockchat_ledger::{Amount, Wallet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bits of the wallets' keys: the ledger's default.
const KEY_BITS: usize = 2048;
/// How long the payments to the wallets may take to be committed.
const FUNDING_BOUND: Duration = Duration::from_mins(1);

/// A wallet and the one node that gets its transactions: a sender's nonces must arrive in order.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The node.
    pub member: Member,
    /// Who signs.
    pub wallet: Arc<Wallet>,
    /// The wallet's address, base64 DER.
    pub address: String,
}

/// Makes `per_node` wallets for each node of `network` and has the nodes pay each of them `amount`.
///
/// # Errors
/// A node does not answer, refuses the payment, or does not commit it in time.
pub async fn prepare(
    network: &Network,
    per_node: u16,
    amount: Amount,
    progress: &Progress,
) -> Result<Vec<Lane>, LoadError> {
    let count = network.members.len() * usize::from(per_node);
    progress.label(&format!("making {count} wallets"));
    let made = tokio::task::spawn_blocking(move || make(count)).await;
    let wallets = made.map_err(|error| LoadError::Failed(format!("making wallets: {error}")))??;
    let members = network.members.iter().cycle();
    let lanes: Vec<Lane> = wallets
        .into_iter()
        .zip(members)
        .map(|(wallet, member)| {
            let address = wallet.public_key().to_base64();
            Lane { member: member.clone(), wallet: Arc::new(wallet), address }
        })
        .collect();
    progress.label(&format!("paying {amount} BCC to each of {count} wallets"));
    futures::future::try_join_all(lanes.iter().map(|lane| fund(lane, amount))).await?;
    Ok(lanes)
}

fn make(count: usize) -> Result<Vec<Wallet>, LoadError> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let make = |share: usize| -> Result<Vec<Wallet>, LoadError> {
        let wallet = |_| Wallet::generate(KEY_BITS, &mut rand::rngs::OsRng);
        let wallets: Result<Vec<_>, _> = (0..share).map(wallet).collect();
        wallets.map_err(|error| LoadError::Failed(format!("making a wallet: {error}")))
    };
    std::thread::scope(|scope| {
        let shares = (0..threads).map(|thread| count / threads + usize::from(thread < count % threads));
        let running: Vec<_> = shares.map(|share| scope.spawn(move || make(share))).collect();
        let mut wallets = Vec::with_capacity(count);
        for thread in running {
            let made = thread.join().map_err(|_| LoadError::Failed("a thread that makes wallets failed".to_owned()));
            wallets.extend(made??);
        }
        Ok(wallets)
    })
}

async fn fund(lane: &Lane, amount: Amount) -> Result<(), LoadError> {
    let client = &lane.member.client;
    let what = format!("paying a wallet of the load from node {}", lane.member.id);
    let payment = Payment::coins(lane.address.clone(), amount.to_string());
    client.pay(&payment, Wait::Admitted).await.map_err(|error| match error.code() {
        Some(_) => LoadError::Failed(format!("{what}: {error}")),
        None => unreachable(what.clone())(error),
    })?;
    let started = Instant::now();
    loop {
        let account = client.account(&lane.address).await;
        if account.is_ok_and(|account| account.final_state.balance >= amount) {
            return Ok(());
        }
        if started.elapsed() > FUNDING_BOUND {
            return Err(LoadError::Failed(format!("{what}: not committed within {FUNDING_BOUND:?}")));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
