use super::{markdown, text};
use crate::report::schema::*;

fn part(money: Money, committed_per_second: f64) -> Part {
    let throughput = Throughput { committed_per_second, client_per_second: 5_000.0 };
    let run = Run { load: Some(Load { throughput, ..Load::default() }), ..Run::default() };
    Part {
        experiment: Experiment::Matrix,
        nodes: 5,
        capacity: 20,
        figures: std::collections::BTreeMap::new(),
        money,
        endowment: "1000".parse().unwrap(),
        node_settings: std::collections::BTreeMap::new(),
        runs: vec![run],
    }
}

fn report(parts: Vec<Part>) -> Report {
    Report {
        schema_version: SCHEMA_VERSION,
        command: "reproduce".to_owned(),
        started_at: "2024-05-21T10:00:00Z".to_owned(),
        arguments: Vec::new(),
        environment: crate::environment::Environment::default(),
        node_version: "0.1.0".to_owned(),
        complete: true,
        parts,
    }
}

#[test]
fn money_is_never_mixed_in_a_table() {
    let report = report(vec![part(Money::Assignment, 111.0), part(Money::Funded, 222.0)]);
    let markdown = markdown(&report);
    let sections: Vec<&str> = markdown.split("\n## ").collect();
    let with = |figure: &str| sections.iter().filter(|section| section.contains(figure)).collect::<Vec<_>>();
    assert_eq!(with("111").len(), 1);
    assert!(with("111")[0].starts_with("Experiment, the assignment's money"));
    assert!(with("222")[0].starts_with("Experiment, funded"));
    assert!(markdown.contains(" 222 |"), "{markdown}");
    assert!(!markdown.contains("not complete"));
}

#[test]
fn several_runs_give_mean_and_spread_and_failures_are_seen() {
    let mut three = part(Money::Funded, 100.0);
    three.runs.extend(part(Money::Funded, 900.0).runs);
    three.runs.extend(part(Money::Funded, 300.0).runs);
    three.runs[1].problems.push("forked".to_owned());
    let text = text(&report(vec![three]));
    assert!(text.contains("433 ± 416 (100-900)"), "{text}");
    assert!(text.contains("1 FAILED"), "{text}");
}

#[test]
fn both_throughputs_stand_beside_each_other() {
    let text = text(&report(vec![part(Money::Funded, 222.0)]));
    assert!(text.contains("committed tx/s") && text.contains("client tx/s"));
    assert!(text.contains("222") && text.contains("5000"), "{text}");
}
