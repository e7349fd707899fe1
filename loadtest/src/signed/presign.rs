//! Signing before the clock starts: a signature costs about as much as the network needs to commit ten transactions, so
//! signing while sending would measure the generator.

use super::wallets::Lane;
use crate::error::LoadError;
use blockchat_ledger::{Amount, Hash, SignedTransaction, Terms, Transaction};
use std::time::{Duration, Instant};

/// What one wallet signs.
#[derive(Clone, Debug)]
pub struct Order {
    /// The wallet.
    pub lane: Lane,
    /// Who is paid: the next wallet.
    pub receiver: Lane,
    /// The first nonce.
    pub nonce: u64,
    /// How many.
    pub count: usize,
}

/// Signs every order on all processors; the results are in the order of `orders`. Also says how long it took.
///
/// Each transaction moves the smallest amount there is, 10^-6 BCC.
///
/// # Errors
/// A wallet cannot sign.
pub fn sign(
    orders: &[Order],
    valid_until: u64,
    chain_id: Hash,
) -> Result<(Vec<Vec<SignedTransaction>>, Duration), LoadError> {
    let started = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut signed = Vec::with_capacity(orders.len());
    for order in orders {
        let share = order.count.div_ceil(threads).max(1);
        let parts: Result<Vec<Vec<_>>, LoadError> = std::thread::scope(|scope| {
            let starts = (0..order.count).step_by(share);
            let spawn = |start: usize| {
                let end = (start + share).min(order.count);
                scope.spawn(move || (start..end).map(|index| one(order, index, valid_until, chain_id)).collect())
            };
            let running: Vec<_> = starts.map(spawn).collect();
            let failed = |_| LoadError::Failed("a signing thread failed".to_owned());
            running.into_iter().map(|thread| thread.join().map_err(failed)?).collect()
        });
        signed.push(parts?.into_iter().flatten().collect());
    }
    Ok((signed, started.elapsed()))
}

fn one(order: &Order, index: usize, valid_until: u64, chain_id: Hash) -> Result<SignedTransaction, LoadError> {
    let terms = Terms { nonce: order.nonce + index as u64, valid_until, chain_id };
    let [sender, receiver] = [&order.lane, &order.receiver].map(|lane| lane.wallet.public_key().clone());
    let transaction = Transaction::coins(sender, receiver, Amount::from_micros(1), terms);
    let signed = transaction.sign(order.lane.wallet.as_ref());
    let signed = signed.map_err(|error| LoadError::Failed(format!("signing: {error}")))?;
    Ok(signed.into_signed())
}
