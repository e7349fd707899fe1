//! Two reports side by side.

use super::schema::{Part, Report};
use super::tables::part_name;
use crate::error::LoadError;
use crate::stats::Spread;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// One figure of one experiment in both reports.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Experiment, nodes, capacity, money.
    pub part: String,
    /// The figure, as in `figures` of the report.
    pub figure: String,
    /// In the first report.
    pub first: Spread,
    /// In the second.
    pub second: Spread,
    /// Second mean by first; missing if the first is 0.
    pub ratio: Option<f64>,
    /// Whether the ranges from the smallest to the largest run meet: then the difference may be chance.
    pub overlap: bool,
}

/// Every figure that both reports have, for the same experiment, nodes, capacity and money.
///
/// # Errors
/// They have no experiment in common.
pub fn compare(first: &Report, second: &Report) -> Result<Vec<Row>, LoadError> {
    let key = |part: &Part| (part_name(part), part.endowment, part.node_settings.clone());
    let mut rows = Vec::new();
    for part in &first.parts {
        let Some(other) = second.parts.iter().find(|other| key(other) == key(part)) else { continue };
        let both = part.figures.iter().filter_map(|(name, spread)| Some((name, spread, other.figures.get(name)?)));
        rows.extend(both.map(|(name, a, b)| Row {
            part: part_name(part),
            figure: name.clone(),
            first: *a,
            second: *b,
            ratio: (a.mean.abs() > f64::EPSILON).then(|| b.mean / a.mean),
            overlap: a.overlaps(b),
        }));
    }
    if rows.is_empty() {
        let names = |report: &Report| report.parts.iter().map(part_name).collect::<Vec<_>>().join("; ");
        return Err(LoadError::Report(format!(
            "the reports have no experiment in common (same nodes, capacity, money and node settings): the first has \
             [{}], the second [{}]",
            names(first),
            names(second)
        )));
    }
    Ok(rows)
}

/// The rows as a table.
pub fn text(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(["experiment", "figure", "A", "B", "B / A", "ranges meet"]);
    for row in rows {
        let ratio = row.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
        let meet = if row.overlap { "yes" } else { "no" };
        table.add_row([&row.part, &row.figure, &spread(&row.first), &spread(&row.second), &ratio, meet]);
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// Mean, and for several runs standard deviation and range.
pub fn spread(spread: &Spread) -> String {
    let digits = usize::from(spread.mean.abs() < 100.0);
    if spread.count < 2 {
        return format!("{:.digits$}", spread.mean);
    }
    format!("{:.digits$} ± {:.digits$} ({:.digits$}-{:.digits$})", spread.mean, spread.sd, spread.min, spread.max)
}

#[cfg(test)]
mod tests {
    use super::{compare, text};
    use crate::report::schema::{Experiment, Money, Part, Report, SCHEMA_VERSION};
    use crate::stats::Spread;
    use std::collections::BTreeMap;

    fn report(capacity: u32, runs: &[f64]) -> Report {
        let part = Part {
            figures: BTreeMap::from([("committed_per_second".to_owned(), Spread::of(runs).unwrap())]),
            experiment: Experiment::Matrix,
            nodes: 5,
            capacity,
            money: Money::Funded,
            endowment: "1".parse().unwrap(),
            node_settings: BTreeMap::new(),
            runs: Vec::new(),
        };
        Report {
            schema_version: SCHEMA_VERSION,
            command: "reproduce".to_owned(),
            started_at: String::new(),
            arguments: Vec::new(),
            environment: crate::environment::Environment::default(),
            node_version: String::new(),
            complete: true,
            parts: vec![part],
        }
    }

    #[test]
    fn ratios_and_whether_the_ranges_meet() {
        let rows = compare(&report(5, &[100.0, 120.0]), &report(5, &[210.0, 230.0])).unwrap();
        assert_eq!((rows.len(), rows[0].ratio, rows[0].overlap), (1, Some(2.0), false));
        assert!(text(&rows).contains("2.00") && text(&rows).contains("no"));
        let rows = compare(&report(5, &[100.0, 220.0]), &report(5, &[210.0])).unwrap();
        assert!(rows[0].overlap);
    }

    #[test]
    fn other_experiments_are_not_compared() {
        let error = compare(&report(5, &[1.0]), &report(10, &[1.0])).unwrap_err();
        assert_eq!(error.exit_code(), 65);
        assert!(error.to_string().contains("capacity 5") && error.to_string().contains("capacity 10"), "{error}");
    }
}
