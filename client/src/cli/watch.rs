//! `watch`: blocks as they become final.

use super::args::Format;
use super::failure::{EXIT_UNAVAILABLE, Failure};
use super::output;
use super::session::Session;
use super::show;
use blockchat_client::Error;
use blockchat_client::api::Event;
use std::time::{Duration, Instant};

/// Pause before a stream that ended is opened again.
const AGAIN: Duration = Duration::from_millis(500);

/// Shows every block from `from` on (default: the next one), in order, without gaps. A node that restarts meanwhile is
/// waited for as long as for any answer.
pub async fn run(session: &Session, from: Option<u64>, count: Option<u64>) -> Result<(), Failure> {
    let mut left = count.unwrap_or(u64::MAX);
    let mut next = from;
    let mut events = session.client.events(next).await?;
    while left > 0 {
        match events.next().await {
            Ok(Some(Event::Block(block))) => {
                next = Some(block.index.saturating_add(1));
                left -= 1;
                let block = session.client.block(block.index).await?;
                match session.format {
                    Format::Table => output::line(&show::block_text(&block, session.full)),
                    // One line a block, so that a program can read them as they come.
                    Format::Json => output::line(&serde_json::to_string(&block).unwrap_or_default()),
                }
            }
            Ok(Some(Event::Evidence(evidence))) => eprintln!(
                "node {} contradicted itself at height {} ({}): GET /api/v1/evidence has the proof",
                evidence.member, evidence.height, evidence.evidence
            ),
            Ok(Some(Event::Dropped(_) | Event::Gap(_))) => {}
            Ok(None) | Err(Error::Connection { .. } | Error::Timeout { .. }) => events = reopen(session, next).await?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn reopen(session: &Session, next: Option<u64>) -> Result<blockchat_client::EventStream, Failure> {
    let started = Instant::now();
    loop {
        tokio::time::sleep(AGAIN).await;
        match session.client.events(next).await {
            Ok(events) => return Ok(events),
            Err(error) if started.elapsed() > session.timeout() => {
                return Err(Failure::new(EXIT_UNAVAILABLE, format!("the node went away: {error}")));
            }
            Err(_) => {}
        }
    }
}
