//! Commands that look: accounts, history, blocks, the network, the node.

use super::failure::Failure;
use super::output::{self, right, table, who};
use super::session::{Session, Signer};
use blockchat_client::api::{
    AccountAnswer, BlockAnswer, HistoryPage, NetworkAnswer, Phase, StatusAnswer, TransactionItem, TransactionStatus,
};

/// `balance`.
pub async fn balance(session: &Session, address: Option<&str>) -> Result<(), Failure> {
    let account = match address {
        Some(address) => session.client.account(&super::session::address(address)?).await?,
        None => session.account().await?,
    };
    output::show(session.format, &account, || balances(&account));
    Ok(())
}

fn balances(account: &AccountAnswer) -> String {
    let mut rows = table(&["", "balance BCC", "stake BCC", "next nonce"]);
    let mut row = |name: &str, of: &blockchat_client::api::Balances| {
        rows.add_row([
            name.into(),
            right(output::amount(of.balance)),
            right(output::amount(of.stake)),
            right(of.nonce),
        ]);
    };
    row("final", &account.final_state);
    if account.pending != account.final_state {
        row("with what is pending", &account.pending);
    }
    let name = account.id.map_or_else(String::new, |id| format!("node {id}, "));
    format!("{name}fingerprint {}\n{rows}", account.fingerprint)
}

/// `history`.
pub async fn history(session: &Session, address: Option<&str>, limit: u32) -> Result<(), Failure> {
    let (page, me) = match (address, &session.signer) {
        (Some(address), _) => {
            let account = session.client.account(&super::session::address(address)?).await?;
            (session.client.account_history(&account.address, None, limit).await?, account.address)
        }
        (None, Signer::Local(wallet)) => {
            let address = wallet.public_key().to_base64();
            (session.client.account_history(&address, None, limit).await?, address)
        }
        (None, Signer::Node) => (session.client.history(None, limit).await?, session.client.wallet().await?.address),
    };
    output::show(session.format, &page, || history_table(&page, &me, session.full));
    Ok(())
}

fn history_table(page: &HistoryPage, me: &str, full: bool) -> String {
    let mut rows = table(&["", "who", "what", "BCC", "message", "status", "block", "validator", "transaction"]);
    let mut row = |item: &TransactionItem, status: String, block: String, validator: String| {
        let sent = item.sender_address == me;
        let other = match (sent, &item.receiver_address) {
            (true, receiver) if receiver == "0" => String::new(),
            (true, receiver) => who(item.receiver_id, receiver),
            (false, _) => who(item.sender_id, &item.sender_address),
        };
        rows.add_row([
            if sent { "to".into() } else { "from".into() },
            other.into(),
            output::kind(item.type_of_transaction).into(),
            right(output::moved(item)),
            output::text(&item.message).into(),
            status.into(),
            right(block),
            validator.into(),
            output::id(item.transaction_id, full).into(),
        ]);
    };
    for item in &page.uncommitted {
        let status = item
            .reason
            .as_ref()
            .map_or_else(|| word(item.status).to_owned(), |reason| format!("{} ({reason})", word(item.status)));
        row(&item.transaction, status, String::new(), String::new());
    }
    for item in &page.transactions {
        let validator = item.validator_id.map_or_else(String::new, |id| format!("node {id}"));
        row(&item.transaction, word(item.status).to_owned(), item.block_index.to_string(), validator);
    }
    if page.transactions.is_empty() && page.uncommitted.is_empty() {
        return "nothing was sent or received yet".to_owned();
    }
    let more = if page.next.is_some() { "\nthere is more: -n NUMBER" } else { "" };
    format!("{rows}{more}")
}

/// A status in a word.
pub fn word(status: TransactionStatus) -> &'static str {
    match status {
        TransactionStatus::Pending => "pending",
        TransactionStatus::Committed => "final",
        TransactionStatus::Rejected => "rejected",
        TransactionStatus::Expired => "expired",
    }
}

/// `view`.
pub async fn view(session: &Session, block: &str) -> Result<(), Failure> {
    let answer = session.client.block(block).await?;
    output::show(session.format, &answer, || block_text(&answer, session.full));
    Ok(())
}

/// A block for people.
pub fn block_text(block: &BlockAnswer, full: bool) -> String {
    let round = match (block.round, block.commit_round) {
        (minted, Some(committed)) if minted != committed => format!("minted in round {minted}, final in {committed}"),
        (minted, _) => format!("round {minted}"),
    };
    let head = format!(
        "block {}  {} UTC  {}  validator {}  fees {} BCC\nhash {}\nprevious {}",
        block.index,
        output::time(block.timestamp_ms),
        round,
        who(block.validator_id, &block.validator),
        output::amount(block.fees),
        block.current_hash,
        block.previous_hash
    );
    if block.transactions.is_empty() {
        return format!("{head}\nno transactions");
    }
    let mut rows = table(&["from", "to", "what", "BCC", "fee", "message", "transaction"]);
    for (item, receipt) in block.transactions.iter().zip(&block.receipts) {
        rows.add_row([
            who(item.sender_id, &item.sender_address).into(),
            who(item.receiver_id, &item.receiver_address).into(),
            output::kind(item.type_of_transaction).into(),
            right(output::moved(item)),
            right(output::amount(receipt.fee)),
            output::text(&item.message).into(),
            output::id(item.transaction_id, full).into(),
        ]);
    }
    format!("{head}\n{rows}")
}

/// `network`.
pub async fn network(session: &Session) -> Result<(), Failure> {
    let answer = session.network().await?;
    output::show(session.format, &answer, || network_text(&answer));
    Ok(())
}

fn network_text(network: &NetworkAnswer) -> String {
    let parameters = &network.parameters;
    let mut rows = table(&["id", "fingerprint", "where members reach it"]);
    for member in &network.members {
        let url = member.url.clone().unwrap_or_default();
        rows.add_row([right(member.id), member.fingerprint.clone().into(), output::text(&url).into()]);
    }
    format!(
        "chain {}\n{} nodes, capacity {}, {} BCC each at the start, coins cost {} %, a character {} BCC, a transaction \
         lives {} blocks\n{rows}",
        network.chain_id,
        parameters.nodes,
        parameters.capacity,
        output::amount(parameters.endowment),
        parameters.coin_fee_percent,
        output::amount(parameters.message_fee),
        parameters.ttl_blocks
    )
}

/// `status`.
pub async fn status(session: &Session) -> Result<(), Failure> {
    let answer = session.client.status().await?;
    output::show(session.format, &answer, || status_text(&answer));
    Ok(())
}

fn status_text(status: &StatusAnswer) -> String {
    let phase = match status.phase {
        Phase::Joining => "joining",
        Phase::Syncing => "syncing",
        Phase::Ready => "ready",
    };
    let mut lines = vec![match &status.waiting_for {
        Some(reason) => format!("{phase}: {reason}"),
        None => phase.to_owned(),
    }];
    if let (Some(id), Some(height)) = (status.id, status.height) {
        let pool = status.pool.as_ref().map_or(0, |pool| pool.transactions);
        let votes = if status.voting == Some(false) { ", does not vote (it lost its log)" } else { "" };
        lines.push(format!("node {id}, height {height}, {pool} pending{votes}, version {}", status.version));
        let mut rows = table(&["peer", "connected", "height"]);
        for peer in &status.peers {
            let height = peer.height.map_or_else(|| "unknown".to_owned(), |height| height.to_string());
            rows.add_row([right(peer.id), if peer.connected { "yes".into() } else { "no".into() }, right(height)]);
        }
        if !status.peers.is_empty() {
            lines.push(rows.to_string());
        }
    }
    lines.join("\n")
}
