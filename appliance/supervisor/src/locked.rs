//! The box while its data disk is locked: TPM and license are elsewhere, so the pages can say
//! how they stand, and take the recovery key.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use sealgate_base::{Clock, Shutdown, service};
use sealgate_web::rooms::{BoxIdentity, LicenseView, Places, PoolsView};
use sealgate_web::tls::TlsMaterial;
use sealgate_web::{LockedBox, WebConfig, serve_locked};
use sealgate_words::Problem;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::config::Config;
use crate::license::is_mount_point;
use crate::license_desk::LicenseDesk;
use crate::rooms::entry;
use crate::rooms::license::{state_of, tpm_view};
use crate::setup_code::SetupCode;
use crate::wiring::{create_private_folder, license_desk, names};

/// How often it is looked whether the data is there.
const LOOK: Duration = Duration::from_secs(2);
/// As long as a slow key derivation takes, and more.
const UNLOCK_TIME: Duration = Duration::from_secs(90);
/// No recovery key is as long.
const MAX_KEY_BYTES: usize = 1024;

/// Whether the box has a data disk that is not there.
pub fn is_locked(config: &Config) -> bool {
    let folder = config.identity.data_mount.as_ref();
    folder.is_some_and(|folder| !is_mount_point(folder))
}

/// Serves the pages of a locked box until its data is there, or the end comes.
pub(crate) async fn run(
    config: &Config,
    identity: BoxIdentity,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let setup_folder = config.identity.state_dir.join("setup");
    create_private_folder(&setup_folder)?;
    create_private_folder(&config.identity.state_dir.join("license"))?;
    let code = SetupCode::read_or_create(&setup_folder)?;
    let tls = TlsMaterial::temporary(&names(&identity))
        .context("a certificate for this start could not be made")?;
    println!("Sealgate data disk: locked");
    println!("Sealgate certificate SHA-256: {}", tls.fingerprint_sha256());
    println!("Sealgate set-up code: {}", code.shown());
    let the_box = LockedData {
        license: license_desk(config, &identity, &clock)?,
        code,
        helper: UnlockHelper::new(&config.identity.unlock),
    };
    let (open, over) = Shutdown::new();
    tokio::spawn({
        let (config, shutdown) = (config.clone(), shutdown.clone());
        async move {
            while is_locked(&config) {
                tokio::select! {
                    () = tokio::time::sleep(LOOK) => {}
                    () = shutdown.requested() => break,
                }
            }
            tracing::info!("the pages of the locked box end");
            open.request();
        }
    });
    tokio::spawn(service::feed_watchdog(shutdown, || true));
    service::ready();
    let listen = config.web.listen;
    let web = WebConfig { listen, tls, clock };
    serve_locked(web, identity, Arc::new(the_box), over).await?;
    service::stopping();
    Ok(())
}

struct LockedData {
    license: LicenseDesk,
    code: SetupCode,
    helper: UnlockHelper,
}

#[async_trait]
impl LockedBox for LockedData {
    async fn license(&self) -> LicenseView {
        let standing = self.license.standing();
        LicenseView {
            state: state_of(&standing),
            ok: false,
            license_id: None,
            revision: None,
            server: None,
            project: None,
            distributor: None,
            binding: None,
            ends_utc_ms: None,
            places: Places::default(),
            pools: PoolsView::default(),
            allowances: Vec::new(),
            tpm: tpm_view(standing.outcome.as_ref()),
            notices: Vec::new(),
        }
    }

    fn is_code(&self, typed: &str) -> bool {
        self.code.matches(typed)
    }

    async fn unlock(&self, recovery_key: &str) -> Result<(), Problem> {
        self.helper.unlock(recovery_key).await
    }
}

/// The program that opens the data disk; part of the image, with rights that this process
/// does not have.
pub struct UnlockHelper {
    program: PathBuf,
    time: Duration,
}

impl UnlockHelper {
    /// Runs this program.
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            time: UNLOCK_TIME,
        }
    }

    /// Tries the key. It goes through a pipe: arguments and environment can be read by others.
    ///
    /// # Errors
    /// `SG-SES-033` not the key, `SG-SES-034` the program did not run or did not end.
    pub async fn unlock(&self, recovery_key: &str) -> Result<(), Problem> {
        if recovery_key.is_empty() || recovery_key.len() > MAX_KEY_BYTES {
            return Err(entry("SG-SES-033", &[]));
        }
        match tokio::time::timeout(self.time, self.run(recovery_key)).await {
            Ok(Ok(Some(0))) => {
                tracing::info!("the data disk was opened with the recovery key");
                Ok(())
            }
            Ok(Ok(Some(1))) => {
                tracing::warn!("a recovery key did not open the data disk");
                Err(entry("SG-SES-033", &[]))
            }
            Ok(Ok(code)) => {
                tracing::error!(code, "the program that opens the data disk failed");
                Err(entry("SG-SES-034", &[]))
            }
            Ok(Err(error)) => {
                tracing::error!(%error, program = %self.program.display(), "the data disk can't be tried");
                Err(entry("SG-SES-034", &[]))
            }
            Err(_) => {
                tracing::error!("the program that opens the data disk did not end in time");
                Err(entry("SG-SES-034", &[]))
            }
        }
    }

    async fn run(&self, recovery_key: &str) -> std::io::Result<Option<i32>> {
        let mut child = Command::new(&self.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            let line = zeroize::Zeroizing::new(format!("{recovery_key}\n"));
            // A program that ends before it has read says why by its code.
            let _ = input.write_all(line.as_bytes()).await;
        }
        Ok(child.wait().await?.code())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn helper(folder: &Path, script: &str) -> UnlockHelper {
        let program = folder.join("unlock");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        UnlockHelper::new(&program)
    }

    async fn check(script: &str, key: &str, expected: Result<(), &str>) {
        let folder = tempfile::tempdir().unwrap();
        let tried = helper(folder.path(), script).unlock(key).await;
        let tried = tried.map_err(|problem| problem.code);
        assert_eq!(tried, expected.map_err(str::to_owned), "{script}");
    }

    #[tokio::test]
    async fn the_key_is_read_from_the_pipe_and_the_code_says_what_came_of_it() {
        // Nothing of the key may stand among the arguments.
        let reads = r#"read -r key; [ $# -eq 0 ] && [ "$key" = "abcd-1234" ]"#;
        check(reads, "abcd-1234", Ok(())).await;
        check(reads, "abcd-1235", Err("SG-SES-033")).await;
        check("exit 0", "", Err("SG-SES-033")).await;
        check("exit 3", "abcd-1234", Err("SG-SES-034")).await;
        check("kill -9 $$", "abcd-1234", Err("SG-SES-034")).await;
        let none = UnlockHelper::new(Path::new("/nowhere/unlock"));
        assert_eq!(none.unlock("abcd").await.unwrap_err().code, "SG-SES-034");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut helper = helper(folder.path(), "exec sleep 600");
        helper.time = Duration::from_millis(200);
        assert_eq!(helper.unlock("abcd").await.unwrap_err().code, "SG-SES-034");
    }
}
