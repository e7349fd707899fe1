//! Clients in another language: the original's own way of asking, and a checker that reads the OpenAPI document.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use blockchat_tests::Network;
use tokio::process::Command;

/// Far more than either takes.
const BOUND: Duration = Duration::from_mins(5);

/// A program of the tests' Python environment.
fn python(name: &str) -> PathBuf {
    let folder = std::env::var_os("BLOCKCHAT_PYTHON_BIN").map(PathBuf::from);
    let folder = folder.expect("BLOCKCHAT_PYTHON_BIN: `make system` sets it, after scripts/setup-test-tools.sh");
    folder.join(name)
}

async fn succeeds(command: &mut Command) -> String {
    let run = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(BOUND, run).await.expect("an end").expect("the program");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_originals_clients_get_what_they_expect() {
    let cluster = Network::of(4).start().await;
    let client = concat!(env!("CARGO_MANIFEST_DIR"), "/original/client.py");
    let (node, other) = (cluster.nodes[1].api_url(), cluster.nodes[2].api_url());
    let said = succeeds(Command::new(python("python")).args([client, &node, &other])).await;
    assert!(said.contains("as the original's clients expect"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_of_the_form_that_the_document_promises() {
    let mut cluster = Network::of(4).start().await;
    let document = format!("{}/api/v1/openapi.json", cluster.nodes[1].api_url());
    // Hostile and random input to every endpoint but the stream, which has no end. The seed makes a failure repeatable.
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let arguments = [
        "run",
        &document,
        "--max-examples",
        "20",
        "--seed",
        "1",
        "--exclude-path",
        "/api/v1/events",
        "--checks",
        checks,
    ];
    let mut checker = Command::new(python("schemathesis"));
    checker.args(arguments).current_dir(std::env::temp_dir());
    checker.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONDONTWRITEBYTECODE", "1");
    checker.env("PYTHONPATH", concat!(env!("CARGO_MANIFEST_DIR"), "/openapi"));
    let said = succeeds(&mut checker).await;
    assert!(said.contains("passed"), "{said}");
    cluster.nodes[1].assert_running();
    cluster.assert_sound().await;
}
