//! Metrics of a run while it runs (`--metrics`): what [`Live`] holds, in base units, with the labels `arm`, `outcome`
//! and `code`. The registry is made anew at each scrape, so that a run pays for it only then.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};
use proto::scrape::Port;

use crate::run::live::{Current, Live, Shared};

type Labels = Vec<(&'static str, String)>;

/// An open port that shows the run of the moment, or the last one.
#[derive(Debug)]
pub struct Exporter {
    run: Arc<Mutex<Option<Shared>>>,
    address: SocketAddr,
}

impl Exporter {
    /// Opens the port.
    ///
    /// # Errors
    /// Those of the system, such as an address in use.
    pub async fn start(address: SocketAddr) -> io::Result<Self> {
        let port = Port::open(address).await?;
        let address = port.address()?;
        let run = Arc::new(Mutex::new(None::<Shared>));
        let shown = Arc::clone(&run);
        tokio::spawn(port.serve(move || {
            let run = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Arc::new(run.map_or_else(Registry::default, |run| run.with(|live| registry(live))))
        }));
        Ok(Self { run, address })
    }

    /// The address, with the port that was picked.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Shows a run from now on.
    pub fn show(&self, run: Shared) {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(run);
    }
}

/// The metrics of a run.
fn registry(live: &Live) -> Registry {
    let mut run = Registry::with_prefix("ringbench");
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let info = Info::new(vec![("scenario", live.scenario.clone()), ("version", version)]);
    run.register("run", "The run and the coordinator's version", info);
    let mut gauge = |name: &str, help: &str, value: usize| {
        run.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
    };
    let (cells_done, cells) = live.cells();
    gauge("run_cells", "Cells of the plan", cells);
    gauge("run_cells_done", "Cells whose trials have all ended", cells_done);
    gauge("run_trials_planned", "Trials of the plan, with audits and repeats", live.schedule.total);
    gauge("run_hosts", "Hosts of the run", live.hosts.len());
    gauge("run_hosts_lost", "Hosts that are lost", live.lost_hosts());
    let left = ConstGauge::new(live.schedule.left().as_secs_f64());
    run.register_with_unit("run_remaining", "Estimated time left", Unit::Seconds, left);
    let outcomes = live.outcomes;
    let counted = [("sound", outcomes.sound), ("marked", outcomes.marked), ("skipped", outcomes.skipped)];
    let trials = counter("outcome", counted.map(|(outcome, count)| (outcome, count as u64)));
    run.register("run_trials", "Trials that ended, by outcome; only sound ones count in verdicts", trials);
    let found = live.findings.iter().map(|finding| (finding.code.as_str(), finding.count));
    run.register("run_warnings", "Warnings, marks, refusals and losses, by code", counter("code", found));
    let iops = live.arms.iter().filter_map(|arm| Some((arm.name.as_str(), arm.iops?)));
    run.register("arm_iops", "Operations per second of the arm's current or last trial", values("arm", iops));
    let latency = live.arms.iter().enumerate().filter_map(|(at, arm)| {
        let p99_ns = arm.p99_ns.or_else(|| match &live.current {
            Some(Current { arm, latencies, .. }) if *arm == at => {
                latencies.whole().map(|latency| latency.value_at_quantile(0.99))
            }
            _ => None,
        });
        Some((arm.name.as_str(), p99_ns? as f64 / 1e9))
    });
    let help = "99th percentile of latency in the arm's current or last timed trial";
    run.register_with_unit("arm_latency_p99", help, Unit::Seconds, values("arm", latency));
    run
}

fn counter<'a>(
    label: &'static str,
    counts: impl IntoIterator<Item = (&'a str, u64)>,
) -> Family<Labels, Counter> {
    let family = Family::<Labels, Counter>::default();
    for (value, count) in counts {
        family.get_or_create(&vec![(label, value.to_owned())]).inc_by(count);
    }
    family
}

fn values<'a>(
    label: &'static str,
    values: impl IntoIterator<Item = (&'a str, f64)>,
) -> Family<Labels, Gauge<f64, AtomicU64>> {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (of, value) in values {
        family.get_or_create(&vec![(label, of.to_owned())]).set(value);
    }
    family
}

#[cfg(test)]
mod tests {
    use proto::refusal::{HostRefusal, LossCause};

    use super::*;
    use crate::{analysis::fixture::Fixture, run::live::tests::interval};

    #[test]
    fn shows_a_run_in_base_units() {
        let fixture = Fixture::new(&["sync", "uring"], &[1], 1, &["n1", "n2"]);
        let plan = &fixture.plan;
        let mut live = Live::new(plan, ["n1".to_owned(), "n2".to_owned()]);
        live.recorded(plan, &plan.trials[0]);
        let begun = plan.trials.iter().find(|planned| plan.cells[planned.cell].arm == "uring").unwrap();
        live.begin(plan, begun);
        live.interval("n1", &interval(0, 300, 2_000_000));
        live.lost("n2", &HostRefusal::Lost { cause: LossCause::Gone }.into());
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry(&live)).unwrap();
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        // The samples of a family have no order.
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
