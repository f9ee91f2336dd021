//! `coordinator list`: lists runs, and the trend of cells over them.

use std::{collections::HashMap, path::PathBuf};

use clap::Args;
use miette::miette;
use time::OffsetDateTime;

use super::{print, report::appearance};
use crate::{
    exit::Exit,
    history::{
        self, History, RESULTS,
        filter::{self, Filter},
    },
    report::{self, BasicFormat},
    scenario::{expect, keys::one_of},
    screen::Screen,
    summary::RunEntry,
};

/// List the runs of a results directory, oldest first, or show the trend of a cell over them.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  coordinator list --limit 10
  coordinator list --scenario qd-sweep --since 7d --failed
  coordinator list --host n3 --label kernel=patched --format csv
  coordinator list --scenario qd-sweep --trend uring@depth=32

`held` counts expectations; `exit` is the exit code for the run's data, or `-` if it was never analysed.")]
pub struct ListArgs {
    /// Only runs of this scenario.
    #[arg(long, value_name = "NAME")]
    pub scenario: Option<String>,
    /// Only runs that began since a date (2026-11-22), a time (RFC 3339), or within a period (7d, 12h).
    #[arg(long, value_name = "DATE", value_parser = since)]
    pub since: Option<OffsetDateTime>,
    /// Only runs that used this host.
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
    /// Only runs with a host that has this label.
    #[arg(long, value_name = "KEY=VALUE", value_parser = filter::label)]
    pub label: Vec<(String, String)>,
    /// Only runs whose exit code is not 0.
    #[arg(long)]
    pub failed: bool,
    /// Show only the newest N runs.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Show the IOPS of an arm over the runs on the same machines with the same workload, at the points that the
    /// conditions select. The scenario is that of --scenario, or of the newest run.
    #[arg(long, value_name = "ARM[@AXIS=VALUE,…]", conflicts_with_all = ["since", "host", "label", "failed", "limit"])]
    pub trend: Option<String>,
    /// Rebuild the index of runs.
    #[arg(long)]
    pub rebuild: bool,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: BasicFormat,
    /// The directory that contains the runs.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
}

fn since(text: &str) -> Result<OffsetDateTime, String> {
    filter::since(text, OffsetDateTime::now_utc())
}

/// Runs the command.
#[must_use]
pub fn list(args: &ListArgs, screen: &Screen) -> Exit {
    match listed(args, screen) {
        Ok(text) => print(screen, &text),
        Err(error) => {
            screen.error(&error);
            Exit::Usage
        }
    }
}

fn listed(args: &ListArgs, screen: &Screen) -> miette::Result<String> {
    let unreadable = |error: std::io::Error| {
        let help = "name the directory of runs with --dir; `coordinator run SCENARIO` creates results/";
        miette!(help = help, "{}: cannot be read: {error}", args.dir.display())
    };
    let History { runs, note } = history::load(&args.dir, args.rebuild).map_err(unreadable)?;
    if let Some(note) = note {
        screen.line(&format!("no index of runs: {note}"));
    }
    if let Some(scenario) = &args.scenario {
        known_scenario(scenario, &runs)?;
    }
    let (width, colour) = appearance();
    let Some(trend) = &args.trend else {
        let filter = Filter {
            scenario: args.scenario.clone(),
            since: args.since,
            host: args.host.clone(),
            labels: args.label.clone(),
            failed: args.failed,
            limit: args.limit,
        };
        return Ok(report::history::list(&filter.choose(&runs), args.format, width, colour));
    };
    let newest = runs.last().map(|run| run.scenario.as_str());
    let Some(scenario) = args.scenario.as_deref().or(newest) else {
        return Err(miette!(
            help = "`coordinator run SCENARIO` creates one",
            "{} contains no runs",
            args.dir.display()
        ));
    };
    let wanted = wanted(trend)?;
    let lines =
        history::trend_of(&args.dir, scenario, |arm, point| arm == wanted.arm && wanted.claim.selects(point))
            .map_err(unreadable)?;
    if lines.is_empty() {
        let last = runs.iter().rev().find(|run| run.scenario == scenario && !run.arms.is_empty());
        let arms: Vec<&str> = last.iter().flat_map(|run| run.arms.iter().map(String::as_str)).collect();
        return Err(if arms.contains(&wanted.arm.as_str()) {
            let help = "`coordinator report` of its newest run lists the points";
            miette!(help = help, "{scenario} has no measured cell `{trend}`")
        } else {
            let help = one_of("its arms are", &wanted.arm, &arms);
            miette!(help = help, "{scenario} has no arm `{}`", wanted.arm)
        });
    }
    let kernels: HashMap<&str, String> =
        runs.iter().map(|run| (run.name.as_str(), run.kernels.join(", "))).collect();
    let of = |run: &str| kernels.get(run).cloned().unwrap_or_default();
    Ok(report::history::trends(scenario, &lines, &of, args.format, width, colour))
}

fn known_scenario(scenario: &str, runs: &[RunEntry]) -> miette::Result<()> {
    let mut names: Vec<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&scenario) || names.is_empty() {
        return Ok(());
    }
    Err(miette!(help = one_of("there are", scenario, &names), "there are no runs of a scenario `{scenario}`"))
}

/// The cells whose trend is shown.
struct Wanted {
    arm: String,
    claim: expect::Expectation,
}

/// Reads `ARM@depth=32,block_size=4KiB`: the conditions are those of expectations.
fn wanted(text: &str) -> miette::Result<Wanted> {
    let (arm, conditions) = text.split_once('@').unwrap_or((text, ""));
    let at = if conditions.is_empty() {
        String::new()
    } else {
        format!(" at {}", conditions.replace(',', " and "))
    };
    let claim = expect::parse(&format!("{arm}.iops > 0{at}")).map_err(|error| {
        let help = "write an arm, optionally with conditions: uring@depth=32,block_size=4KiB";
        miette!(help = help, "`{text}` does not name a cell: {error}")
    })?;
    Ok(Wanted { arm: arm.to_owned(), claim })
}
