//! The messages of one class that wait for one peer, and how many bytes they have.

use std::collections::VecDeque;

use bytes::Bytes;

/// A message and its place among those of both classes.
#[derive(Debug)]
pub struct Queued {
    pub order: u64,
    pub bytes: Bytes,
    /// Trace contexts that go beside it.
    pub beside: Bytes,
}

/// Messages in the order in which they were queued.
#[derive(Debug, Default)]
pub struct Queue {
    pub messages: VecDeque<Queued>,
    pub bytes: usize,
}

impl Queue {
    pub fn push(&mut self, order: u64, bytes: Bytes, beside: Bytes) {
        self.bytes += bytes.len();
        self.messages.push_back(Queued { order, bytes, beside });
    }

    pub fn pop_front(&mut self) -> Option<Queued> {
        let queued = self.messages.pop_front()?;
        self.bytes -= queued.bytes.len();
        Some(queued)
    }

    pub fn pop_back(&mut self) -> Option<Queued> {
        let queued = self.messages.pop_back()?;
        self.bytes -= queued.bytes.len();
        Some(queued)
    }

    /// Moves messages that together stay within `budget` bytes into `taken`.
    pub fn take(&mut self, mut budget: usize, taken: &mut Vec<Queued>) {
        while let Some(front) = self.messages.front() {
            let Some(left) = budget.checked_sub(front.bytes.len() + 4) else { return };
            budget = left;
            taken.extend(self.pop_front());
        }
    }
}
