//! A real Prometheus watches a network under load while it is disturbed: every query of every dashboard and rule parses,
//! names metrics that exist and finds data, and the alerts of the faults fire. Needs Debian's `prometheus`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use blockchat_tests::{
    Collector, Folder, LONG, Load, Network, Program, SHORT, assert_has_revision, binary, client, eventually,
    free_address, send,
};
use serde_json::{Value, json};

/// Metrics that no panel and no rule shows: the process's, which the library brings along.
const UNSEEN: [&str; 2] = ["process_max_fds", "process_virtual_memory_bytes"];

/// What stays at zero in a network without liars.
const NEVER: [&str; 2] = ["blockchat_evidence_total", "blockchat_supply_deviation"];

/// The job of a program that is scraped too, as others are where people have one Prometheus for everything.
const FOREIGN: &str = "prometheus";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Prometheus at work in a folder.
struct Prometheus {
    url: String,
    _program: Program,
}

impl Prometheus {
    /// Scrapes the targets, and itself as a program that is none of the project's, every half second, with the project's
    /// rules made impatient: windows of minutes become seconds.
    fn start(folder: &Path, jobs: &[(&str, Vec<String>)]) -> Self {
        let rules = std::fs::read_to_string(repository().join("grafana/rules/blockchat.yaml")).expect("the rules");
        std::fs::write(folder.join("rules.yaml"), impatient(&rules)).expect("a file");
        let address = free_address().to_string();
        let itself = (FOREIGN, vec![address.clone()]);
        let jobs: Vec<Value> = jobs
            .iter()
            .chain([&itself])
            .map(|(name, targets)| json!({ "job_name": name, "static_configs": [{ "targets": targets }] }))
            .collect();
        let config = json!({
            "global": { "scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms" },
            "rule_files": [folder.join("rules.yaml")],
            "scrape_configs": jobs,
        });
        // JSON is YAML.
        std::fs::write(folder.join("prometheus.yaml"), config.to_string()).expect("a file");
        let arguments = [
            format!("--config.file={}", folder.join("prometheus.yaml").display()),
            format!("--storage.tsdb.path={}", folder.join("tsdb").display()),
            format!("--web.listen-address={address}"),
        ];
        let program = Program::start(
            Path::new("prometheus"),
            arguments.iter().map(String::as_str),
            [],
            &folder.join("prometheus.log"),
        );
        Self { url: format!("http://{address}"), _program: program }
    }

    async fn ask(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let answer = send(client().get(format!("{}/api/v1/{path}", self.url)).query(query)).await?;
        if answer.body["status"] == "success" { Ok(answer.body["data"].clone()) } else { Err(answer.text) }
    }

    /// The result of a query now.
    async fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let data = self.ask("query", &[("query", expression)]).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Whether a query has a result.
    async fn finds(&self, query: &str) -> Result<(), String> {
        if self.query(query).await?.is_empty() { Err(format!("nothing for {query}")) } else { Ok(()) }
    }

    /// Alerts by name and state.
    async fn alerts(&self) -> Result<BTreeSet<(String, String)>, String> {
        let data = self.ask("alerts", &[]).await?;
        let alerts = data["alerts"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(alerts.iter().map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"]))).collect())
    }

    /// Whether each of the alerts fires, and was pending before: Prometheus' own record tells, whoever looks and when.
    async fn fires(&self, expected: &[&str]) -> Result<(), String> {
        let pending = self.query(r#"count by (alertname) (count_over_time(ALERTS{alertstate="pending"}[1h]))"#).await?;
        let pending: BTreeSet<&str> =
            pending.iter().filter_map(|sample| sample["metric"]["alertname"].as_str()).collect();
        let alerts = self.alerts().await?;
        let fires =
            |name: &&str| pending.contains(*name) && alerts.contains(&((*name).to_owned(), "firing".to_owned()));
        if !expected.iter().all(fires) {
            return Err(format!("pending before: {pending:?}; now: {alerts:?}"));
        }
        println!("{expected:?}: pending, then firing");
        Ok(())
    }

    /// Waits for that.
    async fn fire(&self, expected: &[&str]) {
        eventually(&format!("{expected:?} to be pending and then to fire"), LONG, async || self.fires(expected).await)
            .await;
    }
}

/// The same rules for a test that lasts seconds: windows shrink by a factor, waits become short but stay, so that an alert
/// is pending before it fires.
fn impatient(rules: &str) -> String {
    let windows =
        [("[1d]", "[60s]"), ("[1h]", "[60s]"), ("[5m]", "[15s]"), ("[1m]", "[10s]"), ("offset 30s", "offset 4s")];
    let waits = [
        ("for: 10m", "for: 2s"),
        ("for: 5m", "for: 2s"),
        ("for: 1m", "for: 2s"),
        ("for: 30s", "for: 2s"),
        ("for: 15s", "for: 2s"),
    ];
    windows.iter().chain(&waits).fold(rules.to_owned(), |text, (long, short)| text.replace(long, short))
}

/// An alert's query that asks for what is in order: it finds the same series, joined in the same way, when nothing is wrong.
fn harmless(alert: &str, query: &str) -> String {
    let order = match alert {
        "BlockchatStalled" => {
            [(" offset 4s", ""), ("blockchat_mempool_transactions) > 0", "blockchat_mempool_transactions) >= 0")]
                .as_slice()
        }
        "BlockchatQuorumAtRisk" => &[(" < max", " >= max")],
        "BlockchatEvidence" | "BlockchatSpansDropped" => &[(" > 0", " == 0")],
        "BlockchatSupplyMismatch" => &[(" != 0", " == 0")],
        "BlockchatStateMismatch" => &[(" != on", " == on")],
        "BlockchatManyRounds" => &[(" > 2", " <= 2")],
        "BlockchatMemberMissing" => &[(" > 50", " <= 50")],
        "BlockchatBehind" => &[(" > 10", " <= 10")],
        "BlockchatPoolFull" => &[(" > 0.8", " <= 0.8")],
        "BlockchatSlowDisk" => &[(" > 0.5", " <= 0.5")],
        "BlockchatDiskFull" => &[("4 * 3600) < 0", "1) >= 0")],
        "BlockchatUnfairLottery" => &[(" > 3 *", " <= 100 *"), (">= 500", ">= 1")],
        "BlockchatTargetDown" => &[("up == 0", "up == 1")],
        _ => panic!("what is in order for {alert}?"),
    };
    order.iter().fold(query.split_whitespace().collect::<Vec<_>>().join(" "), |query, (wrong, right)| {
        assert!(query.contains(wrong), "{alert}: {wrong} is not in {query}");
        query.replace(wrong, right)
    })
}

/// The dashboards.
fn dashboards() -> Vec<Value> {
    let entries = std::fs::read_dir(repository().join("grafana/dashboards")).expect("dashboards").flatten();
    let texts = entries.map(|entry| std::fs::read_to_string(entry.path()).expect("a dashboard"));
    texts.map(|text| serde_json::from_str(&text).expect("JSON")).collect()
}

/// A query with Grafana's variables filled in.
fn filled(expression: &Value) -> String {
    let expression = expression.as_str().expect("a query");
    let values =
        [("$__rate_interval", "10s"), ("$__range", "1m"), ("$namespace", ".*"), ("$node", ".*"), ("$member", ".*")];
    values.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// Every panel's title and queries.
fn panels(dashboards: &[Value]) -> Vec<(String, Vec<String>)> {
    let panels = dashboards.iter().flat_map(|dashboard| dashboard["panels"].as_array().expect("panels"));
    let panels = panels.filter(|panel| panel["type"] != "row");
    let queries = |panel: &Value| -> Vec<String> {
        panel["targets"].as_array().expect("queries").iter().map(|target| filled(&target["expr"])).collect()
    };
    panels.map(|panel| (panel["title"].as_str().expect("a title").to_owned(), queries(panel))).collect()
}

/// The queries of annotations, which find something only when it happens, and the selectors of variables.
fn annotations_and_variables(dashboards: &[Value]) -> BTreeSet<String> {
    let mut queries = BTreeSet::new();
    for dashboard in dashboards {
        let annotations = dashboard["annotations"]["list"].as_array().expect("annotations");
        queries.extend(annotations.iter().map(|annotation| filled(&annotation["expr"])));
        let variables = dashboard["templating"]["list"].as_array().expect("variables");
        for variable in variables.iter().filter(|variable| variable["type"] == "query") {
            let query = filled(&variable["query"]["query"]);
            let selector = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(','));
            queries.insert(selector.expect("label_values(SELECTOR, LABEL)").0.to_owned());
        }
    }
    queries
}

#[test]
fn every_alert_has_a_runbook_and_a_test() {
    let rules = std::fs::read_to_string(repository().join("grafana/rules/blockchat.yaml")).expect("the rules");
    let pages: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("runbook: ")).collect();
    assert_eq!(pages.len(), rules.matches("- alert:").count(), "one alert, one runbook");
    let tests = std::fs::read_to_string(repository().join("grafana/rules/tests.yaml")).expect("the tests");
    let tests: Value = serde_yaml_ng::from_str(&tests).expect("YAML");
    let cases: Vec<&Value> = tests["tests"]
        .as_array()
        .expect("tests")
        .iter()
        .flat_map(|test| test["alert_rule_test"].as_array().map(Vec::as_slice).unwrap_or_default())
        .collect();
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let of_alert = cases.iter().filter(|case| case["alertname"] == alert);
        let fires = |case: &&Value| case["exp_alerts"].as_array().is_some_and(|alerts| !alerts.is_empty());
        let (firing, silent): (Vec<&Value>, Vec<&Value>) = of_alert.copied().partition(fires);
        assert!(!firing.is_empty() && !silent.is_empty(), "{alert}: {firing:?}, {silent:?}");
    }
    for page in pages {
        let text = std::fs::read_to_string(repository().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains("\n## What to look at\n") && text.contains("\n## What to do\n"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_finds_data_and_faults_raise_alerts() {
    let folder = Folder::new();
    let collector = Collector::start().await;
    let network = Network::of(5).funded().set("POOL_TRANSACTIONS", 40);
    let network = network.set("OTLP_ENDPOINT", collector.url()).set("TRACE_RATIO", 1);
    let mut cluster = network.start().await;
    for node in [0, 1, 3] {
        cluster.nodes[node].stake("10").await;
    }
    let targets: Vec<String> = cluster.nodes.iter().map(blockchat_tests::Node::admin_address).collect();
    let meters = free_address().to_string();
    let prometheus =
        Prometheus::start(folder.path(), &[("blockchat", targets), ("blockchat-loadtest", vec![meters.clone()])]);

    // The load generator's own figures, while the nodes' wallets pay.
    let urls: Vec<String> = cluster.nodes.iter().map(|node| node.api_url()).collect();
    let generator = generate(&folder, ["client", "300"], &urls.join(","), &meters);
    let load = Load::start(&cluster).await;
    load.progress(300).await;
    let foreign = format!("process_open_fds{{job={FOREIGN:?}}}");
    eventually("another program to be scraped", SHORT, async || prometheus.finds(&foreign).await).await;

    let (mut named, mut queries_of_all) = (BTreeSet::new(), Vec::new());
    let dashboards = dashboards();
    for (title, queries) in panels(&dashboards) {
        for query in queries {
            named.extend(metrics_in(&query));
            queries_of_all.push((title.clone(), query));
        }
    }
    for query in annotations_and_variables(&dashboards) {
        named.extend(metrics_in(&query));
        let found = prometheus.query(&query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        assert!(found.iter().all(|sample| sample["metric"]["job"] != FOREIGN), "{query} finds others' programs");
    }
    let rules = prometheus.ask("rules", &[]).await.expect("rules");
    for rule in
        rules["groups"].as_array().expect("groups").iter().flat_map(|group| group["rules"].as_array().expect("rules"))
    {
        assert_eq!(rule["health"], "ok", "{rule}");
        let query = rule["query"].as_str().expect("a query");
        named.extend(metrics_in(query));
        let name = rule["name"].as_str().expect("a name");
        let query = if rule["type"] == "recording" { query.to_owned() } else { harmless(name, query) };
        queries_of_all.push((name.to_owned(), query));
    }
    all_find_data(&prometheus, queries_of_all).await;
    let metrics = cluster.nodes[0].metrics().await;
    check_metrics(&metrics);
    assert_has_revision(&metrics);
    let told = reqwest::get(format!("http://{meters}/metrics")).await.expect("the generator's metrics");
    check_metrics(&told.text().await.expect("text"));
    let known = known_metrics(&prometheus).await;
    let unknown: Vec<&String> = named.iter().filter(|name| !known.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "queries name metrics that don't exist: {unknown:?}");
    let seen = |name: &str| named.iter().any(|known| family(known) == name);
    let unseen: Vec<&str> = known
        .keys()
        .map(|name| family(name))
        .filter(|name| !seen(name) && !UNSEEN.contains(name) && is_ours(name))
        .collect();
    assert!(unseen.is_empty(), "no panel or rule shows {unseen:?}");
    let unexpected: BTreeSet<&str> = quiet(&known).into_iter().filter(|name| !rises_by_faults(name)).collect();
    assert!(unexpected.is_empty(), "nothing ever moved {unexpected:?}");
    load.stop().await;
    drop(generator);
    // From now on nobody takes traces.
    drop(collector);
    faults_raise_alerts(&prometheus, &mut cluster, || generate(&folder, ["node", "25"], &urls[0], &meters)).await;
    let known = known_metrics(&prometheus).await;
    let unmoved = quiet(&known);
    assert!(unmoved.is_empty(), "no fault ever moved {unmoved:?}");
    for name in NEVER {
        assert_eq!(known.get(name), Some(&false), "{name} was not always 0");
    }
    let wrong = r#"count_over_time(ALERTS{alertname=~"Blockchat(Evidence|SupplyMismatch|StateMismatch)"}[1h])"#;
    assert!(prometheus.query(wrong).await.expect("a result").is_empty(), "nobody lied");
}

/// A load generator that tells its own figures for so many seconds; it or the nodes' wallets sign.
fn generate(folder: &Folder, [signer, seconds]: [&str; 2], nodes: &str, meters: &str) -> Program {
    let output = folder.path().join("report").display().to_string();
    let load = ["rate", "--signer", signer, "--rate", "60", "--seconds", seconds];
    let arguments = [&load[..], &["--nodes", nodes, "--metrics-listen", meters, "--output", &output]];
    Program::start(&binary("blockchat-loadtest"), arguments.concat(), [], &folder.path().join("rate.log"))
}

/// Metrics that were always zero, but for those that have to be.
fn quiet(known: &BTreeMap<String, bool>) -> BTreeSet<&str> {
    let quiet = known.iter().filter(|(name, moved)| !**moved && is_ours(name)).map(|(name, _)| family(name));
    quiet.filter(|name| !NEVER.contains(name)).collect()
}

/// A member with a stake dies, one more follows, payments pile up; both come back, one of them without its data.
async fn faults_raise_alerts(
    prometheus: &Prometheus,
    cluster: &mut blockchat_tests::Cluster,
    generate: impl Fn() -> Program,
) {
    cluster.nodes[3].kill();
    prometheus.fire(&["BlockchatQuorumAtRisk", "BlockchatTargetDown"]).await;
    // The rest goes on without it, for long enough to be missed.
    let body = json!({ "to": cluster.nodes[1].id().await.to_string(), "amount": "0.01" });
    let height = cluster.nodes[0].height().await;
    while cluster.nodes[0].height().await < height + 60 {
        cluster.nodes[0].transfer(&body).await;
    }
    // Its turns to propose end in a second round, each for a moment.
    eventually("a further round to be scraped", LONG, async || {
        for _ in 0..20 {
            cluster.nodes[0].transfer(&body).await;
        }
        prometheus.finds("max_over_time(blockchat_consensus_round[5m]) > 0").await
    })
    .await;
    prometheus.fire(&["BlockchatMemberMissing", "BlockchatSpansDropped"]).await;

    cluster.nodes[4].kill();
    for _ in 0..60 {
        // The pool takes so many, and says so.
        let answer = cluster.nodes[0].send(reqwest::Method::POST, "/wallet/transactions", &body).await;
        assert!([202, 503].contains(&answer.status), "{}", answer.text);
    }
    prometheus.fire(&["BlockchatStalled", "BlockchatPoolFull"]).await;
    let _generator = generate();
    for refused in [
        "blockchat_transactions_rejected_total{reason=~\"pool_full|sender_full\"} > 0",
        "blockchat_loadtest_rejected_total > 0",
    ] {
        eventually("the refusals to be counted", LONG, async || prometheus.finds(refused).await).await;
    }

    cluster.nodes[4].start();
    cluster.nodes[4].ready().await;
    a_slow_member_is_seen_behind(prometheus, cluster).await;
    cluster.ready().await;
    eventually("all alerts but those of the past to end", LONG, async || {
        let alerts = prometheus.alerts().await?;
        let firing: Vec<_> = alerts
            .iter()
            .filter(|(name, _)| {
                ["BlockchatStalled", "BlockchatTargetDown", "BlockchatQuorumAtRisk", "BlockchatPoolFull"]
                    .contains(&name.as_str())
            })
            .collect();
        if firing.is_empty() { Ok(()) } else { Err(format!("{firing:?}")) }
    })
    .await;
}

/// The member without its data catches up, on so little processor time that it is behind for a while. It may still be too
/// fast; then it has to do it again.
async fn a_slow_member_is_seen_behind(prometheus: &Prometheus, cluster: &mut blockchat_tests::Cluster) {
    let mut last = String::new();
    for _ in 0..10 {
        let node = &mut cluster.nodes[3];
        node.wipe();
        node.start();
        for _ in 0..400 {
            node.pause();
            tokio::time::sleep(Duration::from_millis(190)).await;
            node.resume();
            tokio::time::sleep(Duration::from_millis(10)).await;
            match prometheus.fires(&["BlockchatBehind"]).await {
                Ok(()) => return,
                Err(reason) => last = reason,
            }
            let caught_up = node.status().await.is_ok_and(|status| status["phase"] == "ready");
            if caught_up {
                break;
            }
        }
        node.kill();
    }
    panic!("the member was never behind for long enough; {last}");
}

/// Waits until every query has data.
async fn all_find_data(prometheus: &Prometheus, mut queries: Vec<(String, String)>) {
    for (title, query) in &queries {
        prometheus.query(query).await.unwrap_or_else(|error| panic!("{title}: {query}: {error}"));
    }
    eventually("every query to find data", SHORT, async || {
        let mut empty = Vec::new();
        for (title, query) in &queries {
            let found = prometheus.query(query).await?;
            let foreign = found.iter().any(|sample| sample["metric"]["job"] == FOREIGN);
            assert!(!foreign, "{title}: {query} shows others' programs");
            let is_number = |sample: &Value| sample["value"][1].as_str().is_some_and(|value| value != "NaN");
            if !found.iter().any(is_number) {
                empty.push((title.clone(), query.clone()));
            }
        }
        queries = empty;
        if queries.is_empty() { Ok(()) } else { Err(format!("nothing for {queries:?}")) }
    })
    .await;
}

/// What Prometheus' own linter says: names, units, help.
fn check_metrics(text: &str) {
    let mut linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool");
    linter.stdin.take().expect("its input").write_all(text.as_bytes()).expect("to be read");
    let output = linter.wait_with_output().expect("promtool");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.is_empty(), "{said}");
}

/// Names of metrics that a query reads.
fn metrics_in(query: &str) -> BTreeSet<String> {
    let words = query.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    let ours =
        words.filter(|word| (word.starts_with("blockchat_") || word.starts_with("process_")) && !word.contains(':'));
    ours.map(str::to_owned).collect()
}

/// Every metric that was scraped, and whether any of its series ever was other than zero.
async fn known_metrics(prometheus: &Prometheus) -> BTreeMap<String, bool> {
    let ours = format!("job!={FOREIGN:?}");
    let names = prometheus
        .ask("label/__name__/values", &[("match[]", &format!("{{__name__=~\".+\",{ours}}}"))])
        .await
        .expect("names");
    let mut known = BTreeMap::new();
    for name in names.as_array().expect("names").iter().filter_map(Value::as_str) {
        let moved = prometheus.query(&format!("max_over_time({name}{{{ours}}}[1h]) != 0")).await.expect("a result");
        known.insert(name.to_owned(), !moved.is_empty());
    }
    known
}

/// A histogram's name without the suffix of its series.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

fn is_ours(name: &str) -> bool {
    name.starts_with("blockchat_") || name.starts_with("process_")
}

/// What moves when something goes wrong, which happens later in the test, or, counted in whole seconds, only then.
fn rises_by_faults(name: &str) -> bool {
    [
        "blockchat_consensus_round",
        "blockchat_spans_dropped_total",
        "blockchat_members_missing",
        "blockchat_round_timeouts_total",
        "blockchat_sync_lag_blocks",
        "blockchat_syncing",
        "blockchat_transactions_rejected_total",
        "blockchat_loadtest_rejected_total",
        "blockchat_mempool_bytes",
        "blockchat_mempool_transactions",
        "process_cpu_seconds_total",
    ]
    .contains(&name)
}
