//! The formats in which `run` and `report` print a run, one file each. A new format is a file with an [`Export`] beside
//! this one, its module and its line in [`FORMATS`]; the values of `--format`, their help and the documentation follow.

use clap::{ValueEnum, builder::PossibleValue};

use crate::{
    plan::Plan,
    report::Detail,
    store::{RunDir, StoreError},
    summary::ComparisonSet,
};

pub(super) mod csv;
mod fio;
pub(super) mod json;
pub(super) mod markdown;
mod openmetrics;
pub(super) mod table;
pub(super) mod trials_csv;

/// All formats, in the order of `--help`. The first is the default.
static FORMATS: &[Format] = &[
    Format(&table::EXPORT),
    Format(&json::EXPORT),
    Format(&csv::EXPORT),
    Format(&markdown::EXPORT),
    Format(&fio::EXPORT),
    Format(&openmetrics::EXPORT),
    Format(&trials_csv::EXPORT),
];

/// A format and its renderer.
#[derive(Debug)]
pub(super) struct Export {
    /// The value of `--format`.
    pub(super) name: &'static str,
    /// One line for `--help` and the documentation, without a full stop.
    pub(super) help: &'static str,
    /// Further documentation in Markdown, as complete sentences.
    #[cfg_attr(not(test), allow(dead_code, reason = "a test writes the documentation"))]
    pub(super) details: Option<&'static str>,
    /// Renders a run. The text ends with a line feed.
    pub(super) render: fn(&Source<'_>) -> Result<String, StoreError>,
    /// Makes one document of those of several runs; `None` if they may follow each other, as in a terminal.
    pub(super) join: Option<fn(&[String]) -> String>,
}

/// Documents of a format in which a run has a header line and rows. A header that is equal to the one before is left
/// out; an empty line separates tables with other columns.
pub(super) fn rows(documents: &[String]) -> String {
    let mut out = String::new();
    let mut header = None;
    for document in documents {
        let (first, rest) = document.split_once('\n').unwrap_or((document, ""));
        if header == Some(first) {
            out.push_str(rest);
            continue;
        }
        if header.is_some() {
            out.push('\n');
        }
        header = Some(first);
        out.push_str(document);
    }
    out
}

/// JSON documents as one array.
pub(super) fn array(documents: &[String]) -> String {
    let parts: Vec<&str> = documents.iter().map(|document| document.trim_end()).collect();
    format!("[\n{}\n]\n", parts.join(",\n"))
}

/// The input of a format.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The comparison.
    pub set: &'a ComparisonSet,
    /// The plan of the run.
    pub plan: &'a Plan,
    /// The run's records and histograms.
    pub run: &'a RunDir,
    /// Columns of the terminal; 100 without one.
    pub width: u16,
    /// Whether to use colours.
    pub colour: bool,
    /// How much the table shows.
    pub detail: Detail,
}

/// A format that a run can be printed in.
#[derive(Clone, Copy, Debug)]
pub struct Format(&'static Export);

impl Format {
    /// Renders a run.
    ///
    /// # Errors
    /// The run's records or histograms cannot be read.
    pub fn render(self, source: &Source<'_>) -> Result<String, StoreError> {
        (self.0.render)(source)
    }

    /// Makes one valid document of those of several runs; `None` if they may follow each other.
    #[must_use]
    pub fn join(self) -> Option<fn(&[String]) -> String> {
        self.0.join
    }
}

impl Default for Format {
    fn default() -> Self {
        FORMATS[0]
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        FORMATS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name).help(self.0.help))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs, process::Command};

    use serde_json::Value;

    use super::*;
    use crate::{
        analysis::fixture::{Fixture, params},
        docs,
    };

    fn render(set: &ComparisonSet, fixture: &Fixture, name: &str) -> String {
        let format = Format::from_str(name, false).unwrap();
        let source = Source {
            set,
            plan: &fixture.plan,
            run: &fixture.run,
            width: 100,
            colour: false,
            detail: Detail::default(),
        };
        format.render(&source).unwrap()
    }

    fn rendered(fixture: &Fixture, name: &str) -> (ComparisonSet, String) {
        let set = fixture.analyse(Some("sync"));
        let text = render(&set, fixture, name);
        (set, text)
    }

    #[test]
    fn documentation_lists_every_format() {
        let line = |Format(export): &Format| {
            let details = export.details.map_or_else(String::new, |details| format!(". {details}"));
            format!("* `{}`: {}{details}\n", export.name, export.help)
        };
        docs::check("docs/run-directory.md", &[("formats", &FORMATS.iter().map(line).collect::<String>())]);
    }

    #[test]
    fn names_are_unique_and_help_has_no_full_stop() {
        for (index, Format(export)) in FORMATS.iter().enumerate() {
            assert!(FORMATS[..index].iter().all(|other| other.0.name != export.name), "{}", export.name);
            assert!(!export.help.is_empty() && !export.help.ends_with('.'), "{}", export.name);
        }
    }

    fn fixture() -> Fixture {
        let mut fixture = Fixture::new(&["sync", "uring-tuned"], &[1, 8], 2, &["n1", "n2"]);
        fixture.change = |record| {
            if record.arm == "sync" && record.block == 1 {
                record.marks.push("n2: lost, and \"quoted\"".into());
            }
        };
        fixture.execute(usize::MAX);
        fixture
    }

    #[test]
    fn fio_agrees_with_the_summary() {
        let (set, text) = rendered(&fixture(), "fio");
        let json: Value = serde_json::from_str(&text).unwrap();
        let jobs = json["jobs"].as_array().unwrap();
        assert_eq!(jobs.len(), 4);
        let job = jobs.iter().find(|job| job["jobname"] == "uring-tuned depth 8").or_else(|| {
            jobs.iter().find(|job| {
                job["jobname"].as_str().unwrap().starts_with("uring-tuned")
                    && job["job options"]["iodepth"] == "8"
            })
        });
        let job = job.unwrap();
        let cell = set.cell("uring-tuned", &params(8)).unwrap();
        let read = &job["read"];
        let latency = cell.latency.all.as_ref().unwrap();
        assert_eq!(read["clat_ns"]["percentile"]["99.000000"], latency.p99);
        assert_eq!(read["lat_ns"]["percentile"]["50.000000"], latency.p50);
        let bins = read["clat_ns"]["bins"].as_object().unwrap();
        let counted: u64 = bins.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(Some(counted), read["total_ios"].as_u64());
        let (theirs, ours) = (read["iops"].as_f64().unwrap(), cell.throughput.iops.as_ref().unwrap().mean);
        assert!((theirs / ours - 1.0).abs() < 0.001, "{theirs} is not {ours}");
        // The keys of fio 3.33; each operation is in one range. 90 % take 24 us, the others 96 us.
        let keys = |unit: &str| -> Vec<String> {
            let mut keys: Vec<String> = job[unit].as_object().unwrap().keys().cloned().collect();
            keys.sort_by_key(|key| key.parse::<u64>().unwrap_or(u64::MAX));
            keys
        };
        let below = ["2", "4", "10", "20", "50", "100", "250", "500", "750", "1000"];
        assert_eq!(
            (keys("latency_ns"), keys("latency_us")),
            (below.map(String::from).into(), below.map(String::from).into())
        );
        assert_eq!(keys("latency_ms"), [&below[..], &["2000", ">=2000"]].concat());
        let near = |value: &Value, percent: f64| (value.as_f64().unwrap() - percent).abs() < 0.1;
        assert!(near(&job["latency_us"]["50"], 90.0) && near(&job["latency_us"]["100"], 10.0), "{job:#}");
        let shares = ["latency_ns", "latency_us", "latency_ms"]
            .map(|unit| job[unit].as_object().unwrap().values().filter_map(Value::as_f64).sum::<f64>());
        assert!((shares.iter().sum::<f64>() - 100.0).abs() < 1e-9, "{shares:?}");
        // 4,000 operations cost 0.4 + 2.6 us each on one worker of each host.
        let share = job["usr_cpu"].as_f64().unwrap();
        assert!((share - 100.0 * 400.0 * (ours / 2.0) / 1e9).abs() < 0.5, "{share}");
        assert_eq!((&job["write"]["total_ios"], &read["slat_ns"]["N"]), (&0.into(), &0.into()));
    }

    #[test]
    fn fios_tool_reads_the_export() {
        let dir = tempfile::tempdir().unwrap();
        let (set, text) = rendered(&fixture(), "fio");
        fs::write(dir.path().join("run.json"), text).unwrap();
        let run =
            |args: &[&str]| Command::new("fio_jsonplus_clat2csv").args(args).current_dir(dir.path()).output();
        let Ok(made) = run(&["run.json", "clat.csv"]) else {
            agent::skip::skip("fio_jsonplus_clat2csv is not there; Debian has it in the package fio");
            return;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let checked = run(&["--validate", "run.json", "clat.csv"]).unwrap();
        assert!(String::from_utf8_lossy(&checked.stdout).contains("clat_job3.csv validated"));
        // The median by its own accumulation: the first line at which half of the reads are done.
        let csv = fs::read_to_string(dir.path().join("clat_job0.csv")).unwrap();
        let names: Vec<&str> = csv.lines().next().unwrap().split(',').map(str::trim).collect();
        let column = names.iter().position(|name| *name == "read_clat_ns_percentile").unwrap();
        let median = csv.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let share: f64 = fields.get(column)?.parse().ok()?;
            (share >= 0.5).then(|| fields[0].parse::<u64>().unwrap())
        });
        let cell = set.cell("sync", &params(1)).unwrap();
        assert_eq!(median, cell.latency.all.as_ref().map(|latency| latency.p50));
    }

    #[test]
    fn several_runs_make_one_document() {
        let fixture = fixture();
        let joined = |name: &str| {
            let mut set = fixture.analyse(Some("sync"));
            let first = render(&set, &fixture, name);
            set.run_id = "second".into();
            let both = [first, render(&set, &fixture, name)];
            Format::from_str(name, false).unwrap().join().unwrap()(&both)
        };
        for name in ["json", "fio"] {
            let json: Value = serde_json::from_str(&joined(name)).unwrap();
            assert_eq!(json.as_array().map(Vec::len), Some(2), "{name}");
        }
        for name in ["csv", "trials-csv"] {
            let text = joined(name);
            let fields = |line: &str| line.matches("run_id").count();
            assert_eq!(text.lines().filter(|line| fields(line) > 0).count(), 1, "{name}: one header");
            assert!(text.contains("\nsecond,"), "{name}");
        }
        let text = joined("openmetrics");
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
        let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("# TYPE")).collect();
        let mut once = heads.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(heads.len(), once.len(), "a family is written once");
        assert_eq!(text.lines().filter(|line| line.starts_with("ringbench_run_info")).count(), 2);
        let mut family = "";
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(head) => family = head.split(' ').next().unwrap(),
                None => assert!(line.starts_with("# ") || line.starts_with(family), "{line} in {family}"),
            }
        }
        for name in ["table", "markdown"] {
            assert!(Format::from_str(name, false).unwrap().join().is_none(), "{name}");
        }
    }

    /// Parses a sample line into name, labels and value, by the grammar of the specification.
    fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
        let (name, rest) = line.split_once('{').unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        let (mut labels, mut rest) = (BTreeMap::new(), rest);
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"").unwrap();
            let (mut value, mut chars) = (String::new(), quoted.char_indices());
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().unwrap().1 {
                        'n' => value.push('\n'),
                        c @ ('\\' | '"') => value.push(c),
                        c => panic!("\\{c} in {line}"),
                    },
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice in {line}");
            rest = quoted[end + 1..].trim_start_matches(',');
        }
        (name.to_owned(), labels, rest[1..].trim().parse().unwrap())
    }

    #[test]
    fn openmetrics_follows_its_grammar() {
        let fixture = fixture();
        let mut set = fixture.analyse(Some("sync"));
        set.scenario = "a \\ \"b\"\nc".into();
        let text = render(&set, &fixture, "openmetrics");
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
        let (mut family, mut seen, mut kinds) = (String::new(), Vec::new(), BTreeMap::new());
        let mut sums = 0;
        for line in text.lines().take_while(|line| *line != "# EOF") {
            if let Some(meta) = line.strip_prefix("# ") {
                let (word, rest) = meta.split_once(' ').unwrap();
                let (name, value) = rest.split_once(' ').unwrap();
                match word {
                    "TYPE" => {
                        assert!(!seen.contains(&name.to_owned()), "{name} twice");
                        seen.push(name.to_owned());
                        name.clone_into(&mut family);
                        kinds.insert(name.to_owned(), value.to_owned());
                    }
                    "UNIT" => assert!(name == family && name.ends_with(&format!("_{value}")), "{line}"),
                    _ => assert!(word == "HELP" && name == family && value.ends_with('.'), "{line}"),
                }
                continue;
            }
            let (name, labels, value) = sample(line);
            let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} in {family}"));
            let allowed: &[&str] = match kinds[&family].as_str() {
                "counter" => &["_total"],
                "info" => &["_info"],
                "summary" => &["", "_count", "_sum"],
                _ => &[""],
            };
            assert!(allowed.contains(&suffix) && value.is_finite(), "{line}");
            assert_eq!(labels["scenario"], set.scenario);
            if suffix == "_count" && labels["arm"] == "sync" && labels["depth"] == "1" {
                sums += value as u64;
            }
        }
        // One of two trials counts, on two hosts, in half-second intervals of 73,500 a second each.
        assert!((140_000..150_000).contains(&sums), "{sums}");
    }

    #[test]
    fn trials_csv_has_a_row_for_each_trial_and_host() {
        let fixture = fixture();
        let (set, text) = rendered(&fixture, "trials-csv");
        let lines: Vec<&str> = text.lines().collect();
        // Four cells, an audit and two trials of each, on two hosts.
        assert_eq!(lines.len(), 1 + 4 * 3 * 2);
        assert!(
            lines[0]
                .starts_with("run_id,scenario,trial,block,measure,started_at,arm,host,counts,depth,kept_out")
        );
        let iops = lines[0].split(',').position(|name| name == "iops").unwrap();
        let out: Vec<&&str> = lines.iter().filter(|line| line.contains(",sync,n1,false,")).collect();
        assert!(out.len() == 2 && out[0].contains("\"n2: lost, and \"\"quoted\"\"\""), "{out:?}");
        assert!(
            lines
                .iter()
                .filter(|line| line.contains(",audit,"))
                .all(|line| line.split(',').nth(iops) == Some(""))
        );
        let of = |host: &str| -> Vec<f64> {
            let wanted = format!(",uring-tuned,{host},true,8,");
            let rows = lines.iter().filter(|line| line.contains(&wanted) && line.contains(",timed,"));
            rows.map(|line| line.split(',').nth(iops).unwrap().parse().unwrap()).collect()
        };
        // As the merged samples: rates of hosts add up.
        let mut sums: Vec<f64> = of("n1").iter().zip(of("n2")).map(|(a, b)| a + b).collect();
        let mut samples =
            set.cell("uring-tuned", &params(8)).unwrap().throughput.iops.as_ref().unwrap().samples.clone();
        sums.sort_by(f64::total_cmp);
        samples.sort_by(f64::total_cmp);
        assert_eq!(sums, samples);
    }
}
