//! Lists of runs, and trends of cells over them, in every format.

use serde_json::json;

use super::{
    BasicFormat,
    grid::Grid,
    text::{Align, Style, clean, escape},
    view::ratio,
};
use crate::{
    metric::throughput::IOPS,
    params,
    stats::confidence::INTERVAL,
    summary::{RunEntry, insight::TrendLine},
    units,
};

/// The most arms that a row names.
const FEW_ARMS: usize = 3;

/// Renders a list of runs. The text ends with a line feed.
#[must_use]
pub fn list(runs: &[&RunEntry], format: BasicFormat, width: u16, colour: bool) -> String {
    match format {
        BasicFormat::Table if runs.is_empty() => "no runs\n".into(),
        BasicFormat::Table => runs_table(runs, true).text(usize::from(width.max(60)), colour),
        BasicFormat::Markdown => runs_table(runs, false).markdown(),
        BasicFormat::Csv => runs_csv(runs).csv(),
        BasicFormat::Json => super::export::json::to_json(&json!({ "schema": 1, "runs": runs })),
    }
}

/// Renders the trends of cells, oldest run first. `kernels` names the kernels of a run.
#[must_use]
pub fn trends(
    scenario: &str,
    lines: &[TrendLine],
    kernels: &dyn Fn(&str) -> String,
    format: BasicFormat,
    width: u16,
    colour: bool,
) -> String {
    let width = usize::from(width.max(60));
    let name = |line: &TrendLine| params::cell(&line.arm, &line.params);
    match format {
        BasicFormat::Json => {
            super::export::json::to_json(&json!({ "schema": 1, "scenario": scenario, "trend": lines }))
        }
        BasicFormat::Csv => trends_csv(scenario, lines, kernels).csv(),
        BasicFormat::Table => lines
            .iter()
            .map(|line| {
                let head = Style::Bold.paint(&clean(&format!("{scenario}: {}", name(line))), colour);
                format!("{head}\n{}", trend_table(line, kernels).text(width, colour))
            })
            .collect::<Vec<_>>()
            .join("\n"),
        BasicFormat::Markdown => lines
            .iter()
            .map(|line| {
                let head = escape(&format!("{scenario}: {}", name(line)));
                format!("#### {head}\n\n{}", trend_table(line, kernels).markdown())
            })
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

/// `2026-11-22 10:03`, in UTC.
fn minute(at: &str) -> String {
    at.get(..16).unwrap_or(at).replace('T', " ")
}

fn expectations(run: &RunEntry) -> String {
    let all = run.expectations_held + run.expectations_failed + run.expectations_unknown;
    if all == 0 { "-".into() } else { format!("{}/{all}", run.expectations_held) }
}

/// The answer, or how to obtain it if the run was not analysed.
fn answer_of(run: &RunEntry) -> String {
    match (&run.problem, &run.answer) {
        (Some(problem), _) => format!("cannot be read: {problem}"),
        (None, None) => format!("not analysed: coordinator report {}", run.name),
        (None, Some(answer)) => answer.clone(),
    }
}

fn runs_table(runs: &[&RunEntry], answers_below: bool) -> Grid {
    let mut titles = vec![
        ("started (UTC)", Align::Left),
        ("run", Align::Left),
        ("hosts", Align::Left),
        ("kernel", Align::Left),
        ("arms", Align::Left),
        ("trials", Align::Right),
        ("held", Align::Right),
        ("exit", Align::Right),
    ];
    if !answers_below {
        titles.extend([("scenario", Align::Left), ("answer", Align::Left)]);
    }
    let mut grid = Grid::new(&titles, 4);
    for run in runs {
        let hosts: Vec<&str> = run.hosts.keys().map(String::as_str).collect();
        let arms =
            if run.arms.len() > FEW_ARMS { format!("{} arms", run.arms.len()) } else { run.arms.join(", ") };
        let exit = run.exit.map_or_else(|| "-".to_owned(), |exit| exit.to_string());
        let style = if run.failed() { Style::Bad } else { Style::Good };
        let mut row = vec![
            (minute(&run.started_at), Style::Plain),
            (run.name.clone(), Style::Plain),
            (hosts.join(", "), Style::Plain),
            (run.kernels.join(", "), Style::Plain),
            (arms, Style::Plain),
            (format!("{}/{}", run.trials_complete, run.trials_planned), Style::Plain),
            (expectations(run), Style::Plain),
            (exit, style),
        ];
        let quick = if run.quick { "quick: " } else { "" };
        let answer = format!("{quick}{}", answer_of(run));
        if answers_below {
            grid.row(row);
            grid.note(&format!("  {}: {answer}", run.scenario));
        } else {
            row.extend([(run.scenario.clone(), Style::Plain), (answer, Style::Plain)]);
            grid.row(row);
        }
    }
    grid
}

fn runs_csv(runs: &[&RunEntry]) -> Grid {
    let titles = [
        "run",
        "started_at",
        "scenario",
        "quick",
        "hosts",
        "labels",
        "kernels",
        "arms",
        "trials_planned",
        "trials_complete",
        "expectations_held",
        "expectations_failed",
        "expectations_unknown",
        "exit",
        "answer",
        "problem",
    ];
    let mut grid = Grid::new(&titles.map(|title| (title, Align::Left)), 0);
    for run in runs {
        let labels = run.hosts.iter().flat_map(|(host, labels)| {
            labels.iter().map(move |(key, value)| format!("{host}:{key}={value}"))
        });
        let row = [
            run.name.clone(),
            run.started_at.clone(),
            run.scenario.clone(),
            run.quick.to_string(),
            run.hosts.keys().cloned().collect::<Vec<_>>().join(";"),
            labels.collect::<Vec<_>>().join(";"),
            run.kernels.join(";"),
            run.arms.join(";"),
            run.trials_planned.to_string(),
            run.trials_complete.to_string(),
            run.expectations_held.to_string(),
            run.expectations_failed.to_string(),
            run.expectations_unknown.to_string(),
            run.exit.map_or_else(String::new, |exit| exit.to_string()),
            run.answer.clone().unwrap_or_default(),
            run.problem.clone().unwrap_or_default(),
        ];
        grid.row(row.map(|text| (text, Style::Plain)));
    }
    grid
}

fn trend_table(line: &TrendLine, kernels: &dyn Fn(&str) -> String) -> Grid {
    let titles = [
        ("started (UTC)", Align::Left),
        ("run", Align::Left),
        ("kernel", Align::Left),
        (IOPS.title, Align::Right),
        (INTERVAL, Align::Left),
        ("vs previous", Align::Left),
    ];
    let mut grid = Grid::new(&titles, 1);
    let mut before: Option<f64> = None;
    for point in &line.points {
        let interval =
            point.ci95.map(|[low, high]| format!("{} to {}", units::count(low), units::count(high)));
        let change = before.filter(|before| *before > 0.0).map(|before| ratio(point.iops / before));
        before = Some(point.iops);
        grid.row([
            (minute(&point.at), Style::Plain),
            (point.run_id.clone(), Style::Plain),
            (kernels(&point.run_id), Style::Plain),
            (units::count(point.iops), Style::Plain),
            (interval.unwrap_or_default(), Style::Dim),
            (change.unwrap_or_default(), Style::Plain),
        ]);
    }
    grid
}

fn trends_csv(scenario: &str, lines: &[TrendLine], kernels: &dyn Fn(&str) -> String) -> Grid {
    let titles =
        ["scenario", "arm", "point", "run", "started_at", "kernel", IOPS.name, "ci95_low", "ci95_high"];
    let mut grid = Grid::new(&titles.map(|title| (title, Align::Left)), 0);
    for line in lines {
        for point in &line.points {
            let edge =
                |index: usize| point.ci95.map_or_else(String::new, |interval| interval[index].to_string());
            let row = [
                scenario.to_owned(),
                line.arm.clone(),
                params::point(&line.params),
                point.run_id.clone(),
                point.at.clone(),
                kernels(&point.run_id),
                point.iops.to_string(),
                edge(0),
                edge(1),
            ];
            grid.row(row.map(|text| (text, Style::Plain)));
        }
    }
    grid
}
