//! The command line against real nodes: every command, and every way to get one wrong.

use std::os::unix::fs::PermissionsExt as _;

use blockchat_tests::{Cluster, Folder, Network, Shell};
use serde_json::Value;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {value}"))
}

fn user(cluster: &Cluster, node: usize, folder: &Folder) -> Shell {
    Shell::at(folder.path(), &cluster.nodes[node].api_url())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_once() {
    let cluster = Network::of(4).start().await;
    let folder = Folder::new();
    let user = user(&cluster, 1, &folder);
    let me = cluster.nodes[1].id().await;
    let [one, other] = [(me + 1) % 4, (me + 2) % 4].map(|id| id.to_string());

    let coins = user.json(&["t", &one, "12.5"]).await;
    let message = user.json(&["t", &other, "hello", "there"]).await;
    let said = user.json(&["m", &one, "it's 5 o'clock"]).await;
    let both = user.json(&["send", &other, "0.000001", "and a coin"]).await;
    let stake = user.json(&["stake", "10"]).await;
    for answer in [&coins, &message, &said, &both, &stake] {
        assert_eq!(text(answer, "status"), "committed", "{answer}");
    }
    let balance = user.json(&["balance"]).await;
    // 1000 - 12.875 - 11 - 14 - 10.000002 - 10 staked, and whatever fees this node earned as a validator.
    let mine: f64 = text(&balance["final"], "balance").parse().expect("a number");
    assert!(mine >= 942.124_998, "{balance}");
    assert_eq!(text(&balance["final"], "stake"), "10");

    let history = user.json(&["history", "-n", "3"]).await;
    let ids: Vec<&str> = history["transactions"]
        .as_array()
        .expect("items")
        .iter()
        .map(|i| text(&i["transaction"], "transaction_id"))
        .collect();
    assert_eq!(ids, [&stake, &both, &said].map(|answer| text(answer, "transaction_id")));
    let theirs = user.json(&["history", &one]).await;
    assert!(theirs.to_string().contains(text(&coins, "transaction_id")), "{theirs}");

    let index = coins["block_index"].to_string();
    let block = user.json(&["view", &index]).await;
    assert!(block.to_string().contains(text(&coins, "transaction_id")), "{block}");
    let lottery = user.json(&["lottery", &index]).await;
    assert_eq!(lottery["lottery"]["winner"], block["validator_id"]);
    let explained = user.run(&["lottery", &index]).await;
    assert!(explained.out.contains(&format!("Node {} minted it", block["validator_id"])), "{explained:?}");

    let id = text(&coins, "transaction_id");
    let receipt = user.run(&["receipt", id, "--save", "receipt.json"]).await;
    assert!(receipt.code == 0 && receipt.out.starts_with("valid: "), "{receipt:?}");
    // Without any node.
    let nowhere = Shell::at(folder.path(), "http://127.0.0.1:1");
    let verified = nowhere.json(&["verify", "receipt.json"]).await;
    assert_eq!((&verified["valid"], text(&verified, "transaction_id")), (&Value::Bool(true), id));
    let chain_id = text(&verified, "chain_id");
    assert_eq!(nowhere.run(&["verify", "receipt.json", "--chain-id", chain_id]).await.code, 0);

    let network = user.json(&["network"]).await;
    assert_eq!((network["members"].as_array().map(Vec::len), text(&network, "chain_id")), (Some(4), chain_id));
    assert_eq!(text(&user.json(&["status"]).await, "phase"), "ready");
    let watched = user.clone().with(&["--output", "json"]).run(&["watch", "--from", "0", "--count", "2"]).await;
    let indices: Vec<Value> = watched
        .out
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))["index"].clone()
        })
        .collect();
    assert_eq!(indices, [0, 1]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(user.run(&["completions", shell]).await.out.contains("blockchat"));
    }
    for command in ["balance", "history", "view", "network", "status"] {
        let shown = user.run(&[command]).await;
        assert!(shown.code == 0 && shown.out.contains('│') && shown.err.is_empty(), "{command}: {shown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_of_ones_own_needs_no_token() {
    let folder = Folder::new();
    let token = folder.path().join("token");
    std::fs::write(&token, "a-secret-of-the-operator\n").expect("a token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    let cluster = Network::of(4).set("API_TOKEN_FILE", token.display()).start().await;
    let stranger = user(&cluster, 0, &folder);
    let refused = stranger.run(&["balance"]).await;
    assert!(refused.code == 77 && refused.err.contains("--token-file"), "{refused:?}");
    std::fs::write(folder.path().join("wrong"), "guess").expect("a file");
    assert_eq!(stranger.run(&["--token-file", "wrong", "t", "1", "1"]).await.code, 77);
    let operator = stranger.clone().with(&["--token-file", "token"]);

    std::fs::write(folder.path().join("passphrase"), "correct horse battery\n").expect("a file");
    let made = stranger.run(&["wallet", "new", "mine.pem", "--encrypt", "--passphrase-file", "passphrase"]).await;
    assert_eq!(made.code, 0, "{made:?}");
    let mode = std::fs::metadata(folder.path().join("mine.pem")).expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(stranger.run(&["wallet", "new", "mine.pem"]).await.code, 73, "never overwritten");
    assert_eq!(stranger.run(&["wallet", "new", "no/such/folder.pem"]).await.code, 73);
    let locked = stranger.run(&["--wallet", "mine.pem", "balance"]).await;
    assert!(locked.code == 77 && locked.err.contains("--passphrase-file"), "{locked:?}");
    std::fs::write(folder.path().join("other"), "wrong horse battery\n").expect("a file");
    assert_eq!(stranger.run(&["--wallet", "mine.pem", "--passphrase-file", "other", "balance"]).await.code, 77);

    let mine = stranger.clone().with(&["--wallet", "mine.pem", "--passphrase-file", "passphrase"]);
    let export = mine.run(&["wallet", "export"]).await;
    std::fs::write(folder.path().join("mine.pub"), &export.out).expect("a file");
    assert_eq!(text(&mine.json(&["balance"]).await["final"], "balance"), "0");
    operator.json(&["t", "mine.pub", "100"]).await;
    // Another node than the one that paid: it needs no token for a transaction that is signed.
    let elsewhere = user(&cluster, 2, &folder).with(&["--wallet", "mine.pem", "--passphrase-file", "passphrase"]);
    let sent = elsewhere.json(&["send", "3", "5", "hi"]).await;
    assert_eq!(text(&elsewhere.json(&["balance"]).await["final"], "balance"), "92.85");
    let history = elsewhere.json(&["history"]).await;
    assert_eq!(text(&history["transactions"][0]["transaction"], "transaction_id"), text(&sent, "transaction_id"));
    let refused = elsewhere.run(&["stake", "5"]).await;
    assert!(refused.code == 1 && refused.err.contains("members"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_a_line_and_changes_nothing() {
    let mut cluster = Network::of(4).start().await;
    let folder = Folder::new();
    let user = user(&cluster, 0, &folder);
    std::fs::write(folder.path().join("junk"), "junk").expect("a file");
    let id = "0".repeat(64);
    let me = cluster.nodes[0].id().await.to_string();
    let long = "x".repeat(20_000);
    let height = cluster.nodes[0].height().await;
    let cases: &[(&[&str], i32, &str)] = &[
        (&["t", "1", "-3"], 64, "decimal number"),
        (&["t", "1", "0"], 64, "greater than 0"),
        (&["t", "1", "1.0000001"], 64, "6 places"),
        (&["t", "1", "1,5"], 64, "decimal number"),
        (&["t", "1", "99999999999999999999"], 64, "too large"),
        (&["t", "1"], 64, "required"),
        (&["t", "1", "1", "--bogus"], 64, "--bogus"),
        (&["m", "1", ""], 64, "empty"),
        (&["m", "1", &long], 64, "at most"),
        (&["send", "1", "x", "text"], 64, "decimal number"),
        (&["t", "9", "1"], 1, "no node 9"),
        (&["t", &me, "1"], 1, "own wallet"),
        (&["t", "junk", "1"], 65, "junk"),
        (&["t", "ffffffffffffffff", "1"], 1, "network"),
        (&["t", "1", "100000"], 1, "are needed"),
        (&["stake", "100000"], 1, "are needed"),
        (&["stake", "-1"], 64, "decimal number"),
        (&["view", "999999"], 1, "no block"),
        (&["view", "first"], 1, ""),
        (&["lottery", "0"], 1, "genesis"),
        (&["receipt", "abc"], 1, "64"),
        (&["receipt", &id], 1, "no transaction"),
        (&["verify", "nothing"], 66, "nothing"),
        (&["verify", "junk"], 65, "no receipt"),
        (&["verify", "junk", "--chain-id", "zz"], 64, "chain id"),
        (&["history", "-n", "0"], 64, "0"),
        (&["--wallet", "nothing", "balance"], 66, "wallet new"),
        (&["--wallet", "junk", "balance"], 77, "chmod"),
        (&["--token-file", "nothing", "balance"], 66, "nothing"),
        (&["--output", "xml", "balance"], 64, "xml"),
        (&["--timeout", "0", "balance"], 64, "0"),
        (&["wallet", "new", "k.pem", "--encrypt"], 64, "--passphrase-file"),
        (&["wallet", "new", "k.pem", "--encrypt", "--passphrase-file", "junk"], 64, "8 characters"),
        (&["frobnicate"], 64, "frobnicate"),
        (&[], 64, "command"),
    ];
    for (arguments, code, part) in cases {
        let ran = user.run(arguments).await;
        let shown = arguments.iter().map(|argument| argument.chars().take(40).collect::<String>()).collect::<Vec<_>>();
        assert_eq!(ran.code, *code, "{shown:?}: {}", ran.err);
        assert!(ran.err.contains(part) && ran.out.is_empty(), "{shown:?}: {} {}", ran.err, ran.out);
    }
    assert!(!folder.path().join("k.pem").exists());
    assert_eq!(cluster.nodes[0].height().await, height, "nothing was sent");

    let tampered = user.json(&["t", "1", "1"]).await;
    user.run(&["receipt", text(&tampered, "transaction_id"), "--save", "r"]).await;
    let kept = user.run(&["receipt", text(&tampered, "transaction_id"), "--save", "r"]).await;
    assert_eq!(kept.code, 73, "a file is not overwritten: {kept:?}");
    let receipt = std::fs::read_to_string(folder.path().join("r")).expect("the receipt");
    for (from, to) in [
        (r#""fee": "0.03""#, r#""fee": "0.3""#),
        (r#""amount": "1""#, r#""amount": "2""#),
        (r#""round": 0"#, r#""round": 1"#),
        (r#""position": 0"#, r#""position": 1"#),
        (r#""message": """#, r#""message": "x""#),
    ] {
        assert!(receipt.contains(from), "{from} in {receipt}");
        std::fs::write(folder.path().join("r"), receipt.replacen(from, to, 1)).expect("a file");
        let ran = user.run(&["verify", "r"]).await;
        assert!(ran.code == 1 && ran.err.contains("proves nothing"), "{from}: {ran:?}");
    }
    let other_chain = user.run(&["verify", "r", "--chain-id", &id]).await;
    assert!(other_chain.code == 1 && other_chain.err.contains("not of"), "{other_chain:?}");

    let url = cluster.nodes[0].api_url();
    cluster.nodes[0].kill();
    let down = user.run(&["balance"]).await;
    assert!(down.code == 69 && down.err.contains("is the node running"), "{down:?}");
    let by_environment =
        Shell::at(folder.path(), &url).run_in(&[("BLOCKCHAT_TOKEN_FILE", "nothing")], &["status"]).await;
    assert_eq!(by_environment.code, 66, "{by_environment:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_not_joined_says_what_it_waits_for() {
    let mut cluster = Network::of(4).prepare().await;
    cluster.nodes[0].start();
    cluster.nodes[1].start();
    let folder = Folder::new();
    let user = user(&cluster, 1, &folder);
    let status = loop {
        let status = user.run(&["status"]).await;
        if status.code == 0 {
            break status;
        }
        assert_eq!(status.code, 69, "{status:?}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    assert!(status.out.starts_with("joining: "), "{status:?}");
    let refused = user.run(&["t", "0", "1"]).await;
    assert!(refused.code == 75 && refused.err.contains("blockchat status"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_shows_the_cost_and_asks() {
    let cluster = Network::of(4).start().await;
    let folder = Folder::new();
    let user = user(&cluster, 0, &folder);
    let height = cluster.nodes[0].height().await;
    let me = cluster.nodes[0].id().await;
    let to = ((me + 1) % 4).to_string();
    let shown = user
        .type_lines(&[
            "help",
            &format!("t {to} 100"),
            "n",
            "t 77 1",
            &format!("m {to} don't  panic"),
            "y",
            "nonsense",
            "balance",
        ])
        .await;
    assert!(shown.contains("fee 3, total 103, balance after 897 BCC"), "{shown}");
    assert!(shown.contains("nothing was sent"), "{shown}");
    assert!(shown.contains("there is no node 77"), "{shown}");
    assert!(shown.contains("a message of 12 characters"), "{shown}");
    assert!(shown.contains("final in block"), "{shown}");
    assert!(shown.contains("unrecognized subcommand 'nonsense'"), "{shown}");
    let block = cluster.nodes[0].get(&format!("/blocks/{}", height + 1)).await;
    assert_eq!(block["transactions"][0]["message"], "don't  panic", "{block}");
    assert_eq!(cluster.nodes[0].height().await, height + 1, "one transaction");
    let mode =
        std::fs::metadata(folder.path().join("state/blockchat/history")).expect("a history").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_silent_or_still_joining_is_told_apart() {
    let folder = Folder::new();
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", silent.local_addr().expect("an address"));
    let waited = Shell::at(folder.path(), &url).with(&["--timeout", "1"]).run(&["balance"]).await;
    assert_eq!(waited.code, 69, "{waited:?}");
    assert!(waited.err.contains(&url) && waited.err.contains("--timeout gives it more time"), "{waited:?}");

    let mut cluster = Network::of(4).prepare().await;
    cluster.nodes[0].start();
    let user = user(&cluster, 0, &folder);
    blockchat_tests::eventually("the node to answer", blockchat_tests::SHORT, async || {
        cluster.nodes[0].status().await.map(|_| ())
    })
    .await;
    for command in [&["balance"][..], &["t", "1", "5"], &["view"]] {
        let refused = user.run(command).await;
        assert_eq!(refused.code, 75, "{refused:?}");
        assert!(refused.err.contains("not joined"), "{refused:?}");
    }
}
