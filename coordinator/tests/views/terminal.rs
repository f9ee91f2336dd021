//! `--tui`: what it shows, and how it leaves the terminal.

use std::{
    fs::File,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use coordinator::screen::full::FullScreen;
use rustix::process::Signal;

use crate::{pty::Pty, scenario, support::Place};

/// Set for the process that panics.
const PANICS: &str = "RINGBENCH_TEST_PANICS";

/// A run with `--tui` whose comparison goes to the file `table`.
fn run(place: &Place, runtime: &str) -> Pty {
    let mut command = place.run(&scenario(runtime));
    command.arg("--tui").stdout(File::create(place.path("table")).unwrap());
    Pty::start(command, 80, 24)
}

fn table(place: &Place) -> String {
    std::fs::read_to_string(place.path("table")).unwrap()
}

#[test]
fn shows_a_run_resizes_and_prints_the_comparison() {
    let place = Place::new();
    let mut pty = run(&place, "700ms");
    let text = pty.expect_view();
    assert!(text.starts_with("views"), "{text}");
    assert!(text.contains("q or Ctrl-C: stop"), "{text}");
    for arm in ["fast", "slow"] {
        assert!(text.contains(arm), "{text}");
    }
    pty.expect("numbers of the local host", |screen| {
        let text = screen.contents();
        text.lines().any(|line| line.starts_with("local") && line.contains(['k', 'M']))
    });
    pty.resize(120, 40);
    pty.expect("the whole width", |screen| {
        let mut rows = screen.rows(0, 120);
        let (title, last) = (rows.next().unwrap_or_default(), rows.nth(38).unwrap_or_default());
        title.trim_end().ends_with(" left") && title.chars().count() == 120 && last.starts_with("q or Ctrl-C")
    });
    pty.resize(20, 5);
    thread::sleep(Duration::from_millis(300));
    let (status, text) = pty.end();
    // On a busy machine a trial may begin late, which is exit code 4.
    assert!(matches!(status.code(), Some(0 | 4)), "{status}: {text}");
    let mut report = place.command(crate::support::bin("coordinator"));
    report.arg("report").arg(place.out()).stdout(File::create(place.path("again")).unwrap());
    report.status().unwrap();
    let again = std::fs::read_to_string(place.path("again")).unwrap();
    assert!(again.contains("fast"), "{again}");
    assert_eq!(table(&place), again, "the comparison is the same as without --tui");
}

/// Stops a run in a long trial, and returns what its screen shows afterwards.
fn stopped(stop: impl FnOnce(&mut Pty)) -> String {
    let place = Place::new();
    let mut pty = run(&place, "20s");
    // The two audits are short.
    pty.expect("the first timed trial", |screen| screen.contents().contains("2 of 6 trials"));
    stop(&mut pty);
    let (status, text) = pty.end();
    assert_eq!(status.code(), Some(130), "{text}");
    assert!(text.contains("stopping; finished trials are kept"), "{text}");
    assert!(place.trials().len() >= 2, "the audits are kept");
    text
}

#[test]
fn ctrl_c_stops_the_run_and_restores_the_terminal() {
    stopped(|pty| pty.keys(b"\x03"));
}

#[test]
fn q_stops_the_run_and_restores_the_terminal() {
    stopped(|pty| {
        // Neither the sequence of a key nor the keys that suspend or kill have an effect.
        pty.keys(b"\x1bOq");
        thread::sleep(Duration::from_millis(300));
        pty.keys(b"\x1a\x1c");
        thread::sleep(Duration::from_millis(300));
        pty.keys(b"q");
    });
}

#[test]
fn sigterm_stops_the_run_and_restores_the_terminal() {
    stopped(|pty| pty.signal(Signal::TERM));
}

#[test]
fn a_second_signal_at_once_restores_the_terminal() {
    let begun = Instant::now();
    stopped(|pty| {
        pty.signal(Signal::TERM);
        pty.signal(Signal::INT);
        pty.signal(Signal::TERM);
    });
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_panic_restores_the_terminal_and_shows_its_message() {
    if std::env::var_os(PANICS).is_some() {
        let full = FullScreen::enter().unwrap();
        FullScreen::paint(b"the view").unwrap();
        let panicked = thread::spawn(|| panic!("the reason")).join();
        assert!(panicked.is_err());
        assert!(full.is_left());
        FullScreen::paint(b"a late frame").unwrap();
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "terminal::a_panic_restores_the_terminal_and_shows_its_message";
    command.args(["--exact", name, "--nocapture"]).env(PANICS, "1").stdout(Stdio::null());
    let (status, text) = Pty::start(command, 80, 24).end();
    assert!(status.success(), "{text}");
    assert!(text.contains("the reason"), "{text}");
    assert!(!text.contains("the view") && !text.contains("a late frame"), "{text}");
}

#[test]
fn without_a_terminal_it_is_refused_before_anything_is_measured() {
    let place = Place::new();
    let mut command = place.run(&scenario("10ms"));
    command.arg("--tui").env("TERM", "xterm");
    place.finish(command).exits(2).says(&["--tui needs a terminal", "leave out --tui"]);
    assert!(!place.out().exists());
    let mut both = place.run(&scenario("10ms"));
    both.args(["--tui", "--no-progress"]);
    place.finish(both).exits(2);
}
