//! The whole supervisor killed (SIGKILL) while it imports a license, at moments that are
//! spread over the import: pages, license desk, TPM and store, as plain processes.
//!
//! Started again, it has the old license or the new one. The kill at every single system
//! call is a test of the license code alone (`tests/tests/cuts`); this is for what else is
//! going on in the process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::Value;

use crate::client::box_api::BoxApi;
use crate::journey::OWNER_PASSWORD;
use crate::swtpm;
use crate::world::host_box::HostBox;
use crate::world::lab::tpm_folder;
use crate::world::namespaces::Switch;
use crate::world::portal::Portal;
use crate::world::{Places, TpmChoice};

const PAGES_ANSWER: Duration = Duration::from_secs(60);
/// After this, no places means no license.
const FIRST_CHECK: Duration = Duration::from_secs(20);
/// A busy TPM is asked again so often, and after this.
const BUSY_RETRIES: u32 = 5;
const BUSY_WAIT: Duration = Duration::from_secs(2);
/// The channels of every other license.
const CHANNELS: [u32; 2] = [8, 4];

/// How often it was killed, and what it had then.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The license from before.
    pub old: u32,
    /// The license that was being imported.
    pub new: u32,
}

struct Killing {
    the_box: HostBox,
    api: BoxApi,
    portal: Portal,
    server: String,
    /// Its cables end here.
    _switch: Switch,
}

/// Kills it so many times.
///
/// # Errors
/// A box that has neither license, or can't go on; or something is missing here.
pub async fn play(places: Places, kills: u32) -> Result<Tally> {
    let mut killing = Killing::set_up(&places).await?;
    let first = killing.issue(CHANNELS[0]).await?;
    let began = Instant::now();
    killing.import(&first).await?;
    let whole_import = began.elapsed();

    let mut tally = Tally::default();
    let mut has = 0;
    for kill in 0..kills {
        let (old, new) = (CHANNELS[has], CHANNELS[1 - has]);
        let license = killing.issue(new).await?;
        // Denser at its beginning, where the decision falls; and a little beyond its end,
        // as imports differ.
        let part = f64::from(kill) / f64::from(kills);
        let moment = whole_import.mul_f64(1.2 * part * part);
        let places = killing.killed_after(moment, &license).await?;
        if places == u64::from(new) {
            tally.new += 1;
        } else if places == u64::from(old) {
            tally.old += 1;
        } else {
            bail!("killed after {moment:?}: {places} places, neither {old} nor {new}");
        }
        // Whatever it was: the file leads on.
        killing.import(&license).await?;
        has = 1 - has;
    }
    Ok(tally)
}

impl Killing {
    async fn set_up(places: &Places) -> Result<Self> {
        let own = tpm_folder(places, TpmChoice::Own).context("a TPM has a folder")?;
        let another = tpm_folder(places, TpmChoice::Another).context("a TPM has a folder")?;
        // The portal believes the makers of both.
        swtpm::manufacture(&own)?;
        swtpm::manufacture(&another)?;
        let switch = Switch::create()?;
        let portal = Portal::start(places).await?;
        let distributor = portal.sign_in().await?;
        let project = distributor.add_project("Warehouse").await?;
        let server = distributor.add_server(&project, "Gate house").await?;
        let folder: PathBuf = places.run.join("box");
        std::fs::create_dir_all(&folder).context("make the box's folder")?;
        let mut the_box = HostBox::new(&places.binaries, &folder, &places.vendor_roots()).await?;
        the_box.power_on(&switch, Some(&own)).await?;
        let fingerprint = the_box
            .console_says("Sealgate certificate SHA-256:", PAGES_ANSWER)
            .await?;
        let code = the_box
            .console_says("Sealgate set-up code:", PAGES_ANSWER)
            .await?;
        let mut api = BoxApi::new(&the_box.pages_url(), &fingerprint)?;
        pages_answer(&api).await?;
        let answer = api.set_up(&code, OWNER_PASSWORD).await?;
        answer.success("set the owner's password")?;
        api.sign_in("owner", OWNER_PASSWORD).await?;
        Ok(Self {
            the_box,
            api,
            portal,
            server,
            _switch: switch,
        })
    }

    async fn issue(&self, channels: u32) -> Result<Vec<u8>> {
        let request = self.api.export_request().await?;
        let distributor = self.portal.sign_in().await?;
        let order = distributor
            .order(&self.server, &request, channels, false)
            .await?;
        let issued = order.success("issue a license")?;
        let file = issued["file"].as_str().context("a license has a file")?;
        Ok(file.as_bytes().to_vec())
    }

    async fn import(&self, license: &[u8]) -> Result<Value> {
        // A TPM that is asked by somebody else answers later, as the box says itself.
        for _ in 0..BUSY_RETRIES {
            let imported = self.api.import(license, false).await?;
            if imported.status != StatusCode::SERVICE_UNAVAILABLE {
                return imported.success("import a license");
            }
            tokio::time::sleep(BUSY_WAIT).await;
        }
        let imported = self.api.import(license, false).await?;
        imported.success("import a license")
    }

    /// Starts an import, kills the supervisor after that time, starts it again, and says how
    /// many places there are.
    async fn killed_after(&mut self, moment: Duration, license: &[u8]) -> Result<u64> {
        let (api, file) = (self.api.clone(), license.to_vec());
        let import = tokio::spawn(async move { api.import(&file, false).await });
        tokio::time::sleep(moment).await;
        self.the_box.kill_supervisor()?;
        // Its answer was lost with it, or came just before.
        let _ = import.await;
        self.the_box.start_supervisor_again()?;
        pages_answer(&self.api).await?;
        let began = Instant::now();
        loop {
            let license = self.api.license().await?;
            // Its first check may still be under way.
            if let Some(places) = license["places"]["total"].as_u64()
                && (places > 0 || began.elapsed() > FIRST_CHECK)
            {
                return Ok(places);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn pages_answer(api: &BoxApi) -> Result<()> {
    let began = Instant::now();
    while !api.is_up().await {
        ensure!(
            began.elapsed() < PAGES_ANSWER,
            "the pages do not answer within {PAGES_ANSWER:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
