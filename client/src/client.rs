//! The client: one method for each endpoint.

use crate::{Error, EventStream, Payment};
use blockchat_api::{
    AccountAnswer, BatchAnswer, BlockAnswer, BlockPage, BlockRange, CertificateAnswer, EventRange, EvidenceAnswer,
    HistoryPage, HistoryRange, IDEMPOTENCY_KEY_HEADER, LotteryAnswer, NetworkAnswer, Problem, ReceiptAnswer,
    SignedTransactionRequest, StakeRequest, StatusAnswer, SubmitAnswer, TransactionAnswer, TransactionBatchRequest,
    Wait, WaitQuery, WalletAnswer, paths,
};
use blockchat_ledger::SignedTransaction;
use blockchat_names::Names;
use reqwest::header::{HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

/// Longest answer that is read, bytes: several times the largest block (16 MiB encoded) as JSON.
const MAX_ANSWER_BYTES: usize = 128 * 1024 * 1024;
/// A stream of events may last this long; then it is opened again.
const STREAM_TIMEOUT: Duration = Duration::from_hours(24);

/// How a [`Client`] behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bearer token for the wallet's endpoints, if the node has one.
    pub token: Option<String>,
    /// Bound on a whole call, the wait of `Wait::Committed` included.
    pub timeout: Duration,
    /// Bound on making a connection.
    pub connect_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { token: None, timeout: Duration::from_mins(1), connect_timeout: Duration::from_secs(5) }
    }
}

/// One node's public interface. Clones share connections.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<Url>,
    token: Option<HeaderValue>,
}

impl Client {
    /// A client of the node at `url` (`http://host:port`, no path), with default options.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`].
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_options(url, &Options::default())
    }

    /// A client of the node at `url` (`http://host:port`, no path). Proxies of the environment are not used.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], or [`Error::InvalidHeader`] for the token.
    pub fn with_options(url: &str, options: &Options) -> Result<Self, Error> {
        let base = parse_url(url)?;
        let token = match &options.token {
            None => None,
            Some(token) => Some(secret_header(token)?),
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .dns_resolver(Names::default())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(options.timeout)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(90))
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_nodelay(true)
            .build()
            .map_err(|error| Error::InvalidUrl { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, base: Arc::new(base), token })
    }

    /// The node's URL.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// `POST /wallet/transactions`: the node's wallet signs and submits `payment`.
    pub async fn pay(&self, payment: &Payment, wait: Wait) -> Result<SubmitAnswer, Error> {
        let mut request = self.wallet_request(Method::POST, paths::WALLET_TRANSACTIONS, wait).json(&payment.request);
        if let Some(key) = &payment.idempotency_key {
            request = request.header(IDEMPOTENCY_KEY_HEADER, idempotency_header(key)?);
        }
        self.send(request, paths::WALLET_TRANSACTIONS).await
    }

    /// `PUT /wallet/stake`: sets the stake of the node's wallet to `amount` BCC.
    ///
    /// An `Idempotency-Key` makes it safe to ask again after a broken connection.
    pub async fn set_stake(
        &self,
        amount: &str,
        idempotency_key: Option<&str>,
        wait: Wait,
    ) -> Result<SubmitAnswer, Error> {
        let body = StakeRequest { amount: amount.to_owned() };
        let mut request = self.wallet_request(Method::PUT, paths::WALLET_STAKE, wait).json(&body);
        if let Some(key) = idempotency_key {
            request = request.header(IDEMPOTENCY_KEY_HEADER, idempotency_header(key)?);
        }
        self.send(request, paths::WALLET_STAKE).await
    }

    /// `GET /wallet`: balance, stake and nonce of the node's wallet, final and pending.
    pub async fn wallet(&self) -> Result<WalletAnswer, Error> {
        let request = self.authorized(self.request(Method::GET, paths::WALLET));
        self.send(request, paths::WALLET).await
    }

    /// `GET /status`: answered by a node that has not joined yet, too.
    pub async fn status(&self) -> Result<StatusAnswer, Error> {
        self.get(paths::STATUS, &()).await
    }

    /// `GET /network`: chain id, parameters and members.
    pub async fn network(&self) -> Result<NetworkAnswer, Error> {
        self.get(paths::NETWORK, &()).await
    }

    /// `GET /accounts/{address}`: by node id, base64 DER, PEM or fingerprint.
    pub async fn account(&self, address: &str) -> Result<AccountAnswer, Error> {
        self.get(&paths::account(address), &()).await
    }

    /// `GET /blocks/{block}`: by index, by hash, or `"latest"`.
    pub async fn block(&self, block: impl Display) -> Result<BlockAnswer, Error> {
        self.get(&paths::block(block), &()).await
    }

    /// `GET /blocks`: up to `limit` blocks from index `from` on, ascending. A page may be shorter; `next` says where the
    /// following one starts.
    pub async fn blocks(&self, from: u64, limit: u32) -> Result<BlockPage, Error> {
        let range = BlockRange { from: Some(from), limit: Some(limit) };
        self.get(paths::BLOCKS, &range).await
    }

    /// `GET /transactions/{id}`: a transaction and where it stands.
    pub async fn transaction(&self, id: &str) -> Result<TransactionAnswer, Error> {
        self.get(&paths::transaction(id), &()).await
    }

    /// `POST /transactions`: submits a transaction that was signed here; needs no token. Submitting it again is safe.
    pub async fn submit(&self, signed: &SignedTransaction, wait: Wait) -> Result<SubmitAnswer, Error> {
        let request = self.request(Method::POST, paths::TRANSACTIONS);
        let request = with_wait(request, wait).json(&SignedTransactionRequest::from(signed));
        self.send(request, paths::TRANSACTIONS).await
    }

    /// `POST /transactions/batch`: up to [`blockchat_api::MAX_BATCH_TRANSACTIONS`] signed transactions, each judged alone.
    pub async fn submit_batch(&self, signed: &[SignedTransaction]) -> Result<BatchAnswer, Error> {
        let body = TransactionBatchRequest { transactions: signed.iter().map(Into::into).collect() };
        let request = self.request(Method::POST, paths::TRANSACTIONS_BATCH).json(&body);
        self.send(request, paths::TRANSACTIONS_BATCH).await
    }

    /// `GET /wallet/transactions`: what the node's wallet sent and received, newest first; `before` is the `next` of the
    /// page before.
    pub async fn history(&self, before: Option<String>, limit: u32) -> Result<HistoryPage, Error> {
        let range = HistoryRange { before, limit: Some(limit) };
        let request = self.authorized(self.request(Method::GET, paths::WALLET_TRANSACTIONS)).query(&range);
        self.send(request, paths::WALLET_TRANSACTIONS).await
    }

    /// `GET /accounts/{address}/transactions`: what any account sent and received, newest first.
    pub async fn account_history(
        &self,
        address: &str,
        before: Option<String>,
        limit: u32,
    ) -> Result<HistoryPage, Error> {
        let range = HistoryRange { before, limit: Some(limit) };
        self.get(&paths::account_transactions(address), &range).await
    }

    /// `GET /transactions/{id}/receipt`: the proof that a transaction is final; see [`crate::verify_receipt`].
    pub async fn receipt(&self, id: &str) -> Result<ReceiptAnswer, Error> {
        self.get(&paths::transaction_receipt(id), &()).await
    }

    /// `GET /blocks/{block}/lottery`: by index, by hash, or `"latest"`.
    pub async fn lottery(&self, block: impl Display) -> Result<LotteryAnswer, Error> {
        self.get(&paths::block_lottery(block), &()).await
    }

    /// `GET /blocks/{block}/certificate`: by index, by hash, or `"latest"`.
    pub async fn certificate(&self, block: impl Display) -> Result<CertificateAnswer, Error> {
        self.get(&paths::block_certificate(block), &()).await
    }

    /// `GET /evidence`: contradictions of members that this node has seen.
    pub async fn evidence(&self) -> Result<EvidenceAnswer, Error> {
        self.get(paths::EVIDENCE, &()).await
    }

    pub(crate) async fn open_events(&self, from: Option<u64>) -> Result<EventStream, Error> {
        let url = format!("{}{}", self.url(), paths::EVENTS);
        let request = self.request(Method::GET, paths::EVENTS).query(&EventRange { from }).timeout(STREAM_TIMEOUT);
        let response = request.send().await.map_err(|error| transport(url.clone(), error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(EventStream::new(response, url));
        }
        Err(refusal(response, &url).await)
    }

    async fn get<Q: Serialize + Sync, A: DeserializeOwned>(&self, path: &str, query: &Q) -> Result<A, Error> {
        self.send(self.request(Method::GET, path).query(query), path).await
    }

    fn wallet_request(&self, method: Method, path: &str, wait: Wait) -> RequestBuilder {
        with_wait(self.authorized(self.request(method, path)), wait)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url()))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            None => request,
            Some(token) => request.header(reqwest::header::AUTHORIZATION, token.clone()),
        }
    }

    async fn send<A: DeserializeOwned>(&self, request: RequestBuilder, path: &str) -> Result<A, Error> {
        let url = || format!("{}{path}", self.url());
        let response = request.send().await.map_err(|error| transport(url(), error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(refusal(response, &url()).await);
        }
        let body = read(response, &url()).await?;
        serde_json::from_slice(&body).map_err(|error| unexpected(url(), status.as_u16(), &error))
    }
}

/// The body, if it is no longer than a node's.
async fn read(mut response: Response, url: &str) -> Result<Vec<u8>, Error> {
    let status = response.status().as_u16();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(url.to_owned(), error))? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            let reason = format!("an answer of more than {MAX_ANSWER_BYTES} bytes");
            return Err(Error::UnexpectedAnswer { url: url.to_owned(), status, reason });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a node said that did not do what was asked.
async fn refusal(response: Response, url: &str) -> Error {
    let status = response.status().as_u16();
    let retry_after = retry_after(&response);
    let body = match read(response, url).await {
        Ok(body) => body,
        Err(error) => return error,
    };
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Error::Problem { problem: Box::new(problem), retry_after },
        Err(error) => unexpected(url.to_owned(), status, &error),
    }
}

fn with_wait(request: RequestBuilder, wait: Wait) -> RequestBuilder {
    match wait {
        Wait::Admitted => request,
        Wait::Committed => request.query(&WaitQuery { wait }),
    }
}

fn transport(url: String, source: reqwest::Error) -> Error {
    if source.is_timeout() { Error::Timeout { url } } else { Error::Connection { url, source } }
}

fn unexpected(url: String, status: u16, error: &serde_json::Error) -> Error {
    Error::UnexpectedAnswer { url, status, reason: error.to_string() }
}

/// `Retry-After` in seconds; the form with a date is not used by a node.
fn retry_after(response: &Response) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

fn parse_url(url: &str) -> Result<Url, Error> {
    let invalid = |reason: String| Error::InvalidUrl { url: url.to_owned(), reason };
    let parsed = Url::parse(url).map_err(|error| invalid(error.to_string()))?;
    if parsed.scheme() != "http" {
        return Err(invalid("it must start with http://".to_owned()));
    }
    if parsed.path() != "/" || parsed.query().is_some() || parsed.fragment().is_some() {
        return Err(invalid("it must end after host and port".to_owned()));
    }
    Ok(parsed)
}

fn secret_header(token: &str) -> Result<HeaderValue, Error> {
    let mut value =
        HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::InvalidHeader { what: "token" })?;
    value.set_sensitive(true);
    Ok(value)
}

fn idempotency_header(key: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(key).map_err(|_| Error::InvalidHeader { what: "Idempotency-Key" })
}
