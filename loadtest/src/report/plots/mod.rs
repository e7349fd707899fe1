//! The report's pictures, as SVG files and inside the page.

mod panel;

use super::schema::{Experiment, Fairness, Money, Part, Rate, Report};
use crate::stats::{Spread, count_f64};
use panel::{DrawError, Form, INK, Panel, Point, Series};
use plotters::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Committed transactions a second of the original with 5 nodes, by capacity, as measured on its own code on a two-core
/// machine with the assignment's files.
const ORIGINAL_FIVE_NODES: [(u32, f64); 3] = [(5, 52.0), (10, 51.0), (20, 56.0)];
/// The same with 10 nodes and capacity 5, where its chain forked: lowest and highest of its runs.
const ORIGINAL_TEN_NODES: (u32, f64, f64) = (5, 1.5, 2.5);
const PANEL_SIZE: (u32, u32) = (460, 380);

/// A picture.
#[derive(Clone, Debug)]
pub struct Plot {
    /// File name without the ending.
    pub name: String,
    /// What it shows and by which definition.
    pub caption: String,
    svg: String,
}

impl Plot {
    /// The file: on white, since an image viewer may be dark.
    pub fn file(&self) -> String {
        let end = self.svg.find('>').map_or(0, |end| end + 1);
        let (head, body) = self.svg.split_at(end);
        format!("{head}\n<rect width=\"100%\" height=\"100%\" fill=\"#FFFFFF\"/>{body}")
    }

    /// Inside a page: in the page's colours.
    pub fn inline(&self) -> String {
        let ink = format!("#{:02X}{:02X}{:02X}", INK.0, INK.1, INK.2);
        self.svg.replace(&ink, "currentColor")
    }
}

/// Every picture for which the report has figures.
pub fn plots(report: &Report) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (money, name) in [(Money::Funded, "funded"), (Money::Assignment, "assignment"), (Money::Given, "given")] {
        let with = |kind| report.parts.iter().filter(move |part| part.experiment == kind && part.money == money);
        let cells: Vec<&Part> = with(Experiment::Matrix).chain(with(Experiment::Fire)).collect();
        plots.extend(matrix(&cells, name));
        for part in with(Experiment::Fairness) {
            let fairness = part.runs.iter().find_map(|run| run.fairness.as_ref());
            plots.extend(fairness.and_then(|found| fairness_plot(found, name)));
        }
    }
    let runs = || report.parts.iter().flat_map(|part| &part.runs);
    let steps: Vec<&Rate> =
        runs().find_map(|run| run.saturation.as_ref()).map_or(Vec::new(), |found| found.steps.iter().collect());
    if steps.len() > 1 {
        plots.extend(saturation(&steps));
    }
    let rates: Vec<&Rate> = runs().filter_map(|run| run.rate.as_ref()).chain(steps).collect();
    plots.extend(latency(&rates));
    plots
}

fn plot(name: &str, caption: &str, panels: &[Panel]) -> Option<Plot> {
    let columns = u32::try_from(panels.len()).ok().filter(|columns| *columns > 0)?;
    let mut svg = String::new();
    let draw = |svg: &mut String| -> Result<(), DrawError> {
        let area = SVGBackend::with_string(svg, (PANEL_SIZE.0 * columns, PANEL_SIZE.1)).into_drawing_area();
        for (part, panel) in area.split_evenly((1, panels.len())).iter().zip(panels) {
            panel.draw(part)?;
        }
        area.present()
    };
    // Drawing into memory fails only by a defect; a report without a picture is better than none.
    draw(&mut svg).ok()?;
    Some(Plot { name: name.to_owned(), caption: caption.to_owned(), svg })
}

fn point(at: usize, spread: &Spread) -> Point {
    let range = (spread.count > 1).then_some((spread.min, spread.max));
    Point { at, value: spread.mean, range }
}

fn matrix(cells: &[&Part], money: &str) -> Option<Plot> {
    if cells.is_empty() {
        return None;
    }
    let capacities: BTreeSet<u32> = cells.iter().map(|part| part.capacity).collect();
    let nodes: BTreeSet<u16> = cells.iter().map(|part| part.nodes).collect();
    let position = |capacity: u32| capacities.iter().position(|known| *known == capacity);
    let series = |figure: &str, nodes: u16| {
        let own = cells.iter().filter(|part| part.nodes == nodes);
        let points = own.filter_map(|part| Some(point(position(part.capacity)?, part.figures.get(figure)?)));
        Series { name: format!("{nodes} nodes and clients"), form: Form::Line, points: points.collect() }
    };
    let panel = |title: &str, y_label: &str, figure: &str| Panel {
        title: title.to_owned(),
        x_label: "capacity (transactions in a block)".to_owned(),
        y_label: y_label.to_owned(),
        positions: capacities.iter().map(ToString::to_string).collect(),
        series: nodes.iter().map(|nodes| series(figure, *nodes)).collect(),
        logarithmic: false,
    };
    let mut throughput =
        panel(&format!("Committed throughput, {money}"), "transactions/s (log)", "committed_per_second");
    throughput.logarithmic = true;
    let original = ORIGINAL_FIVE_NODES
        .iter()
        .filter_map(|(capacity, value)| Some(Point { at: position(*capacity)?, value: *value, range: None }));
    if nodes.contains(&5) {
        let points = original.collect();
        throughput.series.push(Series { name: "original, 5 nodes (see text)".to_owned(), form: Form::Points, points });
    }
    if let (true, Some(at)) = (nodes.contains(&10), position(ORIGINAL_TEN_NODES.0)) {
        let (low, high) = (ORIGINAL_TEN_NODES.1, ORIGINAL_TEN_NODES.2);
        let points = vec![Point { at, value: f64::midpoint(low, high), range: Some((low, high)) }];
        throughput.series.push(Series { name: "original, 10 nodes, forked".to_owned(), form: Form::Points, points });
    }
    let blocks = panel(&format!("Committed block interval, {money}"), "milliseconds, mean", "block_interval_mean_ms");
    let caption = "Left: transactions in committed blocks, from the first send to the last commit; bars reach from the \
                   smallest to the largest run. The original's points are its committed throughput measured on its own \
                   code on a two-core machine; with 10 nodes its chain forked. They are not its tester's \
                   figure, which counts accepted requests by response time. Right: between the timestamps of blocks \
                   that hold the run's transactions; the original has no such figure.";
    plot(&format!("matrix-{money}"), caption, &[throughput, blocks])
}

fn fairness_plot(found: &Fairness, money: &str) -> Option<Plot> {
    let blocks = count_f64(found.blocks.max(1));
    let positions: Vec<String> =
        found.members.iter().map(|share| format!("{} ({})", share.node, share.stake)).collect();
    let points = |value: &dyn Fn(&super::schema::Share) -> f64| -> Vec<Point> {
        found.members.iter().enumerate().map(|(at, share)| Point { at, value: value(share), range: None }).collect()
    };
    let bcc = |amount: blockchat_ledger::Amount| count_f64(amount.micros()) / 1e6;
    let panel = |title: &str, y_label: &str, series: Vec<Series>| Panel {
        title: title.to_owned(),
        x_label: "node (stake, BCC)".to_owned(),
        y_label: y_label.to_owned(),
        positions: positions.clone(),
        series,
        logarithmic: false,
    };
    let bars = |name: &str, points| Series { name: name.to_owned(), form: Form::Bars, points };
    let expected: Vec<Point> = found
        .members
        .iter()
        .enumerate()
        .map(|(at, share)| Point {
            at,
            value: share.expected_share * blocks,
            range: Some((count_f64(share.wins_low), count_f64(share.wins_high))),
        })
        .collect();
    let wins = vec![
        bars("blocks won", points(&|share| count_f64(share.wins))),
        Series { name: "expected by stake, with 95 % interval".to_owned(), form: Form::Points, points: expected },
    ];
    let balance = |share: &super::schema::Share| share.balance.map_or(0.0, bcc);
    let panels = [
        panel(&format!("Stake and blocks won, {money}"), "blocks", wins),
        panel("Fees earned", "BCC", vec![bars("fees of the blocks won", points(&|share| bcc(share.fees)))]),
        panel("Balance at the end", "BCC", vec![bars("spendable balance", points(&balance))]),
    ];
    let caption = format!(
        "{} blocks. The interval is the central 95 % of the binomial distribution: one member in twenty is outside by chance.",
        found.blocks
    );
    plot(&format!("fairness-{money}"), &caption, &panels)
}

fn saturation(steps: &[&Rate]) -> Option<Plot> {
    let series = |name: &str, value: fn(&Rate) -> f64| {
        let points = steps.iter().enumerate().map(|(at, step)| Point { at, value: value(step), range: None });
        Series { name: name.to_owned(), form: Form::Line, points: points.collect() }
    };
    let panel = Panel {
        title: "Offered and committed".to_owned(),
        x_label: "offered, transactions/s".to_owned(),
        y_label: "transactions/s".to_owned(),
        positions: steps.iter().map(|step| format!("{:.0}", step.offered_per_second)).collect(),
        series: vec![
            series("offered", |step| step.offered_per_second),
            series("sent", |step| step.sent_per_second),
            series("committed", |step| step.committed_per_second),
        ],
        logarithmic: false,
    };
    plot(
        "saturation",
        "Where committed leaves offered, the network is saturated. Signed before the clock starts.",
        &[panel],
    )
}

fn latency(rates: &[&Rate]) -> Option<Plot> {
    let measured: BTreeMap<u64, &Rate> = rates
        .iter()
        .filter(|rate| rate.finality.count > 0)
        .map(|rate| (rate.offered_per_second.to_bits(), *rate))
        .collect();
    let series = measured.values().rev().take(6).map(|rate| {
        let finality = &rate.finality;
        let values = [finality.p50_ms, finality.p90_ms, finality.p99_ms, finality.p999_ms, finality.max_ms];
        let points = values.iter().enumerate().map(|(at, value)| Point { at, value: *value, range: None });
        let name = format!("{:.0} transactions/s offered", rate.offered_per_second);
        Series { name, form: Form::Line, points: points.collect() }
    });
    let series: Vec<Series> = series.collect();
    if series.is_empty() {
        return None;
    }
    let panel = Panel {
        title: "Latency to the commit".to_owned(),
        x_label: "percentile".to_owned(),
        y_label: "milliseconds (log)".to_owned(),
        positions: ["50", "90", "99", "99.9", "max"].map(str::to_owned).to_vec(),
        series,
        logarithmic: true,
    };
    plot("latency", "From the moment a request should have been sent until it was seen committed.", &[panel])
}
