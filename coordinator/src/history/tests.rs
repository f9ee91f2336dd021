use std::fs;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::{
    analysis::fixture::{Fixture, params},
    report::write_summary,
};

/// A results directory with one run per day.
struct Results(TempDir);

impl Results {
    fn new(runs: usize) -> Self {
        let results = Self(TempDir::new().unwrap());
        for day in 1..=runs {
            results.add(day, |_| {});
        }
        std::os::unix::fs::symlink("nowhere", results.dir().join("latest")).unwrap();
        results
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn path(&self, day: usize) -> PathBuf {
        self.dir().join(format!("202611{day:02}T080000Z-qd-sweep"))
    }

    /// Analysed, as at the end of a run.
    fn add(&self, day: usize, change: impl FnOnce(&mut Fixture)) {
        let mut run = Fixture::new(&["sync", "uring"], &[1, 32], 2, &["local"]);
        change(&mut run);
        run.run.write_plan(&run.plan).unwrap();
        run.run.write_hosts(&run.hosts).unwrap();
        run.execute(usize::MAX);
        write_summary(&run.run, &run.analyse(Some("sync"))).unwrap();
        fs::rename(run.run.path(), self.path(day)).unwrap();
    }

    fn trend(&self, day: usize) -> Vec<TrendLine> {
        let run = crate::store::RunDir::open(&self.path(day)).unwrap();
        let mut set: ComparisonSet =
            serde_json::from_slice(&fs::read(self.path(day).join("summary.json")).unwrap()).unwrap();
        set.run_id = run.id();
        trend(run.path(), &run.plan().unwrap(), &set)
    }

    fn index(&self) -> PathBuf {
        self.dir().join(INDEX)
    }
}

#[test]
fn reads_runs_once_and_again_after_changes() {
    let results = Results::new(2);
    let History { runs, note } = load(results.dir(), false).unwrap();
    assert_eq!((runs.len(), note), (2, None));
    let first = &runs[0];
    assert_eq!(
        (first.name.as_str(), first.started_at.as_str()),
        ("20261101T080000Z-qd-sweep", "2026-11-01T08:00:00Z")
    );
    assert_eq!((first.trials_complete, first.trials_planned, first.exit), (8, 8, Some(0)));
    assert_eq!((first.arms.join(" "), first.kernels.join(" ")), ("sync uring".into(), "6.18.0".into()));
    assert_eq!(first.hosts["local"]["kernel"], "stock");
    assert!(first.answer.as_deref().unwrap().contains("sync"), "{first:?}");

    // Read from the index, not from the directories: a change in the index is kept.
    Connection::open(results.index()).unwrap().execute("UPDATE runs SET answer = 'marked'", []).unwrap();
    fs::remove_file(results.path(2).join("summary.json")).unwrap();
    results.add(3, |_| {});
    fs::remove_dir_all(results.path(1)).unwrap();
    let runs = load(results.dir(), false).unwrap().runs;
    let exits: Vec<(&str, Option<u8>)> = runs.iter().map(|run| (&run.name[6..8], run.exit)).collect();
    assert_eq!(exits, [("02", None), ("03", Some(0))]);
    assert!(runs[0].failed(), "a run that was never analysed counts as failed");
    Connection::open(results.index()).unwrap().execute("UPDATE runs SET answer = 'marked'", []).unwrap();
    assert_eq!(load(results.dir(), false).unwrap().runs[1].answer.as_deref(), Some("marked"));
    assert_ne!(load(results.dir(), true).unwrap().runs[1].answer.as_deref(), Some("marked"), "rebuilt");
}

#[test]
fn rebuilds_a_damaged_index() {
    let results = Results::new(2);
    let whole = load(results.dir(), false).unwrap().runs;
    let bytes = fs::read(results.index()).unwrap();
    type Harm<'a> = (&'a str, &'a dyn Fn());
    let sql = |text: &str| Connection::open(results.index()).unwrap().execute_batch(text).unwrap();
    let harms: [Harm<'_>; 6] = [
        ("no database", &|| {
            fs::write(results.index(), b"not a database at all, but long enough to be one").unwrap()
        }),
        ("cut off", &|| fs::write(results.index(), &bytes[..bytes.len() / 2]).unwrap()),
        ("a page of zeros", &|| {
            let mut bytes = bytes.clone();
            bytes[4096..8192].fill(0);
            fs::write(results.index(), bytes).unwrap();
        }),
        ("another version", &|| sql("PRAGMA user_version = 99; DROP TABLE cells")),
        ("other tables", &|| sql("DROP TABLE cells; DROP TABLE runs; CREATE TABLE runs (name)")),
        ("other words", &|| sql("UPDATE runs SET hosts = 'no JSON'")),
    ];
    for (what, harm) in harms {
        harm();
        let again = load(results.dir(), false).unwrap();
        assert_eq!((again.note, &again.runs), (None, &whole), "{what}");
        let sound = Connection::open(results.index()).unwrap();
        let count: i64 = sound.query_row("SELECT count(*) FROM cells", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 8, "{what}");
        drop(sound);
        fs::write(results.index(), &bytes).unwrap();
    }
}

#[test]
fn works_without_a_usable_index() {
    let results = Results::new(1);
    fs::create_dir(results.index()).unwrap();
    let found = load(results.dir(), false).unwrap();
    assert_eq!(found.runs.len(), 1);
    assert!(found.note.unwrap().contains(INDEX));
    fs::remove_dir(results.index()).unwrap();

    load(results.dir(), false).unwrap();
    results.add(2, |_| {});
    let other = Connection::open(results.index()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let found = load(results.dir(), false).unwrap();
    assert_eq!(found.runs.len(), 2);
    assert!(found.note.unwrap().contains("locked"));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(load(results.dir(), false).unwrap().note, None);
    assert!(load(Path::new("/nonexistent/ringbench"), false).is_err());
}

#[test]
fn a_damaged_run_is_listed_with_its_error() {
    let results = Results::new(2);
    fs::write(results.path(1).join("plan.json"), "{").unwrap();
    let runs = load(results.dir(), false).unwrap().runs;
    assert!(runs[0].problem.as_deref().unwrap().contains("plan.json") && runs[0].failed(), "{:?}", runs[0]);
    assert_eq!(runs[1].problem, None);
}

#[test]
fn a_trend_compares_the_same_work_on_the_same_machine() {
    let results = Results::new(2);
    results.add(3, |run| run.plan.cells[0].template.workload.runtime = proto::units::Nanos(7));
    results.add(4, |run| {
        run.hosts[0].description.facts.insert("cpu.model".into(), "another".into());
    });
    results.add(5, |run| {
        run.hosts[0].description.facts.insert("kernel.release".into(), "6.19.0".into());
        run.model = |_, _| (1_000.0, 10_000, 1.0);
    });
    let lines = results.trend(5);
    let days = |line: &TrendLine| {
        line.points.iter().map(|point| point.run_id[6..8].to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(lines.len(), 4);
    assert_eq!((lines[0].arm.as_str(), days(&lines[0])), ("sync", "01 02 05".into()), "not of other work");
    assert_eq!(
        (lines[1].arm.as_str(), days(&lines[1])),
        ("uring", "01 02 03 05".into()),
        "another kernel does not make another machine"
    );
    assert_eq!(lines[3].params, params(32));
    let last = lines[0].points.last().unwrap();
    assert!((last.iops - 1_000.0).abs() < 20.0 && last.ci95.is_some(), "{last:?}");
    assert_eq!(lines[0].points[0].at, "2026-11-01T08:00:00Z");
    assert_eq!(results.trend(4), [], "a machine that was never measured before");
    assert_eq!(results.trend(1), [], "nothing is earlier than the first");

    let of =
        trend_of(results.dir(), "qd-sweep", |arm, point| arm == "uring" && *point == params(32)).unwrap();
    assert_eq!((of.len(), days(&of[0])), (1, "01 02 03 05".into()));
    assert_eq!(trend_of(results.dir(), "ladder", |_, _| true).unwrap(), []);
}

#[test]
fn creates_no_index_outside_results_directories() {
    let results = Results::new(1);
    fs::remove_file(results.dir().join("latest")).unwrap();
    assert_eq!(results_of(&results.path(1)), None);
    assert_eq!(results.trend(1), []);
    assert!(!results.index().exists());
    load(results.dir(), false).unwrap();
    assert_eq!(results_of(&results.path(1)), Some(results.dir().canonicalize().unwrap()));
}
