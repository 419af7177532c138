//! The one thread that speaks with the TPM: checks the license at start and then hourly,
//! makes requests, takes imports. Everything else sees its last word through a channel.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use sealgate_license::binding::BoundLicense;
use sealgate_license::statement_document::{SignedStatement, Subject};
use tokio::sync::{oneshot, watch};

use crate::license::{
    BoxLicenses, CheckOutcome, ClockError, DongleStanding, ImportError, ImportReport, RequestError,
    StatementError, Verdict,
};

/// What holds now.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The last check; none before the first one ended.
    pub outcome: Option<CheckOutcome>,
    /// What the gate goes by: the last check's license or, while the TPM is only busy, the
    /// one before.
    pub bound: Option<BoundLicense>,
    /// The dongle of the stored dongle license.
    pub dongle: Option<DongleStanding>,
}

enum Order {
    Export {
        used: u32,
        wanted: u32,
        answer: oneshot::Sender<Result<String, RequestError>>,
    },
    Import {
        document: Vec<u8>,
        dry_run: bool,
        answer: oneshot::Sender<Result<ImportReport, ImportError>>,
    },
    State {
        subject: Subject,
        answer: oneshot::Sender<Result<SignedStatement, StatementError>>,
    },
    ConfirmClock {
        answer: oneshot::Sender<Result<(), ClockError>>,
    },
}

/// Asks the thread.
#[derive(Clone)]
pub struct LicenseDesk {
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Arc<Standing>>,
}

/// The thread has ended, as it does when the box shuts down.
#[derive(Debug, thiserror::Error)]
#[error("the license desk is closed")]
pub struct DeskClosed;

impl LicenseDesk {
    /// Starts the thread; the first check begins at once and does not hold anyone up.
    ///
    /// # Errors
    /// The system gave no thread.
    pub fn start(license: BoxLicenses, interval: Duration) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let (sender, standing) = watch::channel(Arc::new(Standing::default()));
        std::thread::Builder::new()
            .name("license".into())
            .spawn(move || serve(license, interval, &inbox, &sender))?;
        Ok(Self { orders, standing })
    }

    /// What holds now, and word of each change.
    pub fn watch(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }

    /// What holds now.
    pub fn standing(&self) -> Arc<Standing> {
        Arc::clone(&self.standing.borrow())
    }

    /// Makes a request file.
    ///
    /// # Errors
    /// The desk is closed; the inner result is the TPM's.
    pub async fn export(
        &self,
        used: u32,
        wanted: u32,
    ) -> Result<Result<String, RequestError>, DeskClosed> {
        let (answer, result) = oneshot::channel();
        self.order(Order::Export {
            used,
            wanted,
            answer,
        })?;
        result.await.map_err(|_| DeskClosed)
    }

    /// Checks a license file and, unless `dry_run`, puts it into use. The standing is
    /// up to date when this returns.
    ///
    /// # Errors
    /// The desk is closed; the inner result is the import's.
    pub async fn import(
        &self,
        document: Vec<u8>,
        dry_run: bool,
    ) -> Result<Result<ImportReport, ImportError>, DeskClosed> {
        let (answer, result) = oneshot::channel();
        self.order(Order::Import {
            document,
            dry_run,
            answer,
        })?;
        result.await.map_err(|_| DeskClosed)
    }

    /// Has the TPM sign what the box states.
    ///
    /// # Errors
    /// The desk is closed; the inner result is the TPM's.
    pub async fn state(
        &self,
        subject: Subject,
    ) -> Result<Result<SignedStatement, StatementError>, DeskClosed> {
        let (answer, result) = oneshot::channel();
        self.order(Order::State { subject, answer })?;
        result.await.map_err(|_| DeskClosed)
    }

    /// A person says that the box's clock is right. The standing is up to date when this
    /// returns.
    ///
    /// # Errors
    /// The desk is closed; the inner result says why it was not believed.
    pub async fn confirm_clock(&self) -> Result<Result<(), ClockError>, DeskClosed> {
        let (answer, result) = oneshot::channel();
        self.order(Order::ConfirmClock { answer })?;
        result.await.map_err(|_| DeskClosed)
    }

    fn order(&self, order: Order) -> Result<(), DeskClosed> {
        self.orders.send(order).map_err(|_| DeskClosed)
    }
}

fn serve(
    mut license: BoxLicenses,
    interval: Duration,
    inbox: &mpsc::Receiver<Order>,
    standing: &watch::Sender<Arc<Standing>>,
) {
    publish(standing, license.boot());
    let mut until_check = interval;
    loop {
        // The dongle is asked far more often than the TPM.
        let wait = until_check.min(license.next_dongle_check());
        let waited_from = Instant::now();
        match inbox.recv_timeout(wait) {
            // Whoever asked may be gone; the work was done all the same.
            Ok(Order::Export {
                used,
                wanted,
                answer,
            }) => {
                let request = license.export_request(used, wanted);
                publish(standing, license.check());
                let _ = answer.send(request);
            }
            Ok(Order::Import {
                document,
                dry_run,
                answer,
            }) => {
                let report = license.import(&document, dry_run);
                // Even a refusal may be news, as that of a revoked key is.
                if !dry_run || report.is_err() {
                    publish(standing, license.check());
                }
                let _ = answer.send(report);
            }
            // Says nothing new about the license, so the next check is due as it was.
            Ok(Order::State { subject, answer }) => {
                let _ = answer.send(license.state(subject));
                until_check = until_check.saturating_sub(waited_from.elapsed());
                continue;
            }
            Ok(Order::ConfirmClock { answer }) => {
                let confirmed = license.confirm_clock();
                publish(standing, license.check());
                let _ = answer.send(confirmed);
            }
            Err(RecvTimeoutError::Timeout) if wait < until_check => {
                until_check -= wait;
                publish(standing, license.check_dongle());
                continue;
            }
            Err(RecvTimeoutError::Timeout) => publish(standing, license.check()),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        until_check = interval;
    }
}

fn publish(standing: &watch::Sender<Arc<Standing>>, verdict: Verdict) {
    let Verdict { outcome, dongle } = verdict;
    let before = standing.borrow().clone();
    if before
        .outcome
        .as_ref()
        .is_none_or(|last| last.state.code() != outcome.state.code())
    {
        tracing::info!(
            state = outcome.state.code(),
            counter = outcome.counter,
            "license state"
        );
    }
    let bound = if outcome.keep_last_decision {
        before.bound.clone()
    } else {
        outcome.bound.clone()
    };
    standing.send_replace(Arc::new(Standing {
        outcome: Some(outcome),
        bound,
        dongle,
    }));
}
