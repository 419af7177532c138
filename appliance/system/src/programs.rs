//! Other people's programs that do the work: cryptsetup, systemd's, e2fsprogs'.

use std::io::{self, Write};
use std::process::{Command, Stdio};

/// A program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started or spoken to.
    #[error("cannot run {program}")]
    Run {
        /// Its name.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It said no.
    #[error("{program} failed: {said}")]
    Failed {
        /// Its name.
        program: String,
        /// The last line that it said.
        said: String,
    },
}

/// Runs a program with `input`; what it printed.
///
/// # Errors
/// It can't be run, or ends with another status than 0.
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Result<String, ProgramError> {
    let failed = |source| ProgramError::Run {
        program: program.to_owned(),
        source,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that wants no input may have closed it.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(ProgramError::Failed {
        program: program.to_owned(),
        said: last
            .unwrap_or("it said nothing")
            .chars()
            .take(300)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_a_program_said() {
        assert_eq!(run("cat", &[], b"text").unwrap(), "text");
        let error = run("sh", &["-c", "echo first >&2; echo last >&2; exit 3"], b"").unwrap_err();
        assert_eq!(error.to_string(), "sh failed: last");
        assert!(matches!(
            run("/nowhere", &[], b""),
            Err(ProgramError::Run { .. })
        ));
    }
}
