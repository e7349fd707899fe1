//! What a node's wallet is asked to send.

use blockchat_api::WalletTransactionRequest;

/// Coins, a message, or both, from the node's own wallet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    pub(crate) request: WalletTransactionRequest,
    pub(crate) idempotency_key: Option<String>,
}

impl Payment {
    /// Coins: `amount` is BCC as a decimal with at most six places. `to` is a node id, a PEM or base64 DER public key, or
    /// a fingerprint.
    pub fn coins(to: impl Into<String>, amount: impl Into<String>) -> Self {
        Self::new(to, Some(amount.into()), None)
    }

    /// A message; it costs its sender 1 BCC for each Unicode scalar value.
    pub fn message(to: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(to, None, Some(text.into()))
    }

    /// Coins and a message in one transaction; both are charged.
    pub fn coins_and_message(to: impl Into<String>, amount: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(to, Some(amount.into()), Some(text.into()))
    }

    /// Names this payment, so that sending it again after a broken connection never pays twice: the node answers with
    /// the transaction it made the first time. At most 128 bytes of visible ASCII; unique to this payment.
    #[must_use]
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    fn new(to: impl Into<String>, amount: Option<String>, message: Option<String>) -> Self {
        let request = WalletTransactionRequest { to: to.into(), amount, message };
        Self { request, idempotency_key: None }
    }
}
