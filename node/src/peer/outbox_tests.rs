use std::time::Duration;

use super::*;
use crate::peer::frame::{Frame, FrameReader};
use crate::peer::transport::BoxFuture;

/// A socket that takes as many bytes as it is given room for.
#[derive(Default)]
struct FakeSink {
    inner: Mutex<(Vec<u8>, usize)>,
    room: Notify,
    broken: std::sync::atomic::AtomicBool,
}

impl FakeSink {
    fn with_room(room: usize) -> Arc<Self> {
        let sink = Self::default();
        sink.inner.lock().unwrap().1 = room;
        Arc::new(sink)
    }

    fn give(&self, room: usize) {
        self.inner.lock().unwrap().1 += room;
        self.room.notify_one();
    }

    fn bytes(&self) -> Vec<u8> {
        self.inner.lock().unwrap().0.clone()
    }

    /// The messages of each batch frame written so far.
    async fn frames(&self) -> Vec<Vec<Bytes>> {
        let bytes = self.bytes();
        let mut reader = FrameReader::new(bytes.as_slice(), &[]);
        let mut frames = Vec::new();
        while let Some((frame, _)) = reader.next().await.unwrap() {
            if let Frame::Batch { messages, .. } = frame {
                frames.push(messages);
            }
        }
        frames
    }
}

impl Sink for FakeSink {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let mut inner = self.inner.lock().unwrap();
        let mut written = 0;
        for slice in slices {
            let count = slice.len().min(inner.1);
            inner.0.extend_from_slice(&slice[..count]);
            inner.1 -= count;
            written += count;
        }
        if written == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(written) }
    }

    fn writable(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            self.room.notified().await;
            Ok(())
        })
    }
}

fn message(tag: u8, length: usize) -> Bytes {
    Bytes::from(vec![tag; length])
}

fn tags(frames: &[Vec<Bytes>]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.iter().map(|message| message[0]).collect()).collect()
}

fn open(limits: OutboxLimits, sink: &Arc<FakeSink>) -> Outbox {
    let outbox = Outbox::new(limits);
    outbox.open(Arc::clone(sink) as Arc<dyn Sink>);
    outbox
}

const ROOMY: usize = usize::MAX / 2;

#[tokio::test]
async fn what_is_queued_together_leaves_in_one_frame_in_order() {
    let sink = FakeSink::with_room(ROOMY);
    let outbox = open(OutboxLimits::default(), &sink);
    outbox.queue(Class::Bulk, message(1, 500), Bytes::new());
    outbox.queue(Class::Urgent, message(2, 100), Bytes::new());
    outbox.queue(Class::Bulk, message(3, 500), Bytes::new());
    assert!(sink.bytes().is_empty());
    outbox.flush();
    assert_eq!(tags(&sink.frames().await), [[1, 2, 3]]);
    assert!(outbox.is_idle());
}

#[tokio::test]
async fn urgent_messages_overtake_bulk_that_does_not_fit_their_frame() {
    let sink = FakeSink::with_room(ROOMY);
    let outbox = open(OutboxLimits::default(), &sink);
    let third = BULK_SLICE_BYTES / 3;
    for tag in 1..=5 {
        outbox.queue(Class::Bulk, message(tag, third), Bytes::new());
    }
    outbox.queue(Class::Urgent, message(100, 10), Bytes::new());
    outbox.flush();
    assert_eq!(tags(&sink.frames().await), [vec![1, 2, 100], vec![3, 4], vec![5]]);
}

#[tokio::test]
async fn a_long_bulk_message_gets_every_second_frame() {
    let sink = FakeSink::with_room(ROOMY);
    let outbox = open(OutboxLimits::default(), &sink);
    outbox.queue(Class::Bulk, message(1, 2 * BULK_SLICE_BYTES), Bytes::new());
    for tag in 101..=103 {
        outbox.queue(Class::Urgent, message(tag, URGENT_SLICE_BYTES - 4), Bytes::new());
    }
    outbox.flush();
    outbox.flush();
    let mut frames = tags(&sink.frames().await);
    while frames.len() < 4 {
        outbox.flush();
        frames = tags(&sink.frames().await);
    }
    assert_eq!(frames, [[101], [1], [102], [103]]);
}

#[tokio::test]
async fn bulk_is_dropped_at_its_bound_and_urgent_messages_are_not() {
    let sink = FakeSink::with_room(0);
    let limits = OutboxLimits { total_bytes: 1000, bulk_bytes: 600, messages: 100, ..OutboxLimits::default() };
    let outbox = open(limits, &sink);
    for tag in 0..10 {
        outbox.queue(Class::Bulk, message(tag, 100), Bytes::new());
    }
    assert_eq!(outbox.counters().dropped_bulk.load(Ordering::Relaxed), 4);
    for tag in 100..110 {
        outbox.queue(Class::Urgent, message(tag, 100), Bytes::new());
    }
    // All the bulk gave way, no urgent message did.
    assert_eq!(outbox.counters().dropped_bulk.load(Ordering::Relaxed), 10);
    assert_eq!(outbox.counters().dropped_urgent.load(Ordering::Relaxed), 0);
    outbox.queue(Class::Urgent, message(110, 100), Bytes::new());
    assert_eq!(outbox.counters().dropped_urgent.load(Ordering::Relaxed), 1);
    assert_eq!(outbox.queued_bytes(), 1000);
    sink.give(ROOMY);
    outbox.flush();
    assert_eq!(tags(&sink.frames().await), [(101..=110).collect::<Vec<u8>>()]);
}

#[tokio::test]
async fn the_number_of_messages_is_bounded_too() {
    let sink = FakeSink::with_room(0);
    let outbox = open(OutboxLimits { messages: 3, ..OutboxLimits::default() }, &sink);
    for tag in 0..5 {
        outbox.queue(Class::Bulk, message(tag, 1), Bytes::new());
        outbox.queue(Class::Urgent, message(100 + tag, 1), Bytes::new());
    }
    let counters = outbox.counters();
    assert_eq!(counters.dropped_bulk.load(Ordering::Relaxed), 2);
    assert_eq!(counters.dropped_urgent.load(Ordering::Relaxed), 2);
    sink.give(ROOMY);
    outbox.flush();
    assert_eq!(tags(&sink.frames().await), [[0, 1, 2, 102, 103, 104]]);
}

#[tokio::test]
async fn a_message_longer_than_a_frame_and_one_without_a_connection_are_counted() {
    let sink = FakeSink::with_room(ROOMY);
    let outbox = open(OutboxLimits::default(), &sink);
    outbox.queue(Class::Urgent, message(1, MAX_MESSAGE_BYTES + 1), Bytes::new());
    assert_eq!(outbox.counters().dropped_too_long.load(Ordering::Relaxed), 1);
    outbox.close(1);
    outbox.queue(Class::Urgent, message(1, 1), Bytes::new());
    assert_eq!(outbox.counters().dropped_unconnected.load(Ordering::Relaxed), 1);
    assert!(sink.bytes().is_empty());
}

#[tokio::test]
async fn the_task_goes_on_where_the_socket_was_full() {
    let sink = FakeSink::with_room(70);
    let outbox = Arc::new(open(OutboxLimits::default(), &sink));
    let task = {
        let (outbox, sink) = (Arc::clone(&outbox), Arc::clone(&sink) as Arc<dyn Sink>);
        tokio::spawn(async move { outbox.drive(&sink).await })
    };
    outbox.queue(Class::Urgent, message(1, 200), Bytes::new());
    outbox.flush();
    assert_eq!(sink.bytes().len(), 70);
    // While the socket is full, others queue without touching it.
    outbox.queue(Class::Urgent, message(2, 10), Bytes::new());
    outbox.flush();
    for _ in 0..30 {
        tokio::task::yield_now().await;
        sink.give(10);
    }
    tokio::time::timeout(Duration::from_secs(5), async {
        while !outbox.is_idle() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    assert_eq!(tags(&sink.frames().await), [[1], [2]]);
    sink.broken.store(true, Ordering::Relaxed);
    outbox.queue(Class::Urgent, message(3, 10), Bytes::new());
    outbox.flush();
    let error = tokio::time::timeout(Duration::from_secs(5), task).await.unwrap().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test]
async fn a_new_connection_starts_with_nothing_of_the_old_one() {
    let old = FakeSink::with_room(9);
    let outbox = open(OutboxLimits::default(), &old);
    outbox.queue(Class::Urgent, message(1, 100), Bytes::new());
    outbox.flush();
    let new = FakeSink::with_room(ROOMY);
    outbox.open(Arc::clone(&new) as Arc<dyn Sink>);
    // The late end of the old connection does not close the new one.
    outbox.close(1);
    outbox.queue(Class::Urgent, message(2, 100), Bytes::new());
    outbox.flush();
    assert_eq!(tags(&new.frames().await), [[2]]);
}
