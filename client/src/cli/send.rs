//! Commands that spend: coins, messages, stakes.

use super::failure::{EXIT_REFUSED, Failure};
use super::output;
use super::session::Session;
use blockchat_client::api::{NetworkAnswer, SubmitAnswer, TransactionStatus};
use blockchat_ledger::{Amount, MAX_MESSAGE_BYTES};

/// What is to be sent, checked as far as that needs no node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    pub recipient: String,
    pub amount: Option<Amount>,
    pub message: Option<String>,
}

impl Payment {
    /// `t RECIPIENT AMOUNT`, or `t RECIPIENT TEXT`: the assignment's one command for both. What looks like a number must
    /// be an amount, so that a slip of the finger is not sent as text.
    pub fn from_t(recipient: &str, what: &[String]) -> Result<Self, Failure> {
        match what {
            [one] if looks_like_a_number(one) => Self::coins(recipient, one),
            words => Self::message(recipient, &words.join(" ")),
        }
    }

    pub fn coins(recipient: &str, amount: &str) -> Result<Self, Failure> {
        Ok(Self { recipient: recipient.to_owned(), amount: Some(parse_positive(amount)?), message: None })
    }

    pub fn message(recipient: &str, text: &str) -> Result<Self, Failure> {
        Ok(Self { recipient: recipient.to_owned(), amount: None, message: Some(check_message(text)?) })
    }

    pub fn both(recipient: &str, amount: &str, text: &str) -> Result<Self, Failure> {
        Ok(Self { message: Some(check_message(text)?), ..Self::coins(recipient, amount)? })
    }

    pub fn characters(&self) -> u64 {
        self.message.as_deref().map_or(0, |text| u64::try_from(text.chars().count()).unwrap_or(u64::MAX))
    }

    /// What it costs on this network: the amount and the fee; none if that is more than any balance can be.
    pub fn cost(&self, network: &NetworkAnswer) -> Option<Cost> {
        let parameters = &network.parameters;
        let amount = self.amount.unwrap_or_default();
        let for_coins = amount.percent_rounded_up(parameters.coin_fee_percent)?;
        let for_text = parameters.message_fee.checked_mul(self.characters())?;
        let fee = for_coins.checked_add(for_text)?;
        Some(Cost { fee, total: amount.checked_add(fee)? })
    }
}

/// What leaves the sender's balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub fee: Amount,
    pub total: Amount,
}

fn looks_like_a_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '_');
    digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') && digits.chars().all(numeric)
}

pub fn parse_amount(text: &str) -> Result<Amount, Failure> {
    text.parse().map_err(|error| Failure::usage(format!("{text:?}: {error}")))
}

fn parse_positive(text: &str) -> Result<Amount, Failure> {
    let amount = parse_amount(text)?;
    if amount.is_zero() { Err(Failure::usage("the amount must be greater than 0")) } else { Ok(amount) }
}

fn check_message(text: &str) -> Result<String, Failure> {
    if text.is_empty() {
        return Err(Failure::usage("the message is empty"));
    }
    if text.len() > MAX_MESSAGE_BYTES {
        let detail = format!("the message has {} bytes, at most {MAX_MESSAGE_BYTES} are allowed", text.len());
        return Err(Failure::usage(detail));
    }
    Ok(text.to_owned())
}

/// Sends a payment and says what became of it.
pub async fn pay(session: &Session, payment: &Payment) -> Result<(), Failure> {
    let answer = session.pay(&payment.recipient, payment.amount, payment.message.as_deref()).await?;
    report(session, &answer).await
}

/// Sets the stake and says what became of it.
pub async fn stake(session: &Session, amount: &str) -> Result<(), Failure> {
    let answer = session.stake(parse_amount(amount)?).await?;
    report(session, &answer).await
}

/// What a payment would cost and leave; refuses what can't be paid.
pub async fn preview(session: &Session, payment: &Payment) -> Result<String, Failure> {
    let network = session.network().await?;
    if let Ok(id) = payment.recipient.parse::<u16>()
        && network.members.iter().all(|member| member.id != id)
    {
        let last = network.members.len().saturating_sub(1);
        return Err(Failure::new(EXIT_REFUSED, format!("there is no node {id}: ids go from 0 to {last}")));
    }
    let balance = session.account().await?.pending.balance;
    let too_much = || Failure::new(EXIT_REFUSED, "the cost is larger than any balance can be");
    let cost = payment.cost(&network).ok_or_else(too_much)?;
    let Some(after) = balance.checked_sub(cost.total) else {
        let (total, balance) = (output::amount(cost.total), output::amount(balance));
        return Err(Failure::new(EXIT_REFUSED, format!("{total} BCC are needed, {balance} can be spent")));
    };
    let mut parts = Vec::new();
    if let Some(amount) = payment.amount {
        parts.push(format!("{} BCC", output::amount(amount)));
    }
    if payment.message.is_some() {
        let count = payment.characters();
        parts.push(format!("a message of {count} character{}", if count == 1 { "" } else { "s" }));
    }
    Ok(format!(
        "{} to {}: fee {}, total {}, balance after {} BCC",
        parts.join(" and "),
        payment.recipient,
        output::amount(cost.fee),
        output::amount(cost.total),
        output::amount(after),
    ))
}

async fn report(session: &Session, answer: &SubmitAnswer) -> Result<(), Failure> {
    let fate = match (answer.status, answer.block_index) {
        (TransactionStatus::Committed, Some(index)) => {
            let validator = session.client.transaction(&answer.transaction_id.to_string()).await?.validator_id;
            let minted = validator.map(|id| format!(", minted by node {id}")).unwrap_or_default();
            format!("final in block {index}{minted}")
        }
        _ => "in the pool".to_owned(),
    };
    output::show(session.format, answer, || format!("{fate}\ntransaction {}", answer.transaction_id));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn t(what: &[&str]) -> Result<Payment, Failure> {
        Payment::from_t("3", &what.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn t_takes_coins_and_text() {
        assert_eq!(t(&["12.5"]).unwrap().amount, Some("12.5".parse().unwrap()));
        assert_eq!(t(&["hello", "there"]).unwrap().message.as_deref(), Some("hello there"));
        assert_eq!(t(&["2", "be", "or"]).unwrap().message.as_deref(), Some("2 be or"));
        assert_eq!(t(&["-)"]).unwrap().message.as_deref(), Some("-)"));
    }

    #[test]
    fn what_looks_like_a_number_is_never_sent_as_text() {
        for slip in ["-5", "+5", "1,5", "0", "0.0000001", "1.2.3", ".5", "5.", "1_000", "99999999999999999999"] {
            let failure = t(&[slip]).unwrap_err();
            assert_eq!(failure.code, super::super::failure::EXIT_USAGE, "{slip}: {failure}");
        }
        assert!(t(&[""]).is_err());
        assert!(Payment::message("3", &"x".repeat(MAX_MESSAGE_BYTES + 1)).is_err());
    }
}
