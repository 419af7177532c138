//! The table in docs/: dated, generated, committed.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use sealgate_base::{Clock, SystemClock};
use sealgate_supervisor::license::date;

use super::Row;

/// Writes the rows as a page.
///
/// # Errors
/// The file can't be written.
pub fn write_table(rows: &[Row], file: &Path) -> Result<()> {
    let now = Timestamp::from_millisecond(SystemClock::new().utc_ms()).unwrap_or(Timestamp::MAX);
    std::fs::write(file, page(rows, &date(now)))
        .with_context(|| format!("write {}", file.display()))
}

fn page(rows: &[Row], date: &str) -> String {
    let held = rows.iter().filter(|row| row.failure.is_none()).count();
    let mut page = format!(
        "# Boot tests\n\n\
         The lab image in QEMU, from its own disk: UEFI with Secure Boot, a software TPM. One box \
         lives through all of it. `sealgate-lab boots --all --table docs/boot-tests.md` does this \
         and writes this page; do not edit it.\n\n\
         {date}, version {}. {held} of {} hold.\n\n\
         | shows | seconds | seen |\n|---|---|---|\n",
        env!("CARGO_PKG_VERSION"),
        rows.len()
    );
    for row in rows {
        let seen = row.failure.as_ref().map_or_else(
            || row.seen.clone(),
            |failure| {
                format!(
                    "**does not hold**: {}",
                    failure.lines().next().unwrap_or_default()
                )
            },
        );
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "| {} | {:.0} | {seen} |",
            row.name,
            row.took.as_secs_f64()
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_does_not_hold_says_so() {
        let row = |failure: Option<&str>| Row {
            name: "It boots",
            seen: "yes".to_owned(),
            took: Duration::from_millis(51_400),
            failure: failure.map(str::to_owned),
        };
        let page = page(&[row(None), row(Some("no\nlog"))], "today");
        assert!(page.contains("1 of 2 hold"));
        assert!(page.contains("| It boots | 51 | yes |\n"));
        assert!(page.contains("| It boots | 51 | **does not hold**: no |\n"));
    }
}
