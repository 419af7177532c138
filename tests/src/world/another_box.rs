//! Another owner's box, as far as a license request of it is needed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use sealgate_base::SystemClock;
use sealgate_license::vendor::VendorRootsFile;
use sealgate_supervisor::license::{BoxNames, LicenseBox, LicenseFiles};

use crate::swtpm::{Swtpm, Transport};

/// A license request of the box that has the TPM in `tpm`.
///
/// # Errors
/// The TPM does not start, or makes no request.
pub async fn request(tpm: PathBuf, vendor_roots: PathBuf) -> Result<String> {
    tokio::task::spawn_blocking(move || blocking_request(&tpm, &vendor_roots))
        .await
        .context("make another box's request")?
}

fn blocking_request(tpm: &Path, vendor_roots: &Path) -> Result<String> {
    let swtpm = Swtpm::start(tpm, Transport::Tcp)?;
    let roots = std::fs::read(vendor_roots).context("read the vendor's roots")?;
    let roots = VendorRootsFile::parse(&roots).context("understand the vendor's roots")?;
    let roots = roots
        .for_flavour(roots.flavour)
        .context("take the vendor's roots")?;
    let folder = tempfile::tempdir().context("make another box's folder")?;
    let mut license_box = LicenseBox::new(
        swtpm.address(),
        LicenseFiles::new(folder.path().to_owned()),
        roots,
        BoxNames {
            model: "SG-LAB".to_owned(),
            serial: "LAB-0002".to_owned(),
            firmware: env!("CARGO_PKG_VERSION").to_owned(),
        },
        Arc::new(SystemClock::new()),
    );
    license_box.boot();
    license_box
        .export_request(0, 1)
        .context("make another box's request")
}
