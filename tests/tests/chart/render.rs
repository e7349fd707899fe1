//! `helm template`, parsed.

use blockchat_tests::{chart, run};
use serde::Deserialize as _;
use serde_json::Value;

/// Renders the chart as release `bc`; the objects, or what helm says against it.
pub fn try_render(arguments: &[&str]) -> Result<Vec<Value>, String> {
    let chart = chart().display().to_string();
    let usual = ["template", "bc", &chart, "--namespace", "there", "--kube-version", "1.33.0"];
    let (code, said, error) = run("helm", &[&usual, arguments].concat());
    if code != Some(0) {
        return Err(error);
    }
    let documents = serde_yaml_ng::Deserializer::from_str(&said);
    let objects = documents.map(|document| Value::deserialize(document).expect("YAML"));
    Ok(objects.filter(|object| !object.is_null()).collect())
}

/// Renders the chart with these `--set` values.
pub fn render(values: &[&str]) -> Vec<Value> {
    let arguments: Vec<&str> = values.iter().flat_map(|value| ["--set", value]).collect();
    try_render(&arguments).unwrap_or_else(|error| panic!("{values:?}: {error}"))
}

/// The objects of a kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// The only object of a kind.
pub fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found[0]
}

/// The only object of a kind with this name.
pub fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let all = of_kind(objects, kind);
    let found = all.iter().find(|object| object["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// The environment of a container as text: values, or where they come from.
pub fn environment(container: &Value, name: &str) -> Option<String> {
    let found = container["env"].as_array()?.iter().find(|variable| variable["name"] == name)?;
    Some(found["value"].as_str().map_or_else(|| found["valueFrom"].to_string(), str::to_owned))
}
