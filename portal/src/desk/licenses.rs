//! Licenses that were made.

use super::projects::visible_server;
use super::{Actor, Desk, DeskError};
use crate::store::{FileId, LicenseFile, ServerId};

/// A server's licenses, newest first.
#[derive(Debug, Clone)]
pub struct ServerLicenses {
    /// The files, each with its license's id.
    pub files: Vec<(String, LicenseFile)>,
}

impl Desk {
    /// The licenses of a server, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn licenses(&self, actor: &Actor, server: ServerId) -> Result<ServerLicenses, DeskError> {
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            let mut files = Vec::new();
            for tpm in tx.tpms_of_server(server)? {
                // What the hardware had before it was sold again is its former owner's.
                for file in tx.files_of_tpm(tpm.id)? {
                    if file.to >= tpm.row.void_below {
                        files.push((tpm.license_id(), file));
                    }
                }
            }
            files.reverse();
            Ok(ServerLicenses { files })
        })
    }

    /// A license file, to be downloaded once more.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn license_file(&self, actor: &Actor, id: &FileId) -> Result<LicenseFile, DeskError> {
        let missing = || DeskError::NotFound { what: "license" };
        self.transact(|tx| {
            let (file, tpm) = tx.file(id)?.ok_or_else(missing)?;
            if file.to < tpm.row.void_below {
                return Err(missing());
            }
            match visible_server(tx, actor, tpm.server) {
                Err(DeskError::NotFound { .. }) => return Err(missing()),
                other => other?,
            };
            Ok(file)
        })
    }
}
