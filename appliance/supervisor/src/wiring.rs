//! From a configuration to a running box.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sealgate_base::{Clock, Shutdown, SystemClock, read_at_most, service};
use sealgate_dongle::DongleReader;
use sealgate_kernel_gate::{Backstop, CameraPort, KernelGate};
use sealgate_lan::{Lan, LanConfig};
use sealgate_license::vendor::{VendorRoots, VendorRootsFile};
use sealgate_recorder_link::RecorderClient;
use sealgate_store::Store;
use sealgate_web::rooms::{BoxIdentity, Rooms};
use sealgate_web::tls::TlsMaterial;
use sealgate_web::{LocalRooms, WebConfig, serve, serve_local};

use crate::camera_desk::{self, Desk};
use crate::config::Config;
use crate::license::{BoxLicenses, BoxNames, LicenseBox, LicenseFiles};
use crate::license_desk::LicenseDesk;
use crate::motion_desk;
use crate::onvif_desk::OnvifDesk;
use crate::replacements::Replacements;
use crate::rooms::{Cameras, Clips, Gate, License, People, Steerer, Video};
use crate::setup_code::SetupCode;
use crate::traffic_desk::{self, Traffic};

/// A longer serial number, or roots file, is not ours.
const MAX_SERIAL_BYTES: u64 = 256;
const MAX_ROOTS_BYTES: u64 = 64 * 1024;
/// A camera silent for longer is no longer listed as seen.
const FORGET_AFTER: Duration = Duration::from_secs(300);
/// A round of the camera desk that is older than this means that its work stands still.
const STALLED: Duration = Duration::from_secs(90);

/// Closes the gate on every camera port; for the unit that runs before the network.
///
/// # Errors
/// A port's name is unusable, or the kernel refused the rules.
pub async fn close_gate(config: &Config) -> anyhow::Result<()> {
    kernel_gate(config)?
        .close_all()
        .await
        .context("the gate could not be closed")?;
    let ports = config.ports.with_cameras();
    tracing::info!(?ports, "the gate is closed");
    Ok(())
}

/// Runs the box until the end comes.
///
/// # Errors
/// What the box can't run without: its store, its certificate, its listening address.
pub async fn run(config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let run_dir = &config.identity.run_dir;
    if let Err(error) = create_private_folder(run_dir) {
        tracing::warn!(%error, "what is to last until the machine restarts is lost with this process");
    }
    let gate = Arc::new(kernel_gate(&config)?.with_memory(run_dir.join("gate.json")));
    if let Err(error) = gate.close_all().await {
        // The pages must come up to say so; the camera desk tries again.
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the gate could not be set"
        );
    }
    let identity = identity(&config);
    let store = Arc::new(Store::open(&config.identity.data_dir.join("box.db"))?);
    let setup_folder = config.identity.state_dir.join("setup");
    create_private_folder(&setup_folder)?;
    let setup_code = SetupCode::read_or_create(&setup_folder)?;
    let people = Arc::new(People::new(
        Arc::clone(&store),
        Arc::clone(&clock),
        setup_code,
        &identity.name,
    )?);
    let tls_folder = config.identity.data_dir.join("tls");
    create_private_folder(&tls_folder)?;
    create_private_folder(&config.identity.state_dir.join("license"))?;
    let journal_folder = config.identity.state_dir.join("license/replacements");
    create_private_folder(&journal_folder)?;
    let replacements = Arc::new(Replacements::read(journal_folder));
    let tls = TlsMaterial::load_or_create(&tls_folder, &names(&identity))?;
    announce(&config, &people, &tls);

    let license_box = LicenseBox::new(
        config.tpm_address()?,
        LicenseFiles::new(config.identity.state_dir.join("license")),
        vendor_roots(&config.vendor.roots)?,
        BoxNames {
            model: identity.model.clone(),
            serial: identity.serial.clone(),
            firmware: identity.firmware.clone(),
        },
        Arc::clone(&clock),
    );
    let license_box = with_surroundings(license_box, &config);
    let licenses = BoxLicenses::new(license_box, DongleReader::new(), Arc::clone(&clock));
    let license = LicenseDesk::start(licenses, config.check_interval())
        .context("the license desk could not be started")?;
    let lan = Lan::start(
        LanConfig {
            probe_interval: config.probe_interval(),
            forget_after: FORGET_AFTER,
            ..LanConfig::new(config.ports.with_cameras())
        },
        Arc::clone(&clock),
        {
            let shutdown = shutdown.clone();
            async move { shutdown.requested().await }
        },
    )?;
    let recorder = RecorderClient::new(&config.recorder.socket);
    let onvif = Arc::new(OnvifDesk::new(Arc::clone(&store), Arc::clone(&clock)));
    let desk = camera_desk::start(
        Desk {
            store: Arc::clone(&store),
            gate: Arc::clone(&gate),
            recorder: recorder.clone(),
            sightings: lan.sightings(),
            lan: lan.clone(),
            own_brand: config.brand.clone(),
            descriptions: onvif.descriptions(),
            license: license.watch(),
            replacements: Arc::clone(&replacements),
            clock: Arc::clone(&clock),
        },
        shutdown.clone(),
    );
    tokio::spawn(Arc::clone(&onvif).run(desk.clone(), shutdown.clone()));
    tokio::spawn({
        let (gate, shutdown) = (Arc::clone(&gate), shutdown.clone());
        async move {
            tokio::select! {
                () = gate.keep() => {}
                () = shutdown.requested() => {}
            }
        }
    });
    tokio::spawn(motion_desk::run(
        desk.clone(),
        Arc::clone(&onvif),
        recorder.clone(),
        shutdown.clone(),
    ));
    let video = Arc::new(Video::new(recorder.clone()));
    let clips = Clips::new(
        recorder.clone(),
        license.clone(),
        desk.clone(),
        Arc::clone(&clock),
    );
    let traffic = Arc::new(Traffic::default());
    tokio::spawn(traffic_desk::run(
        Arc::clone(&traffic),
        Arc::clone(&gate),
        Arc::clone(&clock),
        shutdown.clone(),
    ));
    let cameras = Arc::new(Cameras {
        desk: desk.clone(),
        store: Arc::clone(&store),
        gate: Arc::clone(&gate),
        recorder,
        license: license.clone(),
        replacements: Arc::clone(&replacements),
        onvif: Arc::clone(&onvif),
        own_brand: config.brand.clone(),
        lan,
        pending: Arc::default(),
        adding: Arc::default(),
        traffic,
        clock: Arc::clone(&clock),
    });
    let rooms = Rooms {
        identity: identity.clone(),
        setup: people.clone(),
        sign_in: people.clone(),
        sessions: people.clone(),
        users: people.clone(),
        recovery: people,
        license: Arc::new(License::new(
            license.clone(),
            desk.clone(),
            Arc::clone(&replacements),
            Arc::clone(&store),
            Arc::clone(&clock),
            identity,
        )),
        cameras: cameras.clone(),
        adding: cameras,
        gate: Arc::new(Gate::new(gate)),
        recordings: video.clone(),
        live: video,
        steering: Arc::new(Steerer::new(desk.clone(), onvif)),
        clips: Arc::new(clips),
    };
    let alive = {
        let clock = Arc::clone(&clock);
        move || {
            let at = desk.picture().at;
            // The first round waits for the first answer of the TPM, however slow that is.
            at.is_zero() || clock.monotonic().saturating_sub(at) < STALLED
        }
    };
    tokio::spawn(service::feed_watchdog(shutdown.clone(), alive));
    tokio::spawn(local_api(
        config.identity.run_dir.join("api.sock"),
        LocalRooms {
            license: Arc::clone(&rooms.license),
            recovery: Arc::clone(&rooms.recovery),
        },
        shutdown.clone(),
    ));
    service::ready();
    serve(
        WebConfig {
            listen: config.web.listen,
            tls,
            clock,
        },
        rooms,
        shutdown,
    )
    .await?;
    service::stopping();
    Ok(())
}

/// The license desk's eyes for another box on this TPM, and for a locked data disk.
fn with_surroundings(license_box: LicenseBox, config: &Config) -> LicenseBox {
    let run_dir = &config.identity.run_dir;
    let license_box = match create_private_folder(run_dir) {
        Ok(()) => license_box.with_run_folder(run_dir),
        Err(error) => {
            tracing::warn!(%error, "another box on this TPM could not be noticed");
            license_box
        }
    };
    match &config.identity.data_mount {
        Some(folder) => license_box.with_data_mount(folder),
        None => license_box,
    }
}

/// The box works without its command line: a socket that can't be made is only said.
async fn local_api(path: PathBuf, rooms: LocalRooms, shutdown: Shutdown) {
    if let Err(error) = serve_local(path, rooms, shutdown).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the command `sealgate` does not work"
        );
    }
}

fn kernel_gate(config: &Config) -> anyhow::Result<KernelGate> {
    let pages = config.web.listen.port();
    let camera_only = config.ports.camera.iter().map(|name| CameraPort::new(name));
    let shared = config.ports.shared.iter();
    let shared = shared.map(|name| CameraPort::shared(name, pages));
    let ports = camera_only.chain(shared).collect::<Result<Vec<_>, _>>()?;
    Ok(KernelGate::new(ports, Some(config.recorder.uid))
        .with_backstop(Backstop::new(&config.ports.owner)))
}

fn vendor_roots(path: &Path) -> anyhow::Result<VendorRoots> {
    let text = read_at_most(path, MAX_ROOTS_BYTES)?
        .with_context(|| format!("the image has no vendor roots at {}", path.display()))?;
    let file = VendorRootsFile::parse(&text).context("the image's vendor roots are unusable")?;
    file.for_flavour(file.flavour)
        .context("the image's vendor roots are of another flavour")
}

/// Makes a folder that only this process's user can enter, if it is not there.
fn create_private_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder {} could not be made", folder.display()))
}

/// What the box calls itself. A box that was never given a serial number has a readable
/// stand-in, so that the pages still come up.
fn identity(config: &Config) -> BoxIdentity {
    let serial = match read_at_most(&config.identity.serial_file, MAX_SERIAL_BYTES) {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes)
            .lines()
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || "-._".contains(*letter))
            .take(64)
            .collect(),
        Ok(None) => String::new(),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "serial number");
            String::new()
        }
    };
    let serial = if serial.is_empty() {
        "unnumbered".to_owned()
    } else {
        serial
    };
    BoxIdentity {
        name: serial.clone(),
        model: config.identity.model.clone(),
        serial,
        firmware: env!("CARGO_PKG_VERSION").to_owned(),
        host_names: config.web.names.clone(),
    }
}

/// Names for the certificate; browsers warn about it once whatever it says.
fn names(identity: &BoxIdentity) -> Vec<String> {
    let host: String = identity
        .name
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    vec![host, "sealgate".to_owned(), "localhost".to_owned()]
}

/// Tells whoever stands at the box what they need to come in safely. On the console, so
/// that only they can read it.
fn announce(config: &Config, people: &People, tls: &TlsMaterial) {
    println!(
        "Sealgate pages: https, port {}, on {}",
        config.web.listen.port(),
        config.ports.with_owner().join(" and ")
    );
    println!("Sealgate certificate SHA-256: {}", tls.fingerprint_sha256());
    if let Some(code) = people.shown_code() {
        println!("Sealgate set-up code: {code}");
    }
}
