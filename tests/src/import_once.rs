//! One import in a process of its own, so that a test can cut it short at any system call.
//!
//! It is the supervisor's own [`LicenseBox`], opened as the supervisor does, on the only
//! thread of the process: the n-th system call of one run is that of the next.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use sealgate_base::FakeClock;
use sealgate_license::vendor::VendorRootsFile;
use sealgate_supervisor::license::{BoxNames, LicenseBox, LicenseFiles};
use sealgate_tpm::TpmAddress;

/// What to import, and into which box.
#[derive(Debug, clap::Args)]
pub struct ImportOnce {
    /// The license folder, as `/state/license` on a box.
    #[arg(long)]
    pub state: PathBuf,
    /// Where the TPM is, for example `swtpm:host=127.0.0.1,port=2321`.
    #[arg(long)]
    pub tpm: TpmAddress,
    /// The vendor's root keys.
    #[arg(long)]
    pub roots: PathBuf,
    /// The wall clock, milliseconds since the Unix epoch; it stands still.
    #[arg(long)]
    pub utc_ms: i64,
    /// The license file.
    pub license: PathBuf,
}

impl ImportOnce {
    /// Imports. Prints `imported` or, with exit status 1, `refused` and the code.
    ///
    /// # Errors
    /// The arguments lead nowhere.
    pub fn run(&self) -> Result<ExitCode> {
        let roots = std::fs::read(&self.roots).context("read the vendor's roots")?;
        let roots = VendorRootsFile::parse(&roots).context("understand the vendor's roots")?;
        let roots = roots
            .for_flavour(roots.flavour)
            .context("take the vendor's roots")?;
        let document = std::fs::read(&self.license).context("read the license")?;
        let mut license_box = LicenseBox::new(
            self.tpm.clone(),
            LicenseFiles::new(&self.state),
            roots,
            BoxNames {
                model: "NVR-32".to_owned(),
                serial: "NVR-0193".to_owned(),
                firmware: env!("CARGO_PKG_VERSION").to_owned(),
            },
            Arc::new(FakeClock::at_utc_ms(self.utc_ms)),
        );
        match license_box.import(&document, false) {
            Ok(_) => {
                say("imported");
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => {
                say(&format!("refused {}", error.code()));
                Ok(ExitCode::FAILURE)
            }
        }
    }
}

/// Not `println!`, which panics where a test lets every write fail.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
