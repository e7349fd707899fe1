//! Where a report goes, and what is done with reports that are there.

use std::path::PathBuf;

use clap::Args;

use crate::environment::Environment;
use crate::error::LoadError;
use crate::report::{Reporter, compare, schema_file};

/// Where the report goes.
#[derive(Debug, Default, Args)]
pub struct ReportArgs {
    /// Where the report goes [default: results/COMMAND-TIME].
    #[arg(long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Also print report.json at the end, between lines that say where it begins and ends: for a log from which it is to
    /// be read back.
    #[arg(long)]
    pub print_report: bool,
}

impl ReportArgs {
    /// A report of `command` that goes there.
    pub fn reporter(self, command: &str, environment: Environment) -> Result<Reporter, LoadError> {
        let reporter = Reporter::create(command, self.output, environment)?;
        Ok(if self.print_report { reporter.printed_at_the_end() } else { reporter })
    }
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// A `report.json`, or the directory that holds one.
    #[arg(value_name = "A")]
    pub first: PathBuf,
    /// Another.
    #[arg(value_name = "B")]
    pub second: PathBuf,
    /// JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// A `report.json`, the directory that holds one, or a log with a printed report.
    #[arg(value_name = "REPORT", required = true)]
    pub reports: Vec<PathBuf>,
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Puts the parts of several reports into one. Runs of the same cell become repetitions.
pub fn merge(arguments: MergeArgs) -> Result<Reporter, LoadError> {
    let reports = arguments.reports.iter().map(|path| schema_file::read(path)).collect::<Result<Vec<_>, _>>()?;
    let environment = reports.first().map_or_else(Environment::default, |report| report.environment.clone());
    let mut reporter = arguments.report.reporter("merge", environment)?;
    reporter.merge(reports)?;
    Ok(reporter)
}

/// Prints two reports side by side.
pub fn compare_reports(arguments: &CompareArgs) -> Result<(), LoadError> {
    let first = schema_file::read(&arguments.first)?;
    let second = schema_file::read(&arguments.second)?;
    let rows = compare::compare(&first, &second)?;
    if arguments.json {
        let json = serde_json::to_string_pretty(&rows).map_err(|error| LoadError::Report(error.to_string()))?;
        println!("{json}");
    } else {
        print!("{}", compare::text(&rows));
    }
    Ok(())
}
