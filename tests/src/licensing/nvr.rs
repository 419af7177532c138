//! A box: a TPM, a disk, and the supervisor's license code.

use std::path::Path;
use std::sync::Arc;

use sealgate_base::FakeClock;
use sealgate_license::vendor::VendorRoots;
use sealgate_portal::store::ServerId;
use sealgate_supervisor::license::{
    BoxNames, CheckOutcome, ImportError, ImportReport, LicenseBox, LicenseFiles,
};
use sealgate_tpm::{Tpm, TpmAddress};
use tempfile::TempDir;

use super::portal::Distributor;
use super::raw_tpm;
use crate::swtpm::Swtpm;

/// The files of a license folder, as a copy of the disk holds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk(Vec<(String, Vec<u8>)>);

/// A copy of a virtual TPM, which only its hypervisor can make.
pub struct TpmSnapshot(TempDir);

/// How many camera channels the gate opens after a check.
pub fn open_channels(outcome: &CheckOutcome) -> u32 {
    let bound = outcome.bound.as_ref();
    bound.map_or(0, |bound| bound.entitlements().camera_channels())
}

/// A box with a TPM of its own, and where it stands at the portal.
pub struct Nvr {
    /// Its TPM.
    pub tpm: Swtpm,
    /// Who sold it.
    pub owner: Distributor,
    /// Its server at the portal.
    pub server: ServerId,
    serial: String,
    disk: TempDir,
    roots: VendorRoots,
    clock: Arc<FakeClock>,
}

impl Nvr {
    pub(super) fn new(
        serial: &str,
        owner: Distributor,
        server: ServerId,
        roots: VendorRoots,
        clock: Arc<FakeClock>,
    ) -> Self {
        Self {
            tpm: Swtpm::start_fresh().unwrap(),
            owner,
            server,
            serial: serial.to_owned(),
            disk: tempfile::tempdir().unwrap(),
            roots,
            clock,
        }
    }

    /// The license code after a start, which is only memory: everything else is on disk
    /// and in the TPM.
    pub fn start(&self) -> LicenseBox {
        self.start_on(self.tpm.address())
    }

    /// The same disk with whatever answers at this address.
    pub fn start_on(&self, tpm: TpmAddress) -> LicenseBox {
        self.start_with(tpm, self.roots.clone())
    }

    /// As a firmware that pins these roots starts.
    pub fn start_with(&self, tpm: TpmAddress, roots: VendorRoots) -> LicenseBox {
        let names = BoxNames {
            model: "NVR-32".to_owned(),
            serial: self.serial.clone(),
            firmware: "0.1.0".to_owned(),
        };
        let files = LicenseFiles::new(self.disk.path());
        let clock = Arc::clone(&self.clock);
        LicenseBox::new(tpm, files, roots, names, clock)
    }

    /// The check at boot.
    pub fn boot(&self) -> CheckOutcome {
        self.start().boot()
    }

    /// The channels that are open after a boot.
    pub fn open(&self) -> u32 {
        open_channels(&self.boot())
    }

    /// A request file for so many channels; with the proof of the license in use.
    pub fn request(&self, wanted: u32) -> String {
        self.start().export_request(0, wanted).unwrap()
    }

    /// Imports a file.
    ///
    /// # Errors
    /// The box refuses it.
    pub fn import(&self, license: &str) -> Result<ImportReport, ImportError> {
        self.start().import(license.as_bytes(), false)
    }

    /// The code with which the box refuses a file, which changes neither file nor counter.
    #[track_caller]
    pub fn refuses(&self, license: &str) -> &'static str {
        let before = (self.copy_disk(), self.counter());
        let code = match self.import(license) {
            Ok(report) => panic!("imported: {report:?}"),
            Err(error) => error.code(),
        };
        assert_eq!(
            (self.copy_disk(), self.counter()),
            before,
            "a refused file changes nothing"
        );
        code
    }

    /// A copy of the license folder, secret and all.
    pub fn copy_disk(&self) -> Disk {
        let mut files: Vec<_> = std::fs::read_dir(self.disk.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let name = entry.file_name().to_string_lossy().into_owned();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        Disk(files)
    }

    /// The disk becomes such a copy, of this or of another box.
    pub fn restore_disk(&self, disk: &Disk) {
        self.lose_disk();
        for (name, contents) in &disk.0 {
            self.put(name, contents);
        }
    }

    /// A new, empty disk.
    pub fn lose_disk(&self) {
        for entry in std::fs::read_dir(self.disk.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }

    /// Puts a file into the license folder by hand.
    pub fn put(&self, name: &str, contents: impl AsRef<[u8]>) {
        std::fs::write(self.disk.path().join(name), contents).unwrap();
    }

    /// A file of the license folder.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.disk.path().join(name)).ok()
    }

    /// The license counter.
    pub fn counter(&self) -> u64 {
        Tpm::open(&self.tpm.address()).unwrap().counter().unwrap()
    }

    /// The owner, or other software, increments the counter.
    pub fn increment(&self, times: u64) {
        let mut tpm = Tpm::open(&self.tpm.address()).unwrap();
        for _ in 0..times {
            tpm.increment().unwrap();
        }
    }

    /// TPM2_Clear.
    pub fn clear_tpm(&self) {
        raw_tpm::clear(&self.tpm.address());
    }

    /// The box was on for so long: the TPM's clock shows it, whatever the box's does.
    pub fn powered_for(&self, time: std::time::Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        raw_tpm::advance_clock(&self.tpm.address(), ms);
    }

    /// TPM2_NV_UndefineSpace of the counter.
    pub fn undefine(&self) {
        raw_tpm::undefine_counter(&self.tpm.address());
    }

    /// Copies the TPM while it is off.
    pub fn snapshot_tpm(&mut self) -> TpmSnapshot {
        let snapshot = tempfile::tempdir().unwrap();
        self.tpm.cut_power().unwrap();
        copy_files(&self.tpm.folder().join("state"), snapshot.path());
        self.tpm.power_on().unwrap();
        TpmSnapshot(snapshot)
    }

    /// Puts the copy in the TPM's place.
    pub fn restore_tpm(&mut self, snapshot: &TpmSnapshot) {
        self.tpm.cut_power().unwrap();
        copy_files(snapshot.0.path(), &self.tpm.folder().join("state"));
        self.tpm.power_on().unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
