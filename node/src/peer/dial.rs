//! Opening a stream to a member: HTTP/1.1 with an `Upgrade`, then the handshake.

use std::io;
use std::time::Duration;

use blockchat_names::Names;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::Uri;
use hyper::header::{CONNECTION, HOST, HeaderValue, UPGRADE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;

use super::handshake::{self, Credentials, HandshakeError, STREAM_VERSION};
use super::transport::{self, Raw};

/// The path of the stream on the peer listener.
pub const STREAM_PATH: &str = "/peer/v1/stream";
/// The value of the `Upgrade` header.
pub const UPGRADE_NAME: &str = "blockchat-peer";
/// The header with the version of the stream protocol.
pub const VERSION_HEADER: &str = "blockchat-peer-version";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a member could not be reached.
#[derive(Debug, Error)]
pub enum DialError {
    /// Its URL cannot be used.
    #[error("the URL '{0}' is not of the form http://host:port")]
    Url(String),
    /// No connection.
    #[error("connecting: {0}")]
    Connect(io::Error),
    /// No answer in time.
    #[error("no answer within {} s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    /// The HTTP part failed.
    #[error("upgrading: {0}")]
    Http(#[from] hyper::Error),
    /// It answered, but not with a stream (it has not joined yet, or is no node).
    #[error("answered {0} instead of a stream")]
    Status(StatusCode),
    /// It is not who it should be, or does not take us for a member.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
}

/// Host and port of a base URL such as `http://node-1:6000`.
pub fn host_and_port(url: &str) -> Result<(String, u16), DialError> {
    let wrong = || DialError::Url(url.to_owned());
    let uri: Uri = url.parse().map_err(|_| wrong())?;
    if uri.scheme_str() != Some("http") {
        return Err(wrong());
    }
    let host = uri.host().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
    Ok((host, uri.port_u16().unwrap_or(80)))
}

/// Connects, upgrades and authenticates.
pub async fn dial(names: &Names, url: &str, credentials: &Credentials, peer: u16) -> Result<Raw, DialError> {
    let (host, port) = host_and_port(url)?;
    let opened = tokio::time::timeout(CONNECT_TIMEOUT, open(names, &host, port));
    let mut raw = opened.await.map_err(|_| DialError::Timeout)??;
    handshake::dial(&mut raw.stream, credentials, peer).await?;
    Ok(raw)
}

async fn open(names: &Names, host: &str, port: u16) -> Result<Raw, DialError> {
    let stream = names.connect(host, port).await.map_err(DialError::Connect)?;
    stream.set_nodelay(true).map_err(DialError::Connect)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // Ends by itself: with the upgrade, or with the answer that refuses it.
    tokio::spawn(connection.with_upgrades());
    let authority = HeaderValue::from_str(&format!("{host}:{port}"))
        .map_err(|_| DialError::Url(format!("http://{host}:{port}")))?;
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static(STREAM_PATH);
    let headers = request.headers_mut();
    headers.insert(HOST, authority);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static(UPGRADE_NAME));
    headers.insert(VERSION_HEADER, HeaderValue::from(u16::from(STREAM_VERSION)));
    let response = sender.send_request(request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(DialError::Status(response.status()));
    }
    transport::raw(hyper::upgrade::on(response).await?).map_err(DialError::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_members() {
        assert_eq!(host_and_port("http://node-1:6000").unwrap(), ("node-1".to_owned(), 6000));
        assert_eq!(host_and_port("http://[::1]:6000/").unwrap(), ("::1".to_owned(), 6000));
        assert_eq!(host_and_port("http://node").unwrap(), ("node".to_owned(), 80));
        for wrong in ["", "node:6000", "https://node:6000", "http://", "ftp://node"] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
