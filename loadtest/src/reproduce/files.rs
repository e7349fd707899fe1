//! The transaction files of the experiments: built in, or from a directory.

use super::Cell;
use crate::error::LoadError;
use crate::input::{InputError, Line, parse, read_directory};
use crate::report::schema::Experiment;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Lines by member id, by number of members.
pub type Files = BTreeMap<u16, BTreeMap<u16, Vec<Line>>>;

macro_rules! built_in {
    ($folder:literal: $($id:literal)+) => {
        &[$(include_bytes!(concat!("../../transactions/", $folder, "/trans", $id, ".txt"))),+]
    };
}

/// What each of five nodes sends.
const FIVE: &[&[u8]] = built_in!("5": 0 1 2 3 4);
/// What each of up to ten nodes sends; recipients fold down.
const TEN: &[&[u8]] = built_in!("10": 0 1 2 3 4 5 6 7 8 9);

/// The lines for every number of members that `cells` need.
///
/// # Errors
/// Every malformed line, or a number of members for which there are no files.
pub fn read(directory: Option<&Path>, cells: &[Cell]) -> Result<Files, LoadError> {
    let fired = cells.iter().filter(|cell| matches!(cell.experiment, Experiment::Matrix | Experiment::Fairness));
    let mut files = Files::new();
    let mut errors: Vec<InputError> = Vec::new();
    for nodes in fired.map(|cell| cell.nodes) {
        if files.contains_key(&nodes) {
            continue;
        }
        let lines = match directory {
            Some(directory) => read_directory(&folder_for(directory, nodes), 0..nodes),
            None => Ok(built_in(nodes)?),
        };
        match lines {
            Ok(lines) => {
                files.insert(nodes, lines);
            }
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(files) } else { Err(LoadError::Input(errors)) }
}

/// `directory/10` if there is one, as in `loadtest/transactions`, else `directory`.
fn folder_for(directory: &Path, nodes: u16) -> PathBuf {
    let own = directory.join(nodes.to_string());
    if own.is_dir() { own } else { directory.to_owned() }
}

fn built_in(nodes: u16) -> Result<BTreeMap<u16, Vec<Line>>, LoadError> {
    let (folder, texts) = if nodes <= 5 { ("5", FIVE) } else { ("10", TEN) };
    if usize::from(nodes) > texts.len() {
        let text = format!("there are no built-in transaction files for {nodes} nodes; give a directory with --input");
        return Err(LoadError::Usage(text));
    }
    let mut lines = BTreeMap::new();
    for (id, text) in (0..nodes).zip(texts) {
        let name = PathBuf::from(format!("built-in/{folder}/trans{id}.txt"));
        lines.insert(id, parse(&name, text).map_err(LoadError::Input)?);
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::{FIVE, TEN, built_in, folder_for};
    use crate::input::{Line, fold};
    use std::collections::{BTreeMap, BTreeSet};

    fn lines(nodes: u16) -> BTreeMap<u16, Vec<Line>> {
        built_in(nodes).unwrap()
    }

    #[test]
    fn a_hundred_lines_each_of_20_to_25_characters_on_average() {
        assert_eq!((FIVE.len(), TEN.len()), (5, 10));
        for nodes in [5, 10] {
            for (id, lines) in lines(nodes) {
                assert_eq!(lines.len(), 100, "trans{id}.txt for {nodes}");
                let characters: usize = lines.iter().map(|line| line.message.chars().count()).sum();
                assert!((2_000..=2_500).contains(&characters), "trans{id}.txt for {nodes}: {characters}");
                let texts: BTreeSet<&str> = lines.iter().map(|line| line.message.as_str()).collect();
                assert!(texts.len() >= 95, "trans{id}.txt for {nodes} repeats itself: {}", texts.len());
            }
        }
    }

    #[test]
    fn recipients_are_the_other_nodes_evenly() {
        for nodes in [5_u16, 10] {
            for (id, lines) in lines(nodes) {
                let mut counts: BTreeMap<u16, usize> = BTreeMap::new();
                for line in &lines {
                    assert_ne!(line.recipient, id, "trans{id}.txt:{}", line.number);
                    assert_eq!(line.recipient, fold(line.recipient, id, nodes), "nothing has to be folded");
                    *counts.entry(line.recipient).or_default() += 1;
                }
                let fair = 100 / usize::from(nodes - 1);
                assert_eq!(counts.len(), usize::from(nodes - 1), "trans{id}.txt for {nodes}");
                assert!(counts.values().all(|count| count.abs_diff(fair) <= 5), "trans{id}.txt: {counts:?}");
            }
        }
    }

    #[test]
    fn the_files_are_in_the_originals_form() {
        for text in FIVE.iter().chain(TEN) {
            let text = std::str::from_utf8(text).unwrap();
            assert!(text.ends_with('\n') && !text.contains('\r'));
            for line in text.lines() {
                let (recipient, message) = line.split_once(' ').unwrap();
                assert!(recipient.strip_prefix("id").unwrap().parse::<u16>().is_ok(), "{line}");
                assert_eq!(message, message.trim(), "{line}");
            }
        }
    }

    #[test]
    fn other_numbers_of_nodes() {
        assert_eq!(lines(4).len(), 4);
        assert_eq!(lines(7).len(), 7);
        assert!(built_in(11).is_err());
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("10")).unwrap();
        assert_eq!(folder_for(directory.path(), 10), directory.path().join("10"));
        assert_eq!(folder_for(directory.path(), 5), directory.path());
    }
}
