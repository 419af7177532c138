//! Projects and their servers.

use sealgate_license::entitlements::ListedMac;
use serde_json::json;

use super::accounts::{check_name, visible_distributor};
use super::once::Once;
use super::pages_of::{Page, Paging, project_cursor};
use super::reach::Reach;
use super::{Actor, Desk, DeskError};
use crate::store::lists::{ProjectRow, ServerFilter, ServerKind, ServerRow};
use crate::store::{DistributorId, Project, ProjectId, Server, ServerId, Tx};

/// A server to be added.
#[derive(Debug, Clone, Copy)]
pub struct NewServer<'a> {
    /// Unique within its project.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// What it is to be licensed by.
    pub kind: ServerKind,
}

/// What is to be said of a project or a server from now on.
#[derive(Debug, Clone, Copy)]
pub struct Renamed<'a> {
    /// Its name.
    pub name: &'a str,
    /// For people.
    pub description: &'a str,
    /// The version that was changed: another one means that somebody was faster.
    pub version: i64,
}

/// The project, if this person may know of it.
pub(super) fn visible_project(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: ProjectId,
) -> Result<Project, DeskError> {
    let reach = Reach::of(tx, actor)?;
    tx.project(id)?
        .filter(|project| reach.sees(project.distributor))
        .ok_or(DeskError::NotFound { what: "project" })
}

/// The server with its project, if this person may know of it.
pub(super) fn visible_server(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: ServerId,
) -> Result<(Server, Project), DeskError> {
    let missing = DeskError::NotFound { what: "server" };
    let reach = Reach::of(tx, actor)?;
    let Some(server) = tx.server(id)? else {
        return Err(missing);
    };
    match tx.project(server.project)? {
        Some(project) if reach.sees(project.distributor) => Ok((server, project)),
        _ => Err(missing),
    }
}

pub(super) fn check_description(text: &str) -> Result<String, DeskError> {
    let description = text.trim();
    if description.chars().count() > 1000 {
        return Err(DeskError::Unfit {
            field: "description",
            rule: "at most 1000 characters",
        });
    }
    Ok(description.to_owned())
}

impl Desk {
    /// A page of the projects that this person sees: those in use, or those that were put
    /// out of the way.
    ///
    /// # Errors
    /// There is no such page.
    pub fn projects(
        &self,
        actor: &Actor,
        archived: bool,
        paging: &Paging,
    ) -> Result<Page<ProjectRow>, DeskError> {
        let after = paging.project()?;
        self.transact(|tx| {
            let reach = Reach::of(tx, actor)?;
            match reach.only() {
                None => self.end_licenses(tx, None)?,
                Some(ids) => {
                    for id in ids {
                        self.end_licenses(tx, Some(*id))?;
                    }
                }
            }
            Ok(paging.page(project_cursor, |limit| {
                tx.projects_page(reach.only(), archived, after.as_ref(), limit)
            })?)
        })
    }

    /// Adds a project to the person's distributor; vendor staff name one.
    ///
    /// # Errors
    /// The name is unfit or taken; vendor staff named no distributor.
    pub fn add_project(
        &self,
        actor: &Actor,
        distributor: Option<DistributorId>,
        name: &str,
        description: &str,
    ) -> Result<Project, DeskError> {
        let name = check_name(name)?;
        let description = check_description(description)?;
        let wanted = distributor.or(actor.distributor).ok_or(DeskError::Unfit {
            field: "distributor",
            rule: "named by vendor staff",
        })?;
        let once = Once::of(actor, "project.add", &(wanted, &name, &description))?;
        self.transact(|tx| {
            if let Some(id) = self.answered(tx, actor, &once)? {
                let missing = DeskError::NotFound { what: "project" };
                return visible_project(tx, actor, id.parse().map_err(|_| missing)?);
            }
            let distributor = visible_distributor(tx, actor, wanted)?;
            let project = Project {
                id: ProjectId::random(&mut rand::rng()),
                distributor: distributor.id,
                name,
                description,
                built_in: false,
                created_utc_s: self.now().as_second(),
            };
            tx.insert_project(&project)?;
            let object = format!("project:{}", project.id);
            let detail = json!({ "name": project.name });
            self.audit(tx, Some(actor.user), "project.add", object, detail)?;
            self.answer(tx, actor, &once, &project.id.to_string())?;
            Ok(project)
        })
    }

    /// One project.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn project(&self, actor: &Actor, id: ProjectId) -> Result<ProjectRow, DeskError> {
        self.transact(|tx| {
            let project = visible_project(tx, actor, id)?;
            self.end_licenses(tx, Some(project.distributor))?;
            tx.project_row(id)?
                .ok_or(DeskError::NotFound { what: "project" })
        })
    }

    /// Renames a project, describes it, or puts it out of the way.
    ///
    /// # Errors
    /// There is no such project; the name is unfit or taken; it is the built-in one;
    /// somebody else changed it meanwhile.
    pub fn change_project(
        &self,
        actor: &Actor,
        id: ProjectId,
        renamed: &Renamed<'_>,
        archived: bool,
    ) -> Result<(), DeskError> {
        let name = check_name(renamed.name)?;
        let description = check_description(renamed.description)?;
        self.transact(|tx| {
            let before = visible_project(tx, actor, id)?;
            if before.built_in && (archived || name != before.name) {
                return Err(DeskError::BuiltIn);
            }
            let was_archived = (tx.project_row(id)?).is_some_and(|row| row.archived);
            let object = format!("project:{id}");
            let after = Project {
                name,
                description,
                ..before.clone()
            };
            if !tx.change_project(&after, archived, renamed.version)? {
                return Err(self.changed_meanwhile(tx, actor, &object)?);
            }
            let detail = json!({
                "was": { "name": before.name, "description": before.description,
                         "archived": was_archived },
                "is": { "name": after.name, "description": after.description,
                        "archived": archived },
            });
            self.audit(tx, Some(actor.user), "project.change", object, detail)?;
            Ok(())
        })
    }

    /// A page of the servers of a project: with this in their name or serial number, or
    /// with a license that lists this camera.
    ///
    /// # Errors
    /// There is no such project, or none that this person may know of.
    pub fn servers(
        &self,
        actor: &Actor,
        id: ProjectId,
        find: &str,
        paging: &Paging,
    ) -> Result<(ProjectRow, Page<ServerRow>), DeskError> {
        let filter = ServerFilter {
            text: find.trim().to_owned(),
            mac: find.trim().parse::<ListedMac>().ok(),
        };
        let after = paging.after.as_deref().unwrap_or_default();
        self.transact(|tx| {
            let project = visible_project(tx, actor, id)?;
            self.end_licenses(tx, Some(project.distributor))?;
            let row = (tx.project_row(id)?).ok_or(DeskError::NotFound { what: "project" })?;
            let page = paging.page(
                |row: &ServerRow| row.server.name.clone(),
                |limit| tx.servers_page(id, &filter, after, limit),
            )?;
            Ok((row, page))
        })
    }

    /// Adds a server to a project.
    ///
    /// # Errors
    /// The name is unfit or taken, there is no such project, or its distributor may not use
    /// MAC licenses and this is one.
    pub fn add_server(
        &self,
        actor: &Actor,
        project: ProjectId,
        new: &NewServer<'_>,
    ) -> Result<Server, DeskError> {
        let name = check_name(new.name)?;
        let description = check_description(new.description)?;
        let once = Once::of(
            actor,
            "server.add",
            &(project, &name, &description, new.kind),
        )?;
        self.transact(|tx| {
            if let Some(id) = self.answered(tx, actor, &once)? {
                let missing = DeskError::NotFound { what: "server" };
                return Ok(visible_server(tx, actor, id.parse().map_err(|_| missing)?)?.0);
            }
            let project = visible_project(tx, actor, project)?;
            if new.kind == ServerKind::Mac && !tx.may_list_macs(project.distributor)? {
                return Err(DeskError::MacsNotAllowed);
            }
            let server = Server {
                id: ServerId::random(&mut rand::rng()),
                project: project.id,
                name,
                description,
                created_utc_s: self.now().as_second(),
            };
            tx.insert_server(&server)?;
            tx.set_intended(server.id, new.kind)?;
            let object = format!("server:{}", server.id);
            let detail = json!({ "name": server.name, "kind": new.kind });
            self.audit(tx, Some(actor.user), "server.add", object, detail)?;
            self.answer(tx, actor, &once, &server.id.to_string())?;
            Ok(server)
        })
    }

    /// Renames a server, or describes it.
    ///
    /// # Errors
    /// There is no such server; the name is unfit or taken; somebody else changed it
    /// meanwhile.
    pub fn change_server(
        &self,
        actor: &Actor,
        id: ServerId,
        renamed: &Renamed<'_>,
    ) -> Result<(), DeskError> {
        let name = check_name(renamed.name)?;
        let description = check_description(renamed.description)?;
        self.transact(|tx| {
            let (before, _) = visible_server(tx, actor, id)?;
            let object = format!("server:{id}");
            let after = Server {
                name,
                description,
                ..before.clone()
            };
            if !tx.change_server(&after, renamed.version)? {
                return Err(self.changed_meanwhile(tx, actor, &object)?);
            }
            let detail = json!({
                "was": { "name": before.name, "description": before.description },
                "is": { "name": after.name, "description": after.description },
            });
            self.audit(tx, Some(actor.user), "server.change", object, detail)?;
            Ok(())
        })
    }

    /// Moves a server to another project of its distributor, whose channels it goes on
    /// using.
    ///
    /// # Errors
    /// There is no such server or project, or none that this person may know of; the
    /// project is another distributor's, or has a server of this name.
    pub fn move_server(
        &self,
        actor: &Actor,
        id: ServerId,
        to: ProjectId,
    ) -> Result<Project, DeskError> {
        let once = Once::of(actor, "server.move", &(id, to))?;
        self.transact(|tx| {
            let (server, from) = visible_server(tx, actor, id)?;
            let to = visible_project(tx, actor, to)?;
            if to.distributor != from.distributor {
                return Err(DeskError::Unfit {
                    field: "project",
                    rule: "one of the same distributor",
                });
            }
            if self.answered(tx, actor, &once)?.is_some() {
                return Ok(to);
            }
            if to.id != from.id {
                tx.move_server(id, to.id)?;
                let object = format!("server:{}", server.id);
                let detail = json!({ "from": from.name, "to": to.name });
                self.audit(tx, Some(actor.user), "server.move", object, detail)?;
            }
            self.answer(tx, actor, &once, &to.id.to_string())?;
            Ok(to)
        })
    }

    /// A page of the projects in use of the distributor that a project is of.
    ///
    /// # Errors
    /// There is no such project, or none that this person may know of.
    pub fn sister_projects(
        &self,
        actor: &Actor,
        id: ProjectId,
        paging: &Paging,
    ) -> Result<Page<ProjectRow>, DeskError> {
        let after = paging.project()?;
        self.transact(|tx| {
            let project = visible_project(tx, actor, id)?;
            Ok(paging.page(project_cursor, |limit| {
                tx.projects_page(Some(&[project.distributor]), false, after.as_ref(), limit)
            })?)
        })
    }

    /// One server, with its project.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn server(&self, actor: &Actor, id: ServerId) -> Result<(ServerRow, Project), DeskError> {
        self.transact(|tx| {
            let (_, project) = visible_server(tx, actor, id)?;
            self.end_licenses(tx, Some(project.distributor))?;
            let row = tx.server_row(id)?;
            Ok((row.ok_or(DeskError::NotFound { what: "server" })?, project))
        })
    }
}
