//! Deterministic simulation of a whole network under virtual time.
//!
//! Every member is a real [`Core`](crate::Core) with a simulated disk, clock and network. A seed decides everything: delays, losses,
//! duplicates, partitions, crashes in the middle of an output list, what of an unsynced log survives, clock steps, lost
//! disks, a lying member. A run has a phase of faults and a phase of healing, after which the network must make progress,
//! agree and fall silent.
//!
//! `BLOCKCHAT_SIMULATION_SEEDS=1000` runs more seeds, `BLOCKCHAT_SIMULATION_SEED=42 BLOCKCHAT_SIMULATION_MEMBERS=5` one of them.
//!
//! | file | holds |
//! |---|---|
//! | `fixture.rs` | fixed keys, founded networks, signed transactions |
//! | `disk.rs` | a member's log and store, and what a crash leaves of them |
//! | `world.rs` | the event queue: network, timers, outputs |
//! | `crashes.rs`, `clients.rs` | crashes, restarts, partitions, clock steps; the load |
//! | `faults.rs` | which faults a seed brings |
//! | `invariants.rs` | what must hold at every step and at the end |

mod clients;
mod crashes;
mod disk;
mod faults;
mod fixture;
mod invariants;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use faults::{Faults, Planted};
use world::{Report, World};

/// Seeds run by default, spread over the sizes below; `make test` runs more.
const SEEDS: u64 = 32;
const SIZES: [u16; 4] = [4, 5, 7, 10];
/// Every eleventh seed runs one of these: no fault tolerated, or sizes that are not 3f+1.
const ODD_SIZES: [u16; 6] = [1, 2, 3, 6, 8, 9];

fn from_environment<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn run(seed: u64, members: u16, faults: Faults, planted: Planted) -> Report {
    World::new(seed, members, faults, planted).run()
}

/// Runs a seed, says how to repeat it if it fails.
fn run_or_explain(seed: u64, members: u16) -> Report {
    let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, members, Faults::of(seed), Planted::default())));
    outcome.unwrap_or_else(|panic| {
        eprintln!(
            "seed {seed} with {members} members failed; repeat it with\n  BLOCKCHAT_SIMULATION_SEED={seed} \
             BLOCKCHAT_SIMULATION_MEMBERS={members} cargo test -p blockchat-consensus simulation::seeds -- --nocapture"
        );
        std::panic::resume_unwind(panic)
    })
}

fn members_of(seed: u64) -> u16 {
    let place = |seed: u64, len: usize| usize::try_from(seed).unwrap() % len;
    if seed % 11 == 10 { ODD_SIZES[place(seed / 11, 6)] } else { SIZES[place(seed, 4)] }
}

#[test]
fn seeds() {
    let one: Option<u64> = from_environment("BLOCKCHAT_SIMULATION_SEED");
    let (seeds, twice) = match one {
        Some(seed) => (seed..seed + 1, true),
        None => (0..from_environment("BLOCKCHAT_SIMULATION_SEEDS").unwrap_or(SEEDS), true),
    };
    let size = |seed: u64| from_environment("BLOCKCHAT_SIMULATION_MEMBERS").unwrap_or_else(|| members_of(seed));
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let total = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let seeds = seeds.clone();
                scope.spawn(move || {
                    let mut total = Report::default();
                    for seed in seeds.filter(|seed| seed % threads == worker) {
                        let report = run_or_explain(seed, size(seed));
                        if twice {
                            let again = run_or_explain(seed, size(seed));
                            assert_eq!(report.trace, again.trace, "seed {seed}: two runs differ");
                        }
                        total.add(&report);
                    }
                    total
                })
            })
            .collect();
        let mut total = Report::default();
        for worker in workers {
            total.add(&worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        total
    });
    println!("{} seeds, each twice with the same trace: {total}", seeds.end - seeds.start);
    if one.is_none() {
        // The faults must really have happened, or the run proves nothing.
        let at_least = |count: u64, per_seed: u64| count * 10 > seeds.end * per_seed;
        assert!(
            at_least(total.crashes, 20) && at_least(total.late_rounds, 10) && at_least(total.synced, 50),
            "{total}"
        );
        assert!(at_least(total.lost_logs, 1) && at_least(total.evidence, 10), "{total}");
    }
}

/// Runs seeds until the planted bug is caught, and says by what.
fn caught(planted: Planted, faults: impl Fn(u64) -> Faults) -> String {
    for seed in 0..400 {
        let members = SIZES[usize::from(seed % 2 == 1)];
        let outcome = catch_unwind(AssertUnwindSafe(|| run(seed, members, faults(seed), planted)));
        if let Err(panic) = outcome {
            let message = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_default();
            println!("{planted:?}: caught at seed {seed} with {members} members: {message}");
            return message;
        }
    }
    panic!("{planted:?} was not caught by 400 seeds");
}

#[test]
fn a_node_that_forgets_its_log_is_caught() {
    let planted = Planted { forget_log: true, ..Planted::default() };
    let message = caught(planted, |seed| Faults { crash_per_million: 3_000, ..Faults::of(seed).without_lies() });
    assert!(message.contains("said two things") || message.contains("disagree"), "{message}");
}

#[test]
fn one_vote_too_few_is_caught() {
    let planted = Planted { one_vote_too_few: true, ..Planted::default() };
    let message = caught(planted, Faults::of);
    assert!(
        message.contains("disagree") || message.contains("votes are needed") || message.contains("certificate"),
        "{message}"
    );
}

#[test]
fn voting_at_once_without_a_log_is_caught() {
    let planted = Planted { vote_without_log: true, ..Planted::default() };
    let message = caught(planted, |seed| Faults {
        lose_log_percent: 100,
        crash_per_million: 3_000,
        ..Faults::of(seed).without_lies()
    });
    assert!(message.contains("said two things") || message.contains("disagree"), "{message}");
}
