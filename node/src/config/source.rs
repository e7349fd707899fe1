//! The four layers of settings, merged by figment, with the origin of each value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider, Source};

use super::error::ConfigError;
use super::settings::{self, PREFIX, SETTINGS};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// Computed from other settings.
    Derived,
    /// A TOML file.
    File(PathBuf),
    /// An environment variable.
    Environment,
    /// A flag.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::Derived => formatter.write_str("derived"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment => formatter.write_str("environment"),
            Self::Flag => formatter.write_str("command line"),
        }
    }
}

const DEFAULT: &str = "default";
const ENVIRONMENT: &str = "environment";
const FLAG: &str = "command line";

impl Origin {
    fn of(metadata: Option<&Metadata>) -> Self {
        let Some(metadata) = metadata else { return Self::Derived };
        match (&metadata.source, metadata.name.as_ref()) {
            (Some(Source::File(path)), _) => Self::File(path.clone()),
            (_, ENVIRONMENT) => Self::Environment,
            (_, FLAG) => Self::Flag,
            _ => Self::Default,
        }
    }
}

/// A layer whose values are all texts. figment's own environment provider would guess types (an amount would become
/// a float), so the texts are kept and parsed by their setting.
struct Texts {
    name: &'static str,
    values: BTreeMap<String, String>,
}

impl Provider for Texts {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let dict: Dict = self.values.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The merged settings: name in capitals → text and origin.
#[derive(Debug, Clone, Default)]
pub struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// Text and origin of a setting that has a non-empty value.
    pub fn get(&self, name: &str) -> Option<(&str, &Origin)> {
        self.0.get(name).map(|(text, origin)| (text.as_str(), origin)).filter(|(text, _)| !text.is_empty())
    }

    /// Fills in a value computed from others, unless one was set.
    pub fn derive(&mut self, name: &'static str, text: String) {
        if self.get(name).is_none() {
            self.0.insert(name, (text, Origin::Derived));
        }
    }
}

/// Merges defaults < file < environment < flags. `flags` are keyed by name in capitals.
pub fn merge(
    file: Option<&Path>,
    environment: &[(OsString, OsString)],
    flags: &BTreeMap<&'static str, String>,
) -> Result<Values, ConfigError> {
    let defaults = SETTINGS.iter().filter(|s| !s.default.is_empty()).map(|s| (s.key(), s.default.to_owned())).collect();
    let mut figment = Figment::from(Texts { name: DEFAULT, values: defaults });
    if let Some(path) = file {
        check_file(path)?;
        figment = figment.merge(Toml::file_exact(path));
    }
    let figment = figment.merge(Texts { name: ENVIRONMENT, values: environment_values(environment)? }).merge(Texts {
        name: FLAG,
        values: flags.iter().map(|(name, text)| (name.to_lowercase(), text.clone())).collect(),
    });

    let mut values = Values::default();
    for setting in SETTINGS {
        let Ok(value) = figment.find_value(&setting.key()) else { continue };
        let origin = Origin::of(figment.get_metadata(value.tag()));
        let Some(text) = text_of(&value) else {
            return Err(ConfigError::Invalid {
                name: setting.name,
                value: "…".to_owned(),
                origin,
                allowed: format!("{} (in quotes unless it is an integer or a boolean)", setting.allowed),
            });
        };
        values.0.insert(setting.name, (text, origin));
    }
    Ok(values)
}

/// Strings, integers and booleans. A float is refused: an amount written as one could lose digits.
fn text_of(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    value.to_bool().map(|b| b.to_string()).or_else(|| value.to_i128().map(|n| n.to_string()))
}

fn check_file(path: &Path) -> Result<(), ConfigError> {
    let fail = |reason: String| ConfigError::File { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    let table: toml::Table = toml::from_str(&text).map_err(|error| fail(one_line(&error.to_string())))?;
    for key in table.keys() {
        if !SETTINGS.iter().any(|setting| setting.key() == *key) {
            return Err(ConfigError::Unknown {
                name: key.clone(),
                origin: Origin::File(path.to_owned()),
                nearest: settings::nearest(&key.to_lowercase(), SETTINGS.iter().map(settings::Setting::key)),
            });
        }
    }
    Ok(())
}

/// A parser's message with its lines joined, so that the error stays one line.
pub fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn environment_values(environment: &[(OsString, OsString)]) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut values = BTreeMap::new();
    for (variable, value) in environment {
        let Some(name) = variable.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        let value = value.to_string_lossy();
        // An empty variable counts as not set: compose files and charts can't leave one out.
        if name == "CONFIG" || is_service_link(name, &value) || (value.is_empty() && settings::find(name).is_some()) {
            continue;
        }
        let Some(setting) = settings::find(name) else {
            let known = SETTINGS.iter().map(|s| s.name.to_owned());
            return Err(ConfigError::Unknown {
                name: format!("{PREFIX}{name}"),
                origin: Origin::Environment,
                nearest: settings::nearest(name, known).map(|near| format!("{PREFIX}{near}")),
            });
        };
        values.insert(setting.key(), value.into_owned());
    }
    Ok(values)
}

/// The variables that Kubernetes injects for a service: `X_SERVICE_HOST`, `X_SERVICE_PORT[_NAME]`, `X_PORT` (a URL)
/// and `X_PORT_8000_TCP[_ADDR|_PORT|_PROTO]`; X is empty for a service named `blockchat`.
fn is_service_link(name: &str, value: &str) -> bool {
    const PORT: &str = "_PORT_";
    let name = format!("_{name}");
    let is_url = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let of_one_port = |rest: &str| {
        let protocol = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        protocol.len() < rest.len() && ["_TCP", "_UDP", "_SCTP"].iter().any(|known| protocol.starts_with(known))
    };
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || (name.ends_with("_PORT") && is_url)
        || name.match_indices(PORT).any(|(at, _)| of_one_port(&name[at + PORT.len()..]))
}
