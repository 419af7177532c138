//! Where license, cameras and gate meet: one task that decides, closes or opens the
//! kernel's gate, and tells the recorder what to record.
//!
//! Invariants: the gate closes for a camera before the recorder hears of it, and opens
//! before the recorder is sent there; what could not be carried out is tried again at the
//! next round; a round that fails leaves the gate as it was or closes it, never opens it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sealgate_base::{Clock, Shutdown};
use sealgate_camera::{CameraId, MacAddress};
use sealgate_gate::{Address, Assignment, Decision, Decisions, Fact, Whereabouts, decide};
use sealgate_kernel_gate::{Admission, KernelGate, KernelGateError};
use sealgate_lan::{Credentials, Enrolment, LanHandle, Location, Pin, Sighting, locate};
use sealgate_recorder_link::{DesiredCamera, DesiredSet, RecorderClient};
use sealgate_store::{Channel, KnownCamera, Store, StoreError};
use tokio::sync::watch;

use crate::license_desk::Standing;

/// How often a round comes by itself: mends a flushed ruleset, tells a restarted recorder.
const ROUND: Duration = Duration::from_secs(5);
/// How soon a round that failed is repeated.
const RETRY: Duration = Duration::from_secs(1);

/// How long a page waits for a decision.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a fresh start waits for the first camera to be seen.
const FIRST_SIGHTINGS: Duration = Duration::from_secs(3);

/// What the last round saw and did.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// Devices on the camera ports now.
    pub sightings: Vec<Sighting>,
    /// Channels the owner gave.
    pub channels: Vec<Channel>,
    /// What was decided.
    pub decisions: Decisions,
    /// The kernel has the decision.
    pub gate_in_force: bool,
    /// The recorder has the desired set.
    pub recorder_told: bool,
    /// Questions up to this one are answered by it.
    pub answers: u64,
    /// Where each camera was admitted last, since the start.
    pub admitted_at: BTreeMap<MacAddress, Ipv4Addr>,
    /// When the round ended, of the monotonic clock.
    pub at: Duration,
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error("the channels could not be read")]
    Store(#[source] StoreError),
    #[error("the blocking task ended early")]
    Task(#[source] tokio::task::JoinError),
}

/// What the desk works with.
pub struct Desk {
    /// Channels and known cameras.
    pub store: Arc<Store>,
    /// The kernel's rules.
    pub gate: Arc<KernelGate>,
    /// The recorder.
    pub recorder: RecorderClient,
    /// What is on the camera ports.
    pub sightings: watch::Receiver<Vec<Sighting>>,
    /// The search, which is told whom to expect where.
    pub lan: LanHandle,
    /// The license in force.
    pub license: watch::Receiver<Arc<Standing>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Asks the desk for a round, and shows what the last one did.
#[derive(Clone)]
pub struct DeskHandle {
    asked: Arc<watch::Sender<u64>>,
    picture: watch::Receiver<Arc<Picture>>,
}

impl DeskHandle {
    /// The last round.
    pub fn picture(&self) -> Arc<Picture> {
        Arc::clone(&self.picture.borrow())
    }

    /// A channel was given or taken: decide again, and return when that is done, or after
    /// ten seconds.
    pub async fn decide_again(&self) -> Arc<Picture> {
        let mut mine = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            mine = *asked;
        });
        let mut picture = self.picture.clone();
        // A round that was under way may have read the channels before the change: only one
        // that began afterwards counts. It fails to come only while the box shuts down or
        // the TPM holds up the first check; the page then shows what was decided last.
        let round = picture.wait_for(|picture| picture.answers >= mine);
        let _ = tokio::time::timeout(PATIENCE, round).await;
        self.picture()
    }
}

/// Starts the desk's task.
pub fn start(desk: Desk, shutdown: Shutdown) -> DeskHandle {
    let (asked, questions) = watch::channel(0);
    let (sender, picture) = watch::channel(Arc::new(Picture::default()));
    tokio::spawn(run(desk, sender, questions, shutdown));
    DeskHandle {
        asked: Arc::new(asked),
        picture,
    }
}

async fn run(
    mut desk: Desk,
    picture: watch::Sender<Arc<Picture>>,
    mut questions: watch::Receiver<u64>,
    shutdown: Shutdown,
) {
    let mut last = Arc::new(Picture::default());
    desk.wait_for_first_facts(&shutdown).await;
    loop {
        let answers = *questions.borrow_and_update();
        let next = match desk.round(&last, answers).await {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no decision was made"
                );
                Picture {
                    gate_in_force: false,
                    recorder_told: false,
                    answers,
                    ..(*last).clone()
                }
            }
        };
        report_changes(&last, &next);
        let pause = if next.gate_in_force && next.recorder_told {
            ROUND
        } else {
            RETRY
        };
        last = Arc::new(next);
        picture.send_replace(Arc::clone(&last));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = questions.changed() => if changed.is_err() { break },
            changed = desk.sightings.changed() => if changed.is_err() { break },
            changed = desk.license.changed() => if changed.is_err() { break },
            () = shutdown.requested() => break,
        }
    }
    tracing::info!("the gate stays as it is; no further decision is made");
}

impl Desk {
    /// A restarted supervisor finds a gate that may be open for cameras in use. Deciding
    /// before the license is checked and the cameras are seen again would close it for
    /// nothing; the kernel holds the last decision until then.
    async fn wait_for_first_facts(&mut self, shutdown: &Shutdown) {
        let facts = async {
            let _ = self
                .license
                .wait_for(|standing| standing.outcome.is_some())
                .await;
            let _ = tokio::time::timeout(
                FIRST_SIGHTINGS,
                self.sightings.wait_for(|sightings| !sightings.is_empty()),
            )
            .await;
        };
        tokio::select! {
            () = facts => {}
            () = shutdown.requested() => {}
        }
    }

    async fn round(&mut self, last: &Picture, answers: u64) -> Result<Picture, RoundError> {
        let sightings = self.sightings.borrow_and_update().clone();
        let standing = Arc::clone(&self.license.borrow_and_update());
        let seen = newly_seen(&sightings, &last.sightings);
        let store = Arc::clone(&self.store);
        let channels = tokio::task::spawn_blocking(move || {
            for camera in &seen {
                store.camera_seen(camera)?;
            }
            store.channels()
        })
        .await
        .map_err(RoundError::Task)?
        .map_err(RoundError::Store)?;

        let assignments: Vec<Assignment> = channels
            .iter()
            .map(|channel| Assignment {
                camera: channel.camera,
                since_utc_ms: channel.assigned_utc_ms,
            })
            .collect();
        let facts = facts(&sightings, &channels);
        let decisions = decide(standing.bound.as_ref(), &assignments, &facts);

        let gate_in_force = self.carry_out(&admissions(&decisions)).await;
        // Where the kernel did not take the decision, only what it had taken before may
        // go on: a camera that is open in both.
        let recordable =
            |camera: CameraId| gate_in_force || last.decisions.get(camera) == decisions.get(camera);
        let desired = desired(&decisions, &channels, recordable);
        let recorder_told = match self.recorder.set_desired(desired).await {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "the recorder is not told"
                );
                false
            }
        };
        let mut admitted_at = last.admitted_at.clone();
        admitted_at.extend(decisions.open().filter_map(|(_, decision)| match decision {
            Decision::Open { mac, ip, .. } => Some((mac, ip)),
            Decision::Closed { .. } => None,
        }));
        self.lan.enrol(enrolments(&channels, &admitted_at));
        self.lan.pin_only(pins(&sightings, &decisions));
        Ok(Picture {
            sightings,
            channels,
            decisions,
            admitted_at,
            gate_in_force,
            recorder_told,
            answers,
            at: self.clock.monotonic(),
        })
    }

    /// Puts the admissions into the kernel; true when they are in force.
    async fn carry_out(&self, admissions: &[Admission]) -> bool {
        let mut applied = self.gate.apply(admissions).await;
        if let Err(KernelGateError::NotInForce { missing }) = &applied {
            tracing::warn!(missing, "the gate's rules were gone; they are set anew");
            applied = match self.gate.close_all().await {
                Ok(()) => self.gate.apply(admissions).await,
                Err(error) => Err(error),
            };
        }
        match applied {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the gate was not set"
                );
                false
            }
        }
    }
}

/// Cameras to remember: new ones, and those that say something new about themselves.
fn newly_seen(now: &[Sighting], before: &[Sighting]) -> Vec<KnownCamera> {
    let unchanged = |sighting: &Sighting| {
        before.iter().any(|known| {
            known.mac == sighting.mac
                && known.ip == sighting.ip
                && known.name == sighting.name
                && known.model == sighting.model
                && known.serial == sighting.serial
        })
    };
    now.iter()
        .filter(|sighting| !unchanged(sighting))
        .filter_map(|sighting| {
            Some(KnownCamera {
                id: CameraId::first_source(sighting.mac?),
                name: sighting.name.clone(),
                model: sighting.model.clone(),
                serial: sighting.serial.clone(),
                ip: Some(sighting.ip),
                interface: sighting.interface.clone(),
                last_seen_utc_ms: sighting.last_seen_utc_ms,
            })
        })
        .collect()
}

/// Where each camera is that was seen or has a channel.
fn facts(sightings: &[Sighting], channels: &[Channel]) -> Vec<Fact> {
    let seen = sightings
        .iter()
        .filter_map(|sighting| sighting.mac)
        .map(CameraId::first_source);
    let cameras: BTreeSet<CameraId> = seen
        .chain(channels.iter().map(|channel| channel.camera))
        .collect();
    cameras
        .into_iter()
        .filter_map(|camera| {
            let port = channels
                .iter()
                .find(|channel| channel.camera == camera)
                .and_then(|channel| channel.stream_url.as_ref())
                .map_or(554, sealgate_camera::StreamUrl::port);
            let whereabouts = match locate(sightings, camera.mac()) {
                Location::Unknown if is_behind_router(sightings, channels, camera) => {
                    Whereabouts::Unresolved
                }
                Location::Unknown => return None,
                Location::Unresolved => Whereabouts::Unresolved,
                Location::At(ip) => Whereabouts::Resolved(Address { ip, port }),
                Location::Contested { incumbent } => Whereabouts::Conflict {
                    incumbent: incumbent.map(|ip| Address { ip, port }),
                },
            };
            Some(Fact {
                camera,
                whereabouts,
            })
        })
        .collect()
}

/// The camera's stream address answers, but from behind a router.
fn is_behind_router(sightings: &[Sighting], channels: &[Channel], camera: CameraId) -> bool {
    let host = channels
        .iter()
        .find(|channel| channel.camera == camera)
        .and_then(|channel| channel.stream_url.as_ref())
        .map(|stream| stream.host().to_owned());
    host.is_some_and(|host| {
        sightings
            .iter()
            .any(|sighting| sighting.is_behind_router() && sighting.ip.to_string() == host)
    })
}

/// The pairs the kernel lets through.
fn admissions(decisions: &Decisions) -> Vec<Admission> {
    let mut pairs: BTreeSet<MacAddress> = BTreeSet::new();
    decisions
        .open()
        .filter_map(|(_, decision)| match decision {
            Decision::Open { mac, ip, port, .. } if pairs.insert(mac) => {
                Some(Admission { mac, ip, port })
            }
            _ => None,
        })
        .collect()
}

/// What was known of each camera when it got its channel: whoever claims its MAC address is
/// measured by that.
fn enrolments(
    channels: &[Channel],
    admitted_at: &BTreeMap<MacAddress, Ipv4Addr>,
) -> Vec<Enrolment> {
    let by_mac: BTreeMap<MacAddress, &Channel> = channels
        .iter()
        .map(|channel| (channel.camera.mac(), channel))
        .collect();
    by_mac
        .into_iter()
        .map(|(mac, channel)| Enrolment {
            mac,
            ip: admitted_at.get(&mac).copied(),
            serial: channel.pinned_serial.clone(),
            model: channel.pinned_model.clone(),
            credentials: channel
                .stream_url
                .as_ref()
                .and_then(|stream| stream.credentials())
                .map(|(user, password)| Credentials::from_url(user, password)),
        })
        .collect()
}

/// Admitted cameras' addresses stay theirs in the kernel's neighbour table.
fn pins(sightings: &[Sighting], decisions: &Decisions) -> BTreeSet<Pin> {
    let open: BTreeSet<(MacAddress, Ipv4Addr)> = admissions(decisions)
        .into_iter()
        .map(|admission| (admission.mac, admission.ip))
        .collect();
    sightings
        .iter()
        .filter_map(|sighting| {
            let mac = sighting.mac?;
            open.contains(&(mac, sighting.ip)).then(|| Pin {
                interface: sighting.interface.clone(),
                ip: sighting.ip,
                mac,
            })
        })
        .collect()
}

/// What the recorder is to record: every open camera whose stream is known.
fn desired(
    decisions: &Decisions,
    channels: &[Channel],
    recordable: impl Fn(CameraId) -> bool,
) -> DesiredSet {
    let cameras = decisions
        .open()
        .filter(|(camera, _)| recordable(*camera))
        .filter_map(|(camera, decision)| {
            let Decision::Open { ip, .. } = decision else {
                return None;
            };
            let channel = channels.iter().find(|channel| channel.camera == camera)?;
            let stream = channel.stream_url.as_ref()?.at(ip);
            Some(DesiredCamera { camera, stream })
        })
        .collect();
    DesiredSet { cameras }
}

fn report_changes(before: &Picture, after: &Picture) {
    for (camera, decision) in &after.decisions.cameras {
        if before.decisions.get(*camera) == Some(*decision) {
            continue;
        }
        match decision {
            Decision::Open { ip, contested, .. } => {
                tracing::info!(camera_id = %camera, %ip, contested, "the gate is open for this camera");
            }
            Decision::Closed { reason } => {
                tracing::info!(camera_id = %camera, ?reason, "the gate is closed for this camera");
            }
        }
    }
    if before.recorder_told && !after.recorder_told {
        tracing::warn!("the recorder does not answer; it is told again every second");
    }
}
