//! Host names of nodes, resolved without the C library.
//!
//! The programs are linked statically, and a static glibc loads its resolver's modules from the machine at run time: in
//! an empty container image there are none. This resolver reads `/etc/hosts` and `/etc/resolv.conf` itself (RFC 1035,
//! `resolv.conf(5)`), and asks nobody but the name servers named there.
//!
//! Nodes move: a pod or container that is started again keeps its name and gets another address. Answers are therefore
//! kept for [`LONGEST_KEPT`] at most, whatever their own time to live says.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

/// How long an answer is used again, at most.
pub const LONGEST_KEPT: Duration = Duration::from_secs(1);

/// How long one name server may take before it is asked again or the next one is.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// The settings of the machine can't be used.
    #[error("the resolver can't be made from this machine's settings: {0}")]
    Settings(NetError),
    /// Nobody knows it, or nobody answered.
    #[error("no address for '{host}': {source}")]
    Unknown {
        /// The name.
        host: String,
        /// What the resolver says.
        source: NetError,
    },
}

/// The resolver, made from the machine's settings when it is first asked. Clones share it.
#[derive(Clone, Default)]
pub struct Names(Arc<OnceCell<TokioResolver>>);

impl Names {
    /// Without `/etc/resolv.conf` only addresses and `/etc/hosts` are known.
    async fn resolver(&self) -> Result<&TokioResolver, NamesError> {
        self.0.get_or_try_init(|| async { Self::system() }).await
    }

    fn system() -> Result<TokioResolver, NamesError> {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|_| {
            TokioResolver::builder_with_config(ResolverConfig::default(), TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = options.timeout.min(PATIENCE);
        options.positive_max_ttl = Some(LONGEST_KEPT);
        options.negative_max_ttl = Some(LONGEST_KEPT);
        builder.build().map_err(NamesError::Settings)
    }

    /// The addresses of a host: a name, or an address itself. Never empty.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NamesError> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        match self.resolver().await?.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().collect()),
            Err(source) => Err(NamesError::Unknown { host: host.to_owned(), source }),
        }
    }

    /// Connects to the first address of `host` that answers.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<TcpStream> {
        let addresses = self.addresses(host).await.map_err(io::Error::other)?;
        let mut refused = io::Error::other(format!("no address for '{host}'"));
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let found = this.addresses(name.as_str()).await?;
            // The port is the URL's.
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_and_the_names_of_this_machine_need_no_server() {
        let names = Names::default();
        assert_eq!(names.addresses("127.0.0.9").await.unwrap(), [IpAddr::from([127, 0, 0, 9])]);
        assert_eq!(names.addresses("::1").await.unwrap(), ["::1".parse::<IpAddr>().unwrap()]);
        let local = names.addresses("localhost").await.unwrap();
        assert!(local.iter().all(IpAddr::is_loopback) && !local.is_empty(), "{local:?}");
    }

    #[tokio::test]
    async fn an_unknown_name_is_named() {
        let error = Names::default().addresses("no-such-host.invalid").await.unwrap_err();
        assert!(error.to_string().contains("'no-such-host.invalid'"), "{error}");
    }

    #[tokio::test]
    async fn connects_by_name_and_tells_why_not() {
        let names = Names::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(names.connect("127.0.0.1", port).await.unwrap().peer_addr().unwrap().port(), port);
        drop(listener);
        let error = names.connect("127.0.0.1", port).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused, "{error}");
    }
}
