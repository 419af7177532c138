//! Distributors, projects, servers.

use super::{NONE, SqlRow, SqlTx, get, params, parse, unsigned};
use crate::rules::Counts;
use crate::store::{
    Distributor, DistributorId, Project, ProjectId, ProjectsTx, Server, ServerId, StoreError,
};

pub(super) fn read_distributor(row: &SqlRow) -> Result<Distributor, StoreError> {
    Ok(Distributor {
        id: parse(row, "id")?,
        name: get(row, "name")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

pub(super) fn read_project(row: &SqlRow) -> Result<Project, StoreError> {
    Ok(Project {
        id: parse(row, "id")?,
        distributor: parse(row, "distributor_id")?,
        name: get(row, "name")?,
        description: get(row, "description")?,
        built_in: get(row, "built_in")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

pub(super) fn read_server(row: &SqlRow) -> Result<Server, StoreError> {
    Ok(Server {
        id: parse(row, "id")?,
        project: parse(row, "project_id")?,
        name: get(row, "name")?,
        description: get(row, "description")?,
        created_utc_s: get(row, "created_utc_s")?,
    })
}

impl ProjectsTx for SqlTx<'_> {
    fn insert_distributor(&mut self, distributor: &Distributor) -> Result<(), StoreError> {
        self.insert(
            "add a distributor",
            "a distributor of this name",
            "INSERT INTO distributors (id, name, created_utc_s) VALUES (?1, ?2, ?3)",
            params![
                distributor.id.to_string(),
                distributor.name,
                distributor.created_utc_s
            ],
        )
    }

    fn distributors(&mut self) -> Result<Vec<Distributor>, StoreError> {
        self.all(
            "read the distributors",
            "SELECT * FROM distributors ORDER BY name",
            NONE,
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
        self.insert(
            "add a project",
            "a project of this name",
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
        )?;
        self.execute(
            "count the projects",
            "UPDATE distributors SET projects = projects + 1 WHERE id = ?1",
            [project.distributor.to_string()],
        )?;
        self.execute(
            "add a project",
            "UPDATE projects SET modified_utc_s = created_utc_s WHERE id = ?1",
            [project.id.to_string()],
        )
    }

    fn projects(&mut self, of: Option<DistributorId>) -> Result<Vec<Project>, StoreError> {
        self.all(
            "read the projects",
            "SELECT * FROM projects WHERE CAST(?1 AS TEXT) IS NULL OR distributor_id = ?1
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
        self.insert(
            "add a server",
            "a server of this name",
            "INSERT INTO servers (id, project_id, name, description, created_utc_s)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                server.id.to_string(),
                server.project.to_string(),
                server.name,
                server.description,
                server.created_utc_s
            ],
        )?;
        self.mark(server.id);
        self.execute(
            "count the servers",
            "UPDATE projects SET servers = servers + 1 WHERE id = ?1",
            [server.project.to_string()],
        )
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

    fn move_server(&mut self, id: ServerId, to: ProjectId) -> Result<(), StoreError> {
        self.refresh()?;
        let Some(server) = self.server(id)? else {
            return Ok(());
        };
        let (key, from, to) = (id.to_string(), server.project.to_string(), to.to_string());
        self.insert(
            "move a server",
            "a server of this name",
            "UPDATE servers SET project_id = ?2 WHERE id = ?1",
            params![key, to],
        )?;
        let has = self.counts_of(&key)?;
        let none = (Counts::none(), Counts::none());
        self.add_to_project(&from, &has, (&none.0, &none.1))?;
        self.add_to_project(&to, &none, (&has.0, &has.1))?;
        for (project, more) in [(from, -1_i64), (to, 1)] {
            self.execute(
                "count the servers",
                "UPDATE projects SET servers = servers + ?2 WHERE id = ?1",
                params![project, more],
            )?;
        }
        Ok(())
    }

    fn project_charge(&mut self, id: ProjectId) -> Result<Counts, StoreError> {
        self.refresh()?;
        let pairs = self.all(
            "add up a project",
            "SELECT kind, charged FROM project_counts WHERE project_id = ?1",
            [id.to_string()],
            |row| {
                Ok((
                    get::<String>(row, "kind")?,
                    unsigned::<u32>(row, "charged")?,
                ))
            },
        )?;
        Ok(pairs.into_iter().collect())
    }
}
