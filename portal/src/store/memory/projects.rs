//! Distributors, projects, servers.

use super::{MemoryTx, must_be_new, must_exist};
use crate::rules::Counts;
use crate::store::{
    Distributor, DistributorId, Project, ProjectId, ProjectsTx, Server, ServerId, StoreError,
};

impl ProjectsTx for MemoryTx {
    fn insert_distributor(&mut self, distributor: &Distributor) -> Result<(), StoreError> {
        let taken = (self.0.distributors.iter()).any(|other| other.name == distributor.name);
        must_be_new(taken, "a distributor of this name")?;
        self.0.distributors.push(distributor.clone());
        Ok(())
    }

    fn distributors(&mut self) -> Result<Vec<Distributor>, StoreError> {
        let mut all = self.0.distributors.clone();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn distributor(&mut self, id: DistributorId) -> Result<Option<Distributor>, StoreError> {
        let found = (self.0.distributors.iter()).find(|distributor| distributor.id == id);
        Ok(found.cloned())
    }

    fn insert_project(&mut self, project: &Project) -> Result<(), StoreError> {
        must_exist(
            self.distributor(project.distributor)?.is_some(),
            "distributor_id",
        )?;
        let taken = (self.0.projects.iter())
            .any(|other| other.distributor == project.distributor && other.name == project.name);
        must_be_new(taken, "a project of this name")?;
        self.0.projects.push(project.clone());
        Ok(())
    }

    fn projects(&mut self, of: Option<DistributorId>) -> Result<Vec<Project>, StoreError> {
        let mut all: Vec<Project> = (self.0.projects.iter())
            .filter(|project| of.is_none_or(|of| project.distributor == of))
            .cloned()
            .collect();
        all.sort_by(|a, b| (a.built_in, &a.name).cmp(&(b.built_in, &b.name)));
        Ok(all)
    }

    fn project(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        let found = self.0.projects.iter().find(|project| project.id == id);
        Ok(found.cloned())
    }

    fn insert_server(&mut self, server: &Server) -> Result<(), StoreError> {
        must_exist(self.project(server.project)?.is_some(), "project_id")?;
        let taken = (self.0.servers.iter())
            .any(|other| other.project == server.project && other.name == server.name);
        must_be_new(taken, "a server of this name")?;
        self.0.servers.push(server.clone());
        Ok(())
    }

    fn servers(&mut self, of: ProjectId) -> Result<Vec<Server>, StoreError> {
        let mut all: Vec<Server> = (self.0.servers.iter())
            .filter(|server| server.project == of)
            .cloned()
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    fn server(&mut self, id: ServerId) -> Result<Option<Server>, StoreError> {
        let found = self.0.servers.iter().find(|server| server.id == id);
        Ok(found.cloned())
    }

    fn move_server(&mut self, id: ServerId, to: ProjectId) -> Result<(), StoreError> {
        must_exist(self.project(to)?.is_some(), "project_id")?;
        let Some(server) = self.server(id)? else {
            return Ok(());
        };
        let taken = (self.0.servers.iter())
            .any(|other| other.id != id && other.project == to && other.name == server.name);
        must_be_new(taken, "a server of this name")?;
        for server in self.0.servers.iter_mut().filter(|server| server.id == id) {
            server.project = to;
        }
        Ok(())
    }

    fn project_charge(&mut self, id: ProjectId) -> Result<Counts, StoreError> {
        let of_tpms = (self.0.tpms.iter()).map(|tpm| (tpm.server, &tpm.row.charged));
        let of_others = (self.0.others.iter()).map(|other| (other.server, &other.charged));
        Ok(of_tpms
            .chain(of_others)
            .filter(|(server, _)| self.0.project_of_server(*server) == Some(id))
            .fold(Counts::none(), |sum, (_, charged)| sum.plus(charged)))
    }
}
