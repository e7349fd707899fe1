//! Loopback ports that nobody else takes while a node is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which Linux takes ports for outgoing connections (32768 and up): a port of a stopped node
/// must still be free when it is started again.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// An address on loopback whose port is free now and not given to anybody else in this process.
pub fn free_address() -> SocketAddr {
    let span = LAST - FIRST;
    // Another process of the tests starts elsewhere in the range.
    let start = u16::try_from(std::process::id() * 37 % u32::from(span)).unwrap_or(0);
    for _ in 0..span {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (start + step % span) % span;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port between {FIRST} and {LAST}");
}
