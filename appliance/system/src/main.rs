//! `sealgate-system`: what systemd's units and the socket start; and, called
//! `sealgate-unlock`, the supervisor's way to hand over a recovery key.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use sealgate_base::write_durably;
use sealgate_system::programs::run;
use sealgate_system::report::{TRIAL_FILE, Trial};
use sealgate_system::update::Places;
use sealgate_system::{data, health, link, report};

const USAGE: &str = "sealgate-system: what on the box needs root; started by its units

  sealgate-system open-data     opens the data partition, and makes it at the first boot
  sealgate-system report        writes down which versions there are, for the pages
  sealgate-system health SECONDS
                                waits so long until this boot is a good one, or says why it is not
  sealgate-system serve         answers one request on standard input and output
  sealgate-system update FILE   installs an update
  sealgate-unlock               opens the data partition with the recovery key in the first
                                line of standard input; ends with 0 if it opened";

fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let called = arguments.next().unwrap_or_default();
    let words: Vec<String> = arguments.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let unlock = Path::new(&called).file_name() == Some("sealgate-unlock".as_ref());
    let outcome = match words[..] {
        [] if unlock => unlock_by_socket(),
        ["open-data"] if !unlock => data::open().map_err(Into::into),
        ["report"] if !unlock => write_report(),
        ["health", seconds] if !unlock => match seconds.parse() {
            Ok(seconds) => check_health(Duration::from_secs(seconds)),
            Err(_) => Err(format!("{seconds} is no number of seconds").into()),
        },
        ["serve"] if !unlock => {
            link::serve(io::stdin(), io::stdout(), &Places::default()).map_err(Into::into)
        }
        ["update", file] if !unlock => update(file),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealgate-system: {}", data::chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn write_report() -> Result<(), Box<dyn Error>> {
    let places = Places::default();
    Ok(report::write(&places.esp, places.running()?.version)?)
}

/// A version on trial that is not well notes why, so that the one before it can say so, and
/// restarts the box: the loader counts.
fn check_health(patience: Duration) -> Result<(), Box<dyn Error>> {
    let Err(unwell) = health::wait(patience) else {
        return Ok(());
    };
    if health::on_trial() {
        let trial = Trial {
            version: Places::default().running()?.version.to_string(),
            code: unwell.code().to_owned(),
            detail: unwell.to_string(),
        };
        let text = serde_json::to_string(&trial)?;
        let noted = write_durably(Path::new(TRIAL_FILE), text.as_bytes(), 0o644);
        run("systemctl", &["--no-block", "reboot"], b"")?;
        noted?;
    }
    Err(unwell.into())
}

fn update(file: &str) -> Result<(), Box<dyn Error>> {
    let file = fs::File::open(file)?;
    let answer = link::ask(Path::new(link::SOCKET), "update", file, |line| {
        let _ = writeln!(io::stdout(), "{line}");
    })?;
    said(&answer)
}

fn unlock_by_socket() -> Result<(), Box<dyn Error>> {
    let answer = link::ask(Path::new(link::SOCKET), "unlock", io::stdin(), |_| ())?;
    said(&answer)
}

fn said(answer: &link::Answer) -> Result<(), Box<dyn Error>> {
    match &answer.code {
        None => Ok(()),
        Some(code) => {
            let detail = answer.detail.as_deref().unwrap_or_default();
            Err(format!("{code}: {detail}").into())
        }
    }
}
