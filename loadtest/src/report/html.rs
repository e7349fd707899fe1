//! One page with everything: tables, plots and environment, without anything from elsewhere.

use super::plots::plots;
use super::schema::Report;
use super::tables::{NOTES, sections};
use std::fmt::Write;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#8884}\
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;background:Canvas;color:CanvasText}\
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:14px}\
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);text-align:right}\
.env th,.env td{text-align:left}.scroll{overflow-x:auto}svg{max-width:100%;height:auto}\
figure{margin:1.5rem 0}.bad{color:#d55e00;font-weight:600}";

/// The page.
pub fn page(report: &Report) -> String {
    let title = format!("BlockChat load report: {}", report.command);
    let mut out = String::new();
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title><style>{STYLE}</style></head>\n\
         <body><h1>{0}</h1>\n",
        escape(&title)
    );
    if !report.complete {
        out += "<p class=\"bad\">This run is not complete.</p>\n";
    }
    for part in &report.parts {
        for run in &part.runs {
            let failed = run.failed_nodes.iter().map(|node| format!("node {} failed: {}", node.node, node.error));
            for problem in run.problems.iter().cloned().chain(failed) {
                let text = format!("{}: {problem}", super::tables::part_name(part));
                let _ = writeln!(out, "<p class=\"bad\">{}</p>", escape(&text));
            }
        }
    }
    for plot in plots(report) {
        let _ = writeln!(out, "<figure>{}<figcaption>{}</figcaption></figure>", plot.inline(), escape(&plot.caption));
    }
    for (name, table) in sections(report) {
        let _ = writeln!(out, "<h2>{}</h2>\n<div class=\"scroll\"><table>", escape(&name));
        if let Some(header) = table.header() {
            let cells = header.cell_iter().map(|cell| format!("<th scope=\"col\">{}</th>", escape(&cell.content())));
            let _ = writeln!(out, "<thead><tr>{}</tr></thead>", cells.collect::<String>());
        }
        for row in table.row_iter() {
            let cells = row.cell_iter().map(|cell| format!("<td>{}</td>", escape(&cell.content())));
            let _ = writeln!(out, "<tr>{}</tr>", cells.collect::<String>());
        }
        out += "</table></div>\n";
    }
    let _ = write!(out, "<p>{}</p>\n<h2>Environment</h2>\n<table class=\"env\">\n", escape(NOTES));
    for (name, value) in environment(report) {
        let _ = writeln!(out, "<tr><th scope=\"row\">{name}</th><td>{}</td></tr>", escape(&value));
    }
    out + "</table>\n</body></html>\n"
}

fn environment(report: &Report) -> Vec<(&'static str, String)> {
    let found = &report.environment;
    let known = |value: &Option<String>| value.clone().unwrap_or_else(|| "unknown".to_owned());
    let build = if found.debug_build { "not optimised: not a measurement" } else { "optimised" };
    vec![
        ("command", format!("blockchat-loadtest {}", report.arguments.join(" "))),
        ("started", report.started_at.clone()),
        ("processor", known(&found.cpu_model)),
        ("processors", found.cpus.to_string()),
        ("memory, MiB", found.memory_mib.map_or_else(|| "unknown".to_owned(), |size| size.to_string())),
        ("kernel", found.kernel.clone()),
        ("file system of the nodes' data", known(&found.data_file_system)),
        ("load generator", format!("{}, {build}", found.version)),
        ("revision", known(&found.revision)),
        ("nodes", report.node_version.clone()),
    ]
}

/// Text for HTML and SVG, in elements and in attributes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\'' => out += "&#39;",
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{escape, page};
    use crate::report::schema::{
        Experiment, Fairness, Money, Part, Rate, Report, Run, SCHEMA_VERSION, Saturation, Share,
    };
    use std::collections::BTreeMap;

    fn hostile() -> Report {
        let share = Share { expected_share: 1.0, wins: 3, wins_low: 3, wins_high: 3, ..Share::default() };
        let run = Run {
            fairness: Some(Fairness { blocks: 3, members: vec![share] }),
            saturation: Some(Saturation { steps: vec![Rate::default(); 2], ..Saturation::default() }),
            problems: vec!["<script>alert('x')</script>".to_owned()],
            ..Run::default()
        };
        let part = Part {
            figures: BTreeMap::new(),
            experiment: Experiment::Fairness,
            nodes: 5,
            capacity: 5,
            money: Money::Funded,
            endowment: "1".parse().unwrap(),
            node_settings: BTreeMap::new(),
            runs: vec![run],
        };
        Report {
            schema_version: SCHEMA_VERSION,
            command: "\"><img src=x>".to_owned(),
            started_at: String::new(),
            arguments: vec!["</td><b>".to_owned()],
            environment: crate::environment::Environment::default(),
            node_version: "<i>".to_owned(),
            complete: true,
            parts: vec![part],
        }
    }

    #[test]
    fn whatever_a_report_holds_stays_text() {
        let page = page(&hostile());
        for bad in ["<script", "<img", "<b>", "<i>"] {
            assert!(!page.contains(bad), "{bad}");
        }
        assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)"));
        assert_eq!(escape("a&b"), "a&amp;b");
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere() {
        let page = page(&hostile());
        for outside in ["src=\"", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 2, "fairness and saturation");
        assert!(page.contains("currentColor"), "the plots take the page's colour");
    }
}
