//! Mutual authentication of a new stream.
//!
//! Both sides sign both fresh nonces, the chain id, both ids and their role with their Ed25519
//! consensus key, the dialling side first: a stranger gets no signature out of a member. Nothing of
//! an earlier handshake fits a later one, and nothing signed here fits a vote.

use std::time::Duration;

use blockchat_ledger::Hash;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use rand::RngCore;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The version of the stream protocol, in the HTTP header and in the first message.
pub const STREAM_VERSION: u8 = 1;
/// How long a handshake may take.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

const MAGIC: [u8; 4] = *b"BCPS";
const HELLO_BYTES: usize = 4 + 1 + 32 + 2 + 2 + 32;
const NONCE_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;
const MAX_DETAIL_BYTES: usize = 256;
const GOES_ON: u8 = 1;
const REFUSES: u8 = 0;
const DOMAIN: &[u8] = b"blockchat/peer-stream/v1";

/// Why a side refuses the other one, as told to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Not this protocol, or not this version.
    #[error("another protocol version")]
    Version,
    /// The other side belongs to another network.
    #[error("another chain")]
    Chain,
    /// Ids that are not of this ring, not ours, or of the side that should not dial.
    #[error("wrong member id")]
    Member,
    /// The signature is not of the member's consensus key over this handshake.
    #[error("not proven to be that member")]
    Proof,
}

impl Refusal {
    fn code(self) -> u8 {
        match self {
            Self::Version => 1,
            Self::Chain => 2,
            Self::Member => 3,
            Self::Proof => 4,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        [Self::Version, Self::Chain, Self::Member, Self::Proof].into_iter().find(|r| r.code() == code)
    }
}

/// Why a handshake failed.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The socket failed or closed.
    #[error("handshake: {0}")]
    Io(#[from] std::io::Error),
    /// It took longer than [`HANDSHAKE_TIMEOUT`].
    #[error("handshake: no answer within {} s", HANDSHAKE_TIMEOUT.as_secs())]
    Timeout,
    /// This side refused.
    #[error("refused the peer: {0} ({1})")]
    Refused(Refusal, String),
    /// The other side refused.
    #[error("the peer refused: {0} ({1})")]
    RefusedByPeer(Refusal, String),
    /// Bytes that are no handshake.
    #[error("the peer does not speak this protocol")]
    Malformed,
}

/// What a member proves and expects.
pub struct Credentials {
    /// The chain both must belong to.
    pub chain_id: Hash,
    /// This member.
    pub me: u16,
    /// Its key.
    pub key: SigningKey,
    /// Consensus keys of the ring by member id.
    pub members: Vec<[u8; 32]>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Credentials").field("me", &self.me).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Role {
    Dialler,
    Acceptor,
}

/// What both signatures cover, but for the role.
struct Session {
    chain_id: Hash,
    dialler: u16,
    acceptor: u16,
    dialler_nonce: [u8; NONCE_BYTES],
    acceptor_nonce: [u8; NONCE_BYTES],
}

impl Session {
    fn signing_bytes(&self, role: Role) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(160);
        bytes.extend_from_slice(&u32::try_from(DOMAIN.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(DOMAIN);
        bytes.push(match role {
            Role::Dialler => 1,
            Role::Acceptor => 2,
        });
        bytes.extend_from_slice(&self.chain_id.0);
        bytes.extend_from_slice(&self.dialler.to_le_bytes());
        bytes.extend_from_slice(&self.acceptor.to_le_bytes());
        bytes.extend_from_slice(&self.dialler_nonce);
        bytes.extend_from_slice(&self.acceptor_nonce);
        bytes
    }
}

impl Credentials {
    fn sign(&self, session: &Session, role: Role) -> [u8; SIGNATURE_BYTES] {
        self.key.sign(&session.signing_bytes(role)).to_bytes()
    }

    fn verify(&self, session: &Session, role: Role, signature: &[u8; SIGNATURE_BYTES]) -> bool {
        let signer = match role {
            Role::Dialler => session.dialler,
            Role::Acceptor => session.acceptor,
        };
        self.members.get(usize::from(signer)).and_then(|key| VerifyingKey::from_bytes(key).ok()).is_some_and(|key| {
            let signature = Signature::from_bytes(signature);
            key.verify_strict(&session.signing_bytes(role), &signature).is_ok()
        })
    }
}

/// The dialling side. `peer` is the member that is expected to answer.
pub async fn dial<S>(stream: &mut S, credentials: &Credentials, peer: u16) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timed(dial_steps(stream, credentials, peer)).await
}

/// The accepting side. Returns the member that dialled.
pub async fn accept<S>(stream: &mut S, credentials: &Credentials) -> Result<u16, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timed(accept_steps(stream, credentials)).await
}

async fn timed<T>(steps: impl Future<Output = Result<T, HandshakeError>>) -> Result<T, HandshakeError> {
    tokio::time::timeout(HANDSHAKE_TIMEOUT, steps).await.unwrap_or(Err(HandshakeError::Timeout))
}

async fn dial_steps<S>(stream: &mut S, credentials: &Credentials, peer: u16) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let dialler_nonce = nonce();
    let mut hello = Vec::with_capacity(HELLO_BYTES);
    hello.extend_from_slice(&MAGIC);
    hello.push(STREAM_VERSION);
    hello.extend_from_slice(&credentials.chain_id.0);
    hello.extend_from_slice(&credentials.me.to_le_bytes());
    hello.extend_from_slice(&peer.to_le_bytes());
    hello.extend_from_slice(&dialler_nonce);
    stream.write_all(&hello).await?;

    read_verdict(stream).await?;
    let acceptor_nonce = read_array::<NONCE_BYTES, _>(stream).await?;
    let session = Session {
        chain_id: credentials.chain_id,
        dialler: credentials.me,
        acceptor: peer,
        dialler_nonce,
        acceptor_nonce,
    };
    stream.write_all(&credentials.sign(&session, Role::Dialler)).await?;

    read_verdict(stream).await?;
    let signature = read_array::<SIGNATURE_BYTES, _>(stream).await?;
    if credentials.verify(&session, Role::Acceptor, &signature) {
        Ok(())
    } else {
        Err(HandshakeError::Refused(Refusal::Proof, format!("whoever answered is not member {peer}")))
    }
}

async fn accept_steps<S>(stream: &mut S, credentials: &Credentials) -> Result<u16, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let hello = read_array::<HELLO_BYTES, _>(stream).await?;
    let acceptor_nonce = nonce();
    let session = match read_hello(&hello, credentials, acceptor_nonce) {
        Ok(session) => session,
        Err((refusal, detail)) => return refuse(stream, refusal, detail).await,
    };
    let mut challenge = vec![GOES_ON];
    challenge.extend_from_slice(&acceptor_nonce);
    stream.write_all(&challenge).await?;

    let signature = read_array::<SIGNATURE_BYTES, _>(stream).await?;
    if !credentials.verify(&session, Role::Dialler, &signature) {
        let detail = format!("not signed by the consensus key of member {}", session.dialler);
        return refuse(stream, Refusal::Proof, detail).await;
    }
    let mut answer = vec![GOES_ON];
    answer.extend_from_slice(&credentials.sign(&session, Role::Acceptor));
    stream.write_all(&answer).await?;
    Ok(session.dialler)
}

fn read_hello(
    hello: &[u8; HELLO_BYTES],
    credentials: &Credentials,
    acceptor_nonce: [u8; NONCE_BYTES],
) -> Result<Session, (Refusal, String)> {
    let (head, rest) = hello.split_at(5);
    if head[..4] != MAGIC || head[4] != STREAM_VERSION {
        return Err((Refusal::Version, format!("this member speaks version {STREAM_VERSION}")));
    }
    let (chain, rest) = rest.split_at(32);
    if chain != credentials.chain_id.0 {
        return Err((Refusal::Chain, format!("this member's chain is {}", credentials.chain_id)));
    }
    let (ids, dialler_nonce) = rest.split_at(4);
    let dialler = u16::from_le_bytes([ids[0], ids[1]]);
    let acceptor = u16::from_le_bytes([ids[2], ids[3]]);
    let me = credentials.me;
    if acceptor != me {
        return Err((Refusal::Member, format!("this is member {me}, not {acceptor}")));
    }
    if dialler <= me || usize::from(dialler) >= credentials.members.len() {
        return Err((Refusal::Member, format!("member {dialler} has no reason to dial member {me}")));
    }
    let mut nonce = [0; NONCE_BYTES];
    nonce.copy_from_slice(dialler_nonce);
    Ok(Session { chain_id: credentials.chain_id, dialler, acceptor, dialler_nonce: nonce, acceptor_nonce })
}

async fn refuse<S, T>(stream: &mut S, refusal: Refusal, detail: String) -> Result<T, HandshakeError>
where
    S: AsyncWrite + Unpin,
{
    let text = &detail.as_bytes()[..detail.len().min(MAX_DETAIL_BYTES)];
    let mut bytes = vec![REFUSES, refusal.code()];
    bytes.extend_from_slice(&u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    bytes.extend_from_slice(text);
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    Err(HandshakeError::Refused(refusal, detail))
}

async fn read_verdict<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(), HandshakeError> {
    match stream.read_u8().await? {
        GOES_ON => Ok(()),
        REFUSES => {
            let refusal = Refusal::of_code(stream.read_u8().await?).ok_or(HandshakeError::Malformed)?;
            let length = usize::from(stream.read_u16_le().await?);
            if length > MAX_DETAIL_BYTES {
                return Err(HandshakeError::Malformed);
            }
            let mut text = vec![0; length];
            stream.read_exact(&mut text).await?;
            let text = String::from_utf8_lossy(&text).chars().filter(|c| !c.is_control()).collect();
            Err(HandshakeError::RefusedByPeer(refusal, text))
        }
        _ => Err(HandshakeError::Malformed),
    }
}

async fn read_array<const N: usize, S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn nonce() -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    rand::rngs::OsRng.fill_bytes(&mut nonce);
    nonce
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
