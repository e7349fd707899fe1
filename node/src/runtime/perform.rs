//! What the core wants done, in the one safe order: append, sync, then act.

use std::sync::Arc;
use std::time::Instant;

use blockchat_consensus::{Action, Committed, Outputs, View};
use blockchat_ledger::Ring;

use super::arrivals::Arrivals;
use super::driver::Clock;
use super::handle::Handle;
use super::observe::Observer;
use super::serve::{BlockServer, Request};
use super::timers::Timers;
use super::trace::{BlockTraces, Turn};
use super::verify::Verifiers;
use super::{Outbound, RuntimeError};
use crate::http::Activity;
use crate::storage::log::disk::Disk;
use crate::storage::log::{Anchor, Log};
use crate::storage::{Item, Writer, own_transaction};

/// Everything that actions act upon.
pub struct Performer<D: Disk> {
    pub log: Log<D>,
    pub writer: Writer,
    pub timers: Timers,
    pub verifiers: Verifiers,
    pub arrivals: Arrivals,
    pub server: BlockServer,
    pub outbound: Arc<dyn Outbound>,
    pub activity: Activity,
    pub observer: Observer,
    pub blocks: BlockTraces,
    pub handle: Handle,
    pub ring: Arc<Ring>,
    /// The members' tickets at the next height.
    pub tickets: Vec<u64>,
    pub clock: Clock,
}

impl<D: Disk> Performer<D> {
    /// Makes the records durable, then performs the actions in order.
    pub fn perform(&mut self, outputs: Outputs, view: View, turn: Turn) -> Result<(), RuntimeError> {
        self.blocks.turn_begins(turn);
        for record in &outputs.log {
            self.log.append(record.height(), &record.encode())?;
        }
        if outputs.sync {
            let started = Instant::now();
            self.log.sync()?;
            let took = started.elapsed();
            self.observer.synced(took);
            self.blocks.synced(took);
        } else {
            self.log.flush()?;
        }
        self.store(&outputs)?;
        self.observer.view(&view, self.outbound.connected());
        // Readers see the new height before anybody is told of it.
        self.handle.view.store(Arc::new(view));
        for action in outputs.actions {
            self.act(action);
        }
        self.outbound.flush();
        self.arrivals.turn_ends();
        self.blocks.turn_ends();
        Ok(())
    }

    /// Hands to the storage thread what is final. It is durable already, in the log.
    fn store(&mut self, outputs: &Outputs) -> Result<(), RuntimeError> {
        let mut handed_over = false;
        for own in outputs.log.iter().filter_map(own_transaction) {
            self.writer.put(Item::Own(own))?;
            handed_over = true;
        }
        for action in &outputs.actions {
            match action {
                Action::Commit(committed) => {
                    let tickets = self.changed_tickets(committed);
                    self.writer.put(Item::Block(committed.clone(), tickets))?;
                }
                Action::Evidence(evidence) => self.writer.put(Item::Evidence(evidence.clone()))?,
                _ => continue,
            }
            handed_over = true;
        }
        if handed_over {
            let synced = self.log.synced();
            self.writer.put(Item::Logged(Anchor { log_id: self.log.id(), synced, taken: synced }))?;
            let progress = self.writer.progress();
            // In this order: what was taken by then includes the blocks up to that height.
            let height = progress.height();
            self.log.release(height, progress.taken())?;
        }
        Ok(())
    }

    fn changed_tickets(&mut self, committed: &Committed) -> Option<Vec<u64>> {
        let tickets = committed.state.stakes(&self.ring);
        (tickets != self.tickets).then(|| {
            self.tickets.clone_from(&tickets);
            self.observer.stakes_changed(&tickets);
            tickets
        })
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Send { to, message } => {
                let beside = self.blocks.sending(&message);
                self.outbound.queue(to, &message, beside);
            }
            Action::Broadcast(message) => {
                self.observer.said(&message);
                let beside = self.blocks.sending(&message);
                self.outbound.queue_all(&message, &beside);
            }
            Action::SetTimer { id, after } => self.timers.set(id, self.clock.monotonic().saturating_add(after)),
            Action::CancelTimer(id) => self.timers.cancel(id),
            Action::Verify { job, transactions } => {
                self.arrivals.check(job);
                self.verifiers.check(job, transactions);
            }
            Action::ServeBlocks { to, from_height, max } => self.server.ask(Request { to, from_height, max }),
            Action::Commit(committed) => {
                self.blocks.committed(&committed);
                let observer = &mut self.observer;
                observer.committed(&committed, self.blocks.applied());
                self.activity.committed(&committed, |seconds| observer.final_after(seconds));
            }
            Action::Submitted { ticket, results } => {
                self.observer.submitted(&results);
                self.handle.tickets.submitted(ticket, results);
            }
            Action::PendingAccount { ticket, account } => self.handle.tickets.account(ticket, account),
            Action::Pooled(transaction) => {
                self.blocks.transactions().pooled(&transaction, self.blocks.turn().began);
                self.activity.pooled(&transaction, self.arrivals.take(&transaction.id()));
            }
            Action::Dropped(dropped) => {
                self.blocks.transactions().dropped(&dropped);
                self.observer.dropped(&dropped);
                self.activity.dropped(&dropped);
            }
            Action::Evidence(evidence) => {
                self.observer.evidence(&evidence);
                self.activity.evidence(&evidence);
            }
            Action::Event(event) => {
                self.blocks.event(&event);
                self.observer.event(&event);
            }
        }
    }

    /// The end: everything durable, everything in the store.
    pub fn finish(mut self) -> Result<(), RuntimeError> {
        self.log.sync()?;
        Ok(self.writer.stop()?)
    }
}
