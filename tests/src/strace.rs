//! Running a program under strace, which cuts it short or makes a system call fail.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// What strace does to one system call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inject {
    /// Nothing: only look.
    Nothing,
    /// SIGKILL in place of the n-th call of this name. (strace counts each name by itself,
    /// so there is no counting of all calls together.)
    Kill {
        /// The system call, for example `rename`.
        call: String,
        /// Which of them; the first is 1.
        nth: usize,
    },
    /// The n-th call of this name fails, and does nothing.
    Fail {
        /// The system call, for example `fsync`.
        call: String,
        /// Which of them; the first is 1.
        nth: usize,
        /// Whether each later one fails too, as on a disk that broke.
        and_later: bool,
        /// The error, for example `EIO`.
        error: &'static str,
    },
}

/// A program's run.
#[derive(Debug)]
pub struct Traced {
    /// What it printed, and how it ended: strace ends as its program does.
    pub output: Output,
    /// Its system calls in order, a line each, with the paths of descriptors.
    pub calls: Vec<String>,
}

impl Traced {
    /// The call of this line, and how often it has been made by then: what [`Inject`] counts.
    pub fn nth(&self, line: usize) -> (&str, usize) {
        let name = name(&self.calls[line]);
        let before = &self.calls[..=line];
        let nth = before
            .iter()
            .filter(|call| self::name(call) == name)
            .count();
        (name, nth)
    }
}

/// The system call of a line.
pub fn name(line: &str) -> &str {
    line.split('(').next().unwrap_or_default()
}

/// Runs a program of one thread under strace.
///
/// # Errors
/// strace is missing, or wrote nothing.
pub fn run(program: &Command, inject: &Inject, log: &Path) -> Result<Traced> {
    let mut command = Command::new("strace");
    command.args(["-q", "-y", "-s", "0", "-o"]).arg(log);
    match inject {
        Inject::Nothing => {}
        Inject::Kill { call, nth } => {
            command.arg(format!("--inject={call}:signal=KILL:when={nth}"));
        }
        Inject::Fail {
            call,
            nth,
            and_later,
            error,
        } => {
            let later = if *and_later { "+" } else { "" };
            command.arg(format!("--inject={call}:error={error}:when={nth}{later}"));
        }
    }
    let output = command
        .arg("--")
        .arg(program.get_program())
        .args(program.get_args())
        .output()
        .context("start strace: is the package strace installed?")?;
    let text = fs::read(log).context("read strace's log")?;
    let calls: Vec<String> = String::from_utf8_lossy(&text)
        .lines()
        .filter(|line| !line.starts_with("+++") && !line.starts_with("---"))
        .map(str::to_owned)
        .collect();
    ensure!(
        !calls.is_empty(),
        "strace saw nothing: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(Traced { output, calls })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn echo(inject: &Inject) -> Traced {
        let folder = tempfile::tempdir().unwrap();
        let mut program = Command::new("/bin/echo");
        program.arg("done");
        run(&program, inject, &folder.path().join("log")).unwrap()
    }

    #[test]
    fn the_killed_call_is_not_made() {
        let whole = echo(&Inject::Nothing);
        assert_eq!(whole.output.stdout, b"done\n");
        let write = |traced: &Traced| traced.calls.iter().position(|call| name(call) == "write");
        let line = write(&whole).unwrap();
        for (at, said) in [(line, &b""[..]), (line + 1, b"done\n")] {
            let (call, nth) = whole.nth(at);
            let call = call.to_owned();
            let cut = echo(&Inject::Kill { call, nth });
            assert_eq!(cut.output.status.signal(), Some(9));
            assert_eq!(cut.calls.len(), at + 1);
            assert_eq!(cut.output.stdout, said, "{at}");
        }
    }

    #[test]
    fn a_failing_call_fails() {
        let whole = echo(&Inject::Nothing);
        let line = whole.calls.iter().position(|call| name(call) == "write");
        let (call, nth) = whole.nth(line.unwrap());
        let failed = echo(&Inject::Fail {
            call: call.to_owned(),
            nth,
            and_later: false,
            error: "ENOSPC",
        });
        assert_eq!(failed.output.status.code(), Some(1));
        assert!(failed.calls.iter().any(|call| call.contains("(INJECTED)")));
    }
}
