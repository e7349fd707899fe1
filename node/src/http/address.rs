//! Finding the account that a typed address means.

use std::collections::BTreeMap;

use blockchat_api::Code;
use blockchat_ledger::{AccountId, PublicKey, Ring, State};

use super::error::ApiError;

/// Shortest prefix of a fingerprint, in hex digits. Anything shorter that is a number is a node id.
const MIN_FINGERPRINT_DIGITS: usize = 8;
const FULL_FINGERPRINT_DIGITS: usize = 64;

/// Resolves a node id, PEM, base64 DER, or a full or shortened fingerprint. A key may be one nobody has seen; an id or
/// fingerprint must be known. `unknown` is the code for one that isn't.
pub fn resolve(text: &str, ring: &Ring, state: &State, unknown: Code) -> Result<PublicKey, ApiError> {
    let text = text.trim();
    if text.starts_with("-----BEGIN") {
        return Ok(PublicKey::from_pem(text)?);
    }
    if text.len() < MIN_FINGERPRINT_DIGITS && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return by_id(text, ring, unknown);
    }
    let hex_digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex_digits && (MIN_FINGERPRINT_DIGITS..=FULL_FINGERPRINT_DIGITS).contains(&text.len()) {
        return by_fingerprint(&text.to_ascii_lowercase(), ring, state, unknown);
    }
    PublicKey::from_base64(text).map_err(|error| match text.len() {
        // Too short to have been meant as a key.
        0..=99 => ApiError::new(
            Code::InvalidAddress,
            "an address is a node id, a public key (PEM or base64 DER) or a fingerprint of at least 8 hex digits",
        ),
        _ => error.into(),
    })
}

fn by_id(text: &str, ring: &Ring, unknown: Code) -> Result<PublicKey, ApiError> {
    let member = text.parse().ok().and_then(|id: u16| ring.member(id));
    let last = ring.members().len().saturating_sub(1);
    member
        .map(|member| member.wallet.clone())
        .ok_or_else(|| ApiError::new(unknown, format!("there is no node {text}: ids go from 0 to {last}")))
}

fn by_fingerprint(prefix: &str, ring: &Ring, state: &State, unknown: Code) -> Result<PublicKey, ApiError> {
    if prefix.len() == FULL_FINGERPRINT_DIGITS {
        let mut id = [0; 32];
        let account = hex::decode_to_slice(prefix, &mut id).ok().map(|()| AccountId(id));
        if let Some(account) = account.and_then(|id| state.account(&id)) {
            return Ok(account.key.clone());
        }
    }
    let members = ring.members().iter().map(|member| &member.wallet);
    let accounts = state.iter().map(|account| &account.key);
    let found: BTreeMap<AccountId, &PublicKey> =
        members.chain(accounts).map(|key| (key.account_id(), key)).filter(|(id, _)| starts_with(id, prefix)).collect();
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (None, _) => Err(ApiError::new(unknown, format!("no account with the fingerprint {prefix} is known"))),
        (Some((_, key)), None) => Ok(key.clone()),
        (Some((first, _)), Some((second, _))) => Err(ApiError::new(
            Code::AmbiguousAddress,
            format!("the fingerprint {prefix} fits several accounts, among them {first} and {second}"),
        )),
    }
}

/// Compares digit by digit: formatting every known account would cost more than the search.
fn starts_with(id: &AccountId, prefix: &str) -> bool {
    prefix.bytes().enumerate().all(|(position, digit)| {
        let byte = id.0.get(position / 2).copied().unwrap_or_default();
        let nibble = if position % 2 == 0 { byte >> 4 } else { byte & 0x0f };
        char::from(digit).to_digit(16) == Some(u32::from(nibble))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_compared_by_digit() {
        let mut bytes = [0; 32];
        bytes[..3].copy_from_slice(&[0x12, 0xab, 0xc0]);
        let id = AccountId(bytes);
        assert!(starts_with(&id, "12ab"));
        assert!(starts_with(&id, "12abc"));
        assert!(!starts_with(&id, "12abd"));
        assert!(starts_with(&id, &id.to_string()));
    }
}
