//! Pages of lists.

use sealgate_license::entitlements::ListedMac;

use super::licenses::read_entry;
use super::projects::{read_distributor, read_project, read_server};
use super::{SqlRow, SqlTx, Value, get, params, parse, parse_optional, unsigned};
use crate::rules::Counts;
use crate::store::lists::{
    DistributorFacts, DistributorRow, HistoryRow, LedgerRow, ListsTx, Person, ProjectKey,
    ProjectRow, ServerFilter, ServerKind, ServerRow, Summary, WaitingReturn, used,
};
use crate::store::{
    DistributorId, Project, ProjectId, Server, ServerId, StoreError, TpmId, UserId,
};

/// A row of an object and one kind of its channels, with three numbers of them.
type Joined<T> = (T, Option<(String, [u32; 3])>);

/// Rows of one object stand together, one for each kind of channel: folds them into one.
fn fold<T>(
    rows: Vec<Joined<T>>,
    same: impl Fn(&T, &T) -> bool,
    add: impl Fn(&mut T, &str, [u32; 3]),
) -> Vec<T> {
    let mut folded: Vec<T> = Vec::new();
    for (object, counts) in rows {
        if !folded.last().is_some_and(|last| same(last, &object)) {
            folded.push(object);
        }
        if let (Some(last), Some((kind, numbers))) = (folded.last_mut(), counts) {
            add(last, &kind, numbers);
        }
    }
    folded
}

fn plus(counts: &mut Counts, kind: &str, count: u32) {
    if count > 0 {
        *counts = counts.plus(&Counts::of(kind, count));
    }
}

/// The kind and three numbers of an outer join; none where it found nothing.
fn read_numbers(
    row: &SqlRow,
    columns: [&'static str; 3],
) -> Result<Option<(String, [u32; 3])>, StoreError> {
    let Some(kind) = get::<Option<String>>(row, "count_kind")? else {
        return Ok(None);
    };
    let [first, second, third] = columns;
    let numbers = [
        unsigned(row, first)?,
        unsigned(row, second)?,
        unsigned(row, third)?,
    ];
    Ok(Some((kind, numbers)))
}

fn read_server_row(row: &SqlRow) -> Result<Joined<ServerRow>, StoreError> {
    let server = read_server(row)?;
    let modified_utc_s = get(row, "modified_utc_s")?;
    let counts = read_numbers(row, ["licensed", "charged", "waiting"])?;
    let summary = Summary {
        binding: parse_optional(row, "binding")?,
        serial: get(row, "serial")?,
        waiting_since_utc_s: get(row, "waiting_since_utc_s")?,
        issued_utc_s: None,
        ..Summary::default()
    };
    Ok((
        ServerRow {
            server,
            intended: parse(row, "intended")?,
            summary,
            modified_utc_s,
            version: get(row, "version")?,
        },
        counts,
    ))
}

fn fold_servers(rows: Vec<Joined<ServerRow>>) -> Vec<ServerRow> {
    fold(
        rows,
        |a, b| a.server.id == b.server.id,
        |row, kind, [licensed, charged, waiting]| {
            plus(&mut row.summary.licensed, kind, licensed);
            plus(&mut row.summary.charged, kind, charged);
            plus(&mut row.summary.waiting, kind, waiting);
        },
    )
}

fn read_project_row(row: &SqlRow) -> Result<Joined<ProjectRow>, StoreError> {
    Ok((
        ProjectRow {
            project: read_project(row)?,
            distributor: get(row, "distributor_name")?,
            archived: get(row, "archived")?,
            servers: unsigned(row, "servers")?,
            charged: Counts::none(),
            waiting: Counts::none(),
            modified_utc_s: get(row, "modified_utc_s")?,
            version: get(row, "version")?,
        },
        read_numbers(row, ["charged", "waiting", "waiting"])?,
    ))
}

fn fold_projects(rows: Vec<Joined<ProjectRow>>) -> Vec<ProjectRow> {
    fold(
        rows,
        |a, b| a.project.id == b.project.id,
        |row, kind, [charged, waiting, _]| {
            plus(&mut row.charged, kind, charged);
            plus(&mut row.waiting, kind, waiting);
        },
    )
}

fn read_distributor_row(row: &SqlRow) -> Result<Joined<DistributorRow>, StoreError> {
    let object = DistributorRow {
        distributor: read_distributor(row)?,
        facts: DistributorFacts {
            email: get(row, "email")?,
            description: get(row, "description")?,
            country: get(row, "country")?,
        },
        projects: unsigned(row, "projects")?,
        used: Counts::none(),
        waiting: Counts::none(),
        may_list_macs: get(row, "may_list_macs")?,
        version: get(row, "version")?,
    };
    let Some(kind) = get::<Option<String>>(row, "count_kind")? else {
        return Ok((object, None));
    };
    let charged = used(
        get(row, "granted")?,
        get(row, "written_off")?,
        get(row, "available")?,
    );
    Ok((
        object,
        Some((kind, [charged, unsigned(row, "waiting")?, 0])),
    ))
}

fn fold_distributors(rows: Vec<Joined<DistributorRow>>) -> Vec<DistributorRow> {
    fold(
        rows,
        |a, b| a.distributor.id == b.distributor.id,
        |row, kind, [charged, waiting, _]| {
            plus(&mut row.used, kind, charged);
            plus(&mut row.waiting, kind, waiting);
        },
    )
}

fn read_person(row: &SqlRow) -> Result<Option<Person>, StoreError> {
    let Some(email) = get::<Option<String>>(row, "person_email")? else {
        return Ok(None);
    };
    Ok(Some(Person {
        email,
        is_staff: get::<Option<String>>(row, "person_distributor")?.is_none(),
    }))
}

/// The condition that a column is one of these, whose values stand behind those there are.
fn among(column: &str, only: Option<&[DistributorId]>, values: &mut Vec<Value>) -> String {
    let Some(only) = only else {
        return "TRUE".to_owned();
    };
    let first = values.len() + 1;
    let places: Vec<String> = (first..first + only.len())
        .map(|place| format!("?{place}"))
        .collect();
    values.extend(only.iter().flat_map(|id| params![id.to_string()]));
    // Nobody's: no row.
    if places.is_empty() {
        return "FALSE".to_owned();
    }
    format!("{column} IN ({})", places.join(", "))
}

/// A pattern of LIKE for what contains this, with `!` before what LIKE would read.
fn containing(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

const DISTRIBUTORS: &str = "
    SELECT page.*, balances.kind AS count_kind, balances.available, balances.granted,
           balances.written_off, balances.waiting
    FROM (SELECT * FROM distributors WHERE";
const WITH_BALANCES: &str = ") AS page
    LEFT JOIN balances ON balances.distributor_id = page.id
    ORDER BY page.name, balances.kind";

const PROJECTS: &str = "
    SELECT page.*, distributors.name AS distributor_name, project_counts.kind AS count_kind,
           project_counts.charged, project_counts.waiting
    FROM (SELECT * FROM projects WHERE";
const WITH_THEIR_COUNTS: &str = ") AS page
    JOIN distributors ON distributors.id = page.distributor_id
    LEFT JOIN project_counts ON project_counts.project_id = page.id
    ORDER BY page.built_in, page.name, page.id, project_counts.kind";

const SERVERS: &str = "
    SELECT page.*, server_counts.kind AS count_kind, server_counts.licensed,
           server_counts.charged, server_counts.waiting
    FROM (SELECT * FROM servers WHERE";
const WITH_COUNTS: &str = ") AS page
    LEFT JOIN server_counts ON server_counts.server_id = page.id
    ORDER BY page.name, page.id, server_counts.kind";

impl ListsTx for SqlTx<'_> {
    fn distributors_page(
        &mut self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<DistributorRow>, StoreError> {
        self.refresh()?;
        let sql = format!("{DISTRIBUTORS} name > ?1 ORDER BY name LIMIT ?2{WITH_BALANCES}");
        let values = params![after, limit];
        let rows = self.all("read the distributors", &sql, values, read_distributor_row)?;
        Ok(fold_distributors(rows))
    }

    fn distributor_row(&mut self, id: DistributorId) -> Result<Option<DistributorRow>, StoreError> {
        self.refresh()?;
        let sql = format!("{DISTRIBUTORS} id = ?1{WITH_BALANCES}");
        let values = [id.to_string()];
        let rows = self.all("find a distributor", &sql, values, read_distributor_row)?;
        Ok(fold_distributors(rows).pop())
    }

    fn describe_distributor(
        &mut self,
        id: DistributorId,
        facts: &DistributorFacts,
        version: i64,
    ) -> Result<bool, StoreError> {
        let changed = self.one(
            "describe a distributor",
            "UPDATE distributors SET email = ?2, description = ?3, country = ?4,
                 version = version + 1 WHERE id = ?1 AND version = ?5 RETURNING id",
            params![
                id.to_string(),
                facts.email,
                facts.description,
                facts.country,
                version
            ],
            |_| Ok(()),
        )?;
        Ok(changed.is_some())
    }

    fn projects_page(
        &mut self,
        only: Option<&[DistributorId]>,
        archived: bool,
        after: Option<&ProjectKey>,
        limit: u32,
    ) -> Result<Vec<ProjectRow>, StoreError> {
        self.refresh()?;
        let (built_in, name, id) = match after {
            Some(key) => (
                i64::from(key.built_in),
                key.name.clone(),
                key.id.to_string(),
            ),
            None => (-1, String::new(), String::new()),
        };
        let behind = "archived = ?1 AND (built_in, name, id) > (?2, ?3, ?4)
            ORDER BY built_in, name, id LIMIT ?5";
        let mut values: Vec<Value> = params![archived, built_in, name, id, limit]
            .into_iter()
            .collect();
        let condition = among("distributor_id", only, &mut values);
        let sql = format!("{PROJECTS} {condition} AND {behind}{WITH_THEIR_COUNTS}");
        let rows = self.all("read the projects", &sql, values, read_project_row)?;
        Ok(fold_projects(rows))
    }

    fn project_row(&mut self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError> {
        self.refresh()?;
        let sql = format!("{PROJECTS} id = ?1{WITH_THEIR_COUNTS}");
        let rows = self.all("find a project", &sql, [id.to_string()], read_project_row)?;
        Ok(fold_projects(rows).pop())
    }

    fn change_project(
        &mut self,
        project: &Project,
        archived: bool,
        version: i64,
    ) -> Result<bool, StoreError> {
        self.change(
            "change a project",
            "a project of this name",
            "UPDATE projects SET name = ?2, description = ?3, archived = ?4,
                 version = version + 1 WHERE id = ?1 AND version = ?5 RETURNING id",
            params![
                project.id.to_string(),
                project.name,
                project.description,
                archived,
                version
            ],
        )
    }

    fn servers_page(
        &mut self,
        of: ProjectId,
        filter: &ServerFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ServerRow>, StoreError> {
        self.refresh()?;
        let mut values: Vec<Value> = params![of.to_string(), after, limit].into_iter().collect();
        let condition = if filter.text.is_empty() {
            ""
        } else {
            values.extend(params![
                containing(&filter.text),
                filter.mac.as_ref().map(ListedMac::to_string)
            ]);
            "AND (search LIKE ?4 ESCAPE '!'
                  OR id IN (SELECT other_licenses.server_id FROM listed_macs
                            JOIN other_licenses USING (license_number)
                            WHERE listed_macs.mac = ?5))"
        };
        let sql = format!(
            "{SERVERS} project_id = ?1 AND name > ?2 {condition}
             ORDER BY name LIMIT ?3{WITH_COUNTS}"
        );
        let rows = self.all("read the servers", &sql, values, read_server_row)?;
        Ok(fold_servers(rows))
    }

    fn server_row(&mut self, id: ServerId) -> Result<Option<ServerRow>, StoreError> {
        self.refresh()?;
        let sql = format!("{SERVERS} id = ?1{WITH_COUNTS}");
        let rows = self.all("find a server", &sql, [id.to_string()], read_server_row)?;
        Ok(fold_servers(rows).pop())
    }

    fn set_intended(&mut self, id: ServerId, kind: ServerKind) -> Result<(), StoreError> {
        self.execute(
            "set what a server is licensed by",
            "UPDATE servers SET intended = ?2 WHERE id = ?1",
            params![id.to_string(), kind.as_str()],
        )
    }

    fn change_server(&mut self, server: &Server, version: i64) -> Result<bool, StoreError> {
        let changed = self.change(
            "change a server",
            "a server of this name",
            "UPDATE servers SET name = ?2, description = ?3, version = version + 1
             WHERE id = ?1 AND version = ?4 RETURNING id",
            params![
                server.id.to_string(),
                server.name,
                server.description,
                version
            ],
        )?;
        self.mark(server.id);
        Ok(changed)
    }

    fn waiting_returns(
        &mut self,
        only: Option<&[DistributorId]>,
        limit: u32,
    ) -> Result<Vec<WaitingReturn>, StoreError> {
        self.refresh()?;
        let mut values: Vec<Value> = params![limit].into_iter().collect();
        let condition = among("projects.distributor_id", only, &mut values);
        let sql = format!(
            "SELECT page.*, server_counts.kind AS count_kind, server_counts.waiting
             FROM (SELECT servers.id, servers.name, servers.waiting_since_utc_s,
                          projects.name AS project_name,
                          distributors.name AS distributor_name
                   FROM servers
                   JOIN projects ON projects.id = servers.project_id
                   JOIN distributors ON distributors.id = projects.distributor_id
                   WHERE servers.waiting_since_utc_s IS NOT NULL AND {condition}
                   ORDER BY servers.waiting_since_utc_s, servers.id LIMIT ?1) AS page
             LEFT JOIN server_counts ON server_counts.server_id = page.id
             ORDER BY page.waiting_since_utc_s, page.id, server_counts.kind"
        );
        let rows = self.all("read the waiting returns", &sql, values, |row| {
            let object = WaitingReturn {
                server: parse(row, "id")?,
                name: get(row, "name")?,
                project: get(row, "project_name")?,
                distributor: get(row, "distributor_name")?,
                waiting: Counts::none(),
                since_utc_s: get(row, "waiting_since_utc_s")?,
            };
            Ok((
                object,
                read_numbers(row, ["waiting", "waiting", "waiting"])?,
            ))
        })?;
        Ok(fold(
            rows,
            |a, b| a.server == b.server,
            |row, kind, [waiting, _, _]| plus(&mut row.waiting, kind, waiting),
        ))
    }

    fn ledger_page(
        &mut self,
        of: DistributorId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        self.all(
            "read the ledger",
            "SELECT page.*, users.email AS person_email,
                    users.distributor_id AS person_distributor
             FROM (SELECT * FROM ledger WHERE distributor_id = ?1 AND seq < ?2
                   ORDER BY seq DESC LIMIT ?3) AS page
             LEFT JOIN users ON users.id = page.actor_id ORDER BY page.seq DESC",
            params![of.to_string(), before.unwrap_or(i64::MAX), limit],
            |row| {
                Ok(LedgerRow {
                    seq: get(row, "seq")?,
                    entry: read_entry(row)?,
                    balance: get(row, "balance")?,
                    by: read_person(row)?,
                })
            },
        )
    }

    fn history_page(
        &mut self,
        object: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        self.all(
            "read the history",
            "SELECT page.*, users.email AS person_email,
                    users.distributor_id AS person_distributor
             FROM (SELECT seq, at_utc_ms, actor_id, action, detail FROM audit
                   WHERE object = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3) AS page
             LEFT JOIN users ON users.id = page.actor_id ORDER BY page.seq DESC",
            params![object, before.unwrap_or(i64::MAX), limit],
            |row| {
                Ok(HistoryRow {
                    seq: get(row, "seq")?,
                    at_utc_ms: get(row, "at_utc_ms")?,
                    by: read_person(row)?,
                    action: get(row, "action")?,
                    detail: get(row, "detail")?,
                })
            },
        )
    }

    fn ends_were_settled(
        &mut self,
        of: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "note ended licenses",
            "DELETE FROM license_ends WHERE ends_utc_s <= ?2 AND EXISTS
                 (SELECT 1 FROM tpms JOIN servers ON servers.id = tpms.server_id
                  JOIN projects ON projects.id = servers.project_id
                  WHERE tpms.id = license_ends.tpm_id AND (CAST(?1 AS TEXT) IS NULL OR projects.distributor_id = ?1))",
            params![of.map(|of| of.to_string()), by_utc_s],
        )
    }

    fn other_ends_were_settled(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.execute(
            "note ended licenses",
            "DELETE FROM other_ends WHERE ends_utc_s <= ?2 AND EXISTS
                 (SELECT 1 FROM other_licenses JOIN servers ON servers.id = other_licenses.server_id
                  JOIN projects ON projects.id = servers.project_id
                  WHERE other_licenses.license_number = other_ends.license_number
                    AND projects.distributor_id = ?1)",
            params![of.to_string(), by_utc_s],
        )
    }

    fn answer(
        &mut self,
        user: UserId,
        key: &str,
    ) -> Result<Option<([u8; 32], String)>, StoreError> {
        self.one(
            "find an answer",
            "SELECT request_sha256, answer FROM answered_requests
             WHERE user_id = ?1 AND key = ?2",
            params![user.to_string(), key],
            |row| Ok((get(row, "request_sha256")?, get(row, "answer")?)),
        )
    }

    fn insert_answer(
        &mut self,
        user: UserId,
        key: &str,
        request_sha256: &[u8; 32],
        answer: &str,
        at_utc_s: i64,
    ) -> Result<(), StoreError> {
        self.insert(
            "keep an answer",
            "an answer to this request",
            "INSERT INTO answered_requests (user_id, key, request_sha256, answer, at_utc_s)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![user.to_string(), key, *request_sha256, answer, at_utc_s],
        )
    }

    fn issued_to_tpm(&mut self, tpm: TpmId) -> Result<Option<i64>, StoreError> {
        let newest = self.one(
            "find a license's time",
            "SELECT issued_utc_s FROM license_files WHERE tpm_id = ?1
             ORDER BY revision DESC LIMIT 1",
            [tpm.0],
            |row| get(row, "issued_utc_s"),
        )?;
        Ok(newest)
    }
}
