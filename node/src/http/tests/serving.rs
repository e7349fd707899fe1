//! The listener itself, over real sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::TestNode;
use crate::http::serve;

#[tokio::test]
async fn a_request_in_flight_outlives_the_shutdown_and_idle_connections_do_not() {
    let node = TestNode::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, node.state.clone(), shutdown.clone()));
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    let body = r#"{"to":"2","amount":"1"}"#;
    let head = format!(
        "POST /api/v1/wallet/transactions?wait=committed HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    waiting.write_all(head.as_bytes()).await.unwrap();
    waiting.write_all(body.as_bytes()).await.unwrap();
    while node.ledger.pool_len() == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    shutdown.cancel();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    node.ledger.mint();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"committed\""), "{answer}");
    tokio::time::timeout(Duration::from_secs(2), server).await.unwrap().unwrap();
}
