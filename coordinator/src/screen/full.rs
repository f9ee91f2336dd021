//! The full screen: the alternate screen of the terminal on standard error, with keys read at once and not echoed.
//!
//! A terminal belongs to the process, so there is one full screen for all. It is left in every case but an uncatchable
//! signal: when its guard is dropped, before a panic is reported, and before a second signal ends the process. Text for
//! standard error is held meanwhile and written afterwards.

use std::{
    collections::VecDeque,
    io::{self, IsTerminal as _, Write as _},
    panic,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

/// Alternate screen, cursor hidden, empty.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[2J";
/// Plain text, cursor shown, primary screen.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?25h\x1b[?1049l";
/// Turns a special character of the terminal off.
const DISABLED: u8 = 0;
/// Lines that are held at most.
const MAX_HELD: usize = 2000;

static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

struct Taken {
    /// The attributes to restore.
    attributes: Termios,
    held: VecDeque<String>,
    dropped: usize,
}

/// The full screen; left when dropped.
#[derive(Debug)]
pub struct FullScreen(());

impl FullScreen {
    /// Whether standard error is a terminal that can show it.
    #[must_use]
    pub fn is_possible() -> bool {
        io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal's attributes cannot be read or set, or it cannot be written to.
    pub fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                leave();
                report(panic);
            }));
        });
        let mut taken = locked();
        let attributes = tcgetattr(io::stderr())?;
        tcsetattr(io::stderr(), OptionalActions::Now, &keys(attributes.clone()))?;
        *taken = Some(Taken { attributes, held: VecDeque::new(), dropped: 0 });
        let entered = Self(());
        let written = write(ENTER);
        // The guard needs the lock if it is dropped here.
        drop(taken);
        written.map(|()| entered)
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// The terminal does not know its size.
    pub fn size(&self) -> io::Result<(u16, u16)> {
        let size = tcgetwinsize(io::stderr())?;
        Ok((size.ws_col, size.ws_row))
    }

    /// Whether the full screen was left before this guard was dropped.
    #[must_use]
    pub fn is_left(&self) -> bool {
        locked().is_none()
    }

    /// The last held lines, oldest first.
    #[must_use]
    pub fn held(&self, lines: usize) -> Vec<String> {
        let taken = locked();
        let Some(taken) = &*taken else { return Vec::new() };
        taken.held.iter().skip(taken.held.len().saturating_sub(lines)).cloned().collect()
    }

    /// Writes a frame; nothing if the screen was left.
    ///
    /// # Errors
    /// The terminal cannot be written to.
    pub fn paint(frame: &[u8]) -> io::Result<()> {
        let taken = locked();
        if taken.is_some() { write(frame) } else { Ok(()) }
    }
}

impl Drop for FullScreen {
    fn drop(&mut self) {
        leave();
    }
}

/// Restores the terminal, and writes what was held. Has no effect without a full screen.
pub fn leave() {
    let mut taken = locked();
    let Some(Taken { attributes, held, dropped }) = taken.take() else { return };
    let _ = write(LEAVE);
    // Unread keys are dropped, so that they do not reach the shell.
    let _ = tcsetattr(io::stderr(), OptionalActions::Flush, &attributes);
    let mut text = String::new();
    if dropped > 0 {
        text.push_str(&format!("({dropped} earlier lines were dropped)\n"));
    }
    held.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    let _ = write(text.as_bytes());
}

/// Holds text while there is a full screen. Returns whether it did.
pub(super) fn hold(text: &[u8]) -> bool {
    let mut taken = locked();
    let Some(taken) = &mut *taken else { return false };
    for line in String::from_utf8_lossy(text).lines() {
        if taken.held.len() == MAX_HELD {
            taken.held.pop_front();
            taken.dropped += 1;
        }
        taken.held.push_back(line.to_owned());
    }
    true
}

/// Keys are read at once and not echoed. Ctrl-C stays a signal; keys that would stop the process, kill it, or hold the
/// output are off, because they would leave the terminal as it is.
fn keys(mut attributes: Termios) -> Termios {
    attributes.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    attributes.input_modes -= InputModes::IXON;
    for key in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
        attributes.special_codes[key] = DISABLED;
    }
    attributes.special_codes[SpecialCodeIndex::VMIN] = 1;
    attributes.special_codes[SpecialCodeIndex::VTIME] = 0;
    attributes
}

fn locked() -> MutexGuard<'static, Option<Taken>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stderr().lock();
    out.write_all(bytes)?;
    out.flush()
}
