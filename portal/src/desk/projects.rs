//! Projects and their servers.

use serde_json::json;

use super::accounts::{check_name, visible_distributor};
use super::reach::Reach;
use super::{Actor, Desk, DeskError};
use crate::rules::Counts;
use crate::store::others::OtherLicense;
use crate::store::{Distributor, DistributorId, Project, ProjectId, Server, ServerId, Tpm, Tx};

/// A project as lists show it.
#[derive(Debug, Clone)]
pub struct ProjectView {
    /// The project.
    pub project: Project,
    /// Whose.
    pub distributor: Distributor,
    /// How many servers it has.
    pub servers: usize,
    /// What they are charged, in sum.
    pub charged: Counts,
}

/// A server as lists show it.
#[derive(Debug, Clone)]
pub struct ServerView {
    /// The server.
    pub server: Server,
    /// The box's serial number, once a license was issued.
    pub serial: Option<String>,
    /// What its box's newest license gives.
    pub licensed: Counts,
    /// What is charged, for licenses on a dongle and lists of cameras too.
    pub charged: Counts,
    /// What was given back and waits for the box's proof.
    pub waiting_for_return: Counts,
}

impl ServerView {
    fn of(server: Server, tpms: &[Tpm], others: &[OtherLicense]) -> Self {
        let sum = |pick: fn(&Tpm) -> Counts| {
            tpms.iter()
                .map(pick)
                .fold(Counts::none(), |sum, counts| sum.plus(&counts))
        };
        Self {
            server,
            serial: tpms.last().map(|tpm| tpm.serial.clone()),
            licensed: tpms
                .last()
                .and_then(|tpm| tpm.row.newest())
                .map(|newest| newest.counts.clone())
                .unwrap_or_default(),
            charged: (others.iter()).fold(sum(|tpm| tpm.row.charged.clone()), |sum, other| {
                sum.plus(&other.charged)
            }),
            waiting_for_return: sum(|tpm| tpm.row.waiting_for_return()),
        }
    }
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

fn check_description(text: &str) -> Result<String, DeskError> {
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
    /// The projects that this person sees.
    ///
    /// # Errors
    /// The database failed.
    pub fn projects(&self, actor: &Actor) -> Result<Vec<ProjectView>, DeskError> {
        self.transact(|tx| {
            let mut views = Vec::new();
            let reach = Reach::of(tx, actor)?;
            for project in tx.projects(None)? {
                if !reach.sees(project.distributor) {
                    continue;
                }
                self.end_licenses(tx, project.distributor)?;
                let distributor = visible_distributor(tx, actor, project.distributor)?;
                views.push(ProjectView {
                    servers: tx.servers(project.id)?.len(),
                    charged: tx.project_charge(project.id)?,
                    project,
                    distributor,
                });
            }
            Ok(views)
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
        self.transact(|tx| {
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
            Ok(project)
        })
    }

    /// One project.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn project(&self, actor: &Actor, id: ProjectId) -> Result<Project, DeskError> {
        self.transact(|tx| visible_project(tx, actor, id))
    }

    /// The servers of a project.
    ///
    /// # Errors
    /// There is no such project, or none that this person may know of.
    pub fn servers(&self, actor: &Actor, id: ProjectId) -> Result<Vec<ServerView>, DeskError> {
        self.transact(|tx| {
            let project = visible_project(tx, actor, id)?;
            self.end_licenses(tx, project.distributor)?;
            let mut views = Vec::new();
            for server in tx.servers(project.id)? {
                let tpms = tx.tpms_of_server(server.id)?;
                let others = tx.other_licenses(server.id)?;
                views.push(ServerView::of(server, &tpms, &others));
            }
            Ok(views)
        })
    }

    /// Adds a server to a project.
    ///
    /// # Errors
    /// The name is unfit or taken, or there is no such project.
    pub fn add_server(
        &self,
        actor: &Actor,
        project: ProjectId,
        name: &str,
        description: &str,
    ) -> Result<Server, DeskError> {
        let name = check_name(name)?;
        let description = check_description(description)?;
        self.transact(|tx| {
            let project = visible_project(tx, actor, project)?;
            let server = Server {
                id: ServerId::random(&mut rand::rng()),
                project: project.id,
                name,
                description,
                created_utc_s: self.now().as_second(),
            };
            tx.insert_server(&server)?;
            let object = format!("server:{}", server.id);
            let detail = json!({ "name": server.name });
            self.audit(tx, Some(actor.user), "server.add", object, detail)?;
            Ok(server)
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
        self.transact(|tx| {
            let (server, from) = visible_server(tx, actor, id)?;
            let to = visible_project(tx, actor, to)?;
            if to.distributor != from.distributor {
                return Err(DeskError::Unfit {
                    field: "project",
                    rule: "one of the same distributor",
                });
            }
            if to.id != from.id {
                tx.move_server(id, to.id)?;
                let object = format!("server:{}", server.id);
                let detail = json!({ "from": from.name, "to": to.name });
                self.audit(tx, Some(actor.user), "server.move", object, detail)?;
            }
            Ok(to)
        })
    }

    /// The projects of the distributor that a project is of.
    ///
    /// # Errors
    /// There is no such project, or none that this person may know of.
    pub fn sister_projects(&self, actor: &Actor, id: ProjectId) -> Result<Vec<Project>, DeskError> {
        self.transact(|tx| {
            let project = visible_project(tx, actor, id)?;
            Ok(tx.projects(Some(project.distributor))?)
        })
    }

    /// One server, with its project.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn server(&self, actor: &Actor, id: ServerId) -> Result<(ServerView, Project), DeskError> {
        self.transact(|tx| {
            let (server, project) = visible_server(tx, actor, id)?;
            self.end_licenses(tx, project.distributor)?;
            let tpms = tx.tpms_of_server(server.id)?;
            let others = tx.other_licenses(server.id)?;
            Ok((ServerView::of(server, &tpms, &others), project))
        })
    }
}
