//! Draws a model. Only from the model and the size of the screen, so that equal models look equal.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Style, Stylize as _},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::model::{self, Model};
use crate::{
    metric::{latency::P99, throughput::IOPS},
    run::{
        live::HostState,
        progress::{human, latency_for_people, rate_for_people},
    },
};

/// Lines above the tables, and below them.
const HEAD: u16 = 5;
const FOOT: u16 = 1;
/// The title line of a table and the empty line after it.
const AROUND: u16 = 2;
/// Eighths of a block, for sparklines.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws a model on the whole screen.
pub(super) fn draw(model: &Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let room = area.height.saturating_sub(HEAD + FOOT);
    let lines = |count: usize| u16::try_from(count).unwrap_or(u16::MAX / 4) + AROUND;
    // A quarter of the room is for warnings, half of the rest for arms, and the remainder for hosts. What hosts do not
    // need is for warnings too.
    let found = model.findings.len() + model.held.len();
    let needed = if found == 0 { 0 } else { lines(found) };
    let findings = needed.min((room / 4).max(AROUND + 1));
    let arms = lines(model.arms.len()).min(room.saturating_sub(findings) / 2 + 1);
    let findings = needed.min(findings.max(room.saturating_sub(arms + lines(model.all_hosts))));
    let parts = [
        Constraint::Length(HEAD),
        Constraint::Length(arms),
        Constraint::Fill(1),
        Constraint::Length(findings),
        Constraint::Length(FOOT),
    ];
    let [head, arms, hosts, findings, foot] = Layout::vertical(parts).areas(area);
    frame.render_widget(Paragraph::new(head_lines(model, head.width)), head);
    draw_arms(model, frame, arms);
    draw_hosts(model, frame, hosts);
    draw_findings(model, frame, findings);
    frame.render_widget(Line::from(foot_text(model)).dim(), foot);
}

fn foot_text(model: &Model) -> &'static str {
    if model.stopping {
        "stopping; finished trials are kept (Ctrl-C again quits at once)"
    } else {
        "q or Ctrl-C: stop, and keep what was measured"
    }
}

fn head_lines(model: &Model, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let time = format!("{}, about {} left", human_seconds(model.elapsed), human(model.left));
    let gap = width.saturating_sub(model.scenario.chars().count() + time.chars().count());
    let filled = (model.share * width as f64).round() as usize;
    let (trials, cells, outcomes) = (model.trials, model.cells, model.outcomes);
    let mut counts = vec![
        format!("{} of {} trials", trials.0, trials.1),
        format!("{} of {} cells", cells.0, cells.1),
        format!("{} marked", outcomes.marked),
    ];
    if outcomes.skipped > 0 {
        counts.push(format!("{} skipped", outcomes.skipped));
    }
    if model.lost_hosts > 0 {
        counts.push(format!("{} of {} hosts lost", model.lost_hosts, model.all_hosts));
    }
    let now = model.now.as_ref().map_or_else(String::new, |now| {
        let preparing = now.preparing.as_ref().map_or_else(String::new, |text| format!(": {text}"));
        format!("{}, {}{preparing}", now.cell, now.which)
    });
    vec![
        Line::from(vec![Span::from(model.scenario.clone()).bold(), " ".repeat(gap).into(), time.into()]),
        Line::from(vec![
            Span::styled("█".repeat(filled.min(width)), Style::new().fg(Color::Cyan)),
            Span::from("░".repeat(width.saturating_sub(filled))).dim(),
        ]),
        Line::from(counts.join(", ")),
        Line::from(now),
    ]
}

/// A duration in whole seconds.
fn human_seconds(duration: std::time::Duration) -> String {
    if duration.as_secs() == 0 { "0s".to_owned() } else { human(duration) }
}

fn draw_arms(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let shown = fitting(model.arms.len(), area);
    let name = widest(model.arms.iter().map(|arm| arm.name.as_str()), 4, area.width / 4);
    let point = widest(model.arms.iter().map(|arm| arm.point.as_str()), 5, area.width / 4);
    let widths = [name, 9, point, 8, 9];
    let trend = rest(area.width, &widths);
    let top = model.arms.iter().flat_map(|arm| &arm.trend).copied().max().unwrap_or(0);
    let current = model.now.as_ref().map(|now| now.arm);
    let rows = model.arms.iter().take(shown).enumerate().map(|(at, arm)| {
        let row = Row::new([
            arm.name.clone(),
            right(&format!("{}/{}", arm.done, arm.planned), 9),
            arm.point.clone(),
            right(&arm.iops.map_or_else(|| "-".into(), rate_for_people), 8),
            right(&arm.p99_ns.map_or_else(|| "-".into(), latency_for_people), 9),
            spark(arm.trend.iter(), top, trend),
        ]);
        if current == Some(at) { row.bold() } else { row }
    });
    let titles =
        ["arm".into(), right("trials", 9), "point".into(), right(IOPS.title, 8), right(P99.title, 9)];
    table(frame, area, titles, "trials", rows, &widths);
    draw_more(model.arms.len(), shown, "arms", frame, area);
}

fn draw_hosts(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    let shown = fitting(model.all_hosts, area).min(model.hosts.len());
    let hosts = &model.hosts[..shown];
    let title = if shown < model.all_hosts { "host (worst first)" } else { "host" };
    let names = hosts.iter().map(|host| host.name.as_str());
    let name = widest(names.chain([title]), 4, area.width / 3);
    let widths = [name, 9];
    let trend = rest(area.width, &widths);
    let top = hosts.iter().flat_map(|host| &host.trend).copied().max().unwrap_or(0);
    let rows = hosts.iter().map(|host: &model::Row| {
        let (text, style) = match host.state {
            HostState::Lost => ("lost".to_owned(), Style::new().fg(Color::Red)),
            HostState::Preparing => ("prepares".to_owned(), Style::new()),
            HostState::Running => (rate_for_people(host.iops), Style::new()),
            HostState::Idle => ("-".to_owned(), Style::new()),
        };
        let cells = [Cell::from(host.name.clone()), Cell::from(right(&text, 9)).style(style)];
        Row::new(cells.into_iter().chain([Cell::from(spark(host.trend.iter(), top, trend))]))
    });
    table(frame, area, [title.into(), right(IOPS.title, 9)], "intervals", rows, &widths);
    draw_more(model.all_hosts, shown, "hosts", frame, area);
}

fn draw_findings(model: &Model, frame: &mut Frame<'_>, area: Rect) {
    if area.height < AROUND {
        return;
    }
    let room = usize::from(area.height - AROUND);
    let mut text = vec![Line::from("warnings and messages").bold().dim()];
    let found = model.findings.iter().map(|finding| {
        let times = if finding.count > 1 { format!(" (x{})", finding.count) } else { String::new() };
        let code = Span::styled(format!("{}{times}", finding.code), Style::new().fg(Color::Yellow));
        Line::from(vec![code, Span::from(format!("  {}", finding.last))])
    });
    // Half of the room at least is for warnings.
    let held = model.held.len().min(room.saturating_sub(model.findings.len()).max(room / 2));
    text.extend(found.take(room - held.min(room)));
    text.extend(model.held[model.held.len() - held..].iter().map(|line| Line::from(line.clone())));
    frame.render_widget(Paragraph::new(text), area);
}

/// How many rows do not fit, below those that do.
fn draw_more(all: usize, shown: usize, what: &str, frame: &mut Frame<'_>, area: Rect) {
    let below = area.rows().nth(shown + 1);
    if let Some(below) = below.filter(|_| shown < all) {
        frame.render_widget(Line::from(format!("{} more {what}", all - shown)).dim(), below);
    }
}

/// How many of the rows fit; one less if the last one says that there are more.
fn fitting(all: usize, area: Rect) -> usize {
    let room = usize::from(area.height.saturating_sub(AROUND));
    if all <= room { all } else { room.saturating_sub(1) }
}

/// The width of a column: its longest text within limits.
fn widest<'a>(texts: impl Iterator<Item = &'a str>, least: u16, most: u16) -> u16 {
    let widest = texts.map(|text| Span::from(text).width()).max().unwrap_or(0);
    u16::try_from(widest).unwrap_or(most).min(most).max(least)
}

/// The width that columns leave, with a gap after each.
fn rest(width: u16, columns: &[u16]) -> usize {
    usize::from(width.saturating_sub(columns.iter().map(|column| column + 2).sum()))
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

fn table<'a, const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    titles: [String; N],
    trend: &str,
    rows: impl Iterator<Item = Row<'a>>,
    widths: &[u16; N],
) {
    let titles = titles.into_iter().chain([trend.to_owned()]);
    let widths = widths.iter().map(|width| Constraint::Length(*width)).chain([Constraint::Fill(1)]);
    let table = Table::new(rows, widths).header(Row::new(titles).bold().dim()).column_spacing(2);
    frame.render_widget(table, Rect { height: area.height.saturating_sub(1), ..area });
}

/// The last values that fit, from 0 to `top`.
fn spark<'a>(values: impl ExactSizeIterator<Item = &'a u64>, top: u64, width: usize) -> String {
    let skipped = values.len().saturating_sub(width);
    let block = |value: &u64| {
        let eighths = (*value as f64 / top.max(1) as f64 * 8.0).ceil() as usize;
        BLOCKS[eighths.clamp(1, 8) - 1]
    };
    values.skip(skipped).map(block).collect()
}
