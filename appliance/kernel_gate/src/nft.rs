//! Running the `nft` program.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::KernelGateError;

/// `nft` answers in milliseconds; longer than this and something holds it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How `nft` is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nft {
    /// The program.
    pub program: PathBuf,
    /// What stands before it, such as `ip netns exec cameras`; usually empty.
    pub prefix: Vec<String>,
}

impl Default for Nft {
    /// `/usr/sbin/nft`, so that no search path decides who sets the rules.
    fn default() -> Self {
        Self {
            program: PathBuf::from("/usr/sbin/nft"),
            prefix: Vec::new(),
        }
    }
}

impl Nft {
    /// `nft` in a network namespace made by `ip netns add`.
    pub fn in_namespace(name: &str) -> Self {
        Self {
            prefix: ["/usr/sbin/ip", "netns", "exec", name]
                .map(str::to_owned)
                .to_vec(),
            ..Self::default()
        }
    }

    /// Puts all of `transaction` in force, or nothing of it.
    pub(crate) async fn commit(&self, transaction: &str) -> Result<(), KernelGateError> {
        self.run(&["-f", "-"], transaction).await.map(drop)
    }

    /// Lists one table with its elements as JSON. `None`: there is no such table.
    pub(crate) async fn list_table(
        &self,
        family: &str,
        name: &str,
    ) -> Result<Option<Vec<u8>>, KernelGateError> {
        match self.run(&["-j", "list", "table", family, name], "").await {
            Ok(listing) => Ok(Some(listing)),
            // strerror(ENOENT) is what nft prints; it has one exit status for all.
            Err(KernelGateError::Refused { message })
                if message.contains("No such file or directory") =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The `netdev` tables' chains without their rules, as text.
    pub(crate) async fn list_ingress_chains(&self) -> Result<String, KernelGateError> {
        let chains = self.run(&["list", "chains", "netdev"], "").await?;
        Ok(String::from_utf8_lossy(&chains).into_owned())
    }

    /// Whether an interface exists where the rules are set.
    pub(crate) async fn has_interface(&self, name: &str) -> Result<bool, KernelGateError> {
        let path = format!("/sys/class/net/{name}");
        let Some((first, rest)) = self.prefix.split_first() else {
            return Ok(PathBuf::from(path).exists());
        };
        let status = Command::new(first)
            .args(rest)
            .args(["/usr/bin/test", "-e", &path])
            .status();
        let run = |source| KernelGateError::Run {
            program: first.clone(),
            source,
        };
        Ok(status.await.map_err(run)?.success())
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Result<Vec<u8>, KernelGateError> {
        let program = self.program.display().to_string();
        let run = |source| KernelGateError::Run {
            program: program.clone(),
            source,
        };
        let mut command = match self.prefix.split_first() {
            None => Command::new(&self.program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.program);
                command
            }
        };
        let mut child = command
            .args(arguments)
            .env_clear()
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(run)?;
        let mut stdin = child.stdin.take().expect("stdin was asked to be a pipe");
        let speak = async move {
            // nft reads all of its input before it prints, so this can't block on it.
            stdin.write_all(input.as_bytes()).await?;
            stdin.shutdown().await?;
            drop(stdin);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(PATIENCE, speak)
            .await
            .map_err(|_| KernelGateError::TimedOut {
                program: program.clone(),
                seconds: PATIENCE.as_secs(),
            })?
            .map_err(run)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let message = String::from_utf8_lossy(&output.stderr);
        Err(KernelGateError::Refused {
            message: message.trim().chars().take(512).collect(),
        })
    }
}
