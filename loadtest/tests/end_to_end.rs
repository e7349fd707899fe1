//! The program against fake nodes: what it sends, counts, waits for, and notices.

mod fake;

use blockchat_loadtest::fire::{self, Policy, WhenBroke};
use blockchat_loadtest::network::Network;
use blockchat_loadtest::progress::Progress;
use blockchat_loadtest::report::schema::{Experiment, Load, Money, Report, Run};
use blockchat_loadtest::run::measure;
use fake::{Fake, Fault, Setup};
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::process::Command;

/// A folder with `transN.txt` of some lines each, and a place for the report.
fn files(texts: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (id, text) in texts.iter().enumerate() {
        std::fs::write(folder.path().join(format!("trans{id}.txt")), text).unwrap();
    }
    folder
}

async fn program(arguments: &[&str]) -> Output {
    let program = Command::new(env!("CARGO_BIN_EXE_blockchat-loadtest"))
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(Duration::from_mins(1), program).await.expect("it ends").unwrap()
}

async fn fire(fake: &Fake, folder: &Path, further: &[&str]) -> (i32, String, Report) {
    let (nodes, output) = (fake.urls.join(","), folder.join("report"));
    let (input, output) = (folder.to_str().unwrap(), output.to_str().unwrap());
    let usual = ["fire", "--nodes", &nodes, "--input", input, "--output", output];
    let finished = program(&[&usual, further].concat()).await;
    let said = String::from_utf8(finished.stderr).unwrap() + &String::from_utf8(finished.stdout).unwrap();
    (finished.status.code().unwrap(), said, read_report(folder))
}

fn read_report(folder: &Path) -> Report {
    let text = std::fs::read_to_string(folder.join("report/report.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn only_run(report: &Report) -> (&Run, &Load) {
    let run = &report.parts[0].runs[0];
    (run, run.load.as_ref().unwrap())
}

/// `count` lines of ten characters to node `to`.
fn lines(to: u16, count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|line| format!("id{to} line {line:05}\n")).collect();
    lines.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_is_sent_once_committed_and_counted() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&[&lines(1, 20), &lines(2, 20), "id0 folded\nid2 oneself\nid5 both\n"]);
    let (code, said, report) = fire(&fake, folder.path(), &["--stake", "10,0=20"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("committed tx/s") && said.contains("one chain"), "{said}");
    let (run, load) = only_run(&report);
    assert_eq!((load.attempted, load.accepted, load.committed), (43, 43, 43));
    assert_eq!((load.lost, load.duplicated, load.repeated, load.response.count), (0, 0, 0, 43));
    assert!(load.rejected.is_empty() && run.problems.is_empty());
    assert!(load.throughput.committed_per_second > 0.0 && load.throughput.client_per_second > 0.0);
    assert!(load.block_time.blocks >= 9 && load.block_time.committed_interval.mean_ms > 0.0);
    assert!(load.committing_seconds >= load.sending_seconds);
    let stakes: Vec<String> = load.stakes.values().map(ToString::to_string).collect();
    assert_eq!(stakes, ["20", "10", "10"]);
    let chain = run.chain.as_ref().unwrap();
    assert!(chain.one_chain);
    assert_eq!(chain.supply_found, Some(chain.supply_expected));
    assert!(report.complete);
    let world = fake.world();
    let sent = |to: &str, text: &str| (to.to_owned(), text.to_owned());
    // Oneself becomes the next node: 2 → 0; 5 folds down to 2, which is oneself again.
    assert_eq!(world.sent[2], [sent("0", "folded"), sent("0", "oneself"), sent("0", "both")]);
    assert_eq!(world.sent[0][19], sent("1", "line 00019"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_request_in_flight_for_each_node_and_keys_differ() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&[&lines(1, 10), &lines(2, 10), &lines(0, 10)]);
    let (code, said, _) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 0, "{said}");
    let mut keys = fake.world().requests.clone();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_money_fail_counts_the_refusals() {
    // 100 BCC pay for ten lines; fees go round, so a few more may be paid.
    let fake = Fake::start(Setup { endowment: 100, burn_fees: false, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 30), &lines(2, 30), &lines(0, 30)]);
    let (code, said, report) = fire(&fake, folder.path(), &["--when-broke", "fail"]).await;
    assert_eq!(code, 0, "a refusal is no failure: {said}");
    let (_, load) = only_run(&report);
    assert_eq!(load.attempted, 90);
    assert!(load.rejected["insufficient_balance"] > 0);
    assert_eq!(load.accepted + load.rejected["insufficient_balance"], 90);
    assert_eq!(load.committed, load.accepted);
    assert!(load.waiting_for_money_seconds.abs() < f64::EPSILON);
    assert_eq!(fake.world().requests.len(), 90, "nothing is sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_money_wait_lives_on_fees() {
    // Every node sends as much as every other and wins every third block, so each line is paid in the end.
    let fake = Fake::start(Setup { endowment: 100, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 30), &lines(2, 30), &lines(0, 30)]);
    let (code, said, report) = fire(&fake, folder.path(), &["--when-broke", "wait", "--patience", "1"]).await;
    assert_eq!(code, 0, "{said}");
    let (run, load) = only_run(&report);
    let refused = load.rejected.get("insufficient_balance").copied().unwrap_or_default();
    assert_eq!(load.accepted + refused, 90);
    assert!(load.accepted > 60, "fees came in while waiting: {load:?}");
    assert!(load.waiting_for_money_seconds > 0.0);
    let waited: f64 = load.clients.iter().map(|client| client.waiting_for_money_seconds).sum();
    assert!((waited - load.waiting_for_money_seconds).abs() < 1e-6);
    assert_eq!(run.chain.as_ref().unwrap().supply_found.unwrap().to_string(), "300");
    assert!(fake.world().requests.len() > 90, "refused lines are sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_money_that_never_comes_ends() {
    let fake = Fake::start(Setup { endowment: 5, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 5), &lines(2, 5), &lines(0, 5)]);
    let started = Instant::now();
    let (code, said, report) = fire(&fake, folder.path(), &["--when-broke", "wait", "--patience", "1"]).await;
    assert_eq!(code, 0, "{said}");
    let (_, load) = only_run(&report);
    assert_eq!(load.rejected["insufficient_balance"], 15);
    assert_eq!(load.accepted, 0);
    let waited = load.waiting_for_money_seconds;
    assert!((3.0..4.0).contains(&waited), "each of three clients waits once, not for each line: {waited}");
    assert!(started.elapsed().as_secs() < 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_requests_are_repeated_under_the_same_key() {
    let faults = vec![
        (0, vec![Some(Fault::LoseAnswer), None, Some(Fault::LoseRequest), Some(Fault::LoseAnswer)]),
        (1, vec![Some(Fault::PoolFull), Some(Fault::PoolFull), None]),
    ];
    let fake = Fake::start(Setup { faults, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 4), &lines(2, 4), &lines(0, 4)]);
    let (code, said, report) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 0, "{said}");
    let (_, load) = only_run(&report);
    assert_eq!((load.attempted, load.accepted, load.committed), (12, 12, 12));
    assert_eq!(load.repeated, 5);
    let world = fake.world();
    assert_eq!(world.requests.len(), 17);
    assert_eq!(world.sent[0].len(), 4, "nothing was paid twice: {:?}", world.sent[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_gone_is_reported_and_the_others_go_on() {
    let faults = vec![(1, vec![Some(Fault::LoseRequest); 1_000])];
    let fake = Fake::start(Setup { faults, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 4), &lines(2, 40), &lines(0, 4)]);
    let lines = blockchat_loadtest::input::read_directory(folder.path(), 0..3).unwrap();
    let network = Network::connect(&fake.urls, &blockchat_client::Options::default()).await.unwrap();
    let bound = Duration::from_millis(300);
    let policy = Policy { when_broke: WhenBroke::Fail, patience: bound, retry_bound: bound, gone_bound: bound };
    let plans = fire::plan(&network, &lines);
    let run = measure(&network, plans, policy, &Progress::default()).await.unwrap().run;
    assert_eq!(run.failed_nodes.len(), 1);
    assert_eq!(run.failed_nodes[0].node, 1);
    assert!(run.failed_nodes[0].error.starts_with("sending line 1"), "{:?}", run.failed_nodes);
    let load = run.load.unwrap();
    assert_eq!((load.attempted, load.accepted, load.committed), (9, 8, 8), "one line is tried, not forty");
    assert!(run.problems.is_empty(), "{:?}", run.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_in_the_middle_has_its_exit_code() {
    let faults = vec![(1, vec![Some(Fault::LoseRequest); 100_000])];
    let fake = Fake::start(Setup { faults, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 4), &lines(2, 4), &lines(0, 4)]);
    let (code, said, report) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 69, "{said}");
    assert!(said.contains("node 1 failed: sending line 1"), "{said}");
    assert!(report.complete);
    assert_eq!(only_run(&report).1.committed, 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_fails_the_run_and_names_the_height() {
    let fake = Fake::start(Setup { fork: Some((2, 1)), ..Setup::default() }).await;
    let folder = files(&[&lines(1, 4), &lines(2, 4), &lines(0, 4)]);
    let (code, said, report) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("forked: at height 1 node 0 has block"), "{said}");
    let (run, _) = only_run(&report);
    assert!(!run.chain.as_ref().unwrap().one_chain && report.complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_dropped_and_duplicated_transactions_are_told_apart() {
    let faults = vec![
        (0, vec![None, Some(Fault::Forget)]),
        (1, vec![None, Some(Fault::Drop)]),
        (2, vec![None, Some(Fault::Twice)]),
    ];
    let fake = Fake::start(Setup { faults, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 4), &lines(2, 4), &lines(0, 4)]);
    let (code, said, report) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 1, "{said}");
    let (_, load) = only_run(&report);
    assert_eq!((load.accepted, load.committed, load.lost, load.duplicated), (12, 10, 1, 1));
    assert_eq!(load.dropped["nonce_used"], 1);
    assert!(said.contains("1 accepted transactions are in no block"), "{said}");
    assert!(said.contains("1 transactions stand in more than one block"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_supply_fails_the_run() {
    let fake = Fake::start(Setup { burn_fees: true, ..Setup::default() }).await;
    let folder = files(&["id1 ten chars.\n", "", ""]);
    let (code, said, _) = fire(&fake, folder.path(), &[]).await;
    assert_eq!(code, 1);
    assert!(said.contains("the supply is 2990 BCC, but must be 3000 BCC"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_line_stops_before_anything_is_sent() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&[&lines(1, 4), "id2 fine\nid2\n", "hello\n"]);
    let nodes = fake.urls.join(",");
    let input = folder.path().to_str().unwrap();
    let finished = program(&["fire", "--nodes", &nodes, "--input", input, "--stake", "10"]).await;
    assert_eq!(finished.status.code(), Some(65));
    let said = String::from_utf8(finished.stderr).unwrap();
    assert!(said.contains("trans1.txt:2:4: the message is missing"), "{said}");
    assert!(said.contains("trans2.txt:1:1: expected a recipient"), "{said}");
    let world = fake.world();
    assert!(world.requests.is_empty());
    assert!(world.sent.iter().all(Vec::is_empty));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_and_unreachable_nodes_have_their_exit_codes() {
    let folder = files(&["id1 x\n"]);
    let input = folder.path().to_str().unwrap();
    assert_eq!(program(&["fire", "--input", input]).await.status.code(), Some(64));
    assert_eq!(program(&["--help"]).await.status.code(), Some(0));
    let finished = program(&["fire", "--nodes", "https://h:1", "--input", input]).await;
    assert_eq!(finished.status.code(), Some(64));
    let finished = program(&["fire", "--nodes", "http://127.0.0.1:1", "--input", input]).await;
    assert_eq!(finished.status.code(), Some(69));
    let said = String::from_utf8(finished.stderr).unwrap();
    assert!(said.contains("http://127.0.0.1:1") && said.contains("refused"), "{said}");
    let fake = Fake::start(Setup::default()).await;
    let twice = format!("{0},{0}", fake.urls[0]);
    let finished = program(&["fire", "--nodes", &twice, "--input", input]).await;
    assert_eq!(finished.status.code(), Some(64), "the same node twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_rate_measures_finality_from_the_intended_send() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&[]);
    let nodes = fake.urls.join(",");
    let output = folder.path().join("report");
    let arguments = ["rate", "--nodes", &nodes, "--rate", "100", "--seconds", "1", "--signer", "node", "--output"];
    let finished = program(&[&arguments, &[output.to_str().unwrap()][..]].concat()).await;
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let report = read_report(folder.path());
    let rate = report.parts[0].runs[0].rate.as_ref().unwrap();
    assert_eq!((rate.planned, rate.committed, rate.undecided, rate.not_sent), (100, 100, 0, 0));
    assert_eq!(rate.finality.count, 100);
    // The fake makes a block every 10 ms.
    assert!((1.0..200.0).contains(&rate.finality.p50_ms), "{rate:?}");
    assert!(rate.finality.p50_ms >= rate.send_delay.p50_ms);
    let world = fake.world();
    assert_eq!(world.sent.iter().map(Vec::len).collect::<Vec<_>>(), [34, 33, 33], "in turn over the nodes");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwritable_output_is_refused_before_anything_is_sent() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&["id1 x\n", "id2 x\n", "id0 x\n"]);
    let (nodes, input) = (fake.urls.join(","), folder.path().to_str().unwrap());
    // A file where the folder should be: refused for root too.
    let output = folder.path().join("trans0.txt/report");
    let output = output.to_str().unwrap();
    let fire = ["fire", "--nodes", &nodes, "--input", input, "--stake", "10", "--output", output];
    let rate = ["rate", "--nodes", &nodes, "--rate", "10", "--stake", "10", "--output", output];
    for arguments in [&fire[..], &rate[..]] {
        let finished = program(arguments).await;
        assert_eq!(finished.status.code(), Some(1));
        let said = String::from_utf8(finished.stderr).unwrap();
        assert!(said.contains("trans0.txt"), "{said}");
    }
    let world = fake.world();
    assert!(world.requests.is_empty() && world.sent.iter().all(Vec::is_empty));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_values_of_rate_reproduce_and_compare_have_their_exit_codes() {
    let usage = [
        "rate --nodes http://127.0.0.1:1",
        "rate --nodes http://127.0.0.1:1 --rate 0",
        "rate --nodes http://127.0.0.1:1 --rate 5 --steps 1,2",
        "rate --nodes http://127.0.0.1:1 --steps 1,x",
        "rate --nodes http://127.0.0.1:1 --rate 5 --batch 0",
        "rate --nodes http://127.0.0.1:1 --rate 5 --batch 10001",
        "rate --nodes http://127.0.0.1:1 --rate 5 --wallets 0",
        "rate --nodes http://127.0.0.1:1 --rate 5 --signer me",
        "rate --nodes http://127.0.0.1:1 --rate 5 --signer node --saturate",
        "rate --nodes http://127.0.0.1:1 --rate 5 --metrics-listen here",
        "rate --nodes http://127.0.0.1:1 --rate 5 --metrics-listen 192.0.2.1:9464",
        "reproduce --saturation --saturation-from -1",
        "reproduce --saturation --step-seconds 0",
        "reproduce --runs 0",
        "reproduce --node-binary /nonexistent",
        "compare one",
    ];
    for line in usage {
        let finished = program(&line.split(' ').collect::<Vec<_>>()).await;
        assert_eq!(finished.status.code(), Some(64), "{line}: {finished:?}");
        assert!(!finished.stderr.is_empty());
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.json"), "{\"schema_version\": 99}").unwrap();
    let path = folder.path().to_str().unwrap();
    let finished = program(&["compare", path, path]).await;
    assert_eq!(finished.status.code(), Some(65));
    assert!(String::from_utf8(finished.stderr).unwrap().contains("schema_version 99"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_network_is_measured_as_a_cell_of_the_experiment() {
    let fake = Fake::start(Setup { nodes: 2, endowment: 100_000, ..Setup::default() }).await;
    let folder = files(&[&lines(1, 10), &lines(0, 10)]);
    let (at, input) = (fake.urls.join(","), folder.path().to_str().unwrap());
    let one = folder.path().join("one");
    let arguments = [
        "reproduce",
        "--at",
        &at,
        "--input",
        input,
        "--runs",
        "2",
        "--print-report",
        "--output",
        one.to_str().unwrap(),
    ];
    let finished = program(&arguments).await;
    let said = String::from_utf8(finished.stdout).unwrap();
    assert!(finished.status.success(), "{said} {}", String::from_utf8_lossy(&finished.stderr));
    // The log alone is enough to get the report back.
    let log = folder.path().join("job.log");
    std::fs::write(&log, said).unwrap();
    let all = folder.path().join("report");
    let merge = ["merge", log.to_str().unwrap(), one.to_str().unwrap(), "--output", all.to_str().unwrap()];
    let merged = program(&merge).await;
    assert!(merged.status.success(), "{}", String::from_utf8_lossy(&merged.stderr));
    let report = read_report(folder.path());
    assert_eq!(report.parts.len(), 1);
    let part = &report.parts[0];
    assert_eq!((part.nodes, part.experiment, part.money), (2, Experiment::Matrix, Money::Funded));
    assert_eq!(part.runs.len(), 4, "two runs, read twice");
    for run in &part.runs {
        let load = run.load.as_ref().unwrap();
        assert_eq!((load.committed, load.lost), (20, 0), "{:?}", run.problems);
        assert_eq!(load.stakes.values().map(ToString::to_string).collect::<Vec<_>>(), ["10", "10"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_network_has_to_be_named_in_full() {
    let fake = Fake::start(Setup::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("report");
    let finished = program(&["reproduce", "--at", &fake.urls[1], "--output", output.to_str().unwrap()]).await;
    let said = String::from_utf8_lossy(&finished.stderr).into_owned();
    assert_eq!(finished.status.code(), Some(64), "{said}");
    assert!(said.contains("missing: 0, 2"), "{said}");
    assert!(!output.exists(), "nothing was measured, nothing is reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_not_there_yet_are_waited_for() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let folder = files(&["id1 x\n"]);
    let input = folder.path().to_str().unwrap();
    let without = program(&["fire", "--nodes", &url, "--input", input]).await;
    assert_eq!(without.status.code(), Some(69));
    let started = Instant::now();
    let with = program(&["fire", "--nodes", &url, "--input", input, "--wait", "1"]).await;
    assert_eq!(with.status.code(), Some(69));
    assert!(started.elapsed() >= Duration::from_secs(1), "it asked again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_counted_while_it_happens() {
    let fake = Fake::start(Setup::default()).await;
    let folder = files(&[&lines(1, 30), &lines(2, 30), &lines(0, 30)]);
    let network = Network::connect(&fake.urls, &blockchat_client::Options::default()).await.unwrap();
    let lines = blockchat_loadtest::input::read_directory(folder.path(), 0..3).unwrap();
    let meters = blockchat_loadtest::meters::Meters::new().unwrap();
    let (progress, _line) = Progress::start(Some(meters.clone()));
    let policy = Policy {
        when_broke: WhenBroke::Fail,
        patience: Duration::from_secs(5),
        retry_bound: Duration::from_secs(5),
        gone_bound: Duration::from_secs(5),
    };
    let fired = measure(&network, fire::plan(&network, &lines), policy, &progress).await.unwrap();
    assert_eq!(fired.run.load.unwrap().committed, 90);
    assert_eq!((meters.offered.get(), meters.accepted.get(), meters.committed.get()), (90, 90, 90));
}
