//! The public API of a node, wherever it runs.

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::http::{Answer, client, send};
use crate::wait::{LONG, eventually};

/// A node's API, by its base URL.
#[derive(Clone, Debug)]
pub struct Api(String);

impl Api {
    /// The API at `http://host:port`.
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// Where clients reach it.
    pub fn api_url(&self) -> String {
        self.0.clone()
    }

    /// A request to the public API, by full path.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.api_url()))
    }

    /// `GET` below `/api/v1`; the error says why nothing came back.
    pub async fn try_get(&self, path: &str) -> Result<Answer, String> {
        send(self.request(Method::GET, &format!("/api/v1{path}"))).await
    }

    /// `GET` below `/api/v1` that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        self.try_get(path).await.unwrap_or_else(|error| panic!("GET {path} of {}: {error}", self.0)).ok()
    }

    /// Sends JSON below `/api/v1`, or nothing if it is `Null`.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let request = self.request(method, &format!("/api/v1{path}"));
        send(if body.is_null() { request } else { request.json(body) })
            .await
            .unwrap_or_else(|error| panic!("{path} of {}: {error}", self.0))
    }

    /// Lets the node's wallet pay or write, and waits until it is committed.
    pub async fn transfer(&self, body: &Value) -> Value {
        self.committed(Method::POST, "/wallet/transactions?wait=committed", body).await
    }

    /// Sets the stake of the node's wallet, and waits until it is committed.
    pub async fn stake(&self, amount: &str) -> Value {
        self.committed(Method::PUT, "/wallet/stake?wait=committed", &serde_json::json!({ "amount": amount })).await
    }

    async fn committed(&self, method: Method, path: &str, body: &Value) -> Value {
        let answer = self.send(method, path, body).await.ok();
        let id = answer["transaction_id"].as_str().expect("a transaction id").to_owned();
        eventually(&format!("transaction {id} to be committed"), LONG, async || {
            let answer = self.get(&format!("/transactions/{id}")).await;
            match answer["status"].as_str() {
                Some("committed") => Ok(answer),
                _ => Err(answer.to_string()),
            }
        })
        .await
    }

    /// `GET /status`.
    pub async fn status(&self) -> Result<Value, String> {
        let answer = self.try_get("/status").await?;
        if answer.status == 200 { Ok(answer.body) } else { Err(answer.text) }
    }

    /// Its member id.
    pub async fn id(&self) -> u64 {
        let status = self.status().await.expect("its status");
        status["id"].as_u64().unwrap_or_else(|| panic!("not a member: {status}"))
    }

    /// Index of its newest block.
    pub async fn height(&self) -> u64 {
        let status = self.status().await.expect("its status");
        status["height"].as_u64().unwrap_or_else(|| panic!("no chain: {status}"))
    }
}
