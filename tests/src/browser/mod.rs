//! The owner's browser: headless Chromium, driven by `tests/browser/driver.py` over
//! lines of JSON. One verb a line in, one answer a line out.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// What the driver may take for one verb before it counts as hung.
const LONGEST_VERB: Duration = Duration::from_secs(300);

/// How the browser is started.
#[derive(Debug, Clone)]
pub struct BrowserSetup {
    /// Interpreter that has Playwright.
    pub python: PathBuf,
    /// Where pictures of the pages go.
    pub screenshots: PathBuf,
    /// How much longer than on plain hardware a page may take.
    pub patience: f64,
}

/// A running browser.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    input: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Browser {
    /// Starts Chromium with its driver.
    ///
    /// # Errors
    /// Playwright or Chromium are missing.
    pub async fn start(setup: &BrowserSetup, log: &Path) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser/driver.py");
        std::fs::create_dir_all(&setup.screenshots).context("make the folder of screenshots")?;
        let errors = std::fs::File::create(log).context("make the browser's log")?;
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(&setup.python)
            .arg(script)
            .arg("--screenshots")
            .arg(&setup.screenshots)
            .args(["--patience", &setup.patience.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("start the browser's driver")?;
        let input = child.stdin.take().context("the driver's input is a pipe")?;
        let output = child
            .stdout
            .take()
            .context("the driver's output is a pipe")?;
        let mut browser = Self {
            child,
            input,
            answers: BufReader::new(output).lines(),
        };
        browser
            .read()
            .await
            .with_context(|| format!("start Chromium (see {})", log.display()))?;
        Ok(browser)
    }

    /// Does one verb; its answer.
    ///
    /// # Errors
    /// The page was not as the verb expects it; says what was there instead.
    pub async fn act(&mut self, verb: &str, arguments: Value) -> Result<Value> {
        let line = format!("{}\n", json!({ "verb": verb, "arguments": arguments }));
        self.input
            .write_all(line.as_bytes())
            .await
            .context("reach the browser's driver")?;
        self.read()
            .await
            .with_context(|| format!("browser: {verb}"))
    }

    async fn read(&mut self) -> Result<Value> {
        let line = tokio::time::timeout(LONGEST_VERB, self.answers.next_line())
            .await
            .context("the browser's driver hangs")?
            .context("read from the browser's driver")?;
        let Some(line) = line else {
            bail!("the browser's driver ended ({:?})", self.child.try_wait());
        };
        let mut answer: Value =
            serde_json::from_str(&line).with_context(|| format!("understand {line:?}"))?;
        match answer["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => Ok(answer["value"].take()),
        }
    }

    /// Closes the browser in order.
    pub async fn close(mut self) {
        let _ = self.act("close", Value::Null).await;
        drop(self.input);
        let _ = tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await;
    }
}
