//! The configuration file: read and checked once, at the start.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::recorder::Settings;

/// The configuration file, with every key's default, unit and range.
pub const TEMPLATE: &str = include_str!("../recorder.toml");

const MAX_CONFIG_BYTES: u64 = 64 * 1024;
const FILE_DURATION_S: std::ops::RangeInclusive<u64> = 60..=300;
const MIN_FREE_BYTES: std::ops::RangeInclusive<u64> = (64 << 20)..=(1 << 40);

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where recordings go.
    pub recordings_folder: PathBuf,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            recordings_folder: "/var/lib/sealgate-recorder/recordings".into(),
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
        Ok(self)
    }

    /// What the recorder itself needs of it.
    pub fn settings(&self) -> Settings {
        Settings {
            recordings_folder: self.recordings_folder.clone(),
            index_file: self.index_file.clone(),
            min_free_bytes: self.min_free_bytes,
            max_file_duration: Duration::from_secs(self.max_file_duration_s),
        }
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
        assert_eq!(keys, 6, "the template names every key");
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
