//! The command `sealgate`: see [`sealgate_cli::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let mut say = std::io::stderr().lock();
    sealgate_cli::run(std::env::args_os(), &mut out, &mut say)
}
