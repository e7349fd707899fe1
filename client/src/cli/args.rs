//! The command line's grammar. The prompt uses the same one.

use super::failure::EXIT_CODES;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Send coins and messages, stake, and look into the chain of a `BlockChat` node. Without a command: a prompt.
#[derive(Debug, Parser)]
#[command(name = "blockchat", version, after_help = EXIT_CODES, disable_help_subcommand = false)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The node to talk to.
    #[arg(long, global = true, env = "BLOCKCHAT_NODE", default_value = "http://127.0.0.1:8000", value_name = "URL")]
    pub node: String,
    /// File with the bearer token of the node's wallet.
    #[arg(long, global = true, env = "BLOCKCHAT_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Sign with the key in this file, on this machine, instead of the node's wallet.
    #[arg(long, global = true, env = "BLOCKCHAT_WALLET", value_name = "FILE")]
    pub wallet: Option<PathBuf>,
    /// File with the passphrase of that key; asked for on a terminal if missing.
    #[arg(long, global = true, env = "BLOCKCHAT_PASSPHRASE_FILE", value_name = "FILE")]
    pub passphrase_file: Option<PathBuf>,
    /// Tables for people or JSON for programs.
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub output: Format,
    /// Longest wait for an answer or a commit, seconds.
    #[arg(long, global = true, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    pub timeout: u64,
    /// In tables: transactions' whole ids, as `receipt` takes them.
    #[arg(long, global = true)]
    pub full: bool,
    /// In the prompt: send without asking.
    #[arg(long, short = 'y', global = true)]
    pub yes: bool,
    /// Return once the node has taken a transaction, without waiting for its block.
    #[arg(long, global = true)]
    pub no_wait: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send coins: `t 3 12.5`. With text that is no number, a message: `t 3 hello`.
    T {
        /// Node id, fingerprint, public key (base64) or a PEM file that holds one.
        recipient: String,
        /// BCC, at most 6 decimal places; or text.
        #[arg(required = true, allow_negative_numbers = true)]
        what: Vec<String>,
    },
    /// Send a message: `m 3 hello there`. Each character costs 1 BCC.
    M {
        /// Node id, fingerprint, public key (base64) or a PEM file that holds one.
        recipient: String,
        /// The text; after `--` if it begins with a hyphen.
        #[arg(required = true, allow_negative_numbers = true)]
        message: Vec<String>,
    },
    /// Send coins and a message in one transaction.
    Send {
        /// Node id, fingerprint, public key (base64) or a PEM file that holds one.
        recipient: String,
        /// BCC, at most 6 decimal places.
        #[arg(allow_negative_numbers = true)]
        amount: String,
        /// The text; after `--` if it begins with a hyphen.
        #[arg(required = true, allow_negative_numbers = true)]
        message: Vec<String>,
    },
    /// Set the stake: the wallet's share of the lottery. 0 frees it all.
    Stake {
        /// BCC.
        #[arg(allow_negative_numbers = true)]
        amount: String,
    },
    /// Show a block.
    View {
        /// Index, hash or `latest`.
        #[arg(default_value = "latest")]
        block: String,
    },
    /// Show what the wallet, or another account, has.
    Balance {
        /// Node id, public key or fingerprint of another account.
        address: Option<String>,
    },
    /// Show what the wallet sent and received, newest first.
    History {
        /// How many transactions at most.
        #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Node id, public key or fingerprint of another account.
        address: Option<String>,
    },
    /// Key files.
    #[command(subcommand)]
    Wallet(WalletCommand),
    /// Draw a block's validator again and explain the draw.
    Lottery {
        /// Index, hash or `latest`.
        #[arg(default_value = "latest")]
        block: String,
    },
    /// Get the proof that a transaction is final, and check it.
    Receipt {
        /// The transaction's id.
        id: String,
        /// Keep the receipt in this file, for `verify`.
        #[arg(long, value_name = "FILE")]
        save: Option<PathBuf>,
    },
    /// Check a saved receipt, without any node.
    Verify {
        /// The receipt.
        file: PathBuf,
        /// The network that it must be of; without it the receipt's own is shown.
        #[arg(long, value_name = "HASH")]
        chain_id: Option<String>,
    },
    /// Show blocks as they become final, until Ctrl-C.
    Watch {
        /// First block; the next one if missing.
        #[arg(long, value_name = "INDEX")]
        from: Option<u64>,
        /// Stop after this many blocks.
        #[arg(long, value_name = "NUMBER")]
        count: Option<u64>,
    },
    /// Watch a network live: throughput, block time, finality, agreement; nodes, members and blocks. q ends it.
    Top(TopArgs),
    /// Show the network: members, parameters, chain id.
    Network,
    /// Show what the node is doing.
    Status,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// The nodes to watch; only the one of --node if missing.
    #[arg(long, value_delimiter = ',', value_name = "URL,…")]
    pub nodes: Vec<String>,
    /// Time between two looks at each node.
    #[arg(long, default_value = "1", value_parser = interval, value_name = "SECONDS")]
    pub interval: Duration,
    /// Print so many snapshots as text (or JSON, a line each) and end, instead of drawing.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..), value_name = "NUMBER")]
    pub count: Option<u64>,
}

fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || "it must be a number of seconds from 0.1 to 3600".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if (0.1..=3600.0).contains(&seconds) { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

#[derive(Debug, Subcommand)]
pub enum WalletCommand {
    /// Make a key and write it to a file that only you can read.
    New {
        /// The file; it must not exist.
        file: PathBuf,
        /// Encrypt it with a passphrase: from --passphrase-file, else asked for.
        #[arg(long)]
        encrypt: bool,
    },
    /// Show a key file's address (or the node's, without a file).
    Show {
        /// The key file.
        file: Option<PathBuf>,
    },
    /// Print the public key as PEM: what others need to pay you.
    Export {
        /// The key file; the node's wallet if missing.
        file: Option<PathBuf>,
    },
}
