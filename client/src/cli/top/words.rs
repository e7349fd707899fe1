//! Figures in words, and a snapshot as plain text.

use super::super::output::{self, right};
use super::grid::{self, Grid, Mood};
use super::snapshot::{Figures, Snapshot};

/// Blocks in a snapshot that is printed.
const PRINTED_BLOCKS: usize = 5;

/// The figures at the head of the view, most important first. Each is short and stands for itself.
pub fn heading(snapshot: &Snapshot) -> Vec<(String, Mood)> {
    let figures = &snapshot.figures;
    let agreement = match snapshot.agreement.one_chain {
        Some(true) => Mood::Fine,
        Some(false) => Mood::Bad,
        None => Mood::Odd,
    };
    let answering = (snapshot.nodes_answering, snapshot.nodes.len());
    let answer = if answering.0 < answering.1 { Mood::Bad } else { Mood::Fine };
    let height = snapshot.height.map_or_else(|| "height unknown".to_owned(), |height| format!("height {height}"));
    let mut items = vec![
        (throughput(figures), Mood::Fine),
        (block_time(figures), Mood::Fine),
        (finality(figures), Mood::Fine),
        (height, Mood::Fine),
        (output::text(&snapshot.agreement.text), agreement),
        (format!("{} of {} nodes answer", answering.0, answering.1), answer),
    ];
    if let Some(extra) = figures.extra_rounds {
        items.push((extra_rounds(extra), if extra > 0 { Mood::Odd } else { Mood::Fine }));
    }
    items
}

fn throughput(figures: &Figures) -> String {
    match figures.transactions_per_second {
        Some(rate) if rate >= 100.0 => format!("{rate:.0} tx/s"),
        Some(rate) => format!("{rate:.1} tx/s"),
        None => "tx/s unknown".to_owned(),
    }
}

fn block_time(figures: &Figures) -> String {
    match (figures.block_interval_mean_us, figures.block_interval_p95_us) {
        (Some(mean), Some(p95)) => format!("a block each {} (p95 {})", ms(mean), ms(p95)),
        _ => "no blocks lately".to_owned(),
    }
}

fn finality(figures: &Figures) -> String {
    match (figures.transaction_finality_p50_us, figures.transaction_finality_p95_us) {
        (Some(p50), Some(p95)) => format!("final after {} (p95 {})", ms(p50), ms(p95)),
        _ => "nothing became final lately".to_owned(),
    }
}

fn extra_rounds(extra: u64) -> String {
    match extra {
        0 => "no extra rounds".to_owned(),
        1 => "1 extra round".to_owned(),
        extra => format!("{extra} extra rounds"),
    }
}

/// Where the figures are from.
pub fn source(snapshot: &Snapshot) -> String {
    let Some(source) = &snapshot.source else { return "no node gives its blocks".to_owned() };
    let name = source.id.map_or_else(|| output::text(&source.url), |id| format!("node {id}"));
    let seconds = snapshot.figures.window_ms.map_or_else(String::new, |ms| format!(" over {} s", (ms + 500) / 1_000));
    format!("measured by {name}{seconds}")
}

/// The network, in short.
pub fn title(snapshot: &Snapshot) -> String {
    let chain = snapshot.chain_id.map_or_else(|| "unknown".to_owned(), |chain| format!("{chain:.12}"));
    format!("chain {chain}")
}

/// Microseconds as milliseconds, with the unit.
pub fn ms(micros: u64) -> String {
    format!("{} ms", number_ms(micros))
}

/// Microseconds as milliseconds: three digits or so.
pub fn number_ms(micros: u64) -> String {
    if micros >= 100_000 {
        return ((micros + 500) / 1_000).to_string();
    }
    let tenths = (micros + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A time in its largest unit.
pub fn age(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

/// A round number with few digits.
pub fn short(number: u64) -> String {
    match number {
        1_000_000.. if number.is_multiple_of(1_000_000) => format!("{}M", number / 1_000_000),
        1_000.. if number.is_multiple_of(1_000) => format!("{}k", number / 1_000),
        _ => number.to_string(),
    }
}

/// A snapshot as plain text.
pub fn text(snapshot: &Snapshot) -> String {
    let mut lines = vec![format!("{} UTC  {}  {}", output::time(snapshot.at_ms), title(snapshot), source(snapshot))];
    let items: Vec<String> = heading(snapshot).into_iter().map(|(text, _)| text).collect();
    // Times above, the state of the network below.
    let (times, state) = items.split_at(items.len().min(3));
    lines.extend([times.join(", "), state.join(", ")]);
    let mut blocks = grid::blocks(snapshot);
    blocks.rows.truncate(PRINTED_BLOCKS);
    for grid in [grid::nodes(snapshot), grid::members(snapshot), blocks] {
        if !grid.rows.is_empty() {
            lines.push(table(&grid));
        }
    }
    lines.join("\n")
}

fn table(grid: &Grid) -> String {
    let headings: Vec<&str> = grid.columns.iter().map(|column| column.heading).collect();
    let mut table = output::table(&headings);
    for row in &grid.rows {
        let mut cells = row.cells.clone();
        // A row without figures says why in its second column.
        if let (Some(note), Some(cell)) = (&row.note, cells.get_mut(1)) {
            cell.clone_from(note);
        }
        let aligned = cells.into_iter().zip(&grid.columns);
        table.add_row(aligned.map(|(cell, column)| if column.right { right(cell) } else { cell.into() }));
    }
    format!("{}\n{table}", grid.title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::top::testing;

    #[test]
    fn times_and_numbers_are_short() {
        let shown = [0, 49, 6_149, 99_949, 100_000, 1_234_567].map(number_ms);
        assert_eq!(shown, ["0.0", "0.0", "6.1", "99.9", "100", "1235"]);
        assert_eq!([7, 1_500, 59_999, 3_599_999, 7_200_000].map(age), ["7 ms", "1.5 s", "59.9 s", "59 min", "2 h"]);
        assert_eq!([0, 999, 1_000, 1_500, 100_000, 2_000_000].map(short), ["0", "999", "1k", "1500", "100k", "2M"]);
    }

    #[test]
    fn a_snapshot_as_text_has_figures_first_and_every_table() {
        let text = text(&testing::snapshot(4));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("measured by node 0 over 10 s"), "{text}");
        assert_eq!(lines[1], "812 tx/s, a block each 6.1 ms (p95 10.2 ms), final after 8.6 ms (p95 14.0 ms)", "{text}");
        assert_eq!(lines[2], "height 120, one chain, 3 of 4 nodes answer, 2 extra rounds", "{text}");
        for part in ["not answering: connection refused", "37/100k", "of blocks", "last blocks", "itself"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains('\u{1b}'), "no control sequence in {text:?}");
    }
}
