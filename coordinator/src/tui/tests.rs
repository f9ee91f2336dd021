use ratatui::backend::TestBackend;

use super::*;
use crate::{
    analysis::fixture::{Fixture, params},
    run::live::{Arm, Finding, HostState, Live, Outcomes, tests::interval},
};

/// A run in the middle, with this many hosts.
fn model(hosts: usize, lines: usize) -> Model {
    let arm = |name: &str, scale: u64| Arm {
        name: name.into(),
        planned: 16,
        done: 6,
        point: "depth=8".into(),
        iops: Some(12_345.0 * scale as f64),
        p99_ns: Some(1_530_000 / scale),
        trend: (1..=12).map(|trial| 800 * scale * (trial % 4 + 1)).collect(),
    };
    let fixture = Fixture::new(&["sync", "uring"], &[1, 8], 3, &["n1"]);
    let mut live = Live::new(&fixture.plan, (0..hosts).map(|host| format!("n{host:04}")));
    live.arms = vec![arm("sync", 1), arm("uring", 7), arm("uring-tuned", 9)];
    for (at, host) in live.hosts.values_mut().enumerate() {
        host.state = if at == hosts / 2 { HostState::Lost } else { HostState::Running };
        host.iops = 40_000.0 - at as f64 * 10.0;
        host.trend = (0..100).map(|interval| 30_000 + (interval + at as u64) % 7 * 1500).collect();
    }
    live.outcomes = Outcomes { sound: 5, marked: 1, skipped: 0 };
    live.begin(&fixture.plan, fixture.plan.trials.last().unwrap());
    live.hosts.values_mut().for_each(|host| {
        if host.state == HostState::Idle {
            host.state = HostState::Running;
        }
    });
    live.interval("n0000", &interval(1, 91_000, 270_000));
    let finding = |code: &str, count, last: &str| Finding { code: code.into(), count, last: last.into() };
    Model {
        elapsed: Duration::from_secs(754),
        left: Duration::from_secs(250),
        share: 0.4,
        findings: vec![
            finding("marked", 1, "uring depth=8: the trial began 80 ms late on n2"),
            finding("too-few-cpus", 3, "n1: 8 threads share 2 CPUs"),
        ],
        held: vec!["agent: a line of its log".into()],
        ..Model::of(&live, lines)
    }
}

fn drawn(model: &Model, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(model, frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn fits_80x24() {
    insta::assert_snapshot!(drawn(&model(3, 24), 80, 24));
}

#[test]
fn fits_160x48() {
    insta::assert_snapshot!(drawn(&model(3, 48), 160, 48));
}

#[test]
fn shows_the_worst_of_a_thousand_hosts() {
    insta::assert_snapshot!(drawn(&model(1000, 24), 80, 24));
}

#[test]
fn an_empty_run_and_a_tiny_screen_are_drawn() {
    for (width, height) in [(1, 1), (10, 3), (20, 6), (30, 9), (40, 12), (500, 200)] {
        drawn(&Model::default(), width, height);
        drawn(&model(1000, height.into()), width, height);
        drawn(&model(2, height.into()), width, height);
    }
}

#[test]
fn takes_no_more_than_fits_and_shows_escapes_as_nothing() {
    let fixture = Fixture::new(&["sync"], &[1], 1, &["n1"]);
    let mut live = Live::new(&fixture.plan, ["a\u{1b}[31mb".to_owned()]);
    live.begin(&fixture.plan, &fixture.plan.trials[0]);
    let text = drawn(&Model::of(&live, 24), 80, 24);
    assert!(!text.contains('\u{1b}'), "{text}");
    assert_eq!(live.arms[0].point, format!("depth={}", params(1)["depth"]));
    assert_eq!(
        Model::of(&Live::new(&fixture.plan, (0..100).map(|host| host.to_string())), 10).hosts.len(),
        10
    );
}
