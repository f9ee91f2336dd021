//! JSON as fio writes it with `--output-format=json+`, for tools that read fio's results. One job for each cell, merged
//! over the trials that count and their hosts.
//!
//! `lat_ns` is the time the application waits. `clat_ns`, which most readers plot, is the same in closed loop; in open
//! loop it starts at the submission. Its bins are HdrHistogram's, labelled with their highest values. Figures that
//! Ringbench does not measure (page faults, reached depths) are absent, except for `slat_ns`, whose `N` is 0, as in
//! fio's own output without that measurement.
//! <https://fio.readthedocs.io/en/latest/fio_doc.html#json-output>

use hdrhistogram::Histogram;
use proto::{
    outcome::Direction,
    trial::{EngineKind, Pattern, Target, Trial},
};
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Export;
use crate::{
    analysis::export_rows::{self, CellTotals, DirectionTotals},
    params,
    plan::Plan,
    summary::ComparisonSet,
};

pub(super) static EXPORT: Export = Export {
    name: "fio",
    help: "JSON like fio's json+, for tools that read fio's results",
    details: Some(
        "One job per cell, merged over the trials that count and their hosts, as `fio_jsonplus_clat2csv` and other tools \
         expect it. `runtime` is the measured time of all its trials; `iops` is operations divided by it. A sample \
         (`iops_samples`, `bw_samples`) is a trial. `lat_ns` is the time the application waits; `clat_ns` is the same, or \
         in open loop the time from the hand-over. Bins are labelled with their highest value. `usr_cpu` and `sys_cpu` \
         are percentages of the workers' time. `slat_ns` has `N: 0` (not measured separately), and so have `trim` and a \
         direction that did not occur, because readers look for them; page faults, reached depths and `disk_util` are \
         absent or empty, because they are not measured. `short_ios` is present if a cell only reads or only writes. \
         `job options` describes the cell in fio's terms.",
    ),
    render: |source| Ok(render(source.set, source.plan, &export_rows::totals(source.plan, source.run)?)),
    join: Some(super::array),
};

/// The percentiles that fio reports by default.
const PERCENTILES: [f64; 17] =
    [1.0, 5.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.95, 99.99];

pub(super) fn render(set: &ComparisonSet, plan: &Plan, cells: &[CellTotals]) -> String {
    let times = cells.iter().filter_map(|cell| OffsetDateTime::parse(&cell.started_at, &Rfc3339).ok());
    let began = times.min().unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let jobs: Vec<Value> = cells
        .iter()
        .filter(|cell| !cell.directions.is_empty())
        .map(|cell| job(cell, plan.cells.get(cell.cell).map(|cell| &cell.template)))
        .collect();
    let document = json!({
        "fio version": concat!("fio-3, as written by Ringbench ", env!("CARGO_PKG_VERSION")),
        "timestamp": began.unix_timestamp(),
        "timestamp_ms": (began.unix_timestamp_nanos() / 1_000_000) as i64,
        "time": began.format(&Rfc3339).unwrap_or_default(),
        "ringbench": {"run_id": set.run_id, "scenario": set.scenario, "trustworthy": set.trustworthy},
        "jobs": jobs,
        "disk_util": [],
    });
    format!("{document:#}\n")
}

fn job(cell: &CellTotals, trial: Option<&Trial>) -> Value {
    let share = |ns: u64| if cell.worker_ns > 0 { 100.0 * ns as f64 / cell.worker_ns as f64 } else { 0.0 };
    let name = match params::point(&cell.params).as_str() {
        "" => cell.arm.clone(),
        point => format!("{} {point}", cell.arm),
    };
    let mut job = json!({
        "jobname": name,
        "groupid": cell.cell,
        "error": cell.errno,
        "elapsed": cell.runtime_ns.div_ceil(1_000_000_000),
        "job options": trial.map_or_else(|| json!({}), options),
        "job_runtime": cell.runtime_ns / 1_000_000,
        "usr_cpu": share(cell.costs.cpu.user_ns),
        "sys_cpu": share(cell.costs.cpu.system_ns),
        "ctx": cell.costs.cpu.switches(),
    });
    for (name, kind) in [("read", Direction::Read), ("write", Direction::Write)] {
        job[name] = direction(cell, of_both(cell, kind).as_ref());
    }
    // Readers expect the key, though Ringbench makes no trims.
    job["trim"] = direction(cell, None);
    for (name, shares) in latency_shares(cell) {
        job[name] = shares;
    }
    let syncs = cell.directions.get(&Direction::Sync);
    job["sync"] = json!({
        "total_ios": syncs.map_or(0, |syncs| syncs.latency.len()),
        "lat_ns": latency(syncs.map(|syncs| &syncs.latency), false),
    });
    job
}

/// The totals of a direction, urgent and bulk together, because fio does not distinguish them.
fn of_both(cell: &CellTotals, direction: Direction) -> Option<DirectionTotals> {
    let parts =
        cell.directions.iter().filter(|(kind, _)| kind.kind() == direction.kind()).map(|(_, totals)| totals);
    parts.cloned().reduce(DirectionTotals::plus)
}

fn direction(cell: &CellTotals, totals: Option<&DirectionTotals>) -> Value {
    let milliseconds = cell.runtime_ns / 1_000_000;
    let per_second =
        |count: u64| if cell.runtime_ns > 0 { count as f64 * 1e9 / cell.runtime_ns as f64 } else { 0.0 };
    let (ops, bytes) = totals.map_or((0, 0), |totals| (totals.latency.len(), totals.bytes));
    let waited = totals.map(|totals| &totals.latency);
    let served = totals.and_then(|totals| totals.service.as_ref()).or(waited);
    let mut out = json!({
        "io_bytes": bytes,
        "io_kbytes": bytes / 1024,
        "bw_bytes": per_second(bytes) as u64,
        "bw": per_second(bytes) as u64 / 1024,
        "iops": per_second(ops),
        "runtime": if ops > 0 { milliseconds } else { 0 },
        "total_ios": ops,
        "drop_ios": 0,
        "slat_ns": latency(None, false),
        "clat_ns": latency(served, true),
        "lat_ns": latency(waited, true),
    });
    // A sample is a trial; fio's bandwidths are in KiB/s.
    let (iops, bandwidth) =
        totals.map_or_else(Default::default, |totals| (totals.iops.clone(), totals.bytes_per_s.clone()));
    let kib: Vec<f64> = bandwidth.iter().map(|bytes| bytes / 1024.0).collect();
    for (name, samples, deviation) in [("bw", kib, "dev"), ("iops", iops, "stddev")] {
        let n = samples.len().max(1) as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let spread =
            (samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)).sqrt();
        let edge = |pick: fn(f64, f64) -> f64| samples.iter().copied().reduce(pick).unwrap_or(0.0) as u64;
        out[format!("{name}_min")] = json!(edge(f64::min));
        out[format!("{name}_max")] = json!(edge(f64::max));
        out[format!("{name}_mean")] = json!(mean);
        out[format!("{name}_{deviation}")] = json!(spread);
        out[format!("{name}_samples")] = json!(samples.len());
    }
    // Short transfers are not counted by direction.
    let has = |direction: Direction| cell.directions.keys().any(|kind| kind.kind() == direction.kind());
    if totals.is_some() && has(Direction::Read) != has(Direction::Write) {
        out["short_ios"] = json!(cell.costs.work.short_transfers);
    }
    out
}

fn latency(of: Option<&Histogram<u64>>, bins: bool) -> Value {
    let Some(of) = of.filter(|of| !of.is_empty()) else {
        return json!({"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0});
    };
    let percentile: Map<String, Value> = PERCENTILES
        .iter()
        .map(|percent| (format!("{percent:.6}"), json!(of.value_at_quantile(percent / 100.0))))
        .collect();
    let mut out = json!({
        "min": of.min(),
        "max": of.max(),
        "mean": of.mean(),
        "stddev": of.stdev(),
        "N": of.len(),
        "percentile": percentile,
    });
    if bins {
        let bins: Map<String, Value> = of
            .iter_recorded()
            .map(|bin| (bin.value_iterated_to().to_string(), json!(bin.count_since_last_iteration())))
            .collect();
        out["bins"] = Value::Object(bins);
    }
    out
}

/// Upper bounds of fio's ranges of nanoseconds and microseconds; 1000 is in the next unit.
const BELOW_1000: [u64; 10] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000];
/// Upper bounds of fio's ranges of milliseconds, before one without a bound.
const MILLISECONDS: [u64; 11] = [2, 4, 10, 20, 50, 100, 250, 500, 750, 1000, 2000];

/// The percentage of reads and writes of which the latency is within ranges, with fio's keys: `2` counts latencies from
/// the bound before it up to below 2 units. `>=2000` is named so by fio.
fn latency_shares(cell: &CellTotals) -> [(&'static str, Value); 3] {
    let of = |kind: &Direction| kind.kind() != Direction::Sync.kind();
    let measured = || cell.directions.iter().filter(|(kind, _)| of(kind)).map(|(_, totals)| &totals.latency);
    let all: u64 = measured().map(Histogram::len).sum();
    let mut from = 0;
    let mut share = |below: u64| {
        let within = |latency: &Histogram<u64>| -> u64 {
            let bins = latency.iter_recorded().filter(|bin| (from..below).contains(&bin.value_iterated_to()));
            bins.map(|bin| bin.count_since_last_iteration()).sum()
        };
        let count: u64 = measured().map(within).sum();
        from = below;
        json!(if all > 0 { 100.0 * count as f64 / all as f64 } else { 0.0 })
    };
    let mut shares = |unit: u64, bounds: &[u64]| -> Map<String, Value> {
        bounds.iter().map(|bound| (bound.to_string(), share(bound.saturating_mul(unit)))).collect()
    };
    let (ns, us) = (shares(1, &BELOW_1000), shares(1_000, &BELOW_1000));
    let mut ms = shares(1_000_000, &MILLISECONDS);
    ms.insert(">=2000".into(), share(u64::MAX));
    [("latency_ns", ns.into()), ("latency_us", us.into()), ("latency_ms", ms.into())]
}

/// The cell as fio's job options; all values are strings, as in fio.
fn options(trial: &Trial) -> Value {
    let (work, engine) = (&trial.workload, &trial.engine);
    let random = work.pattern != Pattern::Sequential;
    let rw = match (work.read_percent, random) {
        (100, false) => "read",
        (100, true) => "randread",
        (0, false) => "write",
        (0, true) => "randwrite",
        (_, false) => "rw",
        (_, true) => "randrw",
    };
    let ioengine = match engine.kind {
        EngineKind::Nvme => "io_uring_cmd".to_owned(),
        kind => kind.to_string(),
    };
    let mut out = json!({
        "rw": rw,
        "ioengine": ioengine,
        "iodepth": trial.depth_per_worker().to_string(),
        "numjobs": trial.workers().to_string(),
        "direct": u8::from(trial.target.direct()).to_string(),
        "runtime": work.runtime.as_secs_f64().to_string(),
        "bs": work.block_size.largest().0.to_string(),
    });
    if (1..100).contains(&work.read_percent) {
        out["rwmixread"] = json!(work.read_percent.to_string());
    }
    if work.block_size.single().is_none() {
        let parts: Vec<String> =
            work.block_size.parts().iter().map(|(size, percent)| format!("{}/{percent}", size.0)).collect();
        out["bssplit"] = json!(parts.join(":"));
    }
    match &trial.target {
        Target::File(file) => out["size"] = json!(file.size.0.to_string()),
        Target::Ramdisk(disk) => out["size"] = json!(disk.size.0.to_string()),
        Target::Path(path) => out["filename"] = json!(path.path),
        Target::Device(device) => out["filename"] = json!(device.path),
    }
    out
}
