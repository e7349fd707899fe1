//! `watch`: blocks as they become final.

use super::args::Format;
use super::failure::Failure;
use super::output;
use super::session::Session;
use super::show;
use std::time::Duration;

/// How often the node is asked for new blocks.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
const PAGE: u32 = 100;

/// Shows every block from `from` on (default: the next one), in order, without gaps.
pub async fn run(session: &Session, from: Option<u64>, count: Option<u64>) -> Result<(), Failure> {
    let mut next = match from {
        Some(from) => from,
        None => session.client.block("latest").await?.index.saturating_add(1),
    };
    let mut left = count.unwrap_or(u64::MAX);
    while left > 0 {
        let page = session.client.blocks(next, PAGE).await?;
        for block in page.blocks {
            if left == 0 {
                break;
            }
            next = block.index.saturating_add(1);
            left -= 1;
            match session.format {
                Format::Table => output::line(&show::block_text(&block, session.full)),
                // One line a block, so that a program can read them as they come.
                Format::Json => output::line(&serde_json::to_string(&block).unwrap_or_default()),
            }
        }
        if left > 0 && page.height < next {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
}
