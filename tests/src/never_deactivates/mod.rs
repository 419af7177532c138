//! The same disk and the same TPM in ever different boxes: the license must not notice.
//!
//! The box is licensed once. Then it is switched off, one thing about it is changed, it is
//! switched on and asked for its license; and so on with the next thing. The disk and the
//! TPM's state are never put back in between. For contrast the disk visits another TPM,
//! where everything must close.

mod parts;
mod seen;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub use parts::Change;
pub use table::write_table;

use crate::world::licensed_vm::LicensedVm;
use crate::world::{Places, TpmChoice};
use parts::{changes, everything};

/// Camera channels of the license.
const CHANNELS: u32 = 8;
/// The state of a license in force, and of one beside another TPM.
const ACTIVE: &str = "SG-STA-009";
const OTHER_BOARD: &str = "SG-STA-013";

/// What a boot of a changed box showed.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was changed.
    pub change: String,
    /// What the box itself sees of it.
    pub seen: String,
    /// The code of the license's state.
    pub state: String,
    /// The state in words.
    pub words: String,
    /// Camera channels that may be used.
    pub places: u64,
    /// The license counter.
    pub counter: Option<u64>,
    /// From power-on to the first page.
    pub boot: Duration,
    /// Whether that is as it must be.
    pub holds: bool,
}

/// What to play, and with what.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Each change by itself, instead of all at once.
    pub all: bool,
    /// The folder of another image with another kernel, for the change of kernel.
    pub other_kernel: Option<PathBuf>,
}

/// Boots the box with each change.
///
/// # Errors
/// The box could not be licensed, or no longer starts; a license that does not hold is no
/// error but a row.
pub async fn play(places: Places, plan: &Plan) -> Result<Vec<Row>> {
    let mut the_box = LicensedVm::set_up(places, CHANNELS).await?;
    let own = the_box.tpm(TpmChoice::Own)?;
    let another = the_box.tpm(TpmChoice::Another)?;
    let mut rows = vec![look(&mut the_box, "as it was licensed", Duration::ZERO, None).await?];
    let counter = rows[0].counter;
    ensure!(rows[0].holds, "the box was not licensed: {:?}", rows[0]);
    let unchanged = the_box.machine().clone();

    let changes = if plan.all {
        changes(unchanged.image.folder(), plan.other_kernel.as_deref())
    } else {
        vec![everything()]
    };
    for change in &changes {
        the_box.vm().power_off().await?;
        *the_box.machine() = unchanged.clone();
        change.apply(the_box.machine())?;
        let boot = the_box
            .power_on(&own)
            .await
            .with_context(|| change.name().to_owned())?;
        rows.push(look(&mut the_box, change.name(), boot, Some(counter)).await?);
    }
    if plan.all {
        the_box.vm().power_off().await?;
        *the_box.machine() = unchanged.clone();
        let boot = the_box.power_on(&another).await?;
        let mut row = look(&mut the_box, "for contrast: another TPM", boot, None).await?;
        row.holds = row.state == OTHER_BOARD && row.places == 0;
        rows.push(row);

        the_box.vm().power_off().await?;
        let boot = the_box.power_on(&own).await?;
        rows.push(look(&mut the_box, "its own TPM again", boot, Some(counter)).await?);
    }
    Ok(rows)
}

/// Asks the box; `counter`: what the counter must still be.
async fn look(
    the_box: &mut LicensedVm,
    change: &str,
    boot: Duration,
    counter: Option<Option<u64>>,
) -> Result<Row> {
    let license = the_box.license().await?;
    let state = license["state"]["code"].as_str().unwrap_or("?").to_owned();
    let places = license["places"]["total"].as_u64().unwrap_or(0);
    let found = license["tpm"]["counter"].as_u64();
    let holds = state == ACTIVE
        && license["ok"] == Value::Bool(true)
        && places == u64::from(CHANNELS)
        && counter.is_none_or(|counter| counter == found);
    let row = Row {
        change: change.to_owned(),
        seen: seen::from_inside(the_box.vm()).await?,
        state,
        words: license["state"]["cause"].as_str().unwrap_or("?").to_owned(),
        places,
        counter: found,
        boot,
        holds,
    };
    eprintln!(
        "{}: {} {}, {} places, counter {:?} ({})",
        if row.holds { "holds" } else { "DOES NOT HOLD" },
        row.change,
        row.state,
        row.places,
        row.counter,
        row.seen
    );
    Ok(row)
}
