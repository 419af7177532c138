//! The whole world, put together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::another_box;
use super::cameras::{BOX_PORT, CAMERA_A, CAMERA_B, Camera};
use super::host_box::HostBox;
use super::namespaces::Switch;
use super::portal::Portal;
use super::vm_box::VmBox;
use super::{BootFacts, ResidentKib};
use crate::browser::BrowserSetup;
use crate::swtpm;

/// Where the lab finds what was built, and puts what it makes.
#[derive(Debug, Clone)]
pub struct Places {
    /// The repository's `build` folder.
    pub build: PathBuf,
    /// Supervisor, recorder and portal.
    pub binaries: PathBuf,
    /// This run's own folder: logs, and the state of box, portal and TPMs.
    pub run: PathBuf,
}

impl Places {
    /// The vendor's root keys that box and portal believe.
    pub fn vendor_roots(&self) -> PathBuf {
        self.vendor().join("vendor-roots.json")
    }

    /// The lab's vendor keys, which scripts/run makes.
    pub fn vendor(&self) -> PathBuf {
        self.build.join("lab/vendor")
    }
}

/// The TPM beside the box's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TpmChoice {
    /// The one it was made with.
    Own,
    /// Another of the same make.
    Another,
    /// None.
    None,
}

/// Which kind of box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Plain processes.
    Host,
    /// The lab image in QEMU.
    Qemu,
}

impl Kind {
    /// As in the report.
    pub fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Qemu => "qemu",
        }
    }
}

#[derive(Debug)]
enum TheBox {
    Host(Box<HostBox>),
    Vm(Box<VmBox>),
}

/// Everything that runs. Dropping it ends it all: first the box, then what it is
/// connected to.
#[derive(Debug)]
pub struct Lab {
    the_box: TheBox,
    tpm: TpmChoice,
    facts: Option<BootFacts>,
    camera_a: Camera,
    camera_b: Camera,
    switch: Switch,
    portal: Portal,
    places: Places,
}

impl Lab {
    /// Makes TPMs, cameras and a box that is still switched off.
    ///
    /// # Errors
    /// Something is missing on this machine.
    pub async fn set_up(kind: Kind, places: Places, tpm: TpmChoice) -> Result<Self> {
        for choice in [TpmChoice::Own, TpmChoice::Another] {
            let folder = tpm_folder(&places, choice).context("a TPM has a folder")?;
            swtpm::manufacture(&folder)?;
        }
        let switch = Switch::create()?;
        let camera_a = Camera::start(&switch, CAMERA_A, &places.run).await?;
        let camera_b = Camera::start(&switch, CAMERA_B, &places.run).await?;
        let portal = Portal::start(&places).await?;
        let folder = places.run.join("box");
        std::fs::create_dir_all(&folder).context("make the box's folder")?;
        let the_box = match kind {
            Kind::Host => TheBox::Host(Box::new(
                HostBox::new(&places.binaries, &folder, &places.vendor_roots()).await?,
            )),
            Kind::Qemu => {
                let image = places.build.join("image/lab");
                TheBox::Vm(Box::new(VmBox::new(&image, &folder).await?))
            }
        };
        Ok(Self {
            the_box,
            tpm,
            facts: None,
            camera_a,
            camera_b,
            switch,
            portal,
            places,
        })
    }

    /// Which kind of box this lab has.
    pub fn kind(&self) -> Kind {
        match self.the_box {
            TheBox::Host(_) => Kind::Host,
            TheBox::Vm(_) => Kind::Qemu,
        }
    }

    /// How much longer than on real hardware things may take.
    pub fn patience(&self) -> f64 {
        match &self.the_box {
            TheBox::Host(_) => 1.0,
            TheBox::Vm(vm) => vm
                .accelerator()
                .patience(Duration::from_secs(1))
                .as_secs_f64(),
        }
    }

    /// This run's folder.
    pub fn folder(&self) -> &Path {
        &self.places.run
    }

    /// A log of this run.
    pub fn log(&self, name: &str) -> PathBuf {
        self.places.run.join(format!("{name}.log"))
    }

    /// Where everything else is.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The owner's browser.
    pub fn browser_setup(&self) -> BrowserSetup {
        BrowserSetup {
            python: self.places.build.join("venv/bin/python"),
            screenshots: self
                .places
                .build
                .join("screenshots")
                .join(self.kind().name()),
            patience: self.patience(),
        }
    }

    /// The cameras' switch.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The camera that gets the license's place.
    pub fn camera_a(&mut self) -> &mut Camera {
        &mut self.camera_a
    }

    /// The camera that never gets one.
    pub fn camera_b(&self) -> &Camera {
        &self.camera_b
    }

    /// The folder of the software TPM of this choice.
    pub fn tpm_folder(&self, choice: TpmChoice) -> Option<PathBuf> {
        tpm_folder(&self.places, choice)
    }

    /// The license portal.
    pub fn portal(&self) -> &Portal {
        &self.portal
    }

    /// A license request of a box that has the other TPM.
    ///
    /// # Errors
    /// That TPM is in use, or makes no request.
    pub async fn request_of_another_box(&self) -> Result<String> {
        let tpm = self
            .tpm_folder(TpmChoice::Another)
            .context("a TPM has a folder")?;
        another_box::request(tpm, self.places.vendor_roots()).await
    }

    /// The box's hardware address on the camera network.
    pub fn box_camera_mac(&self) -> &'static str {
        match self.the_box {
            TheBox::Host(_) => BOX_PORT.mac,
            TheBox::Vm(_) => VmBox::CAMERA_MAC,
        }
    }

    /// Switches the box on.
    ///
    /// # Errors
    /// Something did not start.
    pub async fn power_on(&mut self) -> Result<()> {
        let tpm = self.tpm_folder(self.tpm);
        match &mut self.the_box {
            TheBox::Host(host) => {
                self.facts = Some(host.power_on(&self.switch, tpm.as_deref()).await?);
            }
            TheBox::Vm(vm) => {
                self.facts = None;
                vm.power_on(&self.switch, tpm.as_deref()).await?;
            }
        }
        Ok(())
    }

    /// Restarts the box the clean way. Beside another TPM that means: the disk goes into
    /// another machine.
    ///
    /// # Errors
    /// It did not go down, or did not start again.
    pub async fn restart(&mut self, tpm: TpmChoice) -> Result<()> {
        let same_machine = tpm == self.tpm;
        self.tpm = tpm;
        match &mut self.the_box {
            TheBox::Host(host) => host.power_off(),
            TheBox::Vm(vm) if same_machine => {
                self.facts = None;
                return vm.reboot().await;
            }
            TheBox::Vm(vm) => vm.power_off().await?,
        }
        self.power_on().await
    }

    /// What the present boot shows about itself.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn boot_facts(&mut self) -> Result<BootFacts> {
        match &mut self.the_box {
            TheBox::Host(_) => self.facts.clone().context("the box was not started"),
            TheBox::Vm(vm) => vm.boot_facts(self.tpm != TpmChoice::None).await,
        }
    }

    /// The rest of the first console line of this boot that has `prefix` in it.
    ///
    /// # Errors
    /// It did not come in time.
    pub async fn console_says(&mut self, prefix: &str, within: Duration) -> Result<String> {
        match &mut self.the_box {
            TheBox::Host(host) => host.console_says(prefix, within).await,
            TheBox::Vm(vm) => vm.console_says(prefix, within).await,
        }
    }

    /// Where the console's log is.
    pub fn console(&self) -> PathBuf {
        match &self.the_box {
            TheBox::Host(host) => host.console(),
            TheBox::Vm(vm) => vm.console(),
        }
    }

    /// Where the recorder's log is, among others perhaps.
    pub fn recorder_log(&self) -> PathBuf {
        match &self.the_box {
            TheBox::Host(host) => host.recorder_log(),
            TheBox::Vm(vm) => vm.console(),
        }
    }

    /// Where a browser on this machine finds the pages.
    pub fn pages_url(&self) -> String {
        match &self.the_box {
            TheBox::Host(host) => host.pages_url(),
            TheBox::Vm(vm) => vm.pages_url(),
        }
    }

    /// Takes the gate's rules out of the kernel, as somebody with root might.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn flush_gate_rules(&mut self) -> Result<()> {
        match &mut self.the_box {
            TheBox::Host(host) => host.flush_gate_rules(),
            TheBox::Vm(vm) => vm.flush_gate_rules().await,
        }
    }

    /// Does so again and again until the box is switched off: quicker than they are put back.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn keep_flushing_gate_rules(&mut self) -> Result<()> {
        match &mut self.the_box {
            TheBox::Host(host) => host.keep_flushing_gate_rules(),
            TheBox::Vm(vm) => vm.keep_flushing_gate_rules().await,
        }
    }

    /// Resident memory of supervisor and recorder.
    ///
    /// # Errors
    /// The box does not answer.
    pub async fn resident_kib(&mut self) -> Result<ResidentKib> {
        match &mut self.the_box {
            TheBox::Host(host) => host.resident_kib(),
            TheBox::Vm(vm) => vm.resident_kib().await,
        }
    }
}

pub(crate) fn tpm_folder(places: &Places, choice: TpmChoice) -> Option<PathBuf> {
    match choice {
        TpmChoice::Own => Some(places.run.join("tpm-own")),
        TpmChoice::Another => Some(places.run.join("tpm-another")),
        TpmChoice::None => None,
    }
}
