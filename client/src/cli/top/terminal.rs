//! The terminal: keys in, drawings out. However it ends (a key, a signal, an error, a panic), the terminal is given back
//! as it was.

use super::super::failure::{EXIT_USAGE, Failure};
use super::Watch;
use super::draw::{Choice, Tables, draw};
use super::snapshot::Snapshot;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use std::io::{self, Stdout};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// Longest time between two drawings: ages go on.
const REDRAW: Duration = Duration::from_millis(500);
/// How often the thread that reads keys looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(100);

/// Draws until somebody ends it.
pub(super) async fn run(mut watch: Watch, interval: Duration) -> Result<(), Failure> {
    let failed = |error: io::Error| Failure::new(EXIT_USAGE, format!("the terminal: {error}"));
    let mut signals = Signals::catch().map_err(failed)?;
    let mut screen = Screen::enter().map_err(failed)?;
    let mut keys = Keys::read();
    let mut redraw = tokio::time::interval(REDRAW.min(interval));
    redraw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut choice = Choice { colour: colours(), ..Choice::default() };
    let mut shown = watch.snapshot();
    loop {
        tokio::select! {
            () = watch.learn() => {}
            _ = redraw.tick() => {
                if !choice.paused {
                    shown = watch.snapshot();
                }
                screen.draw(&shown, choice).map_err(failed)?;
            }
            event = keys.events.recv() => {
                match event {
                    Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                        let rows = rows(&shown, choice.tables);
                        if !pressed(key, &mut choice, rows) {
                            return Ok(());
                        }
                    }
                    // The terminal's new size is found out while drawing.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(failed(error)),
                    None => return Ok(()),
                }
                screen.draw(&shown, choice).map_err(failed)?;
            }
            () = signals.any() => return Ok(()),
        }
    }
}

/// The convention of no-color.org.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Rows that can be scrolled through.
fn rows(snapshot: &Snapshot, tables: Tables) -> usize {
    match tables {
        Tables::All => 0,
        Tables::Nodes => snapshot.nodes.len(),
        Tables::Members => snapshot.members.len(),
        Tables::Blocks => snapshot.blocks.len(),
    }
}

/// What a key does, where so many rows can be scrolled through; `false`: it ends the view.
fn pressed(key: KeyEvent, choice: &mut Choice, rows: usize) -> bool {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
        KeyCode::Esc if choice.help => choice.help = false,
        KeyCode::Char('q') | KeyCode::Esc => return false,
        KeyCode::Char('p') => choice.paused = !choice.paused,
        KeyCode::Char('?') => choice.help = !choice.help,
        KeyCode::Tab => (choice.tables, choice.scroll) = (choice.tables.next(), 0),
        KeyCode::Up => choice.scroll = choice.scroll.saturating_sub(1),
        KeyCode::Down => choice.scroll = choice.scroll.saturating_add(1).min(rows.saturating_sub(1)),
        _ => {}
    }
    true
}

/// Signals that end the view, after which the terminal is given back. Once this is dropped they do again what they do by
/// default: whoever started the view from the prompt can still end that.
struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

/// Whether signals do what they do by default. Handlers are never removed, so there is one for the whole process.
static BY_DEFAULT: OnceLock<Arc<AtomicBool>> = OnceLock::new();

impl Signals {
    fn catch() -> io::Result<Self> {
        let kinds = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()];
        if BY_DEFAULT.get().is_none() {
            let by_default = Arc::new(AtomicBool::new(false));
            for kind in kinds {
                signal_hook::flag::register_conditional_default(kind.as_raw_value(), by_default.clone())?;
            }
            let _ = BY_DEFAULT.set(by_default);
        }
        set_by_default(false);
        let [terminate, hang_up, interrupt] = kinds.map(signal);
        Ok(Self { terminate: terminate?, hang_up: hang_up?, interrupt: interrupt? })
    }

    /// Waits for one of them.
    async fn any(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        set_by_default(true);
    }
}

fn set_by_default(value: bool) {
    if let Some(by_default) = BY_DEFAULT.get() {
        by_default.store(value, Relaxed);
    }
}

/// Whether the terminal is ours now; then it is to be given back, once.
static OURS: AtomicBool = AtomicBool::new(false);

/// The alternate screen in raw mode; dropping it gives the terminal back.
struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    fn enter() -> io::Result<Self> {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // The message is to be read on the screen that stays.
            restore();
            before(panic);
        }));
        OURS.store(true, Relaxed);
        enable_raw_mode()?;
        let entered = execute!(io::stdout(), EnterAlternateScreen);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        // Not entered in full: what was done so far is undone.
        terminal.map(Self).inspect_err(|_| restore())
    }

    fn draw(&mut self, snapshot: &Snapshot, choice: Choice) -> io::Result<()> {
        if !OURS.load(Relaxed) {
            return Err(io::Error::other("a part of the program failed, as said above"));
        }
        self.0.draw(|frame| draw(frame, snapshot, choice)).map(|_| ())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        let _ = std::panic::take_hook();
    }
}

/// Nothing can be done about a terminal that does not take it any more.
fn restore() {
    if !OURS.swap(false, Relaxed) {
        return;
    }
    let _ = disable_raw_mode();
    let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
}

/// A thread that reads the terminal, which can only be done by waiting for it.
struct Keys {
    events: mpsc::Receiver<io::Result<Event>>,
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Keys {
    fn read() -> Self {
        let (sender, events) = mpsc::channel(64);
        let done = Arc::new(AtomicBool::new(false));
        let stop = done.clone();
        let thread = std::thread::spawn(move || {
            while !stop.load(Relaxed) {
                let event = match event::poll(LOOK) {
                    Ok(false) => continue,
                    Ok(true) => event::read(),
                    Err(error) => Err(error),
                };
                let failed = event.is_err();
                if sender.blocking_send(event).is_err() || failed {
                    return;
                }
            }
        });
        Self { events, done, thread: Some(thread) }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.done.store(true, Relaxed);
        self.events.close();
        // So that it does not take a key that is meant for whoever comes next, as the prompt.
        // It ends within a look, but for a terminal that is gone: there the library reads on for ever.
        let (began, patience) = (Instant::now(), 5 * LOOK);
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() && began.elapsed() < patience {
            std::thread::sleep(LOOK / 20);
        }
        if thread.is_finished() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, choice: &mut Choice) -> bool {
        pressed(KeyEvent::new(code, KeyModifiers::NONE), choice, if choice.tables == Tables::All { 0 } else { 2 })
    }

    #[test]
    fn keys_do_what_the_help_says() {
        let mut choice = Choice::default();
        assert!(press(KeyCode::Char('p'), &mut choice) && choice.paused);
        assert!(press(KeyCode::Char('p'), &mut choice) && !choice.paused);
        assert!(press(KeyCode::Char('?'), &mut choice) && choice.help);
        assert!(press(KeyCode::Esc, &mut choice) && !choice.help, "Esc closes the help first");
        assert!(press(KeyCode::Down, &mut choice) && choice.scroll == 0, "nothing to scroll");
        assert!(press(KeyCode::Tab, &mut choice) && choice.tables == Tables::Nodes);
        assert!(press(KeyCode::Down, &mut choice) && choice.scroll == 1);
        assert!(press(KeyCode::Down, &mut choice) && choice.scroll == 1, "there are two rows");
        assert!(press(KeyCode::Up, &mut choice) && choice.scroll == 0);
        assert!(press(KeyCode::Down, &mut choice) && choice.scroll == 1);
        assert!(press(KeyCode::Tab, &mut choice) && choice.scroll == 0);
        assert!(press(KeyCode::Char('c'), &mut choice), "c alone is no key");
        assert!(!press(KeyCode::Char('q'), &mut choice) && !press(KeyCode::Esc, &mut choice));
        assert!(!pressed(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL), &mut choice, 0));
    }
}
