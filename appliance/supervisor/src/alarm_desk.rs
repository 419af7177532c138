//! Looks at the box as its pages show it, and raises what somebody should see.
//!
//! A cause has to be seen at several looks before it is raised: a camera that connects anew or
//! a rule that is being put back is no alarm.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealgate_base::{Clock, Shutdown};
use sealgate_store::{Alarm, AuditEntry, Store};
use sealgate_web::rooms::{
    AlarmRoom, AlarmView, CameraRoom, CameraView, GateRoom, LicenseRoom, LicenseView,
    RecordingRoom, RecordingStatus, StorageView,
};
use sealgate_words::Problem;

use crate::rooms::{blocking, entry};

/// How often the box is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// So many looks in a row have to see a cause before it is raised.
const LOOKS: u32 = 3;
/// As many as the pages show.
const SHOWN: u32 = 200;
/// States in which nothing went wrong: there is no license, or none any more, or it holds.
const QUIET: [&str; 5] = [
    "SG-STA-007",
    "SG-STA-008",
    "SG-STA-009",
    "SG-STA-010",
    "SG-STA-011",
];

/// What the desk looks at, and where it keeps what it raised.
pub struct Alarms {
    /// Alarms and audit.
    pub store: Arc<Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The license.
    pub license: Arc<dyn LicenseRoom>,
    /// The cameras.
    pub cameras: Arc<dyn CameraRoom>,
    /// The gate.
    pub gate: Arc<dyn GateRoom>,
    /// Recorder and disks.
    pub recordings: Arc<dyn RecordingRoom>,
}

/// Causes with their problem, in order.
type Causes = BTreeMap<String, Problem>;

/// Looks until the end comes.
pub async fn run(alarms: Arc<Alarms>, shutdown: Shutdown) {
    let mut seen = BTreeMap::new();
    let mut every = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = shutdown.requested() => return,
        }
        seen = alarms.look_once(&seen).await;
    }
}

impl Alarms {
    /// Looks once, raises what was seen often enough and ends what is over. Gives how often
    /// each cause was seen in a row, for the next look.
    pub async fn look_once(&self, before: &BTreeMap<String, u32>) -> BTreeMap<String, u32> {
        let causes = self.look().await;
        self.settle(before, causes).await
    }

    async fn look(&self) -> Causes {
        let license = self.license.status().await;
        let cameras = self.cameras.list().await;
        let in_force = self.gate.counters().await.map(|gate| gate.in_force);
        let storage = self.recordings.status().await;
        causes(&license, cameras.as_deref(), in_force.as_ref(), &storage)
    }

    async fn settle(
        &self,
        before: &BTreeMap<String, u32>,
        causes: Causes,
    ) -> BTreeMap<String, u32> {
        let seen: BTreeMap<String, u32> = causes
            .keys()
            .map(|cause| {
                (
                    cause.clone(),
                    before.get(cause).map_or(1, |times| times + 1),
                )
            })
            .collect();
        let known = self.stored().await.unwrap_or_default();
        let lasts = |cause: &str| {
            let mut known = known.iter();
            known.any(|alarm| alarm.cause == cause && alarm.ended_utc_ms.is_none())
        };
        let lasting: Vec<(String, String)> = causes
            .into_iter()
            // What was raised before a restart goes on; the rest has to be seen first.
            .filter(|(cause, _)| lasts(cause) || seen.get(cause).is_some_and(|it| *it >= LOOKS))
            .filter_map(|(cause, problem)| Some((cause, serde_json::to_string(&problem).ok()?)))
            .collect();
        let store = Arc::clone(&self.store);
        let now = self.clock.utc_ms();
        let raised = blocking("settle the alarms", move || {
            store.settle_alarms(&lasting, now)
        })
        .await;
        for cause in raised.unwrap_or_default() {
            tracing::warn!(cause, "an alarm was raised");
        }
        seen
    }

    async fn stored(&self) -> Result<Vec<Alarm>, Problem> {
        let store = Arc::clone(&self.store);
        blocking("read the alarms", move || store.alarms(SHOWN)).await
    }
}

/// What is wrong now.
fn causes(
    license: &LicenseView,
    cameras: Result<&[CameraView], &Problem>,
    gate_in_force: Result<&bool, &Problem>,
    storage: &Result<StorageView, Problem>,
) -> Causes {
    let mut causes = Causes::new();
    let mut add = |cause: String, problem: Problem| {
        causes.insert(cause.chars().take(200).collect(), problem);
    };
    if !QUIET.contains(&license.state.code.as_str()) {
        add(
            format!("license {}", license.state.code),
            license.state.clone(),
        );
    }
    for camera in cameras.unwrap_or_default().iter().filter(|it| it.assigned) {
        // Without a license, or a place, the license page says it for all.
        let told = ["SG-CAM-001", "SG-CAM-002"];
        if let Some(problem) = &camera.reason
            && !told.contains(&problem.code.as_str())
        {
            add(
                format!("camera {} {}", camera.id, problem.code),
                problem.clone(),
            );
        } else if let Some(recording) = &camera.recording
            && recording.status != RecordingStatus::Recording
        {
            let name = camera
                .name
                .clone()
                .unwrap_or_else(|| camera.mac.to_string());
            let detail = recording.detail.as_deref().unwrap_or("it does not answer");
            let values = [("camera", name.as_str()), ("detail", detail)];
            add(
                format!("camera {} silent", camera.id),
                entry("SG-API-012", &values),
            );
        }
    }
    match gate_in_force {
        Ok(true) => {}
        Ok(false) => add("gate".to_owned(), entry("SG-API-013", &[])),
        Err(problem) => add(format!("gate {}", problem.code), without_reference(problem)),
    }
    match storage {
        Ok(storage) => {
            for disk in storage.disks.iter().filter(|disk| disk.state != "in_use") {
                let detail = disk.detail.as_deref().unwrap_or(&disk.state);
                let values = [("disk", disk.name.as_str()), ("detail", detail)];
                add(format!("disk {}", disk.name), entry("SG-API-014", &values));
            }
        }
        Err(problem) => add(
            format!("recorder {}", problem.code),
            without_reference(problem),
        ),
    }
    causes
}

/// Each look makes a new log entry; the alarm is about all of them.
fn without_reference(problem: &Problem) -> Problem {
    Problem {
        reference: None,
        ..problem.clone()
    }
}

#[async_trait]
impl AlarmRoom for Alarms {
    async fn list(&self) -> Result<Vec<AlarmView>, Problem> {
        let alarms = self.stored().await?;
        let view = |alarm: Alarm| {
            let (by, when) = alarm.acknowledged.unzip();
            // What an other version wrote and this one can't read is not shown.
            Some(AlarmView {
                id: alarm.id,
                problem: serde_json::from_str(&alarm.problem).ok()?,
                raised_utc_ms: alarm.raised_utc_ms,
                ended_utc_ms: alarm.ended_utc_ms,
                acknowledged_by: by,
                acknowledged_utc_ms: when,
            })
        };
        Ok(alarms.into_iter().filter_map(view).collect())
    }

    async fn acknowledge(&self, by: &str, id: i64) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let (by, now) = (by.to_owned(), self.clock.utc_ms());
        let done = blocking("acknowledge an alarm", move || {
            let done = store.acknowledge_alarm(id, &by, now)?;
            if done {
                let object = id.to_string();
                store.audit(&AuditEntry {
                    utc_ms: now,
                    actor: Some(&by),
                    action: "alarm.acknowledge",
                    object: Some(&object),
                    code: None,
                })?;
            }
            Ok::<_, sealgate_store::StoreError>(done)
        })
        .await?;
        if done {
            Ok(())
        } else {
            Err(entry("SG-API-002", &[("object", "alarm")]))
        }
    }
}
