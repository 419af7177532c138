//! All rows as PostgreSQL's COPY writes them, taken in one instant; and putting them into
//! an empty database. It needs no program of PostgreSQL's and no version of it.
//!
//! The file: a line with the schema's version; for each table `table NAME COLUMN,COLUMN`,
//! its rows, and `\.`; a last line `end`. Tables that others refer to come first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use postgres::{IsolationLevel, NoTls, Transaction};

use super::{LOCK, PostgresAddress, StoreError, failed, migrate_to};

const HEAD: &str = "sealgate-portal backup 1, schema ";
/// Made by the migrations, not copied.
const VERSIONS: &str = "schema_versions";

/// Copies the database as it stands in one instant; whoever serves from it goes on.
///
/// # Errors
/// There is something at `to`, the disk is full, or the database can't be read. A broken-off
/// copy is removed.
pub fn back_up(address: &PostgresAddress, to: &Path) -> Result<(), StoreError> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(StoreError::File)?;
    let mut out = BufWriter::new(file);
    let written = write_all(address, &mut out).and_then(|()| {
        let flushed = out.flush().and_then(|()| out.get_ref().sync_all());
        flushed.map_err(StoreError::File)
    });
    if written.is_err() {
        std::fs::remove_file(to).map_err(StoreError::File)?;
    }
    written
}

fn write_all(address: &PostgresAddress, out: &mut impl Write) -> Result<(), StoreError> {
    let mut client = address.0.connect(NoTls).map_err(failed("be reached"))?;
    let mut tx = client
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .map_err(failed("begin a backup"))?;
    let version: i64 = tx
        .query_one("SELECT MAX(version) FROM schema_versions", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed("read its schema version"))?;
    writeln!(out, "{HEAD}{version}").map_err(StoreError::File)?;
    for (table, columns) in tables(&mut tx)? {
        let columns = columns.join(",");
        writeln!(out, "table {table} {columns}").map_err(StoreError::File)?;
        let mut rows = tx
            .copy_out(&format!("COPY {table} ({columns}) TO STDOUT"))
            .map_err(failed("be copied"))?;
        io::copy(&mut rows, out).map_err(StoreError::File)?;
        writeln!(out, "\\.").map_err(StoreError::File)?;
    }
    writeln!(out, "end").map_err(StoreError::File)
}

/// The tables with their columns, each after those that it refers to.
fn tables(tx: &mut Transaction<'_>) -> Result<Vec<(String, Vec<String>)>, StoreError> {
    let columns = tx
        .query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns
             WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position",
            &[],
        )
        .map_err(failed("list its tables"))?;
    let mut waiting: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &columns {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        if table != VERSIONS {
            waiting.entry(table).or_default().push(column);
        }
    }
    let references = tx
        .query(
            "SELECT DISTINCT conrelid::regclass::text, confrelid::regclass::text
             FROM pg_constraint WHERE contype = 'f' AND conrelid <> confrelid",
            &[],
        )
        .map_err(failed("list its references"))?;
    let references: Vec<(String, String)> = references
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut sorted = Vec::new();
    while !waiting.is_empty() {
        let ready: BTreeSet<String> = waiting
            .keys()
            .filter(|table| {
                let mut targets = references.iter().filter(|(from, _)| from == *table);
                !targets.any(|(_, to)| waiting.contains_key(to))
            })
            .cloned()
            .collect();
        if ready.is_empty() {
            // Tables that refer to each other: no schema of ours has them.
            return Err(StoreError::Unreadable {
                column: "references",
            });
        }
        for table in ready {
            if let Some(columns) = waiting.remove(&table) {
                sorted.push((table, columns));
            }
        }
    }
    Ok(sorted)
}

/// Puts a copy into an empty database.
///
/// # Errors
/// It is no copy of a portal's database, or broken off; a portal is in the database already.
pub fn restore(backup: &Path, address: &PostgresAddress) -> Result<(), StoreError> {
    let file = std::fs::File::open(backup).map_err(StoreError::File)?;
    let mut lines = BufReader::new(file);
    let version = read_line(&mut lines)?;
    let version = version
        .strip_prefix(HEAD)
        .and_then(|text| text.parse().ok());
    let version: i64 = version.ok_or(StoreError::NotABackup)?;
    let mut client = address.0.connect(NoTls).map_err(failed("be reached"))?;
    migrate_to(&mut client, version)?;
    let mut tx = client.transaction().map_err(failed("begin a restore"))?;
    tx.batch_execute(LOCK).map_err(failed("begin a restore"))?;
    let holds: i64 = tx
        .query_one("SELECT COUNT(*) FROM meta", &[])
        .and_then(|row| row.try_get(0))
        .map_err(failed("be looked at"))?;
    if holds > 0 {
        return Err(StoreError::Taken { what: "a portal" });
    }
    let known: BTreeMap<String, Vec<String>> = tables(&mut tx)?.into_iter().collect();
    loop {
        let line = read_line(&mut lines)?;
        if line == "end" {
            break;
        }
        let head = line
            .strip_prefix("table ")
            .and_then(|rest| rest.split_once(' '));
        let (table, columns) = head.ok_or(StoreError::NotABackup)?;
        // Names go into a statement: only our own do.
        if known.get(table).map(|own| own.join(",")).as_deref() != Some(columns) {
            return Err(StoreError::NotABackup);
        }
        copy_rows(&mut tx, table, columns, &mut lines)?;
    }
    let identities = tx
        .query(
            "SELECT table_name::text, column_name::text FROM information_schema.columns
             WHERE table_schema = current_schema() AND is_identity = 'YES'",
            &[],
        )
        .map_err(failed("list its sequences"))?;
    for row in &identities {
        let (table, column): (String, String) = (row.get(0), row.get(1));
        tx.batch_execute(&format!(
            "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), MAX({column}))
             FROM {table} HAVING MAX({column}) IS NOT NULL"
        ))
        .map_err(failed("set its sequences"))?;
    }
    tx.commit().map_err(failed("commit"))
}

/// A line without its end; one that has none was broken off.
fn read_line(from: &mut impl BufRead) -> Result<String, StoreError> {
    const MOST_BYTES: u64 = 64 * 1024;
    let mut line = String::new();
    from.take(MOST_BYTES)
        .read_line(&mut line)
        .map_err(|_| StoreError::NotABackup)?;
    match line.strip_suffix('\n') {
        Some(whole) => Ok(whole.to_owned()),
        None => Err(StoreError::NotABackup),
    }
}

fn copy_rows(
    tx: &mut Transaction<'_>,
    table: &str,
    columns: &str,
    from: &mut impl BufRead,
) -> Result<(), StoreError> {
    let mut rows = tx
        .copy_in(&format!("COPY {table} ({columns}) FROM STDIN"))
        .map_err(failed("be filled"))?;
    let mut line = Vec::new();
    loop {
        line.clear();
        from.read_until(b'\n', &mut line)
            .map_err(StoreError::File)?;
        if line == b"\\.\n" {
            break;
        }
        if line.last() != Some(&b'\n') {
            return Err(StoreError::NotABackup);
        }
        rows.write_all(&line).map_err(StoreError::File)?;
    }
    rows.finish().map(drop).map_err(failed("be filled"))
}
