//! Merged texts to a checked [`Config`]: derived values, typed values, and what excludes what.

use std::path::PathBuf;

use blockchat_consensus::Timing;
use blockchat_ledger::{Amount, Parameters, PoolLimits, params};

use super::error::ConfigError;
use super::settings::{self, SETTINGS};
use super::source::{Origin, Values};
use super::{Config, Secret, parse};
use crate::http::Origins;
use crate::telemetry::LogFormat;

const DEFAULT_BOOTSTRAP_URL: &str = "http://127.0.0.1:9000";

/// Turns the merged texts into a configuration.
pub fn resolve(mut values: Values, accept_lost_log: bool) -> Result<Config, ConfigError> {
    derive_places(&mut values)?;
    let bootstrap = derive_founder(&mut values)?;
    let read = Reader(&values);
    let config = Config {
        parameters: parameters(&read)?,
        bootstrap,
        bootstrap_url: read.with("BOOTSTRAP_URL", parse::peer_url)?,
        advertise_url: read.with("ADVERTISE_URL", parse::peer_url)?,
        listen: read.with("LISTEN", parse::address)?,
        peer_listen: read.with("PEER_LISTEN", parse::address)?,
        admin_listen: read.with("ADMIN_LISTEN", parse::address)?,
        data_dir: read.with("DATA_DIR", path)?,
        api_token: read.secret("API_TOKEN_FILE")?,
        cors_origins: read.optional("CORS_ORIGINS", Origins::parse)?.unwrap_or_default(),
        join_token: read.secret("JOIN_TOKEN_FILE")?,
        wallet_file: read.with("WALLET_FILE", path)?,
        wallet_passphrase: read.secret("WALLET_PASSPHRASE_FILE")?,
        log: read.with("LOG", log_filter)?,
        log_format: read.with("LOG_FORMAT", LogFormat::parse)?,
        otlp_endpoint: read.optional("OTLP_ENDPOINT", parse::endpoint)?,
        trace_ratio: read.with("TRACE_RATIO", parse::ratio)?,
        metrics: read.with("METRICS", boolean)?,
        timing: timing(&read)?,
        pool: pool(&read)?,
        accept_lost_log,
        effective: effective(&values),
    };
    check_listeners(&config, &values)?;
    check_wallet_is_guarded(&config, &values)?;
    Ok(config)
}

/// Listeners and directories that follow from `LISTEN`.
fn derive_places(values: &mut Values) -> Result<(), ConfigError> {
    let listen = Reader(values).with("LISTEN", parse::address)?;
    for (name, offset) in [("PEER_LISTEN", settings::PEER_OFFSET), ("ADMIN_LISTEN", settings::ADMIN_OFFSET)] {
        let port = if listen.port() == 0 { Some(0) } else { listen.port().checked_add(offset) };
        // Without room above the port there is nothing to derive, and the setting is reported as missing.
        if let Some(port) = port {
            values.derive(name, std::net::SocketAddr::new(listen.ip(), port).to_string());
        }
    }
    values.derive("DATA_DIR", format!("blockchat-data/{}", listen.port()));
    let wallet = Reader(values).with("DATA_DIR", path)?.join("wallet.pem");
    values.derive("WALLET_FILE", wallet.to_string_lossy().into_owned());
    let peer = Reader(values).with("PEER_LISTEN", parse::address)?;
    if !peer.ip().is_unspecified() && peer.port() != 0 {
        values.derive("ADVERTISE_URL", format!("http://{peer}"));
    }
    Ok(())
}

/// Who founds the network: said by `BOOTSTRAP`, or by `ADVERTISE_URL` being `BOOTSTRAP_URL`; they must not disagree.
fn derive_founder(values: &mut Values) -> Result<bool, ConfigError> {
    let said = Reader(values).optional("BOOTSTRAP", boolean)?;
    let advertise = Reader(values).with("ADVERTISE_URL", parse::peer_url)?;
    values
        .derive("BOOTSTRAP_URL", if said == Some(true) { advertise.clone() } else { DEFAULT_BOOTSTRAP_URL.to_owned() });
    let same = Reader(values).with("BOOTSTRAP_URL", parse::peer_url)? == advertise;
    values.derive("BOOTSTRAP", same.to_string());
    match said {
        Some(said) if said != same => {
            let read = Reader(values);
            let (bootstrap, first_origin) = read.text("BOOTSTRAP");
            let (url, second_origin) = read.text("BOOTSTRAP_URL");
            Err(ConfigError::Contradiction {
                first: format!("BOOTSTRAP={bootstrap}"),
                first_origin,
                second: format!("BOOTSTRAP_URL={url}"),
                second_origin,
                allowed: "the bootstrap node is the one whose ADVERTISE_URL is BOOTSTRAP_URL",
            })
        }
        _ => Ok(same),
    }
}

fn parameters(read: &Reader<'_>) -> Result<Parameters, ConfigError> {
    let nodes = read.ranged("NODES", 1, params::MAX_NODES)?;
    let capacity = read.ranged("CAPACITY", 1, params::MAX_CAPACITY)?;
    let parameters = Parameters {
        endowment: read.with("ENDOWMENT", |text| text.parse().ok().filter(|amount| *amount > Amount::ZERO))?,
        ttl_blocks: read.ranged("TTL_BLOCKS", 1, u64::MAX)?,
        ..Parameters::assignment(nodes, capacity)
    };
    // What the ranges above let through and the ledger refuses is a supply that is too large.
    parameters.validate().map_err(|_| read.invalid("ENDOWMENT"))?;
    Ok(parameters)
}

fn timing(read: &Reader<'_>) -> Result<Timing, ConfigError> {
    let positive = |text: &str| parse::duration(text).filter(|duration| !duration.is_zero());
    Ok(Timing {
        max_block_wait: read.with("MAX_BLOCK_WAIT", parse::duration)?,
        propose: read.with("PROPOSE_TIMEOUT", positive)?,
        vote: read.with("VOTE_TIMEOUT", positive)?,
        round_delta: read.with("TIMEOUT_STEP", positive)?,
        rebroadcast: read.with("REBROADCAST_TIMEOUT", positive)?,
        ..Timing::default()
    })
}

fn pool(read: &Reader<'_>) -> Result<PoolLimits, ConfigError> {
    Ok(PoolLimits {
        max_transactions: read.ranged("POOL_TRANSACTIONS", 1, usize::MAX)?,
        max_bytes: read.with("POOL_BYTES", parse::bytes)?,
        max_per_sender: read.ranged("POOL_PER_SENDER", 1, usize::MAX)?,
        max_held: read.ranged("POOL_HELD", 1, usize::MAX)?,
        ..PoolLimits::default()
    })
}

fn check_listeners(config: &Config, values: &Values) -> Result<(), ConfigError> {
    let listeners =
        [("LISTEN", config.listen), ("PEER_LISTEN", config.peer_listen), ("ADMIN_LISTEN", config.admin_listen)];
    for (index, (first, address)) in listeners.iter().enumerate() {
        for (second, other) in &listeners[index + 1..] {
            if address == other && address.port() != 0 {
                return Err(ConfigError::Contradiction {
                    first: format!("{first}={address}"),
                    first_origin: Reader(values).text(first).1,
                    second: format!("{second}={other}"),
                    second_origin: Reader(values).text(second).1,
                    allowed: "each listener needs an address of its own",
                });
            }
        }
    }
    Ok(())
}

fn check_wallet_is_guarded(config: &Config, values: &Values) -> Result<(), ConfigError> {
    let open = Reader(values).with("ALLOW_OPEN_WALLET", boolean)?;
    if config.listen.ip().is_loopback() || config.api_token.is_some() || open {
        return Ok(());
    }
    let (listen, origin) = Reader(values).text("LISTEN");
    Err(ConfigError::Invalid {
        name: "LISTEN",
        value: listen,
        origin,
        allowed: "beyond loopback only with API_TOKEN_FILE, or with ALLOW_OPEN_WALLET=true (whoever reaches the node \
                  can then spend its coins)"
            .to_owned(),
    })
}

fn effective(values: &Values) -> Vec<(&'static str, String, Origin)> {
    let show = |(text, origin): (&str, &Origin)| (parse::hide_credentials(text), origin.clone());
    SETTINGS
        .iter()
        .map(|setting| {
            let (text, origin) = values.get(setting.name).map_or((String::new(), Origin::Default), show);
            (setting.name, text, origin)
        })
        .collect()
}

// As the other parsers are, which refuse some texts.
#[expect(clippy::unnecessary_wraps)]
fn path(text: &str) -> Option<PathBuf> {
    Some(PathBuf::from(text))
}

fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

fn log_filter(text: &str) -> Option<String> {
    tracing_subscriber::EnvFilter::try_new(text).ok().map(|_| text.to_owned())
}

/// Typed access to the merged texts, with the error that a bad one deserves.
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn text(&self, name: &str) -> (String, Origin) {
        self.0.get(name).map_or((String::new(), Origin::Default), |(text, origin)| (text.to_owned(), origin.clone()))
    }

    fn invalid(&self, name: &'static str) -> ConfigError {
        let (value, origin) = self.text(name);
        let allowed = settings::find(name).map_or("", |setting| setting.allowed);
        ConfigError::Invalid { name, value: parse::hide_credentials(&value), origin, allowed: allowed.to_owned() }
    }

    fn optional<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, ConfigError> {
        let Some((text, _)) = self.0.get(name) else { return Ok(None) };
        parse(text).map(Some).ok_or_else(|| self.invalid(name))
    }

    fn with<T>(&self, name: &'static str, parse: impl Fn(&str) -> Option<T>) -> Result<T, ConfigError> {
        let allowed = settings::find(name).map_or("", |setting| setting.allowed);
        self.optional(name, parse)?.ok_or(ConfigError::Missing { name, allowed })
    }

    fn ranged<T: std::str::FromStr + PartialOrd + Copy>(
        &self,
        name: &'static str,
        low: T,
        high: T,
    ) -> Result<T, ConfigError> {
        self.with(name, |text| parse::integer(text).filter(|value| low <= *value && *value <= high))
    }

    /// Reads the file that a setting names; its last line break is not part of the secret.
    fn secret(&self, name: &'static str) -> Result<Option<Secret>, ConfigError> {
        let Some((text, origin)) = self.0.get(name) else { return Ok(None) };
        let fail = |reason: &str| ConfigError::Secret {
            name,
            path: PathBuf::from(text),
            origin: origin.clone(),
            reason: format!("{reason}; allowed: a file with one line of printable text"),
        };
        let content = std::fs::read_to_string(text).map_err(|error| fail(&error.to_string()))?;
        let secret = content.trim_end_matches(['\r', '\n']);
        if secret.is_empty() || secret.contains(char::is_control) {
            return Err(fail(if secret.is_empty() { "the file is empty" } else { "the file has several lines" }));
        }
        Ok(Some(Secret(secret.to_owned())))
    }
}
