//! The append-only log: everything this node says is in it, durably, before it is said.
//!
//! The bytes on disk and the argument for each crash are in `docs/storage.md`.

pub mod disk;
mod frame;
mod recovery;

#[cfg(test)]
pub mod fault;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;

use disk::{Disk, DiskFile};
use frame::{Frame, HEADER_BYTES, Header};
pub use frame::{LogId, MAX_PAYLOAD_BYTES};
use recovery::{ASIDE, DRAFT, MARKER, Reading, SEGMENT, segment_name};

/// A segment is closed once it has this many bytes.
pub const SEGMENT_BYTES: u64 = 16 << 20;

/// Why the log can't go on. After any of these nothing more may be said: what is durable is no longer known.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// An earlier write or sync failed, so that the end of the log is undefined.
    #[error("the log failed before and is closed")]
    Failed,
    /// A record is empty or longer than [`MAX_PAYLOAD_BYTES`].
    #[error("a record of {0} bytes can't be logged")]
    Length(usize),
}

pub(crate) fn during(doing: &'static str) -> impl FnOnce(io::Error) -> LogError {
    move |source| LogError::Io { doing, source }
}

/// What the store keeps about the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// Identity of the log.
    pub log_id: LogId,
    /// Every record below this sequence is durable.
    pub synced: u64,
    /// The store has durably taken what it needs of every record below this sequence.
    pub taken: u64,
}

/// How a log was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// There was none, and the store knew of none.
    Created,
    /// Exactly as it was written.
    Intact,
    /// It can't be trusted; a new one was begun, the old one set aside.
    Lost {
        /// For the operator.
        reason: String,
    },
}

/// An opened log with what was in it.
pub struct Opened<D: Disk> {
    /// Ready to append.
    pub log: Log<D>,
    /// How it was found.
    pub found: Found,
    /// The records in order; of a lost log those before the damage.
    pub records: Vec<Vec<u8>>,
}

/// A closed segment that may be deleted one day.
#[derive(Debug, Clone, Copy)]
struct Closed {
    index: u64,
    end_sequence: u64,
    highest: u64,
}

/// The log, open for appending. Owned by one thread.
pub struct Log<D: Disk> {
    disk: D,
    id: LogId,
    file: D::File,
    segment_bytes: u64,
    index: u64,
    length: u64,
    highest: u64,
    next: u64,
    synced: u64,
    buffer: Vec<u8>,
    closed: VecDeque<Closed>,
    dirty: bool,
    failed: bool,
}

impl<D: Disk> Log<D> {
    /// Opens the log, or begins one with the id `fresh` when there is none or it is lost. `height_of` tells to which
    /// height a record belongs. What is returned is durable.
    pub fn open(
        disk: D,
        anchor: Option<&Anchor>,
        fresh: LogId,
        segment_bytes: u64,
        height_of: impl Fn(&[u8]) -> u64,
    ) -> Result<Opened<D>, LogError> {
        let (found, records) = match recovery::read(&disk, anchor)? {
            Reading::Intact(readable) => return Self::resume(disk, readable, segment_bytes, height_of),
            Reading::Absent => (Found::Created, Vec::new()),
            Reading::Lost(reason, records) => {
                set_aside(&disk)?;
                (Found::Lost { reason }, records)
            }
        };
        let file = begin_segment(&disk, Header { log_id: fresh, index: 0, first_sequence: 0 })?;
        if let Found::Lost { .. } = found {
            disk.remove(MARKER).map_err(during("ending the setting aside"))?;
            disk.sync_directory().map_err(during("ending the setting aside"))?;
        }
        let log = Self {
            disk,
            id: fresh,
            file,
            segment_bytes,
            index: 0,
            length: HEADER_BYTES as u64,
            highest: 0,
            next: 0,
            synced: 0,
            buffer: Vec::new(),
            closed: VecDeque::new(),
            dirty: false,
            failed: false,
        };
        Ok(Opened { log, found, records })
    }

    fn resume(
        disk: D,
        readable: recovery::Readable,
        segment_bytes: u64,
        height_of: impl Fn(&[u8]) -> u64,
    ) -> Result<Opened<D>, LogError> {
        let mut closed: VecDeque<Closed> = readable
            .segments
            .iter()
            .map(|segment| Closed { index: segment.index, end_sequence: segment.end_sequence, highest: 0 })
            .collect();
        let mut records = Vec::with_capacity(readable.records.len());
        for (_, index, payload) in readable.records {
            if let Some(segment) = closed.iter_mut().find(|segment| segment.index == index) {
                segment.highest = segment.highest.max(height_of(&payload));
            }
            records.push(payload);
        }
        let (Some(last), Some(active)) = (readable.segments.last(), closed.pop_back()) else {
            return Err(LogError::Failed);
        };
        let mut file = disk.open(&segment_name(last.index)).map_err(during("opening the last segment"))?;
        // The torn tail goes before anything is appended: a frame left behind in it could otherwise follow a new one.
        file.truncate(last.length).map_err(during("cutting a torn tail"))?;
        // What a killed process left in the page cache was read above and will be acted upon, so it must be durable.
        file.sync().map_err(during("syncing the last segment"))?;
        disk.sync_directory().map_err(during("syncing the log's directory"))?;
        remove_drafts(&disk)?;
        let log = Self {
            disk,
            id: readable.log_id,
            file,
            segment_bytes,
            index: last.index,
            length: last.length,
            highest: active.highest,
            next: last.end_sequence,
            synced: last.end_sequence,
            buffer: Vec::new(),
            closed,
            dirty: false,
            failed: false,
        };
        Ok(Opened { log, found: Found::Intact, records })
    }

    /// Identity of the log.
    pub fn id(&self) -> LogId {
        self.id
    }

    /// Every record below this sequence is durable.
    pub fn synced(&self) -> u64 {
        self.synced
    }

    /// Adds a record of this height. Nothing is durable before [`Log::sync`].
    pub fn append(&mut self, height: u64, payload: &[u8]) -> Result<u64, LogError> {
        if payload.is_empty() || payload.len() > MAX_PAYLOAD_BYTES {
            return Err(LogError::Length(payload.len()));
        }
        if self.failed {
            return Err(LogError::Failed);
        }
        if self.length + self.buffer.len() as u64 >= self.segment_bytes {
            self.guarded(Self::rotate)?;
        }
        self.highest = self.highest.max(height);
        self.dirty = true;
        Ok(self.push(payload))
    }

    /// Hands what was added to the operating system, without waiting for the disk.
    pub fn flush(&mut self) -> Result<(), LogError> {
        self.guarded(Self::write)
    }

    /// Makes everything added so far durable.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.guarded(Self::sync_all)
    }

    /// Deletes the closed segments whose records the store has durably taken (all below `taken`) and whose heights are
    /// all at most `height`. Returns how many went.
    pub fn release(&mut self, height: u64, taken: u64) -> Result<usize, LogError> {
        let mut gone = 0;
        while let Some(segment) = self.closed.front()
            && segment.highest <= height
            && segment.end_sequence <= taken
        {
            self.disk.remove(&segment_name(segment.index)).map_err(during("deleting a segment"))?;
            self.closed.pop_front();
            gone += 1;
        }
        Ok(gone)
    }

    fn push(&mut self, payload: &[u8]) -> u64 {
        let sequence = self.next;
        Frame { sequence, synced: self.synced, payload }.encode(&self.id, &mut self.buffer);
        self.next += 1;
        sequence
    }

    fn write(&mut self) -> Result<(), LogError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.append(&self.buffer).map_err(during("writing to the log"))?;
        self.length += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    fn sync_all(&mut self) -> Result<(), LogError> {
        if !self.dirty {
            return Ok(());
        }
        self.write()?;
        self.file.sync().map_err(during("syncing the log"))?;
        (self.synced, self.dirty) = (self.next, false);
        // Not waited for: it lets a later start tell damage in the last durable record from a torn tail.
        self.push(&[]);
        self.write()
    }

    fn rotate(&mut self) -> Result<(), LogError> {
        self.write()?;
        self.file.sync().map_err(during("syncing a full segment"))?;
        (self.synced, self.dirty) = (self.next, false);
        let header = Header { log_id: self.id, index: self.index + 1, first_sequence: self.next };
        self.file = begin_segment(&self.disk, header)?;
        self.closed.push_back(Closed { index: self.index, end_sequence: self.next, highest: self.highest });
        (self.index, self.length, self.highest) = (header.index, HEADER_BYTES as u64, 0);
        Ok(())
    }

    /// After a failed write or sync the end of the log is undefined, and a second sync that succeeds would prove
    /// nothing (the kernel drops the dirty pages of a failed one), so nothing is tried again.
    fn guarded(&mut self, step: impl FnOnce(&mut Self) -> Result<(), LogError>) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Failed);
        }
        let result = step(self);
        self.failed = result.is_err();
        result
    }
}

/// Makes a segment under another name, durable, before it gets its own.
fn begin_segment<D: Disk>(disk: &D, header: Header) -> Result<D::File, LogError> {
    let name = segment_name(header.index);
    let draft = format!("{name}{DRAFT}");
    let mut file = disk.create(&draft).map_err(during("making a segment"))?;
    file.append(&header.encode()).map_err(during("writing a segment's header"))?;
    file.sync().map_err(during("syncing a segment's header"))?;
    disk.rename(&draft, &name).map_err(during("naming a segment"))?;
    disk.sync_directory().map_err(during("syncing the log's directory"))?;
    Ok(file)
}

/// Moves a lost log out of the way, keeping it for a look, in place of one kept earlier. The marker makes it one step:
/// a crash in the middle must not leave segments that look like a log without its beginning.
fn set_aside<D: Disk>(disk: &D) -> Result<(), LogError> {
    let doing = "setting the lost log aside";
    let names = disk.list().map_err(during(doing))?;
    if !names.iter().any(|name| name == MARKER) {
        for name in names.iter().filter(|name| name.ends_with(ASIDE)) {
            disk.remove(name).map_err(during(doing))?;
        }
        disk.create(MARKER).map_err(during(doing))?.sync().map_err(during(doing))?;
        disk.sync_directory().map_err(during(doing))?;
    }
    for name in names.iter().filter(|name| name.ends_with(SEGMENT)) {
        disk.rename(name, &format!("{name}{ASIDE}")).map_err(during(doing))?;
    }
    remove_drafts(disk)?;
    disk.sync_directory().map_err(during(doing))
}

fn remove_drafts<D: Disk>(disk: &D) -> Result<(), LogError> {
    let names = disk.list().map_err(during("listing the log"))?;
    for name in names.iter().filter(|name| name.ends_with(DRAFT)) {
        disk.remove(name).map_err(during("removing an unfinished segment"))?;
    }
    Ok(())
}
