//! The lab image in QEMU with a license of the portal, and nothing else: no cameras, no
//! browser. Its disk and its TPM live on while everything else about it may change.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::lab::{Places, TpmChoice, tpm_folder};
use super::namespaces::Switch;
use super::portal::Portal;
use super::process::last_lines;
use super::vm_box::VmBox;
use crate::client::box_api::BoxApi;
use crate::journey::OWNER_PASSWORD;
use crate::qemu::Machine;
use crate::swtpm;

/// From power-on to pages, on real hardware.
const PAGES_ANSWER: Duration = Duration::from_secs(60);

/// A box that got licenses from a portal.
#[derive(Debug)]
pub struct LicensedVm {
    vm: VmBox,
    api: BoxApi,
    switch: Switch,
    portal: Portal,
    server: String,
    places: Places,
}

impl LicensedVm {
    /// Makes a box with a TPM of its own, sets its password and gets it a license for this
    /// many camera channels. It is on afterwards.
    ///
    /// # Errors
    /// Something is missing on this machine, or the box or the portal refused.
    pub async fn set_up(places: Places, channels: u32) -> Result<Self> {
        for choice in [TpmChoice::Own, TpmChoice::Another] {
            let folder = tpm_folder(&places, choice).context("a TPM has a folder")?;
            swtpm::manufacture(&folder)?;
        }
        let switch = Switch::create()?;
        let portal = Portal::start(&places).await?;
        let distributor = portal.sign_in().await?;
        let project = distributor.add_project("Warehouse").await?;
        let server = distributor.add_server(&project, "Gate house").await?;
        let folder = places.run.join("box");
        std::fs::create_dir_all(&folder).context("make the box's folder")?;
        let mut vm = VmBox::new(&places.build.join("image/lab"), &folder).await?;
        let own = tpm_folder(&places, TpmChoice::Own);
        vm.power_on(&switch, own.as_deref()).await?;
        let within = vm.accelerator().patience(PAGES_ANSWER);
        let fingerprint = vm
            .console_says("Sealgate certificate SHA-256:", within)
            .await?;
        let code = vm.console_says("Sealgate set-up code:", within).await?;
        let api = BoxApi::new(&vm.pages_url(), &fingerprint)?;
        let mut licensed = Self {
            vm,
            api,
            switch,
            portal,
            server,
            places,
        };
        licensed.pages_answer().await?;
        let answer = licensed.api.set_up(&code, OWNER_PASSWORD).await?;
        answer.success("set the owner's password")?;
        licensed.api.sign_in("owner", OWNER_PASSWORD).await?;
        licensed.import(channels).await?;
        Ok(licensed)
    }

    /// Asks the portal for a license for this many camera channels, and imports it.
    ///
    /// # Errors
    /// Portal or box refused.
    pub async fn import(&self, channels: u32) -> Result<()> {
        let request = self.api.export_request().await?;
        let distributor = self.portal.sign_in().await?;
        let order = distributor
            .order(&self.server, &request, channels, false)
            .await?;
        let issued = order.success("issue a license")?;
        let license = issued["file"].as_str().context("a license has a file")?;
        let imported = self.api.import(license.as_bytes(), false).await?;
        imported.success("import a license")?;
        let total = self.license().await?["places"]["total"].clone();
        ensure!(
            total == channels,
            "after the import there are {total} places, not {channels}"
        );
        Ok(())
    }

    /// The machine, to change while it is off.
    pub fn machine(&mut self) -> &mut Machine {
        self.vm.machine()
    }

    /// The box itself.
    pub fn vm(&mut self) -> &mut VmBox {
        &mut self.vm
    }

    /// This run's folder.
    pub fn folder(&self) -> &Path {
        &self.places.run
    }

    /// The folder of the box's TPM, or of another of the same make.
    ///
    /// # Errors
    /// No TPM was asked for.
    pub fn tpm(&self, choice: TpmChoice) -> Result<PathBuf> {
        tpm_folder(&self.places, choice).context("a TPM has a folder")
    }

    /// Switches it on beside the TPM in this folder, and signs in; the time to the first
    /// answer.
    ///
    /// # Errors
    /// It does not start, or its pages do not answer.
    pub async fn power_on(&mut self, tpm: &Path) -> Result<Duration> {
        let began = Instant::now();
        self.vm.power_on(&self.switch, Some(tpm)).await?;
        self.pages_answer().await?;
        let took = began.elapsed();
        self.api.sign_in("owner", OWNER_PASSWORD).await?;
        Ok(took)
    }

    /// The license as the box shows it.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn license(&self) -> Result<Value> {
        self.api.license().await
    }

    async fn pages_answer(&mut self) -> Result<()> {
        let within = self.vm.accelerator().patience(PAGES_ANSWER);
        let began = Instant::now();
        while !self.api.is_up().await {
            self.vm.must_be_running()?;
            ensure!(
                began.elapsed() < within,
                "the pages do not answer within {within:?}. The end of the console:\n{}",
                last_lines(&self.vm.console(), 25)
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}
