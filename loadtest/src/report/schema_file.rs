//! The schema of `report.json` as a file, and reading a report of any version with a clear error.

use super::schema::{Report, SCHEMA_VERSION};
use super::{REPORT_BEGINS, REPORT_ENDS};
use crate::error::{LoadError, io_error};
use serde_json::Value;
use std::path::Path;

/// JSON Schema (2020-12) of `report.json`, generated from the types.
pub fn json_schema() -> Value {
    let mut schema = schemars::schema_for!(Report).to_value();
    if let Some(version) = schema.pointer_mut("/properties/schema_version") {
        version["const"] = SCHEMA_VERSION.into();
    }
    schema
}

/// Reads a report: a `report.json`, the directory that holds one, or a log with a printed one (the last counts).
///
/// # Errors
/// It cannot be read, is no report, or has another version of the form.
pub fn read(path: &Path) -> Result<Report, LoadError> {
    let path = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    let bytes = std::fs::read(&path).map_err(io_error(&path))?;
    let refused = |why: String| LoadError::Report(format!("{}: {why}", path.display()));
    let value: Value = serde_json::from_slice(printed(&bytes).unwrap_or(&bytes))
        .map_err(|error| refused(format!("this is no report: {error}")))?;
    match value.get("schema_version").and_then(Value::as_u64) {
        None => return Err(refused("this is no report: it has no schema_version".to_owned())),
        Some(version) if version != u64::from(SCHEMA_VERSION) => {
            return Err(refused(format!(
                "the report has schema_version {version}, this program reads {SCHEMA_VERSION}: use the blockchat-loadtest \
                 that wrote it"
            )));
        }
        Some(_) => {}
    }
    serde_json::from_value(value).map_err(|error| refused(format!("this is no report: {error}")))
}

/// What stands between the marks of a printed report.
fn printed(log: &[u8]) -> Option<&[u8]> {
    let text = std::str::from_utf8(log).ok()?;
    let (_, after) = text.rsplit_once(REPORT_BEGINS)?;
    Some(after.split_once(REPORT_ENDS)?.0.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{json_schema, printed, read};
    use std::path::Path;

    #[test]
    fn the_schema_in_the_docs_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json");
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "docs/report.schema.json is not current: UPDATE_DOCS=1 cargo test -p blockchat-loadtest schema"
        );
    }

    #[test]
    fn a_report_is_found_in_a_log() {
        let log =
            format!("[0 s] x\n{0}\nold\n{1}\nmore\n{0}\n{{}}\n{1}\nend\n", super::REPORT_BEGINS, super::REPORT_ENDS);
        assert_eq!(printed(log.as_bytes()), Some(&b"\n{}\n"[..]));
        assert_eq!(printed(b"{}"), None);
    }

    #[test]
    fn what_is_no_report_of_this_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |text: &str| {
            std::fs::write(folder.path().join("report.json"), text).unwrap();
            let error = read(folder.path()).unwrap_err();
            assert_eq!(error.exit_code(), 65, "{error}");
            error.to_string()
        };
        assert!(refused("{").contains("no report"));
        assert!(refused("[]").contains("no schema_version"));
        assert!(refused("{\"schema_version\": 1}").contains("schema_version 1, this program reads 2"));
        assert!(refused("{\"schema_version\": 2}").contains("missing field"));
        assert_eq!(read(Path::new("/nonexistent/report.json")).unwrap_err().exit_code(), 1);
    }
}
