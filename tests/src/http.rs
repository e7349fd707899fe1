//! A plain HTTP client: JSON in, status and JSON out.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

/// What a node answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The content type, empty if there is none.
    pub content_type: String,
    /// The body; `Null` if it was no JSON.
    pub body: Value,
    /// The body as it came.
    pub text: String,
}

impl Answer {
    /// The body of an answer that must be a success.
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "unexpected answer {}: {}", self.status, self.text);
        self.body
    }

    /// The stable code of an error; empty if there is none.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// The client that all tests share.
pub fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30))
            // Connections of one test's runtime must not be used by the next.
            .pool_max_idle_per_host(0)
            .build()
            .expect("an HTTP client")
    })
}

/// Sends a request; the error says why nothing came back.
pub async fn send(request: RequestBuilder) -> Result<Answer, String> {
    let response = request.send().await.map_err(|error| format!("{error:?}"))?;
    let status = response.status().as_u16();
    let header = response.headers().get(reqwest::header::CONTENT_TYPE);
    let content_type = header.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let bytes = response.bytes().await.map_err(|error| format!("{error:?}"))?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Ok(Answer { status, content_type, body, text })
}

/// Whether a status says "try again later".
pub fn is_temporary(status: u16) -> bool {
    status == StatusCode::SERVICE_UNAVAILABLE.as_u16() || status == StatusCode::TOO_MANY_REQUESTS.as_u16()
}
