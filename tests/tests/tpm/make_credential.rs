//! TPM2_MakeCredential in software beside the TPM's own: whichever wrapped a secret, the
//! TPM reveals it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use sealgate_license::tpm_wire::{TpmName, TpmPublic};
use sealgate_tests::swtpm::Swtpm;
use sealgate_tpm::{EkKind, Tpm, TpmAddress, TpmErrorKind};

use crate::bench::wrap;

const LOAD_EXTERNAL: u32 = 0x167;
const MAKE_CREDENTIAL: u32 = 0x168;
const FLUSH_CONTEXT: u32 = 0x165;
const NULL_HIERARCHY: u32 = 0x4000_0007;

/// One command without sessions; gives what follows the response's header.
fn command(address: &TpmAddress, code: u32, body: &[u8]) -> Vec<u8> {
    let TpmAddress::Swtpm { host, port } = address else {
        panic!("swtpm on TCP")
    };
    let mut command = vec![0x80, 0x01];
    command.extend((10 + body.len() as u32).to_be_bytes());
    command.extend(code.to_be_bytes());
    command.extend(body);
    let mut stream = TcpStream::connect((host.as_str(), *port)).unwrap();
    stream.write_all(&command).unwrap();
    let mut header = [0; 10];
    stream.read_exact(&mut header).unwrap();
    assert_eq!(header[6..], [0; 4], "response code of {code:#x}");
    let size = u32::from_be_bytes(header[2..6].try_into().unwrap());
    let mut rest = vec![0; size as usize - header.len()];
    stream.read_exact(&mut rest).unwrap();
    rest
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// A TPM2B off the front.
fn take(bytes: &mut &[u8]) -> Vec<u8> {
    let (size, rest) = bytes.split_at(2);
    let size = usize::from(u16::from_be_bytes(size.try_into().unwrap()));
    let (contents, rest) = rest.split_at(size);
    *bytes = rest;
    contents.to_vec()
}

/// TPM2_MakeCredential by the TPM (Part 3, 12.6), under a key that is loaded from its
/// public area alone.
fn made_by_the_tpm(
    address: &TpmAddress,
    ek: &TpmPublic,
    object: &TpmName,
    secret: &[u8],
) -> (Vec<u8>, Vec<u8>) {
    let load = [
        &sized(&[])[..],
        &sized(ek.as_bytes()),
        &NULL_HIERARCHY.to_be_bytes(),
    ]
    .concat();
    let handle = command(address, LOAD_EXTERNAL, &load)[..4].to_vec();
    let make = [&handle[..], &sized(secret), &sized(object.as_bytes())].concat();
    let made = command(address, MAKE_CREDENTIAL, &make);
    command(address, FLUSH_CONTEXT, &handle);
    let mut made = made.as_slice();
    let credential = (take(&mut made), take(&mut made));
    assert!(made.is_empty());
    credential
}

#[test]
fn software_and_tpm_wrap_alike() {
    let swtpm = Swtpm::start_fresh().unwrap();
    let address = swtpm.address();
    let mut tpm = Tpm::open(&address).unwrap();
    for kind in EkKind::ALL {
        let identity = tpm.identity_of(kind).unwrap();
        let ek = TpmPublic::parse(&identity.ek_public).unwrap();
        let ak = TpmPublic::parse(&identity.ak_public).unwrap().name();
        for secret in [[0x5A; 32], [0; 32], [0xFF; 32]] {
            let by_tpm = made_by_the_tpm(&address, &ek, &ak, &secret);
            let by_us = wrap(&ek, &ak, &secret);
            // The same shape to the byte; the contents hang on a fresh seed.
            assert_eq!(by_us.0.len(), by_tpm.0.len(), "{kind}");
            assert_eq!(by_us.1.len(), by_tpm.1.len(), "{kind}");
            assert_eq!(by_us.0[..2], by_tpm.0[..2], "{kind}");
            for (who, (blob, wrapped)) in [("software", by_us), ("TPM", by_tpm)] {
                let opened = tpm.activate(&ek.name(), &blob, &wrapped).unwrap();
                assert_eq!(opened[..], secret, "{kind}, {who}");
                for bit in [0, 8 * 40, 8 * blob.len() - 1] {
                    let mut changed = blob.clone();
                    changed[bit / 8] ^= 1 << (bit % 8);
                    let refused = tpm.activate(&ek.name(), &changed, &wrapped).unwrap_err();
                    assert_eq!(
                        refused.kind(),
                        TpmErrorKind::Refused,
                        "{kind}, {who}, {bit}"
                    );
                }
            }
        }
    }
}
