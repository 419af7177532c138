//! The image booted from its disk, as a box does it: firmware, Secure Boot, the loader, a
//! signed kernel image, the verified root, data that the TPM opens; then updates.
//!
//! One box lives through all of it, so that each test costs one boot or none. A test is a
//! verb with what it shows; the first that does not hold ends the run, as the next ones
//! stand on it.

mod cuts;
mod disk;
mod table;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

pub use table::write_table;

use crate::client::box_api::BoxApi;
use crate::journey::OWNER_PASSWORD;
use crate::qemu::Recording;
use crate::swtpm;
use crate::world::namespaces::Switch;
use crate::world::process::run;
use crate::world::vm_box::VmBox;
use crate::world::{Places, TpmChoice, tpm_folder};

/// From power-on to pages, on real hardware; the first start encrypts.
const PAGES_ANSWER: Duration = Duration::from_secs(90);
/// From a panic or a refused kernel image to the end.
const GOES_DOWN: Duration = Duration::from_secs(60);
/// Until a version on trial is found good.
const GOOD: Duration = Duration::from_secs(60);
/// The version that follows the image's own, and one that does not work.
const NEXT: &str = "0.2.0";
const BROKEN: &str = "0.3.0";

/// What a test showed.
#[derive(Debug, Clone)]
pub struct Row {
    /// The test, in words.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
    /// How long it took.
    pub took: Duration,
    /// Why it does not hold.
    pub failure: Option<String>,
}

/// The box, and what is known about it.
struct Boots {
    places: Places,
    vm: VmBox,
    switch: Switch,
    tpm: PathBuf,
    /// Its certificate, once it has said so.
    fingerprint: String,
    api: Option<BoxApi>,
    rows: Vec<Row>,
}

/// Plays what CI plays, or all.
///
/// # Errors
/// Something is missing on this machine; a test that does not hold is a row.
pub async fn play(places: Places, all: bool) -> Result<Vec<Row>> {
    let tpm = tpm_folder(&places, TpmChoice::Own).context("a TPM has a folder")?;
    swtpm::manufacture(&tpm)?;
    let switch = Switch::create()?;
    let folder = places.run.join("box");
    std::fs::create_dir_all(&folder).context("make the box's folder")?;
    let mut vm = VmBox::new(&places.build.join("image/lab"), &folder).await?;
    vm.machine().from_disk = true;
    disk::blank_data(&vm.machine().disk)?;
    make_image(&places, NEXT, &["--floor", NEXT])?;
    if all {
        make_image(&places, BROKEN, &["--overlay", "tests/broken-overlay"])?;
    }
    let mut boots = Boots {
        places,
        vm,
        switch,
        tpm,
        fingerprint: String::new(),
        api: None,
        rows: Vec::new(),
    };
    boots.all_tests(all).await;
    Ok(boots.rows)
}

/// Another version of the lab's image, of the same packages.
fn make_image(places: &Places, version: &str, more: &[&str]) -> Result<()> {
    let of = |path: &str| places.build.join(path);
    run(Command::new("scripts/image")
        .arg("lab")
        .arg("--binaries")
        .arg(&places.binaries)
        .arg("--roots")
        .arg(places.vendor_roots())
        .arg("--cache")
        .arg(of("image/cache"))
        .arg("--out")
        .arg(of(&format!("image-{version}")))
        .args(["--version", version, "--overlay", "tests/lab-overlay"])
        .args(more))
    .with_context(|| format!("make the image {version}"))
    .map(drop)
}

impl Boots {
    async fn all_tests(&mut self, all: bool) -> Option<()> {
        self.test(
            "A firmware in set-up mode takes our keys",
            Self::enrols_keys,
        )
        .await?;
        self.test(
            "The first start under Secure Boot encrypts data and seals its key to the TPM",
            Self::first_start,
        )
        .await?;
        self.test("An update goes into the other slot", Self::updates)
            .await?;
        // The box is switched off for this; it costs no boot.
        self.test(
            "Power loss at any flush of the update leaves a whole version to start",
            async |boots: &mut Self| {
                boots.restart().await?;
                boots.survives_power_loss()
            },
        )
        .await?;
        self.test(
            "The new version opens the same data and is found good",
            Self::next_version_runs,
        )
        .await?;
        self.test(
            "A version below the security floor is refused",
            Self::refuses_below_the_floor,
        )
        .await?;
        if !all {
            return Some(());
        }
        self.test(
            "A version that does not work is tried three times, and the one before it says why",
            Self::reverts,
        )
        .await?;
        self.test(
            "A damaged root panics, and the other slot starts",
            Self::survives_a_damaged_root,
        )
        .await?;
        self.test(
            "Without its TPM the pages come up and data stays locked",
            Self::locked_without_tpm,
        )
        .await?;
        self.test(
            "A kernel image that is not signed is refused",
            Self::refuses_an_unsigned_kernel,
        )
        .await
    }

    async fn test<F>(&mut self, name: &'static str, play: F) -> Option<()>
    where
        F: AsyncFnOnce(&mut Self) -> Result<String>,
    {
        eprintln!("{name}");
        let began = Instant::now();
        let outcome = play(self).await;
        let took = began.elapsed();
        let (seen, failure) = match outcome {
            Ok(seen) => (seen, None),
            Err(error) => (String::new(), Some(format!("{error:#}"))),
        };
        match &failure {
            None => eprintln!("  holds ({:.0} s): {seen}", took.as_secs_f64()),
            Some(failure) => eprintln!("  DOES NOT HOLD: {failure}"),
        }
        let holds = failure.is_none();
        self.rows.push(Row {
            name,
            seen,
            took,
            failure,
        });
        holds.then_some(())
    }

    fn within(&self, on_hardware: Duration) -> Duration {
        self.vm.accelerator().patience(on_hardware)
    }

    async fn switch_on(&mut self) -> Result<()> {
        let tpm = self.tpm.clone();
        self.vm.power_on(&self.switch, Some(&tpm)).await
    }

    fn api(&self) -> Result<&BoxApi> {
        self.api.as_ref().context("nobody is signed in")
    }

    async fn enrols_keys(&mut self) -> Result<String> {
        self.switch_on().await?;
        let within = self.within(GOES_DOWN);
        self.vm.goes_down(within).await?;
        Ok("restarted with PK, KEK and db of its own".to_owned())
    }

    async fn first_start(&mut self) -> Result<String> {
        let recording = self.recording();
        run(Command::new("cp")
            .arg("--sparse=always")
            .arg(&self.vm.machine().disk)
            .arg(self.base()))
        .context("keep the disk as it was")?;
        self.vm.machine().recording = Some(recording);
        self.switch_on().await?;
        let within = self.within(PAGES_ANSWER);
        self.fingerprint = (self.vm)
            .console_says("Sealgate certificate SHA-256:", within)
            .await?;
        let code = self
            .vm
            .console_says("Sealgate set-up code:", within)
            .await?;
        let mut api = BoxApi::new(&self.vm.pages_url(), &self.fingerprint)?;
        let answer = api.set_up(&code, OWNER_PASSWORD).await?;
        answer.success("set the owner's password")?;
        api.sign_in("owner", OWNER_PASSWORD).await?;
        self.api = Some(api);
        self.good_version("0.1.0").await?;
        self.must_see(
            "od -An -tu1 -j4 /sys/firmware/efi/efivars/SecureBoot-*",
            "1",
        )
        .await?;
        self.must_see("cat /sys/block/dm-0/dm/name", "sealgate")
            .await?;
        self.must_see("findmnt -n -o SOURCE /var", "/dev/mapper/data")
            .await?;
        self.must_see("systemctl list-units --failed -q --plain", "")
            .await?;
        let token = (self.vm)
            .look("cryptsetup luksDump --dump-json-metadata /dev/disk/by-partlabel/data")
            .await?;
        let token: Value = serde_json::from_str(&token).context("read LUKS's metadata")?;
        let token = &token["tokens"]["0"];
        ensure!(
            token["tpm2-pcrs"] == serde_json::json!([7])
                && token["tpm2_pubkey_pcrs"] == serde_json::json!([11]),
            "data is sealed otherwise: {token}"
        );
        Ok("Secure Boot on; PCR 7 and signed PCR 11".to_owned())
    }

    /// What its power's loss at any flush of that boot would have left.
    fn survives_power_loss(&mut self) -> Result<String> {
        let image = self.places.build.join(format!("image-{NEXT}/lab"));
        let checked = cuts::check(&self.base(), &self.recording().writes, &image)?;
        self.vm.machine().recording = None;
        for file in [self.base(), self.recording().writes, self.recording().trace] {
            std::fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
        }
        Ok(checked.to_string())
    }

    /// The disk as it was before the boot that is recorded.
    fn base(&self) -> PathBuf {
        self.places.run.join("base.img")
    }

    fn recording(&self) -> Recording {
        Recording {
            writes: self.places.run.join("writes"),
            trace: self.places.run.join("trace"),
        }
    }

    async fn updates(&mut self) -> Result<String> {
        self.install(NEXT).await?;
        let updates = self.api()?.updates().await?;
        ensure!(
            updates["versions"][0]["version"] == NEXT && updates["versions"][0]["tries_left"] == 3,
            "the update is not the one that starts next: {updates}"
        );
        Ok("written, three tries".to_owned())
    }

    async fn next_version_runs(&mut self) -> Result<String> {
        self.comes_up().await?;
        self.good_version(NEXT).await?;
        self.must_see("cat /run/sealgate-slot", "b").await?;
        Ok("slot b, signed in with the same password".to_owned())
    }

    async fn refuses_below_the_floor(&mut self) -> Result<String> {
        let update = self.places.build.join("image/lab/update.sgu");
        let update = std::fs::read(update).context("read an update")?;
        let answer = self.api()?.install(update).await?;
        let code = answer.code();
        ensure!(code.as_deref() == Some("SG-UPD-004"), "it said {code:?}");
        Ok("SG-UPD-004".to_owned())
    }

    async fn reverts(&mut self) -> Result<String> {
        self.install(BROKEN).await?;
        self.restart().await?;
        for _ in 0..3 {
            self.switch_on().await?;
            let within = self.within(PAGES_ANSWER + GOOD);
            self.vm.goes_down(within).await?;
        }
        self.comes_up().await?;
        let updates = self.api()?.updates().await?;
        let reverted = &updates["reverted"];
        ensure!(
            reverted["code"] == "SG-UPD-024",
            "the reason is not told: {updates}"
        );
        Ok(reverted["cause"].as_str().unwrap_or_default().to_owned())
    }

    async fn survives_a_damaged_root(&mut self) -> Result<String> {
        self.install(BROKEN).await?;
        self.restart().await?;
        // It was put into slot a; what runs is in slot b.
        disk::damage_root(&self.vm.machine().disk, "root-a")?;
        for _ in 0..3 {
            self.switch_on().await?;
            let within = self.within(PAGES_ANSWER);
            self.vm.console_says("Kernel panic", within).await?;
            let within = self.within(GOES_DOWN);
            self.vm.goes_down(within).await?;
        }
        self.comes_up().await?;
        let updates = self.api()?.updates().await?;
        ensure!(
            updates["versions"][0]["version"] == NEXT && updates["versions"][0]["running"] == true,
            "something else runs: {updates}"
        );
        Ok("three panics, then 0.2.0".to_owned())
    }

    async fn locked_without_tpm(&mut self) -> Result<String> {
        let key = self.vm.look("cat /var/lib/sealgate/recovery-key").await?;
        self.vm.power_off().await?;
        self.vm.power_on(&self.switch, None).await?;
        let within = self.within(PAGES_ANSWER);
        self.vm
            .console_says("Sealgate certificate SHA-256:", within)
            .await?;
        let state = self.vm.look("cat /run/sealgate-data.json").await?;
        ensure!(state.contains("SG-BOO-004"), "the state is {state}");
        let wrong = "echo bbbbbbbb-bbbbbbbb | sealgate-unlock; test $? -eq 1";
        self.vm.look(wrong).await?;
        let right = format!("echo {} | sealgate-unlock", key.trim());
        self.vm.look(&right).await?;
        self.must_see("findmnt -n -o SOURCE /var", "/dev/mapper/data")
            .await?;
        self.vm.power_off().await?;
        Ok("SG-BOO-004; opened with the recovery key alone".to_owned())
    }

    async fn refuses_an_unsigned_kernel(&mut self) -> Result<String> {
        let kernel = self.places.build.join("image-0.2.0/lab/sealgate.efi");
        let unsigned = self.places.run.join("unsigned.efi");
        disk::without_signature(&kernel, &unsigned)?;
        disk::replace_kernel(&self.vm.machine().disk, &unsigned, "sealgate_0.9.0+3.efi")?;
        self.switch_on().await?;
        let within = self.within(GOES_DOWN);
        let said = self.vm.console_says("Access Denied", within).await;
        self.vm.cut_power();
        said?;
        Ok("the loader said: Access Denied".to_owned())
    }

    async fn install(&mut self, version: &str) -> Result<()> {
        let update = format!("image-{version}/lab/update.sgu");
        let update = self.places.build.join(update);
        let update = std::fs::read(update).context("read an update")?;
        let answer = self.api()?.install(update).await?;
        let installed = answer.success("install an update")?;
        ensure!(installed["version"] == version, "it says {installed}");
        Ok(())
    }

    async fn restart(&mut self) -> Result<()> {
        self.api()?.restart().await?;
        let within = self.within(GOES_DOWN);
        self.vm.goes_down(within).await
    }

    /// Pages answer with the same certificate, and take the same password.
    async fn comes_up(&mut self) -> Result<()> {
        self.switch_on().await?;
        let within = self.within(PAGES_ANSWER);
        let fingerprint = (self.vm)
            .console_says("Sealgate certificate SHA-256:", within)
            .await?;
        ensure!(
            fingerprint == self.fingerprint,
            "the box has another certificate: its data is not the same"
        );
        let mut api = BoxApi::new(&self.vm.pages_url(), &fingerprint)?;
        api.sign_in("owner", OWNER_PASSWORD).await?;
        self.api = Some(api);
        Ok(())
    }

    /// Waits until this version runs and the loader was told that it is good.
    async fn good_version(&mut self, version: &str) -> Result<()> {
        let within = self.within(GOOD);
        let began = Instant::now();
        loop {
            let updates = self.api()?.updates().await?;
            let good = updates["versions"].as_array().is_some_and(|versions| {
                versions.iter().any(|found| {
                    found["version"] == version
                        && found["running"] == true
                        && found["tries_left"].is_null()
                })
            });
            if good {
                return Ok(());
            }
            ensure!(
                began.elapsed() < within,
                "{version} is not found good: {updates}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn must_see(&mut self, command: &str, expected: &str) -> Result<()> {
        let found = self.vm.look(command).await?;
        let found = found.trim();
        ensure!(
            found == expected,
            "{command:?} says {found:?}, not {expected:?}"
        );
        Ok(())
    }
}
