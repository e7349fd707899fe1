//! Which faults a seed brings, and which bugs a test plants.

/// How hostile a run is. Probabilities per message or step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    pub(super) loss_percent: u64,
    pub(super) duplicate_percent: u64,
    /// Messages that take up to 200 ms instead of up to 8 ms.
    pub(super) slow_percent: u64,
    /// Crashes per million executed outputs.
    pub(super) crash_per_million: u64,
    /// Of the crashes: how many lose the log, within what the members tolerate.
    pub(super) lose_log_percent: u64,
    /// Of those: how many lose the store too.
    pub(super) lose_store_percent: u64,
    /// Partitions come and go about this often, in ms; 0: never.
    pub(super) partition_every_ms: u64,
    /// Wall clocks are stepped by up to this many ms.
    pub(super) clock_step_ms: u64,
    /// Whether one member runs twice with the same key, in two halves of the network: it contradicts itself.
    pub(super) twin: bool,
    /// Whether peers' bytes are damaged now and then.
    pub(super) garbage_percent: u64,
}

impl Faults {
    /// The mix of a seed: every seed has loss and delay; the rest depends on its bits.
    pub(super) fn of(seed: u64) -> Self {
        let bit = |bit: u64| seed >> bit & 1 == 1;
        Self {
            loss_percent: [0, 2, 5, 10][(seed / 4 % 4) as usize],
            duplicate_percent: if bit(2) { 3 } else { 0 },
            slow_percent: [1, 3, 8][(seed % 3) as usize],
            crash_per_million: if bit(3) || bit(4) { 1_500 } else { 0 },
            lose_log_percent: if seed.is_multiple_of(5) { 40 } else { 0 },
            lose_store_percent: 50,
            partition_every_ms: if bit(5) || seed.is_multiple_of(7) { 2_500 } else { 0 },
            clock_step_ms: if seed.is_multiple_of(6) { 30_000 } else { 0 },
            twin: seed % 4 == 3 || seed.is_multiple_of(11),
            garbage_percent: u64::from(seed.is_multiple_of(9)),
        }
    }

    /// The same, with members that are honest to the end.
    pub(super) fn without_lies(self) -> Self {
        Self { twin: false, ..self }
    }
}

/// Bugs that the simulation must catch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Planted {
    /// A crash takes the whole log, and the member doesn't know.
    pub(super) forget_log: bool,
    /// Blocks are decided by one vote less than more than two thirds.
    pub(super) one_vote_too_few: bool,
    /// A member that lost its log votes at once.
    pub(super) vote_without_log: bool,
}

/// SplitMix64: small, and the same everywhere.
pub(super) struct Rng(pub(super) u64);

impl Rng {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}
