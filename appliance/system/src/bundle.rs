//! An update: one line that says what follows, signed by the vendor, then root, hash tree
//! and kernel image.
//!
//! The line is a DSSE envelope as licenses have it, so that the type of what is signed is
//! signed too. Each part is checked against its hash as it is read.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};

use ed25519_dalek::pkcs8::DecodePublicKey;
use ed25519_dalek::{Signature, VerifyingKey};
use sealgate_license::dsse::Envelope;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::version::Version;

/// What the line's payload is.
const PAYLOAD_TYPE: &str = "application/vnd.sealgate.update.v1+json";
/// The longest line that is read, bytes.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// The largest part that any box has room for, bytes.
const MAX_PART_BYTES: u64 = 512 * 1024 * 1024;

/// The three parts, in the order in which they follow.
pub const PARTS: [&str; 3] = ["root", "verity", "kernel"];

/// Why an update is refused; nothing was changed then, or nothing that is used.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Something else, or damaged at its beginning.
    #[error("the file is no update")]
    NotAnUpdate,
    /// The vendor's key did not sign it.
    #[error("the update is not signed with the vendor's key")]
    Signature,
    /// Made for another flavour of box.
    #[error("the update is for the flavour {found:?}")]
    Flavour {
        /// As it is named in the update.
        found: String,
    },
    /// Older than the running version lets in.
    #[error("version {version} is older than {floor}")]
    BelowFloor {
        /// The update's.
        version: Version,
        /// The oldest that is let in.
        floor: Version,
    },
    /// It is running.
    #[error("version {version} is running")]
    Running {
        /// The update's.
        version: Version,
    },
    /// A part's content does not fit what was signed.
    #[error("the update's part {part} is damaged")]
    Damaged {
        /// Which.
        part: &'static str,
    },
    /// The file ended early, or its sender did.
    #[error("the update did not come whole")]
    Incomplete(#[source] io::Error),
    /// Larger than the slot or the EFI partition.
    #[error("there is no room for the update's part {part}")]
    NoRoom {
        /// Which.
        part: &'static str,
    },
    /// This box did not start by its loader, so it has no slots.
    #[error("this box was not started by its boot loader")]
    NoSlots,
    /// Another update is being installed.
    #[error("another update is being installed")]
    Busy,
    /// Disk or EFI partition.
    #[error("cannot {what}")]
    Disk {
        /// What failed.
        what: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl UpdateError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnUpdate => "SG-UPD-001",
            Self::Signature => "SG-UPD-002",
            Self::Flavour { .. } => "SG-UPD-003",
            Self::BelowFloor { .. } => "SG-UPD-004",
            Self::Running { .. } => "SG-UPD-005",
            Self::Damaged { .. } => "SG-UPD-006",
            Self::Incomplete(_) => "SG-UPD-007",
            Self::NoRoom { .. } => "SG-UPD-008",
            Self::NoSlots => "SG-UPD-009",
            Self::Busy => "SG-UPD-010",
            Self::Disk { .. } => "SG-UPD-011",
        }
    }

    /// What the words of the code speak of.
    pub fn values(&self) -> BTreeMap<String, String> {
        let values = match self {
            Self::Flavour { found } => vec![("found", found.clone())],
            Self::BelowFloor { version, floor } => {
                vec![
                    ("version", version.to_string()),
                    ("floor", floor.to_string()),
                ]
            }
            Self::Running { version } => vec![("version", version.to_string())],
            Self::Damaged { part } | Self::NoRoom { part } => vec![("part", (*part).to_owned())],
            _ => Vec::new(),
        };
        values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload {
    format: u32,
    version: String,
    flavour: String,
    parts: Vec<PartEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartEntry {
    name: String,
    bytes: u64,
    sha256: String,
}

/// One part, as the vendor signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// One of [`PARTS`].
    pub name: &'static str,
    /// Its size.
    pub bytes: u64,
    /// Its content's hash.
    pub sha256: [u8; 32],
}

/// What the vendor signed. There is no other way to one than [`read_head`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedHead {
    version: Version,
    flavour: String,
    parts: [Part; 3],
}

/// What the box that is to be updated runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Its version.
    pub version: Version,
    /// `lab` or `product`.
    pub flavour: String,
    /// The oldest version that it lets in.
    pub floor: Version,
}

impl VerifiedHead {
    /// The version it brings.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Root, hash tree, kernel image.
    pub fn parts(&self) -> &[Part; 3] {
        &self.parts
    }

    /// Whether a box that runs this takes it.
    ///
    /// # Errors
    /// Another flavour, the same version, or one below the floor.
    pub fn suits(&self, running: &Running) -> Result<(), UpdateError> {
        let version = self.version;
        if self.flavour != running.flavour {
            let found = self.flavour.chars().take(16).collect();
            return Err(UpdateError::Flavour { found });
        }
        if version == running.version {
            return Err(UpdateError::Running { version });
        }
        if version < running.floor {
            let floor = running.floor;
            return Err(UpdateError::BelowFloor { version, floor });
        }
        Ok(())
    }
}

/// Reads the first line and checks who signed it. `key` is the vendor's public key as PEM.
///
/// # Errors
/// It is no update, or not the vendor's.
pub fn read_head(from: &mut impl BufRead, key: &str) -> Result<VerifiedHead, UpdateError> {
    let mut line = Vec::new();
    from.take(MAX_LINE_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(UpdateError::Incomplete)?;
    if line.last() != Some(&b'\n') {
        return Err(UpdateError::NotAnUpdate);
    }
    let envelope = Envelope::parse(&line).map_err(|_| UpdateError::NotAnUpdate)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(UpdateError::NotAnUpdate);
    }
    let key = VerifyingKey::from_public_key_pem(key).map_err(|_| UpdateError::Signature)?;
    let signed = envelope.signed_bytes();
    let genuine = envelope.signatures.iter().any(|signature| {
        Signature::from_slice(&signature.sig)
            .is_ok_and(|signature| key.verify_strict(&signed, &signature).is_ok())
    });
    if !genuine {
        return Err(UpdateError::Signature);
    }
    let payload: Payload =
        serde_json::from_slice(&envelope.payload).map_err(|_| UpdateError::NotAnUpdate)?;
    let mut entries = payload.parts.into_iter();
    let mut part = |name: &'static str| {
        let entry = entries.next().filter(|entry| entry.name == name)?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(entry.sha256, &mut sha256).ok()?;
        (1..=MAX_PART_BYTES).contains(&entry.bytes).then_some(Part {
            name,
            bytes: entry.bytes,
            sha256,
        })
    };
    let parts = match PARTS.map(&mut part) {
        [Some(root), Some(verity), Some(kernel)] => [root, verity, kernel],
        _ => return Err(UpdateError::NotAnUpdate),
    };
    if payload.format != 1 || entries.next().is_some() {
        return Err(UpdateError::NotAnUpdate);
    }
    Ok(VerifiedHead {
        version: (payload.version.parse()).map_err(|_| UpdateError::NotAnUpdate)?,
        flavour: payload.flavour,
        parts,
    })
}

/// Hands a part to `to` piece by piece, and says at its end whether it was the signed one:
/// until then, nothing of it may be used.
///
/// # Errors
/// It ended early, does not fit its hash, or `to` failed.
pub fn read_part(
    from: &mut impl Read,
    part: &Part,
    mut to: impl FnMut(&[u8]) -> Result<(), UpdateError>,
) -> Result<(), UpdateError> {
    let mut left = part.bytes;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1024 * 1024];
    while left > 0 {
        let want = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        from.read_exact(&mut buffer[..want])
            .map_err(UpdateError::Incomplete)?;
        hash.update(&buffer[..want]);
        to(&buffer[..want])?;
        left -= want as u64;
    }
    if hash.finalize().as_slice() == part.sha256 {
        Ok(())
    } else {
        Err(UpdateError::Damaged { part: part.name })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ed25519_dalek::pkcs8::EncodePublicKey;
    use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
    use ed25519_dalek::{Signer, SigningKey};
    use sealgate_license::dsse::{EnvelopeSignature, pae};
    use serde_json::json;

    use super::*;

    pub(crate) fn key() -> SigningKey {
        SigningKey::from_bytes(&[7; 32])
    }

    pub(crate) fn public_pem(key: &SigningKey) -> String {
        (key.verifying_key().to_public_key_pem(LineEnding::LF)).unwrap()
    }

    /// A whole update with these three contents.
    pub(crate) fn made(
        version: &str,
        contents: [&[u8]; 3],
        kind: &str,
        key: &SigningKey,
    ) -> Vec<u8> {
        let parts: Vec<_> = PARTS
            .iter()
            .zip(contents)
            .map(|(name, content)| {
                let sha256 = hex::encode(Sha256::digest(content));
                json!({"name": name, "bytes": content.len(), "sha256": sha256})
            })
            .collect();
        let payload = json!({"format": 1, "version": version, "flavour": "lab", "parts": parts});
        let payload = payload.to_string().into_bytes();
        let envelope = Envelope {
            payload_type: kind.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: "update".to_owned(),
                sig: key.sign(&pae(kind, &payload)).to_bytes().to_vec(),
                cert: None,
            }],
            payload,
        };
        let mut update = serde_json::to_vec(&envelope).unwrap();
        update.push(b'\n');
        update.extend(contents.concat());
        update
    }

    fn running(version: &str, floor: &str) -> Running {
        Running {
            version: version.parse().unwrap(),
            flavour: "lab".to_owned(),
            floor: floor.parse().unwrap(),
        }
    }

    fn head(update: &[u8]) -> Result<VerifiedHead, UpdateError> {
        read_head(&mut &update[..], &public_pem(&key()))
    }

    #[test]
    fn a_signed_update_is_read_part_by_part() {
        let update = made("1.1.0", [b"root", b"tree", b"kernel"], PAYLOAD_TYPE, &key());
        let mut from = &update[..];
        let head = read_head(&mut from, &public_pem(&key())).unwrap();
        assert_eq!(head.version().to_string(), "1.1.0");
        for (part, content) in head.parts().iter().zip(["root", "tree", "kernel"]) {
            let mut got = Vec::new();
            read_part(&mut from, part, |piece| {
                got.extend(piece);
                Ok(())
            })
            .unwrap();
            assert_eq!(got, content.as_bytes());
        }
    }

    #[test]
    fn what_the_vendor_did_not_sign_is_refused() {
        let other = SigningKey::from_bytes(&[8; 32]);
        let update = made("1.1.0", [b"a", b"b", b"c"], PAYLOAD_TYPE, &other);
        assert_eq!(head(&update).unwrap_err().code(), "SG-UPD-002");
        let license = "application/vnd.sealgate.license.v1+json";
        let update = made("1.1.0", [b"a", b"b", b"c"], license, &key());
        assert_eq!(head(&update).unwrap_err().code(), "SG-UPD-001");
        for file in [&b""[..], b"\n", b"{}\n", &[b'x'; 100_000]] {
            assert_eq!(head(file).unwrap_err().code(), "SG-UPD-001");
        }
    }

    #[test]
    fn a_changed_or_short_part_is_refused_at_its_end() {
        let update = made("1.1.0", [b"root", b"b", b"c"], PAYLOAD_TYPE, &key());
        let head = head(&update).unwrap();
        let part = &head.parts()[0];
        let check = |content: &[u8]| read_part(&mut &content[..], part, |_| Ok(()));
        check(b"root").unwrap();
        assert_eq!(check(b"toor").unwrap_err().code(), "SG-UPD-006");
        assert_eq!(check(b"roo").unwrap_err().code(), "SG-UPD-007");
    }

    #[test]
    fn versions_below_the_floor_are_refused() {
        let check = |version, from: Running| {
            let update = made(version, [b"a", b"b", b"c"], PAYLOAD_TYPE, &key());
            (head(&update).unwrap().suits(&from)).map_err(|error| error.code())
        };
        assert_eq!(check("1.1.0", running("1.0.0", "0.0.0")), Ok(()));
        assert_eq!(check("1.0.0", running("1.1.0", "1.0.0")), Ok(()));
        assert_eq!(check("1.0.0", running("1.1.0", "1.1.0")), Err("SG-UPD-004"));
        assert_eq!(check("1.1.0", running("1.1.0", "1.1.0")), Err("SG-UPD-005"));
        let product = Running {
            flavour: "product".to_owned(),
            ..running("1.0.0", "0.0.0")
        };
        assert_eq!(check("1.1.0", product), Err("SG-UPD-003"));
    }
}
