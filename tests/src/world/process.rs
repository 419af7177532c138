//! One process that the lab started, and will end.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

/// How long a process may take to end by itself before it is killed.
const PATIENCE_MS: u16 = 5_000;

/// A running process; ending it is part of dropping it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its outputs in `log`, in a process group of its own,
    /// so that a Ctrl-C at the terminal reaches the lab alone and the lab ends its
    /// processes in order. Should the lab be killed outright, the kernel ends it.
    ///
    /// # Errors
    /// The log cannot be made, or the program does not start.
    pub fn start(name: &str, command: &Command, log: &Path) -> Result<Self> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("open {}", log.display()))?;
        let child = dying_with_us(command)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("second handle of a log")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {name}: {command:?}"))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Its resident memory, KiB, from `/proc`.
    pub fn resident_kib(&self) -> Option<u64> {
        resident_kib(&std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?)
    }

    /// Fails with the end of the log if the process is no longer there.
    ///
    /// # Errors
    /// The process ended.
    pub fn must_be_running(&mut self) -> Result<()> {
        match self.child.try_wait().context("look at a child process")? {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended ({status}). The end of {}:\n{}",
                self.name,
                self.log.display(),
                last_lines(&self.log, 25)
            ),
        }
    }

    /// The rest of the first line in the log, at or after byte `from`, that starts
    /// with `prefix`.
    ///
    /// # Errors
    /// The process ended, or the line did not come in time.
    pub async fn said(&mut self, prefix: &str, from: u64, within: Duration) -> Result<String> {
        let end = Instant::now() + within;
        loop {
            if let Some(rest) = find_line(&self.log, prefix, from) {
                return Ok(rest);
            }
            self.must_be_running()?;
            if Instant::now() > end {
                bail!(
                    "{} did not say {prefix:?} within {within:?}. The end of its log:\n{}",
                    self.name,
                    last_lines(&self.log, 25)
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks it to end, waits, and kills what is left of its group.
    pub fn stop(&mut self) {
        let id = pid(self.child.id());
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(id, Signal::SIGTERM);
            wait_for_end(id);
        }
        let _ = killpg(id, Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Ends it without warning, as a power cut would.
    pub fn cut_off(&mut self) {
        let _ = killpg(pid(self.child.id()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits for a child's end as an event: its process descriptor becomes readable.
fn wait_for_end(id: Pid) {
    let Some(id) = rustix::process::Pid::from_raw(id.as_raw()) else {
        return;
    };
    let Ok(descriptor) = pidfd_open(id, PidfdFlags::empty()) else {
        return;
    };
    let _ = poll(
        &mut [PollFd::new(descriptor.as_fd(), PollFlags::POLLIN)],
        PATIENCE_MS,
    );
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("process ids fit an i32"))
}

/// The same command, run so that the kernel ends it when the lab's main thread goes.
/// `setpriv` sets the parent-death signal and then becomes the program.
fn dying_with_us(command: &Command) -> Command {
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--pdeathsig", "TERM", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    wrapped
}

/// Runs a short command to its end.
///
/// # Errors
/// It does not start or does not succeed; what it said is in the error.
pub fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} failed ({}): {}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Resident memory in a process's `/proc/ID/status`, KiB.
pub fn resident_kib(status: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The rest of the first line at or after byte `from` that has `prefix` in it.
pub fn find_line(log: &Path, prefix: &str, from: u64) -> Option<String> {
    let bytes = std::fs::read(log).ok()?;
    let bytes = bytes.get(usize::try_from(from).ok()?..)?;
    let text = String::from_utf8_lossy(bytes);
    // A line still being written has no line feed yet.
    let whole = &text[..=text.rfind('\n')?];
    whole.lines().find_map(|line| {
        let (_, rest) = line.split_once(prefix)?;
        Some(rest.trim().to_owned())
    })
}

/// The last `count` lines of a log, for an error message.
pub fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        (folder, log)
    }

    #[tokio::test]
    async fn a_line_is_found_once_it_is_whole() {
        let (_folder, log) = log();
        let mut command = Command::new("sh");
        command.args([
            "-c",
            "printf 'Sealgate set-up '; sleep 0.2; echo 'code: AB-CD'; sleep 9",
        ]);
        let mut process = Process::start("speaker", &command, &log).unwrap();
        let code = process
            .said("set-up code:", 0, Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(code, "AB-CD");
    }

    #[tokio::test]
    async fn an_ended_process_is_an_error_with_its_last_words() {
        let (_folder, log) = log();
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such file >&2; exit 3"]);
        let mut process = Process::start("failing", &command, &log).unwrap();
        let error = process
            .said("ready", 0, Duration::from_secs(5))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("no such file"), "{error}");
    }

    #[tokio::test]
    async fn dropping_ends_the_whole_group() {
        let (_folder, log) = log();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]);
        let mut process = Process::start("parent", &command, &log).unwrap();
        let grandchild = process
            .said("", 0, Duration::from_secs(5))
            .await
            .unwrap()
            .parse()
            .unwrap();
        drop(process);
        let end = Instant::now() + Duration::from_secs(5);
        while is_alive(grandchild) {
            assert!(Instant::now() < end, "the grandchild outlived the group");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A killed process stays in `/proc` as a zombie until its parent looks.
    fn is_alive(id: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }
}
