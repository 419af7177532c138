//! Distributors, projects, servers.

use rusqlite::{Row, params};

use super::{SqliteTx, failed_or_taken, get, parse, unsigned};
use crate::rules::Counts;
use crate::store::{
    Distributor, DistributorId, Project, ProjectId, ProjectsTx, Server, ServerId, StoreError,
};

fn read_distributor(row: &Row<'_>) -> Result<Distributor, StoreError> {
    Ok(Distributor {
        id: parse(row, "id")?,
        name: get(row, "name")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

fn read_project(row: &Row<'_>) -> Result<Project, StoreError> {
    Ok(Project {
        id: parse(row, "id")?,
        distributor: parse(row, "distributor_id")?,
        name: get(row, "name")?,
        description: get(row, "description")?,
        built_in: get(row, "built_in")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

fn read_server(row: &Row<'_>) -> Result<Server, StoreError> {
    Ok(Server {
        id: parse(row, "id")?,
        project: parse(row, "project_id")?,
        name: get(row, "name")?,
        description: get(row, "description")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

impl ProjectsTx for SqliteTx<'_> {
    fn insert_distributor(&mut self, distributor: &Distributor) -> Result<(), StoreError> {
        self.0
            .execute(
                "INSERT INTO distributors (id, name, created_utc_s) VALUES (?1, ?2, ?3)",
                params![
                    distributor.id.to_string(),
                    distributor.name,
                    distributor.created_utc_s
                ],
            )
            .map(drop)
            .map_err(failed_or_taken(
                "add a distributor",
                "a distributor of this name",
            ))
    }

    fn distributors(&mut self) -> Result<Vec<Distributor>, StoreError> {
        self.all(
            "read the distributors",
            "SELECT * FROM distributors ORDER BY name",
            [],
            read_distributor,
        )
    }

    fn distributor(&mut self, id: DistributorId) -> Result<Option<Distributor>, StoreError> {
        self.one(
            "find a distributor",
            "SELECT * FROM distributors WHERE id = ?1",
            [id.to_string()],
            read_distributor,
        )
    }

    fn insert_project(&mut self, project: &Project) -> Result<(), StoreError> {
        self.0
            .execute(
                "INSERT INTO projects
                     (id, distributor_id, name, description, built_in, created_utc_s)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    project.id.to_string(),
                    project.distributor.to_string(),
                    project.name,
                    project.description,
                    project.built_in,
                    project.created_utc_s
                ],
            )
            .map(drop)
            .map_err(failed_or_taken("add a project", "a project of this name"))
    }

    fn projects(&mut self, of: Option<DistributorId>) -> Result<Vec<Project>, StoreError> {
        self.all(
            "read the projects",
            "SELECT * FROM projects WHERE ?1 IS NULL OR distributor_id = ?1
             ORDER BY built_in, name",
            [of.map(|id| id.to_string())],
            read_project,
        )
    }

    fn project(&mut self, id: ProjectId) -> Result<Option<Project>, StoreError> {
        self.one(
            "find a project",
            "SELECT * FROM projects WHERE id = ?1",
            [id.to_string()],
            read_project,
        )
    }

    fn insert_server(&mut self, server: &Server) -> Result<(), StoreError> {
        self.0
            .execute(
                "INSERT INTO servers (id, project_id, name, description, created_utc_s)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    server.id.to_string(),
                    server.project.to_string(),
                    server.name,
                    server.description,
                    server.created_utc_s
                ],
            )
            .map(drop)
            .map_err(failed_or_taken("add a server", "a server of this name"))
    }

    fn servers(&mut self, of: ProjectId) -> Result<Vec<Server>, StoreError> {
        self.all(
            "read the servers",
            "SELECT * FROM servers WHERE project_id = ?1 ORDER BY name",
            [of.to_string()],
            read_server,
        )
    }

    fn server(&mut self, id: ServerId) -> Result<Option<Server>, StoreError> {
        self.one(
            "find a server",
            "SELECT * FROM servers WHERE id = ?1",
            [id.to_string()],
            read_server,
        )
    }

    fn project_charge(&mut self, id: ProjectId) -> Result<Counts, StoreError> {
        let pairs = self.all(
            "add up a project",
            "SELECT tpm_charges.kind AS kind, SUM(tpm_charges.count) AS count
             FROM tpm_charges
             JOIN tpms ON tpms.id = tpm_charges.tpm_id
             JOIN servers ON servers.id = tpms.server_id
             WHERE servers.project_id = ?1 GROUP BY tpm_charges.kind",
            [id.to_string()],
            |row| Ok((get::<String>(row, "kind")?, unsigned::<u32>(row, "count")?)),
        )?;
        Ok(pairs.into_iter().collect())
    }
}
