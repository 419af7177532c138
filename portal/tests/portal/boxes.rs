//! A box as the portal sees it.

use sealgate_license::request_document::{EndorsementKey, RequestPayload, UnsignedRequest, proof};

use crate::support::{self, SoftwareAk};

/// From swtpm: an endorsement key with its certificate.
#[derive(Clone, Copy)]
pub struct Ek {
    certificate: &'static [u8],
    public: &'static [u8],
}

pub const ISSUER: &[u8] = include_bytes!("../../testdata/swtpm/issuer.der");
pub const ROOT: &[u8] = include_bytes!("../../testdata/swtpm/root.der");
pub const RSA: Ek = Ek {
    certificate: include_bytes!("../../testdata/swtpm/ek-rsa.der"),
    public: include_bytes!("../../testdata/swtpm/ek-rsa.pub"),
};
pub const P384: Ek = Ek {
    certificate: include_bytes!("../../testdata/swtpm/ek-p384.der"),
    public: include_bytes!("../../testdata/swtpm/ek-p384.pub"),
};

/// Its attestation key is in software, which the portal can't tell: only a license that
/// is imported would show it.
pub struct SoftwareBox {
    ek: Ek,
    ak: SoftwareAk,
    serial: &'static str,
    pub counter: u64,
    requests: u8,
}

impl SoftwareBox {
    pub fn new(ek: Ek, seed: u8, serial: &'static str) -> Self {
        Self {
            ek,
            ak: SoftwareAk::new(seed),
            serial,
            counter: 3,
            requests: 0,
        }
    }

    /// A request file, with the proof of an activation secret.
    pub fn request(&mut self, secret: Option<&[u8; 32]>) -> String {
        self.requests += 1;
        let nonce = [self.requests; 32];
        let request = UnsignedRequest::new(RequestPayload {
            serial: self.serial.to_owned(),
            ek: EndorsementKey {
                public: self.ek.public.to_vec(),
                certificate: Some(self.ek.certificate.to_vec()),
                chain: vec![ISSUER.to_vec()],
            },
            ak_public: self.ak.public.as_bytes().to_vec(),
            nonce,
            license: None,
            proof: secret.map(|secret| proof(secret, &nonce).to_vec()),
            ..support::request_payload()
        });
        let certified = self.ak.certify(&request.qualifying_data(), self.counter);
        request
            .sign(&certified.attest, &certified.signature)
            .unwrap()
            .to_text()
    }
}
