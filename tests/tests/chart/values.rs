//! Values that make no sense are refused with a word that names them; those that the chart brings are documented.

use std::fmt::Write as _;

use blockchat_tests::{chart, run};

use crate::render::{only, try_render};

#[test]
fn nonsense_is_refused_and_named() {
    for (value, said) in [
        ("nodes=0", "'/nodes': minimum: got 0, want 1"),
        ("nodes=257", "'/nodes'"),
        ("nodes=five", "'/nodes': got string, want integer"),
        ("capacity=0", "'/capacity': minimum: got 0, want 1"),
        ("endowment=0", "'/endowment'"),
        ("endowment=-1", "'/endowment'"),
        ("endowment=1.0000001", "'/endowment'"),
        ("maxBlockWait=5 minutes", "'/maxBlockWait'"),
        ("ndoes=5", "additional properties 'ndoes' not allowed"),
        ("api.tokn.enabled=true", "additional properties 'tokn' not allowed"),
        ("image.pullPolicy=Sometimes", "'/image/pullPolicy'"),
        ("image.digest=sha256:12", "'/image/digest'"),
        ("persistence.size=big", "'/persistence/size'"),
        ("persistence.whenDeleted=Keep", "'/persistence/whenDeleted'"),
        ("scheduling.antiAffinity=maybe", "'/scheduling/antiAffinity'"),
        ("loadtest.experiment=all", "'/loadtest/experiment'"),
        ("loadtest.runs=0", "'/loadtest/runs'"),
        ("service.port=70000", "'/service/port'"),
        ("api.corsOrigins={example.org}", "'/api/corsOrigins/0'"),
    ] {
        let error = try_render(&["--set", value]).expect_err(value);
        assert!(error.contains(said), "{value}: {error}");
    }
}

#[test]
fn the_experiments_values_files_are_the_courses() {
    for (file, nodes, experiment) in [
        ("values-5.yaml", 5, "--matrix"),
        ("values-10.yaml", 10, "--matrix"),
        ("values-fairness.yaml", 5, "--fairness"),
    ] {
        let path = chart().join(file).display().to_string();
        let objects = try_render(&["--values", &path, "--set", "loadtest.enabled=true"]).expect(file);
        assert_eq!(only(&objects, "StatefulSet")["spec"]["replicas"], nodes, "{file}");
        let arguments = only(&objects, "Job")["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
        assert!(arguments.contains(experiment), "{file}: {arguments}");
    }
}

#[test]
fn the_linter_has_nothing_to_say() {
    for file in ["values.yaml", "values-5.yaml", "values-10.yaml", "values-fairness.yaml"] {
        let values = chart().join(file).display().to_string();
        let chart = chart().display().to_string();
        let (code, said, error) =
            run("helm", &["lint", "--strict", "--kube-version=1.33.0", &chart, "--values", &values]);
        assert_eq!(code, Some(0), "{file}: {said}{error}");
    }
}

/// `values.yaml` documents each value in a comment that begins with `-- `; the README has the same words.
#[test]
fn the_readme_has_every_value_with_its_default() {
    let path = chart().join("README.md");
    let table = table(&std::fs::read_to_string(chart().join("values.yaml")).expect("values.yaml"));
    let readme = std::fs::read_to_string(&path).expect("the chart's README");
    let (begin, end) = ("<!-- values: generated -->\n", "<!-- end of values -->");
    let (before, rest) = readme.split_once(begin).expect("the mark before the table");
    let (found, after) = rest.split_once(end).expect("the mark after the table");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{begin}{table}{end}{after}")).expect("the chart's README");
        return;
    }
    assert_eq!(found, table, "UPDATE_DOCS=1 cargo test -p blockchat-tests --test chart readme");
}

fn table(values: &str) -> String {
    let mut rows = String::from("| value | default | meaning |\n|---|---|---|\n");
    let (mut path, mut about): (Vec<(usize, String)>, Option<String>) = (Vec::new(), None);
    for line in values.lines().filter(|line| !line.trim().is_empty()) {
        let (indent, text) = (line.len() - line.trim_start().len(), line.trim());
        if let Some(comment) = text.strip_prefix("# -- ") {
            about = Some(comment.to_owned());
            continue;
        }
        let Some((key, default)) = text.split_once(':') else { continue };
        path.retain(|(depth, _)| *depth < indent);
        path.push((indent, key.to_owned()));
        if let Some(about) = about.take() {
            let name: Vec<&str> = path.iter().map(|(_, key)| key.as_str()).collect();
            let default = default.trim().trim_matches('"');
            let default = if default.is_empty() { "none".to_owned() } else { format!("`{default}`") };
            let _ = writeln!(rows, "| `{}` | {default} | {about} |", name.join("."));
        }
    }
    rows
}
