//! The client against a small HTTP server that answers as a node does, and as a node must not.

use axum::extract::{ConnectInfo, Path, Query};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use blockchat_client::api::{ERROR_MEDIA_TYPE, Problem};
use blockchat_client::{Client, Error, Options, Payment, Wait};
use blockchat_ledger::Hash;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        async move { axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>()).await },
    );
    url
}

fn problem(status: u16, code: &str, retry_after: Option<&str>) -> Response {
    let problem = Problem {
        kind: format!("urn:blockchat:problem:{code}"),
        title: "title".to_owned(),
        status,
        detail: "what happened".to_owned(),
        code: code.to_owned(),
        message: "what happened".to_owned(),
        expected_nonce: None,
    };
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert("content-type", ERROR_MEDIA_TYPE.parse().unwrap());
    if let Some(seconds) = retry_after {
        headers.insert("retry-after", seconds.parse().unwrap());
    }
    response
}

/// What the server heard, in the form of a transaction id.
fn heard_as(text: &str) -> Hash {
    Hash::of_bytes(text.as_bytes())
}

/// Says back what was received, in the fields of a `SubmitAnswer`.
async fn echo(
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
    Json(body): Json<serde_json::Value>,
) -> Json<serde_json::Value> {
    let header = |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let heard = format!(
        "{body} key={} auth={} wait={}",
        header("idempotency-key"),
        header("authorization"),
        query.get("wait").map_or("-", String::as_str),
    );
    Json(serde_json::json!({
        "transaction_id": heard_as(&heard), "status": "pending", "nonce": 7, "valid_until": 10,
        "a_field_of_a_later_version": true,
    }))
}

#[tokio::test]
async fn a_payment_carries_body_key_token_and_wait() {
    let url = serve(Router::new().route("/api/v1/wallet/transactions", post(echo))).await;
    let options = Options { token: Some("secret".to_owned()), ..Options::default() };
    let client = Client::with_options(&url, &options).unwrap();
    let payment = Payment::coins_and_message("3", "1.5", "hi").idempotency_key("k1");
    let answer = client.pay(&payment, Wait::Committed).await.unwrap();
    assert_eq!(
        answer.transaction_id,
        heard_as(r#"{"amount":"1.5","message":"hi","to":"3"} key=k1 auth=Bearer secret wait=committed"#)
    );
    let answer = client.pay(&Payment::message("3", "hi"), Wait::Admitted).await.unwrap();
    assert_eq!(answer.transaction_id, heard_as(r#"{"message":"hi","to":"3"} key=- auth=Bearer secret wait=-"#));
    assert!(!format!("{client:?}").contains("secret"), "the token is not shown by Debug");
}

#[tokio::test]
async fn a_stake_is_put() {
    let url = serve(Router::new().route("/api/v1/wallet/stake", put(echo))).await;
    let answer = Client::new(&url).unwrap().set_stake("10", None, Wait::Admitted).await.unwrap();
    assert_eq!(answer.transaction_id, heard_as(r#"{"amount":"10"} key=- auth=- wait=-"#));
}

#[tokio::test]
async fn refusals_are_typed() {
    let router = Router::new()
        .route("/api/v1/wallet/transactions", post(|| async { problem(409, "insufficient_balance", None) }))
        .route("/api/v1/wallet", get(|| async { problem(503, "not_joined", Some("2")) }));
    let client = Client::new(&serve(router).await).unwrap();
    let error = client.pay(&Payment::message("1", "x"), Wait::Admitted).await.unwrap_err();
    assert_eq!(error.code(), Some("insufficient_balance"));
    assert_eq!(error.retry_after(), None);
    assert!(!error.is_transport());
    assert_eq!(error.to_string(), "what happened (insufficient_balance, HTTP 409)");
    let error = client.wallet().await.unwrap_err();
    assert_eq!(error.code(), Some("not_joined"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
}

#[tokio::test]
async fn another_program_on_the_port_is_recognised() {
    let router = Router::new()
        .route("/api/v1/status", get(|| async { "<html>welcome</html>" }))
        .route("/api/v1/network", get(|| async { (StatusCode::BAD_GATEWAY, "bad gateway") }));
    let client = Client::new(&serve(router).await).unwrap();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { status: 200, .. }));
    let error = client.network().await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { status: 502, .. }));
}

#[tokio::test]
async fn what_a_node_says_cannot_control_a_terminal() {
    let router = Router::new().route("/api/v1/status", get(|| async { r#"{"phase":"\u001b[2J"}"# }));
    let error = Client::new(&serve(router).await).unwrap().status().await.unwrap_err().to_string();
    assert!(error.contains("[2J") && !error.chars().any(char::is_control), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_never_ends_is_not_read_to_the_end() {
    let endless = || async {
        axum::body::Body::from_stream(futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 20])))
    };
    let router = Router::new().route("/api/v1/status", get(endless));
    let error = Client::new(&serve(router).await).unwrap().status().await.unwrap_err();
    assert!(matches!(error, Error::UnexpectedAnswer { status: 200, .. }), "{error}");
}

#[tokio::test]
async fn no_listener_and_no_answer_are_transport_errors() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = Options { timeout: Duration::from_millis(100), ..Options::default() };
    // Nobody accepts: the connection is made by the kernel, the answer never comes.
    let client = Client::with_options(&url, &options).unwrap();
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.is_transport());
    drop(listener);
    let error = Client::new(&url).unwrap().status().await.unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(error.is_transport());
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn connections_are_kept_and_paths_are_encoded() {
    async fn peer(ConnectInfo(peer): ConnectInfo<SocketAddr>, uri: Uri, Path(address): Path<String>) -> Response {
        let detail = format!("{} {} {}", peer.port(), uri.path(), address);
        let mut answer = problem(404, "unknown_account", None);
        *answer.body_mut() = serde_json::json!({
            "type": "t", "title": "t", "status": 404, "detail": detail, "code": "unknown_account", "message": "m",
        })
        .to_string()
        .into();
        answer.headers_mut().remove("content-length");
        answer
    }
    let url = serve(Router::new().route("/api/v1/accounts/{address}", get(peer))).await;
    let client = Client::new(&url).unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let error = client.account("MII+/=").await.unwrap_err();
        let Error::Problem { problem, .. } = error else { panic!("{error}") };
        answers.push(problem.detail);
    }
    assert!(answers[0].ends_with(" /api/v1/accounts/MII%2B%2F%3D MII+/="), "{answers:?}");
    assert_eq!(answers[0], answers[1], "the same connection is used again");
    assert_eq!(answers[1], answers[2]);
}

#[test]
fn urls_with_a_path_or_another_scheme_are_refused() {
    for url in ["http://h:1/api", "ftp://h:1", "https://h:1", "h:1", "", "http://h:1/?x=1"] {
        let error = Client::new(url).unwrap_err();
        assert!(matches!(error, Error::InvalidUrl { .. }), "{url}: {error}");
    }
    for url in ["http://h:1", "http://h:1/", "http://127.0.0.1:5000"] {
        assert_eq!(Client::new(url).unwrap().url(), url.trim_end_matches('/'));
    }
}
