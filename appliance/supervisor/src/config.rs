//! The supervisor's configuration file: read once at start, checked into types.
//!
//! What the owner sets on the pages is not here but in the store; this file belongs to
//! the image and says where things are on this kind of box.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealgate_camera::OwnBrand;
use sealgate_tpm::TpmAddress;
use serde::Deserialize;

/// Everything in `supervisor.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What this box is called and where its state is kept.
    #[serde(rename = "box")]
    pub identity: BoxConfig,
    /// How the TPM is reached.
    pub tpm: TpmConfig,
    /// Which network ports are for what.
    pub ports: PortsConfig,
    /// The pages.
    pub web: WebConfig,
    /// The recorder process.
    pub recorder: RecorderConfig,
    /// Whose licenses are believed.
    pub vendor: VendorConfig,
    /// Which cameras are the vendor's own, and hold camera channels; all others hold
    /// other-brand channels. Without it every camera is the vendor's own.
    #[serde(default)]
    pub brand: Option<OwnBrand>,
}

/// `[box]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxConfig {
    /// The model name, as written into license requests.
    pub model: String,
    /// File that holds the serial number (one line); its absence leaves the serial unknown.
    pub serial_file: PathBuf,
    /// Small plain partition for licenses: `license/` below it.
    pub state_dir: PathBuf,
    /// Data partition: database and TLS certificate.
    pub data_dir: PathBuf,
    /// Folder that a restart of the machine empties and a restart of the supervisor keeps:
    /// the local API's socket, and the mark on the TPM.
    #[serde(default = "default_run_dir")]
    pub run_dir: PathBuf,
    /// Where the data disk is mounted; while nothing is mounted there, nothing records, and
    /// the pages are those of a locked box. Without it the data is taken to be there.
    #[serde(default)]
    pub data_mount: Option<PathBuf>,
    /// The program that opens a locked data disk: it reads the recovery key on its standard
    /// input, and ends with 0 when the disk is open, with 1 when that is not the key.
    #[serde(default = "default_unlock")]
    pub unlock: PathBuf,
}

/// `[tpm]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmConfig {
    /// `device:/dev/tpmrm0`, or `swtpm:host=…,port=…` on a development machine.
    pub address: String,
    /// Seconds between license checks, 10 to 3600.
    #[serde(default = "default_check_interval_s")]
    pub check_interval_s: u64,
}

/// `[ports]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PortsConfig {
    /// Ports that only cameras are plugged into: gated.
    pub camera: Vec<String>,
    /// Ports the owner reaches the pages through.
    pub owner: Vec<String>,
    /// Ports that cameras share with the owner's network, as on a box with one port: gated,
    /// but for the pages and what a host needs there.
    #[serde(default)]
    pub shared: Vec<String>,
    /// Seconds between searches for cameras, 2 to 600.
    #[serde(default = "default_probe_interval_s")]
    pub probe_interval_s: u64,
}

impl PortsConfig {
    /// Where cameras are looked for.
    pub fn with_cameras(&self) -> Vec<String> {
        [&self.camera[..], &self.shared].concat()
    }

    /// Where the pages are reached.
    pub fn with_owner(&self) -> Vec<String> {
        [&self.owner[..], &self.shared].concat()
    }
}

/// `[web]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Where the pages are served, over HTTPS.
    pub listen: SocketAddr,
    /// Names that the owner's network gives the box; requests for others are refused.
    #[serde(default)]
    pub names: Vec<String>,
}

/// `[recorder]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecorderConfig {
    /// The recorder's Unix socket.
    pub socket: PathBuf,
    /// User id the recorder runs as: its traffic reaches admitted cameras only.
    pub uid: u32,
}

/// `[vendor]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VendorConfig {
    /// The vendor's root keys, part of the verified image.
    pub roots: PathBuf,
}

fn default_run_dir() -> PathBuf {
    "/run/sealgate-supervisor".into()
}

fn default_unlock() -> PathBuf {
    "sealgate-unlock".into()
}

fn default_check_interval_s() -> u64 {
    3600
}

fn default_probe_interval_s() -> u64 {
    10
}

/// Why the configuration can't be used. Whoever built the image can fix it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no TOML of the expected form.
    #[error("the configuration {path} is not understood")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A value is out of its range.
    #[error("the configuration's {key} is {found}; it must be {expected}")]
    Range {
        /// Which key.
        key: &'static str,
        /// What it says.
        found: String,
        /// What it may say.
        expected: &'static str,
    },
}

impl Config {
    /// Reads and checks the file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.tpm_address()?;
        within(
            "tpm.check_interval_s",
            self.tpm.check_interval_s,
            10..=3600,
            "from 10 to 3600",
        )?;
        within(
            "ports.probe_interval_s",
            self.ports.probe_interval_s,
            2..=600,
            "from 2 to 600",
        )?;
        let PortsConfig {
            camera,
            owner,
            shared,
            ..
        } = &self.ports;
        let all = [&camera[..], owner, shared].concat();
        for (at, interface) in all.iter().enumerate() {
            // The kernel's IFNAMSIZ is 16 with its terminator; the name goes into nft rules.
            let usable = (1..=15).contains(&interface.len())
                && interface
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
            if !usable {
                return Err(ConfigError::Range {
                    key: "ports",
                    found: interface.clone(),
                    expected: "interface names of 1 to 15 letters, digits, dots, dashes or underscores",
                });
            }
            if all[..at].contains(interface) {
                return Err(ConfigError::Range {
                    key: "ports",
                    found: interface.clone(),
                    expected: "a camera port, an owner port or a shared port, named once",
                });
            }
        }
        Ok(())
    }

    /// `tpm.address`, understood.
    pub fn tpm_address(&self) -> Result<TpmAddress, ConfigError> {
        self.tpm.address.parse().map_err(|_| ConfigError::Range {
            key: "tpm.address",
            found: self.tpm.address.clone(),
            expected: "device:PATH or swtpm:host=ADDRESS,port=NUMBER",
        })
    }

    /// `tpm.check_interval_s` as a duration.
    pub fn check_interval(&self) -> Duration {
        Duration::from_secs(self.tpm.check_interval_s)
    }

    /// `ports.probe_interval_s` as a duration.
    pub fn probe_interval(&self) -> Duration {
        Duration::from_secs(self.ports.probe_interval_s)
    }
}

fn within(
    key: &'static str,
    found: u64,
    range: std::ops::RangeInclusive<u64>,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if range.contains(&found) {
        return Ok(());
    }
    Err(ConfigError::Range {
        key,
        found: found.to_string(),
        expected,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [box]
        model = "SG-LAB"
        serial_file = "/state/serial"
        state_dir = "/state"
        data_dir = "/var/lib/sealgate"
        [tpm]
        address = "device:/dev/tpmrm0"
        [ports]
        camera = ["cam0"]
        owner = ["lan0"]
        [web]
        listen = "0.0.0.0:443"
        [recorder]
        socket = "/run/sealgate/recorder.sock"
        uid = 971
        [vendor]
        roots = "/usr/share/sealgate/vendor-roots.json"
    "#;

    fn check(change: (&str, &str), expected: Result<(), &str>) {
        let text = GOOD.replace(change.0, change.1);
        assert!(
            change.0.is_empty() || text != GOOD,
            "{change:?} changes nothing"
        );
        let found = toml::from_str::<Config>(&text)
            .map_err(|error| error.to_string())
            .and_then(|config| config.check().map_err(|error| error.to_string()));
        match expected {
            Ok(()) => assert_eq!(found, Ok(())),
            Err(part) => {
                let message = found.expect_err(part);
                assert!(message.contains(part), "{message:?} does not say {part:?}");
            }
        }
    }

    #[test]
    fn says_which_key_is_wrong() {
        check(("", ""), Ok(()));
        check(("device:/dev/tpmrm0", "tpm0"), Err("tpm.address"));
        check(("[web]", "[web]\ncolour = 1"), Err("colour"));
        check(("[\"cam0\"]", "[\"cam0; drop\"]"), Err("interface names"));
        check(("[\"lan0\"]", "[\"cam0\"]"), Err("named once"));
        check(
            ("camera = [\"cam0\"]", "camera = []\nshared = [\"lan0\"]"),
            Err("named once"),
        );
        check(
            (
                "camera = [\"cam0\"]\n        owner = [\"lan0\"]",
                "camera = []\nowner = []\nshared = [\"lan0\"]",
            ),
            Ok(()),
        );
        check(
            ("[tpm]", "[tpm]\ncheck_interval_s = 1"),
            Err("tpm.check_interval_s"),
        );
    }
}
