//! What all commands share: the node, the wallet that signs, the form of the output.

use super::args::{Format, Global};
use super::failure::{EXIT_DATA, EXIT_NO_INPUT, EXIT_REFUSED, EXIT_TEMPORARY, Failure};
use blockchat_client::api::{AccountAnswer, Code, NetworkAnswer, SubmitAnswer, TransactionStatus};
use blockchat_client::{Client, Error, LocalWallet, Options, Order, Payment, Wait};
use blockchat_ledger::{Amount, PublicKey, Wallet};
use std::path::Path;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Pause between two looks at a transaction that is not final yet.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Who signs.
pub enum Signer {
    /// The node's wallet.
    Node,
    /// A key file.
    Local(Box<LocalWallet>),
}

/// One run of the program.
pub struct Session {
    pub client: Client,
    pub signer: Signer,
    pub format: Format,
    pub yes: bool,
    pub full: bool,
    wait: Wait,
    timeout: Duration,
}

impl Session {
    /// Reads the files that the options name; asks the node nothing yet.
    pub fn new(global: &Global) -> Result<Self, Failure> {
        let timeout = Duration::from_secs(global.timeout);
        let token = global.token_file.as_deref().map(read_secret).transpose()?;
        let options = Options { token: token.map(|token| token.to_string()), timeout, ..Options::default() };
        let client = Client::with_options(&global.node, &options)?;
        let signer = match &global.wallet {
            None => Signer::Node,
            Some(path) => {
                let wallet = open_wallet(path, global.passphrase_file.as_deref())?;
                Signer::Local(Box::new(LocalWallet::new(wallet)))
            }
        };
        let wait = if global.no_wait { Wait::Admitted } else { Wait::Committed };
        Ok(Self { client, signer, format: global.output, yes: global.yes, full: global.full, wait, timeout })
    }

    /// Longest wait for anything.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The signing wallet's account.
    pub async fn account(&self) -> Result<AccountAnswer, Failure> {
        match &self.signer {
            Signer::Local(wallet) => Ok(wallet.account(&self.client).await?),
            Signer::Node => {
                let wallet = self.client.wallet().await?;
                Ok(AccountAnswer {
                    id: Some(wallet.id),
                    address: wallet.address,
                    fingerprint: wallet.fingerprint,
                    final_state: wallet.final_state,
                    pending: wallet.pending,
                })
            }
        }
    }

    pub async fn network(&self) -> Result<NetworkAnswer, Failure> {
        Ok(self.client.network().await?)
    }

    /// Sends coins, a message, or both.
    ///
    /// `to` may also be a file with a public key.
    pub async fn pay(&self, to: &str, amount: Option<Amount>, message: Option<&str>) -> Result<SubmitAnswer, Failure> {
        let to = &address(to)?;
        let answer = match &self.signer {
            Signer::Node => {
                let payment = match (amount, message) {
                    (Some(amount), Some(message)) => Payment::coins_and_message(to, amount.to_string(), message),
                    (Some(amount), None) => Payment::coins(to, amount.to_string()),
                    (None, message) => Payment::message(to, message.unwrap_or_default()),
                };
                // One key for all attempts: whatever breaks in between, it is paid once.
                let payment = payment.idempotency_key(fresh_key());
                self.persist(|| self.client.pay(&payment, self.wait)).await?
            }
            Signer::Local(wallet) => {
                let receiver = LocalWallet::resolve(&self.client, to).await?;
                let order = Order::Pay {
                    receiver,
                    amount: amount.unwrap_or_default(),
                    message: message.unwrap_or_default().to_owned(),
                };
                self.submit(wallet, order).await?
            }
        };
        self.settle(answer).await
    }

    /// Sets the stake.
    pub async fn stake(&self, amount: Amount) -> Result<SubmitAnswer, Failure> {
        let answer = match &self.signer {
            Signer::Node => {
                let (key, text) = (fresh_key(), amount.to_string());
                self.persist(|| self.client.set_stake(&text, Some(&key), self.wait)).await?
            }
            Signer::Local(wallet) => self.submit(wallet, Order::Stake(amount)).await?,
        };
        self.settle(answer).await
    }

    /// Signs once; only a nonce that somebody else with the key has used meanwhile makes it sign again.
    async fn submit(&self, wallet: &LocalWallet, order: Order) -> Result<SubmitAnswer, Failure> {
        let signed = wallet.sign(&self.client, order.clone()).await?;
        match self.persist(|| self.client.submit(&signed, self.wait)).await {
            Err(error) if matches!(error.code(), Some("wrong_nonce" | "nonce_in_use")) => {
                let signed = wallet.sign(&self.client, order).await?;
                Ok(self.persist(|| self.client.submit(&signed, self.wait)).await?)
            }
            answer => Ok(answer?),
        }
    }

    /// Repeats a call while the node says that it may work later, or the connection broke in the middle.
    async fn persist<T, F: Future<Output = Result<T, Error>>>(&self, call: impl Fn() -> F) -> Result<T, Error> {
        let started = Instant::now();
        let mut reached = false;
        loop {
            let error = match call().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A node that was never there is not waited for.
            reached |= !matches!(error, Error::Connection { .. });
            let pause = match error.retry_after() {
                Some(pause) => pause,
                None if error.is_transport() && reached => LOOK_AGAIN,
                None => return Err(error),
            };
            if error.code() == Some(Code::NotJoined.as_str()) || started.elapsed() + pause > self.timeout {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Waits for the end of a transaction's time in the pool, if it is to be waited for.
    async fn settle(&self, mut answer: SubmitAnswer) -> Result<SubmitAnswer, Failure> {
        if self.wait == Wait::Admitted {
            return Ok(answer);
        }
        let started = Instant::now();
        while answer.status == TransactionStatus::Pending {
            if started.elapsed() > self.timeout {
                let id = answer.transaction_id;
                return Err(Failure::new(EXIT_TEMPORARY, format!("{id} is in the pool, but in no block yet"))
                    .hint("it is not lost: `blockchat receipt ID` tells once it is final"));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
            let now = self.client.transaction(&answer.transaction_id.to_string()).await?;
            (answer.status, answer.block_index, answer.reason) = (now.status, now.block_index, now.reason);
        }
        match answer.status {
            TransactionStatus::Committed | TransactionStatus::Pending => Ok(answer),
            TransactionStatus::Rejected | TransactionStatus::Expired => Err(Failure::new(
                EXIT_REFUSED,
                format!(
                    "{} left the pool and will never be in a block: {}",
                    answer.transaction_id,
                    answer.reason.as_deref().unwrap_or("expired")
                ),
            )),
        }
    }
}

/// What an address names: itself, or the public key in a file of that name.
pub fn address(text: &str) -> Result<String, Failure> {
    let path = Path::new(text);
    if text.parse::<u16>().is_ok() || !path.is_file() {
        return Ok(text.to_owned());
    }
    let pem = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(EXIT_NO_INPUT, format!("{}: {error}", path.display())))?;
    let key = PublicKey::from_pem(&pem).map_err(|error| {
        Failure::new(EXIT_DATA, format!("{}: {error}", path.display()))
            .hint("`blockchat wallet export` prints the PEM of a public key")
    })?;
    Ok(key.to_base64())
}

fn fresh_key() -> String {
    format!("cli-{:032x}", rand::random::<u128>())
}

/// A secret in a file, without its line end.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(EXIT_NO_INPUT, format!("{}: {error}", path.display())))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Opens a key file; asks for the passphrase if it needs one and there is somebody to ask.
pub fn open_wallet(path: &Path, passphrase_file: Option<&Path>) -> Result<Wallet, Failure> {
    let passphrase = passphrase_file.map(read_secret).transpose()?;
    let given = passphrase.as_ref().map(|text| text.as_str());
    let opened = match blockchat_keyfile::read(path, given) {
        Err(blockchat_keyfile::KeyFileError::Encrypted { .. }) if can_ask() => {
            let asked = ask_secret(&format!("Passphrase of {}: ", path.display()))?;
            blockchat_keyfile::read(path, Some(&asked))?
        }
        opened => opened?,
    };
    opened.ok_or_else(|| {
        Failure::new(EXIT_NO_INPUT, format!("{} does not exist", path.display()))
            .hint("`blockchat wallet new FILE` makes a key")
    })
}

/// Whether a person sits in front of it.
pub fn can_ask() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a secret without showing it.
pub fn ask_secret(question: &str) -> Result<Zeroizing<String>, Failure> {
    rpassword::prompt_password(question)
        .map(Zeroizing::new)
        .map_err(|error| Failure::new(EXIT_NO_INPUT, format!("the passphrase can't be read: {error}")))
}
