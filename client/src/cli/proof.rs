//! Commands that prove: the lottery drawn again, receipts checked.

use super::failure::{EXIT_CANT_CREATE, EXIT_DATA, EXIT_NO_INPUT, EXIT_REFUSED, Failure};
use super::output::{self, right, table};
use super::session::Session;
use blockchat_client::api::{Hash, LotteryAnswer, ReceiptAnswer};
use blockchat_client::{VerifiedReceipt, verify_receipt};
use blockchat_ledger::lottery::{self, Draw};
use serde_json::json;
use std::path::Path;

/// `lottery`.
pub async fn lottery(session: &Session, block: &str) -> Result<(), Failure> {
    let answer = session.client.lottery(block).await?;
    let drawn = draw_again(&answer)?;
    let value = json!({ "lottery": answer, "drawn_again": true });
    output::show(session.format, &value, || explain(&answer, &drawn));
    Ok(())
}

/// Draws with the tickets and the hash that the node gave, and compares everything it says with the outcome.
fn draw_again(answer: &LotteryAnswer) -> Result<Vec<Draw>, Failure> {
    let differs =
        |what: String| Failure::new(EXIT_REFUSED, format!("the node's lottery is not the one of its data: {what}"));
    let mut tickets = Vec::with_capacity(answer.tickets.len());
    for (place, entry) in answer.tickets.iter().enumerate() {
        if usize::from(entry.member) != place {
            return Err(differs("the tickets are not in the order of the members".to_owned()));
        }
        tickets.push(entry.tickets.parse::<u64>().map_err(|_| differs(format!("{:?} is no number", entry.tickets)))?);
    }
    let drawn = lottery::draws(&answer.previous_hash, &tickets);
    for draw in &drawn {
        let same = answer.draws.iter().any(|said| {
            said.round == draw.round
                && said.seed == Hash(draw.seed)
                && said.ticket == draw.ticket.to_string()
                && said.tickets_total == draw.tickets_total.to_string()
                && said.member == draw.member
        });
        if !same {
            return Err(differs(format!("round {} draws node {}", draw.round, draw.member)));
        }
    }
    let winner = lottery::drawn(&answer.previous_hash, &tickets, answer.round);
    if winner != Some(answer.winner) {
        return Err(differs(format!("round {} does not draw node {}", answer.round, answer.winner)));
    }
    Ok(drawn)
}

fn explain(answer: &LotteryAnswer, drawn: &[Draw]) -> String {
    let rule = if answer.tickets.iter().all(|entry| entry.tickets == "0") {
        "Nobody had a stake, so that each member has one ticket."
    } else {
        "Each millionth of a staked BCC is a ticket; a member without a stake comes after those with one."
    };
    let text = format!(
        "Block {} is drawn from the hash of the block before it,\n{}.\n{rule}\n",
        answer.index, answer.previous_hash
    );
    let mut rows = table(&["round", "ticket drawn", "of", "owner", "owns tickets"]);
    let mut left: Vec<(u16, u64)> =
        answer.tickets.iter().filter_map(|entry| Some((entry.member, entry.tickets.parse().ok()?))).collect();
    for draw in drawn {
        if left.iter().all(|(_, tickets)| *tickets == 0) {
            for (_, tickets) in &mut left {
                *tickets = 1;
            }
        }
        let mut first = 0_u64;
        let mut owned = String::new();
        for (member, tickets) in &left {
            if *member == draw.member {
                owned = format!("{first} to {}", first.saturating_add(*tickets).saturating_sub(1));
                break;
            }
            first = first.saturating_add(*tickets);
        }
        left.retain(|(member, _)| *member != draw.member);
        let mark = if draw.round == answer.round { " <" } else { "" };
        rows.add_row([
            right(draw.round),
            right(draw.ticket),
            right(draw.tickets_total),
            format!("node {}{mark}", draw.member).into(),
            right(owned),
        ]);
    }
    let why = if answer.round == 0 {
        "the first one drawn".to_owned()
    } else {
        format!("drawn for round {}: the ones before did not get a block through in time", answer.round)
    };
    format!(
        "{text}{rows}\nNode {} minted it: {why}. Drawn again here from the same data, with the same outcome.",
        answer.winner
    )
}

/// `receipt`.
pub async fn receipt(session: &Session, id: &str, save: Option<&Path>) -> Result<(), Failure> {
    let answer = session.client.receipt(id).await?;
    let chain_id = session.network().await?.chain_id;
    let verified = verify_receipt(&answer, Some(&chain_id))?;
    if let Some(path) = save {
        let text = serde_json::to_string_pretty(&answer).unwrap_or_default();
        let wrote = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        wrote.map_err(|error| Failure::new(EXIT_CANT_CREATE, format!("{}: {error}", path.display())))?;
    }
    output::show(session.format, &answer, || {
        let saved = save.map(|path| format!("\nkept in {}", path.display())).unwrap_or_default();
        format!("{}{saved}", verified_text(&answer, &verified))
    });
    Ok(())
}

/// `verify`.
pub fn verify(format: super::args::Format, file: &Path, chain_id: Option<&str>) -> Result<(), Failure> {
    let expected = chain_id
        .map(|text| text.parse::<Hash>().map_err(|_| Failure::usage("a chain id is 64 lower-case hexadecimal digits")))
        .transpose()?;
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::new(EXIT_NO_INPUT, format!("{}: {error}", file.display())))?;
    let answer: ReceiptAnswer = serde_json::from_str(&text)
        .map_err(|error| Failure::new(EXIT_DATA, format!("{} is no receipt: {error}", file.display())))?;
    let verified = verify_receipt(&answer, expected.as_ref())?;
    let value = json!({
        "valid": true,
        "chain_id": verified.chain_id,
        "transaction_id": verified.transaction_id,
        "block_index": verified.block_index,
        "signers": verified.signers.0,
        "members": verified.signers.1,
    });
    output::show(format, &value, || {
        let compare = if expected.is_none() {
            "\nCompare the chain id with one you trust, or give it with --chain-id."
        } else {
            ""
        };
        format!("{}\nchain {}{compare}", verified_text(&answer, &verified), verified.chain_id)
    });
    Ok(())
}

fn verified_text(answer: &ReceiptAnswer, verified: &VerifiedReceipt) -> String {
    let item = &answer.transaction;
    let mut what = output::kind(item.type_of_transaction).to_owned();
    if !output::moved(item).is_empty() {
        what = format!("{what}, {} BCC", output::moved(item));
    }
    if !item.message.is_empty() {
        what = format!("{what}: {}", output::text(&item.message));
    }
    format!(
        "valid: {} of {} members signed block {}, which holds this transaction\nfrom {} to {}: {what}\nfee {} BCC to {}\n\
         transaction {}",
        verified.signers.0,
        verified.signers.1,
        verified.block_index,
        output::who(item.sender_id, &item.sender_address),
        output::who(item.receiver_id, &item.receiver_address),
        output::amount(answer.fee),
        output::who(answer.validator_id, &answer.validator),
        verified.transaction_id
    )
}
