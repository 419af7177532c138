//! QEMU's control socket (QMP): commands and events, one JSON object a line.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Instant, sleep, timeout};

/// How long one command may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A connection past its handshake.
#[derive(Debug)]
pub struct Qmp {
    lines: Lines<BufReader<OwnedReadHalf>>,
    write: OwnedWriteHalf,
    events: Vec<String>,
}

impl Qmp {
    /// Connects, waiting for the socket to appear: QEMU makes it once its devices exist.
    ///
    /// # Errors
    /// No socket in time, or it speaks no QMP.
    pub async fn connect(socket: &Path, within: Duration) -> Result<Self> {
        let end = Instant::now() + within;
        let stream = loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => break stream,
                Err(_) if Instant::now() < end => sleep(Duration::from_millis(20)).await,
                Err(error) => {
                    return Err(error).context("connect to QEMU's control socket");
                }
            }
        };
        let (read, write) = stream.into_split();
        let mut qmp = Self {
            lines: BufReader::new(read).lines(),
            write,
            events: Vec::new(),
        };
        let greeting = timeout(within, qmp.next())
            .await
            .context("QEMU's control socket says nothing")??;
        if greeting.get("QMP").is_none() {
            bail!("QEMU's control socket greets with {greeting}");
        }
        qmp.execute("qmp_capabilities", json!({})).await?;
        Ok(qmp)
    }

    /// Runs one command and gives what it returned.
    ///
    /// # Errors
    /// QEMU refused it, is gone, or does not answer.
    pub async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let mut line = json!({"execute": command, "arguments": arguments}).to_string();
        line.push('\n');
        self.write
            .write_all(line.as_bytes())
            .await
            .with_context(|| format!("send {command} to QEMU"))?;
        let answer = async {
            loop {
                let message = self.next().await?;
                if let Some(result) = message.get("return") {
                    return Ok(result.clone());
                }
                if let Some(error) = message.get("error") {
                    bail!("QEMU refused {command}: {error}");
                }
            }
        };
        timeout(ANSWER_LIMIT, answer)
            .await
            .with_context(|| format!("QEMU did not answer {command}"))?
    }

    /// Waits for an event; one that has come already counts.
    ///
    /// # Errors
    /// It did not come in time, or QEMU is gone.
    pub async fn event(&mut self, name: &str, within: Duration) -> Result<()> {
        let came = async {
            while !self.events.iter().any(|event| event == name) {
                self.next().await?;
            }
            Ok(())
        };
        timeout(within, came)
            .await
            .with_context(|| format!("no event {name} from QEMU within {within:?}"))?
    }

    async fn next(&mut self) -> Result<Value> {
        let line = self
            .lines
            .next_line()
            .await
            .context("read from QEMU's control socket")?
            .context("QEMU closed its control socket")?;
        let message: Value = serde_json::from_str(&line).context("parse QEMU's message")?;
        if let Some(event) = message.get("event").and_then(Value::as_str) {
            self.events.push(event.to_owned());
        }
        Ok(message)
    }
}
