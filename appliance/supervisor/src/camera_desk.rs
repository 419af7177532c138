//! Where license, cameras and gate meet: one task that decides, closes or opens the
//! kernel's gate, and tells the recorder what to record.
//!
//! Invariants: the gate closes for a camera before the recorder hears of it, and opens
//! before the recorder is sent there; what could not be carried out is tried again at the
//! next round; a round that fails leaves the gate as it was or closes it, never opens it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use sealgate_base::{Clock, Shutdown};
use sealgate_camera::{CameraId, MacAddress, OwnBrand};
use sealgate_gate::{Assignment, Decision, Decisions, decide};
use sealgate_kernel_gate::{Admission, KernelGate, KernelGateError};
use sealgate_lan::{LanHandle, Sighting};
use sealgate_recorder_link::RecorderClient;
use sealgate_store::{Channel, Store, StoreError};
use tokio::sync::watch;

use crate::camera_facts::{
    admissions, assignment, desired, enrolments, facts, newly_seen, pins, signer, unpinned,
};
use crate::license_desk::Standing;
use crate::onvif_desk::Descriptions;
use crate::replacements::Replacements;

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
    /// What they say of themselves.
    pub descriptions: Arc<Descriptions>,
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
    /// Is told who has a channel, and who is admitted where.
    pub lan: LanHandle,
    /// Which cameras are the vendor's own; all are where nobody says.
    pub own_brand: Option<OwnBrand>,
    /// The license in force.
    pub license: watch::Receiver<Arc<Standing>>,
    /// What cameras say of themselves.
    pub descriptions: watch::Receiver<Arc<Descriptions>>,
    /// Places that moved from a broken camera to another.
    pub replacements: Arc<Replacements>,
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
    /// The last round, and word of each further one.
    pub fn watch(&self) -> watch::Receiver<Arc<Picture>> {
        self.picture.clone()
    }

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
    let mut admitted = BTreeMap::new();
    desk.wait_for_first_facts(&shutdown).await;
    loop {
        let answers = *questions.borrow_and_update();
        let next = match desk.round(&last, &mut admitted, answers).await {
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
            changed = desk.descriptions.changed() => if changed.is_err() { break },
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

    /// `admitted` is where each camera was let through last.
    async fn round(
        &mut self,
        last: &Picture,
        admitted: &mut BTreeMap<MacAddress, Ipv4Addr>,
        answers: u64,
    ) -> Result<Picture, RoundError> {
        let sightings = self.sightings.borrow_and_update().clone();
        let standing = Arc::clone(&self.license.borrow_and_update());
        let seen = newly_seen(&sightings, &last.sightings);
        let store = Arc::clone(&self.store);
        let now_seen = sightings.clone();
        let (channels, credentials, services) = tokio::task::spawn_blocking(move || {
            for camera in &seen {
                store.camera_seen(camera)?;
            }
            let channels = store.channels()?;
            let pins = unpinned(&channels, &now_seen);
            for (camera, model, serial) in &pins {
                store.pin(*camera, model.as_deref(), serial.as_deref())?;
            }
            let channels = if pins.is_empty() {
                channels
            } else {
                store.channels()?
            };
            Ok((channels, store.credentials()?, store.services()?))
        })
        .await
        .map_err(RoundError::Task)?
        .map_err(RoundError::Store)?;

        let assignments: Vec<Assignment> = channels.iter().map(assignment).collect();
        let descriptions = Arc::clone(&self.descriptions.borrow_and_update());
        let facts = facts(
            &sightings,
            &descriptions,
            &channels,
            self.own_brand.as_ref(),
        );
        let bound = standing.bound.as_ref();
        let moves = self.replacements.moves(signer(bound));
        let decisions = decide(bound, &moves, &assignments, &facts);

        let admissions = admissions(&decisions);
        let gate_in_force = self.carry_out(&admissions).await;
        if gate_in_force {
            admitted.extend(admissions.iter().map(|open| (open.mac, open.ip)));
        }
        self.lan
            .enrol(enrolments(&channels, admitted, &credentials, &services));
        self.lan.pin_only(pins(&admissions, &sightings));
        // Where the kernel did not take the decision, only what it had taken before may
        // go on: a camera that is open in both.
        let recordable =
            |camera: CameraId| gate_in_force || last.decisions.get(camera) == decisions.get(camera);
        let desired = desired(&decisions, &channels, &credentials, recordable);
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
        Ok(Picture {
            sightings,
            descriptions,
            channels,
            decisions,
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
