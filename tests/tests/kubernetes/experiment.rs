//! The experiments of the course, from `helm install` to the report.

use std::time::Instant;

use blockchat_tests::{NAMESPACE, Release, chart, fresh_namespace, helm, kubectl, run};

use crate::SLOT;

#[tokio::test(flavor = "multi_thread")]
async fn helm_install_reproduces_the_experiment() {
    let _slot = SLOT.lock().await;
    fresh_namespace();
    // What the API server would refuse, it refuses here.
    let rendered = helm(&[
        "template",
        "--kube-version=1.33.0",
        "bc",
        &chart().display().to_string(),
        "--set=loadtest.enabled=true,loadtest.experiment=files,loadtest.persistence.enabled=true,metrics.dashboards.enabled=true",
    ]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml").display().to_string();
    std::fs::write(&file, rendered).expect("a file");
    kubectl(&["apply", "--dry-run=server", "--validate=strict", "--filename", &file]);

    // Fewer than four tolerate no fault, and whoever installs them is told.
    let chart_path = chart().display().to_string();
    let notes = helm(&["install", "few", &chart_path, "--dry-run=server", "--set", "nodes=3"]);
    assert!(notes.contains("WARNING: fewer than 4 nodes tolerate no fault"), "{notes}");

    let values = chart().join("values-5.yaml").display().to_string();
    let started = Instant::now();
    let release = Release::install("bc", 5, &["--values", &values]);
    println!("helm install to ready, 5 nodes: {:.1} s", started.elapsed().as_secs_f64());

    let tested = helm(&["test", "bc", "--logs", "--timeout", "90s"]);
    assert!(tested.contains("has it on each of 5 nodes"), "{tested}");

    release.upgrade(&["--set", "loadtest.enabled=true", "--set", "loadtest.persistence.enabled=true"]);
    let (report, log) = release.report("bc-blockchat-loadtest-2").await;
    let part = &report["parts"][0];
    assert_eq!(part["experiment"], "matrix");
    assert_eq!(part["money"], "assignment");
    let load = &part["runs"][0]["load"];
    assert_eq!(load["attempted"], 500, "{log}");
    assert_eq!(load["lost"], 0);
    assert_eq!(part["runs"][0]["chain"]["one_chain"], true);
    println!("5 nodes, capacity 5: {} tx/s committed", load["throughput"]["committed_per_second"]);

    // One pod for each node, each with that node's file.
    release.upgrade(&["--set", "loadtest.experiment=files"]);
    release.finished("bc-blockchat-loadtest-3").await;
    let pods = kubectl(&[
        "get",
        "pods",
        "--selector",
        "batch.kubernetes.io/job-name=bc-blockchat-loadtest-3",
        "--output",
        "name",
    ]);
    assert_eq!(pods.lines().count(), 5, "{pods}");
    release.settled().await;

    // Fairness, on the same network.
    release.upgrade(&["--set", "loadtest.experiment=fairness"]);
    let (report, _) = release.report("bc-blockchat-loadtest-4").await;
    let shares = report["parts"][0]["runs"][0]["fairness"]["members"].as_array().expect("shares").clone();
    assert_eq!(shares.iter().filter(|share| share["stake"] == "100").count(), 1, "{shares:?}");

    // The ring is fixed, and the chart says so before anything is changed.
    let chart = chart().display().to_string();
    let (code, _, error) =
        run("helm", &["--namespace", NAMESPACE, "upgrade", "bc", &chart, "--reuse-values", "--set", "nodes=7"]);
    assert_ne!(code, Some(0));
    assert!(error.contains("fixed when a network is founded") && error.contains("nodes=7"), "{error}");
}
