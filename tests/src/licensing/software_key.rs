//! An attestation key outside any TPM, as an attacker makes one.

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use sealgate_license::request_document::{RequestPayload, SignedRequest, UnsignedRequest};
use sealgate_license::tpm_wire::{
    AK_TEMPLATE, TpmName, TpmPublic, counter_name, endorsement_primary_qualified_name,
};

use super::raw_tpm::sized;

/// A P-256 key that claims to be the attestation key of a TPM: its public area is what a
/// TPM would show.
#[derive(Clone)]
pub struct SoftwareKey {
    key: SigningKey,
    public: TpmPublic,
}

impl SoftwareKey {
    /// The key of this seed.
    pub fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let (_, coordinates) = point.as_bytes().split_first().unwrap();
        // The template but for its unique part.
        let mut public = AK_TEMPLATE[..20].to_vec();
        for coordinate in coordinates.chunks(32) {
            public.extend(sized(coordinate));
        }
        Self {
            key,
            public: TpmPublic::parse(&public).unwrap(),
        }
    }

    /// TPMT_PUBLIC.
    pub fn public(&self) -> &TpmPublic {
        &self.public
    }

    /// What TPM2_NV_Certify of a license counter would return if the key `ak` had signed:
    /// a TPMS_ATTEST and a TPMT_SIGNATURE. `ak` need not be this key.
    pub fn certify(&self, ak: &TpmName, qualifying: &[u8], counter: u64) -> (Vec<u8>, Vec<u8>) {
        let attest = [
            // Magic, TPM_ST_ATTEST_NV.
            &[0xff, 0x54, 0x43, 0x47, 0x80, 0x14][..],
            &sized(endorsement_primary_qualified_name(ak).as_bytes()),
            &sized(qualifying),
            // Clock, resets, restarts, safe, firmware version.
            &5_000_000_u64.to_be_bytes(),
            &7_u32.to_be_bytes(),
            &2_u32.to_be_bytes(),
            &[1],
            &0x2019_1023_0016_3636_u64.to_be_bytes(),
            &sized(counter_name().as_bytes()),
            &[0, 0],
            &sized(&counter.to_be_bytes()),
        ]
        .concat();
        let signature: Signature = self.key.sign(&attest);
        let (r, s) = signature.split_bytes();
        // TPM_ALG_ECDSA, TPM_ALG_SHA256.
        let signature = [&[0x00, 0x18, 0x00, 0x0b][..], &sized(&r), &sized(&s)].concat();
        (attest, signature)
    }

    /// A request with this key in place of the attestation key, at this counter, beside
    /// the genuine endorsement key of the request that it is made from.
    pub fn request_beside(&self, genuine: &str, counter: u64) -> String {
        let genuine = SignedRequest::parse(genuine).unwrap();
        let request = UnsignedRequest::new(RequestPayload {
            ak_public: self.public.as_bytes().to_vec(),
            license: None,
            proof: None,
            nonce: rand::random(),
            ..genuine.unverified_payload().clone()
        });
        let (attest, signature) =
            self.certify(&self.public.name(), &request.qualifying_data(), counter);
        request.sign(&attest, &signature).unwrap().to_text()
    }
}
