//! Tests of the registry and of reading metrics.

use std::collections::{BTreeMap, BTreeSet};

use proto::outcome::{CpuTime, DeviceCounts, WorkCounts};

use super::{trial::Costs, *};

#[test]
fn names_and_columns_are_unique() {
    let mut names = BTreeSet::new();
    let (mut columns, mut of_trials) = (BTreeSet::new(), BTreeSet::new());
    let mut samples = BTreeSet::new();
    for metric in all() {
        assert!(names.insert(metric.name), "{} is declared twice", metric.name);
        assert!(metric.help.ends_with('.'), "{} has no help", metric.name);
        for (column, _) in metric.csv {
            assert!(columns.insert(*column), "{column} is declared twice");
        }
        if let Some(column) = metric.trials_csv {
            assert!(of_trials.insert(column), "{column} is declared twice");
        }
        if let Some(sample) = metric.openmetrics {
            assert!(samples.insert((sample.family.name, sample.label)), "{} is exposed twice", metric.name);
        }
    }
    let compared: BTreeSet<&str> = COMPARED.iter().map(|compared| compared.name).collect();
    assert_eq!(compared.len(), COMPARED.len());
}

#[test]
fn metrics_are_found_by_name() {
    assert_eq!(find("p99"), Some(&P99));
    assert_eq!(find("urgent_p99").map(|metric| metric.needs_many_urgent), Some(true));
    assert_eq!([find("cpu_user_per_io"), find("latency_p99"), find("")], [None; 3]);
    assert_eq!((of_comparison("latency_p99"), of_comparison("p99")), (Some(&P99), None));
    assert_eq!((P99.compared_as(), latency::P90.compared_as()), (Some("latency_p99"), None));
}

#[test]
fn only_metrics_with_values_by_trial_are_compared() {
    for compared in &COMPARED {
        let metric = compared.metric;
        assert!(metric.is_sampled() || metric.statistic().is_some(), "{}", metric.name);
    }
    assert!(USUAL.iter().all(|metric| metric.is_sampled() && metric.claimable));
}

#[test]
fn a_metric_of_trials_needs_no_field_in_the_summary() {
    let metric = Metric::of_trials("short_per_io", Unit::PerIo, |trial| {
        trial.per_io(|costs| Some(costs.work.short_transfers))
    });
    let costs = Costs {
        work: WorkCounts { read_ops: 8, short_transfers: 2, ..WorkCounts::default() },
        ..Costs::default()
    };
    assert_eq!(metric.in_trial(&Trial { costs: Some(&costs), ..Trial::default() }), Some(0.25));
    assert_eq!(metric.in_trial(&Trial::default()), None);
    let trial_values = BTreeMap::from([("short_per_io".to_owned(), vec![0.25, 0.75])]);
    let cell = CellSummary { trial_values, ..CellSummary::default() };
    assert_eq!((metric.of(&cell), metric.samples(&cell)), (Some(0.5), &[0.25, 0.75][..]));
    assert_eq!(metric.of(&CellSummary::default()), None);
}

#[test]
fn a_sum_is_unknown_if_a_part_is_unknown() {
    let part = Costs {
        work: WorkCounts { read_ops: 10, ..WorkCounts::default() },
        device: DeviceCounts { interrupts: Some(3), ..DeviceCounts::default() },
        ..Costs::default()
    };
    let known = Costs { cpu: CpuTime { kernel_threads_ns: Some(5), ..CpuTime::default() }, ..part.clone() };
    let sum = Costs::sum([&part, &known]);
    assert_eq!((sum.ops(), sum.device.interrupts, sum.cpu.kernel_threads_ns), (20, Some(6), None));
    assert_eq!((Costs::sum([]).cpu_ns(), sum.per_io(5), Costs::default().per_io(5)), (0, Some(0.25), None));
}
