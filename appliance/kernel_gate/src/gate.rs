//! Closing, filling and reading the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use crate::admission::{Elements, change, checked};
use crate::in_force::InForce;
use crate::memory::{Memory, MemoryFile};
use crate::ruleset::Ruleset;
use crate::tables::Table;
use crate::{Admission, Backstop, CameraPort, GateCounters, KernelGateError, Nft};

/// The gate in the kernel of this machine, or of one network namespace.
#[derive(Debug)]
pub struct KernelGate {
    ports: Vec<CameraPort>,
    ruleset: Ruleset,
    nft: Nft,
    backstop: Option<Backstop>,
    /// A change reads before it writes; two at once would undo each other.
    change: Mutex<Known>,
    /// How often what was in force was not what had been put there.
    mended: AtomicU64,
}

/// What was in force before it was put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// What is wanted.
    AsWanted,
    /// What had been wanted before, or nothing yet.
    Other,
    /// Something that this process did not put there.
    Foreign,
}

/// What this process knows of the tables.
#[derive(Debug, Default)]
struct Known {
    /// What was applied last, to put back; none yet after a start.
    wanted: Option<BTreeSet<Admission>>,
    /// The rules of each chain as the kernel listed them when they were first read, perhaps
    /// by the process before.
    rules: BTreeMap<String, String>,
    /// What may be found admitted: what was applied last and, while that changes, before.
    /// Empty where nobody knows.
    admitted: Vec<BTreeSet<Admission>>,
    memory: Option<MemoryFile>,
}

impl Known {
    /// Whether the rules of every chain are those of the first reading.
    fn same_rules(&mut self, in_force: &InForce) -> bool {
        [("netdev", &in_force.netdev), ("inet", &in_force.inet)]
            .into_iter()
            .flat_map(|(family, table)| {
                let named = move |(chain, rules)| (format!("{family} {chain}"), rules);
                table.rules.iter().map(named)
            })
            .all(|(chain, rules)| {
                let known = self.rules.entry(chain).or_insert_with(|| rules.clone());
                known == rules
            })
    }

    /// Whether somebody else changed who is admitted.
    fn others_admitted(&self, in_force: &InForce) -> bool {
        let differs = |admitted| !in_force.difference(admitted).is_empty();
        !self.admitted.is_empty() && self.admitted.iter().all(differs)
    }

    fn remember(&mut self, marker: &str) {
        if let Some(memory) = &mut self.memory {
            memory.keep(Memory {
                marker: marker.to_owned(),
                rules: self.rules.clone(),
                admitted: self.admitted.clone(),
            });
        }
    }
}

impl KernelGate {
    /// A gate on these ports. The recorder, if it runs under a user of its own, is held
    /// to admitted cameras.
    pub fn new(ports: Vec<CameraPort>, recorder_uid: Option<u32>) -> Self {
        let ports: Vec<CameraPort> = ports
            .iter()
            .enumerate()
            .filter(|(at, port)| {
                !ports[..*at]
                    .iter()
                    .any(|before| before.interface() == port.interface())
            })
            .map(|(_, port)| port.clone())
            .collect();
        Self {
            ruleset: Ruleset::new(&ports, recorder_uid),
            ports,
            nft: Nft::default(),
            backstop: None,
            change: Mutex::default(),
            mended: AtomicU64::new(0),
        }
    }

    /// Runs `nft` in another way than `/usr/sbin/nft`.
    pub fn with_nft(mut self, nft: Nft) -> Self {
        self.nft = nft;
        self
    }

    /// Puts a second layer behind the rules, which holds when they are flushed.
    pub fn with_backstop(mut self, backstop: Backstop) -> Self {
        self.backstop = Some(backstop);
        self
    }

    /// Keeps in this file what was put into the kernel, for the process that comes after this
    /// one: it then finds what another hand changed in between. In a folder that a restart of
    /// the machine empties.
    pub fn with_memory(mut self, path: PathBuf) -> Self {
        let (file, found) = MemoryFile::open(path, self.ruleset.marker());
        let known = self.change.get_mut();
        known.rules = found.rules;
        known.admitted = found.admitted;
        known.memory = Some(file);
        self
    }

    /// Puts the closed gate in force, unless this gate is in force already: then it
    /// stays as it is, with the cameras it admits and what it has counted. A port that
    /// came back gets its chain back. What another hand changed while no process was there
    /// is not believed: then it is closed.
    ///
    /// Meant for the start of the machine, after the ports have their names and before
    /// they are up, and for a port that is plugged in; harmless at any other time.
    ///
    /// # Errors
    /// If `nft` can't be run or refuses.
    pub async fn close_all(&self) -> Result<(), KernelGateError> {
        let mut known = self.change.lock().await;
        let informed = !known.admitted.is_empty();
        let backstop = self.set_backstop().await? && informed;
        let wanted = known.wanted.clone();
        let found = self.put_in_force(&mut known, wanted.as_ref()).await;
        self.count_mended(backstop || matches!(found, Ok(Found::Foreign)));
        found.map(drop)
    }

    /// Admits these cameras and no others, in one transaction. What is admitted already
    /// stays untouched, with its counters. Rules that were flushed are put back.
    ///
    /// # Errors
    /// If an address has two partners, there are too many cameras, or `nft` can't be run
    /// or refuses. The gate is then as it was before.
    pub async fn apply(&self, admissions: &[Admission]) -> Result<(), KernelGateError> {
        let wanted = checked(admissions)?;
        let mut known = self.change.lock().await;
        let backstop = self.set_backstop().await? && !known.admitted.is_empty();
        let before = known.admitted.clone();
        if !before.is_empty() && !before.contains(&wanted) {
            // If this process ends between here and there, either is found.
            known.admitted.push(wanted.clone());
            known.remember(self.ruleset.marker());
        }
        let found = self.put_in_force(&mut known, Some(&wanted)).await;
        self.count_mended(backstop || matches!(found, Ok(Found::Foreign)));
        if found.is_err() {
            known.admitted = before;
        }
        if found? != Found::AsWanted {
            tracing::info!(admitted = wanted.len(), "the gate was changed");
        }
        known.admitted = vec![wanted.clone()];
        known.wanted = Some(wanted);
        known.remember(self.ruleset.marker());
        Ok(())
    }

    /// Puts back what was applied last, if anything else is in force; true if so, which is
    /// counted.
    ///
    /// # Errors
    /// If `nft` can't be run or refuses.
    pub async fn mend(&self) -> Result<bool, KernelGateError> {
        let mut known = self.change.lock().await;
        let wanted = known.wanted.clone();
        let backstop = self.set_backstop().await?;
        let found = self.put_in_force(&mut known, wanted.as_ref()).await?;
        let mended = backstop || found != Found::AsWanted;
        self.count_mended(mended);
        Ok(mended)
    }

    fn count_mended(&self, mended: bool) {
        if mended {
            let times = self.mended.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(
                times,
                "another hand changed the gate's rules; they are put back"
            );
        }
    }

    /// What the gate counts.
    ///
    /// # Errors
    /// [`KernelGateError::NotInForce`] if the rules were flushed or are not this gate's:
    /// [`apply`](Self::apply) puts them back. Otherwise if `nft` can't be run.
    pub async fn counters(&self) -> Result<GateCounters, KernelGateError> {
        let in_force = self.read().await?;
        if let Some(port) = self.bare_ports(&in_force).await?.first() {
            return Err(KernelGateError::NotInForce {
                missing: format!("chain {port}_ingress at {port}"),
            });
        }
        Ok(in_force.counters(&self.ports, self.mended.load(Ordering::Relaxed)))
    }

    /// Without `wanted`, what is admitted stays so: after a start, it was applied by the
    /// process before.
    async fn put_in_force(
        &self,
        known: &mut Known,
        wanted: Option<&BTreeSet<Admission>>,
    ) -> Result<Found, KernelGateError> {
        // At a start, rules that are not there are no other hand's work.
        let not_there = if known.admitted.is_empty() {
            Found::Other
        } else {
            Found::Foreign
        };
        let none = BTreeSet::new();
        let in_force = match self.read().await {
            Ok(in_force) if known.same_rules(&in_force) => in_force,
            Ok(_) => {
                tracing::warn!("the gate's rules were changed and are put back");
                self.put_whole(known, wanted.unwrap_or(&none)).await?;
                return Ok(Found::Foreign);
            }
            Err(KernelGateError::NotInForce { missing }) => {
                tracing::warn!(%missing, "the gate was not in force and is put there");
                self.put_whole(known, wanted.unwrap_or(&none)).await?;
                return Ok(not_there);
            }
            Err(error) => return Err(error),
        };
        let found = if known.others_admitted(&in_force) {
            Found::Foreign
        } else {
            Found::Other
        };
        let Some(wanted) = wanted else {
            if found == Found::Foreign {
                tracing::warn!("others were admitted meanwhile; the gate is closed");
                self.put_whole(known, &none).await?;
                return Ok(found);
            }
            self.attach(&in_force).await?;
            return Ok(Found::AsWanted);
        };
        match self.attach(&in_force).await {
            // Gone between one listing and the next.
            Err(KernelGateError::Refused { message }) => {
                tracing::warn!(%message, "the gate is put back as a whole");
                self.put_whole(known, wanted).await?;
                return Ok(not_there);
            }
            result => result?,
        }
        let transaction = in_force.difference(wanted);
        if transaction.is_empty() {
            return Ok(match found {
                Found::Foreign => Found::Foreign,
                _ => Found::AsWanted,
            });
        }
        match self.nft.commit(&transaction).await {
            // The tables changed between reading and writing, by another hand than ours.
            Err(KernelGateError::Refused { message }) => {
                tracing::warn!(%message, "the gate is put back as a whole");
                self.put_whole(known, wanted).await?;
            }
            result => result?,
        }
        Ok(found)
    }

    /// Puts the rules of ports that came back in place again.
    async fn attach(&self, in_force: &InForce) -> Result<(), KernelGateError> {
        for port in self.bare_ports(in_force).await? {
            tracing::warn!(%port, "the port has no rules and gets them");
            match self.nft.commit(&in_force.attach(port)).await {
                // Gone again: what is not there lets nothing in.
                Err(KernelGateError::Refused { message })
                    if !self.nft.has_interface(port.interface()).await? =>
                {
                    tracing::warn!(%port, %message, "the port went away");
                }
                result => result?,
            }
        }
        Ok(())
    }

    /// Ports that exist and have no chain.
    async fn bare_ports(&self, in_force: &InForce) -> Result<Vec<&CameraPort>, KernelGateError> {
        let mut bare = Vec::new();
        for port in in_force.detached(&self.ports) {
            if self.nft.has_interface(port.interface()).await? {
                bare.push(port);
            }
        }
        Ok(bare)
    }

    async fn put_whole(
        &self,
        known: &mut Known,
        wanted: &BTreeSet<Admission>,
    ) -> Result<(), KernelGateError> {
        self.commit_whole(wanted).await?;
        known.admitted = vec![wanted.clone()];
        Ok(())
    }

    /// One transaction that replaces whatever is there.
    async fn commit_whole(&self, wanted: &BTreeSet<Admission>) -> Result<(), KernelGateError> {
        let refused = match self.nft.commit(&self.whole(wanted, &self.ports)).await {
            Err(error @ KernelGateError::Refused { .. }) => error,
            result => return result,
        };
        // Before Linux 6.16 one interface that does not exist is enough for a refusal; the
        // other ports' cameras must not suffer for it.
        let mut present = Vec::new();
        for port in &self.ports {
            if self.nft.has_interface(port.interface()).await? {
                present.push(port.clone());
            }
        }
        if present.len() == self.ports.len() {
            return Err(refused);
        }
        self.nft.commit(&self.whole(wanted, &present)).await
    }

    async fn set_backstop(&self) -> Result<bool, KernelGateError> {
        match &self.backstop {
            Some(backstop) => backstop.set().await,
            None => Ok(false),
        }
    }

    async fn read(&self) -> Result<InForce, KernelGateError> {
        Ok(InForce {
            netdev: self.read_table("netdev").await?,
            inet: self.read_table("inet").await?,
            chains: self.nft.list_ingress_chains().await?,
        })
    }

    async fn read_table(&self, family: &str) -> Result<Table, KernelGateError> {
        let not_in_force = |missing: String| KernelGateError::NotInForce { missing };
        let listing = self
            .nft
            .list_table(family, "sealgate")
            .await?
            .ok_or_else(|| not_in_force(format!("table {family} sealgate")))?;
        let table = Table::parse(&listing)?;
        let marker = self.ruleset.marker();
        if !table.counters.contains_key(marker) {
            return Err(not_in_force(format!("{marker} in table {family} sealgate")));
        }
        Ok(table)
    }

    /// `delete` needs a table to delete, so one is added before.
    fn whole(&self, wanted: &BTreeSet<Admission>, ports: &[CameraPort]) -> String {
        let mut text = String::new();
        for family in ["netdev", "inet"] {
            let _ = writeln!(text, "add table {family} sealgate");
            let _ = writeln!(text, "delete table {family} sealgate");
        }
        text.push_str(&self.ruleset.with_ports(ports));
        for (set, elements) in Elements::of(wanted).by_set() {
            change(&mut text, "add", set, elements.iter());
        }
        text
    }
}
