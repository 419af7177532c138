//! The socket by which the supervisor, which has no root, asks: one request a connection.
//!
//! The first line says what is wanted; what follows belongs to it. systemd hands each
//! connection to a process of its own, on standard input and output. Who may connect, the
//! socket's group says.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::bundle::UpdateError;
use crate::data;
use crate::programs::run;
use crate::report;
use crate::update::{self, Places};

/// Where systemd listens.
pub const SOCKET: &str = "/run/sealgate-system.sock";
/// The longest first line, and the longest recovery key, bytes.
const MAX_LINE_BYTES: u64 = 512;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// An update follows.
    Update,
    /// The recovery key follows, in one line.
    Unlock,
    /// A restart, into whatever the loader chooses.
    Restart,
}

impl Asked {
    fn from_line(line: &str) -> Option<Self> {
        match line.trim_end() {
            "update" => Some(Self::Update),
            "unlock" => Some(Self::Unlock),
            "restart" => Some(Self::Restart),
            _ => None,
        }
    }
}

/// The last line of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What went wrong, from the words catalog; none: it is done.
    pub code: Option<String>,
    /// What the words speak of, by name.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
    /// The same for support.
    pub detail: Option<String>,
}

impl Answer {
    fn of<E: std::error::Error>(
        outcome: &Result<(), E>,
        code: impl Fn(&E) -> &'static str,
    ) -> Self {
        Self {
            code: outcome.as_ref().err().map(|error| code(error).to_owned()),
            values: BTreeMap::new(),
            detail: outcome.as_ref().err().map(|error| data::chain(error)),
        }
    }
}

/// Serves one connection.
///
/// # Errors
/// The connection broke.
pub fn serve(from: impl Read, to: impl Write, places: &Places) -> io::Result<()> {
    let mut from = BufReader::with_capacity(256 * 1024, from);
    let mut to = to;
    let mut line = String::new();
    (&mut from).take(MAX_LINE_BYTES).read_line(&mut line)?;
    let answer = match Asked::from_line(&line) {
        Some(Asked::Update) => {
            let outcome = update::install(&mut from, places, |step| {
                // Whoever asked may be gone; an update that came whole is installed all the same.
                let _ = write_line(&mut to, step);
            });
            if let Ok(running) = places.running() {
                report::write(&places.esp, running.version)?;
            }
            let values = outcome.as_ref().err().map(UpdateError::values);
            Answer {
                values: values.unwrap_or_default(),
                ..Answer::of(&outcome.map(drop), UpdateError::code)
            }
        }
        Some(Asked::Unlock) => {
            let mut key = zeroize::Zeroizing::new(String::new());
            from.take(MAX_LINE_BYTES).read_line(&mut key)?;
            let outcome = data::unlock(&key);
            if outcome.is_ok() {
                use_data();
            }
            Answer::of(&outcome, data::DataError::code)
        }
        Some(Asked::Restart) => {
            let outcome = run("systemctl", &["--no-block", "reboot"], b"").map(drop);
            Answer::of(&outcome, |_| "SG-UPD-012")
        }
        None => return Err(io::Error::other("not a request")),
    };
    write_line(&mut to, &answer)
}

fn write_line(to: &mut impl Write, what: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line)?;
    to.flush()
}

/// What a boot would have done with open data. The supervisor is restarted a moment after
/// its answer is out.
fn use_data() {
    let steps: [&[&str]; 4] = [
        &["reset-failed", "var.mount", "sealgate-data.service"],
        &["start", "var.mount"],
        &["restart", "systemd-tmpfiles-setup.service"],
        &[
            "--no-block",
            "restart",
            "sealgate-recorder.service",
            "sealgate-supervisor.service",
        ],
    ];
    for step in steps {
        if let Err(error) = run("systemctl", step, b"") {
            eprintln!("sealgate-system: {}", data::chain(&error));
        }
    }
}

/// Asks: sends `what` and `content`, and hands each line of the answer to `tell`.
///
/// # Errors
/// Nobody listens, or the connection broke.
pub fn ask(
    socket: &Path,
    what: &str,
    mut content: impl Read + Send,
    mut tell: impl FnMut(&str),
) -> io::Result<Answer> {
    let stream = UnixStream::connect(socket)?;
    let mut sender = stream.try_clone()?;
    thread::scope(|scope| {
        scope.spawn(move || {
            // A refusal closes the connection early; the answer says why.
            let _ = writeln!(sender, "{what}")
                .and_then(|()| io::copy(&mut content, &mut sender))
                .and_then(|_| sender.shutdown(Shutdown::Write));
        });
        let mut last = None;
        for line in BufReader::new(&stream).lines() {
            let line = line?;
            tell(&line);
            last = Some(line);
        }
        let last = last.ok_or_else(|| io::Error::other("there was no answer"))?;
        serde_json::from_str(&last).map_err(io::Error::other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_what_it_does_not_know_with_nothing() {
        let places = Places::default();
        for request in ["", "update?\n", "\n", &"x".repeat(2000)] {
            let mut said = Vec::new();
            assert!(serve(request.as_bytes(), &mut said, &places).is_err());
            assert!(said.is_empty());
        }
    }

    #[test]
    fn a_refused_update_is_answered_with_its_code() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            lock: folder.path().join("lock"),
            os_release: folder.path().join("os-release"),
            ..Places::default()
        };
        let mut said = Vec::new();
        serve(&b"update\nnothing\n"[..], &mut said, &places).unwrap();
        let answer: Answer = serde_json::from_slice(&said).unwrap();
        assert_eq!(answer.code.as_deref(), Some("SG-UPD-011"));
    }
}
