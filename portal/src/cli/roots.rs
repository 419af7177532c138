//! `sealgate-portal roots`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use der::pem::PemLabel as _;
use der::{Decode as _, Encode as _};
use jiff::Timestamp;
use x509_cert::Certificate;

use super::{CliError, PlaceArgs};
use crate::desk::{EkRootFile, add_ek_roots, list_ek_roots, open_store, set_self_declared};
use crate::trust::TrustClass;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Believe the certificates of a file (PEM or DER).
    Add(Add),
    /// Believe TPMs without a certificate, or no longer. Nobody vouches for such a TPM:
    /// what it gives back is credited by staff only. A new portal refuses them.
    SelfDeclared {
        /// Which of the two.
        choice: Choice,
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// List what is believed.
    List {
        #[command(flatten)]
        places: PlaceArgs,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Choice {
    /// Believe them.
    Allow,
    /// Refuse them.
    Refuse,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The file.
    file: PathBuf,
    /// What the TPMs of this maker are: hardware, firmware, virtual or lab.
    #[arg(long, value_name = "CLASS", required_unless_present = "intermediate")]
    class: Option<TrustClass>,
    /// An authority between a root and the TPMs, for TPMs that bring none. Believed only
    /// together with its root.
    #[arg(long, conflicts_with = "class")]
    intermediate: bool,
    #[command(flatten)]
    places: PlaceArgs,
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Add(add) => run_add(add),
        Command::SelfDeclared { choice, places } => {
            let (store, _) = open_store(&places.places()?)?;
            let allow = choice == Choice::Allow;
            set_self_declared(&store, allow, Timestamp::now())?;
            let verb = if allow { "believed" } else { "refused" };
            println!("TPMs without a certificate are {verb} now.");
            Ok(())
        }
        Command::List { places } => run_list(places),
    }
}

fn run_add(add: Add) -> Result<(), CliError> {
    let class = if add.intermediate { None } else { add.class };
    let (store, flavour) = open_store(&add.places.places()?)?;
    let certificates = read_certificates(&add.file)?;
    let subjects: Vec<String> = certificates
        .iter()
        .map(|certificate| certificate.subject.clone())
        .collect();
    add_ek_roots(&store, flavour, class, certificates, Timestamp::now())?;
    for subject in &subjects {
        println!("{}  {subject}", class_word(class));
    }
    println!("{} certificates are believed now.", subjects.len());
    Ok(())
}

fn run_list(places: PlaceArgs) -> Result<(), CliError> {
    let (store, _) = open_store(&places.places()?)?;
    let entries = list_ek_roots(&store)?;
    for entry in &entries {
        println!(
            "{:<12}  {}  {}",
            class_word(entry.class),
            hex::encode(&entry.sha256[..8]),
            entry.subject
        );
    }
    println!("{} certificates.", entries.len());
    Ok(())
}

fn class_word(class: Option<TrustClass>) -> &'static str {
    class.map_or("intermediate", TrustClass::as_str)
}

/// All certificates of a PEM file, or the one of a DER file.
fn read_certificates(path: &std::path::Path) -> Result<Vec<EkRootFile>, CliError> {
    let io = |source| CliError::Io {
        what: format!("reading {}", path.display()),
        source,
    };
    let size = std::fs::metadata(path).map_err(io)?.len();
    let none = || CliError::NoCertificate {
        path: path.to_owned(),
    };
    if size > MAX_FILE_BYTES {
        return Err(none());
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let marker = format!("-----BEGIN {}-----", Certificate::PEM_LABEL);
    let is_pem = bytes
        .windows(marker.len())
        .any(|window| window == marker.as_bytes());
    let certificates = if is_pem {
        Certificate::load_pem_chain(&bytes).map_err(|_| none())?
    } else {
        vec![Certificate::from_der(&bytes).map_err(|_| none())?]
    };
    if certificates.is_empty() {
        return Err(none());
    }
    certificates
        .iter()
        .map(|certificate| {
            Ok(EkRootFile {
                subject: certificate.tbs_certificate().subject().to_string(),
                der: certificate.to_der().map_err(|_| none())?,
            })
        })
        .collect()
}
