//! The SQLite index, derived only from the run directories.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params, types::Type};
use serde::{Serialize, de::DeserializeOwned};

use super::{CellKey, INDEX, entry};
use crate::summary::{RunEntry, insight::TrendPoint};

/// Raised when the tables or their contents change. An index of another version is rebuilt.
const VERSION: i64 = 2;
/// The time to wait for a lock of another process.
const PATIENCE: Duration = Duration::from_secs(2);

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS runs (
    name TEXT PRIMARY KEY, started_at TEXT NOT NULL, scenario TEXT NOT NULL, quick INTEGER NOT NULL,
    hosts TEXT NOT NULL, kernels TEXT NOT NULL, arms TEXT NOT NULL,
    trials_planned INTEGER NOT NULL, trials_complete INTEGER NOT NULL, answer TEXT,
    expectations_held INTEGER NOT NULL, expectations_failed INTEGER NOT NULL, expectations_unknown INTEGER NOT NULL,
    exit INTEGER, problem TEXT, machine TEXT NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    run TEXT NOT NULL REFERENCES runs(name) ON DELETE CASCADE, arm TEXT NOT NULL, params TEXT NOT NULL,
    template TEXT NOT NULL, iops REAL NOT NULL, low REAL, high REAL);
CREATE INDEX IF NOT EXISTS cells_of_run ON cells (run);
CREATE INDEX IF NOT EXISTS cells_by_point ON cells (arm, params);
";

type Sql<T> = rusqlite::Result<T>;

/// Runs a closure with the index of a directory. A damaged index is rebuilt. An unusable one is replaced by an
/// index in memory, with the reason as a note.
pub(super) fn with<T: Default>(
    dir: &Path,
    rebuild: bool,
    work: impl Fn(&mut Connection) -> Sql<T>,
) -> (T, Option<String>) {
    let path = dir.join(INDEX);
    if rebuild {
        remove(&path);
    }
    let on_disk = || open(&path).and_then(|mut index| work(&mut index));
    let tried = match on_disk() {
        // Not removed if another process holds it, or if it could not be rebuilt.
        Err(error) if is_damage(&error) => {
            tracing::debug!(%error, "rebuilding the index of runs");
            remove(&path);
            on_disk()
        }
        tried => tried,
    };
    let error = match tried {
        Ok(done) => return (done, None),
        Err(error) => error,
    };
    let note = format!("{}: {error}; the run directories were read instead", path.display());
    let in_memory = Connection::open_in_memory().and_then(prepared).and_then(|mut index| work(&mut index));
    match in_memory {
        Ok(done) => (done, Some(note)),
        Err(error) => (T::default(), Some(format!("{note}, without success: {error}"))),
    }
}

/// Whether an index with this error must be rebuilt.
fn is_damage(error: &rusqlite::Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::DiskFull
                | ErrorCode::PermissionDenied
                | ErrorCode::AuthorizationForStatementDenied
                | ErrorCode::OutOfMemory
        )
    )
}

/// Removes it with SQLite's companion files. Anything that is not a file is kept.
fn remove(path: &Path) {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let _ = fs::remove_file(name);
    }
}

fn open(path: &Path) -> Sql<Connection> {
    let index = Connection::open(path)?;
    let version: i64 = index.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let empty: bool = index.query_row("SELECT count(*) = 0 FROM sqlite_master", [], |row| row.get(0))?;
    if version != VERSION && !empty {
        drop(index);
        remove(path);
        return prepared(Connection::open(path)?);
    }
    prepared(index)
}

fn prepared(index: Connection) -> Sql<Connection> {
    index.busy_timeout(PATIENCE)?;
    index.pragma_update(None, "foreign_keys", true)?;
    let known: i64 =
        index.query_row("SELECT count(*) FROM sqlite_master WHERE type = 'table'", [], |row| row.get(0))?;
    // Only for a new index: an index in a read-only directory can still be read.
    if known == 0 {
        index.execute_batch(TABLES)?;
        index.pragma_update(None, "user_version", VERSION)?;
    }
    Ok(index)
}

fn name_of(run: &Path) -> String {
    run.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads new and changed runs, and removes deleted ones.
pub(super) fn update(index: &mut Connection, found: &[PathBuf]) -> Sql<()> {
    let mut known: HashMap<String, String> = index
        .prepare("SELECT name, stamp FROM runs")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Sql<_>>()?;
    let mut changed = Vec::new();
    for run in found {
        let stamp = entry::stamp(run);
        if known.remove(&name_of(run)).as_ref() != Some(&stamp) {
            changed.push((run, stamp));
        }
    }
    if changed.is_empty() && known.is_empty() {
        return Ok(());
    }
    let change = index.transaction()?;
    for name in known.keys() {
        change.execute("DELETE FROM runs WHERE name = ?1", [name])?;
    }
    for (run, stamp) in changed {
        put(&change, &entry::read(run), &stamp)?;
    }
    change.commit()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn put(index: &Connection, read: &entry::Read, stamp: &str) -> Sql<()> {
    let run = &read.entry;
    index.execute("DELETE FROM runs WHERE name = ?1", [&run.name])?;
    index.execute(
        "INSERT INTO runs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            run.name,
            run.started_at,
            run.scenario,
            run.quick,
            text(&run.hosts),
            text(&run.kernels),
            text(&run.arms),
            run.trials_planned,
            run.trials_complete,
            run.answer,
            run.expectations_held,
            run.expectations_failed,
            run.expectations_unknown,
            run.exit,
            run.problem,
            read.machine,
            stamp,
        ],
    )?;
    let mut insert = index.prepare("INSERT INTO cells VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for cell in &read.cells {
        let [low, high] = cell.ci95.map_or([None; 2], |interval| interval.map(Some));
        insert.execute(params![
            run.name,
            cell.arm,
            text(&cell.params),
            cell.template,
            cell.iops,
            low,
            high
        ])?;
    }
    Ok(())
}

/// A column that holds JSON.
fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Sql<T> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}

/// All runs, oldest first.
pub(super) fn runs(index: &mut Connection) -> Sql<Vec<RunEntry>> {
    let entry = |row: &Row<'_>| {
        Ok(RunEntry {
            name: row.get(0)?,
            started_at: row.get(1)?,
            scenario: row.get(2)?,
            quick: row.get(3)?,
            hosts: json(row, 4)?,
            kernels: json(row, 5)?,
            arms: json(row, 6)?,
            trials_planned: row.get(7)?,
            trials_complete: row.get(8)?,
            answer: row.get(9)?,
            expectations_held: row.get(10)?,
            expectations_failed: row.get(11)?,
            expectations_unknown: row.get(12)?,
            exit: row.get(13)?,
            problem: row.get(14)?,
        })
    };
    index.prepare("SELECT * FROM runs ORDER BY started_at, name")?.query_map([], entry)?.collect()
}

/// A cell in the newest runs that began before a time (and name), oldest first.
pub(super) fn earlier(
    index: &Connection,
    key: &CellKey,
    (before, name): (&str, &str),
    most: usize,
) -> Sql<Vec<TrendPoint>> {
    let point = |row: &Row<'_>| {
        let (low, high): (Option<f64>, Option<f64>) = (row.get(3)?, row.get(4)?);
        let ci95 = low.zip(high).map(|(low, high)| [low, high]);
        Ok(TrendPoint { run_id: row.get(0)?, at: row.get(1)?, iops: row.get(2)?, ci95 })
    };
    let mut query = index.prepare(
        "SELECT name, started_at, iops, low, high FROM cells JOIN runs ON run = name
         WHERE arm = ?1 AND params = ?2 AND template = ?3 AND scenario = ?4 AND machine = ?5
           AND (started_at, name) < (?6, ?7)
         ORDER BY started_at DESC, name DESC LIMIT ?8",
    )?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut points = query
        .query_map(
            params![key.arm, text(&key.params), key.template, key.scenario, key.machine, before, name, most],
            point,
        )?
        .collect::<Sql<Vec<_>>>()?;
    points.reverse();
    Ok(points)
}

/// The cells of the newest run of a scenario that has any.
pub(super) fn newest_cells(index: &Connection, scenario: &str) -> Sql<Vec<CellKey>> {
    let newest: Option<(String, String)> = index
        .query_row(
            "SELECT name, machine FROM runs WHERE scenario = ?1 AND name IN (SELECT run FROM cells)
             ORDER BY started_at DESC, name DESC LIMIT 1",
            [scenario],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((run, machine)) = newest else { return Ok(Vec::new()) };
    let key = |row: &Row<'_>| {
        Ok(CellKey {
            scenario: scenario.to_owned(),
            arm: row.get(0)?,
            params: json(row, 1)?,
            template: row.get(2)?,
            machine: machine.clone(),
        })
    };
    let mut query = index.prepare("SELECT arm, params, template FROM cells WHERE run = ?1 ORDER BY rowid")?;
    query.query_map([&run], key)?.collect()
}
