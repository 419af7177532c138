//! `sealgate tpm qualify`: the one command that speaks with the TPM itself, as it is meant
//! for a board on the bench, with or without a supervisor.

use std::io::{BufRead as _, Write};

use sealgate_tpm::TpmAddress;
use sealgate_tpm::qualify::{Options, Verdict, qualify};

use crate::{CommandError, NOT_ASKED, REFUSED};

/// What has to be typed before TPM2_Clear.
const YES: &str = "clear";

/// How the trial is to go.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The TPM.
    #[arg(long, default_value = "device:/dev/tpmrm0")]
    tpm: TpmAddress,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Also TPM2_Clear, which destroys every key and index of the owner's hierarchy: a disk
    /// that is sealed to this TPM stays locked for ever. Asks first.
    #[arg(long)]
    clear: bool,
}

/// Gives the exit status: 0 fit, 1 not fit, 2 not tried.
pub(crate) fn run(
    arguments: &Arguments,
    out: &mut dyn Write,
    say: &mut dyn Write,
) -> Result<u8, CommandError> {
    if arguments.clear && !is_meant(say)? {
        writeln!(say, "Nothing was done.")?;
        return Ok(NOT_ASKED);
    }
    let options = Options {
        clear: arguments.clear,
    };
    // That progress can't be shown is no reason to stop.
    let mut progress = |step: &str| {
        let _ = writeln!(say, "trying {step}");
    };
    let report = qualify(&arguments.tpm, options, &mut progress)?;
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &report)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", report.to_text())?;
    }
    Ok(match report.verdict {
        Verdict::Fit | Verdict::Remark => 0,
        Verdict::Unfit => REFUSED,
        Verdict::NotTried => NOT_ASKED,
    })
}

fn is_meant(say: &mut dyn Write) -> Result<bool, CommandError> {
    write!(
        say,
        "TPM2_Clear destroys every key of this TPM's owner: disks sealed to it stay locked \
         for ever.\nType '{YES}' to go on: "
    )?;
    say.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim() == YES)
}
