//! Bucket bounds, in seconds. Each fits what is measured: a bound that never separates two samples only costs memory.

/// Blocks and transactions: a block on loopback takes milliseconds, a stalled network tens of seconds.
pub(super) const CONSENSUS_SECONDS: &[f64] = &[
    0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
];

/// One RSA verification takes about 20 µs, a signature about 600 µs; a busy machine takes milliseconds.
pub(super) const SIGNATURE_SECONDS: &[f64] =
    &[0.000_01, 0.000_02, 0.000_03, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05];

/// One fdatasync: tens of microseconds on a RAM disk, 0.1 to 10 ms on an SSD, seconds on a disk in trouble.
pub(super) const LOG_SYNC_SECONDS: &[f64] =
    &[0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Requests: a read takes a fraction of a millisecond, one that waits for a commit as long as consensus does.
pub(super) const HTTP_SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Rounds: nearly always one; more than n means that nobody could propose.
pub(super) const ROUNDS: &[f64] = &[1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0, 50.0];

/// Bytes of a block: a message takes about 1 KiB with its keys and signature, a block up to the peers' message limit.
pub(super) const BLOCK_BYTES: &[f64] =
    &[512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0, 262_144.0, 1_048_576.0, 8_388_608.0];

/// Transactions in a block: up to the capacity, which is 10,000 at most.
pub(super) const BLOCK_TRANSACTIONS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

#[cfg(test)]
mod tests {
    #[test]
    fn bounds_ascend() {
        for bounds in [
            super::CONSENSUS_SECONDS,
            super::SIGNATURE_SECONDS,
            super::LOG_SYNC_SECONDS,
            super::HTTP_SECONDS,
            super::ROUNDS,
            super::BLOCK_BYTES,
            super::BLOCK_TRANSACTIONS,
        ] {
            assert!(bounds.windows(2).all(|pair| pair[0] < pair[1]), "{bounds:?}");
        }
    }
}
