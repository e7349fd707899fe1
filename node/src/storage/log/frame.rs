//! The bytes of the log: a header per segment, a frame per record. `docs/storage.md` specifies them.

use crc32fast::Hasher;

/// Identity of a log, random, also kept in the store. It is mixed into every checksum, so that bytes of another log
/// (or bytes that somebody put into a record) never look like a frame of this one.
pub type LogId = [u8; 16];

const SEGMENT_MAGIC: &[u8; 8] = b"BCLOG\0\0\x01";
/// Bytes of a segment's header.
pub const HEADER_BYTES: usize = 44;

const FRAME_MAGIC: [u8; 4] = *b"BCRF";
/// Bytes of a frame before its payload.
pub const FRAME_BYTES: usize = 28;
/// Longest payload; a longer length field is damage.
pub const MAX_PAYLOAD_BYTES: usize = 256 << 20;

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The log it belongs to.
    pub log_id: LogId,
    /// Its place among the segments, from 0.
    pub index: u64,
    /// Sequence of its first record.
    pub first_sequence: u64,
}

impl Header {
    /// The bytes at the start of the segment.
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(SEGMENT_MAGIC);
        bytes[8..24].copy_from_slice(&self.log_id);
        bytes[24..32].copy_from_slice(&self.index.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_sequence.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// The header at the start of these bytes, unless it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER_BYTES] = bytes.get(..HEADER_BYTES)?.try_into().ok()?;
        let intact = bytes[..8] == *SEGMENT_MAGIC && crc32fast::hash(&bytes[..40]) == u32_at(bytes, 40)?;
        intact.then_some(())?;
        Some(Self {
            log_id: bytes[8..24].try_into().ok()?,
            index: u64_at(bytes, 24)?,
            first_sequence: u64_at(bytes, 32)?,
        })
    }
}

/// One record as it stands in the file. An empty payload is a mark: it only says what is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Consecutive over the whole log.
    pub sequence: u64,
    /// Every record below this sequence was durable when this frame was written.
    pub synced: u64,
    /// The record.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Appends the frame's bytes.
    pub fn encode(&self, log_id: &LogId, out: &mut Vec<u8>) {
        // The callers bound the payload by `MAX_PAYLOAD_BYTES`, which fits 32 bits.
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let start = out.len();
        out.extend_from_slice(&FRAME_MAGIC);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.synced.to_le_bytes());
        let checksum = checksum(log_id, &out[start + 4..], self.payload);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(self.payload);
    }

    /// The frame at the start of these bytes, if it is whole and undamaged.
    pub fn decode(log_id: &LogId, bytes: &'a [u8]) -> Option<Self> {
        let fixed = bytes.get(..FRAME_BYTES)?;
        if fixed[..4] != FRAME_MAGIC {
            return None;
        }
        let length = usize::try_from(u32_at(fixed, 4)?).ok().filter(|length| *length <= MAX_PAYLOAD_BYTES)?;
        let payload = bytes[FRAME_BYTES..].get(..length)?;
        (checksum(log_id, &fixed[4..24], payload) == u32_at(fixed, 24)?).then_some(())?;
        Some(Self { sequence: u64_at(fixed, 8)?, synced: u64_at(fixed, 16)?, payload })
    }

    /// Bytes of the frame in the file.
    pub fn length(&self) -> usize {
        FRAME_BYTES + self.payload.len()
    }
}

/// The highest `synced` among all undamaged frames that start anywhere in these bytes: what a damaged frame before
/// them is judged by.
pub fn highest_synced(log_id: &LogId, bytes: &[u8]) -> u64 {
    let starts = bytes.windows(FRAME_MAGIC.len()).enumerate().filter(|(_, window)| *window == FRAME_MAGIC);
    starts.filter_map(|(at, _)| Frame::decode(log_id, &bytes[at..])).map(|frame| frame.synced).max().unwrap_or(0)
}

fn checksum(log_id: &LogId, fixed: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(log_id);
    hasher.update(fixed);
    hasher.update(payload);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
