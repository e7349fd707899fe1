//! The bearer token of the wallet calls.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use blockchat_api::Code;
use sha2::{Digest as _, Sha256};

use super::error::ApiError;
use super::state::AppState;

/// A token, kept as its hash: comparing hashes in constant time tells nothing of the token, its length included.
#[derive(Clone)]
pub struct ApiToken([u8; 32]);

impl ApiToken {
    /// From the text of the token file; `None` if there is no text.
    pub fn new(text: &str) -> Option<Self> {
        let token = text.trim();
        (!token.is_empty()).then(|| Self(Sha256::digest(token).into()))
    }

    fn is(&self, presented: &str) -> bool {
        let presented: [u8; 32] = Sha256::digest(presented).into();
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.0, &presented).is_ok()
    }
}

impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiToken(hidden)")
    }
}

/// Lets a wallet call pass if no token is configured or the request bears it.
pub async fn require_token(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    if let Some(token) = state.token() {
        let presented = request
            .headers()
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, presented)| presented.trim());
        if !presented.is_some_and(|presented| token.is(presented)) {
            return Err(ApiError::new(Code::Unauthorized, "this call needs the node's bearer token"));
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::ApiToken;

    #[test]
    fn a_token_matches_itself_only() {
        let token = ApiToken::new("secret\n").unwrap();
        assert!(token.is("secret"));
        assert!(!token.is("secre"));
        assert!(!token.is("secrets"));
        assert!(!token.is(""));
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn an_empty_file_is_no_token() {
        assert!(ApiToken::new(" \n").is_none());
    }
}
