use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::*;
use crate::peer::StreamDoor;
use crate::peer::dial::{STREAM_PATH, UPGRADE_NAME, VERSION_HEADER};

async fn serve(limits: ServerLimits, router: Router) -> (SocketAddr, tokio_util::sync::DropGuard) {
    let shutdown = CancellationToken::new();
    let server = PeerServer::bind("127.0.0.1:0".parse().unwrap(), limits).await.unwrap();
    let address = server.address();
    tokio::spawn(server.serve(router, shutdown.clone()));
    (address, shutdown.drop_guard())
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn short() -> ServerLimits {
    let limit = Duration::from_millis(200);
    ServerLimits { head: limit, request: limit, ..ServerLimits::default() }
}

#[tokio::test]
async fn silent_and_slow_connections_are_closed() {
    let router = Router::new().route("/", get(async || "here")).route("/body", post(async |body: String| body));
    let (address, _serving) = serve(short(), router).await;
    let started = Instant::now();
    assert_eq!(ask(address, "").await, "");
    assert_eq!(ask(address, "GET / HTTP/1.1\r\nHost: x\r\nSlow").await, "");
    // Idle after a request.
    assert!(ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.ends_with("here"));
    let slow_body = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc";
    assert!(ask(address, slow_body).await.starts_with("HTTP/1.1 408"));
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test]
async fn the_age_of_a_connection_is_bounded() {
    let limits = ServerLimits { connection: Duration::from_millis(300), ..ServerLimits::default() };
    let (address, _serving) = serve(limits, Router::new().route("/", get(async || "here"))).await;
    let started = Instant::now();
    assert!(ask(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.ends_with("here"));
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_body_above_the_bound_is_refused() {
    let limits = ServerLimits { body_bytes: 100, ..short() };
    let (address, _serving) = serve(limits, Router::new().route("/", post(async |body: String| body))).await;
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n{}", "x".repeat(101));
    assert!(ask(address, &request).await.starts_with("HTTP/1.1 413"));
}

#[tokio::test]
async fn the_number_of_unauthenticated_connections_is_bounded() {
    let limits = ServerLimits { unauthenticated: 2, head: Duration::from_millis(500), ..ServerLimits::default() };
    let (address, _serving) = serve(limits, Router::new().route("/", get(async || "here"))).await;
    let _squatters = (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    let answer = ask(address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("here"));
    // Served, but only once the squatters' time was over.
    assert!(started.elapsed() > Duration::from_millis(200), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_node_that_is_no_member_yet_has_no_streams() {
    let (address, _serving) = serve(short(), StreamDoor::new().router()).await;
    let request = format!(
        "GET {STREAM_PATH} HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: {UPGRADE_NAME}\r\n{VERSION_HEADER}: 1\r\n\r\n"
    );
    let answer = ask(address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("not_joined"), "{answer}");
}

#[tokio::test]
async fn a_port_in_use_names_the_setting() {
    let taken = PeerServer::bind("127.0.0.1:0".parse().unwrap(), short()).await.unwrap();
    let error = PeerServer::bind(taken.address(), short()).await.unwrap_err().to_string();
    assert!(error.starts_with("PEER_LISTEN: cannot listen on 127.0.0.1:"), "{error}");
}
