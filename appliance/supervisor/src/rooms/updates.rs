//! Updates, asked of the part of the box that has root.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::{Buf, Bytes};
use sealgate_base::read_at_most;
use sealgate_system::link::{self, Answer};
use sealgate_system::report::{REPORT_FILE, Report};
use sealgate_web::rooms::{UpdateRoom, UpdatesView, VersionView};
use sealgate_words::Problem;
use tokio::sync::mpsc;

use crate::rooms::entry;

/// The report is a few hundred bytes, the key 71.
const FILE_BYTES: u64 = 64 * 1024;
/// No update is being written.
const IDLE: u64 = u64::MAX;

/// The updates' room.
pub struct Updates {
    recovery_key: PathBuf,
    percent: Arc<AtomicU64>,
}

impl Updates {
    /// `data_dir` is where the first boot left the recovery key.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            recovery_key: data_dir.join("recovery-key"),
            percent: Arc::new(AtomicU64::new(IDLE)),
        }
    }

    async fn ask(
        &self,
        what: &'static str,
        content: impl Read + Send + 'static,
        tell: impl FnMut(&str) + Send + 'static,
    ) -> Result<(), Problem> {
        let asked = tokio::task::spawn_blocking(move || {
            link::ask(Path::new(link::SOCKET), what, content, tell)
        });
        match asked.await {
            Ok(Ok(answer)) => done(answer),
            Ok(Err(error)) => {
                tracing::error!(%error, what, "the system service does not answer");
                Err(entry("SG-UPD-013", &[]))
            }
            Err(_) => Err(entry("SG-UPD-013", &[])),
        }
    }
}

fn done(answer: Answer) -> Result<(), Problem> {
    let Some(code) = answer.code else {
        return Ok(());
    };
    tracing::warn!(code, detail = answer.detail, "the system service refused");
    let values: Vec<(&str, &str)> = answer
        .values
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    Err(match sealgate_words::catalog::find(&code) {
        Some(entry) => entry.problem(&values),
        None => entry("SG-UPD-013", &[]),
    })
}

#[async_trait]
impl UpdateRoom for Updates {
    async fn updates(&self) -> UpdatesView {
        let report: Report = read_at_most(Path::new(REPORT_FILE), FILE_BYTES)
            .ok()
            .flatten()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let percent = self.percent.load(Ordering::Relaxed);
        UpdatesView {
            versions: report
                .versions
                .into_iter()
                .map(|version| VersionView {
                    version: version.version,
                    running: version.running,
                    tries_left: version.tries_left,
                    tries_done: version.tries_done,
                })
                .collect(),
            reverted: report.reverted.and_then(|reverted| {
                let entry = sealgate_words::catalog::find(&reverted.code)?;
                Some(entry.problem(&[("version", &reverted.version)]))
            }),
            writing_percent: (percent != IDLE).then_some(percent),
            has_recovery_key: self.recovery_key.exists(),
        }
    }

    async fn install(&self, pieces: mpsc::Receiver<Bytes>) -> Result<String, Problem> {
        let begun = (self.percent).compare_exchange(IDLE, 0, Ordering::Relaxed, Ordering::Relaxed);
        if begun.is_err() {
            return Err(entry("SG-UPD-010", &[]));
        }
        let turn = Turn(Arc::clone(&self.percent));
        let (version, installed) = std::sync::mpsc::channel();
        let tell = move |line: &str| {
            let said: BTreeMap<String, serde_json::Value> =
                serde_json::from_str(line).unwrap_or_default();
            if let Some(percent) = said.get("percent").and_then(serde_json::Value::as_u64) {
                turn.0.store(percent, Ordering::Relaxed);
            }
            if let Some(text) = said.get("version").and_then(serde_json::Value::as_str) {
                let _ = version.send(text.to_owned());
            }
        };
        let content = Pieces {
            pieces,
            current: Bytes::new(),
        };
        self.ask("update", content, tell).await?;
        let version = installed.try_iter().last();
        version.ok_or_else(|| entry("SG-UPD-013", &[]))
    }

    async fn restart(&self) -> Result<(), Problem> {
        self.ask("restart", io::empty(), |_| ()).await
    }

    async fn recovery_key(&self) -> Result<String, Problem> {
        let key = read_at_most(&self.recovery_key, FILE_BYTES).ok().flatten();
        key.and_then(|key| String::from_utf8(key).ok())
            .ok_or_else(|| entry("SG-API-002", &[("object", "recovery key")]))
    }
}

/// Ends with the update, however it ends.
struct Turn(Arc<AtomicU64>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.store(IDLE, Ordering::Relaxed);
    }
}

/// What comes from the network, as something to read from a thread.
struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let bytes = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..bytes]);
        Ok(bytes)
    }
}
