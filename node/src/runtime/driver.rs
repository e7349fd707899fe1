//! The loop: take what there is, feed the core, make durable, act.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use blockchat_consensus::{Action, Core, Input, Now, Outputs};

use super::arrivals::Arrivals;
use super::checkpoint;
use super::handle::{Handle, Tickets};
use super::inbox::Inputs;
use super::observe::Observer;
use super::perform::Performer;
use super::pulse::Pulse;
use super::serve::BlockServer;
use super::timers::Timers;
use super::trace::{BlockTraces, Turn};
use super::verify::Verifiers;
use super::{Parts, RuntimeError};
use crate::storage::log::disk::Disk;

/// Longest sleep without a timer; a safety net, every input wakes the thread.
const MAX_SLEEP: Duration = Duration::from_secs(1);

/// The clocks of the process.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn now(&self) -> Now {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Now { monotonic: self.monotonic(), wall_ms }
    }
}

/// Everything the thread owns.
pub struct Driver<D: Disk> {
    core: Core,
    clock: Clock,
    inputs: Inputs,
    performer: Performer<D>,
}

impl<D: Disk> Driver<D> {
    /// Recovers the core and performs what its recovery asks for.
    pub fn new(parts: Parts<D>, inputs: Inputs) -> Result<(Self, Handle), RuntimeError> {
        let clock = Clock::start();
        let ring = parts.core.ring.clone();
        let me = parts.core.me;
        let pool = &parts.metrics.pool;
        pool.mempool_capacity_transactions.set(i64::try_from(parts.core.pool.max_transactions).unwrap_or(i64::MAX));
        pool.mempool_capacity_bytes.set(i64::try_from(parts.core.pool.max_bytes).unwrap_or(i64::MAX));
        let before = parts.recovered.state.stakes(&ring);
        let mut outputs = Outputs::default();
        let core = Core::new(parts.core, parts.recovered, clock.now(), &mut outputs)?;
        let senders = inputs.senders.clone();
        let handle = Handle {
            senders: senders.clone(),
            view: Arc::new(ArcSwap::from_pointee(core.view())),
            tickets: Arc::new(Tickets::default()),
            next: Arc::new(AtomicU64::new(0)),
            pulse: Pulse::start(),
        };
        checkpoint::found(&parts.metrics.consensus, &parts.reader, core.view().height)?;
        let performer = Performer {
            log: parts.log,
            writer: parts.writer,
            timers: Timers::default(),
            arrivals: Arrivals::default(),
            verifiers: Verifiers::start(&senders, &parts.metrics.verify, &parts.traces)?,
            server: BlockServer::start(parts.reader, parts.outbound.clone())?,
            outbound: parts.outbound,
            activity: parts.activity,
            observer: Observer::new(parts.metrics, parts.place, ring.clone(), me, &core.view()),
            blocks: BlockTraces::new(parts.traces.clone()),
            handle: handle.clone(),
            ring,
            tickets: before,
            clock,
        };
        let mut driver = Self { core, clock, inputs, performer };
        // Whatever recovery found out is durable before anybody relies on this log.
        outputs.sync = true;
        driver.perform(outputs, Turn::begin())?;
        Ok((driver, handle))
    }

    /// Runs until it is asked to stop or can't go on. What was committed is then in the log, and in the store too unless
    /// that failed.
    pub fn run(mut self) -> Result<(), RuntimeError> {
        self.inputs.senders.waker().register();
        let result = self.work();
        self.performer.handle.tickets.close();
        if result.is_ok() { self.performer.finish() } else { result }
    }

    fn work(&mut self) -> Result<(), RuntimeError> {
        let mut batch = Vec::new();
        while !self.inputs.senders.stopping() {
            self.performer.handle.pulse.beat();
            batch.extend(self.performer.timers.due(self.clock.monotonic()).into_iter().map(Input::Timer));
            self.inputs.drain(&mut batch);
            if batch.is_empty() {
                self.sleep();
                continue;
            }
            let mut outputs = Outputs::default();
            let before = Instant::now();
            let mut turn = Turn::begin();
            for input in batch.drain(..) {
                self.performer.arrivals.input(&input);
                self.core.handle(self.clock.now(), input, &mut outputs)?;
            }
            if outputs.actions.iter().any(|action| matches!(action, Action::Commit(_))) {
                self.performer.observer.applied(before.elapsed());
            }
            turn.handled = SystemTime::now();
            self.perform(outputs, turn)?;
        }
        Ok(())
    }

    fn perform(&mut self, outputs: Outputs, turn: Turn) -> Result<(), RuntimeError> {
        let view = self.core.view();
        self.performer.perform(outputs, view, turn)
    }

    /// Until something arrives or a timer runs out. An input that arrives in between makes this return at once.
    fn sleep(&self) {
        let until = self.performer.timers.next();
        let wait = until.map_or(MAX_SLEEP, |deadline| deadline.saturating_sub(self.clock.monotonic()).min(MAX_SLEEP));
        std::thread::park_timeout(wait);
    }
}
