//! Pages of lists.

use std::collections::BTreeMap;

use super::{MemoryTx, must_be_new};
use crate::rules::Counts;
use crate::store::lists::{
    DistributorFacts, DistributorRow, HistoryRow, LedgerRow, ListsTx, Person, ProjectKey,
    ProjectRow, ServerFilter, ServerKind, ServerRow, Summary, WaitingReturn, used,
};
use crate::store::others::OthersTx as _;
use crate::store::{
    Distributor, DistributorId, LicensesTx as _, Project, ProjectId, ProjectsTx as _, Server,
    ServerId, StoreError, TpmId, UserId,
};

impl MemoryTx {
    fn row_of_server(&mut self, server: &Server) -> Result<ServerRow, StoreError> {
        let mut tpms = Vec::new();
        for tpm in self.tpms_of_server(server.id)? {
            let issued = self.issued_to_tpm(tpm.id)?;
            tpms.push((tpm, issued));
        }
        let others = self.other_licenses(server.id)?;
        let newest = (others.iter())
            .filter(|other| other.dongle.is_some())
            .max_by_key(|other| other.files.last().map(|file| file.issued_utc_s));
        let serial = match newest.and_then(|other| other.dongle.as_ref()) {
            Some(key) => self.dongle(key)?.map(|dongle| dongle.serial),
            None => None,
        };
        let mut summary = Summary::of(&tpms, &others, serial);
        let issued = summary.issued_utc_s.take().unwrap_or_default();
        Ok(ServerRow {
            server: server.clone(),
            intended: (self.0.intended.get(&server.id).copied()).unwrap_or_default(),
            summary,
            modified_utc_s: server.created_utc_s.max(issued),
            version: self.version(server.id.0),
        })
    }

    fn row_of_project(&mut self, project: &Project) -> Result<ProjectRow, StoreError> {
        let distributor = self.distributor(project.distributor)?;
        let mut row = ProjectRow {
            project: project.clone(),
            distributor: distributor
                .map(|distributor| distributor.name)
                .unwrap_or_default(),
            archived: self.0.archived.contains(&project.id),
            servers: 0,
            charged: Counts::none(),
            waiting: Counts::none(),
            modified_utc_s: project.created_utc_s,
            version: self.version(project.id.0),
        };
        for server in self.servers(project.id)? {
            let of_server = self.row_of_server(&server)?;
            row.servers += 1;
            row.charged = row.charged.plus(&of_server.summary.charged);
            row.waiting = row.waiting.plus(&of_server.summary.waiting);
            row.modified_utc_s = row.modified_utc_s.max(of_server.modified_utc_s);
        }
        Ok(row)
    }

    fn row_of_distributor(
        &mut self,
        distributor: Distributor,
    ) -> Result<DistributorRow, StoreError> {
        let id = distributor.id;
        let projects = self.projects(Some(id))?;
        let mut waiting = Counts::none();
        for project in &projects {
            waiting = waiting.plus(&self.row_of_project(project)?.waiting);
        }
        let used = (self.balances(id)?.into_iter()).map(|balance| {
            let count = used(balance.granted, balance.written_off, balance.available);
            (balance.kind, count)
        });
        Ok(DistributorRow {
            facts: self.0.facts.get(&id).cloned().unwrap_or_default(),
            projects: projects.len() as u64,
            used: used.collect(),
            waiting,
            may_list_macs: self.0.mac_listers.contains(&id),
            version: self.version(id.0),
            distributor,
        })
    }

    fn version(&self, id: uuid::Uuid) -> i64 {
        self.0.versions.get(&id).copied().unwrap_or(1)
    }

    /// Counts a change of what is still at `version`.
    fn changes(&mut self, id: uuid::Uuid, exists: bool, version: i64) -> bool {
        let fits = exists && self.version(id) == version;
        if fits {
            self.0.versions.insert(id, version + 1);
        }
        fits
    }

    fn person(&self, id: Option<UserId>) -> Option<Person> {
        let user = self.0.users.iter().find(|user| Some(user.id) == id)?;
        Some(Person {
            email: user.email.clone(),
            is_staff: user.distributor.is_none(),
        })
    }
}

impl ListsTx for MemoryTx {
    fn distributors_page(
        &mut self,
        after: &str,
        limit: u32,
    ) -> Result<Vec<DistributorRow>, StoreError> {
        let mut all = self.distributors()?;
        all.retain(|distributor| distributor.name.as_str() > after);
        all.truncate(limit as usize);
        all.into_iter()
            .map(|distributor| self.row_of_distributor(distributor))
            .collect()
    }

    fn distributor_row(&mut self, id: DistributorId) -> Result<Option<DistributorRow>, StoreError> {
        let found = self.distributor(id)?;
        found
            .map(|distributor| self.row_of_distributor(distributor))
            .transpose()
    }

    fn describe_distributor(
        &mut self,
        id: DistributorId,
        facts: &DistributorFacts,
        version: i64,
    ) -> Result<bool, StoreError> {
        let exists = self.distributor(id)?.is_some();
        let changed = self.changes(id.0, exists, version);
        if changed {
            self.0.facts.insert(id, facts.clone());
        }
        Ok(changed)
    }

    fn projects_page(
        &mut self,
        only: Option<&[DistributorId]>,
        archived: bool,
        after: Option<&ProjectKey>,
        limit: u32,
    ) -> Result<Vec<ProjectRow>, StoreError> {
        let key = |project: &Project| (project.built_in, project.name.clone(), project.id);
        let after = after.map(|after| (after.built_in, after.name.clone(), after.id));
        let mut projects = self.projects(None)?;
        projects.sort_by_key(key);
        projects.retain(|project| {
            self.0.archived.contains(&project.id) == archived
                && only.is_none_or(|only| only.contains(&project.distributor))
                && after.as_ref().is_none_or(|after| key(project) > *after)
        });
        projects.truncate(limit as usize);
        projects
            .iter()
            .map(|project| self.row_of_project(project))
            .collect()
    }

    fn project_row(&mut self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError> {
        let project = self.project(id)?;
        project
            .map(|project| self.row_of_project(&project))
            .transpose()
    }

    fn change_project(
        &mut self,
        project: &Project,
        archived: bool,
        version: i64,
    ) -> Result<bool, StoreError> {
        let Some(known) = self.project(project.id)? else {
            return Ok(false);
        };
        if !self.changes(project.id.0, true, version) {
            return Ok(false);
        }
        let taken = (self.0.projects.iter()).any(|other| {
            other.id != known.id
                && other.distributor == known.distributor
                && other.name == project.name
        });
        must_be_new(taken, "a project of this name")?;
        for other in (self.0.projects.iter_mut()).filter(|other| other.id == project.id) {
            other.name.clone_from(&project.name);
            other.description.clone_from(&project.description);
        }
        if archived {
            self.0.archived.insert(project.id);
        } else {
            self.0.archived.remove(&project.id);
        }
        Ok(true)
    }

    fn servers_page(
        &mut self,
        of: ProjectId,
        filter: &ServerFilter,
        after: &str,
        limit: u32,
    ) -> Result<Vec<ServerRow>, StoreError> {
        let text = filter.text.to_lowercase();
        let mut rows = Vec::new();
        for server in self.servers(of)? {
            if server.name.as_str() <= after || rows.len() >= limit as usize {
                continue;
            }
            let row = self.row_of_server(&server)?;
            let serial = row.summary.serial.as_deref().unwrap_or_default();
            let named = format!("{}\n{serial}", server.name)
                .to_lowercase()
                .contains(&text);
            let lists = match &filter.mac {
                Some(mac) => (self.other_licenses(server.id)?.iter())
                    .any(|other| other.files.iter().any(|file| file.macs.contains(mac))),
                None => false,
            };
            if named || lists {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn server_row(&mut self, id: ServerId) -> Result<Option<ServerRow>, StoreError> {
        let server = self.server(id)?;
        server.map(|server| self.row_of_server(&server)).transpose()
    }

    fn set_intended(&mut self, id: ServerId, kind: ServerKind) -> Result<(), StoreError> {
        self.0.intended.insert(id, kind);
        Ok(())
    }

    fn change_server(&mut self, server: &Server, version: i64) -> Result<bool, StoreError> {
        let Some(known) = self.server(server.id)? else {
            return Ok(false);
        };
        if !self.changes(server.id.0, true, version) {
            return Ok(false);
        }
        let taken = (self.0.servers.iter()).any(|other| {
            other.id != known.id && other.project == known.project && other.name == server.name
        });
        must_be_new(taken, "a server of this name")?;
        for other in (self.0.servers.iter_mut()).filter(|other| other.id == server.id) {
            other.name.clone_from(&server.name);
            other.description.clone_from(&server.description);
        }
        Ok(true)
    }

    fn waiting_returns(
        &mut self,
        only: Option<&[DistributorId]>,
        limit: u32,
    ) -> Result<Vec<WaitingReturn>, StoreError> {
        let mut waiting = Vec::new();
        for project in self.projects(None)? {
            if only.is_some_and(|only| !only.contains(&project.distributor)) {
                continue;
            }
            let row = self.row_of_project(&project)?;
            for server in self.servers(project.id)? {
                let summary = self.row_of_server(&server)?.summary;
                if let Some(since_utc_s) = summary.waiting_since_utc_s {
                    waiting.push(WaitingReturn {
                        server: server.id,
                        name: server.name,
                        project: project.name.clone(),
                        distributor: row.distributor.clone(),
                        waiting: summary.waiting,
                        since_utc_s,
                    });
                }
            }
        }
        waiting.sort_by_key(|waiting| (waiting.since_utc_s, waiting.server));
        waiting.truncate(limit as usize);
        Ok(waiting)
    }

    fn ledger_page(
        &mut self,
        of: DistributorId,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<LedgerRow>, StoreError> {
        let mut balances: BTreeMap<&str, i64> = BTreeMap::new();
        let mut rows = Vec::new();
        for (seq, entry) in (1_i64..).zip(&self.0.ledger) {
            if entry.distributor == of {
                let balance = balances.entry(&entry.kind).or_default();
                *balance += entry.delta;
                rows.push(LedgerRow {
                    seq,
                    entry: entry.clone(),
                    balance: *balance,
                    by: self.person(entry.actor),
                });
            }
        }
        rows.reverse();
        rows.retain(|row| before.is_none_or(|before| row.seq < before));
        rows.truncate(limit as usize);
        Ok(rows)
    }

    fn history_page(
        &mut self,
        object: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        let mut rows: Vec<_> = (1_i64..).zip(&self.0.audit).collect();
        rows.reverse();
        rows.retain(|(seq, entry)| {
            entry.object == object && before.is_none_or(|before| *seq < before)
        });
        Ok((rows.into_iter().take(limit as usize))
            .map(|(seq, entry)| HistoryRow {
                seq,
                at_utc_ms: entry.at_utc_ms,
                by: self.person(entry.actor),
                action: entry.action.clone(),
                detail: entry.detail.clone(),
            })
            .collect())
    }

    fn ends_were_settled(
        &mut self,
        of: Option<DistributorId>,
        by_utc_s: i64,
    ) -> Result<(), StoreError> {
        let ended: Vec<(TpmId, i64)> = (self.0.files.iter())
            .filter_map(|file| Some((file.tpm, file.term.ends_utc_s()?)))
            .filter(|(_, ends)| *ends <= by_utc_s)
            .collect();
        for (tpm, ends) in ended {
            let server = self
                .0
                .tpms
                .iter()
                .find(|other| other.id == tpm)
                .map(|tpm| tpm.server);
            let whose = server.and_then(|server| self.0.distributor_of_server(server));
            if of.is_none() || whose == of {
                self.0.settled_ends.insert((tpm.0, ends));
            }
        }
        Ok(())
    }

    fn other_ends_were_settled(
        &mut self,
        of: DistributorId,
        by_utc_s: i64,
    ) -> Result<(), StoreError> {
        for license in &self.0.others {
            if self.0.distributor_of_server(license.server) != Some(of) {
                continue;
            }
            for ends in license
                .files
                .iter()
                .filter_map(|file| file.term.ends_utc_s())
            {
                if ends <= by_utc_s {
                    self.0
                        .settled_other_ends
                        .insert((license.license_number, ends));
                }
            }
        }
        Ok(())
    }

    fn answer(
        &mut self,
        user: UserId,
        key: &str,
    ) -> Result<Option<([u8; 32], String)>, StoreError> {
        Ok(self.0.answers.get(&(user, key.to_owned())).cloned())
    }

    fn insert_answer(
        &mut self,
        user: UserId,
        key: &str,
        request_sha256: &[u8; 32],
        answer: &str,
        _at_utc_s: i64,
    ) -> Result<(), StoreError> {
        let place = (user, key.to_owned());
        must_be_new(
            self.0.answers.contains_key(&place),
            "an answer to this request",
        )?;
        let kept = (*request_sha256, answer.to_owned());
        self.0.answers.insert(place, kept);
        Ok(())
    }

    fn issued_to_tpm(&mut self, tpm: TpmId) -> Result<Option<i64>, StoreError> {
        Ok(self.files_of_tpm(tpm)?.last().map(|file| file.issued_utc_s))
    }
}
