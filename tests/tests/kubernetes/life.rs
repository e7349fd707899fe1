//! What happens to a release in its life, under load: the chain goes on, and nothing that was committed is lost.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use blockchat_tests::{LONG, Release, eventually, fresh_namespace, helm, kubectl};
use serde_json::Value;

use crate::SLOT;

/// Lines for each node: enough for a minute or two.
const LINES: usize = 8_000;

/// How many nodes the release has.
fn nodes() -> usize {
    std::env::var("BLOCKCHAT_KUBE_NODES").map_or(5, |nodes| nodes.parse().expect("BLOCKCHAT_KUBE_NODES is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_survives_its_life() {
    let _slot = SLOT.lock().await;
    fresh_namespace();
    let release = Release::install("bc", nodes(), &["--set-string", "endowment=1000000", "--set", "maxBlockWait=20ms"]);

    pods_are_deleted_one_after_the_other(&release).await;
    a_rolling_upgrade_under_load_loses_nothing(&release).await;
    helm(&["rollback", "bc", "1", "--wait", "--timeout", "300s"]);
    release.ready().await;
    println!("rolled back");

    let (height, hash) = release.settled().await;
    release.uninstall();
    release.install_again(&["--set-string", "endowment=1000000", "--set", "maxBlockWait=20ms"]);
    release.ready().await;
    for ordinal in 0..release.nodes {
        assert_eq!(release.block_hash(ordinal, height).expect("the block"), hash, "pod {ordinal} has another chain");
    }
    println!("uninstalled and installed on the same volumes: the same chain of {height} blocks");
    an_older_volume_counts_as_a_lost_log(&release).await;
}

/// Starts a load on the release: a file of many lines for each node, repeated until it is accepted while a node is away.
/// Returns the name of its Job.
fn start_load(release: &Release) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    for node in 0..release.nodes {
        let mut text = String::new();
        for line in 0..LINES {
            let _ = writeln!(text, "id{} m{line}", (node + 1 + line % (release.nodes - 1)) % release.nodes);
        }
        std::fs::write(folder.path().join(format!("trans{node}.txt")), text).expect("a file");
    }
    kubectl(&["delete", "configmap", "lines", "--ignore-not-found"]);
    kubectl(&["create", "configmap", "lines", &format!("--from-file={}", folder.path().display())]);
    release.upgrade(&[
        "--set",
        "loadtest.enabled=true,loadtest.inputConfigMap=lines,loadtest.extraArgs={--gone-after=120}",
    ]);
    let history: Value = serde_json::from_str(&helm(&["history", &release.name, "--output", "json"])).expect("JSON");
    let revision = history.as_array().and_then(|all| all.last()).expect("a revision")["revision"].clone();
    format!("{}-blockchat-loadtest-{revision}", release.name)
}

fn assert_nothing_lost(report: &Value) {
    let run = &report["parts"][0]["runs"][0];
    let load = &run["load"];
    let lines = LINES * nodes();
    assert_eq!(load["attempted"].as_u64(), u64::try_from(lines).ok(), "{}", run["problems"]);
    assert_eq!((&load["lost"], &load["duplicated"]), (&0.into(), &0.into()), "{}", run["problems"]);
    assert_eq!(load["accepted"], load["committed"]);
    assert_eq!(run["chain"]["one_chain"], true);
    println!("under load: {} committed, {} repeated, none lost", load["committed"], load["repeated"]);
}

async fn pods_are_deleted_one_after_the_other(release: &Release) {
    let job = start_load(release);
    let id = |ordinal| release.get(ordinal, "/status").map(|status| status["id"].clone());
    // The bootstrap pod first.
    for ordinal in 0..release.nodes {
        let before = id(ordinal).expect("an id");
        let other = (ordinal + 1) % release.nodes;
        let height = release.height(other).expect("a height");
        let hash = release.block_hash(ordinal, height.saturating_sub(5)).expect("a block");
        let deleted = Instant::now();
        let uid = release.uid(ordinal);
        kubectl(&["delete", "pod", &release.pod(ordinal), "--wait=false"]);
        release.higher_than(other, height + 1).await;
        println!("pod {ordinal} deleted: commits seen {} ms later", deleted.elapsed().as_millis());
        release.replaced(ordinal, &uid).await;
        release.ready().await;
        println!("pod {ordinal} deleted: ready again {:.1} s later", deleted.elapsed().as_secs_f64());
        assert_eq!(id(ordinal).expect("an id"), before, "it comes back as the member it was");
        assert_eq!(release.block_hash(ordinal, height.saturating_sub(5)).expect("the block"), hash);
    }
    assert_nothing_lost(&release.report(&job).await.0);
}

async fn a_rolling_upgrade_under_load_loses_nothing(release: &Release) {
    let job = start_load(release);
    let height = release.height(1).expect("a height");
    // The same program under another tag: to Kubernetes, another image.
    let started = Instant::now();
    release.upgrade(&[
        "--set",
        "loadtest.enabled=false",
        "--set",
        "podAnnotations.upgraded=yes",
        "--set",
        "image.tag=0.1.0-next",
    ]);
    println!("rolling upgrade: {:.1} s", started.elapsed().as_secs_f64());
    let images = kubectl(&[
        "get",
        "pods",
        "--selector",
        "app.kubernetes.io/component=node",
        "--output",
        "jsonpath={.items[*].spec.containers[0].image}",
    ]);
    assert_eq!(images.matches("0.1.0-next").count(), release.nodes, "{images}");
    assert!(release.higher_than(1, height).await > height);
    assert_nothing_lost(&release.report(&job).await.0);
    let (tip, hash) = release.settled().await;
    for ordinal in 0..release.nodes {
        assert_eq!(release.block_hash(ordinal, tip).expect("the tip"), hash);
        let evidence = release.get(ordinal, "/evidence").expect("evidence");
        assert_eq!(evidence["evidence"], serde_json::json!([]), "nobody said two things");
    }
}

/// A volume put back to what it was some blocks ago: the member could have voted otherwise since, so it must not vote
/// until the others have released it.
async fn an_older_volume_counts_as_a_lost_log(release: &Release) {
    let claim = format!("data-{}", release.pod(2));
    let volume = kubectl(&["get", "pvc", &claim, "--output", "jsonpath={.spec.volumeName}"]);
    let path = kubectl(&["get", "pv", &volume, "--output", "jsonpath={.spec.local.path}"]);
    assert!(Path::new(&path).is_dir(), "{path}: this test needs volumes that are folders of this machine");
    let saved = format!("{path}.saved");

    release.uninstall();
    copy(&path, &saved);
    let again = ["--set-string", "endowment=1000000", "--set", "maxBlockWait=20ms"];
    release.install_again(&again);
    // Several blocks, so that at least one of them is certified with a vote of this member.
    for _ in 0..5 {
        helm(&["test", "bc", "--timeout", "90s"]);
    }
    let (later, hash) = release.settled().await;
    release.uninstall();
    std::fs::remove_dir_all(&path).expect("the folder of the volume");
    copy(&saved, &path);
    release.install_again(&again);

    eventually("the member to find its log out", LONG, async || {
        let log = kubectl(&["logs", &release.pod(2)]);
        if log.contains("this node does not vote: its log is lost") { Ok(()) } else { Err(log) }
    })
    .await;
    eventually("the member to vote again", LONG, async || {
        helm(&["test", "bc", "--timeout", "90s"]);
        let status = release.get(2, "/status")?;
        if status["voting"] == true { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    let (tip, _) = release.settled().await;
    assert!(tip > later);
    for ordinal in 0..release.nodes {
        assert_eq!(release.block_hash(ordinal, later).expect("the block"), hash);
        let evidence: Value = release.get(ordinal, "/evidence").expect("evidence");
        assert_eq!(evidence["evidence"], serde_json::json!([]), "no double vote");
    }
    println!("older volume put back: votes again, no double vote");
}

fn copy(from: &str, to: &str) {
    let done = std::process::Command::new("cp").args(["--archive", from, to]).status().expect("cp");
    assert!(done.success());
}
