//! Strict decoding, shared by everything that is hashed, signed or sent.
//!
//! A value has one byte string and no other is accepted for it: no trailing bytes, no alternative
//! forms, no length larger than the value may have, checked before memory is set aside for it.

use std::io::{Error, ErrorKind, Read, Result as IoResult};

use borsh::{BorshDeserialize, BorshSerialize};

/// Why bytes are not the encoding of a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed encoding: {0}")]
pub struct DecodeError(pub(crate) String);

impl From<Error> for DecodeError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

/// The bytes of a value.
pub(crate) fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    append(&mut bytes, value);
    bytes
}

/// Appends the bytes of a value.
pub(crate) fn append<T: BorshSerialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    // Writing to memory cannot fail, and no type of this crate has a length beyond 2^32.
    let written = value.serialize(bytes);
    debug_assert!(written.is_ok());
}

/// The value that has exactly these bytes.
pub(crate) fn decode<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    Ok(T::try_from_slice(bytes)?)
}

/// Reads a length and that many bytes, at most `limit`.
pub(crate) fn read_bytes<R: Read>(reader: &mut R, limit: usize) -> IoResult<Vec<u8>> {
    let length = read_length(reader, limit)?;
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads a length of at most `limit`.
pub(crate) fn read_length<R: Read>(reader: &mut R, limit: usize) -> IoResult<usize> {
    let length = u32::deserialize_reader(reader)?;
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or_else(|| invalid("length above the limit"))
}

/// An error that says the bytes are not of the form.
pub(crate) fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(ErrorKind::InvalidData, reason)
}
