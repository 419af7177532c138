//! Where the TPM is.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where the TPM is, in the notation of libtss2: the same value serves libtss2 and the
/// raw exchange of [`crate::Tpm::certify_counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TpmAddress {
    /// A resource-managed device node, `device:/dev/tpmrm0`.
    Device(PathBuf),
    /// swtpm's TCP data port, `swtpm:host=127.0.0.1,port=2321`; its control port must be
    /// the next one.
    Swtpm {
        /// Host name or address.
        host: String,
        /// The data port.
        port: u16,
    },
}

/// The text is no address of a TPM.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no TPM address: expected `device:/dev/tpmrm0` or `swtpm:host=127.0.0.1,port=2321`"
)]
pub struct AddressError(String);

impl FromStr for TpmAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || AddressError(text.to_owned());
        match text.split_once(':') {
            Some(("device", path)) if path.starts_with('/') && !path.contains('\0') => {
                Ok(Self::Device(path.into()))
            }
            Some(("swtpm", fields)) => {
                let (mut host, mut port) = (None, None);
                for field in fields.split(',') {
                    match field.split_once('=').ok_or_else(error)? {
                        ("host", value) => host = Some(value),
                        ("port", value) => port = Some(value.parse().map_err(|_| error())?),
                        _ => return Err(error()),
                    }
                }
                // The host goes into libtss2's own comma-separated configuration.
                let host = host
                    .filter(|host| {
                        !host.is_empty()
                            && host
                                .bytes()
                                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
                    })
                    .ok_or_else(error)?;
                Ok(Self::Swtpm {
                    host: host.to_owned(),
                    port: port.ok_or_else(error)?,
                })
            }
            _ => Err(error()),
        }
    }
}

impl fmt::Display for TpmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(path) => write!(f, "device:{}", path.display()),
            Self::Swtpm { host, port } => write!(f, "swtpm:host={host},port={port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_kinds_and_prints_them_alike() {
        for text in ["device:/dev/tpmrm0", "swtpm:host=127.0.0.1,port=2321"] {
            assert_eq!(text.parse::<TpmAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        for text in [
            "",
            "device:",
            "device:tpm0",
            "tabrmd:",
            "swtpm:",
            "swtpm:host=127.0.0.1",
            "swtpm:port=2321",
            "swtpm:host=,port=2321",
            "swtpm:host=a b,port=2321",
            "swtpm:host=h,port=99999",
            "swtpm:host=h,port=1,path=/x",
        ] {
            assert!(text.parse::<TpmAddress>().is_err(), "{text:?}");
        }
    }
}
