//! Real power loss during an import, from one recording.
//!
//! The lab image in QEMU imports a license while every write to its disk is recorded. The
//! power then fails in thought: for each moment, every state that the disk may be in is
//! put together from the recording, its file system is repaired as at a boot, and the
//! box's own check is asked with a TPM whose counter stands where it stood at that moment.
//! It must find the old or the new license. Some of these disks are booted for real.

mod check;
mod disk_state;
mod trace;
pub(crate) mod write_log;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::qemu::Recording;
use crate::world::licensed_vm::LicensedVm;
use crate::world::process::run;
use crate::world::{Places, TpmChoice};
use check::Tpms;
use disk_state::{Epoch, Files, StatePartition, epochs};
use trace::Increments;
use write_log::Entry;

/// Camera channels of the license in use, and of the one whose import is recorded.
const OLD: u32 = 8;
const NEW: u32 = 4;

/// How much to replay.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Random states for each moment besides that of writes in their order.
    pub random_states: u32,
    /// How many different disks to boot in QEMU.
    pub boots: usize,
    /// Seed of the random states.
    pub seed: u64,
}

/// What the replay found.
#[derive(Debug, Default)]
pub struct Summary {
    /// Writes to the state partition, and flushes between them.
    pub writes: usize,
    /// Groups of writes between two flushes.
    pub epochs: usize,
    /// States of the disk that were put together, each with each possible counter.
    pub states: usize,
    /// Of these, with different content or another counter.
    pub distinct: usize,
    /// States with the old license.
    pub old: usize,
    /// States with the new license.
    pub new: usize,
    /// States without any; each is described.
    pub none: Vec<String>,
    /// Boots in QEMU, in words.
    pub boots: Vec<String>,
}

/// A disk worth booting.
struct Candidate {
    partition: StatePartition,
    raised: u64,
    channels: u32,
    names: String,
}

/// Records one import and replays it.
///
/// # Errors
/// The box could not be licensed, or a recording can't be understood; a state without a
/// license is no error but part of the summary.
pub async fn play(places: Places, plan: Plan) -> Result<Summary> {
    let vendor_roots = places.vendor_roots();
    let mut the_box = LicensedVm::set_up(places, OLD).await?;
    the_box.vm().power_off().await?;
    let folder = the_box.folder().join("power-cuts");
    std::fs::create_dir(&folder).context("make a folder for the recording")?;
    let own = the_box.tpm(TpmChoice::Own)?;
    let (disk, tpm) = (folder.join("disk.img"), folder.join("tpm"));
    copy(&the_box.machine().disk, &disk)?;
    copy(&own, &tpm)?;

    let recording = Recording {
        writes: folder.join("writes"),
        trace: folder.join("trace"),
    };
    let machine = the_box.machine();
    machine.recording = Some(recording.clone());
    // The trace shows the TPM's commands on this interface only.
    machine.hardware.tpm = "tpm-tis";
    the_box.power_on(&own).await?;
    the_box.import(NEW).await?;
    the_box.vm().power_off().await?;
    let machine = the_box.machine();
    machine.recording = None;

    let began = Instant::now();
    let log = write_log::read(&recording.writes)?;
    let increments = Increments::read(&recording.trace, &log)?;
    ensure!(increments.total() > 0, "no increment was recorded");
    let mut replay = Replay {
        tpms: Tpms::new(&tpm, &folder, &vendor_roots)?,
        increments,
        raised_before: 0,
        folder: folder.clone(),
        known: BTreeMap::new(),
        seen: BTreeSet::new(),
        candidates: Vec::new(),
        summary: Summary::default(),
    };
    replay.all(StatePartition::of_disk(&disk)?, &log, plan)?;
    let mut summary = replay.summary;
    eprintln!("replayed in {:.0} s", began.elapsed().as_secs_f64());

    for candidate in spread(replay.candidates, plan.boots) {
        let tpm = replay.tpms.copy("booted", candidate.raised)?;
        copy(&disk, &the_box.machine().disk)?;
        candidate.partition.write_to_disk(&the_box.machine().disk)?;
        the_box.power_on(&tpm).await?;
        let license = the_box.license().await?;
        the_box.vm().cut_power();
        let places = license["places"]["total"].as_u64();
        let line = format!(
            "booted with {} and the counter raised {} times: {} places, {}",
            candidate.names, candidate.raised, candidate.channels, license["state"]["code"]
        );
        ensure!(
            places == Some(candidate.channels.into()) && license["ok"] == true,
            "{line}, but the boot shows {license}"
        );
        eprintln!("{line}");
        summary.boots.push(line);
    }
    Ok(summary)
}

struct Replay {
    tpms: Tpms,
    increments: Increments,
    /// How often the counter was raised when the last durable write began.
    raised_before: u64,
    folder: std::path::PathBuf,
    /// Files by the partition's hash.
    known: BTreeMap<[u8; 32], Files>,
    /// Names of files and counters that have a candidate already.
    seen: BTreeSet<(String, u64)>,
    candidates: Vec<Candidate>,
    summary: Summary,
}

impl Replay {
    fn all(&mut self, mut durable: StatePartition, log: &[Entry], plan: Plan) -> Result<()> {
        let mut random = StdRng::seed_from_u64(plan.seed);
        let epochs = epochs(log, &self.increments);
        self.summary.epochs = epochs.len();
        self.summary.writes = epochs.iter().map(|epoch| epoch.writes.len()).sum();
        self.look(&durable, 0..=0, "before the first write")?;
        for (number, epoch) in epochs.iter().enumerate() {
            self.epoch(&mut durable, epoch, number, plan, &mut random)?;
        }
        self.summary.distinct = self.tpms.distinct();
        // The recording is of one import, from the first license to the second.
        ensure!(
            self.summary.old > 0 && self.summary.new > 0,
            "nothing was imported"
        );
        Ok(())
    }

    /// `durable` is the partition at the flush before, and then at the flush after.
    fn epoch(
        &mut self,
        durable: &mut StatePartition,
        epoch: &Epoch,
        number: usize,
        plan: Plan,
        random: &mut StdRng,
    ) -> Result<()> {
        let mut in_order = durable.clone();
        let mut in_order_raised = self.raised_before;
        for (index, write) in epoch.writes.iter().enumerate() {
            in_order.apply(write);
            in_order_raised = write.raised.max(in_order_raised);
            let what = format!("epoch {number}, {} writes in order", index + 1);
            self.look(&in_order, in_order_raised..=epoch.raised_at_most, &what)?;
            for _ in 0..plan.random_states {
                let mut some = durable.clone();
                let mut raised = self.raised_before;
                for write in &epoch.writes[..=index] {
                    match random.random_range(0..4) {
                        0 => continue,
                        1 => some.apply_torn(write, random),
                        _ => some.apply(write),
                    }
                    raised = write.raised.max(raised);
                }
                let what = format!("epoch {number}, some of {} writes", index + 1);
                self.look(&some, raised..=epoch.raised_at_most, &what)?;
            }
        }
        self.raised_before = in_order_raised;
        *durable = in_order;
        Ok(())
    }

    fn look(
        &mut self,
        partition: &StatePartition,
        counters: RangeInclusive<u64>,
        what: &str,
    ) -> Result<()> {
        let hash = partition.hash();
        let files = match self.known.get(&hash) {
            Some(files) => files.clone(),
            None => {
                let files = partition.license_files(&self.folder);
                let files = files.with_context(|| what.to_owned())?;
                self.known.entry(hash).or_insert(files).clone()
            }
        };
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let names = names.join(" ");
        for raised in counters {
            self.summary.states += 1;
            let channels = match self.tpms.channels(&files, raised)? {
                Some(OLD) => {
                    self.summary.old += 1;
                    OLD
                }
                Some(NEW) => {
                    self.summary.new += 1;
                    NEW
                }
                Some(other) => bail!("{what}: a license for {other} channels"),
                None => {
                    let counter = self.tpms.counter_at_start() + raised;
                    let none = format!("{what}: no license with {names}, counter {counter}");
                    self.summary.none.push(none);
                    continue;
                }
            };
            if self.seen.insert((names.clone(), raised)) {
                self.candidates.push(Candidate {
                    partition: partition.clone(),
                    raised,
                    channels,
                    names: names.clone(),
                });
            }
        }
        Ok(())
    }
}

/// So many of them, evenly spread.
fn spread(candidates: Vec<Candidate>, count: usize) -> Vec<Candidate> {
    let all = candidates.len();
    let count = count.min(all);
    let chosen: BTreeSet<usize> = (0..count)
        .map(|index| (2 * index + 1) * all / (2 * count))
        .collect();
    candidates
        .into_iter()
        .enumerate()
        .filter_map(|(index, candidate)| chosen.contains(&index).then_some(candidate))
        .collect()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    run(std::process::Command::new("cp")
        .args(["-r", "--sparse=always"])
        .arg(from)
        .arg(to))
    .map(drop)
}
