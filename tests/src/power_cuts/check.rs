//! The box's own check, on the files that a cut left and a TPM with the counter it had.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use sealgate_base::SystemClock;
use sealgate_license::vendor::{VendorRoots, VendorRootsFile};
use sealgate_supervisor::license::{BoxNames, CheckOutcome, LicenseBox, LicenseFiles};
use sealgate_tpm::Tpm;

use super::disk_state::Files;
use crate::swtpm::{Swtpm, Transport};
use crate::world::process::run;

/// Copies of one TPM with the counter at each value of interest.
pub struct Tpms {
    start: PathBuf,
    folder: PathBuf,
    counter_at_start: u64,
    roots: VendorRoots,
    checked: BTreeMap<(u64, Files), Option<u32>>,
}

impl Tpms {
    /// From the TPM in `start`, whose counter has its value of before the import.
    ///
    /// # Errors
    /// It does not start.
    pub fn new(start: &Path, folder: &Path, vendor_roots: &Path) -> Result<Self> {
        let roots = std::fs::read(vendor_roots).context("read the vendor's roots")?;
        let roots = VendorRootsFile::parse(&roots).context("understand the vendor's roots")?;
        let mut tpms = Self {
            start: start.to_owned(),
            folder: folder.to_owned(),
            counter_at_start: 0,
            roots: roots
                .for_flavour(roots.flavour)
                .context("take the vendor's roots")?,
            checked: BTreeMap::new(),
        };
        let copy = tpms.copy("at-start", 0)?;
        let swtpm = Swtpm::start(&copy, Transport::Tcp)?;
        tpms.counter_at_start = Tpm::open(&swtpm.address())?.counter()?;
        Ok(tpms)
    }

    /// The counter before the import.
    pub fn counter_at_start(&self) -> u64 {
        self.counter_at_start
    }

    /// How many different pairs of files and counter were checked.
    pub fn distinct(&self) -> usize {
        self.checked.len()
    }

    /// A copy of the TPM, raised so often.
    ///
    /// # Errors
    /// It does not start, or its counter does not rise.
    pub fn copy(&self, name: &str, raised: u64) -> Result<PathBuf> {
        let copy = self.folder.join(name);
        let _ = std::fs::remove_dir_all(&copy);
        run(std::process::Command::new("cp")
            .arg("-r")
            .arg(&self.start)
            .arg(&copy))?;
        if raised > 0 {
            let swtpm = Swtpm::start(&copy, Transport::Tcp)?;
            let mut tpm = Tpm::open(&swtpm.address())?;
            let mut counter = 0;
            for _ in 0..raised {
                counter = tpm.increment()?;
            }
            ensure!(
                counter == self.counter_at_start + raised,
                "the counter is {counter}"
            );
        }
        Ok(copy)
    }

    /// The camera channels that a box opens which starts with these files and a counter
    /// raised so often; `None`: no license is in force.
    ///
    /// # Errors
    /// The TPM does not start.
    pub fn channels(&mut self, files: &Files, raised: u64) -> Result<Option<u32>> {
        let key = (raised, files.clone());
        if let Some(known) = self.checked.get(&key) {
            return Ok(*known);
        }
        let base = self.folder.join(format!("raised-{raised}"));
        if !base.exists() {
            self.copy(&format!("raised-{raised}"), raised)?;
        }
        let copy = self.folder.join("checked");
        let _ = std::fs::remove_dir_all(&copy);
        run(std::process::Command::new("cp")
            .arg("-r")
            .arg(&base)
            .arg(&copy))?;
        let disk = copy.join("disk");
        std::fs::create_dir(&disk).context("make a license folder")?;
        for (name, bytes) in files {
            std::fs::write(disk.join(name), bytes).context("fill a license folder")?;
        }
        let swtpm = Swtpm::start(&copy, Transport::Tcp)?;
        let outcome = self.boot(&swtpm, &disk);
        let channels = outcome
            .bound
            .as_ref()
            .map(|bound| bound.entitlements().camera_channels());
        self.checked.insert(key, channels);
        Ok(channels)
    }

    fn boot(&self, swtpm: &Swtpm, disk: &Path) -> CheckOutcome {
        let names = BoxNames {
            model: "SG-LAB".to_owned(),
            serial: "LAB-0001".to_owned(),
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let files = LicenseFiles::new(disk);
        let clock = Arc::new(SystemClock::new());
        LicenseBox::new(swtpm.address(), files, self.roots.clone(), names, clock).boot()
    }
}
