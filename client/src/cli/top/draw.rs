//! The screen. What does not fit is left out in an order that keeps the figures: tables lose columns, then rows, and the
//! tables at the bottom go first.

use super::grid::{self, Grid, Mood, cut};
use super::snapshot::Snapshot;
use super::words;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph, Sparkline};

/// Blanks between two tables that stand side by side.
const BESIDE: usize = 4;
/// From this height on there is a line of keys.
const KEYS_FROM: u16 = 10;
/// From this height on there is a sparkline.
const SPARKLINE_FROM: u16 = 20;

const HELP: &[&str] = &[
    "q, Esc, Ctrl-C  quit",
    "p               pause, go on",
    "Tab             all, nodes, members, blocks",
    "up, down        scroll one of them",
    "?               this help, away again",
    "",
    "tip   same: its newest block is the others' too",
    "round of the block in progress, - while idle",
    "p95   finality as that node measured it",
    "won, fees: of the blocks seen so far",
];

/// Which tables are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tables {
    /// All of them.
    #[default]
    All,
    /// One, from this row on.
    Nodes,
    Members,
    Blocks,
}

impl Tables {
    /// What Tab shows next.
    pub fn next(self) -> Self {
        match self {
            Self::All => Self::Nodes,
            Self::Nodes => Self::Members,
            Self::Members => Self::Blocks,
            Self::Blocks => Self::All,
        }
    }
}

/// What the person chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choice {
    /// Which tables.
    pub tables: Tables,
    /// Rows of the one table that are above the screen.
    pub scroll: usize,
    /// Whether the view stands still.
    pub paused: bool,
    /// Whether the keys are explained.
    pub help: bool,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// Draws a snapshot.
pub fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, choice: Choice) {
    let area = frame.area();
    let keys = u16::from(area.height >= KEYS_FROM);
    let heading = heading(snapshot, choice, area);
    let heading_height = u16::try_from(heading.len()).unwrap_or(u16::MAX);
    let spark = if area.height >= SPARKLINE_FROM { 3 } else { 0 };
    let parts = Layout::vertical([
        Constraint::Length(heading_height),
        Constraint::Length(spark),
        Constraint::Min(0),
        Constraint::Length(keys),
    ]);
    let [top, middle, tables_area, bottom] = parts.areas(area);
    frame.render_widget(Paragraph::new(heading), top);
    sparkline(frame, snapshot, choice, middle);
    tables(frame, snapshot, choice, tables_area);
    frame.render_widget(Line::styled("q quit  p pause  Tab tables  ? help", quiet()), bottom);
    if choice.help {
        help(frame, area);
    }
}

/// The figures, in as many lines as they need, at most half of the screen.
fn heading(snapshot: &Snapshot, choice: Choice, area: Rect) -> Vec<Line<'static>> {
    let width = usize::from(area.width);
    let mut lines = Vec::new();
    if area.height >= KEYS_FROM {
        let paused = if choice.paused { "  PAUSED" } else { "" };
        let title = format!("BlockChat{paused}  {}  {}", words::title(snapshot), words::source(snapshot));
        lines.push(Line::styled(cut(&title, width), quiet()));
    } else if choice.paused {
        lines.push(Line::styled(cut("PAUSED", width), bold()));
    }
    let (mut line, mut used) = (Vec::new(), 0);
    for (text, mood) in words::heading(snapshot) {
        let long = text.chars().count();
        if used > 0 && used + 3 + long > width {
            lines.push(Line::from(std::mem::take(&mut line)));
            used = 0;
        }
        if used > 0 {
            line.push(Span::styled(" · ", quiet()));
            used += 3;
        }
        let text = cut(&text, width.saturating_sub(used));
        used += text.chars().count();
        line.push(Span::styled(text, style(mood, choice.colour).patch(bold())));
    }
    lines.push(Line::from(line));
    lines.truncate(usize::from(area.height / 2).max(1));
    lines
}

fn sparkline(frame: &mut Frame<'_>, snapshot: &Snapshot, choice: Choice, area: Rect) {
    if area.height < 2 {
        return;
    }
    let [label, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let seconds = &snapshot.per_second;
    let shown = &seconds[seconds.len().saturating_sub(usize::from(bars.width))..];
    let peak = shown.iter().copied().max().unwrap_or(0);
    let text = format!("tx/s in each of the last {} s, highest {peak}", shown.len());
    frame.render_widget(Line::styled(cut(&text, usize::from(label.width)), quiet()), label);
    let bar_style = if choice.colour { Style::new().fg(Color::Cyan) } else { Style::new() };
    frame.render_widget(Sparkline::default().data(shown).style(bar_style), bars);
}

fn tables(frame: &mut Frame<'_>, snapshot: &Snapshot, choice: Choice, area: Rect) {
    let whole = |of: fn(&Snapshot) -> Grid| of(snapshot);
    match choice.tables {
        Tables::Nodes => return table(frame, &whole(grid::nodes), choice, area, choice.scroll),
        Tables::Members => return table(frame, &whole(grid::members), choice, area, choice.scroll),
        Tables::Blocks => return table(frame, &whole(grid::blocks), choice, area, choice.scroll),
        Tables::All => {}
    }
    let [nodes, members, blocks] = [grid::nodes, grid::members, grid::blocks].map(whole);
    let wanted = |grid: &Grid| u16::try_from(grid.rows.len()).unwrap_or(u16::MAX).saturating_add(2);
    let [first, rest] =
        Layout::vertical([Constraint::Length(wanted(&nodes).min(area.height)), Constraint::Min(0)]).areas(area);
    table(frame, &nodes, choice, first, 0);
    // Side by side, if both are whole then.
    let left = members.width() + BESIDE;
    let [left, right] = if left + blocks.width() <= usize::from(area.width) {
        Layout::horizontal([Constraint::Length(u16::try_from(left).unwrap_or(u16::MAX)), Constraint::Min(0)])
            .areas(rest)
    } else {
        Layout::vertical([Constraint::Length(wanted(&members).min(rest.height)), Constraint::Min(0)]).areas(rest)
    };
    table(frame, &members, choice, left, 0);
    table(frame, &blocks, choice, right, 0);
}

/// A table with its title, if there is a line for it. A table of a line or two would be a title only: then nothing.
fn table(frame: &mut Frame<'_>, grid: &Grid, choice: Choice, area: Rect, scroll: usize) {
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    if height == 0 || width == 0 {
        return;
    }
    let (headings, rows) = grid.lines(width);
    let mut lines = Vec::new();
    if height >= 4 {
        lines.push(Line::styled(cut(&grid.title, width), bold()));
    }
    if height >= 2 {
        lines.push(Line::styled(headings, Style::new().add_modifier(Modifier::UNDERLINED)));
    }
    let place = height.saturating_sub(lines.len());
    let first = scroll.min(rows.len().saturating_sub(place));
    for (line, mood) in rows.into_iter().skip(first).take(place) {
        lines.push(Line::styled(line, style(mood, choice.colour)));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let width = HELP.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = u16::try_from(width + 4).unwrap_or(u16::MAX).min(area.width);
    let height = u16::try_from(HELP.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let lines: Vec<Line<'_>> = HELP.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" blockchat top ")), place);
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn quiet() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

/// Words say the same: without colours, what is wrong is only bold.
fn style(mood: Mood, colour: bool) -> Style {
    match (mood, colour) {
        (Mood::Odd, true) => Style::new().fg(Color::Yellow),
        (Mood::Fine, _) | (Mood::Odd, false) => Style::new(),
        (Mood::Bad, true) => bold().fg(Color::Red),
        (Mood::Bad, false) => bold(),
    }
}

#[cfg(test)]
mod tests;
