//! Hardware that a distributor reports as failed or lost; the vendor decides.

use serde_json::json;

use super::hardware::check_note;
use super::projects::visible_server;
use super::{Actor, Desk, DeskError, Hardware, Right};
use crate::rules::Custody;
use crate::store::ServerId;
use crate::store::work::HardwareReport;

/// The most reports that the work queue shows.
const QUEUE_ROWS: u32 = 20;

impl Desk {
    /// Reports that a server's box failed or is lost, so that its channels can go to
    /// another one.
    ///
    /// # Errors
    /// No such server, it has no box, the box is written off or reported already, or the
    /// note is empty or too long.
    pub fn report_hardware(
        &self,
        actor: &Actor,
        server: ServerId,
        note: &str,
    ) -> Result<(), DeskError> {
        check_note(note)?;
        let note = note.trim();
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            let tpm = (tx.tpms_of_server(server)?.pop())
                .filter(|tpm| tpm.row.custody == Custody::Owner)
                .ok_or(DeskError::NotFound { what: "box" })?;
            if !tx.open_reports(Some(server), 1)?.is_empty() {
                return Err(DeskError::ReportedAlready);
            }
            tx.insert_report(server, actor.user, note, self.now().as_second())?;
            let object = format!("server:{server}");
            let detail = json!({ "note": note, "serial": tpm.serial });
            Ok(self.audit(tx, Some(actor.user), "hardware.report", object, detail)?)
        })
    }

    /// Reports that nobody decided about, oldest first. Support only.
    ///
    /// # Errors
    /// Not support.
    pub fn open_reports(&self, actor: &Actor) -> Result<Vec<HardwareReport>, DeskError> {
        actor.must(Right::Support)?;
        self.transact(|tx| Ok(tx.open_reports(None, QUEUE_ROWS)?))
    }

    /// Writes the reported box off, or declines the report. Support only.
    ///
    /// # Errors
    /// Not support, no such open report, or the box can't be written off.
    pub fn decide_report(
        &self,
        actor: &Actor,
        id: i64,
        approve: bool,
        answer: &str,
    ) -> Result<Option<Hardware>, DeskError> {
        actor.must(Right::Support)?;
        check_note(answer)?;
        self.transact_journaled(|tx, journaled| {
            let at_utc_s = self.now().as_second();
            let server = (tx.decide_report(id, approve, answer, at_utc_s)?)
                .ok_or(DeskError::NotFound { what: "report" })?;
            if approve {
                let note = format!("report {id}: {answer}");
                return Ok(Some(
                    self.write_off_in(tx, actor, server, &note, journaled)?,
                ));
            }
            let object = format!("server:{server}");
            let detail = json!({ "note": answer });
            self.audit(tx, Some(actor.user), "hardware.decline", object, detail)?;
            Ok(None)
        })
    }
}
