//! The license of this box for the pages.

use std::sync::Arc;

use async_trait::async_trait;
use sealgate_base::Clock;
use sealgate_camera::CameraId;
use sealgate_gate::{Assignment, Pool, Pools, Replacement, holders, places_of};
use sealgate_license::binding::BoundLicense;
use sealgate_license::entitlements::{Entitlements, kind};
use sealgate_license::license_document::{Binding, SignedLicense, Validity};
use sealgate_license::state::LicenseState;
use sealgate_store::{AuditEntry, LicenseEvent, Store};
use sealgate_web::internal_fault;
use sealgate_web::rooms::{
    Allowance, BoxIdentity, FileDownload, ImportView, LicenseBinding, LicenseEventKind,
    LicenseEventView, LicenseRoom, LicenseView, Places, PoolView, PoolsView, TpmView,
};
use sealgate_words::Problem;

use crate::camera_desk::DeskHandle;
use crate::camera_facts::{assignment, signer};
use crate::license::{
    CheckOutcome, ClockError, ImportError, ImportReport, date, state_problem, tpm_problem,
};
use crate::license_desk::{LicenseDesk, Standing};
use crate::replacements::Replacements;
use crate::rooms::{blocking, entry};

/// As many lines of the history as a page shows.
const HISTORY: u32 = 100;
/// A smaller license is in force, and no request proves that yet.
const RETURN_UNPROVEN: &str = "SG-STA-010";

/// The license, its import and its request.
pub struct License {
    desk: LicenseDesk,
    cameras: DeskHandle,
    replacements: Arc<Replacements>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    identity: BoxIdentity,
}

impl License {
    /// Over these desks.
    pub fn new(
        desk: LicenseDesk,
        cameras: DeskHandle,
        replacements: Arc<Replacements>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        identity: BoxIdentity,
    ) -> Self {
        Self {
            desk,
            cameras,
            replacements,
            store,
            clock,
            identity,
        }
    }

    fn view(&self, standing: &Standing) -> LicenseView {
        let places = self.cameras.picture().decisions.places;
        let bound = standing.bound.as_ref();
        let total = bound.map_or(0, |bound| places_of(bound.entitlements()));
        // The desk may not have met a license that was imported this instant.
        let used = places.used.min(total);
        LicenseView {
            state: state_of(standing),
            ok: bound.is_some(),
            license_id: bound.map(|bound| bound.license_id().to_owned()),
            revision: bound.map(BoundLicense::revision),
            server: bound.map(|bound| bound.names().server.clone()),
            project: bound.map(|bound| bound.names().project.clone()),
            distributor: bound.map(|bound| bound.names().distributor.clone()),
            binding: bound.and_then(|bound| binding_view(&bound.verified().payload().binding)),
            ends_utc_ms: bound.and_then(|bound| end(bound.verified().payload().validity)),
            places: Places {
                used,
                total,
                free: total - used,
            },
            pools: match bound {
                Some(_) => pools_view(places.pools),
                None => PoolsView::default(),
            },
            allowances: bound.map_or_else(Vec::new, |bound| allowances(bound.entitlements())),
            tpm: tpm_view(standing.outcome.as_ref()),
            notices: notices(standing),
        }
    }

    /// Cameras whose place the license no longer has.
    fn would_stop(&self, report: &ImportReport) -> Vec<CameraId> {
        if !report.takes_effect {
            return Vec::new();
        }
        let keep = holders(&report.after, &self.moves(), &self.assignments());
        let picture = self.cameras.picture();
        picture
            .decisions
            .open()
            .map(|(camera, _)| camera)
            .filter(|camera| !keep.contains(camera))
            .collect()
    }

    fn moves(&self) -> Vec<Replacement> {
        let standing = self.desk.standing();
        self.replacements.moves(signer(standing.bound.as_ref()))
    }

    fn assignments(&self) -> Vec<Assignment> {
        let picture = self.cameras.picture();
        picture.channels.iter().map(assignment).collect()
    }

    fn problem(&self, error: &ImportError, document: &[u8]) -> Problem {
        if let ImportError::Files(error) = error {
            return internal_fault("store the license", error);
        }
        tracing::warn!(
            error = error as &dyn std::error::Error,
            code = error.code(),
            "a license file was refused"
        );
        let theirs = SignedLicense::parse(document)
            .map(|license| license.unverified_payload().names.server.clone())
            .unwrap_or_default();
        let dongle = match SignedLicense::parse(document)
            .map(|license| license.unverified_payload().binding.clone())
        {
            Ok(Binding::Dongle(binding)) => binding.serial,
            _ => String::new(),
        };
        let (not_before, not_after) = match error {
            ImportError::Binding(sealgate_license::binding::BindRefusal::NotYetValid {
                not_before,
            }) => (date(*not_before), String::new()),
            ImportError::Binding(sealgate_license::binding::BindRefusal::Expired { not_after }) => {
                (String::new(), date(*not_after))
            }
            _ => (String::new(), String::new()),
        };
        entry(
            error.code(),
            &[
                ("serial", &dongle),
                ("theirs", &theirs),
                ("ours", &self.identity.name),
                ("not_before", &not_before),
                ("not_after", &not_after),
            ],
        )
    }
}

fn binding_view(binding: &Binding) -> Option<LicenseBinding> {
    match binding {
        Binding::Tpm(_) => Some(LicenseBinding::Tpm),
        Binding::Dongle(_) => Some(LicenseBinding::Dongle),
        Binding::Mac => Some(LicenseBinding::Mac),
        Binding::Other { .. } => None,
    }
}

fn end(validity: Validity) -> Option<i64> {
    validity.not_after.map(|end| end.as_millisecond())
}

fn pools_view(pools: Pools) -> PoolsView {
    let view = |pool: Pool| PoolView {
        total: pool.total,
        used: pool.used,
    };
    PoolsView {
        camera: view(pools.camera),
        other_brand: view(pools.other_brand),
        other_brand_free: view(pools.other_brand_free),
        listed: view(pools.listed),
    }
}

/// What is bought; which camera holds what is decided once it is in force.
fn promised_pools(after: &Entitlements) -> PoolsView {
    let of = |total| PoolView { total, used: 0 };
    PoolsView {
        camera: of(after.count(kind::CAMERA)),
        other_brand: of(after.count(kind::OTHER_BRAND)),
        other_brand_free: of(after.count(kind::OTHER_BRAND_FREE)),
        listed: of(u32::try_from(after.mac_list.len()).unwrap_or(u32::MAX)),
    }
}

/// What a license counts besides camera places, in the order of display, then its packages.
fn allowances(entitlements: &Entitlements) -> Vec<Allowance> {
    const PLACES: [&str; 3] = [kind::CAMERA, kind::OTHER_BRAND, kind::OTHER_BRAND_FREE];
    let order = |it: &str| kind::KNOWN.iter().position(|(known, _)| *known == it);
    let mut counted: Vec<(&String, u32)> = entitlements
        .counts
        .iter()
        .filter(|(it, count)| !PLACES.contains(&it.as_str()) && **count > 0)
        .map(|(it, count)| (it, *count))
        .collect();
    counted.sort_by_key(|(it, _)| order(it).unwrap_or(usize::MAX));
    let counted = counted.into_iter().map(|(it, count)| Allowance {
        kind: it.clone(),
        label: kind::label(it).to_owned(),
        count,
    });
    let packages = entitlements.packages.iter().map(|name| Allowance {
        kind: "package".to_owned(),
        label: format!("Package {name}"),
        count: 1,
    });
    counted.chain(packages).collect()
}

fn kind_of(word: &str) -> Option<LicenseEventKind> {
    match word {
        "import" => Some(LicenseEventKind::Import),
        "request" => Some(LicenseEventKind::Request),
        "proof" => Some(LicenseEventKind::Proof),
        _ => None,
    }
}

pub(crate) fn state_of(standing: &Standing) -> Problem {
    if let Some(missing) = standing.dongle.as_ref()
        && let Some(LicenseState::DongleMissing) = standing.outcome.as_ref().map(|it| &it.state)
        && let Some(problem) = missing.countdown_problem()
    {
        return problem;
    }
    // Before the first check has ended nothing is known, and nothing is open.
    standing.outcome.as_ref().map_or_else(
        || state_problem(&LicenseState::TpmBusyOrFull),
        |outcome| state_problem(&outcome.state),
    )
}

fn notices(standing: &Standing) -> Vec<Problem> {
    let notices = standing.outcome.iter().flat_map(|found| &found.notices);
    notices.map(state_problem).collect()
}

pub(crate) fn tpm_view(outcome: Option<&CheckOutcome>) -> TpmView {
    let Some(outcome) = outcome else {
        return TpmView::default();
    };
    TpmView {
        present: outcome.tpm.is_some(),
        manufacturer: outcome.tpm.as_ref().map(|tpm| tpm.manufacturer.clone()),
        firmware: outcome.tpm.as_ref().map(|tpm| tpm.firmware.clone()),
        counter: outcome.counter,
        ek_fingerprint: outcome
            .bound
            .as_ref()
            .and_then(|bound| bound.tpm())
            .map(|tpm| tpm.binding().ek_name.to_string()),
        ak_fingerprint: outcome.ak_fingerprint.clone(),
        problem: outcome.tpm_problem.map(tpm_problem),
    }
}

#[async_trait]
impl LicenseRoom for License {
    async fn status(&self) -> LicenseView {
        self.view(&self.desk.standing())
    }

    async fn history(&self) -> Result<Vec<LicenseEventView>, Problem> {
        let store = Arc::clone(&self.store);
        let events = blocking("read the license's history", move || {
            store.license_events(HISTORY)
        })
        .await?;
        let view = |event: LicenseEvent| {
            Some(LicenseEventView {
                utc_ms: event.utc_ms,
                kind: kind_of(&event.kind)?,
                license_id: event.license_id,
                revision: event.revision,
                places: event.places,
            })
        };
        Ok(events.into_iter().filter_map(view).collect())
    }

    async fn export_request(&self) -> Result<FileDownload, Problem> {
        let before = self.status().await;
        let places = self.cameras.picture().decisions.places;
        let wanted = places.total.max(places.used.saturating_add(places.waiting));
        let request = self
            .desk
            .export(places.used, wanted)
            .await
            .map_err(|error| internal_fault("make a request", &error))?
            .map_err(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "no request was made"
                );
                entry(error.code(), &[])
            })?;
        self.audit("license.request", None, None).await?;
        let proves = before.state.code == RETURN_UNPROVEN
            || before.notices.iter().any(|it| it.code == RETURN_UNPROVEN);
        self.remember(if proves { "proof" } else { "request" }, &before)
            .await?;
        Ok(FileDownload {
            file_name: format!("{}.req", self.identity.name),
            content_type: "application/vnd.sealgate.request.v1+json",
            bytes: request.into_bytes().into(),
        })
    }

    async fn import(&self, document: &[u8], dry_run: bool) -> Result<ImportView, Problem> {
        let before = self.status().await;
        let outcome = self
            .desk
            .import(document.to_vec(), dry_run)
            .await
            .map_err(|error| internal_fault("import the license", &error))?;
        let report = match outcome {
            Ok(report) => report,
            Err(error) => {
                let problem = self.problem(&error, document);
                self.audit("license.import", None, Some(problem.code.clone()))
                    .await?;
                return Err(problem);
            }
        };
        let stops_recording = self.would_stop(&report);
        let after = if dry_run {
            self.promised(&before, &report)
        } else {
            self.audit("license.import", Some(report.license_id.clone()), None)
                .await?;
            self.cameras.decide_again().await;
            let after = self.status().await;
            let imported = LicenseView {
                license_id: Some(report.license_id.clone()),
                revision: Some(report.revision),
                places: Places {
                    total: places_of(&report.after),
                    ..after.places
                },
                ..after.clone()
            };
            self.remember("import", &imported).await?;
            after
        };
        Ok(ImportView {
            dry_run,
            before,
            after,
            stops_recording,
        })
    }

    async fn confirm_clock(&self) -> Result<LicenseView, Problem> {
        let confirmed = self
            .desk
            .confirm_clock()
            .await
            .map_err(|error| internal_fault("confirm the clock", &error))?;
        let code = confirmed
            .as_ref()
            .err()
            .map(|error| error.code().to_owned());
        self.audit("license.clock", None, code).await?;
        match confirmed {
            Ok(()) => {
                self.cameras.decide_again().await;
                Ok(self.status().await)
            }
            Err(ClockError::Files(error)) => Err(internal_fault("confirm the clock", &error)),
            Err(error) => {
                let floor = match &error {
                    ClockError::Behind(behind) => date(behind.floor),
                    _ => String::new(),
                };
                let ours = jiff::Timestamp::from_millisecond(self.clock.utc_ms())
                    .map(date)
                    .unwrap_or_default();
                Err(entry(error.code(), &[("floor", &floor), ("ours", &ours)]))
            }
        }
    }
}

impl License {
    /// Writes the license's history.
    async fn remember(&self, kind: &'static str, license: &LicenseView) -> Result<(), Problem> {
        let event = LicenseEvent {
            utc_ms: self.clock.utc_ms(),
            kind: kind.to_owned(),
            license_id: license.license_id.clone(),
            revision: license.revision,
            places: license.license_id.as_ref().map(|_| license.places.total),
        };
        let store = Arc::clone(&self.store);
        blocking("keep the license's history", move || {
            store.add_license_event(&event)
        })
        .await
    }

    /// The license page as it would read after the import.
    fn promised(&self, before: &LicenseView, report: &ImportReport) -> LicenseView {
        if !report.takes_effect {
            return before.clone();
        }
        let total = places_of(&report.after);
        let holders = holders(&report.after, &self.moves(), &self.assignments());
        let used = u32::try_from(holders.len()).unwrap_or(u32::MAX);
        LicenseView {
            state: state_problem(&LicenseState::Active {
                license_id: report.license_id.clone(),
                revision: report.revision,
                camera_channels: total,
            }),
            ok: true,
            license_id: Some(report.license_id.clone()),
            revision: Some(report.revision),
            server: Some(report.names.server.clone()),
            project: Some(report.names.project.clone()),
            distributor: Some(report.names.distributor.clone()),
            binding: binding_view(&report.binding),
            ends_utc_ms: end(report.validity),
            places: Places {
                used,
                total,
                free: total - used,
            },
            pools: promised_pools(&report.after),
            allowances: allowances(&report.after),
            tpm: TpmView {
                counter: before.tpm.counter.map(|_| report.counter_after),
                ..before.tpm.clone()
            },
            notices: Vec::new(),
        }
    }

    async fn audit(
        &self,
        action: &'static str,
        object: Option<String>,
        code: Option<String>,
    ) -> Result<(), Problem> {
        let store = Arc::clone(&self.store);
        let utc_ms = self.clock.utc_ms();
        blocking("keep the audit entry", move || {
            store.audit(&AuditEntry {
                utc_ms,
                actor: None,
                action,
                object: object.as_deref(),
                code: code.as_deref(),
            })
        })
        .await
    }
}
