//! Messages before and after a run, apart from its results.

use std::path::Path;

use miette::Report;
use proto::trial::{Measure, Target};

use crate::{
    cluster::{Cluster, HostError},
    exit::Exit,
    plan::Plan,
    run::{
        RunOutcome,
        progress::{human, label},
    },
    scenario::precision::as_percent,
    screen::Screen,
    units::some,
};

/// The plan in a few lines.
pub(super) fn announce(plan: &Plan, cluster: &Cluster, directory: &Path) -> String {
    let mut arms: Vec<&str> = Vec::new();
    let mut targets: Vec<String> = Vec::new();
    for cell in &plan.cells {
        if !arms.contains(&cell.arm.as_str()) {
            arms.push(&cell.arm);
        }
        let how = if cell.template.target.direct() { "direct" } else { "through the page cache" };
        let target = match &cell.template.target {
            Target::File(file) => format!("a file of {}, {how}", file.size),
            Target::Path(path) => format!("{}, read only, {how}", path.path),
            Target::Ramdisk(disk) => format!("a RAM disk ({}) of {}, {how}", disk.kind.name(), disk.size),
            Target::Device(device) => {
                let use_ = if device.destroy.is_some() { "ITS CONTENTS ARE DESTROYED" } else { "read only" };
                format!("{} ({}), {use_}, {how}", device.path, device.serial)
            }
        };
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    let timed = plan.trials.iter().filter(|trial| trial.measure == Measure::Timed).count();
    let hosts: Vec<&str> = cluster.hosts().iter().map(|host| host.name.as_str()).collect();
    format!(
        "{}{}: {} x {} x {} = {}{timed}, and {}; seed {}\n  arms: {}\n  hosts: \
         {}\n  target: {}\n  takes about {}; results in {}",
        plan.scenario,
        if plan.quick { " (quick)" } else { "" },
        some(arms.len(), "arm"),
        some(plan.cells.len() / arms.len().max(1), "point"),
        trials(plan),
        if plan.stopping.is_some() { "at most " } else { "" },
        some(plan.trials.len() - timed, "audit"),
        plan.seed,
        arms.join(", "),
        hosts.join(", "),
        targets.join("; "),
        takes(plan),
        directory.display()
    )
}

/// What is left of a plan, in a line.
pub(super) fn announce_rest(plan: &Plan, missing: usize, directory: &Path) -> String {
    format!(
        "{}: resumes {}; {missing} of {} are missing",
        plan.scenario,
        directory.display(),
        some(plan.trials.len(), "trial")
    )
}

/// `3 trials`, or `5 to 30 trials (until ±2 %)`.
fn trials(plan: &Plan) -> String {
    match &plan.stopping {
        Some(stopping) => {
            format!("{} trials (until ±{})", plan.trials_in_words(), as_percent(stopping.until))
        }
        None => some(plan.trials_per_cell as usize, "trial"),
    }
}

/// The expected duration of a plan: `1m 20s`, or `40s to 3m 20s`.
pub(super) fn takes(plan: &Plan) -> String {
    let most = human(plan.expected_duration());
    plan.least_duration().map_or_else(|| most.clone(), |least| format!("{} to {most}", human(least)))
}

/// Reports lost hosts, refused cells and skipped trials, with remedies.
pub(super) fn conclude(screen: &Screen, plan: &Plan, outcome: &RunOutcome) -> Exit {
    let mut exit = Exit::Done;
    for (host, refusal) in &outcome.lost_hosts {
        screen.error(&HostError { host: host.clone(), refusal: refusal.clone() }.into());
        exit = Exit::Host;
    }
    for (host, refusal) in &outcome.without {
        screen.line(&format!(
            "warning: host {host} was lost and is left out of all figures (on_host_loss: continue): {}",
            refusal.message()
        ));
    }
    for host in &outcome.returned {
        screen.line(&format!("warning: host {host} was lost and came back; its trial was repeated"));
    }
    // Each reason is shown once, with all affected cells.
    let mut shown = vec![false; outcome.refused.len()];
    for (i, refused) in outcome.refused.iter().enumerate() {
        if std::mem::replace(&mut shown[i], true) {
            continue;
        }
        let mut cells = Vec::new();
        for (other, shown) in outcome.refused.iter().zip(&mut shown).skip(i) {
            if other.host == refused.host && other.refusal == refused.refusal {
                *shown = true;
                let cell = &plan.cells[other.cell];
                cells.push(label(&cell.arm, &cell.params));
            }
        }
        let error = HostError { host: refused.host.clone(), refusal: refused.refusal.clone() };
        screen.error(&Report::from(error).wrap_err(format!("refused: {}", cells.join("; "))));
        exit = Exit::Host;
    }
    if let (Some(block), Some(stopping)) = (outcome.stopped_after, &plan.stopping) {
        screen.line(&format!(
            "stopped after {block} of {} trials of each cell: all intervals are within ±{}",
            plan.trials_per_cell,
            as_percent(stopping.until)
        ));
    }
    if outcome.skipped > 0 {
        screen.line(&format!("{} trials were not run for these reasons", outcome.skipped));
    }
    if outcome.interrupted { exit.strongest(Exit::Interrupted) } else { exit }
}
