//! The word to systemd (sd_notify(3)). Without systemd every function does nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::Shutdown;

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd could not be told");
    }
}

/// The service works; units ordered after it may start.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// One line for `systemctl status`.
pub fn status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// The service is about to end.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Feeds the watchdog at half its interval for as long as `alive` says so; without a
/// watchdog it only waits for the end. `alive` must be cheap, and false once the work that
/// matters stands still.
pub async fn feed_watchdog(shutdown: Shutdown, alive: impl Fn() -> bool + Send) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        shutdown.requested().await;
        return;
    };
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                if alive() {
                    tell(&[NotifyState::Watchdog]);
                } else {
                    tracing::error!("the watchdog is not fed: the service's work stands still");
                }
            }
            () = shutdown.requested() => return,
        }
    }
}
