//! Motion, as cameras report it: a pull-point subscription (ONVIF Core, 9.2) that is kept
//! alive and made anew when it is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::exchange::{Asker, Exchange};
use crate::motion_report::{Motion, reports};
use crate::soap::{EndpointReference, subscription_reference};
use crate::{CameraDescription, Credentials, LanError};

const EVENTS: &str = "http://www.onvif.org/ver10/events/wsdl";
const NOTIFICATION: &str = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager";
/// A subscription that is not renewed ends after this: a box that went away leaves none.
const LIFE: &str = "PT60S";
const RENEW_AFTER: Duration = Duration::from_secs(20);
/// A camera holds an answer back until something happens, but not longer than this, which
/// is below what an exchange may take.
const WAIT: &str = "PT4S";
/// Some refuse to be asked for more than they keep.
const MESSAGES_AT_ONCE: u32 = 16;
/// Between two questions to a camera that answers at once with nothing.
const LEAST_PAUSE: Duration = Duration::from_millis(500);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// Waiting to be read; changes only, so a reader that is slow by this many is stuck.
const QUEUE: usize = 64;

/// Motion began or ended in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MotionEvent {
    /// The source's number, as in [`crate::VideoSource::number`].
    pub source: u16,
    /// It began.
    pub active: bool,
    /// When, by the box's clock, in milliseconds of UTC since 1970: the camera's time
    /// put right by the difference of the clocks, or when it was heard where that is off.
    pub utc_ms: i64,
}

/// Whom to listen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MotionTarget {
    /// The device service's address.
    pub xaddr: String,
    /// How to sign in.
    pub credentials: Option<Credentials>,
    /// Source numbers by the tokens of sources and of their configurations.
    sources: BTreeMap<String, u16>,
    /// The number of the only source, if there is but one.
    only: Option<u16>,
}

impl MotionTarget {
    /// The sources of a camera that was described.
    pub fn new(
        xaddr: &str,
        credentials: Option<&Credentials>,
        description: &CameraDescription,
    ) -> Self {
        let mut sources = BTreeMap::new();
        for source in &description.sources {
            for token in source.configurations.iter().chain([&source.token]) {
                sources.insert(token.clone(), source.number);
            }
        }
        let only = match description.sources.as_slice() {
            [source] => Some(source.number),
            _ => None,
        };
        Self {
            xaddr: xaddr.to_owned(),
            credentials: credentials.cloned(),
            sources,
            only,
        }
    }
}

/// A camera that is listened to; ends when dropped.
#[derive(Debug)]
pub struct MotionWatch {
    events: mpsc::Receiver<MotionEvent>,
    task: AbortHandle,
}

impl MotionWatch {
    /// The next change. None: the task has ended, which it does by itself only when the
    /// camera has no event service.
    pub async fn next(&mut self) -> Option<MotionEvent> {
        self.events.recv().await
    }
}

impl Drop for MotionWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Asker {
    /// Listens for motion from now on, and again after every loss of the connection. When
    /// it is lost, motion that was going on ends: what is not seen is not recorded for ever.
    pub fn motion(&self, target: MotionTarget) -> MotionWatch {
        let (sender, events) = mpsc::channel(QUEUE);
        let listener = Listener {
            asker: self.clone(),
            motion: Motion::new(target.sources.clone(), target.only),
            target,
            sender,
        };
        let task = tokio::spawn(listener.run()).abort_handle();
        MotionWatch { events, task }
    }
}

struct Listener {
    asker: Asker,
    target: MotionTarget,
    motion: Motion,
    sender: mpsc::Sender<MotionEvent>,
}

/// Why nobody listens any more.
struct Unread;

impl Listener {
    async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let mut heard = false;
            let Err(lost) = self.listen(&mut heard).await;
            let now_ms = self.asker.clock.utc_ms();
            for source in self.motion.lost() {
                let event = MotionEvent {
                    source,
                    active: false,
                    utc_ms: now_ms,
                };
                if self.sender.send(event).await.is_err() {
                    return;
                }
            }
            let error = match lost {
                Lost::Unread(Unread) => return,
                Lost::Camera(error @ LanError::NoService { .. }) => {
                    tracing::info!(%error, "this camera tells no motion");
                    return;
                }
                Lost::Camera(error) => error,
            };
            if heard {
                retry = FIRST_RETRY;
            }
            let pause = match &error {
                LanError::HeldBack { seconds, .. } => Duration::from_secs(*seconds),
                _ => jittered(retry),
            };
            tracing::info!(
                camera = %self.target.xaddr,
                error = &error as &dyn std::error::Error,
                retry_ms = pause.as_millis(),
                "motion is not heard; the camera is asked again"
            );
            retry = (retry * 2).min(LONGEST_RETRY);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.sender.closed() => return,
            }
        }
    }

    /// One subscription, until it is lost.
    async fn listen(&mut self, heard: &mut bool) -> Result<std::convert::Infallible, Lost> {
        let credentials = self.target.credentials.clone();
        let mut exchange = self
            .asker
            .exchange(&self.target.xaddr, credentials.as_ref())
            .await?;
        let host = exchange.host;
        let services = Exchange::in_time(host, exchange.services()).await?;
        let events = services.events.ok_or(LanError::NoService {
            host,
            service: "event",
        })?;
        let reference = subscribe(&mut exchange, &events).await?;
        // What is going on now; where there is no such operation, the first change tells.
        let action = format!("{EVENTS}/PullPointSubscription/SetSynchronizationPointRequest");
        let synchronised = manage(
            &mut exchange,
            &reference,
            "SetSynchronizationPoint",
            &action,
            "<tev:SetSynchronizationPoint/>",
        );
        optional(synchronised.await)?;
        let heard_all = self.pull(&mut exchange, &reference, heard).await;
        if matches!(heard_all, Err(Lost::Unread(Unread))) {
            // Nobody listens any more, so the camera need not keep it.
            let action = format!("{NOTIFICATION}/UnsubscribeRequest");
            let ended = manage(
                &mut exchange,
                &reference,
                "Unsubscribe",
                &action,
                "<wsnt:Unsubscribe/>",
            );
            let _ = ended.await;
        }
        heard_all
    }

    async fn pull(
        &mut self,
        exchange: &mut Exchange,
        reference: &EndpointReference,
        heard: &mut bool,
    ) -> Result<std::convert::Infallible, Lost> {
        let mut renewed = self.asker.clock.monotonic();
        loop {
            let asked = self.asker.clock.monotonic();
            if asked.saturating_sub(renewed) >= RENEW_AFTER {
                let action = format!("{NOTIFICATION}/RenewRequest");
                let body = format!(
                    "<wsnt:Renew><wsnt:TerminationTime>{LIFE}</wsnt:TerminationTime></wsnt:Renew>"
                );
                // Where a camera has no Renew, pulling keeps the subscription alive.
                optional(manage(exchange, reference, "Renew", &action, &body).await)?;
                renewed = asked;
            }
            let body = format!(
                concat!(
                    "<tev:PullMessages><tev:Timeout>{}</tev:Timeout>",
                    "<tev:MessageLimit>{}</tev:MessageLimit></tev:PullMessages>"
                ),
                WAIT, MESSAGES_AT_ONCE
            );
            let action = format!("{EVENTS}/PullPointSubscription/PullMessagesRequest");
            let answer = tokio::select! {
                answer = manage(exchange, reference, "PullMessages", &action, &body) => answer?,
                () = self.sender.closed() => return Err(Lost::Unread(Unread)),
            };
            *heard = true;
            let answer = exchange.element("PullMessages", &answer)?;
            let now_ms = self.asker.clock.utc_ms();
            for report in reports(&answer) {
                let offset_ms = exchange.clock_offset_ms();
                if let Some(change) = self.motion.reported(&report, offset_ms, now_ms)
                    && self.sender.send(change).await.is_err()
                {
                    return Err(Lost::Unread(Unread));
                }
            }
            let took = self.asker.clock.monotonic().saturating_sub(asked);
            if took < LEAST_PAUSE
                && answer
                    .children_named("NotificationMessage")
                    .next()
                    .is_none()
            {
                tokio::time::sleep(LEAST_PAUSE).await;
            }
        }
    }
}

/// Why a subscription ended.
enum Lost {
    Camera(LanError),
    Unread(Unread),
}

impl From<LanError> for Lost {
    fn from(error: LanError) -> Self {
        Self::Camera(error)
    }
}

async fn subscribe(exchange: &mut Exchange, events: &str) -> Result<EndpointReference, LanError> {
    let operation = "CreatePullPointSubscription";
    let action = format!("{EVENTS}/EventPortType/{operation}Request");
    // No filter: cameras disagree about its form, and a few topics more cost nothing.
    let body = format!(
        "<tev:{operation}><tev:InitialTerminationTime>{LIFE}</tev:InitialTerminationTime></tev:{operation}>"
    );
    let to = EndpointReference::default();
    let answer = exchange
        .ask_text(events, operation, &action, Some(&to), &body)
        .await?;
    subscription_reference(&answer).ok_or(LanError::NoService {
        host: exchange.host,
        service: "event",
    })
}

async fn manage(
    exchange: &mut Exchange,
    reference: &EndpointReference,
    operation: &'static str,
    action: &str,
    body: &str,
) -> Result<String, LanError> {
    let address = reference.address.clone();
    exchange
        .ask_text(&address, operation, action, Some(reference), body)
        .await
}

/// An operation that a camera need not have.
fn optional(answer: Result<String, LanError>) -> Result<(), LanError> {
    match answer {
        Ok(_) | Err(LanError::Ask { .. } | LanError::NotOnvif { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Half to one and a half times as long, so that cameras that came back together are not
/// asked together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + rand::random::<f64>())
}
