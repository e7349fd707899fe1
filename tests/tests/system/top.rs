//! `blockchat top` in a real terminal, against real nodes; and without a terminal.

use blockchat_tests::{Cluster, Folder, Network, Program, SHORT, Screen, Shell, binary, eventually};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::path::Path;

fn urls(cluster: &Cluster) -> String {
    let urls: Vec<String> = cluster.nodes.iter().map(|node| node.api_url()).collect();
    urls.join(",")
}

/// So many payments from a node, one after another.
async fn pay(cluster: &Cluster, node: usize, count: usize) {
    let to = (cluster.nodes[node].id().await + 1) % 4;
    for _ in 0..count {
        cluster.nodes[node].transfer(&json!({ "to": to.to_string(), "message": "x" })).await;
    }
}

fn number_before(text: &str, unit: &str) -> Option<f64> {
    let (before, _) = text.split_once(unit)?;
    before.split_whitespace().next_back()?.parse().ok()
}

/// Which node of the cluster is this member.
async fn cluster_index(cluster: &Cluster, member: u64) -> usize {
    for (index, node) in cluster.nodes.iter().enumerate() {
        if node.id().await == member {
            return index;
        }
    }
    panic!("no node is member {member}");
}

/// The line of this block.
fn shows_block(text: &str, height: u64) -> Option<&str> {
    text.lines().find(|line| line.trim_start().starts_with(&format!("{height} ")))
}

/// Whether the heading tells this height, wherever its line ends.
fn is_at(text: &str, height: u64) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.windows(2).any(|pair| pair == ["height", height.to_string().as_str()])
}

/// Sends a signal to the process whose id is in this file.
fn end(pid: &Path, signal: Signal) {
    let pid = std::fs::read_to_string(pid).expect("a process id");
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("a running process");
}

/// A terminal that was given back: the screen from before, a cursor, and the exit code in its place.
async fn assert_given_back(screen: &Screen, code: i32) {
    let text = screen.shows("the shell", |text| text.contains(&format!("\nexit {code}\n"))).await;
    assert!(text.contains("from before") && !text.contains("nodes answer"), "{text}");
    assert!(!screen.is_alternate() && screen.has_cursor(), "{text}");
    // What is typed is seen again, and an Enter is one.
    screen.line("echo typed; echo done").await;
    screen.shows("an echo", |text| text.contains("echo typed; echo done\ntyped\ndone\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn top_draws_a_network_and_gives_the_terminal_back() {
    let mut cluster = Network::of(4).start().await;
    for (node, stake) in [(1, "30"), (2, "10")] {
        cluster.nodes[node].stake(stake).await;
    }
    let screen = Screen::open(100, 40);
    screen.line("echo from before").await;
    screen.shows("an echo", |text| text.contains("\nfrom before\n")).await;
    screen.blockchat("", &["top", "--nodes", &urls(&cluster), "--interval", "0.3"]).await;
    screen.shows("one chain", |text| text.contains("one chain") && text.contains("4 of 4 nodes answer")).await;
    assert!(screen.is_alternate() && !screen.has_cursor());

    pay(&cluster, 1, 12).await;
    let height = cluster.nodes[1].height().await;
    let shown = screen
        .shows("the payments", |text| {
            let moving = number_before(text, " tx/s").is_some_and(|rate| rate > 0.0);
            // Blocks and comparisons come by other ways than heights.
            let compared = cluster.nodes.iter().all(|node| {
                text.lines()
                    .any(|line| line.contains(&node.api_url()) && line.contains("same") && line.contains("ready"))
            });
            // So do stakes.
            let staked = text.contains("75.0 %");
            let told = staked && compared && shows_block(text, height).is_some();
            moving && is_at(text, height) && text.contains("a block each") && told
        })
        .await;
    assert!(shown.contains("one chain") && shown.contains("no extra rounds"), "{shown}");
    for node in &cluster.nodes {
        let id = node.id().await;
        let row = shown.lines().find(|line| line.contains(&node.api_url())).unwrap_or_else(|| panic!("{shown}"));
        assert_eq!(row.split_whitespace().next(), Some(id.to_string().as_str()), "{row}");
        assert!(row.contains("ready") && row.contains("same"), "{row}");
    }
    assert!(shows_block(&shown, height).is_some_and(|line| line.contains("node ")), "the newest block in {shown}");
    assert!(shown.contains("final after") && shown.contains("/100k") && shown.contains("3/3"), "{shown}");
    // Who has a stake, and who won: all blocks that were seen since, and those before when all had the same chance.
    let members: Vec<Vec<&str>> = shown
        .lines()
        .skip_while(|line| !line.contains("stake BCC"))
        .skip(1)
        .take(4)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let mut won = 0;
    for (id, member) in (0..).zip(&members) {
        let stake = match cluster_index(&cluster, id).await {
            1 => ["30", "75.0"],
            2 => ["10", "25.0"],
            _ => ["0", "0.0"],
        };
        assert_eq!(member[..3], [id.to_string().as_str(), stake[0], stake[1]], "{shown}");
        won += member[4].parse::<u64>().unwrap_or_else(|error| panic!("{error}: {shown}"));
    }
    // Genesis was not drawn.
    assert_eq!(won, height, "{shown}");

    // The node whose blocks are followed goes away; the next one tells them.
    let (gone, url) = (cluster.nodes[0].id().await, cluster.nodes[0].api_url());
    cluster.nodes[0].kill();
    let away = format!("{gone}  not answering: connection refused ({url})");
    screen.shows("the node that is gone", |text| text.contains(&away) && text.contains("3 of 4 nodes answer")).await;
    pay(&cluster, 1, 3).await;
    let height = cluster.nodes[1].height().await;
    screen
        .shows("the network without it", |text| {
            shows_block(text, height).is_some() && is_at(text, height) && text.contains("one chain")
        })
        .await;

    screen.resize(30, 8);
    screen.shows("the figures in little room", |text| text.contains("tx/s") && !text.contains("last blocks")).await;
    screen.resize(160, 40);
    screen.shows("everything", |text| text.contains("last blocks") && text.contains("height told")).await;
    screen.keys(&["p"]);
    screen.shows("that it stands still", |text| text.contains("PAUSED")).await;
    screen.keys(&["?"]);
    screen.shows("the keys", |text| text.contains("pause, go on")).await;
    screen.keys(&["q"]);
    assert_given_back(&screen, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terminal_is_given_back_after_escape_control_c_and_a_signal() {
    let cluster = Network::of(4).start().await;
    for end in ["Escape", "C-c", "SIGTERM"] {
        let screen = Screen::open(80, 24);
        screen.line("echo from before").await;
        let pid = screen.blockchat("NO_COLOR=1", &["--node", &cluster.nodes[0].api_url(), "top"]).await;
        screen.shows("the node", |text| text.contains("1 of 1 nodes answer") && text.contains("last blocks")).await;
        if end == "SIGTERM" {
            self::end(&pid, Signal::TERM);
        } else {
            screen.keys(&[end]);
        }
        assert_given_back(&screen, 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn top_ends_with_its_terminal() {
    let cluster = Network::of(4).start().await;
    let screen = Screen::open(80, 24);
    let pid = screen.blockchat("", &["--node", &cluster.nodes[0].api_url(), "top"]).await;
    screen.shows("the node", |text| text.contains("1 of 1 nodes answer")).await;
    let pid = std::fs::read_to_string(pid).expect("a process id");
    let process = Path::new("/proc").join(pid.trim());
    assert!(process.exists());
    // The window is closed: a hang-up, and nothing to read or draw on any more.
    drop(screen);
    eventually("the process to be gone", SHORT, async || {
        if process.exists() { Err(process.display().to_string()) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prompt_goes_on_after_top() {
    let cluster = Network::of(4).start().await;
    let screen = Screen::open(90, 30);
    let pid = screen.blockchat("", &["--node", &cluster.nodes[0].api_url()]).await;
    let ready = |text: &str| text.trim_end().ends_with("blockchat>");
    for round in 0..2 {
        screen.shows("the prompt", ready).await;
        screen.keys(&["-l", "top"]);
        screen.keys(&["Enter"]);
        screen.shows("the node", |text| text.contains("1 of 1 nodes answer")).await;
        screen.keys(&["q"]);
        let text = screen.shows("the prompt", ready).await;
        assert!(!screen.is_alternate(), "time {round}: {text}");
    }
    screen.keys(&["-l", "status"]);
    screen.keys(&["Enter"]);
    screen.shows("the node's status", |text| text.contains("ready\n") && ready(text)).await;
    end(&pid, Signal::TERM);
    screen.shows("the end", |text| text.contains("exit 143")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_snapshots_are_printed() {
    let mut cluster = Network::of(4).start().await;
    let folder = Folder::new();
    let (list, user) = (urls(&cluster), Shell::at(folder.path(), &cluster.nodes[0].api_url()));
    pay(&cluster, 0, 5).await;
    let height = cluster.nodes[0].height().await;
    let json = user.clone().with(&["--output", "json"]);
    let ran = json.run(&["top", "--nodes", &list, "--count", "2", "--interval", "0.2"]).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
    let snapshots: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(snapshots.len(), 2);
    for snapshot in &snapshots {
        assert_eq!((&snapshot["height"], &snapshot["agreement"]["one_chain"]), (&json!(height), &json!(true)));
        assert_eq!(snapshot["nodes"].as_array().map(Vec::len), Some(4));
        assert!(snapshot["nodes"].as_array().is_some_and(|all| all.iter().all(|node| node["tip"] == "agrees")));
        assert!(snapshot["figures"]["transactions_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{snapshot}");
        assert!(snapshot["figures"]["transaction_finality_p95_us"].as_u64().is_some(), "{snapshot}");
        assert!(snapshot["nodes"][0]["pool_capacity"].as_u64().is_some_and(|most| most > 0), "{snapshot}");
        let won = |member: &Value| member["blocks_won"].as_u64().expect("a number");
        let won: u64 = snapshot["members"].as_array().expect("members").iter().map(won).sum();
        assert_eq!((won, &snapshot["blocks_seen"]), (height, &json!(height + 1)), "all but genesis: {snapshot}");
        let (block, newest) = (cluster.nodes[2].get("/blocks/latest").await, &snapshot["blocks"][0]);
        assert_eq!((&newest["index"], &newest["validator_id"]), (&block["index"], &block["validator_id"]));
        assert_eq!((&newest["fees"], &newest["transactions"]), (&block["fees"], &json!(1)));
    }

    cluster.nodes[3].kill();
    let text = user.run(&["top", "--nodes", &list, "--count", "1"]).await;
    assert_eq!((text.code, text.err.as_str()), (0, ""), "{text:?}");
    for part in ["not answering: connection refused", "3 of 4 nodes answer", "one chain", "last blocks"] {
        assert!(text.out.contains(part), "{part}: {}", text.out);
    }
    assert!(!text.out.contains('\u{1b}'), "{text:?}");

    // Without a number of snapshots it goes on.
    let log = folder.path().join("printed");
    let mut endless = Program::start(&binary("blockchat"), ["top", "--nodes", &list, "--interval", "0.1"], [], &log);
    eventually("three snapshots", SHORT, async || {
        let output = endless.output();
        if output.matches("one chain").count() >= 3 { Ok(()) } else { Err(output) }
    })
    .await;
    assert!(endless.ended().is_none());
    endless.kill();

    let down = user.run(&["top", "--nodes", &cluster.nodes[3].api_url(), "--count", "1"]).await;
    assert!(down.code == 69 && down.err.contains("connection refused"), "{down:?}");
    let cases: &[(&[&str], &str)] = &[
        (&["--interval", "0"], "from 0.1 to 3600"),
        (&["--interval", "soon"], "from 0.1 to 3600"),
        (&["--count", "0"], "0"),
        (&["--nodes", "http://127.0.0.1:8000,nonsense"], "nonsense"),
        (&["--nodes", "https://127.0.0.1:8000"], "http://"),
        (&["--nodes", "http://127.0.0.1:8000,http://127.0.0.1:8000/"], "twice"),
    ];
    for (arguments, part) in cases {
        let ran = user.run(&[&["top"], *arguments].concat()).await;
        assert_eq!(ran.code, 64, "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(part) && ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
}
