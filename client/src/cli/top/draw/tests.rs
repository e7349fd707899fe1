use super::super::testing;
use super::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

fn drawn(width: u16, height: u16, snapshot: &Snapshot, choice: Choice) -> (String, Terminal<TestBackend>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, snapshot, choice)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    ((0..height).map(line).collect::<Vec<_>>().join("\n"), terminal)
}

fn screen(width: u16, height: u16) -> String {
    drawn(width, height, &testing::snapshot(4), Choice::default()).0
}

#[track_caller]
fn has(screen: &str, parts: &[&str]) {
    for part in parts {
        assert!(screen.contains(part), "{part:?} is missing:\n{screen}");
    }
}

#[test]
fn an_ordinary_terminal_has_figures_nodes_members_and_blocks() {
    let screen = screen(80, 24);
    has(&screen, &["812 tx/s · a block each 6.1 ms (p95 10.2 ms) · final after 8.6 ms (p95 14.0 ms)"]);
    has(&screen, &["height 120 · one chain · 3 of 4 nodes answer · 2 extra rounds", "measured by node 0 over 10 s"]);
    has(&screen, &["nodes: 3 of 4 answer", "http://127.0.0.1:8000", "37/100k", "ready", "same"]);
    has(&screen, &["-  not answering: connection refused (http://127.0.0.1:8003)"]);
    has(&screen, &["members: of the 27 blocks seen", "75.0 %", "blocks won"]);
    has(&screen, &["last blocks", "  120   1.5 s", "q quit"]);
    assert!(screen.lines().next().unwrap().starts_with("BlockChat  chain 090909090909"), "{screen}");
}

#[test]
fn a_large_terminal_has_everything() {
    let screen = screen(200, 50);
    has(&screen, &["round", "votes", "streams", "3/3", "p95 ms", "14.0", "connected", "height told", "genesis"]);
    let blocks = screen.lines().find(|line| line.contains("last blocks")).unwrap();
    assert!(blocks.contains("members: of the 27 blocks seen"), "side by side:\n{screen}");
    has(&screen, &["tx/s in each of the last 4 s, highest 50"]);
}

#[test]
fn a_tiny_terminal_keeps_the_figures_and_the_nodes() {
    let screen = screen(30, 8);
    has(&screen, &["812 tx/s", "6.1 ms", "node  state", "ready"]);
    assert!(!screen.contains("q quit"), "{screen}");
}

#[test]
fn no_size_panics_and_nothing_is_drawn_outside() {
    let (some, nothing) = (testing::snapshot(9), testing::model(2, std::time::Instant::now()));
    let nothing = nothing.snapshot(std::time::Instant::now(), 0);
    for (width, height) in
        [(1, 1), (1, 40), (200, 1), (2, 2), (3, 9), (10, 10), (30, 8), (79, 19), (131, 20), (500, 200)]
    {
        for snapshot in [&some, &nothing] {
            for tables in [Tables::All, Tables::Nodes, Tables::Members, Tables::Blocks] {
                for help in [false, true] {
                    drawn(width, height, snapshot, Choice { tables, help, scroll: 5, paused: help, colour: true });
                }
            }
        }
    }
}

#[test]
fn one_table_can_be_scrolled() {
    let snapshot = testing::snapshot(4);
    let choice = Choice { tables: Tables::Blocks, ..Choice::default() };
    let top = drawn(80, 14, &snapshot, choice).0;
    has(&top, &["  120 ", "  119 "]);
    assert!(!top.contains("not answering"), "only the blocks:\n{top}");
    let down = drawn(80, 14, &snapshot, Choice { scroll: 3, ..choice }).0;
    assert!(!down.contains("  120 ") && down.contains("  117 "), "{down}");
}

#[test]
fn a_fork_is_said_in_words_with_and_without_colours() {
    let now = std::time::Instant::now();
    let mut model = testing::model(2, now);
    model.apply(super::super::model::Report::Source { node: 0, chain_id: testing::CHAIN, height: 3 }, now);
    model.apply(testing::block(3, 0), now);
    model.apply(testing::answers(0, testing::status(0, 3)), now);
    let forked = blockchat_client::api::StatusAnswer { tip_hash: Some(testing::hash(9)), ..testing::status(1, 3) };
    model.apply(testing::answers(1, forked), now);
    let snapshot = model.snapshot(now, 0);
    let colours = |colour| {
        let (screen, terminal) = drawn(80, 24, &snapshot, Choice { colour, ..Choice::default() });
        has(&screen, &["FORKED: node 1 has another block 3 than node 0", "FORK at 3"]);
        terminal.backend().buffer().content.iter().filter(|cell| cell.fg != Color::Reset).count()
    };
    assert!(colours(true) > 0);
    assert_eq!(colours(false), 0, "NO_COLOR");
}

#[test]
fn pause_and_help_are_seen() {
    let snapshot = testing::snapshot(4);
    has(&drawn(80, 24, &snapshot, Choice { paused: true, ..Choice::default() }).0, &["PAUSED"]);
    has(&drawn(30, 8, &snapshot, Choice { paused: true, ..Choice::default() }).0, &["PAUSED"]);
    has(&drawn(80, 24, &snapshot, Choice { help: true, ..Choice::default() }).0, &["blockchat top", "pause, go on"]);
}
