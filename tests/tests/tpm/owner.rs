//! More that an owner, or a firmware, does to a TPM with other software.

use sealgate_license::request_document::SignedRequest;
use sealgate_tpm::TpmAddress;

use crate::bench::{Bench, owner_command};

const OWNER: u32 = 0x4000_0001;
const ENDORSEMENT: u32 = 0x4000_000B;
const PLATFORM: u32 = 0x4000_000C;
const LOCKOUT: u32 = 0x4000_000A;

/// Raw bytes of a command without authorisations.
pub fn plain_command(code: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, 0x01];
    bytes.extend((10 + body.len() as u32).to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);
    bytes
}

/// Raw bytes of TPM2_NV_UndefineSpace of the license counter.
pub fn undefine_counter_command() -> Vec<u8> {
    let mut bytes = vec![0x80, 0x02, 0, 0, 0, 31, 0, 0, 1, 0x22];
    bytes.extend(OWNER.to_be_bytes());
    bytes.extend(sealgate_license::tpm_wire::COUNTER_INDEX.to_be_bytes());
    bytes.extend([0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    bytes
}

/// TPM2_HierarchyControl.
pub fn enable(address: &TpmAddress, owner: bool, on: bool) {
    let hierarchy = if owner { OWNER } else { ENDORSEMENT };
    let mut parameters = hierarchy.to_be_bytes().to_vec();
    parameters.push(u8::from(on));
    assert_eq!(
        owner_command(address, 0x121, &[PLATFORM], 1, &parameters),
        0
    );
}

/// TPM2_PCR_Allocate: SHA-256 PCRs or only SHA-1 ones, from the next reset on.
pub fn allocate_sha256_pcrs(address: &TpmAddress, on: bool) {
    let all = [0xFF; 3];
    let (sha1, sha256) = if on { ([0; 3], all) } else { (all, [0; 3]) };
    let mut parameters = vec![0, 0, 0, 2, 0, 0x04, 3];
    parameters.extend(sha1);
    parameters.extend([0, 0x0B, 3]);
    parameters.extend(sha256);
    assert_eq!(
        owner_command(address, 0x12B, &[PLATFORM], 1, &parameters),
        0
    );
}

/// TPM2_ClockSet: as if the TPM had been on for so long.
pub fn advance_tpm_clock(bench: &Bench, ms: u64) {
    let request = bench.start().export_request(0, 1).unwrap();
    let request = SignedRequest::parse(request).unwrap().verify().unwrap();
    let to = request.counter().clock_ms + ms;
    assert_eq!(
        owner_command(
            &bench.swtpm.address(),
            0x128,
            &[OWNER],
            1,
            &to.to_be_bytes()
        ),
        0
    );
}

/// AUTHWRITE and AUTHREAD: guarded against guessing, unlike all that is ours.
pub const ORDINARY: u32 = 0x0004_0004;

/// TPM2_NV_DefineSpace; gives the response code.
pub fn define(
    address: &TpmAddress,
    index: u32,
    attributes: u32,
    size: u16,
    password: &[u8],
) -> u32 {
    let mut parameters = vec![0, password.len() as u8];
    parameters.extend(password);
    let mut public = index.to_be_bytes().to_vec();
    public.extend([0x00, 0x0B]);
    public.extend(attributes.to_be_bytes());
    public.extend([0, 0]);
    public.extend(size.to_be_bytes());
    parameters.extend([0, public.len() as u8]);
    parameters.extend(public);
    owner_command(address, 0x12A, &[OWNER], 1, &parameters)
}

/// Guesses the password of an index until the TPM locks itself.
pub fn lock_out(address: &TpmAddress) {
    // TPM2_DictionaryAttackParameters: one try, then long waits.
    let mut parameters = 1_u32.to_be_bytes().to_vec();
    parameters.extend(100_000_u32.to_be_bytes());
    parameters.extend(100_000_u32.to_be_bytes());
    assert_eq!(owner_command(address, 0x13A, &[LOCKOUT], 1, &parameters), 0);
    const GUARDED: u32 = 0x0180_0B00;
    assert_eq!(define(address, GUARDED, ORDINARY, 8, b"guess me"), 0);
    // TPM2_NV_Write with an empty password.
    let parameters = [0, 1, 7, 0, 0];
    for _ in 0..10 {
        let code = owner_command(address, 0x137, &[GUARDED, GUARDED], 1, &parameters);
        if code == 0x921 {
            return;
        }
        // TPM_RC_RETRY while the failed guess is written down, or TPM_RC_AUTH_FAIL.
        assert!(code == 0x922 || code & 0x3F == 0x0E, "{code:#x}");
    }
    panic!("the TPM does not lock itself");
}
