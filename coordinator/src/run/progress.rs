//! Shows progress during a run: a bar with live numbers on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use proto::{outcome::Interval, trial::Measure, units::Nanos};

use crate::{
    metric::{latency::P99, throughput::IOPS},
    params,
    params::Params,
    plan::{OVERHEAD_PER_TRIAL, Plan, PlannedTrial},
    run::{RefusedCell, totals::Totals},
    screen::Screen,
    store::record::TrialRecord,
};

/// The shortest time between two drawings of live numbers.
const REDRAW: Duration = Duration::from_millis(100);

/// Shows the progress of a run.
#[derive(Debug)]
pub struct Progress {
    screen: Screen,
    display: Display,
    /// Planned time, without overhead per trial: of the whole run, of the finished trials and of the current one.
    planned: Duration,
    over: Duration,
    current: Duration,
    /// Actual time of the finished trials, without filling targets.
    spent: Duration,
    /// Start of the current trial; moved later while a target is filled.
    begun: Instant,
    /// The current trial.
    totals: Totals,
    /// When live numbers were drawn last.
    drawn: Instant,
    done: usize,
    /// Trials recorded before the run was resumed.
    before: usize,
    total: usize,
}

#[derive(Debug)]
enum Display {
    Bar { bar: ProgressBar, title: String },
    Lines,
    Silent,
}

impl Progress {
    /// Progress of a plan: a bar if standard error is a terminal, otherwise a line for each trial.
    #[must_use]
    pub fn new(screen: &Screen, plan: &Plan, quiet: bool) -> Self {
        let planned = plan.trials.iter().map(|trial| expected(plan, trial)).sum::<Duration>();
        let display = if quiet {
            Display::Silent
        } else if screen.bars().is_hidden() {
            Display::Lines
        } else {
            let bar = screen.bars().add(ProgressBar::new(as_ms(planned).max(1)));
            // The template is fixed, so it cannot fail; without it the bar would only look plain.
            let style = ProgressStyle::with_template("{bar:30} {prefix}\n{wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style);
            Display::Bar { bar, title: String::new() }
        };
        Self {
            screen: screen.clone(),
            display,
            planned,
            over: Duration::ZERO,
            current: Duration::ZERO,
            spent: Duration::ZERO,
            begun: Instant::now(),
            drawn: Instant::now(),
            totals: Totals::default(),
            done: 0,
            before: 0,
            total: plan.trials.len(),
        }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent(plan: &Plan) -> Self {
        Self::new(&Screen::new(), plan, true)
    }

    /// A trial begins.
    pub fn begin(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.totals = Totals::default();
        self.current = expected(plan, planned);
        self.begun = Instant::now();
        let cell = &plan.cells[planned.cell];
        let which = match planned.measure {
            Measure::Audit => "audit".to_owned(),
            Measure::Timed => format!("trial {} of {}", planned.block, plan.trials_in_words()),
        };
        if let Display::Bar { title, .. } = &mut self.display {
            *title = format!("{}, {which}", label(&cell.arm, &cell.params));
        }
        self.draw(0.0, "");
    }

    /// A trial has ended.
    pub fn end(&mut self, record: &TrialRecord) {
        self.spent += self.begun.elapsed();
        self.step();
        let mut text = format!(
            "[{}/{}] {}{}: ",
            self.before + self.done,
            self.total,
            label(&record.arm, &record.params),
            if record.measure == Measure::Audit { " (audit)" } else { "" }
        );
        match self.totals.whole() {
            Some((iops, latency)) => text.push_str(&numbers(iops, latency)),
            None => text.push_str("nothing measured"),
        }
        for mark in &record.marks {
            text.push_str(&format!("; marked: {mark}"));
        }
        match &self.display {
            Display::Lines => self.screen.line(&text),
            // On a terminal, only problems remain visible.
            Display::Bar { .. } if !record.marks.is_empty() => self.screen.line(&text),
            Display::Bar { .. } | Display::Silent => {}
        }
    }

    /// A trial was recorded before the run was resumed. It counts as done, and takes no time.
    pub fn recorded(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.planned = self.planned.saturating_sub(expected(plan, planned));
        self.before += 1;
    }

    /// A trial is skipped.
    pub fn skipped(&mut self, plan: &Plan, planned: &PlannedTrial) {
        // Counts with the average time of the trials that ran, so that the estimate stays right.
        let beyond = self.spent.saturating_sub(self.over) / u32::try_from(self.done.max(1)).unwrap_or(1);
        self.current = expected(plan, planned);
        self.spent += self.current + beyond;
        self.step();
    }

    /// The run waits for a lost host.
    pub fn awaits(&mut self, host: &str) {
        if !matches!(self.display, Display::Silent) {
            self.screen.line(&format!("host {host} is lost: waiting until it is back"));
        }
    }

    /// A trial will be repeated.
    pub fn repeat(&mut self, plan: &Plan, planned: &PlannedTrial) {
        self.total += 1;
        self.planned += expected(plan, planned);
    }

    /// A host refused a cell, which will not be tried again.
    pub fn refused(&mut self, plan: &Plan, refused: &RefusedCell) {
        let cell = &plan.cells[refused.cell];
        tracing::info!(
            "host {} refused {}: {}",
            refused.host,
            label(&cell.arm, &cell.params),
            refused.refusal.message()
        );
    }

    /// Removes the bar at the end of the run.
    pub fn finish(&mut self) {
        if let Display::Bar { bar, .. } = &self.display {
            bar.finish_and_clear();
        }
        self.display = Display::Silent;
    }

    fn step(&mut self) {
        self.done += 1;
        self.over += self.current;
        self.current = Duration::ZERO;
    }

    /// Draws the bar; `part` is the elapsed share of the current trial.
    fn draw(&mut self, part: f64, message: &str) {
        if let Display::Bar { bar, title } = &self.display {
            let at = self.over + self.current.mul_f64(part.clamp(0.0, 1.0));
            // The plan gives the measured time of trials; the finished trials give the overhead.
            let beyond = match u32::try_from(self.done) {
                Ok(done @ 1..) => self.spent.saturating_sub(self.over) / done,
                _ => OVERHEAD_PER_TRIAL,
            };
            let to_do = u32::try_from(self.total.saturating_sub(self.before + self.done)).unwrap_or(u32::MAX);
            let left = self.planned.saturating_sub(at) + beyond.saturating_mul(to_do);
            let left = left.max(Duration::from_secs(1));
            let running = (self.before + self.done + 1).min(self.total);
            bar.set_position(as_ms(at));
            bar.set_prefix(format!("{running} of {}, about {} left", self.total, human(left)));
            let gap = if message.is_empty() { "" } else { ": " };
            bar.set_message(format!("{title}{gap}{message}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Progress {
    /// A host is still preparing, for example filling its file.
    pub fn preparing(&mut self, host: &str, what: &str, done: u64, total: u64) {
        let percent = if total == 0 { 0.0 } else { done as f64 * 100.0 / total as f64 };
        self.begun = Instant::now();
        self.draw(0.0, &format!("{host}: {what} {percent:.0}%"));
    }

    /// A host has finished a slice of the current trial.
    pub fn interval(&mut self, host: &str, interval: &Interval) {
        if matches!(self.display, Display::Silent) || interval.end_ns <= interval.begin_ns {
            return;
        }
        self.totals.add(host, interval);
        // Quantiles of a histogram take longer than adding to it, and nobody reads faster.
        if matches!(self.display, Display::Lines) || self.drawn.elapsed() < REDRAW {
            return;
        }
        self.drawn = Instant::now();
        let seconds = (interval.end_ns - interval.begin_ns) as f64 / 1e9;
        let measured = f64::from(interval.index + 1) * seconds;
        let part = measured / self.current.as_secs_f64().max(measured);
        let (iops, latency) = self.totals.live();
        let message = numbers(iops, latency);
        self.draw(part, &message);
    }
}

fn expected(plan: &Plan, planned: &PlannedTrial) -> Duration {
    let workload = plan.trial(planned).workload;
    workload.warmup.as_duration() + workload.runtime.as_duration()
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn numbers(iops: f64, latency: &Histogram<u64>) -> String {
    let p99 = latency.value_at_quantile(0.99) as f64;
    let p99 = match p99 {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.1} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.2} ms", ns / 1e6),
        ns => format!("{:.2} s", ns / 1e9),
    };
    let iops = match iops {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.1}k", n / 1e3),
        n => format!("{:.2}M", n / 1e6),
    };
    format!("{iops} {}, {} {p99}", IOPS.title, P99.title)
}

/// A cell as text, such as `uring depth=8`.
#[must_use]
pub fn label(arm: &str, params: &Params) -> String {
    let mut text = arm.to_owned();
    for (axis, value) in params {
        text.push_str(&format!(" {axis}={}", params::value(value)));
    }
    text
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
