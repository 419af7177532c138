//! The license portal, with the lab's vendor keys and the makers of its software TPMs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::lab::{Places, TpmChoice, tpm_folder};
use super::process::{Process, run};
use crate::client::portal_api::PortalApi;

/// Vendor staff, who adds distributors.
const ADMIN: (&str, &str) = ("admin@vendor.example", "the vendor's own long password");
/// A distributor, who gets licenses.
const DISTRIBUTOR: (&str, &str) = ("sales@distributor.example", "a distributor's long password");
/// Channels that the distributor has bought.
const CHANNELS: u32 = 100;

/// A portal that runs.
#[derive(Debug)]
pub struct Portal {
    url: String,
    _process: Process,
}

impl Portal {
    /// Makes a new portal with one distributor, and starts it on the loopback.
    ///
    /// # Errors
    /// The portal's binary is missing or refuses.
    pub async fn start(places: &Places) -> Result<Self> {
        let binary = places.binaries.join("sealgate-portal");
        let data = places.run.join("portal");
        let in_place = |arguments: &[&str]| {
            let mut command = Command::new(&binary);
            command
                .args(arguments)
                .arg("--data")
                .arg(&data)
                .arg("--keys")
                .arg(places.vendor());
            command
        };
        let password = places.run.join("admin-password");
        std::fs::write(&password, ADMIN.1).context("write the admin's password")?;
        run(
            in_place(&["init", "--flavour", "lab", "--admin-email", ADMIN.0])
                .arg("--admin-password-file")
                .arg(&password),
        )?;
        for choice in [TpmChoice::Own, TpmChoice::Another] {
            let folder = tpm_folder(places, choice).context("a TPM has a folder")?;
            let [root, intermediate] = maker_certificates(&folder);
            run(in_place(&["roots", "add", "--class", "lab"]).arg(root))?;
            run(in_place(&["roots", "add", "--intermediate"]).arg(intermediate))?;
        }
        let serve = in_place(&["serve", "--flavour", "lab", "--listen", "127.0.0.1:0"]);
        let mut process = Process::start("portal", &serve, &places.run.join("portal.log"))?;
        let url = process
            .said("ready at ", 0, Duration::from_secs(20))
            .await?;
        let mut admin = PortalApi::new(&url)?;
        admin.sign_in(ADMIN.0, ADMIN.1).await?;
        admin
            .add_distributor("Distributor", DISTRIBUTOR.0, DISTRIBUTOR.1, CHANNELS)
            .await?;
        Ok(Self {
            url,
            _process: process,
        })
    }

    /// Where its pages are.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The distributor's name there.
    pub fn email(&self) -> &'static str {
        DISTRIBUTOR.0
    }

    /// The distributor's password there.
    pub fn password(&self) -> &'static str {
        DISTRIBUTOR.1
    }

    /// A session of the distributor.
    ///
    /// # Errors
    /// Refused.
    pub async fn sign_in(&self) -> Result<PortalApi> {
        let mut api = PortalApi::new(&self.url)?;
        api.sign_in(self.email(), self.password()).await?;
        Ok(api)
    }
}

/// The certificates of the authority that made a software TPM: its root, and the
/// authority below it that signs the TPMs'.
fn maker_certificates(tpm: &Path) -> [PathBuf; 2] {
    ["swtpm-localca-rootca-cert.pem", "issuercert.pem"].map(|name| tpm.join("ca").join(name))
}
