use super::reproduce::reproduce_plan;
use super::{Cli, Command, positive, setting};
use crate::report::schema::{Experiment, Money};
use clap::{CommandFactory, Parser};

fn plan(arguments: &[&str]) -> crate::reproduce::Plan {
    let all = ["blockchat-loadtest", "reproduce", "--node-binary", "/bin/sh"].iter().chain(arguments);
    match Cli::try_parse_from(all).unwrap().command {
        Command::Reproduce(arguments) => reproduce_plan(arguments).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent_and_documents_exit_codes() {
    Cli::command().debug_assert();
    let help = Cli::command().render_help().to_string();
    for code in ["0 done", "1 the run failed", "64 usage", "65 a", "69 a", "130 interrupted"] {
        assert!(help.replace('\n', " ").contains(code), "{code} in {help}");
    }
}

#[test]
fn reproduce_runs_the_courses_experiments_by_default() {
    let found = plan(&[]);
    assert_eq!(found.experiments, [Experiment::Matrix, Experiment::Fairness]);
    assert_eq!((found.nodes.as_slice(), found.capacities.as_slice()), (&[5, 10][..], &[5, 10, 20][..]));
    assert_eq!(found.money, [Money::Assignment, Money::Funded]);
}

#[test]
fn a_choice_replaces_the_default_and_quick_takes_one_cell() {
    let found = plan(&["--kill-validator", "--money", "funded"]);
    assert_eq!(found.experiments, [Experiment::KillValidator]);
    let found = plan(&["--quick", "--matrix", "--nodes", "10", "--capacity", "20,5"]);
    assert_eq!((found.nodes, found.capacities), (vec![10], vec![20]));
}

#[test]
fn bad_values_are_refused() {
    for arguments in [
        &["fire", "--input", "x"][..],
        &["fire", "--nodes", "http://h:1", "--input", "x", "--stake", "ten"],
        &["fire", "--nodes", "http://h:1", "--input", "x", "--when-broke", "cry"],
        &["rate", "--nodes", "http://h:1", "--rate", "0"],
        &["reproduce", "--nodes", "1"],
        &["reproduce", "--capacity", "0"],
        &["reproduce", "--runs", "0"],
        &["reproduce", "--node-setting", "LOG"],
    ] {
        assert!(Cli::try_parse_from([&["blockchat-loadtest"], arguments].concat()).is_err(), "{arguments:?}");
    }
    assert!(positive("-1").is_err() && positive("NaN").is_err() && positive("0.5").is_ok());
    assert_eq!(setting("BLOCKCHAT_LOG=a=b").unwrap(), ("LOG".to_owned(), "a=b".to_owned()));
    assert!(setting("log=x").is_err());
}
