//! The configuration file: read and checked once, at the start.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::disk::{DiskSettings, Initialize};
use crate::recorder::Settings;

/// The configuration file, with every key's default, unit and range.
pub const TEMPLATE: &str = include_str!("../recorder.toml");

const MAX_CONFIG_BYTES: u64 = 64 * 1024;
const FILE_DURATION_S: std::ops::RangeInclusive<u64> = 60..=300;
/// The name of the disk that holds `recordings_folder`.
const FIRST_DISK: &str = "internal";
/// Disks besides the first, at most.
const MAX_DISKS: usize = 16;
const MIN_FREE_BYTES: std::ops::RangeInclusive<u64> = (64 << 20)..=(1 << 40);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where recordings go.
    pub recordings_folder: PathBuf,
    /// Further disks.
    pub disks: Vec<DiskConfig>,
    /// The index of recordings.
    pub index_file: PathBuf,
    /// Where the supervisor asks.
    pub socket: PathBuf,
    /// Free space that is kept, bytes.
    pub min_free_bytes: u64,
    /// Length of a recording file, seconds.
    pub max_file_duration_s: u64,
    /// What is logged.
    pub log: String,
}

/// A further disk.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskConfig {
    /// For people.
    pub name: String,
    /// Its recordings folder.
    pub path: PathBuf,
    /// Whether it may be made a disk of recordings.
    #[serde(default)]
    pub initialize: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            recordings_folder: "/var/lib/sealgate-recorder/recordings".into(),
            disks: Vec::new(),
            index_file: "/var/lib/sealgate-recorder/index.db".into(),
            socket: "/run/sealgate/recorder.sock".into(),
            min_free_bytes: 1 << 30,
            max_file_duration_s: 120,
            log: "info".into(),
        }
    }
}

/// The configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("the configuration {path} could not be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The file is not of the agreed form.
    #[error("the configuration {path} is not understood")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The disks can't be told apart.
    #[error(
        "the configuration's disks must be {MAX_DISKS} at most, with names and absolute paths of their own"
    )]
    Disks,
    /// A value is out of its range.
    #[error("the configuration's {key} is from {from} to {to}, and {found} is not")]
    Range {
        /// The key.
        key: &'static str,
        /// Least.
        from: u64,
        /// Most.
        to: u64,
        /// What the file says.
        found: u64,
    },
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        use std::io::Read;

        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_CONFIG_BYTES).read_to_string(&mut text))
            .map_err(|source| ConfigError::Read {
                path: path.to_owned(),
                source,
            })?;
        let config: Self = toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        config.check()
    }

    fn check(self) -> Result<Self, ConfigError> {
        for (key, range, found) in [
            ("min_free_bytes", MIN_FREE_BYTES, self.min_free_bytes),
            (
                "max_file_duration_s",
                FILE_DURATION_S,
                self.max_file_duration_s,
            ),
        ] {
            if !range.contains(&found) {
                return Err(ConfigError::Range {
                    key,
                    from: *range.start(),
                    to: *range.end(),
                    found,
                });
            }
        }
        let mut names = HashSet::from([FIRST_DISK]);
        let mut paths = HashSet::from([self.recordings_folder.as_path()]);
        let told_apart = |disk: &'_ DiskConfig| disk.path.is_absolute() && !disk.name.is_empty();
        for disk in &self.disks {
            let is_new = names.insert(&disk.name) && paths.insert(&disk.path);
            if !is_new || !told_apart(disk) || self.disks.len() > MAX_DISKS {
                return Err(ConfigError::Disks);
            }
        }
        Ok(self)
    }

    /// What the recorder itself needs of it.
    pub fn settings(&self) -> Settings {
        Settings {
            disks: self.disk_settings(),
            index_file: self.index_file.clone(),
            min_free_bytes: self.min_free_bytes,
            max_file_duration: Duration::from_secs(self.max_file_duration_s),
        }
    }
}

impl Config {
    fn disk_settings(&self) -> Vec<DiskSettings> {
        let first = DiskSettings {
            name: FIRST_DISK.to_owned(),
            folder: self.recordings_folder.clone(),
            initialize: Initialize::Always,
        };
        let further = self.disks.iter().map(|disk| DiskSettings {
            name: disk.name.clone(),
            folder: disk.path.clone(),
            initialize: if disk.initialize {
                Initialize::OwnFileSystem
            } else {
                Initialize::Never
            },
        });
        std::iter::once(first).chain(further).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::read(file.path())
    }

    #[test]
    fn the_template_says_the_defaults() {
        assert_eq!(read(TEMPLATE).unwrap(), Config::default());
        assert_eq!(read("").unwrap(), Config::default());
        assert!(Config::default().check().is_ok());
        let keys = TEMPLATE.lines().filter(|line| line.contains(" = ")).count();
        assert_eq!(keys, 6 + 3, "the template names every key");
    }

    #[test]
    fn further_disks_are_named_and_elsewhere() {
        let disk =
            |name: &str, path: &str| format!("[[disks]]\nname = {name:?}\npath = {path:?}\n");
        let two = disk("second", "/media/2") + &disk("third", "/media/3") + "initialize = true";
        let settings = read(&two).unwrap().settings();
        let found: Vec<_> = settings
            .disks
            .iter()
            .map(|disk| (disk.name.as_str(), disk.initialize))
            .collect();
        let expected = [
            ("internal", Initialize::Always),
            ("second", Initialize::Never),
            ("third", Initialize::OwnFileSystem),
        ];
        assert_eq!(found, expected);
        for text in [
            disk("second", "media"),
            disk("", "/media/2"),
            disk("internal", "/media/2"),
            disk("second", "/var/lib/sealgate-recorder/recordings"),
            disk("second", "/media/2") + &disk("third", "/media/2"),
            (0..17)
                .map(|n| disk(&format!("{n}"), &format!("/media/{n}")))
                .collect(),
        ] {
            assert!(matches!(read(&text), Err(ConfigError::Disks)), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know_or_cannot_use() {
        assert!(matches!(
            read("sokcet = \"/x\""),
            Err(ConfigError::Parse { .. })
        ));
        for text in ["max_file_duration_s = 59", "min_free_bytes = 0"] {
            assert!(
                matches!(read(text), Err(ConfigError::Range { .. })),
                "{text}"
            );
        }
        assert!(matches!(
            Config::read(Path::new("/nonexistent")),
            Err(ConfigError::Read { .. })
        ));
    }
}
