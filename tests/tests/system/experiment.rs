//! The load generator with real nodes: the experiments end in one chain, nothing is left behind, bad files stop it early.

use std::path::{Path, PathBuf};

use blockchat_tests::{Folder, LONG, Network, Program, SHORT, binary, eventually};
use serde_json::Value;

/// A folder for the nodes' data, which exists, and a place for the report.
fn places(folder: &Folder) -> (PathBuf, PathBuf) {
    let [data, report] = ["data", "report"].map(|name| folder.path().join(name));
    std::fs::create_dir(&data).expect("a folder");
    (data, report)
}

/// The generator with these arguments and its output in `folder`.
fn loadtest(folder: &Path, arguments: &[&str]) -> Program {
    let node = binary("blockchat-node").display().to_string();
    let mut all = arguments.to_vec();
    if ["reproduce", "cost"].contains(&arguments[0]) {
        all.extend(["--node-binary", &node]);
    }
    Program::start(&binary("blockchat-loadtest"), all, [], &folder.join("output"))
}

/// Processes whose settings point into `folder`.
fn processes_of(folder: &Path) -> Vec<String> {
    let needle = folder.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        // A process may end, or belong to somebody else, while we look.
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if String::from_utf8_lossy(&environment).contains(&needle) {
            found.push(name);
        }
    }
    found
}

/// A run that has ended, however it did, leaves neither processes nor data.
fn assert_nothing_left(data: &Path) {
    assert_eq!(entries(data), Vec::<String>::new(), "data left behind");
    assert_eq!(processes_of(data), Vec::<String>::new(), "processes left behind");
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder of the data");
    entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_run_the_experiment_without_a_fork() {
    let _slot = Network::of(10).prepare().await;
    let folder = Folder::new();
    let (data, report) = places(&folder);
    let [data_text, report_text] = [&data, &report].map(|path| path.display().to_string());
    let mut program = loadtest(
        folder.path(),
        &[
            "reproduce",
            "--matrix",
            "--nodes",
            "10",
            "--capacity",
            "5",
            "--money",
            "funded",
            "--data-dir",
            &data_text,
            "--output",
            &report_text,
        ],
    );
    let finished = program.wait(LONG * 3).await;
    assert_eq!(finished.status.code(), Some(0), "{}", program.tail());

    let text = std::fs::read_to_string(report.join("report.json")).expect("report.json");
    let report_json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(report_json["complete"], true);
    let run = &report_json["parts"][0]["runs"][0];
    assert_eq!(run["problems"], Value::Array(Vec::new()), "{run}");
    // Ten files of a hundred lines.
    for (name, expected) in
        [("attempted", 1000), ("accepted", 1000), ("committed", 1000), ("lost", 0), ("duplicated", 0)]
    {
        assert_eq!(run["load"][name], expected, "{name}: {run}");
    }
    assert!(report.join("report.md").is_file());
    assert_nothing_left(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_transaction_file_stops_before_anything_is_sent() {
    let mut cluster = Network::of(4).start().await;
    let before = cluster.settled().await.height();
    let folder = Folder::new();
    let input = folder.path().join("input");
    std::fs::create_dir(&input).expect("a folder");
    for id in 0..4 {
        let good = "id1 good morning\nid2 good evening\n";
        let text = if id == 2 { format!("{good}\nid3\n{good}") } else { good.to_owned() };
        std::fs::write(input.join(format!("trans{id}.txt")), text).expect("a file");
    }
    let urls: Vec<_> = cluster.nodes.iter().map(|node| node.api_url()).collect();
    let [input, report] = [input, folder.path().join("report")].map(|path| path.display().to_string());
    let mut program = loadtest(
        folder.path(),
        &["fire", "--nodes", &urls.join(","), "--input", &input, "--stake", "10", "--output", &report],
    );
    let finished = program.wait(SHORT).await;
    let output = program.output();
    assert_eq!(finished.status.code(), Some(65), "{output}");
    assert!(output.contains("trans2.txt:4"), "file and line: {output}");

    assert_eq!(cluster.settled().await.height(), before, "something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_observing_is_measured_on_two_networks_side_by_side() {
    let _slot = Network::of(4).prepare().await;
    let folder = Folder::new();
    let (data, report) = places(&folder);
    let [data_text, report_text] = [&data, &report].map(|path| path.display().to_string());
    let load = ["--nodes", "2", "--capacity", "20", "--rounds", "1", "--rate", "60", "--batch", "5", "--seconds", "7"];
    let variants = ["--variants", "metrics,traces-all,dead-collector-all"];
    let mut arguments = vec!["cost", "--data-dir", &data_text, "--output", &report_text];
    arguments.extend(load.iter().chain(&variants));
    let mut program = loadtest(folder.path(), &arguments);
    let finished = program.wait(LONG * 3).await;
    assert_eq!(finished.status.code(), Some(0), "{}", program.tail());

    let text = std::fs::read_to_string(report.join("cost.json")).expect("cost.json");
    let cost: Value = serde_json::from_str(&text).expect("JSON");
    let rows = cost["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 3, "{text}");
    for (row, variant) in rows.iter().zip(["metrics", "traces_all", "dead_collector_all"]) {
        assert_eq!(row["variant"], variant);
        let positive = |network: &str, figure: &str| row[network][figure].as_f64().expect("a number") > 0.0;
        assert_eq!(positive("observing", "spans_exported"), variant == "traces_all", "{row}");
        // A collector that works may be late on a busy machine.
        if variant != "traces_all" {
            assert_eq!(positive("observing", "spans_dropped"), variant == "dead_collector_all", "{row}");
        }
        assert!(!positive("nothing", "spans_exported") && !positive("nothing", "spans_dropped"), "{row}");
        for network in ["observing", "nothing"] {
            assert!(positive(network, "committed_per_second") && positive(network, "cpu_microseconds"), "{row}");
        }
    }
    let table = std::fs::read_to_string(report.join("cost.md")).expect("cost.md");
    assert!(table.contains("metrics, traces of 100 %"), "{table}");
    assert_nothing_left(&data);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_experiment_leaves_nothing_behind() {
    let _slot = Network::of(5).prepare().await;
    let folder = Folder::new();
    let (data, report) = places(&folder);
    let [data_text, report] = [&data, &report].map(|path| path.display().to_string());
    let mut program =
        loadtest(folder.path(), &["reproduce", "--fairness", "--data-dir", &data_text, "--output", &report]);
    eventually("the five nodes to run", LONG, async || {
        let running = processes_of(&data).len();
        if running >= 5 { Ok(()) } else { Err(format!("{running} run")) }
    })
    .await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    program.interrupt();
    let finished = program.wait(SHORT).await;
    assert_eq!(finished.status.code(), Some(130), "{}", program.tail());
    assert_nothing_left(&data);
}
