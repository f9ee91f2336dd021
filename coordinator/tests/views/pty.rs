//! A process on a pseudo-terminal of its own, and what its screen shows.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    process::{Child, Command, ExitStatus},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{Pid, Signal, ioctl_tiocsctty, kill_process, setsid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};

use crate::support::LONG;

/// A process whose standard input and standard error are a terminal.
pub struct Pty {
    child: Child,
    master: File,
    /// Kept open, so that the attributes can be read after the process.
    slave: OwnedFd,
    before: Termios,
    screen: Arc<Mutex<vt100::Parser>>,
}

impl Pty {
    /// Starts a command on a terminal of this size. Its standard output is as the command says.
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        resize(&slave, columns, rows);
        let end = || slave.try_clone().unwrap();
        command.stdin(end()).stderr(end()).env("TERM", "xterm-256color").env_remove("NO_COLOR");
        // SAFETY: both calls are system calls without memory, fit for a process between fork and exec.
        unsafe {
            command.pre_exec(|| {
                setsid()?;
                ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let before = tcgetattr(&slave).unwrap();
        let child = command.spawn().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let master = File::from(master);
        let (mut output, shown) = (master.try_clone().unwrap(), Arc::clone(&screen));
        thread::spawn(move || {
            let mut bytes = [0u8; 4096];
            while let Ok(length @ 1..) = output.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..length]);
            }
        });
        Self { child, master, slave, before, screen }
    }

    /// Types keys.
    pub fn keys(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.screen.lock().unwrap().screen_mut().set_size(rows, columns);
        resize(&self.slave, columns, rows);
    }

    /// The text on the screen.
    pub fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// The text on the screen, as soon as it is as expected.
    pub fn expect(&mut self, what: &str, expected: impl Fn(&vt100::Screen) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let parser = self.screen.lock().unwrap();
            if expected(parser.screen()) {
                return parser.screen().contents();
            }
            drop(parser);
            let ended = self.child.try_wait().unwrap();
            assert!(begun.elapsed() < LONG && ended.is_none(), "{what}; {ended:?}:\n{}", self.text());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits for the view of a run.
    pub fn expect_view(&mut self) -> String {
        self.expect("the view", |screen| {
            screen.alternate_screen() && screen.hide_cursor() && screen.contents().contains(" trials, ")
        })
    }

    /// Waits for the end of the process, and checks that the terminal is as before. Returns the text on its screen.
    pub fn end(mut self) -> (ExitStatus, String) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() >= LONG {
                let _ = self.child.kill();
                panic!("did not end:\n{}", self.text());
            }
            thread::sleep(Duration::from_millis(10));
        };
        let begun = Instant::now();
        while begun.elapsed() < LONG && self.screen.lock().unwrap().screen().alternate_screen() {
            thread::sleep(Duration::from_millis(10));
        }
        // The reader may still be behind.
        thread::sleep(Duration::from_millis(100));
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen remains:\n{}", screen.contents());
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(format!("{after:?}"), format!("{:?}", self.before), "the attributes");
        (status, screen.contents())
    }
}

fn resize(terminal: &OwnedFd, columns: u16, rows: u16) {
    tcsetwinsize(terminal, Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}
