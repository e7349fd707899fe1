//! Blocks, their certificates, and the lottery.

use std::sync::Arc;

use axum::Json;
use blockchat_api::{
    BlockAnswer, BlockPage, BlockRange, CertificateAnswer, Code, DEFAULT_PAGE_ITEMS, Hash, LotteryAnswer, LotteryDraw,
    LotteryTicket, MAX_PAGE_ITEMS,
};
use blockchat_ledger::lottery;

use crate::http::backend::FinalBlock;
use crate::http::error::ApiError;
use crate::http::extract::{Page, Segment};
use crate::http::render;
use crate::http::state::{Joined, Node};

/// A page ends once its blocks' transactions take this much.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;

/// `GET /blocks/{index|latest|hash}`.
pub async fn show(Node(node): Node, Segment(name): Segment) -> Result<Json<BlockAnswer>, ApiError> {
    let answer = node.read(move |node| Ok(render::block(&*find(node, &name)?, &node.ring))).await?;
    Ok(Json(answer))
}

/// `GET /blocks`.
pub async fn list(Node(node): Node, Page(range): Page<BlockRange>) -> Result<Json<BlockPage>, ApiError> {
    let limit = limit(range.limit)?;
    let from = range.from.unwrap_or(0);
    let height = node.view().height;
    if from > height {
        let detail = format!("from is {from}, but the newest block is {height}");
        return Err(ApiError::new(Code::InvalidPagination, detail));
    }
    let blocks = node.read(move |node| page(node, from, height, limit)).await?;
    let next = from.saturating_add(u64::try_from(blocks.len()).unwrap_or(u64::MAX));
    Ok(Json(BlockPage { blocks, next: (next <= height).then_some(next), height }))
}

fn page(node: &Joined, from: u64, height: u64, limit: usize) -> Result<Vec<BlockAnswer>, ApiError> {
    let mut blocks = Vec::new();
    let mut bytes = 0;
    for index in (from..=height).take(limit) {
        let found = by_index(node, index)?;
        bytes += found.block.transactions.iter().map(|signed| signed.size_bytes()).sum::<usize>();
        blocks.push(render::block(&found, &node.ring));
        if bytes >= MAX_PAGE_BYTES {
            break;
        }
    }
    Ok(blocks)
}

/// `GET /blocks/{index|latest|hash}/certificate`.
pub async fn certificate(Node(node): Node, Segment(name): Segment) -> Result<Json<CertificateAnswer>, ApiError> {
    let found = node.read(move |node| find(node, &name)).await?;
    let certificate = found.certificate.as_ref();
    let missing =
        || ApiError::new(Code::UnknownBlock, "the genesis block is agreed on by the descriptor, not by votes");
    certificate.map(|found| Json(render::certificate(found))).ok_or_else(missing)
}

/// `GET /blocks/{index|latest|hash}/lottery`.
pub async fn lottery(Node(node): Node, Segment(name): Segment) -> Result<Json<LotteryAnswer>, ApiError> {
    let answer = node
        .read(move |node| {
            let found = find(node, &name)?;
            let header = &found.block.header;
            let no_lottery = || ApiError::new(Code::UnknownBlock, "the genesis block was not drawn");
            let winner = render::member_id(&header.validator, &node.ring).ok_or_else(no_lottery)?;
            let missing = || ApiError::new(Code::Internal, "the tickets of this block are not known");
            let tickets = node.chain.tickets(header.index)?.ok_or_else(missing)?;
            Ok(LotteryAnswer {
                index: header.index,
                previous_hash: header.previous_hash,
                draws: lottery::draws(&header.previous_hash, &tickets).iter().map(draw).collect(),
                tickets: (0..).zip(&tickets).map(|(member, tickets)| ticket(member, *tickets)).collect(),
                round: header.round,
                winner,
            })
        })
        .await?;
    Ok(Json(answer))
}

fn draw(draw: &lottery::Draw) -> LotteryDraw {
    LotteryDraw {
        round: draw.round,
        seed: Hash(draw.seed),
        tickets_total: draw.tickets_total.to_string(),
        ticket: draw.ticket.to_string(),
        member: draw.member,
    }
}

fn ticket(member: u16, tickets: u64) -> LotteryTicket {
    LotteryTicket { member, tickets: tickets.to_string() }
}

/// A page's length, as asked for or by default.
pub fn limit(asked: Option<u32>) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(DEFAULT_PAGE_ITEMS);
    if !(1..=MAX_PAGE_ITEMS).contains(&limit) {
        return Err(ApiError::new(Code::InvalidPagination, format!("limit must be from 1 to {MAX_PAGE_ITEMS}")));
    }
    usize::try_from(limit).map_err(|_| ApiError::new(Code::InvalidPagination, "limit is too large"))
}

fn find(node: &Joined, name: &str) -> Result<Arc<FinalBlock>, ApiError> {
    if name == "latest" {
        return by_index(node, node.view().height);
    }
    if let Ok(hash) = name.parse::<Hash>() {
        let unknown = || ApiError::new(Code::UnknownBlock, format!("no block has the hash {hash}"));
        let index = node.chain.height_of(&hash)?.ok_or_else(unknown)?;
        return by_index(node, index);
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ApiError::new(Code::InvalidParameter, "a block is named by its index, its hash, or latest"));
    }
    // An index that doesn't fit is one that no block has.
    by_index(node, name.parse().unwrap_or(u64::MAX))
}

fn by_index(node: &Joined, index: u64) -> Result<Arc<FinalBlock>, ApiError> {
    let unknown = || ApiError::new(Code::UnknownBlock, format!("there is no block {index}"));
    node.chain.block(index)?.ok_or_else(unknown)
}
