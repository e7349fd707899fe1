//! `blockchat`: the command line. Without a command it asks for one.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match cli::Cli::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // If even that cannot be printed, the exit code still tells.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { cli::failure::EXIT_USAGE } else { cli::failure::EXIT_OK });
        }
    };
    cli::main(arguments)
}
