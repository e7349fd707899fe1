//! Free ports on loopback.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes ports for outgoing connections (32768 and up), so that no connection of one
/// node can take the port another is about to listen on.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// `count` addresses on loopback that nobody listens on now, and that this process gives to nobody else soon.
pub fn free_addresses(count: usize) -> Option<Vec<SocketAddr>> {
    let span = LAST - FIRST;
    // Another process that does the same starts elsewhere in the range.
    let offset = u16::try_from(std::process::id() * 61 % u32::from(span)).ok()?;
    let mut found = Vec::with_capacity(count);
    for _ in 0..span {
        if found.len() == count {
            return Some(found);
        }
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % span;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + (offset + step) % span));
        if TcpListener::bind(address).is_ok() {
            found.push(address);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::free_addresses;
    use std::collections::BTreeSet;
    use std::net::TcpListener;

    #[test]
    fn addresses_are_distinct_and_can_be_listened_on() {
        let mut all = free_addresses(30).unwrap();
        all.extend(free_addresses(30).unwrap());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 60);
        let listeners: Vec<_> = all.iter().map(|address| TcpListener::bind(address).unwrap()).collect();
        let taken: BTreeSet<_> = listeners.iter().map(|listener| listener.local_addr().unwrap()).collect();
        assert!(free_addresses(30).unwrap().iter().all(|address| !taken.contains(address)));
    }
}
