//! Channels that were given back, until the box proves it.

use serde_json::json;

use super::charge::Changes;
use super::issue::proof_of;
use super::projects::visible_server;
use super::request::{Admitted, Makers, admit};
use super::{Actor, Desk, DeskError};
use crate::rules::{self, Counts, Refusal};
use crate::store::{ServerId, Tx};

/// What a proving request brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// What came back to the distributor.
    pub credited: Counts,
    /// What still waits.
    pub waiting: Counts,
}

impl Desk {
    /// Takes the request of a box that imported its newest license: what that gives less
    /// than what was charged comes back.
    ///
    /// # Errors
    /// No such server, the request or its TPM is not believed, it is another box's, or it
    /// does not prove the import; what it attests stays known.
    pub fn confirm_return(
        &self,
        actor: &Actor,
        server: ServerId,
        request: &[u8],
    ) -> Result<Returned, DeskError> {
        let makers = self.transact(|tx| {
            visible_server(tx, actor, server)?;
            Ok(Makers::read(tx)?)
        })?;
        let admitted = admit(request, &makers, self.flavour)?;
        let outcome: Result<Returned, DeskError> = self.transact_journaled(|tx, journaled| {
            self.confirm_in(tx, actor, server, &admitted, journaled)
        })?;
        outcome
    }

    fn confirm_in(
        &self,
        tx: &mut dyn Tx,
        actor: &Actor,
        server: ServerId,
        admitted: &Admitted,
        journaled: &mut bool,
    ) -> Result<Result<Returned, DeskError>, DeskError> {
        let (server, project) = visible_server(tx, actor, server)?;
        if self.alarm_if_written_off(tx, actor, server.id, admitted)? {
            return Ok(Err(Refusal::WrittenOff.into()));
        }
        self.end_licenses(tx, Some(project.distributor))?;
        let known = (tx.tpm(&admitted.identity)?).filter(|tpm| tpm.server == server.id);
        let Some(mut tpm) = known else {
            let ours = tx.tpms_of_server(server.id)?.pop();
            return Ok(Err(DeskError::OtherBox {
                server: server.name,
                ours: ours.map_or_else(|| "–".to_owned(), |tpm| tpm.serial),
                theirs: admitted.serial.clone(),
            }));
        };
        let before = tpm.row.clone();
        let proof = proof_of(tx, &tpm, admitted)?;
        let seen = self.seen(admitted, proof, tpm.class.credits());
        rules::upload(&mut tpm.row, &seen)?;
        let proven = self.proven_record(&tpm, &before, &seen);
        let credited = before.charged.above(&tpm.row.charged);
        let waiting = tpm.row.waiting_for_return();
        let changes = Changes {
            before: &before,
            records: proven.into_iter().collect(),
            note: format!("return of {}", tpm.serial),
            actor: actor.user,
        };
        let proves_nothing = credited.is_empty() && !waiting.is_empty();
        if !credited.is_empty() {
            let object = format!("server:{}", server.id);
            let detail = json!({ "counts": credited, "serial": tpm.serial });
            self.audit(tx, Some(actor.user), "return.confirm", object, detail)?;
        }
        self.keep(tx, &tpm, changes, journaled)?;
        Ok(if !proves_nothing {
            Ok(Returned { credited, waiting })
        } else if tpm.class.credits() {
            Err(DeskError::NotProven)
        } else {
            Err(DeskError::NotCredited)
        })
    }
}
