//! What joining needs to know, and the ways in which it can fail for good.

use std::path::PathBuf;
use std::time::Duration;

use crate::telemetry::IntCounterVec;
use blockchat_ledger::Parameters;
use thiserror::Error;

use super::files::FileError;
use super::network::NetworkError;
use super::urls::MAX_URL_BYTES;
use crate::peer::host_and_port;

/// The settings of joining.
#[derive(Clone)]
pub struct JoinSettings {
    /// `DATA_DIR`.
    pub data_dir: PathBuf,
    /// `NODES`, `CAPACITY`, `ENDOWMENT`, `TTL_BLOCKS` and the fees.
    pub parameters: Parameters,
    /// Whether this node founds the network.
    pub is_bootstrap: bool,
    /// `BOOTSTRAP_URL`.
    pub bootstrap_url: Option<String>,
    /// `ADVERTISE_URL`.
    pub advertise_url: String,
    /// The contents of `JOIN_TOKEN_FILE`.
    pub join_token: Option<String>,
    /// Where registrations are counted, by result.
    pub requests: Option<IntCounterVec>,
    /// How often and how long.
    pub timing: JoinTiming,
}

impl std::fmt::Debug for JoinSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("JoinSettings")
            .field("is_bootstrap", &self.is_bootstrap)
            .field("bootstrap_url", &self.bootstrap_url)
            .field("advertise_url", &self.advertise_url)
            .field("join_token", &self.join_token.as_ref().map(|_| "hidden"))
            .finish_non_exhaustive()
    }
}

/// How often and how long, while joining.
#[derive(Debug, Clone, Copy)]
pub struct JoinTiming {
    /// How long a registration holds without renewal.
    pub lease: Duration,
    /// How often a joiner renews it.
    pub renew_every: Duration,
    /// The first pause after a bootstrap node that did not answer.
    pub retry_first: Duration,
    /// The longest such pause.
    pub retry_last: Duration,
    /// How often a wait is logged again.
    pub complain_every: Duration,
    /// How often a member tells the network to members it has no stream to.
    pub tell_every: Duration,
    /// How long one request may take.
    pub request: Duration,
}

impl Default for JoinTiming {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(10),
            renew_every: Duration::from_secs(1),
            retry_first: Duration::from_millis(100),
            retry_last: Duration::from_secs(1),
            complain_every: Duration::from_secs(10),
            tell_every: Duration::from_secs(1),
            request: Duration::from_secs(5),
        }
    }
}

/// Why this node cannot become a member. Each is one line that names what to change.
#[derive(Debug, Error)]
pub enum JoinError {
    /// A setting is missing or wrong.
    #[error("{setting}: {problem}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What is wrong and what is allowed.
        problem: String,
    },
    /// A file in the data folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The network is not this node's.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Members of a network with another bootstrap key take this node for their bootstrap node.
    #[error(
        "members of the network {0} know this node's ADVERTISE_URL as their bootstrap node, with another wallet: restore WALLET_FILE, or use another ADVERTISE_URL to found another network"
    )]
    ForeignNetwork(blockchat_ledger::Hash),
    /// The bootstrap node refused for good.
    #[error("the bootstrap node at {url} refuses this node: {detail} ({code})")]
    Refused {
        /// The bootstrap node.
        url: String,
        /// What kind of refusal.
        code: String,
        /// Why.
        detail: String,
    },
    /// The HTTP client could not be made.
    #[error("making the HTTP client: {0}")]
    Client(String),
    /// The process is stopping.
    #[error("stopped while joining")]
    Stopped,
}

impl JoinSettings {
    /// Checks what can be checked without another node.
    pub fn check(&self) -> Result<(), JoinError> {
        let setting = |setting, problem: String| Err(JoinError::Setting { setting, problem });
        if let Err(error) = self.parameters.validate() {
            let problem = error.to_string();
            let name = match error {
                blockchat_ledger::ParametersError::Nodes => "NODES",
                blockchat_ledger::ParametersError::Capacity => "CAPACITY",
                blockchat_ledger::ParametersError::Endowment => "ENDOWMENT",
                blockchat_ledger::ParametersError::Ttl => "TTL_BLOCKS",
                blockchat_ledger::ParametersError::CoinFee => "the fee on coins",
            };
            return setting(name, problem);
        }
        check_url("ADVERTISE_URL", &self.advertise_url)?;
        match &self.bootstrap_url {
            Some(url) => check_url("BOOTSTRAP_URL", url)?,
            None if self.is_bootstrap => {}
            None => {
                let problem = "needed to join a network (the bootstrap node itself runs with --bootstrap)";
                return setting("BOOTSTRAP_URL", problem.to_owned());
            }
        }
        if self.join_token.as_ref().is_some_and(|token| token.trim().is_empty()) {
            return setting("JOIN_TOKEN_FILE", "the file holds no token".to_owned());
        }
        Ok(())
    }
}

fn check_url(setting: &'static str, url: &str) -> Result<(), JoinError> {
    if url.len() > MAX_URL_BYTES {
        let problem = format!("longer than {MAX_URL_BYTES} bytes");
        return Err(JoinError::Setting { setting, problem });
    }
    host_and_port(url).map(|_| ()).map_err(|error| JoinError::Setting { setting, problem: error.to_string() })
}

/// Where this node is on its way into the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Reading its files.
    Starting,
    /// The bootstrap node does not answer yet.
    WaitingForBootstrap {
        /// Its URL.
        url: String,
    },
    /// Registered; the ring is not complete.
    WaitingForJoiners {
        /// The id it has, 0 for the bootstrap node.
        id: u16,
        /// Live joiners.
        live: u16,
        /// How many there must be.
        needed: u16,
    },
    /// A member.
    Joined {
        /// Its id.
        id: u16,
    },
}

impl std::fmt::Display for Phase {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Starting => write!(formatter, "starting"),
            Self::WaitingForBootstrap { url } => {
                write!(formatter, "joining: waiting for the bootstrap node at {url}")
            }
            Self::WaitingForJoiners { id, live, needed } => {
                write!(formatter, "joining as member {id}: {live} of {needed} joiners are live")
            }
            Self::Joined { id } => write!(formatter, "joined as member {id}"),
        }
    }
}
