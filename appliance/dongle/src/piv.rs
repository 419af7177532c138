//! The few PIV commands that a license needs (NIST SP 800-73-4, Part 2, 3).

use der::Decode as _;
use sealgate_license::binding::DonglePublicKey;
use x509_cert::Certificate;

use crate::DongleError;
use crate::tlv;

/// The PIV application, right-truncated so that any version fits (Part 1, 2.2).
const AID: [u8; 9] = [0xa0, 0x00, 0x00, 0x03, 0x08, 0x00, 0x00, 0x10, 0x00];
/// Card authentication: the one slot whose key works without a PIN (Part 1, 3.1.3).
const SLOT: u8 = 0x9e;
/// ECC P-256 (SP 800-78-4, table 6-2).
const ALGORITHM: u8 = 0x11;
/// A certificate with a generous chain of attributes; PIV allows about 3 KB.
const MAX_ANSWER_BYTES: usize = 8 * 1024;
/// No honest answer comes in more pieces: 256 bytes each.
const MAX_ROUNDS: usize = 40;
/// One response in short form: 256 bytes and the status word.
const MAX_PIECE_BYTES: usize = 258;
/// The longest P-256 signature in DER.
const MAX_SIGNATURE_BYTES: usize = 72;

/// A token that may have the PIV application.
pub(crate) struct Piv {
    card: pcsc::Card,
}

impl Piv {
    /// A token whose application is to be selected first.
    pub fn new(card: pcsc::Card) -> Self {
        Self { card }
    }

    /// Selects the application.
    pub fn select(&self) -> Result<(), DongleError> {
        self.ask("select PIV", 0xa4, 0x04, 0x00, &AID).map(drop)
    }

    /// Gives the token back without a reset.
    pub fn leave(self) {
        // A token that was pulled is gone anyway.
        let _ = self.card.disconnect(pcsc::Disposition::LeaveCard);
    }

    /// What is printed on the token where its maker tells it (a command that Yubico
    /// defined), otherwise the GUID of its CHUID (Part 1, 3.1.2). Only for people.
    pub fn serial(&self) -> Option<String> {
        let told = self.ask("tell its serial number", 0xf8, 0x00, 0x00, &[]);
        if let Ok(serial) = told
            && let Ok(serial) = <[u8; 4]>::try_from(serial)
        {
            return Some(u32::from_be_bytes(serial).to_string());
        }
        let chuid = self.object("show its CHUID", [0x5f, 0xc1, 0x02]).ok()?;
        let guid = tlv::find(&chuid, 0x34).filter(|guid| guid.len() == 16)?;
        Some(hex::encode(guid))
    }

    /// The public key in slot 9E: from the key's metadata (a command that Yubico defined),
    /// otherwise from the slot's certificate. It is a claim, until the key has signed.
    pub fn public_key(&self) -> Result<DonglePublicKey, DongleError> {
        if let Ok(metadata) = self.ask("describe slot 9E", 0xf7, 0x00, SLOT, &[]) {
            let point = tlv::find(&metadata, 0x04).and_then(|public| tlv::find(public, 0x86));
            return DonglePublicKey::from_sec1(point.unwrap_or_default()).map_err(|_| {
                DongleError::Garbage {
                    what: "the metadata of a P-256 key",
                }
            });
        }
        let object = self.object("show the certificate of slot 9E", [0x5f, 0xc1, 0x01])?;
        key_of_certificate(&object).ok_or(DongleError::Garbage {
            what: "a certificate of a P-256 key",
        })
    }

    /// GENERAL AUTHENTICATE (Part 2, 3.2.4): the key of slot 9E signs a digest. The answer
    /// is a DER Ecdsa-Sig-Value, or what the token calls so.
    pub fn sign(&self, digest: &[u8; 32]) -> Result<Vec<u8>, DongleError> {
        // A dynamic authentication template: an empty response is asked for, a challenge given.
        let mut template = vec![0x7c, 0x24, 0x82, 0x00, 0x81, 0x20];
        template.extend(digest);
        let answer = self.ask("sign with slot 9E", 0x87, ALGORITHM, SLOT, &template)?;
        tlv::find(&answer, 0x7c)
            .and_then(|template| tlv::find(template, 0x82))
            .filter(|signature| (8..=MAX_SIGNATURE_BYTES).contains(&signature.len()))
            .map(<[u8]>::to_vec)
            .ok_or(DongleError::Garbage {
                what: "a signature",
            })
    }

    /// GET DATA (Part 2, 3.1.2): the content of a data object.
    fn object(&self, operation: &'static str, id: [u8; 3]) -> Result<Vec<u8>, DongleError> {
        let [a, b, c] = id;
        let answer = self.ask(operation, 0xcb, 0x3f, 0xff, &[0x5c, 3, a, b, c])?;
        tlv::find(&answer, 0x53)
            .map(<[u8]>::to_vec)
            .ok_or(DongleError::Garbage {
                what: "a data object",
            })
    }

    /// Sends a command in short form and collects its whole answer (ISO/IEC 7816-4, 5.3.4).
    fn ask(
        &self,
        operation: &'static str,
        instruction: u8,
        p1: u8,
        p2: u8,
        data: &[u8],
    ) -> Result<Vec<u8>, DongleError> {
        let mut command = vec![0x00, instruction, p1, p2];
        if !data.is_empty() {
            command.push(u8::try_from(data.len()).expect("our commands are short"));
            command.extend(data);
        }
        // Le: as much as there is, up to 256 bytes.
        command.push(0x00);
        let mut answer = Vec::new();
        for _ in 0..MAX_ROUNDS {
            let mut piece = [0; MAX_PIECE_BYTES];
            let piece = self
                .card
                .transmit(&command, &mut piece)
                .map_err(|source| DongleError::Transmit { operation, source })?;
            let Some((data, &[sw1, sw2])) = piece.split_last_chunk::<2>() else {
                return Err(DongleError::Garbage {
                    what: "an answer with a status word",
                });
            };
            answer.extend(data);
            match (sw1, sw2) {
                (0x90, 0x00) => return Ok(answer),
                // There is more: GET RESPONSE.
                (0x61, more) => command = vec![0x00, 0xc0, 0x00, 0x00, more],
                // The same again, with the right Le.
                (0x6c, length) if data.is_empty() => {
                    command.pop();
                    command.push(length);
                }
                _ => {
                    return Err(DongleError::Refused {
                        operation,
                        status: u16::from_be_bytes([sw1, sw2]),
                    });
                }
            }
            if answer.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        Err(DongleError::Garbage {
            what: "an answer of bounded length",
        })
    }
}

/// The key in a certificate object (Part 1, appendix A): tag 70 is the certificate, tag 71
/// says whether it is compressed, which license dongles never are.
fn key_of_certificate(object: &[u8]) -> Option<DonglePublicKey> {
    let compressed = tlv::find(object, 0x71).is_some_and(|info| info != [0]);
    let der = tlv::find(object, 0x70).filter(|_| !compressed)?;
    let certificate = Certificate::from_der(der).ok()?;
    let key = certificate.tbs_certificate().subject_public_key_info();
    // Other curves have points of other lengths, and other points: the kit checks both.
    DonglePublicKey::from_sec1(key.subject_public_key.as_bytes()?).ok()
}
