//! Texts to values, one parser per kind of setting.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

/// `0`, or an integer with `ms`, `s`, `m` or `h`.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: u64 = integer(digits)?;
    let milliseconds = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(milliseconds)?))
}

/// A size in bytes, at least 1, optionally with `KiB`, `MiB` or `GiB`.
pub fn bytes(text: &str) -> Option<usize> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let count: usize = integer(digits)?;
    let unit: usize = match &text[digits.len()..] {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    count.checked_mul(unit).filter(|bytes| *bytes > 0)
}

/// Decimal digits only: no sign, no spaces.
pub fn integer<T: FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// An IP address with a port.
pub fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

/// An `http://` URL of host and port alone, without the slash at its end.
pub fn peer_url(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    (bare && url.scheme() == "http" && url.has_host()).then(|| url.as_str().trim_end_matches('/').to_owned())
}

/// An `http://` URL, with a path perhaps, but nothing that may be secret.
pub fn endpoint(text: &str) -> Option<String> {
    let url = reqwest::Url::parse(text).ok()?;
    let plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    (url.scheme() == "http" && url.has_host() && plain).then(|| url.to_string())
}

/// A share.
pub fn ratio(text: &str) -> Option<f64> {
    text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio))
}

/// The URL without what may be secret in it: credentials and query.
pub fn hide_credentials(text: &str) -> String {
    let Ok(mut url) = reqwest::Url::parse(text) else { return text.to_owned() };
    let secret = !url.username().is_empty() || url.password().is_some() || url.query().is_some();
    if !secret {
        return text.to_owned();
    }
    // Neither call fails for a URL with a host; a URL without one has no credentials.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    format!("{url} (credentials hidden)")
}
