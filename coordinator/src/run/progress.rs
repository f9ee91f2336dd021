//! Shows progress during a run: a bar with live numbers on a terminal, plain lines elsewhere. The numbers are those of
//! [`Live`].

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use proto::{
    outcome::{Interval, Refusal},
    trial::Measure,
    units::Nanos,
};

pub use super::live::label;
use super::live::{Live, Shared};
use crate::{
    metric::{latency::P99, throughput::IOPS},
    plan::{Plan, PlannedTrial},
    run::RefusedCell,
    screen::Screen,
    store::record::TrialRecord,
};

/// The shortest time between two drawings of the bar.
const REDRAW: Duration = Duration::from_millis(100);

/// Where progress is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// A bar if standard error is a terminal, otherwise a line for each trial.
    #[default]
    Plain,
    /// Only marked trials, because another view shows the rest.
    Problems,
    /// Nothing.
    Nothing,
}

/// Passes the events of a run on to its state, and shows that state.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    display: Display,
    live: Shared,
    /// Whether other views read the state.
    watched: bool,
}

#[derive(Debug)]
enum Display {
    Bar { bar: ProgressBar, drawn: Instant },
    Lines,
    Problems,
    Silent,
}

impl Progress {
    /// Progress of a plan on these hosts.
    #[must_use]
    pub fn new(screen: &Screen, plan: &Plan, hosts: impl IntoIterator<Item = String>, show: Show) -> Self {
        let live = Live::new(plan, hosts);
        let display = match show {
            Show::Nothing => Display::Silent,
            Show::Problems => Display::Problems,
            Show::Plain if screen.bars().is_hidden() => Display::Lines,
            Show::Plain => {
                let (_, planned) = live.schedule.measured_time();
                let bar = screen.bars().add(ProgressBar::new(as_ms(planned).max(1)));
                // The template is fixed, so it cannot fail; without it the bar would only look plain.
                let style = ProgressStyle::with_template("{bar:30} {prefix}\n{wide_msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
                bar.set_style(style);
                Display::Bar { bar, drawn: Instant::now() }
            }
        };
        Self { screen: screen.clone(), display, live: Shared::new(live), watched: false }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent(plan: &Plan) -> Self {
        Self::new(&Screen::new(), plan, [], Show::Nothing)
    }

    /// The state, for other views.
    #[must_use]
    pub fn live(&mut self) -> Shared {
        self.watched = true;
        self.live.clone()
    }

    /// A trial begins.
    pub fn begin(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.live.with(|live| live.begin(plan, planned));
        self.draw(true);
    }

    /// A host is still preparing, for example filling its file.
    pub fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64) {
        self.live.with(|live| live.preparing(host, what, done, total));
        self.draw(false);
    }

    /// A host has finished a slice of the current trial.
    pub fn interval(&mut self, host: &str, interval: &Interval) {
        if matches!(self.display, Display::Silent) && !self.watched {
            return;
        }
        self.live.with(|live| live.interval(host, interval));
        self.draw(false);
    }

    /// A trial has ended.
    pub fn end(&mut self, record: &TrialRecord) {
        let mut text = self.live.with(|live| {
            let (measured, schedule) =
                (live.end(record).map(|(iops, latency)| numbers(iops, latency)), &live.schedule);
            format!(
                "[{}/{}] {}{}: {}",
                schedule.done(),
                schedule.total,
                label(&record.arm, &record.params),
                if record.measure == Measure::Audit { " (audit)" } else { "" },
                measured.as_deref().unwrap_or("nothing measured")
            )
        });
        for mark in &record.marks {
            text.push_str(&format!("; marked: {mark}"));
        }
        match &self.display {
            Display::Lines => self.screen.line(&text),
            // On a terminal, only problems remain visible.
            Display::Bar { .. } | Display::Problems if !record.marks.is_empty() => self.screen.line(&text),
            Display::Bar { .. } | Display::Problems | Display::Silent => {}
        }
    }

    /// A trial was recorded before the run was resumed. It counts as done, and takes no time.
    pub fn recorded(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.live.with(|live| live.recorded(plan, planned));
    }

    /// A trial is skipped.
    pub fn skipped(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.live.with(|live| live.skipped(plan, planned));
    }

    /// A trial will be repeated.
    pub fn repeat(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.live.with(|live| live.repeat(plan, planned));
    }

    /// A host refused a cell, which will not be tried again.
    pub fn refused(&mut self, plan: &Plan, refused: &RefusedCell) {
        let cell = &plan.cells[refused.cell];
        let label = label(&cell.arm, &cell.params);
        tracing::info!("host {} refused {label}: {}", refused.host, refused.refusal.message());
        self.live.with(|live| live.refused(&label, &refused.host, &refused.refusal));
    }

    /// A host is lost.
    pub fn lost(&mut self, host: &str, refusal: &Refusal) {
        self.live.with(|live| live.lost(host, refusal));
    }

    /// Removes the bar at the end of the run.
    pub fn finish(&mut self) {
        if let Display::Bar { bar, .. } = &self.display {
            bar.finish_and_clear();
        }
        self.display = Display::Silent;
    }

    /// Draws the bar, if the last drawing is not too recent or this one is `due` all the same.
    fn draw(&mut self, due: bool) {
        let Display::Bar { bar, drawn } = &mut self.display else { return };
        if !due && drawn.elapsed() < REDRAW {
            return;
        }
        *drawn = Instant::now();
        self.live.with(|live| {
            let schedule = &live.schedule;
            bar.set_position(as_ms(schedule.measured_time().0));
            let left = human(schedule.left());
            bar.set_prefix(format!("{} of {}, about {left} left", schedule.running(), schedule.total));
            let Some(current) = &live.current else { return };
            let mut message = format!("{}, {}", current.cell, current.which);
            if let Some(preparing) = &current.preparing {
                message.push_str(&format!(": {preparing}"));
            } else if current.latencies.whole().is_some() {
                message.push_str(&format!(": {}", numbers(current.iops, current.latencies.of_slice())));
            }
            bar.set_message(message);
        });
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn numbers(iops: f64, latency: &Histogram<u64>) -> String {
    let p99 = latency_for_people(latency.value_at_quantile(0.99));
    format!("{} {}, {} {p99}", rate_for_people(iops), IOPS.title, P99.title)
}

/// A latency in nanoseconds for people, such as `1.5 µs`.
#[must_use]
pub fn latency_for_people(ns: u64) -> String {
    match ns as f64 {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    }
}

/// A rate for people, such as `12.3k`.
#[must_use]
pub fn rate_for_people(per_second: f64) -> String {
    match per_second {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1}k", n / 1e3),
        n => format!("{:.2}M", n / 1e6),
    }
}

/// A duration for people, such as `1m 20s`.
#[must_use]
pub fn human(duration: Duration) -> String {
    match duration.as_secs() {
        0 => Nanos(as_ms(duration) * 1_000_000).to_string(),
        seconds @ 1..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_times_and_numbers_for_people() {
        assert_eq!(human(Duration::from_millis(250)), "250ms");
        assert_eq!(human(Duration::from_secs(80)), "1m 20s");
        assert_eq!(human(Duration::from_secs(7260)), "2h 01m");
        let mut latency = proto::histogram::empty();
        latency.saturating_record(1500);
        assert_eq!(numbers(12_345.0, &latency), "12.3k IOPS, p99 1.5 µs");
        let params = serde_json::from_str(r#"{"depth": 8, "block_size": "4KiB"}"#).unwrap();
        assert_eq!(label("uring", &params), "uring depth=8 block_size=4KiB");
    }
}
