//! The seam between the stream protocol and what carries it.
//!
//! Today an upgraded TCP connection. A TLS stream joins in by implementing [`Sink`] for its writing
//! half and being recognised in [`split`]; nothing else of this folder knows about sockets.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncRead;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// A future that may be sent between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The writing half of a stream: written to without waiting, from any thread.
pub trait Sink: Send + Sync + 'static {
    /// Writes what is taken at once; `WouldBlock` when nothing is.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Waits until `try_write` may take bytes.
    fn writable(&self) -> BoxFuture<'_, io::Result<()>>;
}

impl Sink for OwnedWriteHalf {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write_vectored(slices)
    }

    fn writable(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(OwnedWriteHalf::writable(self))
    }
}

/// A stream after its upgrade, apart.
pub struct Halves {
    /// The reading half.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// The writing half.
    pub sink: Arc<dyn Sink>,
}

/// A stream before it is split: its socket and the bytes read with the head of the HTTP message.
pub struct Raw {
    /// The socket.
    pub stream: TcpStream,
    /// Bytes that belong to the stream.
    pub early: Vec<u8>,
}

/// The socket below an HTTP connection that both sides agreed to use as a stream.
pub fn raw(upgraded: Upgraded) -> io::Result<Raw> {
    let parts = upgraded
        .downcast::<TokioIo<TcpStream>>()
        .map_err(|_| io::Error::new(io::ErrorKind::Unsupported, "the connection is not plain TCP"))?;
    Ok(Raw { stream: parts.io.into_inner(), early: parts.read_buf.to_vec() })
}

/// Splits a stream whose peer is authenticated.
pub fn split(stream: TcpStream) -> Halves {
    let (reader, writer) = stream.into_split();
    Halves { reader: Box::new(reader), sink: Arc::new(writer) }
}
