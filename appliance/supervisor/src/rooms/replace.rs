//! A broken camera's place goes to another.

use std::sync::Arc;

use sealgate_camera::{CameraId, MacAddress};
use sealgate_gate::{is_listed, replacements_left};
use sealgate_license::statement_document::Subject;
use sealgate_store::Channel;
use sealgate_web::internal_fault;
use sealgate_web::rooms::{CameraView, ReplacementView};
use sealgate_words::Problem;

use crate::camera_facts::signer;
use crate::replacements::Replacements;
use crate::rooms::cameras::Cameras;
use crate::rooms::{blocking, entry};

impl Cameras {
    /// Every channel of the old camera goes to the same video source of the new one.
    ///
    /// First the statement, then the channels: cut short in between, the place on the
    /// license's list has moved, and the owner gives the channel by hand.
    pub(super) async fn replace_camera(
        &self,
        old: MacAddress,
        new: MacAddress,
    ) -> Result<Vec<CameraView>, Problem> {
        let picture = self.desk.picture();
        let (old_text, new_text) = (old.to_string(), new.to_string());
        let channels: Vec<Channel> = picture
            .channels
            .iter()
            .filter(|channel| channel.camera.mac() == old)
            .cloned()
            .collect();
        let taken = (picture.channels.iter()).any(|channel| channel.camera.mac() == new);
        if channels.is_empty() {
            return Err(entry("SG-CAM-051", &[("camera", &old_text)]));
        }
        if taken || old == new {
            return Err(entry("SG-CAM-052", &[("camera", &new_text)]));
        }
        // Before anything is written: a camera that gives no stream replaces nothing.
        let mut replacing = Vec::new();
        for channel in channels {
            let camera = CameraId::new(new, channel.camera.source());
            let with = self.channel_of(camera, None).await?;
            replacing.push((channel.camera, with));
        }
        self.move_place(old, new).await?;
        let mut replaced = Vec::new();
        for (camera, with) in replacing {
            let store = Arc::clone(&self.store);
            let by = with.camera;
            blocking("replace the camera", move || store.replace(camera, &with)).await?;
            self.audit("channel.replaced", camera).await?;
            self.audit("channel.replaces", by).await?;
            replaced.push(by);
        }
        self.desk.decide_again().await;
        self.rows(&replaced).await
    }

    /// States the replacement, if the license allows it one more time. A place that is for
    /// any camera moves without limit; a TPM that does not answer stands in the way only
    /// where the statement moves a place.
    async fn move_place(&self, old: MacAddress, new: MacAddress) -> Result<(), Problem> {
        let standing = self.license.standing();
        let moves = self.replacements.moves(signer(standing.bound.as_ref()));
        let listed = standing.bound.as_ref().is_some_and(|bound| {
            let list = bound.entitlements();
            is_listed(list, &moves, old) && !is_listed(list, &moves, new)
        });
        if listed {
            let left = standing
                .bound
                .as_ref()
                .map_or(0, |bound| replacements_left(bound.entitlements(), &moves));
            if left == 0 {
                return Err(entry("SG-CAM-053", &[("camera", &old.to_string())]));
            }
        }
        let subject = self.replacements.next(old, new);
        match self.state_replacement(subject).await {
            Err(problem) if listed => Err(problem),
            Err(problem) => {
                tracing::warn!(
                    code = problem.code,
                    "a replaced camera is not in the journal"
                );
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn state_replacement(&self, subject: Subject) -> Result<(), Problem> {
        let statement = self
            .license
            .state(subject)
            .await
            .map_err(|error| internal_fault("state the replacement", &error))?
            .map_err(|error| {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the replacement was not stated"
                );
                entry(error.code(), &[])
            })?;
        let journal = Arc::clone(&self.replacements);
        let added = blocking("keep the replacement", move || journal.append(statement)).await?;
        if added {
            Ok(())
        } else {
            Err(entry("SG-CAM-054", &[]))
        }
    }
}

/// The journal for the pages.
pub(super) fn replacement_views(journal: &Replacements) -> Vec<ReplacementView> {
    let statements = journal.statements();
    let views = statements.into_iter().filter_map(|statement| {
        let payload = statement.unverified_payload();
        let Subject::CameraReplaced {
            old_mac,
            new_mac,
            number,
            ..
        } = &payload.subject
        else {
            return None;
        };
        Some(ReplacementView {
            number: *number,
            old: MacAddress::from_octets(old_mac.octets()).ok()?,
            new: MacAddress::from_octets(new_mac.octets()).ok()?,
            utc_ms: payload.created_at.as_millisecond(),
            statement: statement.to_text(),
        })
    });
    views.collect()
}
