//! Settings that can't be right: exit code 64 and one line that says why. No cluster is needed.

use blockchat_tests::{Folder, Program, SHORT, binary};

async fn run(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    let log = folder.path().join("output");
    let data = folder.path().join("data").display().to_string();
    let mut given = vec![("BLOCKCHAT_DATA_DIR".to_owned(), data)];
    given.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut program = Program::start(&binary("blockchat-node"), arguments.iter().copied(), given, &log);
    let finished = program.wait(SHORT).await;
    (finished.status.code(), program.output())
}

/// Arguments, environment, what the message must name.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn wrong_settings_are_named() {
    let table: &[Case<'_>] = &[
        (&[], &[("BLOCKCHAT_NODES", "five")], "NODES"),
        (&[], &[("BLOCKCHAT_NODES", "0")], "NODES"),
        (&[], &[("BLOCKCHAT_CAPACITY", "-1")], "CAPACITY"),
        (&[], &[("BLOCKCHAT_CAPACTIY", "5")], "CAPACTIY"),
        (&[], &[("BLOCKCHAT_LISTEN", "nowhere")], "LISTEN"),
        (&[], &[("BLOCKCHAT_MAX_BLOCK_WAIT", "soon")], "MAX_BLOCK_WAIT"),
        (&[], &[("BLOCKCHAT_ENDOWMENT", "0.0000001")], "ENDOWMENT"),
        (
            &[],
            &[("BLOCKCHAT_LISTEN", "0.0.0.0:8000"), ("BLOCKCHAT_ADVERTISE_URL", "http://node:9000")],
            "ALLOW_OPEN_WALLET",
        ),
        (&[], &[("BLOCKCHAT_API_TOKEN_FILE", "/nonexistent/token")], "API_TOKEN_FILE"),
        (&["--capactiy", "5"], &[], "capactiy"),
        (&["--capacity", "many"], &[], "CAPACITY"),
        (&["-n", "x"], &[], "NODES"),
    ];
    for (arguments, settings, name) in table {
        let (code, output) = run(arguments, settings).await;
        let what = format!("{arguments:?} {settings:?}: {output}");
        assert_eq!(code, Some(64), "{what}");
        assert!(output.contains(name), "{name} is not named: {what}");
        assert_eq!(output.lines().filter(|line| !line.trim().is_empty()).count(), 1, "one line: {what}");
    }
}

#[tokio::test]
async fn effective_settings_are_shown_with_their_source() {
    let (code, output) = run(&["--print-config", "-n", "7"], &[("BLOCKCHAT_CAPACITY", "11")]).await;
    assert_eq!(code, Some(0), "{output}");
    let line = |name: &str| {
        output
            .lines()
            .find(|line| line.contains(name))
            .unwrap_or_else(|| panic!("no {name} in {output}"))
            .to_lowercase()
    };
    assert!(line("NODES").contains('7') && line("NODES").contains("command line"), "{output}");
    assert!(line("CAPACITY").contains("11") && line("CAPACITY").contains("environment"), "{output}");
    assert!(line("TTL_BLOCKS").contains("10000") && line("TTL_BLOCKS").contains("default"), "{output}");
}
