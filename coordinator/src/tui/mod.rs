//! The terminal view of a run (`--tui`): a thread that draws what [`Live`](crate::run::live::Live) holds.
//!
//! * `model`: what fits on the screen, as values. The run waits only while it is read.
//! * `view`: draws a model; a pure function.
//!
//! The thread reads the state, never the events, so a slow terminal delays no trial. It is ended, and the terminal
//! restored, by [`Tui::end`]; see [`full`](crate::screen::full) for the other ends.

mod model;
#[cfg(test)]
mod tests;
mod view;

use std::{
    io::{self, IsTerminal as _},
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ratatui::{Terminal, TerminalOptions, Viewport, backend::CrosstermBackend, layout::Rect};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, getpid, kill_process},
};

use self::model::Model;
use crate::{run::live::Shared, screen::full::FullScreen, stop::Stop};

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// The longest time between two frames: the clock on the screen goes on.
const IDLE_FRAME: Duration = Duration::from_secs(1);
/// The first byte of the sequence that a function key sends.
const ESCAPE: u8 = 0x1b;

/// A running terminal view.
#[derive(Debug)]
pub struct Tui {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes the terminal and shows a run until [`Tui::end`].
    ///
    /// # Errors
    /// The terminal cannot be taken, or the thread cannot be started.
    pub fn start(live: Shared, stop: Stop) -> io::Result<Self> {
        let full = FullScreen::enter()?;
        let ended = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&ended);
        let thread = thread::Builder::new().name("tui".into()).spawn(move || {
            // A terminal that is gone ends the view, not the run.
            if let Err(error) = show(&full, &live, &stop, &seen) {
                tracing::warn!("the terminal view ended: {error}");
            }
        })?;
        Ok(Self { ended, thread: Some(thread) })
    }

    /// Ends the view and restores the terminal.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has restored the terminal and was reported.
            let _ = thread.join();
        }
    }
}

fn show(full: &FullScreen, live: &Shared, stop: &Stop, ended: &AtomicBool) -> io::Result<()> {
    let begun = Instant::now();
    let mut keys = io::stdin().is_terminal();
    let mut canvas = Canvas::new(full.size()?)?;
    let (mut drawn, mut last) = (None::<Instant>, None);
    while !ended.load(Ordering::Relaxed) && !full.is_left() {
        let size = full.size()?;
        if size != canvas.size {
            canvas = Canvas::new(size)?;
            drawn = None;
        }
        let state = (live.with(|live| live.changes), stop.is_requested());
        let age = drawn.map(|drawn| drawn.elapsed());
        if age.is_none_or(|age| age >= IDLE_FRAME || age >= FRAME && last != Some(state)) {
            let held = full.held(size.1.into());
            let model = live.with(|live| Model::of(live, size.1.into()));
            canvas.draw(&Model { elapsed: begun.elapsed(), stopping: state.1, held, ..model })?;
            (drawn, last) = (Some(Instant::now()), Some(state));
        }
        if !keys {
            thread::sleep(FRAME);
            continue;
        }
        match key(FRAME)? {
            // The same as Ctrl-C, so that there is one way to stop.
            Key::Quit => drop(kill_process(getpid(), Signal::INT)),
            Key::Other => {}
            Key::Closed => keys = false,
        }
    }
    Ok(())
}

/// What was typed.
enum Key {
    Quit,
    /// Another key, or none.
    Other,
    /// Nothing can be typed any more.
    Closed,
}

/// Waits for a key, at most for `limit`.
fn key(limit: Duration) -> io::Result<Key> {
    let stdin = io::stdin();
    let limit = Timespec { tv_sec: 0, tv_nsec: limit.subsec_nanos().into() };
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&limit)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Key::Other),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut typed = [0u8; 64];
    Ok(match rustix::io::read(&stdin, &mut typed) {
        Ok(0) | Err(_) => Key::Closed,
        Ok(_) if typed[0] == ESCAPE => Key::Other,
        Ok(length) if typed[..length].iter().any(|key| matches!(key, b'q' | b'Q')) => Key::Quit,
        Ok(_) => Key::Other,
    })
}

/// A terminal of one size. It never asks the terminal anything: an answer could be taken for typed keys.
struct Canvas {
    size: (u16, u16),
    terminal: Terminal<CrosstermBackend<Frame>>,
}

impl Canvas {
    fn new(size: (u16, u16)) -> io::Result<Self> {
        FullScreen::paint(b"\x1b[2J")?;
        let viewport = Viewport::Fixed(Rect::new(0, 0, size.0, size.1));
        let backend = CrosstermBackend::new(Frame::default());
        Ok(Self { size, terminal: Terminal::with_options(backend, TerminalOptions { viewport })? })
    }

    fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.terminal.draw(|frame| view::draw(model, frame)).map(drop)
    }
}

/// Collects a frame and paints it in one piece.
#[derive(Debug, Default)]
struct Frame(Vec<u8>);

impl io::Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        FullScreen::paint(&mem::take(&mut self.0))
    }
}
