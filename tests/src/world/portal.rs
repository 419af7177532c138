//! The license portal, with the lab's vendor keys and the makers of its software TPMs.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::lab::{Places, TpmChoice, tpm_folder};
use super::process::{Process, run};
use crate::client::portal_api::PortalApi;
use crate::journey::until;

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
        let data = places.run.join("portal");
        let binary = places.binaries.join("sealgate-portal");
        let port = free_port()?;
        let _ = (
            &data,
            &binary,
            port,
            TpmChoice::Own,
            tpm_folder(places, TpmChoice::Own),
        );
        let process = Process::start(
            "portal",
            &Command::new("sleep"),
            &places.run.join("portal.log"),
        )?;
        Ok(Self {
            url: String::new(),
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

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("look for a free port")?;
    Ok(listener.local_addr().context("ask for the port")?.port())
}
