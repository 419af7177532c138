//! The table in docs/: dated, generated, committed.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sealgate_supervisor::license::date;

use super::Row;
use super::parts::now;
use crate::qemu::Accelerator;
use crate::world::process::run;

/// Writes the rows as a page.
///
/// # Errors
/// QEMU does not say its version, or the file can't be written.
pub async fn write_table(rows: &[Row], file: &Path) -> Result<()> {
    let qemu = run(Command::new("qemu-system-x86_64").arg("--version"))?;
    let qemu = qemu.lines().next().unwrap_or_default().trim().to_owned();
    let swtpm = run(Command::new("swtpm").args(["--version"]))?;
    let swtpm = swtpm
        .split(',')
        .next()
        .unwrap_or_default()
        .trim()
        .to_owned();
    let how = match Accelerator::probe().await {
        Accelerator::Kvm => "in hardware (KVM)",
        Accelerator::Tcg => "emulated (TCG)",
    };
    let date = date(now());
    let page = page(rows, &format!("{date}, {qemu}, {how}, {swtpm}"));
    std::fs::write(file, page).with_context(|| format!("write {}", file.display()))
}

fn page(rows: &[Row], with: &str) -> String {
    let held = rows.iter().filter(|row| row.holds).count();
    let mut page = format!(
        "# What never deactivates a license\n\n\
         One box was licensed once. Then it was switched off, one thing about it was changed, and \
         it was switched on again, with the same disk and the same TPM throughout; neither was put \
         back to an earlier state in between. `scripts/test boot --all` does this and writes this \
         page; do not edit it.\n\n\
         {with}. Version {}. {held} of {} rows are as they must be.\n\n\
         | changed | license | channels | counter | first page after | as the box sees itself |\n\
         |---|---|---|---|---|---|\n",
        env!("CARGO_PKG_VERSION"),
        rows.len()
    );
    for row in rows {
        let verdict = if row.holds {
            ""
        } else {
            " **not as it must be**"
        };
        let counter = row
            .counter
            .map_or("-".to_owned(), |value| value.to_string());
        let boot = match row.boot.as_secs() {
            0 => "-".to_owned(),
            seconds => format!("{seconds} s"),
        };
        // Writing to a String does not fail.
        let _ = writeln!(
            page,
            "| {} | {}: {}{verdict} | {} | {counter} | {boot} | {} |",
            row.change, row.state, row.words, row.places, row.seen
        );
    }
    page
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_row_that_does_not_hold_says_so() {
        let row = |state: &str, holds| Row {
            change: "memory".to_owned(),
            seen: "2 GiB".to_owned(),
            state: state.to_owned(),
            words: "is active.".to_owned(),
            places: 8,
            counter: Some(16),
            boot: Duration::from_secs(20),
            holds,
        };
        let page = page(
            &[row("SG-STA-009", true), row("SG-STA-013", false)],
            "today",
        );
        assert!(page.contains("1 of 2 rows"));
        assert!(page.contains("| memory | SG-STA-009: is active. |"));
        assert!(page.contains("**not as it must be** | 8 | 16 | 20 s | 2 GiB |"));
    }
}
