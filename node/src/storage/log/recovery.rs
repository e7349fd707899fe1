//! Reading a log after a stop of any kind: the exact prefix that was written, or *lost*. Never anything else.
//!
//! A record that can't be read is a torn tail when nothing says that it was ever durable, and damage when something
//! does: a later frame whose `synced` is above it, a later segment (made only after the one before was durable), or
//! the store's anchor. Damage means that votes may be missing, so the log as a whole is lost.

use super::disk::{Disk, DiskFile};
use super::frame::{self, Frame, HEADER_BYTES, Header, LogId};
use super::{Anchor, LogError, during};

/// Ending of a segment's name.
pub const SEGMENT: &str = ".segment";
/// Ending of the name of a segment that was set aside.
pub const ASIDE: &str = ".lost";
/// Ending of the name of a segment that is being made.
pub const DRAFT: &str = ".draft";
/// While this file exists, the segments beside it are being set aside.
pub const MARKER: &str = "lost";

/// The name of a segment.
pub fn segment_name(index: u64) -> String {
    format!("{index:020}{SEGMENT}")
}

/// What was read from one segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    /// Its place.
    pub index: u64,
    /// Sequence of its first record.
    pub first_sequence: u64,
    /// One more than the sequence of its last record.
    pub end_sequence: u64,
    /// Bytes up to the end of its last record.
    pub length: u64,
}

/// What was read from all of them.
#[derive(Debug)]
pub struct Readable {
    /// Identity.
    pub log_id: LogId,
    /// In order, without gaps; the last one is the one to append to.
    pub segments: Vec<Segment>,
    /// The records, in order, with their sequence and the place of their segment.
    pub records: Vec<(u64, u64, Vec<u8>)>,
}

/// The outcome of reading.
#[derive(Debug)]
pub enum Reading {
    /// There is no log at all and the store knows of none.
    Absent,
    /// Exactly what was written, without a torn tail.
    Intact(Readable),
    /// Why the log can't be trusted, and the records before the damage.
    Lost(String, Vec<Vec<u8>>),
}

/// Reads the log. Changes nothing.
pub fn read<D: Disk>(disk: &D, anchor: Option<&Anchor>) -> Result<Reading, LogError> {
    let mut names = disk.list().map_err(during("listing the log"))?;
    if names.iter().any(|name| name == MARKER) {
        return Ok(Reading::Lost("it was found lost before and is still being set aside".to_owned(), Vec::new()));
    }
    names.retain(|name| name.ends_with(SEGMENT));
    names.sort();
    if names.is_empty() {
        return Ok(match anchor {
            None => Reading::Absent,
            Some(_) => Reading::Lost("its files are missing".to_owned(), Vec::new()),
        });
    }
    let mut scan = Scan { readable: None, damage: None };
    for name in &names {
        let mut file = disk.open(name).map_err(during("opening a segment"))?;
        let bytes = file.read_all().map_err(during("reading a segment"))?;
        scan.segment(name, &bytes);
    }
    Ok(scan.judge(anchor))
}

struct Scan {
    readable: Option<Readable>,
    damage: Option<String>,
}

impl Scan {
    fn segment(&mut self, name: &str, bytes: &[u8]) {
        if self.damage.is_some() {
            return;
        }
        let Some(header) = Header::decode(bytes).filter(|header| segment_name(header.index) == name) else {
            self.damage = Some(format!("the header of {name} is damaged"));
            return;
        };
        let readable = self.readable.get_or_insert_with(|| Readable {
            log_id: header.log_id,
            segments: Vec::new(),
            records: Vec::new(),
        });
        if let Some(before) = readable.segments.last() {
            // The segment before was durable to its end when this one was made.
            let follows = header.log_id == readable.log_id
                && header.index == before.index + 1
                && header.first_sequence == before.end_sequence;
            if !follows {
                self.damage = Some(format!("records before {name} are damaged or missing"));
                return;
            }
        }
        let (mut at, mut sequence) = (HEADER_BYTES, header.first_sequence);
        while let Some(frame) = Frame::decode(&header.log_id, &bytes[at..]).filter(|frame| frame.sequence == sequence) {
            if !frame.payload.is_empty() {
                readable.records.push((sequence, header.index, frame.payload.to_vec()));
            }
            at += frame.length();
            sequence += 1;
        }
        readable.segments.push(Segment {
            index: header.index,
            first_sequence: header.first_sequence,
            end_sequence: sequence,
            length: at as u64,
        });
        if frame::highest_synced(&header.log_id, &bytes[at..]) > sequence {
            self.damage = Some(format!("record {sequence} in {name} is damaged and was durable"));
        }
    }

    fn judge(self, anchor: Option<&Anchor>) -> Reading {
        let Self { readable, damage } = self;
        let Some(readable) = readable else {
            return Reading::Lost(damage.unwrap_or_default(), Vec::new());
        };
        let reason = damage.or_else(|| contradiction(&readable, anchor));
        let Some(reason) = reason else { return Reading::Intact(readable) };
        let same = anchor.is_some_and(|anchor| anchor.log_id == readable.log_id);
        let records = readable.records.into_iter().map(|(_, _, payload)| payload).collect();
        Reading::Lost(reason, if same { records } else { Vec::new() })
    }
}

/// What the store knows better.
fn contradiction(readable: &Readable, anchor: Option<&Anchor>) -> Option<String> {
    let Some(anchor) = anchor else {
        return (!readable.records.is_empty()).then(|| "the store does not know it".to_owned());
    };
    if anchor.log_id != readable.log_id {
        return Some("it is not the one that the store names".to_owned());
    }
    let end = readable.segments.last().map_or(0, |segment| segment.end_sequence);
    if end < anchor.synced {
        return Some(format!("it ends at record {end}, and {} were durable", anchor.synced));
    }
    // A segment is deleted only once the store has durably taken all of it.
    let first = readable.segments.first().map_or(0, |segment| segment.first_sequence);
    (first > anchor.taken)
        .then(|| format!("it begins at record {first}, and the store took them only up to {}", anchor.taken))
}
