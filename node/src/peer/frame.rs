//! Frames: how messages are delimited on a stream between two members.
//!
//! A frame is `u32 length | u8 version | u8 kind | body`, integers little-endian, `length` counting
//! what follows it. A batch carries messages and a trace context beside them that nothing hashes or
//! signs. Lengths are checked before anything is reserved for them.

use std::collections::VecDeque;
use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The version of the frames; a stream with another one is closed.
pub const FRAME_VERSION: u8 = 1;
/// The longest frame, its length field not counted: the longest message and what is around it.
pub const MAX_FRAME_BYTES: usize = HEAD_BYTES + 2 + MAX_TRACE_BYTES + 4 + MAX_MESSAGE_BYTES;
/// The longest trace contexts beside a batch: some 60 of them.
pub const MAX_TRACE_BYTES: usize = 2_048;
/// The longest message: it fits a frame alone.
pub const MAX_MESSAGE_BYTES: usize = 8 << 20;

const LENGTH_BYTES: usize = 4;
const HEAD_BYTES: usize = 2;
const KIND_BATCH: u8 = 0;
const KIND_PING: u8 = 1;
const KIND_URLS: u8 = 2;

/// Messages at least this long are handed to the socket as they are; shorter ones are copied
/// together, which is cheaper than one more element in the vector of a write.
const COPY_BELOW_BYTES: usize = 16 << 10;
const READ_AHEAD_BYTES: usize = 64 << 10;

/// Why a stream's bytes are refused. Each of them closes the connection.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The socket failed.
    #[error("reading: {0}")]
    Io(#[from] io::Error),
    /// Longer than [`MAX_FRAME_BYTES`].
    #[error("a frame of {0} bytes is longer than {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Shorter than its own head.
    #[error("a frame of {0} bytes has no room for its head")]
    TooShort(usize),
    /// Another version of the frames.
    #[error("frame version {0}, expected {FRAME_VERSION}")]
    Version(u8),
    /// A kind this version does not have.
    #[error("frame kind {0} is not known")]
    Kind(u8),
    /// The stream ended inside a frame.
    #[error("the stream ended inside a frame")]
    Truncated,
    /// Lengths inside the body that do not add up, or a message that does not decode.
    #[error("malformed {0}")]
    Malformed(&'static str),
}

impl FrameError {
    /// True when the peer sent bytes that no correct member sends (and not merely a broken socket).
    pub fn is_violation(&self) -> bool {
        !matches!(self, Self::Io(_) | Self::Truncated)
    }
}

/// A frame as read.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// Messages, at least one, in order, and the trace context beside them (may be empty).
    Batch {
        /// W3C trace contexts, opaque here.
        trace: Bytes,
        /// The encoded messages.
        messages: Vec<Bytes>,
    },
    /// Says that the other side is alive.
    Ping,
    /// Encoded URL records.
    Urls(Bytes),
}

/// Appends the segments of a batch frame to `out`. Nothing is appended for an empty batch.
pub fn push_batch(trace: &[u8], messages: &[Bytes], out: &mut VecDeque<Bytes>) {
    if messages.is_empty() {
        return;
    }
    let trace = if trace.len() > MAX_TRACE_BYTES { &[] } else { trace };
    let body: usize = 2 + trace.len() + messages.iter().map(|m| 4 + m.len()).sum::<usize>();
    let copied: usize = messages.iter().map(Bytes::len).filter(|&len| len < COPY_BELOW_BYTES).sum();
    let heads = LENGTH_BYTES + HEAD_BYTES + 2 + trace.len() + 4 * messages.len();
    let mut buffer = BytesMut::with_capacity(heads + copied);
    put_head(&mut buffer, KIND_BATCH, body);
    buffer.put_u16_le(u16::try_from(trace.len()).unwrap_or(0));
    buffer.put_slice(trace);
    for message in messages {
        put_length(&mut buffer, message.len());
        if message.len() < COPY_BELOW_BYTES {
            buffer.put_slice(message);
        } else {
            out.push_back(buffer.split().freeze());
            out.push_back(message.clone());
        }
    }
    if !buffer.is_empty() {
        out.push_back(buffer.freeze());
    }
}

/// A ping frame.
pub fn ping() -> Bytes {
    let mut buffer = BytesMut::with_capacity(LENGTH_BYTES + HEAD_BYTES);
    put_head(&mut buffer, KIND_PING, 0);
    buffer.freeze()
}

/// A frame of URL records.
pub fn urls(records: &[u8]) -> Bytes {
    let mut buffer = BytesMut::with_capacity(LENGTH_BYTES + HEAD_BYTES + records.len());
    put_head(&mut buffer, KIND_URLS, records.len());
    buffer.put_slice(records);
    buffer.freeze()
}

fn put_head(buffer: &mut BytesMut, kind: u8, body: usize) {
    put_length(buffer, HEAD_BYTES + body);
    buffer.put_u8(FRAME_VERSION);
    buffer.put_u8(kind);
}

/// Callers keep every length under [`MAX_FRAME_BYTES`]; a saturated one would be refused by the
/// reader and never misread.
fn put_length(buffer: &mut BytesMut, length: usize) {
    buffer.put_u32_le(u32::try_from(length).unwrap_or(u32::MAX));
}

/// Splits a byte stream into frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames from `reader`, `early` being bytes of the stream that were read already.
    pub fn new(reader: R, early: &[u8]) -> Self {
        Self { reader, buffer: BytesMut::from(early) }
    }

    /// The next frame and its length in bytes, `None` when the stream ended between two frames.
    /// Safe to drop while waiting: what was read stays in the buffer.
    pub async fn next(&mut self) -> Result<Option<(Frame, usize)>, FrameError> {
        loop {
            let missing = match self.take()? {
                Ok(found) => return Ok(Some(found)),
                Err(missing) => missing,
            };
            self.buffer.reserve(missing.max(READ_AHEAD_BYTES / 2));
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(FrameError::Truncated) };
            }
        }
    }

    /// A frame that is complete in the buffer, or how many bytes are missing at least.
    fn take(&mut self) -> Result<Result<(Frame, usize), usize>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<LENGTH_BYTES>() else {
            return Ok(Err(LENGTH_BYTES - self.buffer.len()));
        };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        if length < HEAD_BYTES {
            return Err(FrameError::TooShort(length));
        }
        let total = LENGTH_BYTES + length;
        if self.buffer.len() < total {
            return Ok(Err(total - self.buffer.len()));
        }
        let mut body = self.buffer.split_to(total).freeze();
        body.advance(LENGTH_BYTES);
        Ok(Ok((parse(body)?, total)))
    }
}

fn parse(mut body: Bytes) -> Result<Frame, FrameError> {
    let version = body.get_u8();
    if version != FRAME_VERSION {
        return Err(FrameError::Version(version));
    }
    match body.get_u8() {
        KIND_BATCH => parse_batch(body),
        KIND_PING if body.is_empty() => Ok(Frame::Ping),
        KIND_PING => Err(FrameError::Malformed("ping")),
        KIND_URLS => Ok(Frame::Urls(body)),
        kind => Err(FrameError::Kind(kind)),
    }
}

fn parse_batch(mut body: Bytes) -> Result<Frame, FrameError> {
    let malformed = || FrameError::Malformed("batch");
    let trace_bytes = usize::from(body.try_get_u16_le().map_err(|_| malformed())?);
    if trace_bytes > MAX_TRACE_BYTES || trace_bytes > body.len() {
        return Err(FrameError::Malformed("trace context"));
    }
    let trace = body.split_to(trace_bytes);
    let mut messages = Vec::new();
    while !body.is_empty() {
        let length = body.try_get_u32_le().map_err(|_| malformed())?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > body.len() {
            return Err(malformed());
        }
        messages.push(body.split_to(length));
    }
    if messages.is_empty() { Err(malformed()) } else { Ok(Frame::Batch { trace, messages }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Result<Vec<Frame>, FrameError> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut reader = FrameReader::new(bytes, &[]);
            let mut frames = Vec::new();
            while let Some((frame, _)) = reader.next().await? {
                frames.push(frame);
            }
            Ok(frames)
        })
    }

    fn written(trace: &[u8], messages: &[Bytes]) -> Vec<u8> {
        let mut out = VecDeque::new();
        push_batch(trace, messages, &mut out);
        out.iter().flat_map(|segment| segment.to_vec()).collect()
    }

    #[test]
    fn the_layout_is_the_documented_one() {
        let bytes = written(b"tr", &[Bytes::from_static(b"abc")]);
        assert_eq!(hex::encode(&bytes), "0d00000001000200747203000000616263");
        assert_eq!(hex::encode(ping()), "020000000101");
        assert_eq!(hex::encode(urls(b"u")), "03000000010275");
    }

    #[test]
    fn a_long_message_is_not_copied() {
        let long = Bytes::from(vec![7; COPY_BELOW_BYTES]);
        let mut out = VecDeque::new();
        push_batch(&[], &[Bytes::from_static(b"a"), long.clone(), Bytes::from_static(b"b")], &mut out);
        assert!(out.iter().any(|segment| segment.as_ptr() == long.as_ptr()));
        assert_eq!(out.len(), 3);
    }

    #[test]
    fn lengths_are_refused_before_their_bytes_arrive() {
        let mut bytes = u32::try_from(MAX_FRAME_BYTES + 1).unwrap().to_le_bytes().to_vec();
        assert!(matches!(read(&bytes), Err(FrameError::TooLong(_))));
        bytes = u32::MAX.to_le_bytes().to_vec();
        assert!(matches!(read(&bytes), Err(FrameError::TooLong(_))));
        assert!(matches!(read(&[1, 0, 0, 0]), Err(FrameError::TooShort(1))));
    }

    #[test]
    fn a_frame_of_the_greatest_length_passes() {
        let message = Bytes::from(vec![1; MAX_MESSAGE_BYTES]);
        let bytes = written(&[9; MAX_TRACE_BYTES], std::slice::from_ref(&message));
        assert_eq!(bytes.len(), LENGTH_BYTES + MAX_FRAME_BYTES);
        let trace = Bytes::from(vec![9; MAX_TRACE_BYTES]);
        assert_eq!(read(&bytes).unwrap(), vec![Frame::Batch { trace, messages: vec![message] }]);
    }

    #[test]
    fn what_no_member_sends_is_refused() {
        for (text, expected) in [
            ("020000000201", "frame version 2"),
            ("020000000109", "frame kind 9"),
            ("03000000010100", "malformed ping"),
            ("0200000001 00", "malformed batch"),
            ("040000000100 0000", "malformed batch"),
            ("060000000100 0300 0000", "malformed trace"),
            ("080000000100 0000 00000000", ""),
            ("090000000100 0000 0500000061", "malformed batch"),
            ("060000000100 0000 0500", "malformed batch"),
            ("060000000100 0000", "ended inside"),
            ("0600", "ended inside"),
        ] {
            let bytes = hex::decode(text.replace(' ', "")).unwrap();
            match read(&bytes) {
                Err(error) => assert!(error.to_string().contains(expected), "{text}: {error}"),
                Ok(frames) => assert!(expected.is_empty(), "{text}: {frames:?}"),
            }
        }
    }

    proptest! {
        #[test]
        fn batches_survive_any_split(messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..20), early in 0usize..30) {
            let messages: Vec<Bytes> = messages.into_iter().map(Bytes::from).collect();
            let mut bytes = written(&[], &messages);
            bytes.extend_from_slice(&ping());
            let early = early.min(bytes.len());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let frames = runtime.block_on(async {
                let mut reader = FrameReader::new(&bytes[early..], &bytes[..early]);
                let mut frames = Vec::new();
                while let Some((frame, _)) = reader.next().await.unwrap() { frames.push(frame); }
                frames
            });
            prop_assert_eq!(frames, vec![Frame::Batch { trace: Bytes::new(), messages }, Frame::Ping]);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }
}
