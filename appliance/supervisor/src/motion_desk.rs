//! Listens for motion where a camera's plan wants to know of it, and tells the recorder.
//!
//! One subscription for each device, whatever its sources. A motion that goes on is told
//! again and again, as the recorder believes none that it has not heard of for a minute.

use std::collections::BTreeMap;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use sealgate_base::Shutdown;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_lan::{MotionEvent, MotionTarget, MotionWatch};
use sealgate_recorder_link::{RecorderClient, When};
use tokio::task::{AbortHandle, JoinSet};

use crate::camera_desk::{DeskHandle, Picture};
use crate::camera_facts::service_of;
use crate::channel_settings::ChannelSettings;
use crate::onvif_desk::OnvifDesk;

/// How often a motion that goes on is told again: twice in the recorder's patience.
const REMIND: Duration = Duration::from_secs(25);

/// A device that is listened to.
struct Listener {
    /// What it was subscribed with; another address or password needs another subscription.
    target: MotionTarget,
    task: AbortHandle,
}

/// Listens until the end.
pub async fn run(
    desk: DeskHandle,
    onvif: Arc<OnvifDesk>,
    recorder: RecorderClient,
    shutdown: Shutdown,
) {
    let mut pictures = desk.watch();
    let mut tasks = JoinSet::new();
    let mut listeners: BTreeMap<MacAddress, Listener> = BTreeMap::new();
    loop {
        let picture = Arc::clone(&pictures.borrow_and_update());
        let wanted = wanted(&picture, &onvif);
        listeners.retain(|mac, listener| {
            let goes_on = wanted.get(mac) == Some(&listener.target) && !listener.task.is_finished();
            if !goes_on {
                listener.task.abort();
            }
            goes_on
        });
        for (mac, target) in wanted {
            listeners.entry(mac).or_insert_with(|| Listener {
                task: tasks.spawn(listen(mac, onvif.motion(target.clone()), recorder.clone())),
                target,
            });
        }
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            () = shutdown.requested() => return,
            changed = pictures.changed() => if changed.is_err() { return },
        }
    }
}

/// Whom to listen to: admitted devices of which a plan has half hours with motion, and that
/// offer events.
fn wanted(picture: &Picture, onvif: &OnvifDesk) -> BTreeMap<MacAddress, MotionTarget> {
    let mut wanted = BTreeMap::new();
    for channel in &picture.channels {
        let mac = channel.camera.mac();
        let open = picture
            .decisions
            .get(channel.camera)
            .is_some_and(|decision| decision.is_open());
        let plan = ChannelSettings::read(&channel.settings).plan;
        if !open || !plan.week().has(When::Motion) || wanted.contains_key(&mac) {
            continue;
        }
        let xaddr = service_of(&picture.sightings, mac);
        let described = picture.descriptions.get(&mac);
        if let (Some(xaddr), Some(described)) = (xaddr, described)
            && described.events.is_some()
        {
            wanted.insert(mac, onvif.motion_target(mac, xaddr, described));
        }
    }
    wanted
}

async fn listen(mac: MacAddress, mut motion: MotionWatch, recorder: RecorderClient) {
    let mut lasting: BTreeMap<u16, i64> = BTreeMap::new();
    let mut remind = tokio::time::interval(REMIND);
    remind.reset();
    loop {
        tokio::select! {
            event = motion.next() => {
                let Some(event) = event else { return };
                if event.active {
                    lasting.insert(event.source, event.utc_ms);
                } else {
                    lasting.remove(&event.source);
                }
                tell(mac, event, &recorder).await;
            }
            _ = remind.tick() => {
                for (source, utc_ms) in &lasting {
                    let again = MotionEvent { source: *source, active: true, utc_ms: *utc_ms };
                    tell(mac, again, &recorder).await;
                }
            }
        }
    }
}

async fn tell(mac: MacAddress, event: MotionEvent, recorder: &RecorderClient) {
    let Some(source) = u8::try_from(event.source).ok().and_then(NonZeroU8::new) else {
        return;
    };
    let camera = CameraId::new(mac, source);
    if let Err(error) = recorder.motion(camera, event.active, event.utc_ms).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            camera_id = %camera,
            "the recorder did not hear of a motion"
        );
    }
}
