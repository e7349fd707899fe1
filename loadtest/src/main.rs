//! `blockchat-loadtest`: see the library's documentation.

use blockchat_loadtest::cli::Cli;
use blockchat_loadtest::error::{EXIT_OK, LoadError};
use blockchat_loadtest::signals::until_interrupted;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // If even that cannot be printed, the exit code still tells.
            let _ = error.print();
            let usage = error.use_stderr();
            return ExitCode::from(if usage { LoadError::Usage(String::new()).exit_code() } else { EXIT_OK });
        }
    };
    match execute(cli) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => {
            eprintln!("blockchat-loadtest: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// One thread: the nodes need the processors more than the generator does.
fn execute(cli: Cli) -> Result<(), LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| LoadError::Failed(format!("the runtime: {error}")))?;
    runtime.block_on(until_interrupted(cli.run()))
}
