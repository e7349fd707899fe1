//! The command line: one flag per setting, and the course's forms of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::error::ConfigError;
use super::settings::{self, ADMIN_OFFSET, PEER_OFFSET, SETTINGS};
use super::source::{Origin, one_line};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invocation {
    /// Run the node.
    Run,
    /// Show the effective settings and exit.
    PrintConfig,
    /// Ask a running node whether it is ready, or alive.
    Health {
        /// Only whether it is alive.
        live: bool,
    },
    /// Print this text (help, version) and exit.
    Print(String),
}

/// The parsed command line.
#[derive(Debug)]
pub struct Flags {
    /// What to do.
    pub invocation: Invocation,
    /// The TOML file, when named.
    pub config: Option<PathBuf>,
    /// The operator accepts that the log is lost.
    pub accept_lost_log: bool,
    /// Values of settings, by name in capitals.
    pub values: BTreeMap<&'static str, String>,
}

const PORT: &str = "p";

/// Parses the arguments after the program's name.
pub fn parse(arguments: impl Iterator<Item = String>) -> Result<Flags, ConfigError> {
    let command = command();
    let matches = match command.try_get_matches_from(normalise(arguments)) {
        Ok(matches) => matches,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let invocation = Invocation::Print(error.to_string());
            return Ok(Flags { invocation, config: None, accept_lost_log: false, values: BTreeMap::new() });
        }
        Err(error) => return Err(refusal(&error)),
    };
    let invocation = match matches.subcommand() {
        Some(("health", health)) => Invocation::Health { live: health.get_flag("live") },
        _ if matches.get_flag("print-config") => Invocation::PrintConfig,
        _ => Invocation::Run,
    };
    Ok(Flags {
        invocation,
        config: matches.get_one::<PathBuf>("config").cloned(),
        accept_lost_log: matches.get_flag("accept-lost-log"),
        values: values(&matches)?,
    })
}

fn values(matches: &ArgMatches) -> Result<BTreeMap<&'static str, String>, ConfigError> {
    let mut values = BTreeMap::new();
    for setting in SETTINGS {
        if let Some(text) = matches.get_one::<String>(setting.name) {
            values.insert(setting.name, text.clone());
        }
    }
    if let Some(&port) = matches.get_one::<u16>(PORT) {
        for (name, offset) in [("LISTEN", 0), ("PEER_LISTEN", PEER_OFFSET), ("ADMIN_LISTEN", ADMIN_OFFSET)] {
            if let Some(other) = values.insert(name, format!("127.0.0.1:{}", port + offset)) {
                return Err(ConfigError::Contradiction {
                    first: format!("-p {port}"),
                    first_origin: Origin::Flag,
                    second: format!("{name}={other}"),
                    second_origin: Origin::Flag,
                    allowed: "give one of them",
                });
            }
        }
    }
    Ok(values)
}

/// The original's flags have one dash: `-capacity 5` becomes `--capacity 5`, and so for every long name.
fn normalise(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let known: Vec<String> = command().get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect();
    let mut normal = vec!["blockchat-node".to_owned()];
    for argument in arguments {
        let name = argument.strip_prefix('-').map(|rest| rest.split('=').next().unwrap_or(rest));
        let is_long = name.is_some_and(|name| name.len() > 1 && known.iter().any(|long| long == name));
        normal.push(if is_long { format!("-{argument}") } else { argument });
    }
    normal
}

fn command() -> Command {
    let mut command = Command::new("blockchat-node")
        .version(env!("CARGO_PKG_VERSION"))
        .about("A member of a BlockChat network: a permissioned Proof-of-Stake ledger for coins and messages")
        .after_help("Every setting is also an environment variable (BLOCKCHAT_NODES, …) and a TOML key (nodes, …).")
        .disable_help_subcommand(true)
        .arg(
            Arg::new(PORT)
                .short('p')
                .value_name("PORT")
                .value_parser(clap::value_parser!(u16).range(1..=i64::from(u16::MAX - ADMIN_OFFSET)))
                .help("API on PORT, peers on PORT+1000, admin on PORT+2000, all on 127.0.0.1"),
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_parser(clap::value_parser!(PathBuf))
                .help("Read settings from a TOML file [env: BLOCKCHAT_CONFIG]"),
        )
        .arg(switch("print-config", "Show the effective settings and where each came from, then exit"))
        .arg(switch("accept-lost-log", "Vote although the log is lost; see the documentation first"))
        .subcommand(
            Command::new("health")
                .about("Ask the node's admin listener whether it is ready; exit code 0 or 1")
                .arg(switch("live", "Ask only whether it is alive")),
        );
    for setting in SETTINGS {
        let arg = Arg::new(setting.name).long(setting.flag()).value_name("VALUE").help(help(setting));
        command = command.arg(match setting.name {
            "NODES" => arg.short('n'),
            "BOOTSTRAP" => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
            _ => arg,
        });
    }
    command
}

fn switch(name: &'static str, about: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(about)
}

fn help(setting: &settings::Setting) -> String {
    let default = if setting.default.is_empty() { setting.derived } else { setting.default };
    if default.is_empty() { setting.about.to_owned() } else { format!("{} [default: {default}]", setting.about) }
}

/// clap's errors as one line that names the flag.
fn refusal(error: &clap::Error) -> ConfigError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(name) = context(ContextKind::InvalidArg)
    {
        let bare = name.trim_start_matches('-').to_owned();
        let known = command().get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect::<Vec<_>>();
        let nearest = settings::nearest(&bare, known.into_iter()).map(|near| format!("--{near}"));
        return ConfigError::Unknown { name, origin: Origin::Flag, nearest };
    }
    let text = error.to_string();
    let first = text.lines().take_while(|line| !line.trim().is_empty()).collect::<Vec<_>>().join(" ");
    ConfigError::Flags(one_line(first.trim_start_matches("error: ")))
}
