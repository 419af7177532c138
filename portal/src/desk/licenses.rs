//! Licenses that were made.

use super::projects::visible_server;
use super::{Actor, Desk, DeskError};
use crate::rules::{Counts, Custody, Term};
use crate::store::lists::ServerRow;
use crate::store::others::{OtherFile, OtherLicense};
use crate::store::{FileId, LicenseFile, Project, ServerId, Tpm, Tx};
use crate::trust::TrustClass;

/// A server's licenses, newest first.
#[derive(Debug, Clone)]
pub struct ServerLicenses {
    /// The files, each with its license's id.
    pub files: Vec<(String, LicenseFile)>,
}

/// A license file of any kind, as it is handed out.
#[derive(Debug, Clone)]
pub struct HandedOut {
    /// Its id.
    pub id: FileId,
    /// `L-N`.
    pub license_id: String,
    /// 1 for the first.
    pub revision: u32,
    /// For which server.
    pub server: ServerId,
    /// What it gives.
    pub counts: Counts,
    /// The cameras it lists.
    pub macs: Vec<String>,
    /// Until when.
    pub term: Term,
    /// Seconds since 1970.
    pub issued_utc_s: i64,
    /// The file.
    pub text: String,
}

impl HandedOut {
    fn of_tpm(tpm: &Tpm, file: LicenseFile) -> Self {
        Self {
            license_id: tpm.license_id(),
            server: tpm.server,
            id: file.id,
            revision: file.revision,
            counts: file.counts,
            macs: Vec::new(),
            term: file.term,
            issued_utc_s: file.issued_utc_s,
            text: file.text,
        }
    }

    fn of_other(license: &OtherLicense, file: &OtherFile) -> Self {
        Self {
            id: license.file_id(file.revision),
            license_id: license.license_id(),
            revision: file.revision,
            server: license.server,
            counts: file.counts.clone(),
            macs: file.macs.iter().map(ToString::to_string).collect(),
            term: file.term,
            issued_utc_s: file.issued_utc_s,
            text: file.text.clone(),
        }
    }
}

/// One license of a box, beside another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// Its file's id.
    pub id: String,
    /// What it gives.
    pub counts: Counts,
}

/// The box that stands for a server.
#[derive(Debug, Clone)]
pub struct BoxInfo {
    /// As it said first.
    pub serial: String,
    /// As it said first.
    pub model: String,
    /// Who vouches for its TPM.
    pub class: TrustClass,
    /// Names of its endorsement and attestation keys.
    pub keys: [String; 2],
    /// Where it is.
    pub custody: Custody,
    /// What it had when it was last heard of.
    pub in_use: Option<Revision>,
    /// What was made for it last.
    pub latest: Option<Revision>,
}

/// All that is known of a server.
#[derive(Debug, Clone)]
pub struct ServerInfo {
    /// As lists show it.
    pub row: ServerRow,
    /// Where it is.
    pub project: Project,
    /// The name of whose it is.
    pub distributor: String,
    /// Its box; none before its first license.
    pub hardware: Option<BoxInfo>,
}

fn handed_out(tx: &mut dyn Tx, server: ServerId) -> Result<Vec<HandedOut>, DeskError> {
    let mut files = Vec::new();
    for tpm in tx.tpms_of_server(server)? {
        // What the hardware had before it was sold again is its former owner's.
        for file in tx.files_of_tpm(tpm.id)? {
            if file.to >= tpm.row.void_below {
                files.push(HandedOut::of_tpm(&tpm, file));
            }
        }
    }
    for license in tx.other_licenses(server)? {
        files.extend((license.files.iter()).map(|file| HandedOut::of_other(&license, file)));
    }
    // Stable: files of one second stay in the order of their revisions.
    files.sort_by_key(|file| file.issued_utc_s);
    files.reverse();
    Ok(files)
}

impl Desk {
    /// The licenses of a server's boxes, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn licenses(&self, actor: &Actor, server: ServerId) -> Result<ServerLicenses, DeskError> {
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            let mut files = Vec::new();
            for tpm in tx.tpms_of_server(server)? {
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

    /// The license files of a server, of all kinds, newest first.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn handed_out(&self, actor: &Actor, server: ServerId) -> Result<Vec<HandedOut>, DeskError> {
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            handed_out(tx, server)
        })
    }

    /// A license file of any kind, to be downloaded once more.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn license_file(&self, actor: &Actor, id: &FileId) -> Result<HandedOut, DeskError> {
        let missing = || DeskError::NotFound { what: "license" };
        self.transact(|tx| {
            let found = match tx.file(id)? {
                Some((file, tpm)) if file.to >= tpm.row.void_below => {
                    Some(HandedOut::of_tpm(&tpm, file))
                }
                Some(_) => None,
                None => match id.number() {
                    Some(number) => tx.other_license(number)?.and_then(|license| {
                        let file = (license.files.iter())
                            .find(|file| license.file_id(file.revision) == *id)?;
                        Some(HandedOut::of_other(&license, file))
                    }),
                    None => None,
                },
            };
            let found = found.ok_or_else(missing)?;
            match visible_server(tx, actor, found.server) {
                Err(DeskError::NotFound { .. }) => Err(missing()),
                Err(other) => Err(other),
                Ok(_) => Ok(found),
            }
        })
    }

    /// All that is known of a server.
    ///
    /// # Errors
    /// There is no such server, or none that this person may know of.
    pub fn server_info(&self, actor: &Actor, id: ServerId) -> Result<ServerInfo, DeskError> {
        self.transact(|tx| {
            let (_, project) = visible_server(tx, actor, id)?;
            self.end_licenses(tx, Some(project.distributor))?;
            let missing = || DeskError::NotFound { what: "server" };
            let row = tx.server_row(id)?.ok_or_else(missing)?;
            let distributor = tx.distributor(project.distributor)?.ok_or_else(missing)?;
            let hardware = tx.tpms_of_server(id)?.pop().map(|tpm| {
                let revision = |license: &crate::rules::Issued| Revision {
                    id: license.id.clone(),
                    counts: license.counts.clone(),
                };
                let heard_of = tpm.row.attested;
                BoxInfo {
                    in_use: (tpm.row.newest_up_to(heard_of, self.now().as_second())).map(revision),
                    latest: tpm.row.newest().map(revision),
                    serial: tpm.serial,
                    model: tpm.model,
                    class: tpm.class,
                    keys: [tpm.identity.ek_name, tpm.identity.ak_name],
                    custody: tpm.row.custody,
                }
            });
            Ok(ServerInfo {
                row,
                project,
                distributor: distributor.name,
                hardware,
            })
        })
    }
}
