//! Trace contexts beside the messages of a frame.
//!
//! A context is the content of a W3C `traceparent` header in binary, with the thing it is about in front. Nothing signs or
//! hashes it and nothing but traces depends on it; what is malformed is passed over.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | what it is about: 0 a transaction, 1 a block |
//! | 8 | the first bytes of the transaction's wire hash, or of the block's |
//! | 16, 8, 1 | trace id, span id, flags (W3C Trace Context, section 3.2) |

use blockchat_ledger::Hash;
use bytes::{BufMut as _, BytesMut};
use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};

use crate::peer::MAX_TRACE_BYTES;

/// Bytes of one entry.
const ENTRY_BYTES: usize = 34;

/// What a context is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A transaction, by its wire hash.
    Transaction(Key),
    /// A block, by its hash.
    Block(Key),
}

/// The first bytes of a hash: enough to find a transaction among those that are traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

impl From<&Hash> for Key {
    fn from(hash: &Hash) -> Self {
        Self(hash.0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes)))
    }
}

/// Appends an entry; false when a frame takes no more.
pub fn push(out: &mut BytesMut, about: About, context: &SpanContext) -> bool {
    if out.len() + ENTRY_BYTES > MAX_TRACE_BYTES {
        return false;
    }
    let (kind, key) = match about {
        About::Transaction(key) => (0, key),
        About::Block(key) => (1, key),
    };
    out.put_u8(kind);
    out.put_u64(key.0);
    out.put_slice(&context.trace_id().to_bytes());
    out.put_slice(&context.span_id().to_bytes());
    out.put_u8(context.trace_flags().to_u8());
    true
}

/// The sampled contexts among the entries. What no member writes ends the list.
pub fn read(envelope: &[u8]) -> impl Iterator<Item = (About, SpanContext)> {
    envelope.chunks_exact(ENTRY_BYTES).map_while(entry).filter(|(_, context)| context.is_sampled())
}

fn entry(bytes: &[u8]) -> Option<(About, SpanContext)> {
    let (kind, rest) = bytes.split_first()?;
    let (key, rest) = rest.split_first_chunk()?;
    let (trace, rest) = rest.split_first_chunk()?;
    let (span, rest) = rest.split_first_chunk()?;
    let key = Key(u64::from_be_bytes(*key));
    let about = match kind {
        0 => About::Transaction(key),
        1 => About::Block(key),
        _ => return None,
    };
    // Flags other than "sampled" mean nothing here and go no further.
    let flags = TraceFlags::new(*rest.first()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_bytes(*trace), SpanId::from_bytes(*span));
    let context = SpanContext::new(trace, span, flags, true, TraceState::default());
    context.is_valid().then_some((about, context))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context(number: u8, flags: TraceFlags) -> SpanContext {
        let (trace, span) = (TraceId::from(u128::from(number)), SpanId::from(u64::from(number)));
        SpanContext::new(trace, span, flags, false, TraceState::default())
    }

    #[test]
    fn contexts_come_back_as_remote_ones() {
        let mut bytes = BytesMut::new();
        let transaction = About::Transaction((&Hash([1; 32])).into());
        let block = About::Block((&Hash([2; 32])).into());
        assert!(push(&mut bytes, transaction, &context(7, TraceFlags::SAMPLED)));
        assert!(push(&mut bytes, block, &context(8, TraceFlags::SAMPLED)));
        let found: Vec<_> = read(&bytes).collect();
        assert_eq!(found.iter().map(|(about, _)| *about).collect::<Vec<_>>(), [transaction, block]);
        assert_eq!(found[0].1.trace_id(), TraceId::from(7));
        assert_eq!(found[1].1.span_id(), SpanId::from(8));
        assert!(found.iter().all(|(_, context)| context.is_remote() && context.is_sampled()));
    }

    #[test]
    fn a_frame_takes_so_many_and_no_more() {
        let mut bytes = BytesMut::new();
        let about = About::Transaction((&Hash([1; 32])).into());
        let taken = (0..1000).take_while(|_| push(&mut bytes, about, &context(1, TraceFlags::SAMPLED))).count();
        assert_eq!(taken, MAX_TRACE_BYTES / ENTRY_BYTES);
        assert!(taken >= 32 && bytes.len() <= MAX_TRACE_BYTES, "{taken}");
    }

    #[test]
    fn what_no_member_writes_is_passed_over() {
        let mut bytes = BytesMut::new();
        let about = About::Block((&Hash([1; 32])).into());
        push(&mut bytes, about, &context(1, TraceFlags::default()));
        push(&mut bytes, about, &context(0, TraceFlags::SAMPLED));
        push(&mut bytes, about, &context(2, TraceFlags::SAMPLED));
        assert_eq!(read(&bytes).count(), 0, "one that is not sampled, then one without ids");
        let mut other = vec![9; ENTRY_BYTES];
        other[ENTRY_BYTES - 1] = 1;
        assert_eq!(read(&other).count(), 0, "another kind");
        assert_eq!(read(&bytes[..ENTRY_BYTES - 1]).count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            for (_, context) in read(&bytes) {
                prop_assert!(context.is_valid() && context.is_sampled());
            }
        }
    }
}
