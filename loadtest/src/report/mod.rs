//! What a run leaves: `report.json` for programs, `report.md` and tables on stdout for people.

pub mod compare;
pub mod figures;
pub mod html;
pub mod plots;
pub mod schema;
pub mod schema_file;
pub mod tables;

use crate::environment::Environment;
use crate::error::{LoadError, io_error};
use crate::network::describe;
use figures::figures;
use schema::{Part, Report, SCHEMA_VERSION};
use std::path::{Path, PathBuf};

/// A report that grows part by part and is on disk after each, so that an interrupted run keeps what it has measured.
#[derive(Debug)]
pub struct Reporter {
    directory: PathBuf,
    report: Report,
    print: bool,
}

/// The line before a printed report.
pub const REPORT_BEGINS: &str = "-----BEGIN BLOCKCHAT REPORT-----";
/// The line after it.
pub const REPORT_ENDS: &str = "-----END BLOCKCHAT REPORT-----";

/// Where a command's results go if nobody says: `results/COMMAND-TIME` below the working directory.
pub fn default_folder(command: &str, now: jiff::Timestamp) -> PathBuf {
    PathBuf::from("results").join(format!("{command}-{}", now.strftime("%Y%m%dT%H%M%SZ")))
}

impl Reporter {
    /// Makes `directory` if need be; without one, [`default_folder`].
    ///
    /// # Errors
    /// The directory cannot be made or written to.
    pub fn create(command: &str, directory: Option<PathBuf>, environment: Environment) -> Result<Self, LoadError> {
        let now = jiff::Timestamp::now();
        let directory = directory.unwrap_or_else(|| default_folder(command, now));
        std::fs::create_dir_all(&directory).map_err(io_error(&directory))?;
        let report = Report {
            schema_version: SCHEMA_VERSION,
            command: command.to_owned(),
            started_at: now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            arguments: std::env::args().skip(1).collect(),
            environment,
            node_version: String::new(),
            complete: false,
            parts: Vec::new(),
        };
        let reporter = Self { directory, report, print: false };
        reporter.write()?;
        Ok(reporter)
    }

    /// [`Reporter::finish`] also prints `report.json`, so that it can be read back from a log.
    #[must_use]
    pub fn printed_at_the_end(mut self) -> Self {
        self.print = true;
        self
    }

    /// Adds the parts of other reports. The same cell in several of them becomes one part with more runs.
    ///
    /// # Errors
    /// The report cannot be written.
    pub fn merge(&mut self, reports: Vec<Report>) -> Result<(), LoadError> {
        let parts = &mut self.report.parts;
        for report in reports {
            self.report.node_version = report.node_version;
            for part in report.parts {
                match parts.iter_mut().find(|known| same_cell(known, &part)) {
                    Some(known) => known.runs.extend(part.runs),
                    None => parts.push(part),
                }
            }
        }
        for part in parts {
            part.figures = figures(&part.runs);
        }
        self.write()
    }

    /// Adds a part and writes the report.
    ///
    /// # Errors
    /// The report cannot be written.
    pub fn add(&mut self, mut part: Part, node_version: &str) -> Result<(), LoadError> {
        node_version.clone_into(&mut self.report.node_version);
        part.figures = figures(&part.runs);
        self.report.parts.push(part);
        self.write()
    }

    /// Marks the report as complete, writes it and says where it is.
    ///
    /// # Errors
    /// The report cannot be written, or a run in it has failed.
    pub fn finish(mut self) -> Result<(), LoadError> {
        self.report.complete = true;
        self.write()?;
        println!("{}", tables::text(&self.report));
        println!("Report: {}", self.directory.join("report.json").display());
        if self.print {
            println!("{REPORT_BEGINS}\n{}\n{REPORT_ENDS}", self.json()?);
        }
        let problems = self.problems();
        if !problems.is_empty() {
            return Err(LoadError::Failed(problems.join("\n")));
        }
        let runs = self.report.parts.iter().flat_map(|part| &part.runs);
        let failed: Vec<_> = runs.flat_map(|run| run.failed_nodes.clone()).collect();
        if failed.is_empty() { Ok(()) } else { Err(LoadError::NodesFailed(describe(&failed))) }
    }

    /// Everything that is wrong in any run so far.
    fn problems(&self) -> Vec<String> {
        let runs = self.report.parts.iter().flat_map(|part| part.runs.iter().map(move |run| (part, run)));
        runs.flat_map(|(part, run)| {
            let name = tables::part_name(part);
            run.problems.iter().map(move |problem| format!("{name}: {problem}"))
        })
        .collect()
    }

    fn json(&self) -> Result<String, LoadError> {
        serde_json::to_string_pretty(&self.report).map_err(|error| LoadError::Failed(error.to_string()))
    }

    fn write(&self) -> Result<(), LoadError> {
        replace(&self.directory.join("report.json"), &(self.json()? + "\n"))?;
        replace(&self.directory.join("report.md"), &tables::markdown(&self.report))?;
        for plot in plots::plots(&self.report) {
            replace(&self.directory.join(format!("{}.svg", plot.name)), &plot.file())?;
        }
        replace(&self.directory.join("report.html"), &html::page(&self.report))
    }
}

/// Whether two parts measured the same thing.
fn same_cell(one: &Part, other: &Part) -> bool {
    let cell = |part: &Part| (part.experiment, part.nodes, part.capacity, part.money, part.endowment);
    cell(one) == cell(other) && one.node_settings == other.node_settings
}

/// Writes beside the file and renames, so that a reader never finds half a report.
fn replace(path: &Path, text: &str) -> Result<(), LoadError> {
    let temporary = path.with_extension("partial");
    std::fs::write(&temporary, text).map_err(io_error(&temporary))?;
    std::fs::rename(&temporary, path).map_err(io_error(path))
}

#[cfg(test)]
mod tests {
    use super::schema::{Experiment, Load, Money, Part, Report, Run, SCHEMA_VERSION};
    use super::{Environment, Reporter};
    use crate::error::LoadError;
    use std::collections::BTreeMap;

    fn part(problems: &[&str]) -> Part {
        let problems = problems.iter().map(ToString::to_string).collect();
        let load = Load { rejected: BTreeMap::from([("insufficient_balance".to_owned(), 3)]), ..Load::default() };
        Part {
            experiment: Experiment::Matrix,
            nodes: 5,
            capacity: 10,
            figures: BTreeMap::new(),
            money: Money::Funded,
            endowment: "100000".parse().unwrap(),
            node_settings: BTreeMap::new(),
            runs: vec![Run { load: Some(load), problems, ..Run::default() }],
        }
    }

    fn read(directory: &std::path::Path) -> Report {
        serde_json::from_str(&std::fs::read_to_string(directory.join("report.json")).unwrap()).unwrap()
    }

    #[test]
    fn the_report_is_on_disk_after_each_part() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().join("a/b");
        let mut reporter = Reporter::create("fire", Some(folder.clone()), Environment::detect()).unwrap();
        assert_eq!((read(&folder).parts.len(), read(&folder).complete), (0, false));
        reporter.add(part(&[]), "0.1.0").unwrap();
        let report = read(&folder);
        assert_eq!((report.parts.len(), report.complete, report.schema_version), (1, false, SCHEMA_VERSION));
        assert_eq!(report, reporter.report, "reading gives what was written");
        reporter.finish().unwrap();
        assert!(read(&folder).complete);
        let markdown = std::fs::read_to_string(folder.join("report.md")).unwrap();
        assert!(markdown.contains("insufficient_balance 3"), "{markdown}");
        let names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(
            !names.iter().any(|name| name.to_string_lossy().ends_with("partial")),
            "no temporary file stays: {names:?}"
        );
    }

    #[test]
    fn merging_keeps_every_run_and_makes_repetitions_of_the_same_cell() {
        let folder = tempfile::tempdir().unwrap();
        let report = |name: &str, parts: Vec<Part>| {
            let mut reporter =
                Reporter::create("reproduce", Some(folder.path().join(name)), Environment::default()).unwrap();
            for part in parts {
                reporter.add(part, "0.1.0").unwrap();
            }
            reporter.report
        };
        let one = report("one", vec![part(&[])]);
        let other = report("other", vec![Part { capacity: 20, ..part(&[]) }, part(&["lost"])]);
        let mut merged = Reporter::create("merge", Some(folder.path().join("all")), Environment::default()).unwrap();
        merged.merge(vec![one, other]).unwrap();
        let found = read(&folder.path().join("all"));
        let cells: Vec<_> = found.parts.iter().map(|part| (part.capacity, part.runs.len())).collect();
        assert_eq!(cells, [(10, 2), (20, 1)]);
        assert_eq!(found.node_version, "0.1.0");
        assert!(merged.finish().unwrap_err().to_string().contains("lost"), "a failed run stays one");
    }

    #[test]
    fn a_run_with_problems_fails_but_its_report_is_complete() {
        let directory = tempfile::tempdir().unwrap();
        let mut reporter =
            Reporter::create("reproduce", Some(directory.path().to_owned()), Environment::default()).unwrap();
        reporter.add(part(&[]), "0.1.0").unwrap();
        reporter.add(part(&["forked: at height 3"]), "0.1.0").unwrap();
        let error = reporter.finish().unwrap_err();
        assert!(matches!(&error, LoadError::Failed(text) if text.contains("forked: at height 3")), "{error}");
        assert_eq!(error.exit_code(), 1);
        assert!(read(directory.path()).complete);
    }

    #[test]
    fn names_of_the_schema_stay() {
        let value = serde_json::to_value(part(&[])).unwrap();
        assert_eq!(value["experiment"], "matrix");
        assert_eq!(value["money"], "funded");
        assert_eq!(value["endowment"], "100000");
        let load = &value["runs"][0]["load"];
        for path in [
            "/attempted",
            "/accepted",
            "/rejected/insufficient_balance",
            "/committed",
            "/lost",
            "/throughput/committed_per_second",
            "/throughput/client_per_second",
            "/block_time/committed_interval/mean_ms",
            "/block_time/committed_interval/p95_ms",
            "/block_time/client_ms",
            "/response/p99_ms",
            "/waiting_for_money_seconds",
        ] {
            assert!(load.pointer(path).is_some(), "{path} is missing in {load}");
        }
    }
}
