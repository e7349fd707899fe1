//! `blockchat-node`: a member of a BlockChat network.

use std::process::ExitCode;

use blockchat_node::app;
use blockchat_node::config::{Config, EXIT_USAGE, Invocation};
use blockchat_node::health;
use blockchat_node::runtime::EXIT_FATAL;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

fn main() -> ExitCode {
    let environment: Vec<_> = std::env::vars_os().collect();
    let arguments = std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned());
    let (invocation, config) = match Config::load(arguments, &environment) {
        Ok(loaded) => loaded,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    match (invocation, config) {
        (Invocation::Print(text), _) => print!("{text}"),
        (Invocation::PrintConfig, Some(config)) => print!("{}", config.describe()),
        (Invocation::Health { live }, Some(config)) => {
            if let Err(error) = health::ask(config.admin_listen, live) {
                return fail(&error, 1);
            }
        }
        (Invocation::Run, Some(config)) => return run(config),
        (_, None) => {}
    }
    ExitCode::SUCCESS
}

fn run(config: Config) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, EXIT_FATAL),
    };
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        cancel_on_signal(&shutdown)?;
        Ok::<_, std::io::Error>(app::run(config, shutdown).await)
    });
    // Nothing that still waits for a disk or a peer may hold up the end.
    runtime.shutdown_background();
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => fail(&error, error.exit_code()),
        Err(error) => fail(&error, EXIT_FATAL),
    }
}

/// SIGTERM and SIGINT ask to stop.
fn cancel_on_signal(shutdown: &CancellationToken) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    eprintln!("blockchat-node: {error}");
    ExitCode::from(code)
}
