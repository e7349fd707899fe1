//! What is read from where, and what is refused with which words.

use std::ffi::OsString;
use std::fs;
use std::time::Duration;

use blockchat_ledger::Amount;

use super::*;

fn load(arguments: &str, environment: &[(&str, &str)]) -> Result<(Invocation, Option<Config>), ConfigError> {
    let environment: Vec<(OsString, OsString)> =
        environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Config::load(arguments.split_whitespace().map(str::to_owned), &environment)
}

fn config(arguments: &str, environment: &[(&str, &str)]) -> Config {
    load(arguments, environment).expect("allowed").1.expect("a configuration")
}

fn refusal(arguments: &str, environment: &[(&str, &str)]) -> String {
    let text = load(arguments, environment).expect_err("refused").to_string();
    assert_eq!(text.lines().count(), 1, "one line: {text}");
    text
}

#[test]
fn defaults_make_a_bootstrap_node_on_loopback() {
    let config = config("", &[]);
    assert_eq!((config.parameters.nodes, config.parameters.capacity, config.parameters.ttl_blocks), (5, 5, 10_000));
    assert_eq!(config.parameters.endowment, Amount::from_bcc(1_000).unwrap());
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.peer_listen.to_string(), "127.0.0.1:9000");
    assert_eq!(config.admin_listen.to_string(), "127.0.0.1:10000");
    assert_eq!(config.advertise_url, "http://127.0.0.1:9000");
    assert!(config.bootstrap);
    assert_eq!(config.timing.max_block_wait, Duration::from_millis(500));
    assert_eq!(config.wallet_file, std::path::Path::new("blockchat-data/8000/wallet.pem"));
}

#[test]
fn the_defaults_of_the_table_are_those_of_the_crates() {
    let config = config("", &[]);
    assert_eq!((config.timing, config.pool), (Timing::default(), PoolLimits::default()));
    assert_eq!(config.parameters, Parameters::assignment(5, 5));
}

#[test]
fn the_courses_flags_work_with_one_dash_and_with_two() {
    for arguments in ["-p 7000 -n 10 -capacity 20 -bootstrap", "-p 7000 -n 10 --capacity=20 --bootstrap"] {
        let config = config(arguments, &[]);
        assert_eq!((config.parameters.nodes, config.parameters.capacity, config.bootstrap), (10, 20, true));
        assert_eq!(config.listen.to_string(), "127.0.0.1:7000");
        assert_eq!(config.peer_listen.to_string(), "127.0.0.1:8000");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9000");
        assert_eq!(config.bootstrap_url, "http://127.0.0.1:8000");
    }
    assert!(!config("-p 7001 -n 10", &[]).bootstrap);
}

#[test]
fn flags_win_over_environment_over_file_over_default() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    fs::write(&file, "nodes = 7\ncapacity = 8\nendowment = \"12.5\"\nmax_block_wait = \"2s\"\n").unwrap();
    let file = file.to_str().unwrap();
    let environment = [("BLOCKCHAT_CONFIG", file), ("BLOCKCHAT_CAPACITY", "9"), ("BLOCKCHAT_MAX_BLOCK_WAIT", "0")];
    let config = config("--max-block-wait 30ms", &environment);
    assert_eq!((config.parameters.nodes, config.parameters.capacity), (7, 9));
    assert_eq!(config.parameters.endowment.to_string(), "12.5");
    assert_eq!(config.timing.max_block_wait, Duration::from_millis(30));
    let shown = config.describe();
    let line = |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("NODES").ends_with(&format!("# file {file}")), "{shown}");
    assert_eq!(line("CAPACITY").split_whitespace().collect::<Vec<_>>(), ["CAPACITY", "=", "9", "#", "environment"]);
    assert!(line("MAX_BLOCK_WAIT").contains("30ms") && line("MAX_BLOCK_WAIT").ends_with("# command line"), "{shown}");
    assert!(line("TTL_BLOCKS").ends_with("# default"), "{shown}");
    assert!(line("DATA_DIR").ends_with("# derived"), "{shown}");
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    assert_eq!(
        refusal("", &[("BLOCKCHAT_CAPACTY", "5")]),
        "BLOCKCHAT_CAPACTY (environment) is not a setting; did you mean BLOCKCHAT_CAPACITY?; --help lists all"
    );
    assert_eq!(
        refusal("--capcity 5", &[]),
        "--capcity (command line) is not a setting; did you mean --capacity?; --help lists all"
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    fs::write(&file, "node = 7\n").unwrap();
    let text = refusal(&format!("--config {}", file.display()), &[]);
    assert_eq!(text, format!("node (file {}) is not a setting; did you mean nodes?; --help lists all", file.display()));
    assert!(!refusal("", &[("BLOCKCHAT_SOMETHING_ELSE", "5")]).contains("did you mean"));
}

#[test]
fn values_that_are_not_allowed_name_setting_source_and_what_is() {
    assert_eq!(
        refusal("", &[("BLOCKCHAT_NODES", "five")]),
        "NODES=five (environment) is not allowed: an integer from 1 to 256"
    );
    assert_eq!(refusal("-n 0", &[]), "NODES=0 (command line) is not allowed: an integer from 1 to 256");
    for (name, value) in [
        ("ENDOWMENT", "18000000000000"),
        ("CAPACITY", "-5"),
        ("ENDOWMENT", "0"),
        ("ENDOWMENT", "1.0000001"),
        ("MAX_BLOCK_WAIT", "500"),
        ("MAX_BLOCK_WAIT", "1.5s"),
        ("PROPOSE_TIMEOUT", "0"),
        ("LISTEN", "localhost:8000"),
        ("BOOTSTRAP_URL", "https://127.0.0.1:9000"),
        ("BOOTSTRAP_URL", "http://127.0.0.1:9000/path"),
        ("BOOTSTRAP", "yes"),
        ("LOG", "blockchat=loud"),
        ("LOG_FORMAT", "xml"),
        ("OTLP_ENDPOINT", "collector"),
        ("OTLP_ENDPOINT", "https://collector:4318"),
        ("TRACE_RATIO", "1.5"),
        ("TRACE_RATIO", "NaN"),
        ("METRICS", "off"),
        ("POOL_BYTES", "0"),
        ("POOL_BYTES", "5MB"),
    ] {
        let text = refusal("", &[(&format!("BLOCKCHAT_{name}"), value)]);
        assert!(text.starts_with(&format!("{name}={value} (environment) is not allowed: ")), "{text}");
    }
    assert!(refusal("-p 65000", &[]).contains("65000"));
    assert!(refusal("-n", &[]).contains("-n"));
}

#[test]
fn a_float_in_the_file_is_refused_because_it_could_lose_digits() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("node.toml");
    fs::write(&file, "endowment = 12.5\n").unwrap();
    assert!(refusal(&format!("--config {}", file.display()), &[]).contains("in quotes"));
    fs::write(&file, "endowment = = 12\n").unwrap();
    assert!(refusal(&format!("--config {}", file.display()), &[]).starts_with("configuration file "));
}

#[test]
fn contradictions_are_refused() {
    let text = refusal("-p 7000 --bootstrap", &[("BLOCKCHAT_BOOTSTRAP_URL", "http://10.0.0.1:9000")]);
    assert!(
        text.starts_with("BOOTSTRAP=true (command line) contradicts BOOTSTRAP_URL=http://10.0.0.1:9000 (env"),
        "{text}"
    );
    let text = refusal("--bootstrap=false", &[]);
    assert!(text.starts_with("BOOTSTRAP=false (command line) contradicts "), "{text}");
    let text = refusal("-p 7000 --listen 127.0.0.1:7000", &[]);
    assert!(text.starts_with("-p 7000 (command line) contradicts LISTEN="), "{text}");
    let text = refusal("", &[("BLOCKCHAT_ADMIN_LISTEN", "127.0.0.1:8000")]);
    assert!(text.contains("contradicts ADMIN_LISTEN=127.0.0.1:8000 (environment)"), "{text}");
}

#[test]
fn beyond_loopback_a_token_or_a_word_is_needed() {
    let beyond = [("BLOCKCHAT_LISTEN", "0.0.0.0:8000"), ("BLOCKCHAT_ADVERTISE_URL", "http://10.0.0.1:9000")];
    assert!(refusal("", &beyond).contains("LISTEN=0.0.0.0:8000 (environment) is not allowed: beyond loopback"));
    assert!(load("--allow-open-wallet true", &beyond).is_ok());
    let directory = tempfile::tempdir().unwrap();
    let token = directory.path().join("token");
    let arguments = format!("--api-token-file {}", token.display());
    assert!(refusal(&arguments, &beyond).starts_with("API_TOKEN_FILE="));
    fs::write(&token, "\n").unwrap();
    assert!(refusal(&arguments, &beyond).contains("the file is empty"));
    fs::write(&token, "s3cret-word\n").unwrap();
    let config = config(&arguments, &beyond);
    assert_eq!(config.api_token.as_ref().unwrap().expose(), "s3cret-word");
    assert!(!format!("{config:?}").contains("s3cret") && !config.describe().contains("s3cret"));
}

#[test]
fn an_unspecified_listener_needs_an_advertised_address() {
    let text = refusal("", &[("BLOCKCHAT_LISTEN", "0.0.0.0:8000"), ("BLOCKCHAT_ALLOW_OPEN_WALLET", "true")]);
    assert!(text.starts_with("ADVERTISE_URL (not set) is needed: "), "{text}");
}

#[test]
fn credentials_in_a_url_are_not_shown() {
    let shown = refusal("", &[("BLOCKCHAT_OTLP_ENDPOINT", "http://me:pass@collector:4318/v1?key=abc")]);
    assert!(shown.contains("collector:4318") && !shown.contains("pass") && !shown.contains("abc"), "{shown}");
    assert!(shown.contains("without credentials or query"), "{shown}");
}

#[test]
fn service_links_of_kubernetes_are_no_settings() {
    let links = [
        ("BLOCKCHAT_SERVICE_HOST", "10.0.0.1"),
        ("BLOCKCHAT_SERVICE_PORT", "8000"),
        ("BLOCKCHAT_SERVICE_PORT_HTTP", "8000"),
        ("BLOCKCHAT_PORT", "tcp://10.0.0.1:8000"),
        ("BLOCKCHAT_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("BLOCKCHAT_PORT_8000_TCP_PROTO", "tcp"),
        ("BLOCKCHAT_PORT_8000_TCP_PORT", "8000"),
        ("BLOCKCHAT_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("BLOCKCHAT_API_PORT_8000_TCP_ADDR", "10.0.0.1"),
    ];
    assert!(load("", &links).is_ok(), "{:?}", load("", &links).err());
    assert!(refusal("", &[("BLOCKCHAT_PORT", "8000")]).starts_with("BLOCKCHAT_PORT (environment) is not a setting"));
    assert_eq!(config("", &[("BLOCKCHAT_NODES", "")]).parameters.nodes, 5, "an empty variable counts as not set");
}

#[test]
fn health_and_print_config_are_recognised() {
    assert_eq!(load("health", &[]).unwrap().0, Invocation::Health { live: false });
    assert_eq!(load("health --live", &[]).unwrap().0, Invocation::Health { live: true });
    assert_eq!(load("--print-config -n 7", &[]).unwrap().0, Invocation::PrintConfig);
    assert!(matches!(load("--help", &[]).unwrap().0, Invocation::Print(text) if text.contains("--max-block-wait")));
    assert!(config("--accept-lost-log", &[]).accept_lost_log);
}

#[test]
fn the_configuration_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let page = settings::markdown();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path, &page).unwrap();
    }
    assert_eq!(
        fs::read_to_string(path).unwrap(),
        page,
        "run UPDATE_DOCS=1 cargo test -p blockchat-node configuration_page"
    );
}
