//! `coordinator compare`: compares two runs.

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

/// Compare a run with an earlier one, or with one from another machine.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A RUN is a directory, the name of a run or a unique prefix of it, `latest`, `latest~1` (the run before the latest), \
or `NAME~2` (the second run before the latest of the scenario NAME).

Examples:
  coordinator compare latest~1 latest
  coordinator compare qd-sweep~1 qd-sweep~0 --metric iops,cpu_per_io --format markdown
  coordinator compare results/good results/latest --fail-if slower")]
pub struct CompareArgs {
    /// The baseline run.
    #[arg(value_name = "BASELINE")]
    pub baseline: PathBuf,
    /// The run to compare with the baseline.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// The metrics to compare (see docs/metrics.md).
    #[arg(long, value_delimiter = ',', value_name = "METRIC,…", default_values_t = metric::USUAL.map(|metric| metric.name.to_owned()))]
    pub metric: Vec<String>,
    /// An arm of the baseline and the arm of the run to compare it with. Default: arms of the same name.
    #[arg(long, value_delimiter = ',', num_args = 1, value_name = "ARM,ARM")]
    pub arms: Vec<String>,
    /// Exit with 1 if any cell has one of these verdicts, and with 4 if a cell has no verdict.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "VERDICT,…")]
    pub fail_if: Vec<Failure>,
    /// Cells count as equal if the interval of their ratio lies within 1 ± this percentage, such as 2%. Default: the
    /// margin of the runs' scenarios, or the larger one if they differ.
    #[arg(long, value_name = "PERCENT", value_parser = margin)]
    pub margin: Option<f64>,
    /// The output format.
    #[arg(long, value_enum, default_value_t)]
    pub format: BasicFormat,
    /// The directory that contains the runs.
    #[arg(long, value_name = "DIR", default_value = RESULTS)]
    pub dir: PathBuf,
}

/// The maximum number of comparisons without a verdict that are named.
const FEW: usize = 4;

/// Verdicts that fail the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Failure {
    /// A cell is slower than in the baseline.
    Slower,
    /// A cell may be slower: its trials vary too much for a verdict.
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
            let help = "give an arm of the baseline and an arm of the run: --arms sync,uring";
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

/// The metrics with these names, without duplicates: a duplicate would double the number of comparisons that the
/// confidence intervals are corrected for.
fn metrics(names: &[String]) -> miette::Result<Vec<&'static Metric>> {
    let mut metrics = Vec::new();
    for name in names {
        let Some(metric) = metric::find(name).filter(|metric| metric.is_sampled()) else {
            let known = metric::claimable().filter(|metric| metric.is_sampled()).map(|metric| metric.name);
            let help = one_of("there are", name, &known.collect::<Vec<_>>());
            return Err(miette!(help = help, "runs cannot be compared by `{name}`"));
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

/// Analyses a run again from its measurements, so that runs of earlier versions are read like current ones.
fn read(run: &Path, dir: &Path) -> miette::Result<(Plan, ComparisonSet)> {
    let directory = RunDir::open(&find(run, dir)?).map_err(stored)?;
    if let Some(results) = history::results_of(directory.path()) {
        history::refresh(&results);
    }
    let (plan, hosts) = (directory.plan().map_err(stored)?, directory.hosts().map_err(stored)?);
    let id = directory.id();
    // The default margin applies if this release can no longer read the scenario.
    let margin = directory.scenario().ok().and_then(|text| {
        let path = directory.path().join(SCENARIO);
        let loaded = scenario::load_text(text, &path, &plan.overrides, plan.quick).ok()?;
        Some(loaded.scenario.margin)
    });
    let input = AnalysisInput {
        plan: &plan,
        question: None,
        baseline: None,
        further: &[],
        margin: margin.unwrap_or(DEFAULT_MARGIN),
        ladder: &[],
        hosts: &hosts,
        run_id: &id,
    };
    let set = analysis::analyse(&input, &directory).map_err(stored)?;
    Ok((plan, set))
}

/// The exit code for `--fail-if`. Cells without a verdict never pass.
fn judge(compared: &RunDiff, fail_if: &[Failure], screen: &Screen) -> Exit {
    if fail_if.is_empty() {
        return Exit::Done;
    }
    // Missing cells come first: a reader would not expect them.
    let mut unjudged: Vec<String> =
        compared.only_in_baseline.iter().map(|cell| params::cell(&cell.arm, &cell.params)).collect();
    // A ratio without an interval comes from one trial, so it does not count as inconclusive.
    let unfit = compared.comparisons.iter().filter(|found| found.ci95.is_none() || !found.alike);
    unjudged.extend(
        unfit.map(|found| format!("{} of {}", found.metric, params::cell(&found.arm, &found.params))),
    );
    let mut exit = Exit::Done;
    if compared.comparisons.is_empty() {
        screen.line("no verdicts: no cell was measured in both runs");
        exit = Exit::Incomplete;
    } else if !unjudged.is_empty() {
        let more = unjudged.len().saturating_sub(FEW);
        unjudged.truncate(FEW);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        screen.line(&format!("no verdict for: {}{more}", unjudged.join("; ")));
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
