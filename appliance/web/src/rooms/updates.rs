//! Updates of the box's own system.

use async_trait::async_trait;
use bytes::Bytes;
use sealgate_words::Problem;
use serde::Serialize;
use tokio::sync::mpsc;
use utoipa::ToSchema;

use crate::errors::ProblemSchema;

/// Versions, and what becomes of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct UpdatesView {
    /// What the boot loader knows, newest first; empty where no loader started this box.
    pub versions: Vec<VersionView>,
    /// A newer version that was tried and given up, and why (`SG-UPD-…`).
    #[schema(value_type = Option<ProblemSchema>)]
    pub reverted: Option<Problem>,
    /// An update is being written, and how far it is.
    pub writing_percent: Option<u64>,
    /// There is a recovery key to show.
    pub has_recovery_key: bool,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct VersionView {
    /// Which.
    pub version: String,
    /// It runs now.
    pub running: bool,
    /// How often it is tried yet; none: it is known to be good.
    pub tries_left: Option<u32>,
    /// How often it was started without being found good.
    pub tries_done: u32,
}

impl UpdatesView {
    /// What was installed and waits for a restart.
    pub fn waiting(&self) -> Option<&VersionView> {
        self.versions.iter().find(|version| {
            !version.running && version.tries_done == 0 && version.tries_left.unwrap_or(0) > 0
        })
    }
}

/// Updates.
#[async_trait]
pub trait UpdateRoom: Send + Sync {
    /// How it stands.
    async fn updates(&self) -> UpdatesView;

    /// Installs what comes through `pieces`, to its end; the version that was installed. The
    /// running one stays until the next restart.
    ///
    /// # Errors
    /// `SG-UPD-…`; the running version is untouched.
    async fn install(&self, pieces: mpsc::Receiver<Bytes>) -> Result<String, Problem>;

    /// Restarts the box a moment later.
    ///
    /// # Errors
    /// `SG-UPD-012`, `SG-UPD-013`
    async fn restart(&self) -> Result<(), Problem>;

    /// The key that opens the data partition when the TPM does not.
    ///
    /// # Errors
    /// `SG-API-002`: data is not encrypted, or locked.
    async fn recovery_key(&self) -> Result<String, Problem>;
}
