//! A PIV token made of software, as a virtual reader sees it.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::DecodePrivateKey as _;
use sealgate_license::binding::DonglePublicKey;

/// Which commands a token knows beside those of the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PivModel {
    /// Tells its serial number and its keys' metadata by its maker's own commands.
    WithSerial,
    /// Only what SP 800-73-4 says: a CHUID, and a certificate in slot 9E.
    Plain,
}

/// What a token answers instead of what it should; `None` for an honest answer.
type Dishonest = Box<dyn FnMut(&[u8]) -> Option<Vec<u8>> + Send>;

/// A token, plugged in or not. Clones are the same token.
#[derive(Clone)]
pub struct VirtualToken(Arc<Mutex<Piv>>);

struct Piv {
    model: PivModel,
    serial: u32,
    key: SigningKey,
    certificate: Vec<u8>,
    /// What GET RESPONSE gives next.
    rest: Vec<u8>,
    dishonest: Option<Dishonest>,
}

/// A token in a reader; pulled on drop.
pub struct PluggedToken {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
}

impl VirtualToken {
    /// A token with a new key.
    ///
    /// # Errors
    /// The key's certificate can't be made.
    pub fn new(model: PivModel, serial: u32) -> Result<Self> {
        let pair = rcgen::KeyPair::generate().context("make a key")?;
        let key = SigningKey::from_pkcs8_der(pair.serialized_der()).context("read the key")?;
        let certificate = rcgen::CertificateParams::new(Vec::new())
            .and_then(|parameters| parameters.self_signed(&pair))
            .context("make a certificate")?;
        Ok(Self(Arc::new(Mutex::new(Piv {
            model,
            serial,
            key,
            certificate: certificate.der().to_vec(),
            rest: Vec::new(),
            dishonest: None,
        }))))
    }

    /// The public key of slot 9E.
    pub fn public_key(&self) -> DonglePublicKey {
        let point = self.piv().key.verifying_key().to_sec1_point(false);
        DonglePublicKey::from_sec1(point.as_bytes()).expect("a key's own point")
    }

    /// What vendor check-in does: a new key in slot 9E, the old one gone for ever.
    ///
    /// # Errors
    /// The key's certificate can't be made.
    pub fn renew_key(&self) -> Result<()> {
        let (model, serial) = {
            let piv = self.piv();
            (piv.model, piv.serial)
        };
        let fresh = Self::new(model, serial)?;
        let mut fresh = fresh.piv();
        let mut piv = self.piv();
        std::mem::swap(&mut piv.key, &mut fresh.key);
        std::mem::swap(&mut piv.certificate, &mut fresh.certificate);
        Ok(())
    }

    /// Has it answer by this where that gives an answer.
    pub fn lie(&self, dishonest: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
        self.piv().dishonest = Some(Box::new(dishonest));
    }

    /// Signs a digest, as anybody can who holds the token.
    pub fn sign(&self, digest: &[u8; 32]) -> Vec<u8> {
        self.piv().sign(digest)
    }

    pub(super) fn plug(&self, stream: TcpStream) -> Result<PluggedToken> {
        let mut reader = stream
            .try_clone()
            .context("share the reader's connection")?;
        let token = self.clone();
        let thread = std::thread::spawn(move || {
            // Ends when the token is pulled, or the reader goes.
            while let Ok(message) = receive(&mut reader) {
                let answer = match message[..] {
                    // Power off, power on, reset: nothing of it lasts.
                    [0..=2] => continue,
                    // The answer to reset: T=1, no history.
                    [4] => vec![0x3b, 0x80, 0x80, 0x01, 0x01],
                    _ => token.answer(&message),
                };
                if send(&mut reader, &answer).is_err() {
                    break;
                }
            }
        });
        Ok(PluggedToken {
            stream,
            thread: Some(thread),
        })
    }

    fn answer(&self, command: &[u8]) -> Vec<u8> {
        // Not under the lock: a token that never answers must still be inspectable.
        let dishonest = self.piv().dishonest.take();
        if let Some(mut lie) = dishonest {
            let answer = lie(command);
            self.piv().dishonest.get_or_insert(lie);
            if let Some(answer) = answer {
                return answer;
            }
        }
        self.piv().transmit(command)
    }

    fn piv(&self) -> std::sync::MutexGuard<'_, Piv> {
        self.0.lock().expect("no token's thread panics")
    }
}

impl Drop for PluggedToken {
    fn drop(&mut self) {
        // The other side may have gone first.
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Piv {
    fn sign(&self, digest: &[u8]) -> Vec<u8> {
        let signature: Signature = self
            .key
            .sign_prehash(digest)
            .expect("a digest is long enough");
        signature.to_der().as_bytes().to_vec()
    }

    /// Short commands only, without chaining: all that a license needs fits.
    fn transmit(&mut self, command: &[u8]) -> Vec<u8> {
        let &[_class, instruction, p1, p2, ref tail @ ..] = command else {
            return vec![0x67, 0x00];
        };
        let data = match tail {
            [length, data @ ..] => data.get(..usize::from(*length)).unwrap_or_default(),
            [] => &[],
        };
        if instruction != 0xc0 {
            match self.execute(instruction, p1, p2, data) {
                Ok(answer) => self.rest = answer,
                Err(status) => return status.to_be_bytes().to_vec(),
            }
        }
        let mut piece: Vec<u8> = self.rest.drain(..self.rest.len().min(256)).collect();
        piece.extend(match self.rest.len() {
            0 => [0x90, 0x00],
            more => [0x61, u8::try_from(more).unwrap_or(0x00)],
        });
        piece
    }

    fn execute(&self, instruction: u8, p1: u8, p2: u8, data: &[u8]) -> Result<Vec<u8>, u16> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let makers_own = self.model == PivModel::WithSerial;
        match (instruction, p1, p2) {
            (0xa4, 0x04, 0x00) if data.starts_with(&[0xa0, 0, 0, 3, 8]) => Ok(object(0x61, &[])),
            (0xa4, ..) => Err(0x6a82),
            (0xf8, 0, 0) if makers_own => Ok(self.serial.to_be_bytes().to_vec()),
            (0xf7, 0, 0x9e) if makers_own => Ok([
                object(0x01, &[0x11]),
                object(0x04, &object(0x86, point.as_bytes())),
            ]
            .concat()),
            (0xcb, 0x3f, 0xff) => match data {
                [0x5c, 3, 0x5f, 0xc1, 0x02] => {
                    let guid = [&[0; 12][..], &self.serial.to_be_bytes()].concat();
                    Ok(object(0x53, &object(0x34, &guid)))
                }
                [0x5c, 3, 0x5f, 0xc1, 0x01] => Ok(object(
                    0x53,
                    &[object(0x70, &self.certificate), object(0x71, &[0])].concat(),
                )),
                _ => Err(0x6a82),
            },
            (0x87, 0x11, 0x9e) => match data {
                [0x7c, 0x24, 0x82, 0x00, 0x81, 0x20, digest @ ..] if digest.len() == 32 => {
                    Ok(object(0x7c, &object(0x82, &self.sign(digest))))
                }
                _ => Err(0x6a80),
            },
            _ => Err(0x6d00),
        }
    }
}

fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("short objects");
    let mut object = vec![tag];
    match length {
        0..=0x7f => object.push(value.len().to_le_bytes()[0]),
        _ => {
            object.push(0x82);
            object.extend(length.to_be_bytes());
        }
    }
    object.extend(value);
    object
}

/// One message of the virtual reader: a length of two bytes, then as many.
fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn send(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes()[..], message].concat())
}
