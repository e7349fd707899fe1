//! Each switch does what it says, and nothing weakens a pod.

use serde_json::{Value, json};

use crate::render::{environment, named, of_kind, only, render, try_render};

fn container(objects: &[Value]) -> &Value {
    &only(objects, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
}

fn pod_specs(objects: &[Value]) -> Vec<&Value> {
    let templates = ["StatefulSet", "Job"].into_iter().flat_map(|kind| of_kind(objects, kind));
    let mut specs: Vec<&Value> = templates.map(|object| &object["spec"]["template"]["spec"]).collect();
    specs.extend(of_kind(objects, "Pod").into_iter().map(|pod| &pod["spec"]));
    specs
}

#[test]
fn every_pod_is_hardened_whatever_is_switched() {
    let rest = "loadtest.enabled=true,loadtest.persistence.enabled=true,loadtest.inputConfigMap=lines";
    for switches in [
        vec![],
        vec![rest],
        vec!["loadtest.enabled=true,loadtest.experiment=files", "api.token.enabled=false,join.token.enabled=false"],
        vec!["wallets.existingSecret=keys,wallets.passphrase.existingSecret=words"],
    ] {
        let objects = render(&switches);
        let specs = pod_specs(&objects);
        assert!(specs.len() >= 2, "{switches:?}");
        for spec in specs {
            let pod = &spec["securityContext"];
            assert_eq!((&pod["runAsNonRoot"], &pod["runAsUser"]), (&json!(true), &json!(65532)), "{spec}");
            assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault");
            assert_eq!(spec["automountServiceAccountToken"], false);
            assert_eq!(spec["enableServiceLinks"], false, "variables that name Services would look like settings");
            for container in spec["containers"].as_array().expect("containers") {
                let security = &container["securityContext"];
                assert_eq!(security["allowPrivilegeEscalation"], false);
                assert_eq!(security["readOnlyRootFilesystem"], true);
                assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
                assert!(container["resources"]["limits"]["memory"].is_string(), "{container}");
                for variable in container["env"].as_array().into_iter().flatten() {
                    assert!(variable["valueFrom"]["secretKeyRef"].is_null(), "secrets are files: {variable}");
                }
            }
        }
    }
}

#[test]
fn pods_are_the_same_and_find_the_first_one() {
    let objects = render(&["nodes=7", "capacity=20", "endowment=100000"]);
    let set = only(&objects, "StatefulSet");
    assert_eq!(set["spec"]["replicas"], 7);
    assert_eq!(set["spec"]["podManagementPolicy"], "Parallel");
    let container = container(&objects);
    let value = |name| environment(container, name).unwrap_or_default();
    assert_eq!(value("BLOCKCHAT_NODES"), "7");
    assert_eq!(value("BLOCKCHAT_CAPACITY"), "20");
    assert_eq!(value("BLOCKCHAT_ENDOWMENT"), "100000");
    assert_eq!(value("BLOCKCHAT_BOOTSTRAP_URL"), "http://bc-blockchat-0.bc-blockchat-peers:9000");
    assert_eq!(value("BLOCKCHAT_ADVERTISE_URL"), "http://$(POD_NAME).bc-blockchat-peers:9000");
    let peers = named(&objects, "Service", "bc-blockchat-peers");
    assert_eq!(
        (&peers["spec"]["clusterIP"], &peers["spec"]["publishNotReadyAddresses"]),
        (&json!("None"), &json!(true))
    );
    assert_eq!(set["spec"]["serviceName"], "bc-blockchat-peers");
    let probe = |name: &str| container[name]["httpGet"]["path"].clone();
    assert_eq!(
        [probe("startupProbe"), probe("readinessProbe"), probe("livenessProbe")],
        ["/startupz", "/readyz", "/healthz"]
    );
}

#[test]
fn a_large_number_in_a_values_file_stays_a_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("values.yaml");
    std::fs::write(&file, "endowment: 1000000\nttlBlocks: 2000000\n").expect("a file");
    let objects = try_render(&["--values", &file.display().to_string()]).expect("rendered");
    let value = |name| environment(container(&objects), name);
    assert_eq!(value("BLOCKCHAT_ENDOWMENT").as_deref(), Some("1000000"));
    assert_eq!(value("BLOCKCHAT_TTL_BLOCKS").as_deref(), Some("2000000"));
}

#[test]
fn the_budget_keeps_the_quorum() {
    for (nodes, most) in [(1, 1), (3, 1), (4, 1), (6, 1), (7, 2), (9, 2), (10, 3), (100, 33)] {
        let objects = render(&[&format!("nodes={nodes}")]);
        assert_eq!(only(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"], most, "{nodes} nodes");
    }
    assert!(of_kind(&render(&["podDisruptionBudget.enabled=false"]), "PodDisruptionBudget").is_empty());
}

#[test]
fn tokens_are_files_that_are_made_or_given() {
    let objects = render(&[]);
    let secret = only(&objects, "Secret");
    let token = secret["data"]["api-token"].as_str().expect("a token");
    assert!(token.len() >= 50 && secret["data"]["join-token"] != secret["data"]["api-token"], "{secret}");
    assert!(environment(container(&objects), "BLOCKCHAT_ALLOW_OPEN_WALLET").is_none());

    let objects = render(&["api.token.existingSecret=mine,api.token.key=t", "join.token.existingSecret=other"]);
    assert!(of_kind(&objects, "Secret").is_empty());
    let volumes = only(&objects, "StatefulSet")["spec"]["template"]["spec"]["volumes"].to_string();
    assert!(volumes.contains("\"mine\"") && volumes.contains("\"other\"") && volumes.contains("\"t\""), "{volumes}");

    let objects = render(&["api.token.enabled=false", "join.token.enabled=false"]);
    assert!(of_kind(&objects, "Secret").is_empty());
    assert_eq!(environment(container(&objects), "BLOCKCHAT_ALLOW_OPEN_WALLET").as_deref(), Some("true"));
    assert!(environment(container(&objects), "BLOCKCHAT_API_TOKEN_FILE").is_none());

    let objects = render(&["wallets.existingSecret=keys"]);
    let mounts = container(&objects)["volumeMounts"].to_string();
    assert!(mounts.contains("$(POD_NAME).pem"), "each pod sees its own key only: {mounts}");
}

#[test]
fn listeners_are_open_to_those_who_need_them() {
    let objects = render(&["networkPolicy.adminFrom[0].namespaceSelector.matchLabels.name=monitoring"]);
    let policy = &only(&objects, "NetworkPolicy")["spec"];
    let rule = |port: &str| {
        let rules = policy["ingress"].as_array().expect("rules");
        rules.iter().find(|rule| rule["ports"][0]["port"] == port).unwrap_or_else(|| panic!("no rule for {port}"))
    };
    let members = &rule("peers")["from"];
    assert_eq!(members.as_array().map(Vec::len), Some(1));
    assert_eq!(members[0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"], "node");
    assert!(rule("admin")["from"].to_string().contains("monitoring"));
    assert!(!rule("api")["from"].to_string().contains("monitoring"));
    assert!(of_kind(&render(&["networkPolicy.enabled=false"]), "NetworkPolicy").is_empty());
}

#[test]
fn traces_go_to_the_collector_that_is_named() {
    let objects = render(&[]);
    assert_eq!(environment(container(&objects), "BLOCKCHAT_OTLP_ENDPOINT"), None);
    let endpoint = "tracing.endpoint=http://collector.observability:4318";
    let objects = render(&[endpoint, "tracing.ratio=0.5"]);
    let value = |name| environment(container(&objects), name);
    assert_eq!(value("BLOCKCHAT_OTLP_ENDPOINT").as_deref(), Some("http://collector.observability:4318"));
    assert_eq!(value("BLOCKCHAT_TRACE_RATIO").as_deref(), Some("0.5"));
    let egress = |objects: &[Value]| only(objects, "NetworkPolicy")["spec"]["egress"].clone();
    let open = json!({ "ports": [{ "port": 4318, "protocol": "TCP" }] });
    assert!(egress(&objects).as_array().expect("rules").contains(&open), "{}", egress(&objects));
    let narrowed = render(&[endpoint, "tracing.egressTo[0].podSelector.matchLabels.app=collector"]);
    let to = json!([{ "podSelector": { "matchLabels": { "app": "collector" } } }]);
    assert_eq!(egress(&narrowed)[2]["to"], to);
    let plain = render(&["tracing.endpoint=http://collector/otlp"]);
    assert_eq!(egress(&plain)[2]["ports"][0]["port"], 80);
    for wrong in
        ["tracing.endpoint=https://collector:4318", "tracing.endpoint=http://user@collector", "tracing.ratio=2"]
    {
        let error = try_render(&["--set", wrong]).expect_err("refused");
        assert!(error.contains("tracing"), "{error}");
    }
}

#[test]
fn monitoring_is_left_out_where_its_kinds_are_missing() {
    let all = "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true";
    let objects = render(&[all]);
    assert!(of_kind(&objects, "ServiceMonitor").is_empty() && of_kind(&objects, "PrometheusRule").is_empty());
    let with = try_render(&[
        "--set",
        all,
        "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
        "--api-versions=monitoring.coreos.com/v1/PrometheusRule",
    ]);
    let objects = with.expect("rendered");
    let monitor = only(&objects, "ServiceMonitor");
    let admin = named(&objects, "Service", "bc-blockchat-admin");
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().expect("labels") {
        assert_eq!(&admin["metadata"]["labels"][label], value, "the monitor selects the admin Service");
    }
    assert_eq!(monitor["spec"]["endpoints"][0]["relabelings"][0]["targetLabel"], "instance");
    let rules = only(&objects, "PrometheusRule")["spec"]["groups"].as_array().expect("groups").clone();
    assert!(!rules.is_empty() && Value::from(rules).to_string().contains("\"docs/runbooks/stalled.md\""));
    let dashboards = render(&["metrics.dashboards.enabled=true"]);
    let maps = of_kind(&dashboards, "ConfigMap");
    assert_eq!(maps.len(), 4);
    for map in maps {
        assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
        for text in map["data"].as_object().expect("data").values() {
            let dashboard: Value = serde_json::from_str(text.as_str().expect("text")).expect("a dashboard");
            assert!(dashboard["panels"].is_array());
        }
    }
}

#[test]
fn the_load_is_scraped_and_links_lead_to_the_runbooks() {
    let values = "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true,metrics.dashboards.enabled=true,\
                  loadtest.enabled=true,metrics.runbooks=https://example.org/books/";
    let kinds = ["ServiceMonitor", "PrometheusRule", "PodMonitor"];
    let kinds = kinds.map(|kind| format!("--api-versions=monitoring.coreos.com/v1/{kind}"));
    let objects = try_render(&["--set", values, &kinds[0], &kinds[1], &kinds[2]]).expect("rendered");
    let pod = &only(&objects, "Job")["spec"]["template"];
    let monitor = only(&objects, "PodMonitor");
    for (label, value) in monitor["spec"]["selector"]["matchLabels"].as_object().expect("labels") {
        assert_eq!(&pod["metadata"]["labels"][label], value, "the monitor selects the Job's pods");
    }
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["name"], monitor["spec"]["podMetricsEndpoints"][0]["port"]);
    let rules = only(&objects, "PrometheusRule").to_string();
    assert!(rules.contains("\"https://example.org/books/stalled.md\"") && !rules.contains("docs/runbooks"));
    for map in of_kind(&objects, "ConfigMap").iter().filter(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1")
    {
        let text = map["data"].to_string();
        assert!(text.contains("https://example.org/books") && !text.contains("docs/runbooks"));
    }
    for wrong in ["books", "https://example.org/a b"] {
        let error = try_render(&["--set", &format!("metrics.runbooks={wrong}")]).expect_err("refused");
        assert!(error.contains("runbooks"), "{error}");
    }
}

#[test]
fn each_experiment_is_a_job() {
    let arguments = |values: &[&str]| {
        let objects = render(&[&["loadtest.enabled=true"], values].concat());
        let job = only(&objects, "Job")["spec"].clone();
        let list = job["template"]["spec"]["containers"][0]["args"].as_array().expect("arguments").clone();
        let text: Vec<String> = list.iter().map(|argument| argument.as_str().expect("text").to_owned()).collect();
        (job, text)
    };
    let (_, matrix) = arguments(&["nodes=2"]);
    assert_eq!(matrix[0], "reproduce");
    let at = "--at=http://bc-blockchat-0.bc-blockchat-peers:8000,http://bc-blockchat-1.bc-blockchat-peers:8000";
    assert!(matrix.iter().any(|argument| argument == at), "{matrix:?}");
    for (experiment, flag) in [("matrix", "--matrix"), ("fairness", "--fairness"), ("finality", "--finality")] {
        let (job, list) = arguments(&[&format!("loadtest.experiment={experiment}")]);
        assert!(list.contains(&flag.to_owned()) && list.contains(&"--print-report".to_owned()), "{list:?}");
        assert_eq!(job["backoffLimit"], 0);
    }
    let (job, list) = arguments(&["loadtest.experiment=files", "nodes=10"]);
    assert_eq!((&job["completionMode"], &job["completions"]), (&json!("Indexed"), &json!(10)));
    assert!(list.contains(&"--input=/transactions/10".to_owned()), "{list:?}");
    assert!(of_kind(&render(&[]), "Job").is_empty());
}

#[test]
fn members_are_spread_as_asked() {
    let spec = |values: &[&str]| only(&render(values), "StatefulSet")["spec"]["template"]["spec"].clone();
    let affinity = |values| spec(values)["affinity"]["podAntiAffinity"].clone();
    assert!(affinity(&[])["preferredDuringSchedulingIgnoredDuringExecution"].is_array());
    assert!(affinity(&["scheduling.antiAffinity=hard"])["requiredDuringSchedulingIgnoredDuringExecution"].is_array());
    assert!(affinity(&["scheduling.antiAffinity=none"]).is_null());
    assert!(spec(&["scheduling.spreadZones=false"])["topologySpreadConstraints"].is_null());
    assert_eq!(spec(&[])["topologySpreadConstraints"][0]["topologyKey"], "topology.kubernetes.io/zone");
}
