//! Others that do the same: tpm2-tools and OpenSSL, as programs of their own. What an
//! integrator would put into a script costs a process for each command; that is part of
//! the figure.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sealgate_tpm::TpmAddress;
use tempfile::TempDir;

use super::median_ms;
use crate::swtpm::Swtpm;

const ROUNDS: usize = 7;
/// NV index of the license counter.
const COUNTER: &str = "0x01800A10";
/// An attestation key like the box's.
const CREATE_AK: &str = "tpm2_createprimary -Q -C e -g sha256 -G ecc256:ecdsa-sha256:null \
    -a fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign -c ak.ctx";

fn is_there(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// Runs one line of words in a folder.
fn run(line: &str, folder: &Path, tpm: Option<&str>) -> Result<String> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().context("a program")?);
    command.args(words).current_dir(folder);
    if let Some(tpm) = tpm {
        command.env("TPM2TOOLS_TCTI", tpm);
    }
    let output = command.output().with_context(|| format!("start {line}"))?;
    ensure!(
        output.status.success(),
        "{line}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn timed(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        work()?;
        times.push(began.elapsed());
    }
    Ok(median_ms(times))
}

/// The TPM operations of a license, by tpm2-tools.
pub(super) struct Tpm2Tools {
    folder: TempDir,
    tcti: String,
}

impl Tpm2Tools {
    /// `None` where the package tpm2-tools is not installed.
    pub(super) fn new(tpm: TpmAddress) -> Result<Option<Self>> {
        if !is_there("tpm2_nvcertify") {
            return Ok(None);
        }
        let tools = Self {
            folder: tempfile::tempdir().context("create a folder")?,
            tcti: tpm.to_string(),
        };
        std::fs::write(tools.folder.path().join("secret"), [7; 32]).context("write a secret")?;
        // What the portal would send.
        tools.run("tpm2_createek -Q -G rsa -c ek.ctx -u ek.pub")?;
        tools.run(CREATE_AK)?;
        let name = tools.ak_name()?;
        tools.run(&format!(
            "tpm2_makecredential -Q -T none -e ek.pub -s secret -n {name} -o credential"
        ))?;
        tools.flush()?;
        Ok(Some(tools))
    }

    fn run(&self, line: &str) -> Result<String> {
        // Making a credential needs no TPM, and says so.
        let tcti = (!line.contains("-T none")).then_some(self.tcti.as_str());
        run(line, self.folder.path(), tcti)
    }

    fn ak_name(&self) -> Result<String> {
        self.run("tpm2_readpublic -Q -c ak.ctx -n ak.name")?;
        let name = std::fs::read(self.folder.path().join("ak.name")).context("read the name")?;
        Ok(hex::encode(name))
    }

    /// Without a resource manager each tool leaves its objects in the TPM.
    fn flush(&self) -> Result<()> {
        self.run("tpm2_flushcontext -Q -t").map(drop)
    }

    fn certify(&self) -> Result<()> {
        self.run(CREATE_AK)?;
        self.run(&format!(
            "tpm2_nvcertify -Q -C ak.ctx -c {COUNTER} -g sha256 -s ecdsa -f plain \
             -o signature --attestation attest --size 8 -q 0102030405060708 {COUNTER}"
        ))?;
        self.flush()
    }

    /// AK, NV_Certify.
    pub(super) fn boot_check_ms(&self) -> Result<f64> {
        timed(|| self.certify())
    }

    /// EK with its certificate, AK, storage primary, NV_Certify.
    pub(super) fn request_ms(&self) -> Result<f64> {
        timed(|| {
            self.run("tpm2_nvread -Q 0x01c00002 -o certificate")?;
            self.run("tpm2_createek -Q -G rsa -c ek.ctx -u ek.pub")?;
            self.run("tpm2_createprimary -Q -C o -G ecc -c owner.ctx")?;
            self.flush()?;
            self.certify()
        })
    }

    /// EK, AK, ActivateCredential, eight increments.
    pub(super) fn import_ms(&self) -> Result<f64> {
        timed(|| {
            self.run("tpm2_createek -Q -G rsa -c ek.ctx -u ek.pub")?;
            self.run(CREATE_AK)?;
            // A TPM has room for three objects.
            self.flush()?;
            self.run("tpm2_startauthsession --policy-session -S session.ctx")?;
            self.run("tpm2_policysecret -Q -S session.ctx -c e")?;
            self.run(
                "tpm2_activatecredential -Q -c ak.ctx -C ek.ctx -i credential -o revealed \
                 -P session:session.ctx",
            )?;
            self.run("tpm2_flushcontext -Q session.ctx")?;
            self.flush()?;
            for _ in 0..8 {
                self.run(&format!("tpm2_nvincrement -Q {COUNTER}"))?;
            }
            Ok(())
        })
    }
}

/// Ed25519 in OpenSSL.
pub(super) struct OpensslVerify;

impl OpensslVerify {
    /// Verifications in a second of processor time; `None` where openssl is missing.
    pub(super) fn per_second() -> Result<Option<f64>> {
        if !is_there("openssl") {
            return Ok(None);
        }
        let folder = tempfile::tempdir().context("create a folder")?;
        let said = run("openssl speed -seconds 1 -mr ed25519", folder.path(), None)?;
        let rate = said
            .lines()
            .find_map(|line| line.strip_prefix("+F6:")?.rsplit(':').next())
            .context("openssl speed says how many verifications")?;
        Ok(Some(rate.parse().context("a number of verifications")?))
    }
}

/// What the portal does for a request, by OpenSSL and tpm2-tools.
pub(super) struct PortalPeer {
    folder: TempDir,
    ak_name: String,
}

impl PortalPeer {
    /// `None` where one of the two is missing.
    pub(super) fn new(tpm: &Swtpm) -> Result<Option<Self>> {
        let Some(tools) = Tpm2Tools::new(tpm.address())? else {
            return Ok(None);
        };
        if !is_there("openssl") {
            return Ok(None);
        }
        tools.certify()?;
        tools.run("tpm2_nvread -Q 0x01c00002 -o certificate.der")?;
        tools.run("openssl x509 -inform DER -in certificate.der -out certificate.pem")?;
        tools.run(CREATE_AK)?;
        let ak_name = tools.ak_name()?;
        tools.run("tpm2_readpublic -Q -c ak.ctx -f pem -o ak.pem")?;
        tools.flush()?;
        let ca = tpm.folder().join("ca");
        for (from, to) in [
            ("swtpm-localca-rootca-cert.pem", "root.pem"),
            ("issuercert.pem", "issuer.pem"),
        ] {
            std::fs::copy(ca.join(from), tools.folder.path().join(to))
                .with_context(|| format!("copy {from}"))?;
        }
        Ok(Some(Self {
            folder: tools.folder,
            ak_name,
        }))
    }

    /// Requests in a second.
    pub(super) fn per_second(&self) -> Result<f64> {
        let credential = format!(
            "tpm2_makecredential -Q -T none -e ek.pub -s secret -n {} -o credential",
            self.ak_name
        );
        let one_ms = timed(|| {
            for line in [
                "openssl verify -ignore_critical -CAfile root.pem -untrusted issuer.pem certificate.pem",
                "openssl dgst -sha256 -verify ak.pem -signature signature attest",
                credential.as_str(),
            ] {
                run(line, self.folder.path(), None)?;
            }
            Ok(())
        })?;
        Ok(1000.0 / one_ms)
    }
}
