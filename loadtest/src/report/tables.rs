//! The report for people: the same tables as text and as Markdown.

use super::compare::spread;
use super::figures::figures;
use super::schema::{Experiment, Load, Money, Part, Report, Run};
use crate::stats::median;
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The definitions, below the tables.
pub const NOTES: &str = "\
Committed tx/s: transactions in committed blocks, from the first send to the last commit seen. \
Client tx/s (the original tester's): accepted requests by the sum of their response times, summed over clients; it says \
how fast nodes accept. Block interval: between timestamps of the blocks that hold the run's transactions. Client block: \
the original's, a client's response times by the blocks of the chain. Several runs of a cell: mean ± standard \
deviation (smallest-largest); of response times the median, of counts the sum.";

/// Tables for a terminal.
pub fn text(report: &Report) -> String {
    render(report, |title| format!("\n{title}\n"), presets::UTF8_FULL_CONDENSED)
}

/// The same as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut out = format!("# BlockChat load report: {}\n\n{}\n", report.command, machine(report));
    out += &render(report, |title| format!("\n## {title}\n\n"), presets::ASCII_MARKDOWN);
    let _ = write!(out, "\n{NOTES}\n");
    if !report.complete {
        out += "\n**This run is not complete.**\n";
    }
    out
}

/// What a part is called in messages.
pub fn part_name(part: &Part) -> String {
    format!("{}, {} nodes, capacity {}, {}", experiment(part.experiment), part.nodes, part.capacity, money(part.money))
}

/// Machine and build, in a line.
pub fn machine(report: &Report) -> String {
    let environment = &report.environment;
    let unknown = || "unknown".to_owned();
    let debug = if environment.debug_build { " (debug build: not a measurement)" } else { "" };
    format!(
        "{}: {} CPUs ({}), {} MiB, {}, data on {}; load generator {} revision {}, nodes {}{debug}",
        report.started_at,
        environment.cpus,
        environment.cpu_model.clone().unwrap_or_else(unknown),
        environment.memory_mib.map_or_else(unknown, |size| size.to_string()),
        environment.kernel,
        environment.data_file_system.clone().unwrap_or_else(unknown),
        environment.version,
        environment.revision.clone().unwrap_or_else(unknown),
        report.node_version,
    )
}

fn render(report: &Report, title: impl Fn(&str) -> String, preset: &str) -> String {
    let mut out = String::new();
    for (name, mut table) in sections(report) {
        table.load_preset(preset).set_content_arrangement(ContentArrangement::Disabled);
        let _ = writeln!(out, "{}{table}", title(&name));
    }
    out
}

/// All tables with their titles.
pub fn sections(report: &Report) -> Vec<(String, Table)> {
    let mut found = Vec::new();
    let mut section = |name: &str, table: Option<Table>| found.extend(table.map(|table| (name.to_owned(), table)));
    for kind in [Experiment::Fire, Experiment::Matrix, Experiment::Fairness] {
        for purse in [Money::Funded, Money::Assignment, Money::Given] {
            let parts: Vec<&Part> =
                report.parts.iter().filter(|part| part.experiment == kind && part.money == purse).collect();
            let name = format!("{}, {}", experiment(kind), money(purse));
            section(&name, load_table(&parts));
            section(&format!("{name}: requests"), requests_table(&parts));
            for part in parts {
                section(&format!("{name}: shares"), fairness_table(part));
            }
        }
    }
    section("Fixed rate", rate_table(&report.parts));
    section("Load signed ahead, in steps", steps_table(&report.parts));
    section("A validator killed", kill_table(&report.parts));
    section("Start of the nodes", startup_table(&report.parts));
    found
}

fn experiment(kind: Experiment) -> &'static str {
    match kind {
        Experiment::Fire => "Transaction files",
        Experiment::Rate => "Fixed rate",
        Experiment::Matrix => "Experiment",
        Experiment::Fairness => "Fairness",
        Experiment::Finality => "Finality",
        Experiment::Saturation => "Saturation",
        Experiment::KillValidator => "A validator killed",
    }
}

fn money(money: Money) -> &'static str {
    match money {
        Money::Assignment => "the assignment's money",
        Money::Funded => "funded",
        Money::Given => "the network's own money",
    }
}

fn table(header: &[&str], rows: Vec<Vec<String>>) -> Option<Table> {
    if rows.is_empty() {
        return None;
    }
    let mut table = Table::new();
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    Some(table)
}

fn loads(part: &Part) -> Vec<&Load> {
    part.runs.iter().filter_map(|run| run.load.as_ref()).collect()
}

fn med(loads: &[&Load], figure: impl Fn(&Load) -> f64) -> f64 {
    median(&loads.iter().map(|load| figure(load)).collect::<Vec<f64>>())
}

fn verdict<'a>(runs: impl IntoIterator<Item = &'a Run>) -> String {
    let failed = runs.into_iter().filter(|run| !run.problems.is_empty()).count();
    if failed == 0 { "one chain".to_owned() } else { format!("{failed} FAILED") }
}

fn load_table(parts: &[&Part]) -> Option<Table> {
    let rows = parts.iter().map(|part| (*part, loads(part))).filter(|(_, loads)| !loads.is_empty());
    let row = |(part, loads): (&Part, Vec<&Load>)| {
        let figures = figures(&part.runs);
        let figure = |name: &str| figures.get(name).map_or_else(String::new, spread);
        vec![
            part.nodes.to_string(),
            part.capacity.to_string(),
            loads.len().to_string(),
            figure("committed_per_second"),
            figure("client_per_second"),
            figure("block_interval_mean_ms"),
            figure("block_interval_p50_ms"),
            figure("block_interval_p95_ms"),
            figure("client_block_ms"),
            figure("waiting_for_money_seconds"),
            verdict(&part.runs),
        ]
    };
    let header = [
        "nodes",
        "capacity",
        "runs",
        "committed tx/s",
        "client tx/s",
        "block mean ms",
        "p50",
        "p95",
        "client block ms",
        "waiting for money s",
        "ledger",
    ];
    table(&header, rows.map(row).collect())
}

fn requests_table(parts: &[&Part]) -> Option<Table> {
    let rows = parts.iter().map(|part| (*part, loads(part))).filter(|(_, loads)| !loads.is_empty());
    let row = |(part, loads): (&Part, Vec<&Load>)| {
        let sum = |figure: fn(&Load) -> u64| loads.iter().map(|load| figure(load)).sum::<u64>().to_string();
        let mut rejected = BTreeMap::new();
        for (reason, count) in loads.iter().flat_map(|load| &load.rejected) {
            *rejected.entry(reason.as_str()).or_default() += *count;
        }
        let response = |figure: fn(&crate::stats::Percentiles) -> f64| {
            format!("{:.2}", med(&loads, |load| figure(&load.response)))
        };
        vec![
            part.nodes.to_string(),
            part.capacity.to_string(),
            sum(|load| load.attempted),
            sum(|load| load.accepted),
            sum(|load| load.committed),
            counts(&rejected),
            sum(|load| load.lost),
            response(|response| response.p50_ms),
            response(|response| response.p95_ms),
            response(|response| response.p99_ms),
        ]
    };
    let header = [
        "nodes",
        "capacity",
        "attempted",
        "accepted",
        "committed",
        "rejected",
        "lost",
        "response p50 ms",
        "p95",
        "p99",
    ];
    table(&header, rows.map(row).collect())
}

fn counts(counts: &BTreeMap<&str, u64>) -> String {
    if counts.is_empty() {
        return "0".to_owned();
    }
    counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

fn fairness_table(part: &Part) -> Option<Table> {
    let shares = part.runs.iter().enumerate().filter_map(|(run, result)| Some((run, result.fairness.as_ref()?)));
    let rows = shares.flat_map(|(run, fairness)| {
        fairness.members.iter().map(move |share| {
            let inside = (share.wins_low..=share.wins_high).contains(&share.wins);
            vec![
                (run + 1).to_string(),
                share.node.to_string(),
                share.stake.to_string(),
                format!("{:.1} %", share.expected_share * 100.0),
                format!("{} of {}", share.wins, fairness.blocks),
                format!("{}-{}", share.wins_low, share.wins_high),
                if inside { "yes" } else { "no" }.to_owned(),
                share.fees.to_string(),
                share.balance.map_or_else(String::new, |balance| balance.to_string()),
            ]
        })
    });
    let header = ["run", "node", "stake", "expected", "blocks won", "95 % interval", "inside", "fees", "balance"];
    table(&header, rows.collect())
}

fn rate_table(parts: &[Part]) -> Option<Table> {
    let rates = parts.iter().flat_map(|part| part.runs.iter().map(move |run| (part, run)));
    let rows = rates.filter_map(|(part, run)| {
        let rate = run.rate.as_ref()?;
        let rejected = rate.rejected.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        let mut row = vec![
            experiment(part.experiment).to_owned(),
            part.nodes.to_string(),
            part.capacity.to_string(),
            format!("{:.0}", rate.offered_per_second),
            rate.planned.to_string(),
            rate.committed.to_string(),
            counts(&rejected),
            (rate.undecided + rate.not_sent).to_string(),
        ];
        let finality = &rate.finality;
        row.extend([finality.p50_ms, finality.p95_ms, finality.p99_ms, finality.max_ms].map(|ms| format!("{ms:.1}")));
        row.push(verdict([run]));
        Some(row)
    });
    let header = [
        "experiment",
        "nodes",
        "capacity",
        "offered tx/s",
        "planned",
        "committed",
        "rejected",
        "undecided or not sent",
        "finality p50 ms",
        "p95",
        "p99",
        "max",
        "ledger",
    ];
    table(&header, rows.collect())
}

fn steps_table(parts: &[Part]) -> Option<Table> {
    let runs = parts.iter().flat_map(|part| part.runs.iter().map(move |run| (part, run)));
    let steps = runs.filter_map(|(part, run)| Some((part, run, run.saturation.as_ref()?)));
    let rows = steps.flat_map(|(part, run, saturation)| {
        saturation.steps.iter().map(move |step| {
            let rejected = step.rejected.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
            let mut row = vec![part.nodes.to_string(), part.capacity.to_string(), step.batch.to_string()];
            let rates =
                [step.offered_per_second, step.sent_per_second, step.accepted_per_second, step.committed_per_second];
            row.extend(rates.map(|rate| format!("{rate:.0}")));
            row.push(counts(&rejected));
            row.push((step.undecided + step.not_sent).to_string());
            let finality = &step.finality;
            let columns = [finality.p50_ms, finality.p90_ms, finality.p99_ms, finality.p999_ms, finality.max_ms];
            row.extend(columns.map(|ms| format!("{ms:.1}")));
            row.push(format!("{:.1}", step.signing_seconds));
            row.push(if step.kept_up { "yes" } else { "no" }.to_owned());
            row.push(verdict([run]));
            row
        })
    });
    let header = [
        "nodes",
        "capacity",
        "batch",
        "offered tx/s",
        "sent",
        "accepted",
        "committed",
        "rejected",
        "undecided or not sent",
        "finality p50 ms",
        "p90",
        "p99",
        "p99.9",
        "max",
        "signing s",
        "kept up",
        "ledger",
    ];
    table(&header, rows.collect())
}

fn kill_table(parts: &[Part]) -> Option<Table> {
    let kills = parts.iter().flat_map(|part| part.runs.iter().map(move |run| (part, run)));
    let rows = kills.filter_map(|(part, run)| {
        let kill = run.kill.as_ref()?;
        Some(vec![
            part.nodes.to_string(),
            part.capacity.to_string(),
            kill.victim.to_string(),
            format!("{:.0}", kill.longest_gap_before_ms),
            kill.first_commit_after_ms.map_or_else(|| "never".to_owned(), |ms| format!("{ms:.0}")),
            format!("{:.0}", kill.longest_gap_after_ms),
            format!("{} in {:.0} s", kill.blocks_after, kill.observed_seconds),
            verdict([run]),
        ])
    });
    let header = [
        "nodes",
        "capacity",
        "killed",
        "longest gap before ms",
        "first block after ms",
        "longest gap after ms",
        "blocks after",
        "ledger",
    ];
    table(&header, rows.collect())
}

fn startup_table(parts: &[Part]) -> Option<Table> {
    let mut by_nodes: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for part in parts {
        let startups = part.runs.iter().filter_map(|run| run.startup.as_ref());
        by_nodes.entry(part.nodes).or_default().extend(startups);
    }
    let rows = by_nodes.into_iter().filter(|(_, startups)| !startups.is_empty());
    let rows = rows.map(|(nodes, startups)| {
        let column = |figure: fn(&super::schema::Startup) -> f64| {
            let values: Vec<f64> = startups.iter().map(|startup| figure(startup)).collect();
            let longest = values.iter().copied().fold(0.0, f64::max);
            format!("{:.0} (max {longest:.0})", median(&values))
        };
        vec![
            nodes.to_string(),
            startups.len().to_string(),
            column(|startup| startup.first_commit_ms),
            column(|startup| startup.all_ready_ms),
            column(|startup| startup.all_granted_ms),
        ]
    });
    table(&["nodes", "starts", "first commit ms", "all ready ms", "all granted ms"], rows.collect())
}

#[cfg(test)]
mod tests;
