//! The command line: what it can do, who does it.
//!
//! | file | what |
//! |---|---|
//! | `args.rs` | the grammar |
//! | `session.rs` | the node, the wallet that signs, waiting and trying again |
//! | `send.rs` | coins, messages, stakes |
//! | `show.rs` | accounts, history, blocks, network, node |
//! | `proof.rs` | lottery and receipts, checked here |
//! | `watch.rs` | blocks as they become final |
//! | `top/` | a network, live |
//! | `wallet_file.rs` | key files |
//! | `prompt.rs` | the interactive prompt |
//! | `output.rs`, `failure.rs` | how things are written; errors, advice, exit codes |

mod args;
pub mod failure;
mod output;
mod prompt;
mod proof;
mod send;
mod session;
mod show;
mod top;
mod wallet_file;
mod watch;

pub use args::Cli;

use args::{Command, Global};
use clap::CommandFactory as _;
use failure::Failure;
use send::Payment;
use session::Session;
use std::process::ExitCode;

impl Cli {
    /// Reads the arguments of the process.
    pub fn try_parse() -> Result<Self, clap::Error> {
        <Self as clap::Parser>::try_parse()
    }
}

/// Runs the program.
pub fn main(cli: Cli) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("blockchat: the runtime: {error}");
            return ExitCode::from(failure::EXIT_TEMPORARY);
        }
    };
    match runtime.block_on(start(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("blockchat: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

async fn start(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Some(command) => execute(&cli.global, None, command).await,
        None => prompt::run(&cli.global).await,
    }
}

/// Executes one command; the prompt gives its own session, so that a passphrase is asked for once.
async fn execute(global: &Global, open: Option<&Session>, command: Command) -> Result<(), Failure> {
    match command {
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "blockchat", &mut std::io::stdout());
            return Ok(());
        }
        Command::Verify { file, chain_id } => return proof::verify(global.output, &file, chain_id.as_deref()),
        Command::Wallet(command) => return wallet_file::run(global, &command).await,
        Command::Top(arguments) => return top::run(global, &arguments).await,
        _ => {}
    }
    let opened;
    let session = if let Some(session) = open {
        session
    } else {
        opened = Session::new(global)?;
        &opened
    };
    match command {
        Command::T { recipient, what } => send::pay(session, &Payment::from_t(&recipient, &what)?).await,
        Command::M { recipient, message } => {
            send::pay(session, &Payment::message(&recipient, &message.join(" "))?).await
        }
        Command::Send { recipient, amount, message } => {
            send::pay(session, &Payment::both(&recipient, &amount, &message.join(" "))?).await
        }
        Command::Stake { amount } => send::stake(session, &amount).await,
        Command::View { block } => show::view(session, &block).await,
        Command::Balance { address } => show::balance(session, address.as_deref()).await,
        Command::History { limit, address } => show::history(session, address.as_deref(), limit).await,
        Command::Lottery { block } => proof::lottery(session, &block).await,
        Command::Receipt { id, save } => proof::receipt(session, &id, save.as_deref()).await,
        Command::Watch { from, count } => watch::run(session, from, count).await,
        Command::Network => show::network(session).await,
        Command::Status => show::status(session).await,
        Command::Completions { .. } | Command::Verify { .. } | Command::Wallet(_) | Command::Top(_) => Ok(()),
    }
}
