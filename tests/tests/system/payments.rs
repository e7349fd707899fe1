//! Coins, messages and stakes, seen from every node.

use blockchat_tests::{Cluster, Network, micros};
use serde_json::{Value, json};

async fn assert_seen_by_all(cluster: &Cluster, committed: &Value) {
    let id = committed["transaction_id"].as_str().expect("an id");
    for node in &cluster.nodes {
        let seen = blockchat_tests::eventually("the transaction on every node", blockchat_tests::SHORT, async || {
            let answer = node.try_get(&format!("/transactions/{id}")).await?;
            if answer.body["status"] == "committed" { Ok(answer.body) } else { Err(answer.text) }
        })
        .await;
        assert_eq!(seen["block_index"], committed["block_index"]);
        assert_eq!(seen["validator"], committed["validator"]);
        assert_eq!(seen["transaction"], committed["transaction"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_messages_and_stakes_reach_every_node() {
    let mut cluster = Network::of(5).start().await;
    let [sender, receiver] = [cluster.nodes[1].id().await, cluster.nodes[2].id().await];
    let to = receiver.to_string();

    let coins = cluster.nodes[1].transfer(&json!({ "to": to, "amount": "10.000001" })).await;
    let message = cluster.nodes[1].transfer(&json!({ "to": to, "message": "καλημέρα 👋" })).await;
    let both = cluster.nodes[1].transfer(&json!({ "to": to, "amount": "1", "message": "hi" })).await;
    let stake = cluster.nodes[1].stake("100").await;
    for committed in [&coins, &message, &both, &stake] {
        assert_seen_by_all(&cluster, committed).await;
    }
    assert_eq!(message["transaction"]["message"], "καλημέρα 👋");
    assert_eq!(message["transaction"]["sender_id"], sender);
    assert_eq!(message["transaction"]["receiver_id"], receiver);

    // The fees by hand: 3 % of 10.000001 rounded up, ten characters, 3 % of 1 and two characters, nothing.
    let mut earned = std::collections::BTreeMap::<u64, u64>::new();
    for (committed, fee) in [(&coins, "0.300001"), (&message, "10"), (&both, "2.03"), (&stake, "0")] {
        let id = committed["transaction_id"].as_str().expect("an id");
        let receipt = cluster.nodes[4].get(&format!("/transactions/{id}/receipt")).await;
        assert_eq!(receipt["fee"], fee, "{receipt}");
        *earned.entry(receipt["validator_id"].as_u64().expect("a validator")).or_default() += micros(fee);
    }
    let spent = |id: u64| match id {
        _ if id == sender => micros("10.000001") + micros("0.300001") + micros("10") + micros("3.03") + micros("100"),
        _ => 0,
    };
    let received = |id: u64| if id == receiver { micros("11.000001") } else { 0 };
    let mut total = 0;
    for id in 0..5 {
        let state = &cluster.nodes[3].get(&format!("/accounts/{id}")).await["final"];
        let balance = micros(state["balance"].as_str().expect("a balance"));
        let expected = micros("1000") + received(id) + earned.get(&id).copied().unwrap_or_default() - spent(id);
        assert_eq!(balance, expected, "balance of {id}");
        total += balance + micros(state["stake"].as_str().expect("a stake"));
    }
    assert_eq!(total, micros("5000"));
    cluster.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outside_the_network_is_an_account_once_it_is_paid() {
    let mut cluster = Network::of(4).start().await;
    // A valid key that belongs to no member: the wallet of a node that never joined.
    let outsider = include_str!("outsider.pem");
    let paid = cluster.nodes[0].transfer(&json!({ "to": outsider, "amount": "5" })).await;
    let address = paid["transaction"]["receiver_address"].as_str().expect("an address").to_owned();
    assert!(paid["transaction"]["receiver_id"].is_null(), "{paid}");
    assert_seen_by_all(&cluster, &paid).await;

    let chain = cluster.assert_sound().await;
    assert_eq!(chain.replay(cluster.supply())[&address].balance, micros("5"));
    let fingerprint = {
        let account = cluster.nodes[2]
            .get(&format!("/accounts/{}", address.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")))
            .await;
        assert_eq!(account["final"]["balance"], "5");
        account["fingerprint"].as_str().expect("a fingerprint").to_owned()
    };
    let again = cluster.nodes[3].transfer(&json!({ "to": fingerprint, "message": "hello" })).await;
    assert_eq!(again["transaction"]["receiver_address"], *address);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_key_pays_once() {
    let mut cluster = Network::of(4).start().await;
    let body = json!({ "to": "1", "amount": "7" });
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let request = cluster.nodes[0]
            .request(reqwest::Method::POST, "/api/v1/wallet/transactions?wait=committed")
            .header("idempotency-key", "rent-may")
            .json(&body);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        ids.insert(answer["transaction_id"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned());
    }
    assert_eq!(ids.len(), 1);
    let chain = cluster.assert_sound().await;
    assert_eq!(chain.transactions().filter(|(_, transaction)| transaction["amount"] == "7").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lottery_of_a_block_names_its_validator() {
    let mut cluster = Network::of(4).start().await;
    cluster.nodes[2].stake("500").await;
    for node in &cluster.nodes {
        let to = (node.id().await + 1) % 4;
        node.transfer(&json!({ "to": to.to_string(), "message": "x" })).await;
    }
    let chain = cluster.assert_sound().await;
    for block in &chain.blocks()[1..] {
        let index = &block["index"];
        let lottery = cluster.nodes[0].get(&format!("/blocks/{index}/lottery")).await;
        let round = usize::try_from(block["round"].as_u64().expect("a round")).expect("a small number");
        assert_eq!(lottery["winner"], block["validator_id"], "block {index}");
        assert_eq!(lottery["draws"][round]["member"], block["validator_id"], "block {index}");
        assert_eq!(lottery["previous_hash"], block["previous_hash"], "block {index}");

        let certificate = cluster.nodes[1].get(&format!("/blocks/{index}/certificate")).await;
        assert_eq!(certificate["block_hash"], block["current_hash"], "block {index}");
        let signers: std::collections::BTreeSet<_> =
            certificate["signatures"].as_array().expect("signatures").iter().map(|s| s["member"].as_u64()).collect();
        assert!(signers.len() >= 3, "more than 2/3 of 4 signed block {index}: {certificate}");
    }
}
