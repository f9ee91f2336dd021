//! `coordinator compare`: one run held against another.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use miette::miette;

use super::{
    print,
    report::{appearance, find, stored},
};
use crate::{
    analysis::{
        self, AnalysisInput,
        run_diff::{self, Selection, Side},
    },
    exit::Exit,
    history::{self, RESULTS},
    metric::{self, Metric},
    params,
    plan::Plan,
    report::{self, BasicFormat},
    scenario::{
        self,
        keys::one_of,
        precision::{LARGEST_PERCENT, percent},
    },
    screen::Screen,
    stats::verdict::DEFAULT_MARGIN,
    store::{RunDir, SCENARIO},
    summary::{ComparisonSet, Verdict, run_diff::RunDiff},
};

/// Hold a run against another one, from another day or another machine.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A RUN is a directory, a run's name or the beginning of it, `latest`, `latest~1` (the one before), or `NAME~2` (of the \
scenario NAME, the second before its newest).

Examples:
  coordinator compare latest~1 latest
  coordinator compare qd-sweep~1 qd-sweep~0 --metric iops,cpu_per_io --format markdown
  coordinator compare results/good results/latest --fail-if slower")]
pub struct CompareArgs {
    /// The baseline.
    #[arg(value_name = "BASELINE")]
    pub baseline: PathBuf,
    /// The run that is held against it.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// In what, by the names that expectations use.
    #[arg(long, value_delimiter = ',', value_name = "METRIC,…", default_values_t = metric::USUAL.map(|metric| metric.name.to_owned()))]
    pub metric: Vec<String>,
    /// An arm of the baseline, and the arm of the run that is held against it; otherwise each is held against the one
    /// of its name.
    #[arg(long, value_delimiter = ',', num_args = 1, value_name = "ARM,ARM")]
    pub arms: Vec<String>,
    /// Exit with 1 where a cell comes out so, and with 4 where one could not be judged.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VERDICT,…")]
    pub fail_if: Vec<Failure>,
    /// Cells are called equal where the interval of their ratio lies within 1 ± this, such as 2%; by default the margin
    /// of the runs' scenarios, the larger one where they differ.
    #[arg(long, value_name = "PERCENT", value_parser = margin)]
    pub margin: Option<f64>,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: BasicFormat,
    /// The directory that runs are in.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
}

/// The most comparisons that are named where they could not be judged.
const FEW: usize = 4;

/// What fails the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Failure {
    /// A cell is slower than in the baseline.
    Slower,
    /// A cell may be slower: its trials differ too much to say.
    Inconclusive,
}

/// Runs the command.
#[must_use]
pub fn compare(args: &CompareArgs, screen: &Screen) -> Exit {
    let compared = match compared(args) {
        Ok(compared) => compared,
        Err(error) => {
            screen.error(&error);
            return Exit::Usage;
        }
    };
    let (width, colour) = appearance();
    let printed = print(screen, &report::run_diff::render(&compared, args.format, width, colour));
    printed.strongest(judge(&compared, &args.fail_if, screen))
}

fn compared(args: &CompareArgs) -> miette::Result<RunDiff> {
    let metrics = metrics(&args.metric)?;
    let arms = match args.arms.as_slice() {
        [] => None,
        [baseline, run] => Some((baseline.clone(), run.clone())),
        _ => {
            let help = "write one of the baseline and one of the run: --arms sync,uring";
            return Err(miette!(help = help, "--arms takes two arms"));
        }
    };
    let (old_plan, old) = read(&args.baseline, &args.dir)?;
    let (new_plan, new) = read(&args.run, &args.dir)?;
    if let Some((baseline, run)) = &arms {
        has_arm(&old_plan, baseline, "the baseline")?;
        has_arm(&new_plan, run, "the run")?;
    }
    let selection = Selection { metrics, arms, margin: args.margin };
    let (baseline, run) = (Side { set: &old, plan: &old_plan }, Side { set: &new, plan: &new_plan });
    Ok(run_diff::compare(baseline, run, &selection))
}

/// The metrics of these names, each once: a family with a metric twice would be corrected for twice as many
/// comparisons.
fn metrics(names: &[String]) -> miette::Result<Vec<&'static Metric>> {
    let mut metrics = Vec::new();
    for name in names {
        let Some(metric) = metric::find(name).filter(|metric| metric.is_sampled()) else {
            let known = metric::claimable().filter(|metric| metric.is_sampled()).map(|metric| metric.name);
            let help = one_of("there are", name, &known.collect::<Vec<_>>());
            return Err(miette!(help = help, "runs cannot be compared in `{name}`"));
        };
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

fn margin(text: &str) -> Result<f64, String> {
    percent(text)
        .ok_or_else(|| format!("it must be a percentage above 0% and up to {LARGEST_PERCENT}%, such as 2%"))
}

fn has_arm(plan: &Plan, arm: &str, of: &str) -> miette::Result<()> {
    let mut arms: Vec<&str> = plan.cells.iter().map(|cell| cell.arm.as_str()).collect();
    arms.dedup();
    arms.sort_unstable();
    arms.dedup();
    if arms.contains(&arm) {
        return Ok(());
    }
    Err(miette!(help = one_of("its arms are", arm, &arms), "{of} has no arm `{arm}`"))
}

/// A run, analysed anew from what was measured: runs of earlier versions are then read as today's.
fn read(run: &Path, dir: &Path) -> miette::Result<(Plan, ComparisonSet)> {
    let directory = RunDir::open(&find(run, dir)?).map_err(stored)?;
    if let Some(results) = history::results_of(directory.path()) {
        history::refresh(&results);
    }
    let (plan, hosts) = (directory.plan().map_err(stored)?, directory.hosts().map_err(stored)?);
    let id = directory.id();
    // A scenario that this release cannot read any more says nothing of a margin: then it is the usual one.
    let margin = directory.scenario().ok().and_then(|text| {
        let path = directory.path().join(SCENARIO);
        let loaded = scenario::load_text(text, &path, &plan.overrides, plan.quick).ok()?;
        Some(loaded.scenario.margin)
    });
    let input = AnalysisInput {
        plan: &plan,
        question: None,
        baseline: None,
        margin: margin.unwrap_or(DEFAULT_MARGIN),
        ladder: &[],
        hosts: &hosts,
        run_id: &id,
    };
    let set = analysis::analyse(&input, &directory).map_err(stored)?;
    Ok((plan, set))
}

/// The exit code of a gate. Cells that cannot be judged never pass.
fn judge(compared: &RunDiff, fail_if: &[Failure], screen: &Screen) -> Exit {
    if fail_if.is_empty() {
        return Exit::Done;
    }
    // Missing cells come first: a reader would not think of them.
    let mut unjudged: Vec<String> =
        compared.only_in_baseline.iter().map(|cell| params::cell(&cell.arm, &cell.params)).collect();
    // A ratio without an interval rests on one trial: it must not pass as inconclusive.
    let unfit = compared.comparisons.iter().filter(|found| found.ci95.is_none() || !found.alike);
    unjudged.extend(
        unfit.map(|found| format!("{} of {}", found.metric, params::cell(&found.arm, &found.params))),
    );
    let mut exit = Exit::Done;
    if compared.comparisons.is_empty() {
        screen.line("nothing could be judged: no cell was measured in both runs");
        exit = Exit::Incomplete;
    } else if !unjudged.is_empty() {
        let more = unjudged.len().saturating_sub(FEW);
        unjudged.truncate(FEW);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        screen.line(&format!("could not be judged: {}{more}", unjudged.join("; ")));
        exit = Exit::Incomplete;
    }
    let fails = |verdict: Verdict| match verdict {
        Verdict::Slower => fail_if.contains(&Failure::Slower),
        Verdict::Inconclusive => fail_if.contains(&Failure::Inconclusive),
        Verdict::Faster | Verdict::NoDifference => false,
    };
    let judged = compared.comparisons.iter().filter(|found| found.ratio.is_some() && found.alike);
    let failed = judged.filter(|found| fails(found.verdict)).count();
    if failed > 0 {
        let text =
            if failed == 1 { "1 comparison fails".to_owned() } else { format!("{failed} comparisons fail") };
        screen.line(&text);
        exit = exit.strongest(Exit::ExpectationFailed);
    }
    exit
}
