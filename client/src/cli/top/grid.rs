//! The tables: nodes, members, blocks. A grid knows which columns matter most, and gives up the others where the terminal
//! is narrow.

use super::super::output;
use super::snapshot::{BlockRow, MemberRow, NodeRow, Snapshot, Tip};
use super::words;
use blockchat_client::api::Phase;

/// Blanks between two columns.
const GAP: usize = 2;
/// What stands where nothing is known.
const NONE: &str = "-";

/// How a row is to be taken. The words say it too: colour is never the only sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// As it should be.
    Fine,
    /// Less than it should be.
    Odd,
    /// Wrong.
    Bad,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its heading.
    pub heading: &'static str,
    /// Numbers stand on the right.
    pub right: bool,
    /// The highest rank goes first when there is no place; 0 always stays.
    pub rank: u8,
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// A text for each column.
    pub cells: Vec<String>,
    /// Instead of the cells between the first and the last: why there are none.
    pub note: Option<String>,
    /// How it is to be taken.
    pub mood: Mood,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Grid {
    /// What it is about.
    pub title: String,
    /// Its columns.
    pub columns: Vec<Column>,
    /// Its rows.
    pub rows: Vec<Row>,
}

fn columns(columns: &[(&'static str, bool, u8)]) -> Vec<Column> {
    columns.iter().map(|&(heading, right, rank)| Column { heading, right, rank }).collect()
}

fn told<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| value.to_string())
}

/// Heading, whether it holds numbers, rank. The URL comes last: it stands behind a note, too.
const NODE_COLUMNS: &[(&str, bool, u8)] = &[
    ("node", true, 0),
    ("state", false, 0),
    ("height", true, 0),
    ("tip", false, 1),
    ("round", true, 7),
    ("pool", true, 3),
    ("votes", false, 5),
    ("streams", true, 6),
    ("p95 ms", true, 4),
    ("URL", false, 2),
];

/// The nodes that are asked.
pub fn nodes(snapshot: &Snapshot) -> Grid {
    Grid {
        title: format!("nodes: {} of {} answer", snapshot.nodes_answering, snapshot.nodes.len()),
        columns: columns(NODE_COLUMNS),
        rows: snapshot.nodes.iter().map(node).collect(),
    }
}

fn node(node: &NodeRow) -> Row {
    let url = output::text(&node.url);
    let id = told(node.id);
    let note = |note: String, mood| {
        let mut cells = vec![String::new(); NODE_COLUMNS.len()];
        (cells[0], cells[NODE_COLUMNS.len() - 1]) = (id.clone(), url.clone());
        Row { cells, note: Some(note), mood }
    };
    if let Some(reason) = &node.unreachable {
        return note(format!("not answering: {reason}"), Mood::Bad);
    }
    let Some(phase) = node.phase else { return note("asked, no answer yet".to_owned(), Mood::Odd) };
    if phase == Phase::Joining {
        let waiting = node.waiting_for.as_deref().unwrap_or("the network");
        return note(format!("joining: waiting for {waiting}"), Mood::Odd);
    }
    let (tip, bad) = match (node.tip, node.differs_at) {
        (Tip::Agrees, _) => ("same".to_owned(), false),
        (Tip::Unknown, _) => (NONE.to_owned(), false),
        (Tip::Differs, height) => (format!("FORK at {}", told(height)), true),
        (Tip::OtherNetwork, _) => ("OTHER NETWORK".to_owned(), true),
    };
    let pool = match (node.pool_transactions, node.pool_capacity) {
        (Some(used), Some(most)) => format!("{used}/{}", words::short(most)),
        (used, _) => told(used),
    };
    let votes = node.voting.map_or(NONE, |voting| if voting { "yes" } else { "NO" });
    let streams = match (node.streams_up, node.streams) {
        (Some(up), Some(all)) => format!("{up}/{all}"),
        _ => NONE.to_owned(),
    };
    let odd = phase == Phase::Syncing || node.voting == Some(false) || node.streams_up < node.streams;
    let cells = vec![
        id,
        if phase == Phase::Ready { "ready".to_owned() } else { "syncing".to_owned() },
        told(node.height),
        tip,
        told(node.round),
        pool,
        votes.to_owned(),
        streams,
        node.transaction_finality_p95_us.map_or_else(|| NONE.to_owned(), words::number_ms),
        url,
    ];
    Row {
        cells,
        note: None,
        mood: if bad {
            Mood::Bad
        } else if odd {
            Mood::Odd
        } else {
            Mood::Fine
        },
    }
}

/// The members of the network.
pub fn members(snapshot: &Snapshot) -> Grid {
    Grid {
        title: format!("members: of the {} blocks seen", snapshot.blocks_seen),
        columns: columns(&[
            ("member", true, 0),
            ("stake BCC", true, 1),
            ("of stake", true, 3),
            ("blocks won", true, 0),
            ("of blocks", true, 2),
            ("fees BCC", true, 4),
            ("height told", true, 6),
            ("connected", false, 5),
        ]),
        rows: snapshot.members.iter().map(member).collect(),
    }
}

fn member(member: &MemberRow) -> Row {
    let share = |percent: Option<f64>| percent.map_or_else(|| NONE.to_owned(), |percent| format!("{percent:.1} %"));
    let connected = match member.connected {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "itself",
    };
    let cells = vec![
        member.id.to_string(),
        member.stake.map_or_else(|| NONE.to_owned(), output::amount),
        share(member.stake_percent),
        member.blocks_won.to_string(),
        share(member.blocks_won_percent),
        output::amount(member.fees),
        told(member.height),
        connected.to_owned(),
    ];
    Row { cells, note: None, mood: if member.connected == Some(false) { Mood::Odd } else { Mood::Fine } }
}

/// The last blocks.
pub fn blocks(snapshot: &Snapshot) -> Grid {
    Grid {
        title: "last blocks".to_owned(),
        columns: columns(&[
            ("block", true, 0),
            ("age", true, 0),
            ("minted by", false, 0),
            ("round", true, 3),
            ("transactions", true, 1),
            ("fees BCC", true, 2),
        ]),
        rows: snapshot.blocks.iter().map(block).collect(),
    }
}

fn block(block: &BlockRow) -> Row {
    let cells = vec![
        block.index.to_string(),
        words::age(block.age_ms),
        block.validator_id.map_or_else(|| "genesis".to_owned(), |id| format!("node {id}")),
        block.round.to_string(),
        block.transactions.to_string(),
        output::amount(block.fees),
    ];
    Row { cells, note: None, mood: if block.round > 0 { Mood::Odd } else { Mood::Fine } }
}

impl Grid {
    /// How wide it is with all its columns.
    pub fn width(&self) -> usize {
        let widths = self.fitting(usize::MAX);
        widths.iter().map(|(_, wide)| wide + GAP).sum::<usize>().saturating_sub(GAP)
    }

    /// Which columns fit, and how wide each of them is.
    fn fitting(&self, width: usize) -> Vec<(usize, usize)> {
        let wide = |place: usize| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(place)).map(|cell| cell.chars().count());
            let heading = self.columns.get(place).map_or(0, |column| column.heading.chars().count());
            cells.chain([heading]).max().unwrap_or(0)
        };
        let mut shown: Vec<(usize, usize)> = (0..self.columns.len()).map(|place| (place, wide(place))).collect();
        let rank = |place: usize| self.columns.get(place).map_or(0, |column| column.rank);
        loop {
            let total = shown.iter().map(|(_, wide)| wide + GAP).sum::<usize>().saturating_sub(GAP);
            let last = shown.iter().map(|(place, _)| rank(*place)).max().unwrap_or(0);
            if total <= width || last == 0 {
                return shown;
            }
            shown.retain(|(place, _)| rank(*place) != last);
        }
    }

    /// The headings and the rows, as lines of at most `width`.
    pub fn lines(&self, width: usize) -> (String, Vec<(String, Mood)>) {
        let shown = self.fitting(width);
        let line = |cell: &dyn Fn(usize) -> String| {
            let mut line = String::new();
            for (number, &(place, wide)) in shown.iter().enumerate() {
                let text = cell(place);
                let right = self.columns.get(place).is_some_and(|column| column.right);
                if number > 0 {
                    line.push_str(&" ".repeat(GAP));
                }
                let blanks = " ".repeat(wide.saturating_sub(text.chars().count()));
                let [before, after] = if right { [blanks.as_str(), ""] } else { ["", blanks.as_str()] };
                line.extend([before, text.as_str(), after]);
            }
            cut(line.trim_end(), width)
        };
        let headings =
            line(&|place| self.columns.get(place).map_or_else(String::new, |column| column.heading.to_owned()));
        let row = |row: &Row| match &row.note {
            None => (line(&|place| row.cells.get(place).cloned().unwrap_or_default()), row.mood),
            Some(note) => {
                let first = shown.first().map_or(0, |(_, wide)| *wide);
                let [id, url] = [row.cells.first(), row.cells.last()].map(|cell| cell.map_or("", String::as_str));
                (cut(&format!("{id:>first$}{}{note} ({url})", " ".repeat(GAP)), width), row.mood)
            }
        };
        (headings, self.rows.iter().map(row).collect())
    }
}

/// The beginning of a text that is too long, so marked.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        let row = |cells: [&str; 3], note: Option<&str>| Row {
            cells: cells.map(str::to_owned).to_vec(),
            note: note.map(str::to_owned),
            mood: Mood::Fine,
        };
        Grid {
            title: String::new(),
            columns: columns(&[("id", true, 0), ("word", false, 2), ("number", true, 1)]),
            rows: vec![
                row(["1", "one", "1000"], None),
                row(["2", "", "url"], Some("not answering: connection refused")),
            ],
        }
    }

    #[test]
    fn the_least_important_column_goes_first() {
        let (headings, rows) = grid().lines(40);
        assert_eq!(headings, "id  word  number");
        assert_eq!(rows[0].0, " 1  one     1000");
        assert_eq!(rows[1].0, " 2  not answering: connection refused (…");
        assert_eq!(grid().lines(15).0, "id  number");
        assert_eq!(grid().lines(5).0, "id");
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        for width in 0..60 {
            let (headings, rows) = grid().lines(width);
            for line in rows.iter().map(|(line, _)| line).chain([&headings]) {
                assert!(line.chars().count() <= width, "{width}: {line:?}");
            }
        }
        assert_eq!(grid().lines(20).1[1].0, " 2  not answering: …");
    }
}
