//! Answers of others, read up to a limit.

use reqwest::Response;

/// The body, if it has no more than `most` bytes.
///
/// # Errors
/// The connection broke before the end.
pub async fn body(response: &mut Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}
