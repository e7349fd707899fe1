use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::*;
use crate::peer::frame::push_batch;
use crate::peer::rate::RateLimits;
use crate::peer::server::{PeerServer, ServerLimits};
use crate::peer::testing::{consensus_key, ring};
use crate::peer::{Class, PeerInput};

const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text(Class, Vec<u8>);

impl Text {
    fn urgent(text: &str) -> Self {
        Self(Class::Urgent, text.as_bytes().to_vec())
    }
}

impl Message for Text {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![u8::from(self.0 == Class::Urgent)];
        bytes.extend_from_slice(&self.1);
        bytes
    }

    fn kind(&self) -> &'static str {
        "text"
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let class = match bytes.first()? {
            0 => Class::Bulk,
            1 => Class::Urgent,
            _ => return None,
        };
        Some(Self(class, bytes[1..].to_vec()))
    }

    fn class(&self) -> Class {
        self.0
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Up(u16),
    Down(u16),
    Said(u16, Text),
}

#[derive(Clone)]
struct TestInbox(mpsc::Sender<PeerInput<Text>>);

impl Inbox for TestInbox {
    type Message = Text;

    async fn deliver(&self, input: PeerInput<Text>) -> bool {
        self.0.send(input).await.is_ok()
    }
}

#[derive(Default)]
struct Urls {
    by_id: Mutex<BTreeMap<u16, String>>,
    told: Mutex<Vec<Vec<u8>>>,
    version: watch::Sender<u64>,
}

impl Directory for Urls {
    fn url_of(&self, id: u16) -> Option<String> {
        self.by_id.lock().unwrap().get(&id).cloned()
    }

    fn records(&self) -> Vec<u8> {
        self.version.borrow().to_le_bytes().to_vec()
    }

    fn learn(&self, encoded: &[u8]) -> bool {
        self.told.lock().unwrap().push(encoded.to_vec());
        encoded != b"bad"
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }
}

/// One member with a real listener.
struct Node {
    network: PeerNetwork,
    inbox: mpsc::Receiver<PeerInput<Text>>,
    ready: std::collections::VecDeque<Seen>,
    address: SocketAddr,
    shutdown: CancellationToken,
    directory: Arc<Urls>,
}

struct Options {
    chain: u32,
    key: Option<u16>,
    limits: ConnectionLimits,
    inbox: usize,
    address: SocketAddr,
}

impl Default for Options {
    fn default() -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        Self { chain: 5, key: None, limits: ConnectionLimits::default(), inbox: 1024, address }
    }
}

impl Node {
    async fn start(me: u16, lower: &[&Node], options: Options) -> Self {
        let shutdown = CancellationToken::new();
        let mut bound = PeerServer::bind(options.address, ServerLimits::default()).await;
        while bound.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
            bound = PeerServer::bind(options.address, ServerLimits::default()).await;
        }
        let server = bound.unwrap();
        let address = server.address();
        let door = StreamDoor::new();
        tokio::spawn(server.serve(door.router(), shutdown.clone()));
        let directory = Arc::new(Urls::default());
        for (id, node) in (0..).zip(lower) {
            directory.by_id.lock().unwrap().insert(id, format!("http://{}", node.address));
        }
        let (sender, inbox) = mpsc::channel(options.inbox);
        let key = consensus_key(options.key.unwrap_or(me));
        let mut settings =
            PeerSettings::new(ring(3, options.chain), me, key, Arc::clone(&directory) as _, PeerBytes::unread());
        settings.connection = options.limits;
        let network = PeerNetwork::start(settings, TestInbox(sender), &door, shutdown.clone());
        Self { network, inbox, ready: std::collections::VecDeque::new(), address, shutdown, directory }
    }

    async fn next(&mut self) -> Seen {
        while self.ready.is_empty() {
            match tokio::time::timeout(PATIENCE, self.inbox.recv()).await.unwrap().unwrap() {
                PeerInput::Connected(id) => self.ready.push_back(Seen::Up(id)),
                PeerInput::Disconnected(id) => self.ready.push_back(Seen::Down(id)),
                PeerInput::Messages { from, messages, .. } => {
                    self.ready.extend(messages.into_iter().map(|message| Seen::Said(from, message)));
                }
            }
        }
        self.ready.pop_front().unwrap()
    }

    fn credentials(me: u16) -> Credentials {
        let ring = ring(3, 5);
        let members = ring.members().iter().map(|member| member.consensus_key).collect();
        Credentials { chain_id: ring.chain_id(), me, key: consensus_key(me), members }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

#[tokio::test]
async fn three_members_talk_in_order_also_from_other_threads() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let mut one = Node::start(1, &[&zero], Options::default()).await;
    let mut two = Node::start(2, &[&zero, &one], Options::default()).await;
    for (node, others) in [(&mut zero, [1, 2]), (&mut one, [0, 2]), (&mut two, [0, 1])] {
        let seen = [node.next().await, node.next().await];
        assert!(others.iter().all(|id| seen.contains(&Seen::Up(*id))), "{seen:?}");
    }
    let network = zero.network.clone();
    let sending = std::thread::spawn(move || {
        for number in 0..100 {
            network.broadcast(&Text::urgent(&number.to_string()));
        }
        network.send(1, &Text::urgent("last"));
    });
    sending.join().unwrap();
    for number in 0..100 {
        let expected = Text::urgent(&number.to_string());
        assert_eq!(one.next().await, Seen::Said(0, expected.clone()));
        assert_eq!(two.next().await, Seen::Said(0, expected));
    }
    assert_eq!(one.next().await, Seen::Said(0, Text::urgent("last")));
    one.network.send(0, &Text::urgent("back"));
    assert_eq!(zero.next().await, Seen::Said(1, Text::urgent("back")));
    assert_eq!((zero.network.connected(), zero.network.is_connected(1)), (2, true));
    let status = one.network.status();
    assert_eq!(status.iter().map(|peer| peer.id).collect::<Vec<_>>(), [0, 2]);
    assert!(status[0].received_messages == 101 && status[0].sent_bytes > 0 && status[0].connected);
}

#[tokio::test]
async fn large_messages_arrive_whole() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let mut one = Node::start(1, &[&zero], Options::default()).await;
    assert_eq!((zero.next().await, one.next().await), (Seen::Up(1), Seen::Up(0)));
    let large = Text(Class::Bulk, (0..5_000_000u32).map(|n| n.to_le_bytes()[0]).collect());
    one.network.send(0, &large);
    one.network.send(0, &Text::urgent("small"));
    let mut said = [zero.next().await, zero.next().await];
    said.sort_by_key(|seen| *seen != Seen::Said(1, large.clone()));
    assert_eq!(said, [Seen::Said(1, large), Seen::Said(1, Text::urgent("small"))]);
}

#[tokio::test]
async fn a_member_that_dies_is_noticed_at_once_and_found_again() {
    let zero = Node::start(0, &[], Options::default()).await;
    let mut one = Node::start(1, &[&zero], Options::default()).await;
    assert_eq!(one.next().await, Seen::Up(0));
    let address = zero.address;
    let killed = Instant::now();
    drop(zero);
    assert_eq!(one.next().await, Seen::Down(0));
    assert!(killed.elapsed() < Duration::from_secs(1), "{:?}", killed.elapsed());
    one.network.send(0, &Text::urgent("lost"));
    // Long enough for the pauses between attempts to have grown.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let again = Instant::now();
    let mut zero = Node::start(0, &[], Options { address, ..Options::default() }).await;
    assert_eq!(one.next().await, Seen::Up(0));
    assert_eq!(zero.next().await, Seen::Up(1));
    assert!(again.elapsed() < Duration::from_secs(2), "{:?}", again.elapsed());
    one.network.send(0, &Text::urgent("found"));
    assert_eq!(zero.next().await, Seen::Said(1, Text::urgent("found")));
}

#[tokio::test]
async fn members_of_another_chain_and_impostors_stay_outside() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let foreign = Node::start(1, &[&zero], Options { chain: 6, ..Options::default() }).await;
    let impostor = Node::start(1, &[&zero], Options { key: Some(2), ..Options::default() }).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(foreign.network.connected() + impostor.network.connected() + zero.network.connected(), 0);
    let mut one = Node::start(1, &[&zero], Options::default()).await;
    assert_eq!((zero.next().await, one.next().await), (Seen::Up(1), Seen::Up(0)));
}

#[tokio::test]
async fn a_newer_stream_of_a_member_replaces_the_older_one() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let mut older = dial(&Names::default(), &zero.url(), &Node::credentials(1), 0).await.unwrap();
    assert_eq!(zero.next().await, Seen::Up(1));
    let mut newer = dial(&Names::default(), &zero.url(), &Node::credentials(1), 0).await.unwrap();
    assert_eq!(zero.next().await, Seen::Down(1));
    assert_eq!(zero.next().await, Seen::Up(1));
    let mut rest = Vec::new();
    older.stream.read_to_end(&mut rest).await.unwrap();
    let mut frames = std::collections::VecDeque::new();
    push_batch(b"00-trace", &[Bytes::from(Text::urgent("new").encode())], &mut frames);
    for segment in frames {
        newer.stream.write_all(&segment).await.unwrap();
    }
    assert_eq!(zero.next().await, Seen::Said(1, Text::urgent("new")));
}

#[tokio::test]
async fn malformed_bytes_end_the_stream_and_are_counted() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let mut undecodable = std::collections::VecDeque::new();
    push_batch(&[], &[Bytes::from_static(&[9])], &mut undecodable);
    let undecodable = undecodable.pop_front().unwrap();
    let records = frame::urls(b"bad");
    let cases: [&[u8]; 4] = [&u32::MAX.to_le_bytes(), &[2, 0, 0, 0, 9, 0], &undecodable, &records];
    for (count, bytes) in (1..).zip(cases) {
        let mut raw = dial(&Names::default(), &zero.url(), &Node::credentials(1), 0).await.unwrap();
        assert_eq!(zero.next().await, Seen::Up(1));
        raw.stream.write_all(bytes).await.unwrap();
        assert_eq!(zero.next().await, Seen::Down(1));
        assert_eq!(zero.network.status()[0].malformed, count);
    }
    // A broken socket is no violation.
    let mut raw = dial(&Names::default(), &zero.url(), &Node::credentials(1), 0).await.unwrap();
    assert_eq!(zero.next().await, Seen::Up(1));
    raw.stream.write_all(&[5, 0]).await.unwrap();
    drop(raw);
    assert_eq!(zero.next().await, Seen::Down(1));
    assert_eq!(zero.network.status()[0].malformed, 4);
}

#[tokio::test]
async fn a_silent_peer_is_dropped_and_a_quiet_one_is_not() {
    let limits = ConnectionLimits { ping_every: Duration::from_millis(50), ..ConnectionLimits::default() };
    let mut zero = Node::start(0, &[], Options { limits, ..Options::default() }).await;
    let mut one = Node::start(1, &[&zero], Options { limits, ..Options::default() }).await;
    assert_eq!((zero.next().await, one.next().await), (Seen::Up(1), Seen::Up(0)));
    let _silent = dial(&Names::default(), &zero.url(), &Node::credentials(2), 0).await.unwrap();
    assert_eq!(zero.next().await, Seen::Up(2));
    assert_eq!(zero.next().await, Seen::Down(2));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(zero.network.is_connected(1) && one.network.is_connected(0));
}

#[tokio::test]
async fn a_peer_that_takes_nothing_is_dropped() {
    let limits = ConnectionLimits { ping_every: Duration::from_millis(50), ..ConnectionLimits::default() };
    let mut zero = Node::start(0, &[], Options { limits, ..Options::default() }).await;
    let raw = dial(&Names::default(), &zero.url(), &Node::credentials(1), 0).await.unwrap();
    assert_eq!(zero.next().await, Seen::Up(1));
    let (_reader, mut writer) = raw.stream.into_split();
    tokio::spawn(async move {
        while writer.write_all(&frame::ping()).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    for _ in 0..4 {
        zero.network.send(1, &Text(Class::Bulk, vec![0; 6_000_000]));
    }
    assert_eq!(zero.next().await, Seen::Down(1));
}

#[tokio::test]
async fn a_flooding_member_waits_and_the_others_do_not() {
    let rate = RateLimits { bytes_per_second: 1 << 20, messages_per_second: 100 };
    let limits = ConnectionLimits { rate, ..ConnectionLimits::default() };
    let mut zero = Node::start(0, &[], Options { limits, inbox: 4, ..Options::default() }).await;
    let mut flooder = Node::start(1, &[&zero], Options::default()).await;
    assert_eq!((zero.next().await, flooder.next().await), (Seen::Up(1), Seen::Up(0)));
    for _ in 0..2000 {
        flooder.network.send(0, &Text::urgent("flood"));
    }
    let mut two = Node::start(2, &[&zero], Options::default()).await;
    assert_eq!(two.next().await, Seen::Up(0));
    two.network.send(0, &Text::urgent("vote"));
    let mut floods = 0;
    let started = Instant::now();
    loop {
        match zero.next().await {
            Seen::Up(2) => {}
            Seen::Said(2, _) => break,
            Seen::Said(1, _) => floods += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    // The flood goes on at its rate: 100 at once, then 100 per second.
    while started.elapsed() < Duration::from_secs(2) {
        if let Ok(seen) = tokio::time::timeout(Duration::from_millis(50), zero.next()).await {
            assert!(matches!(seen, Seen::Said(1, _) | Seen::Up(2)), "{seen:?}");
            floods += usize::from(seen != Seen::Up(2));
        }
    }
    assert!((101..600).contains(&floods), "{floods}");
    assert!(zero.network.status()[0].throttled > 0);
}

#[tokio::test]
async fn url_records_are_told_on_connecting_and_when_they_change() {
    let mut zero = Node::start(0, &[], Options::default()).await;
    let mut one = Node::start(1, &[&zero], Options::default()).await;
    assert_eq!((zero.next().await, one.next().await), (Seen::Up(1), Seen::Up(0)));
    zero.directory.version.send_modify(|version| *version += 7);
    let told = |node: &Node| node.directory.told.lock().unwrap().clone();
    let expected = [0u64.to_le_bytes().to_vec(), 7u64.to_le_bytes().to_vec()];
    tokio::time::timeout(PATIENCE, async {
        while told(&one) != expected {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(told(&zero), expected[..1]);
}
