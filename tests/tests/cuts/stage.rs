//! A box that is about to import a license, set back to that moment as often as needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sealgate_base::Clock as _;
use sealgate_license::{state::LicenseState, vendor::RootKey};
use sealgate_supervisor::license::CheckOutcome;
use sealgate_tests::strace::{self, Inject, Traced};
use tempfile::TempDir;

use crate::bench::{Bench, Issued, clear, refusal};

/// The channels of the license in use, and of the one that is imported.
pub const OLD: u32 = 32;
pub const NEW: u32 = 16;

/// What a box has after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Has {
    /// What it had before.
    Old,
    /// The imported license.
    New,
}

/// The license folder's files, and the counter.
type Everything = (Vec<(String, Vec<u8>)>, u64);

/// A box just before an import, and copies of everything it consists of.
pub struct Stage {
    pub bench: Bench,
    /// `None`: the import is the box's first.
    pub old: Option<Issued>,
    pub new: Issued,
    copies: TempDir,
    /// What was followed to its end already: equal disks and counters have equal futures.
    followed: BTreeSet<Everything>,
}

impl Stage {
    /// A box with a license that is about to import a smaller one.
    pub fn with_license() -> Self {
        let (bench, old) = Bench::licensed(OLD);
        Self::of(bench, Some(old))
    }

    /// A box about to import its first license.
    pub fn without_license() -> Self {
        let bench = Bench::new();
        bench.start().boot();
        Self::of(bench, None)
    }

    fn of(mut bench: Bench, old: Option<Issued>) -> Self {
        let new = bench.license(NEW);
        bench.swtpm.cut_power().unwrap();
        let copies = tempfile::tempdir().unwrap();
        copy_files(bench.disk.path(), &copies.path().join("disk"));
        copy_files(
            &bench.swtpm.folder().join("state"),
            &copies.path().join("tpm"),
        );
        fs::write(copies.path().join("new.lic"), &new.text).unwrap();
        // The lab vendor of the bench, from the same seed.
        let key = STANDARD.encode(RootKey::from_seed(&[1; 32]).public_key());
        let root = serde_json::json!({ "name": "root", "public_key": key, "class": "lab" });
        let roots = serde_json::json!({ "flavour": "lab", "roots": [root] });
        fs::write(copies.path().join("roots.json"), roots.to_string()).unwrap();
        Self {
            bench,
            old,
            new,
            copies,
            followed: BTreeSet::new(),
        }
    }

    /// Back to the moment before the import, the TPM freshly powered on.
    pub fn set(&mut self) {
        self.bench.swtpm.cut_power().unwrap();
        copy_files(&self.copies.path().join("disk"), self.bench.disk.path());
        copy_files(
            &self.copies.path().join("tpm"),
            &self.bench.swtpm.folder().join("state"),
        );
        self.bench.swtpm.power_on().unwrap();
    }

    /// Runs the import in a process of its own, cut short or disturbed.
    pub fn import(&self, inject: &Inject) -> Traced {
        let mut program = Command::new(env!("CARGO_BIN_EXE_sealgate-lab"));
        program
            .arg("import-once")
            .arg("--state")
            .arg(self.bench.disk.path())
            .args(["--tpm", &self.bench.swtpm.address().to_string()])
            .arg("--roots")
            .arg(self.copies.path().join("roots.json"))
            .args(["--utc-ms", &self.bench.clock.utc_ms().to_string()])
            .arg(self.copies.path().join("new.lic"));
        strace::run(&program, inject, &self.copies.path().join("strace.log")).unwrap()
    }

    /// The calls of an undisturbed import, and the first that reaches for box or TPM.
    pub fn undisturbed(&mut self) -> (Traced, usize) {
        self.set();
        let whole = self.import(&Inject::Nothing);
        assert_eq!(whole.output.stdout, b"imported\n");
        let first = whole
            .calls
            .iter()
            .position(|call| self.is_on_disk(call) || strace::name(call) == "connect")
            .unwrap();
        // Further threads would be cut with the process, but not at each of their calls.
        assert!(
            !whole.calls[first..]
                .iter()
                .any(|call| call.starts_with("clone"))
        );
        (whole, first)
    }

    /// Whether a traced call is about the license folder.
    pub fn is_on_disk(&self, call: &str) -> bool {
        call.contains(&*self.bench.disk.path().to_string_lossy())
    }

    /// The power comes back; someone may clear the TPM before the box starts.
    pub fn restart(&mut self, cleared: bool) -> CheckOutcome {
        self.bench.swtpm.power_on().unwrap();
        if cleared {
            clear(&self.bench.swtpm.address());
            self.bench.swtpm.power_on().unwrap();
        }
        self.bench.start().boot()
    }

    /// What the box has, which must be one license; then follows it to the end: only that
    /// license is usable, and importing the new one again ends with the new one.
    #[track_caller]
    pub fn judge(&mut self, outcome: &CheckOutcome, what: &str) -> Has {
        let channels = outcome.bound.as_ref().map(|bound| {
            let proven = bound.tpm().map(|tpm| tpm.counter().counter);
            assert_eq!(proven, outcome.counter);
            bound.entitlements().camera_channels()
        });
        let has = match (channels, &outcome.state) {
            (Some(OLD), _) => Has::Old,
            (Some(NEW), _) => Has::New,
            (None, LicenseState::Provisioned | LicenseState::RequestMade { .. })
                if self.old.is_none() =>
            {
                Has::Old
            }
            other => panic!("{what}: neither the old nor the new license: {other:?}"),
        };
        if self.followed.insert(self.bench.everything()) {
            self.only_this_one(has, what);
            self.ends_with_the_new_one(what);
        }
        has
    }

    /// The other license, put in place by hand, opens nothing.
    #[track_caller]
    fn only_this_one(&self, has: Has, what: &str) {
        let other = match (has, &self.old) {
            (Has::Old, _) => &self.new.text,
            (Has::New, Some(old)) => &old.text,
            (Has::New, None) => return,
        };
        let keep = tempfile::tempdir().unwrap();
        copy_files(self.bench.disk.path(), keep.path());
        self.bench.put("active.lic", other);
        let outcome = self.bench.start().boot();
        assert!(outcome.bound.is_none(), "{what}: both are usable");
        copy_files(keep.path(), self.bench.disk.path());
    }

    #[track_caller]
    fn ends_with_the_new_one(&self, what: &str) {
        let counter = self.bench.tpm().counter().unwrap();
        let mut nvr = self.bench.start();
        if counter <= self.new.to {
            nvr.import(self.new.text.as_bytes(), false).unwrap();
            assert_eq!(self.bench.tpm().counter().unwrap(), self.new.to);
        } else {
            // Cleared after the counter was raised: one exchange with the portal.
            let again = nvr.import(self.new.text.as_bytes(), false);
            assert_eq!(refusal(again), "SG-LIC-011", "{what}");
            let reissued = self.bench.license(NEW);
            nvr.import(reissued.text.as_bytes(), false).unwrap();
        }
        let outcome = self.bench.start().boot();
        let bound = outcome.bound.unwrap();
        assert_eq!(bound.entitlements().camera_channels(), NEW, "{what}");
        assert!(matches!(
            outcome.state,
            LicenseState::Active { .. } | LicenseState::ReducedReturnWaiting { .. }
        ));
        for left in ["pending.lic", "pending.lic.new", "request", "grace"] {
            assert!(!self.bench.has(left), "{what}: {left} stays");
        }
    }

    /// How many different states were followed to the end.
    pub fn distinct(&self) -> usize {
        self.followed.len()
    }
}

/// Makes `to` a folder with exactly the files of `from`.
pub fn copy_files(from: &Path, to: &Path) {
    if to.exists() {
        for entry in fs::read_dir(to).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    } else {
        fs::create_dir(to).unwrap();
    }
    for entry in fs::read_dir(from).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// How often what happened: for the line at the end of a test.
pub fn tally<T: Ord + std::fmt::Debug>(items: impl IntoIterator<Item = T>) -> String {
    let mut counts = BTreeMap::new();
    for item in items {
        *counts.entry(item).or_insert(0_u32) += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(item, count)| format!("{count} {item:?}"))
        .collect();
    counts.join(", ")
}
