//! Ctrl-C at any moment: exit 130, nothing left behind, and finished trials are kept.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::{Place, Process, Ran, has_open, has_thread, scenario, send, until, until_timed};

fn text(size: &str, workload: &str) -> String {
    scenario(&format!("{{file: {{size: {size}, direct: false}}}}"), workload)
}

/// The invariants after every interruption.
fn assert_kept(place: &Place, ran: &Ran) {
    place.assert_clean();
    let whole = place.trials().iter().filter(|trial| trial["marks"].as_array().unwrap().is_empty()).count();
    if whole > 0 {
        let cells = place.summary()["cells"].clone();
        let complete =
            cells.as_array().unwrap().iter().map(|cell| cell["trials"]["complete"].as_u64().unwrap());
        // Audits are trials too, but do not count as complete ones.
        assert!(complete.sum::<u64>() <= whole as u64, "{cells:#}");
        assert!(ran.stderr.contains("stopping; finished trials are kept"), "{ran:?}");
    }
}

fn interrupted(place: &Place, run: Process) -> Ran {
    run.send(Signal::INT);
    let ran = run.wait().exits(130);
    assert_kept(place, &ran);
    ran
}

#[test]
fn interrupts_while_filling() {
    let place = Place::new();
    let run = place.start(place.run(&text("1GiB", "warmup: 5ms, runtime: 100ms")));
    let agent = place.agent();
    until("it fills", || has_open(agent, &place.data()).then_some(()));
    interrupted(&place, run);
    assert!(place.trials().is_empty());
}

#[test]
fn interrupts_while_warming_up() {
    let place = Place::new();
    let run = place.start(place.run(&text("64KiB", "warmup: 20s, runtime: 100ms")));
    let agent = place.agent();
    until("a worker is there", || has_thread(agent, "worker-0").then_some(()));
    std::thread::sleep(Duration::from_millis(300));
    interrupted(&place, run);
}

#[test]
fn interrupts_while_measuring() {
    let place = Place::new();
    let run = place.start(place.run(&text("64KiB", "warmup: 5ms, runtime: 20s")));
    let agent = place.agent();
    until_timed(&place, agent);
    std::thread::sleep(Duration::from_secs(1));
    interrupted(&place, run);
    let trials = place.trials();
    assert!(trials.last().unwrap()["marks"].to_string().contains("interrupted"), "{trials:#?}");
}

#[test]
fn interrupts_while_connecting() {
    let place = Place::new();
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = mute.local_addr().unwrap().to_string();
    let mut run = place.start(place.run_on(&address, &text("64KiB", "runtime: 100ms")));
    run.listens_to_signals();
    interrupted(&place, run);
    assert!(!place.out().exists());
}

#[test]
fn interrupts_at_any_moment() {
    // A run of about two seconds.
    let scenario = text("1MiB", "warmup: 10ms, runtime: 100ms").replace("trials: 2", "trials: 4");
    let jitter = u64::from(std::process::id()) % 50;
    for delay in [50, 350, 800, 1400, 1900, 2450].map(|delay| delay + jitter) {
        let place = Place::new();
        let mut run = place.start(place.run(&scenario));
        run.listens_to_signals();
        std::thread::sleep(Duration::from_millis(delay));
        run.send(Signal::INT);
        let ran = run.wait();
        match ran.status.code() {
            Some(130) => assert_kept(&place, &ran),
            // The run ended before the signal.
            Some(0 | 4) => assert_eq!(place.trials().len(), 10),
            _ => panic!("after {delay} ms: {ran:?}"),
        }
    }
}

#[test]
fn a_second_interrupt_ends_at_once() {
    let place = Place::new();
    let run = place.start(place.run(&text("64KiB", "warmup: 5ms, runtime: 20s")));
    let agent = place.agent();
    until("a worker is there", || has_thread(agent, "worker-0").then_some(()));
    // With a hanging agent, an orderly end takes seconds.
    send(agent, Signal::STOP);
    run.send(Signal::INT);
    until("the stop request is shown", || {
        run.stderr().contains("press Ctrl-C again to quit at once").then_some(())
    });
    let begun = Instant::now();
    run.send(Signal::INT);
    run.wait().exits(130);
    assert!(begun.elapsed() < Duration::from_millis(1900), "{:?}", begun.elapsed());
    send(agent, Signal::CONT);
    place.assert_clean();
}

#[test]
fn an_interrupt_does_not_wait_for_a_hanging_agent() {
    let place = Place::new();
    let run = place.start(place.run(&text("64KiB", "warmup: 5ms, runtime: 20s")));
    let agent = place.agent();
    until("a worker is there", || has_thread(agent, "worker-0").then_some(()));
    send(agent, Signal::STOP);
    interrupted(&place, run);
}
