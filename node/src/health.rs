//! `blockchat-node health`: asks a running node's admin listener, for health checks in images without a shell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(3);
const MAX_ANSWER_BYTES: u64 = 4096;

/// Why the node is not healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody answers.
    #[error("{address}: {source}")]
    Unreachable {
        /// The admin listener.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The node says so itself.
    #[error("not {}: {answer}", if *.live { "alive" } else { "ready" })]
    Refused {
        /// What was asked.
        live: bool,
        /// What it answered.
        answer: String,
    },
}

/// Asks whether the node is ready, or only alive.
pub fn ask(admin: SocketAddr, live: bool) -> Result<(), HealthError> {
    let address = SocketAddr::new(reachable(admin.ip()), admin.port());
    let path = if live { "/healthz" } else { "/readyz" };
    let answer = request(address, path).map_err(|source| HealthError::Unreachable { address, source })?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_whitespace().nth(1) == Some("200") {
        return Ok(());
    }
    let status = head.lines().next().unwrap_or_default();
    Err(HealthError::Refused { live, answer: format!("{status} {}", body.trim()) })
}

fn request(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// A listener on every address is reached over loopback.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut part = [0; 512];
                let length = stream.read(&mut part).unwrap();
                assert!(length > 0, "the request ends early");
                request.extend_from_slice(&part[..length]);
            }
            assert!(request.starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_healthy_and_the_reason_is_told() {
        assert!(ask(answering("HTTP/1.1 200 OK\r\n\r\nready\n"), false).is_ok());
        let error = ask(answering("HTTP/1.1 503 Service Unavailable\r\n\r\nnot joined\n"), false).unwrap_err();
        assert_eq!(error.to_string(), "not ready: HTTP/1.1 503 Service Unavailable not joined");
        let error = ask("127.0.0.1:1".parse().unwrap(), true).unwrap_err();
        assert!(matches!(error, HealthError::Unreachable { .. }), "{error}");
        assert_eq!(reachable("0.0.0.0".parse().unwrap()), Ipv4Addr::LOCALHOST);
        assert_eq!(reachable("::".parse().unwrap()), Ipv6Addr::LOCALHOST);
    }
}
