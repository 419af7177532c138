//! The tokens that are plugged in now.

use std::ffi::CString;

use sealgate_license::binding::DonglePublicKey;

use crate::piv::Piv;
use crate::{DongleError, DongleErrorKind};

/// PC/SC Lite knows at most 16 readers.
const MAX_READERS: usize = 16;

/// A token with a key that can carry a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The reader's name.
    pub reader: String,
    /// The serial number, as the token tells it: for people.
    pub serial: Option<String>,
    /// The public key of slot 9E, as the token tells it: a claim.
    pub public_key: DonglePublicKey,
}

/// A token's answer to a challenge; checked, and to be checked again by who binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The serial number, as the token tells it: for people.
    pub serial: Option<String>,
    /// A DER Ecdsa-Sig-Value.
    pub signature: Vec<u8>,
}

/// Every token with a P-256 key in slot 9E. A card that is none is passed over.
pub(crate) fn survey() -> Result<Vec<Token>, DongleError> {
    let service = Service::connect()?;
    let mut tokens = Vec::new();
    for reader in service.readers()? {
        let name = reader.to_string_lossy().into_owned();
        let token = service.ask(&reader, |piv| {
            Ok(Token {
                reader: name.clone(),
                serial: piv.serial(),
                public_key: piv.public_key()?,
            })
        });
        match token {
            Ok(token) => tokens.push(token),
            Err(error) => tracing::debug!(
                reader = name,
                error = &error as &dyn std::error::Error,
                "no dongle"
            ),
        }
    }
    Ok(tokens)
}

/// Asks every token to sign, until one gives the answer that this key makes. What a token
/// says of itself is not looked at first: only its signature counts.
pub(crate) fn answer(key: &DonglePublicKey, nonce: &[u8; 32]) -> Result<Answer, DongleError> {
    let service = Service::connect()?;
    let challenge = key.challenge(nonce);
    let mut others = 0;
    let mut failure = None;
    for reader in service.readers()? {
        let signed = service.ask(&reader, |piv| {
            let signature = piv.sign(&challenge)?;
            // Of another token nothing more is asked.
            let answer = key.answers(nonce, &signature).then(|| Answer {
                serial: piv.serial(),
                signature,
            });
            Ok(answer)
        });
        match signed {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => others += 1,
            Err(error) if error.kind() == DongleErrorKind::OtherToken => others += 1,
            Err(error) => {
                // An empty reader says less than a token that failed.
                let empty = matches!(
                    &error,
                    DongleError::Open {
                        source: pcsc::Error::NoSmartcard,
                        ..
                    }
                );
                if !empty {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a token failed");
                    failure.get_or_insert(error);
                }
            }
        }
    }
    Err(match failure {
        // It may be the one.
        Some(failure) => failure,
        None if others > 0 => DongleError::OtherToken { tokens: others },
        None => DongleError::NoToken,
    })
}

/// A connection to the PC/SC service. Made anew for each question, so that a restart of
/// the service needs no care.
struct Service(pcsc::Context);

impl Service {
    fn connect() -> Result<Self, DongleError> {
        pcsc::Context::establish(pcsc::Scope::System)
            .map(Self)
            .map_err(DongleError::Connect)
    }

    fn readers(&self) -> Result<Vec<CString>, DongleError> {
        let mut readers = match self.0.list_readers_owned() {
            Err(pcsc::Error::NoReadersAvailable) => Vec::new(),
            readers => readers.map_err(DongleError::ListReaders)?,
        };
        readers.truncate(MAX_READERS);
        Ok(readers)
    }

    /// Asks the token in this reader, exclusively: nobody's command falls between ours. It
    /// is left as it is, without a reset, which would take longer than the question.
    fn ask<T>(
        &self,
        reader: &CString,
        question: impl FnOnce(&Piv) -> Result<T, DongleError>,
    ) -> Result<T, DongleError> {
        let card = self
            .0
            .connect(reader, pcsc::ShareMode::Exclusive, pcsc::Protocols::ANY)
            .map_err(|source| DongleError::Open {
                reader: reader.to_string_lossy().into_owned(),
                source,
            })?;
        let piv = Piv::new(card);
        let answer = piv.select().and_then(|()| question(&piv));
        piv.leave();
        answer
    }
}
