//! Canaries: secrets that must never be seen in logs at their most talkative, metrics or traces.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blockchat_tests::{Collector, Folder, Network, SHORT, eventually, send};
use reqwest::Method;
use serde_json::json;

const API_TOKEN: &str = "canary-api-4Xq81vZk9Tt2LrBd";
const JOIN_TOKEN: &str = "canary-join-9Ws27uYh5Rr6MnCe";
const PASSPHRASE: &str = "canary-passphrase-3Ed64iOp";
/// What a client takes for the token.
const GUESS: &str = "canary-guess-7Tg58oKm1Zz0QaWs";

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, format!("{text}\n")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    path.display().to_string()
}

/// Every form in which a secret could slip out.
struct Canaries(Vec<(String, Vec<u8>)>);

impl Canaries {
    fn text(&mut self, what: &str, secret: &str) {
        self.bytes(what, secret.as_bytes());
    }

    /// As it is, in hexadecimal, as Rust prints bytes, and in Base64 at any of the three offsets.
    fn bytes(&mut self, what: &str, secret: &[u8]) {
        let hex = hex::encode(secret);
        let mut forms = vec![secret.to_vec(), hex.to_uppercase().into_bytes(), hex.into_bytes()];
        let list = secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        forms.push(list.into_bytes());
        for skipped in 0..3 {
            let whole = &secret[skipped..];
            let whole = &whole[..whole.len() / 3 * 3];
            forms.push(STANDARD.encode(whole).into_bytes());
        }
        self.0.extend(forms.into_iter().map(|form| (what.to_owned(), form)));
    }

    /// A private key: pieces of its secret half, wherever they are cut.
    fn key(&mut self, what: &str, pem: &str) {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(lines.concat()).expect("Base64");
        // In the first third is what everybody may know: the modulus.
        for piece in der[der.len() / 3..].chunks_exact(24).step_by(4) {
            self.bytes(what, piece);
        }
    }

    fn assert_absent(&self, place: &str, seen: &[u8]) {
        for (what, form) in &self.0 {
            let found = seen.windows(form.len()).any(|window| window == form.as_slice());
            assert!(!found, "{what} is in {place}, as {:?}", String::from_utf8_lossy(form));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_log_no_metric_and_no_trace_tells_a_secret() {
    let folder = Folder::new();
    let collector = Collector::start().await;
    let network = Network::of(4)
        .set("API_TOKEN_FILE", write(folder.path(), "api", API_TOKEN))
        .set("JOIN_TOKEN_FILE", write(folder.path(), "join", JOIN_TOKEN))
        .set("OTLP_ENDPOINT", collector.url())
        .set("TRACE_RATIO", 1)
        .set("LOG_FORMAT", "json")
        .set("LOG", "trace");
    let mut cluster = network.prepare().await;
    cluster.nodes[2].set("WALLET_PASSPHRASE_FILE", write(folder.path(), "passphrase", PASSPHRASE));
    cluster.nodes[3].set("LOG_FORMAT", "text");
    let mut denied = cluster.another_node();
    denied.set("JOIN_TOKEN_FILE", write(folder.path(), "guess", GUESS));
    denied.start();
    for node in &mut cluster.nodes {
        node.start();
    }
    cluster.founded().await;

    for node in &cluster.nodes {
        let other = (node.id().await + 1) % 4;
        for token in [API_TOKEN, GUESS] {
            let body = json!({ "to": other.to_string(), "amount": "1", "message": "hello" });
            let request = node.request(Method::POST, "/api/v1/wallet/transactions?wait=committed").bearer_auth(token);
            let answer = send(request.json(&body)).await.expect("an answer");
            assert_eq!(answer.status, if token == API_TOKEN { 200 } else { 401 }, "{}", answer.text);
            let broken = node.request(Method::POST, "/api/v1/wallet/transactions").bearer_auth(token);
            send(broken.body(format!("{{\"to\": {token}"))).await.expect("an answer");
        }
    }
    eventually("spans of all members", SHORT, async || {
        let seen = blockchat_tests::members_of(&collector.spans());
        if seen.len() == 4 { Ok(()) } else { Err(format!("of {seen:?}")) }
    })
    .await;

    let mut canaries = Canaries(Vec::new());
    let texts = [("the API token", API_TOKEN), ("the join token", JOIN_TOKEN), ("the passphrase", PASSPHRASE)];
    for (what, secret) in texts.into_iter().chain([("what a client took for the token", GUESS)]) {
        canaries.text(what, secret);
    }
    for (number, node) in cluster.nodes.iter().enumerate().filter(|(number, _)| *number != 2) {
        let pem = std::fs::read_to_string(node.wallet_file()).expect("the wallet");
        canaries.key(&format!("the wallet key of node {number}"), &pem);
    }
    for (number, node) in cluster.nodes.iter().enumerate() {
        let log = node.log();
        assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log says everything: {log}");
        canaries.assert_absent(&format!("the log of node {number}"), log.as_bytes());
        canaries.assert_absent(&format!("the metrics of node {number}"), node.metrics().await.as_bytes());
    }
    assert!(denied.log().contains("token"), "it was told why: {}", denied.log());
    canaries.assert_absent("the log of a node that may not join", denied.log().as_bytes());
    canaries.assert_absent("the traces", &collector.bytes());
}
