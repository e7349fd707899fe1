//! What happens on the chain, as it happens: a node's server-sent events.

use crate::{Client, Error};
use blockchat_api::Event;
use std::time::Duration;

/// Longest event that is read, in bytes: a block names at most 65,536 transactions.
const MAX_EVENT_BYTES: usize = 8 * 1024 * 1024;

/// A node that sends nothing for this long is gone: a quiet stream carries a comment every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// An open stream of events. When it ends, open another one where this one stood: see [`EventStream::position`].
#[derive(Debug)]
pub struct EventStream {
    response: reqwest::Response,
    url: String,
    buffer: Vec<u8>,
    /// Where in it the end of an event may begin: what is before was looked at.
    scanned: usize,
    position: Option<u64>,
}

impl EventStream {
    pub(crate) fn new(response: reqwest::Response, url: String) -> Self {
        Self { response, url, buffer: Vec::new(), scanned: 0, position: None }
    }

    /// Height of the last block that came; none before the first one. [`Client::events`] resumes after it.
    pub fn position(&self) -> Option<u64> {
        self.position
    }

    /// The next event; none when the node has closed the stream.
    ///
    /// # Errors
    /// [`Error::Connection`] if the connection broke, [`Error::Timeout`] if the node fell silent, [`Error::UnexpectedAnswer`] for what is no event.
    pub async fn next(&mut self) -> Result<Option<Event>, Error> {
        loop {
            while let Some(end) = self.buffer[self.scanned..].windows(2).position(|pair| pair == b"\n\n") {
                let text: Vec<u8> = self.buffer.drain(..self.scanned + end + 2).collect();
                self.scanned = 0;
                if let Some(event) = self.parse(&text)? {
                    return Ok(Some(event));
                }
            }
            // The end may be half here.
            self.scanned = self.buffer.len().saturating_sub(1);
            if self.buffer.len() > MAX_EVENT_BYTES {
                return Err(self.unexpected(format!("an event of more than {MAX_EVENT_BYTES} bytes")));
            }
            let read = tokio::time::timeout(SILENCE, self.response.chunk()).await;
            let read = read.map_err(|_| Error::Timeout { url: self.url.clone() })?;
            let read = read.map_err(|source| Error::Connection { url: self.url.clone(), source })?;
            let Some(bytes) = read else { return Ok(None) };
            self.buffer.extend_from_slice(&bytes);
        }
    }

    /// One event; none for a comment, or one that this version doesn't know.
    fn parse(&mut self, text: &[u8]) -> Result<Option<Event>, Error> {
        let text = std::str::from_utf8(text).map_err(|error| self.unexpected(error.to_string()))?;
        let (mut name, mut data) = ("", String::new());
        for line in text.lines() {
            if let Some(value) = line.strip_prefix("event:") {
                name = value.trim();
            } else if let Some(value) = line.strip_prefix("data:") {
                data.push_str(value.strip_prefix(' ').unwrap_or(value));
            }
        }
        if data.is_empty() {
            return Ok(None);
        }
        let event = Event::parse(name, &data).map_err(|error| self.unexpected(error.to_string()))?;
        if let Some(Event::Block(block)) = &event {
            self.position = Some(block.index);
        }
        Ok(event)
    }

    fn unexpected(&self, reason: String) -> Error {
        Error::UnexpectedAnswer { url: self.url.clone(), status: 200, reason }
    }
}

impl Client {
    /// `GET /events`: final blocks from index `from` on (the next one, if missing), dropped transactions, evidence.
    /// Blocks come in order and exactly once, however slowly they are read.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), blockchat_client::Error> {
    /// use blockchat_client::{Client, api::Event};
    ///
    /// let mut events = Client::new("http://127.0.0.1:8000")?.events(Some(0)).await?;
    /// while let Some(event) = events.next().await? {
    ///     if let Event::Block(block) = event {
    ///         println!("block {} with {} transactions", block.index, block.transactions.len());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn events(&self, from: Option<u64>) -> Result<EventStream, Error> {
        self.open_events(from).await
    }
}
