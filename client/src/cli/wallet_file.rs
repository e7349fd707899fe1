//! `wallet new`, `wallet show`, `wallet export`.

use super::args::{Global, WalletCommand};
use super::failure::{EXIT_CANT_CREATE, Failure};
use super::output;
use super::session::{Session, ask_secret, can_ask, open_wallet, read_secret};
use blockchat_keyfile::KeyFileError;
use blockchat_ledger::PublicKey;
use serde_json::json;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Shortest passphrase that is taken for a new key.
const MIN_PASSPHRASE_CHARACTERS: usize = 8;

pub async fn run(global: &Global, command: &WalletCommand) -> Result<(), Failure> {
    match command {
        WalletCommand::New { file, encrypt } => new(global, file, *encrypt),
        WalletCommand::Show { file } => {
            let key = public_key(global, file.as_ref()).await?;
            describe(global, &key, None);
            Ok(())
        }
        WalletCommand::Export { file } => {
            let key = public_key(global, file.as_ref()).await?;
            output::show(global.output, &json!({ "public_key_pem": key.to_pem() }), || key.to_pem());
            Ok(())
        }
    }
}

fn new(global: &Global, file: &Path, encrypt: bool) -> Result<(), Failure> {
    let passphrase = match (encrypt, &global.passphrase_file) {
        (true, Some(path)) => Some(read_secret(path)?),
        (true, None) if can_ask() => Some(ask_twice()?),
        (true, None) => return Err(Failure::usage("--encrypt needs --passphrase-file when nobody can be asked")),
        (false, Some(_)) => return Err(Failure::usage("--passphrase-file is given, but not --encrypt")),
        (false, None) => None,
    };
    if let Some(passphrase) = &passphrase
        && passphrase.chars().count() < MIN_PASSPHRASE_CHARACTERS
    {
        return Err(Failure::usage(format!("a passphrase has at least {MIN_PASSPHRASE_CHARACTERS} characters")));
    }
    let made = blockchat_keyfile::create(file, passphrase.as_ref().map(|text| text.as_str()));
    let wallet = made.map_err(|error| match error {
        KeyFileError::Io { .. } => Failure::new(EXIT_CANT_CREATE, error.to_string()),
        error => error.into(),
    })?;
    describe(global, wallet.public_key(), Some(file));
    Ok(())
}

fn ask_twice() -> Result<Zeroizing<String>, Failure> {
    let first = ask_secret("New passphrase: ")?;
    let second = ask_secret("Once more: ")?;
    if *first == *second { Ok(first) } else { Err(Failure::usage("the two passphrases differ")) }
}

async fn public_key(global: &Global, file: Option<&PathBuf>) -> Result<PublicKey, Failure> {
    if let Some(path) = file.or(global.wallet.as_ref()) {
        return Ok(open_wallet(path, global.passphrase_file.as_deref())?.public_key().clone());
    }
    let session = Session::new(global)?;
    let address = session.client.wallet().await?.address;
    PublicKey::from_base64(&address).map_err(|error| Failure::new(1, error.to_string()))
}

fn describe(global: &Global, key: &PublicKey, made: Option<&Path>) {
    let fingerprint = key.account_id().short();
    let value = json!({
        "fingerprint": fingerprint,
        "address": key.to_base64(),
        "file": made.map(|path| path.display().to_string()),
    });
    output::show(global.output, &value, || {
        let head = made.map(|path| format!("wrote {}; keep it safe, it can't be replaced\n", path.display()));
        format!("{}fingerprint {fingerprint}\naddress {}", head.unwrap_or_default(), key.to_base64())
    });
}
