//! Warnings about a run.

use proto::{notice::CpuList, outcome::Refusal, units::Nanos};

use super::{KeptOut, ranges};

proto::notices! {
    /// Warnings about a run.
    pub enum RunWarning {
        /// The run was shortened (`--quick`).
        "quick-run" QuickRun {}
        message: "the figures of a quick run are only a smoke test".into(),
        remedy: else => "run without --quick before drawing conclusions",

        /// The scenario has one trial per cell.
        "too-few-trials" TooFewTrials {}
        message: "one trial per cell shows no spread, so no comparison can have a verdict".into(),
        remedy: else => "set `trials: 3` or more",

        /// The run ended while a trial was being recorded, so the last line of `trials.jsonl` is incomplete.
        "torn-record" TornRecord {
            /// The line, from 1.
            line: u64,
        }
        message: format!("trials.jsonl ends within line {line}: the run ended while a trial was being recorded"),
        remedy: else => "run that trial again with `coordinator resume`; all others are complete",
        affects_verdicts: false,

        /// A host changed while the run was paused, and the change was accepted (`resume --accept-change`).
        "host-changed" HostChanged {
            /// The fact.
            fact: String,
            /// Its value when the run began.
            was: Option<String>,
            /// Its value since the run was resumed.
            is: Option<String>,
            /// The last trial recorded before the change.
            after_trial: Option<String>,
        }
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not reported".into());
        let when = after_trial.as_ref().map_or_else(String::new, |trial| format!(" after trial {trial}"));
        message: format!("{fact} changed{when}, from {} to {}", value(was), value(is)),
        remedy: else => "trials before and after the change are not comparable: run the scenario again for a sound result",

        /// A host was lost during the run.
        "run-lost-host" LostHost {
            /// The host.
            host: String,
            /// The reason.
            refusal: Refusal,
        }
        message: format!("{host}: {}", refusal.message()),
        remedy: else => "restart its agent, then continue with `coordinator resume`",

        /// A host was lost and came back, and its trial was repeated (`on_host_loss: retry`).
        "host-returned" HostReturned {
            /// The host.
            host: String,
            /// Why it was lost.
            refusal: Refusal,
        }
        message: format!("{host} was lost and came back; its trial was repeated: {}", refusal.message()),
        remedy: else => "check its log and the network, because the cause may return",
        affects_verdicts: false,

        /// The run went on without lost hosts (`on_host_loss: continue`), so no figure contains them.
        "hosts-left-out" HostsLeftOut {
            /// The lost hosts.
            hosts: Vec<String>,
            /// The hosts of the run.
            of: u64,
        }
        let names = ranges(hosts.iter().map(String::as_str)).join(", ");
        let left = of.saturating_sub(hosts.len() as u64);
        message: format!("the run went on without {names}: its figures are those of {left} of {of} hosts"),
        remedy: else => "repair the lost hosts, and run the scenario again for figures of all hosts",
        affects_verdicts: false,

        /// The hosts of a trial did not begin together: their start lines opened more than 1 ms apart.
        "starts-skewed" StartsSkewed {
            /// The largest skew.
            skew: Nanos,
            /// Bound on its error.
            error: Nanos,
            /// Trials above the limit.
            trials: u64,
            /// Trials of several hosts.
            of: u64,
        }
        let ms = |time: &Nanos| time.0 as f64 / 1e6;
        message: format!(
            "hosts began up to {:.1} ms apart (±{:.1} ms); more than 1 ms in {trials} of {of} trials",
            ms(skew),
            ms(error)
        ),
        remedy: else =>
            "leave each agent a CPU, allow it real-time priority (CAP_SYS_NICE or `LimitRTPRIO=1`), and check the network",
        weight: skew.0 as f64,
        affects_verdicts: false,

        /// A trial or audit is shown but does not count.
        "trial-kept-out" TrialKeptOut {
            /// The trial.
            trial: String,
            /// Whether it is an audit.
            audit: bool,
            /// The reasons.
            reasons: Vec<KeptOut>,
            /// The first refusal of a host.
            refusal: Option<Refusal>,
        }
        let why = reasons.iter().map(KeptOut::to_string).collect::<Vec<_>>().join("; ");
        let what = if *audit { "audit" } else { "trial" };
        let remedy_of_the_refusal = refusal.as_ref().map(Refusal::remedy).unwrap_or_default();
        message: format!("{what} {trial} is shown but kept out of the statistics: {why}"),
        remedy:
            if !remedy_of_the_refusal.is_empty() => "{remedy_of_the_refusal}",
            else => "remove the cause, and run the scenario again",
        weight: f64::from(u8::from(!*audit)),
        affects_verdicts: !*audit,

        /// Several agents of a run are on one machine (equal `boot_id`).
        "one-machine" OneMachine {
            /// The agents' hosts.
            hosts: Vec<String>,
            /// CPUs on which workers of more than one of them ran.
            cpus: CpuList,
        }
        let names = ranges(hosts.iter().map(String::as_str)).join(", ");
        message: match cpus.0.as_slice() {
            [] => format!("{names} are agents on one machine: they share its memory, and perhaps a disk"),
            _ => format!(
                "{names} are agents on one machine, and their workers share CPU {cpus}: they take its time from each other"
            ),
        },
        remedy: else => "run one agent per machine, or start each with other CPUs (`taskset -c`) and on another disk",
        weight: cpus.0.len() as f64,

        /// The windows of the hosts of a trial do not coincide, so a part of their intervals is left out.
        "hosts-skewed" HostsSkewed {
            /// Time between the windows.
            skew: Nanos,
            /// Bound on the error of the hosts' clocks.
            error: Nanos,
        }
        let ms = |time: &Nanos| time.0 as f64 / 1e6;
        message: format!(
            "hosts were apart by {:.1} ms (clock error up to {:.1} ms): only the intervals that they share were merged",
            ms(skew),
            ms(error)
        ),
        remedy: else => "choose a longer runtime or a shorter interval, so that the ends weigh less",
        weight: skew.0 as f64,
        affects_verdicts: false,
    }
}
