//! What an owner, or an attacker with root, does to a TPM with software of his own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use sealgate_license::tpm_wire::{
    AK_TEMPLATE, COUNTER_INDEX, COUNTER_SIZE_BYTES, NV_AUTHREAD, NV_NO_DA, NV_OWNERREAD,
};
use sealgate_tpm::TpmAddress;

const ENDORSEMENT: u32 = 0x4000_000B;
const OWNER: u32 = 0x4000_0001;
const LOCKOUT: u32 = 0x4000_000A;

/// One command with empty-password authorisations for its first `authorisations` handles.
/// Gives the response code.
pub fn owner_command(
    address: &TpmAddress,
    code: u32,
    handles: &[u32],
    authorisations: u32,
    parameters: &[u8],
) -> u32 {
    let mut stream = connect(address);
    let answer = exchange(&mut stream, code, handles, authorisations, parameters);
    u32::from_be_bytes(answer[6..10].try_into().unwrap())
}

pub(super) fn connect(address: &TpmAddress) -> TcpStream {
    let TpmAddress::Swtpm { host, port } = address else {
        panic!("swtpm on TCP")
    };
    TcpStream::connect((host.as_str(), *port)).unwrap()
}

fn exchange(
    stream: &mut TcpStream,
    code: u32,
    handles: &[u32],
    authorisations: u32,
    parameters: &[u8],
) -> Vec<u8> {
    let mut body: Vec<u8> = handles
        .iter()
        .flat_map(|handle| handle.to_be_bytes())
        .collect();
    if authorisations > 0 {
        body.extend((9 * authorisations).to_be_bytes());
    }
    for _ in 0..authorisations {
        body.extend([0x40, 0, 0, 9, 0, 0, 0, 0, 0]);
    }
    body.extend(parameters);
    let mut command = vec![0x80, if authorisations > 0 { 2 } else { 1 }];
    command.extend((10 + body.len() as u32).to_be_bytes());
    command.extend(code.to_be_bytes());
    command.extend(body);
    loop {
        stream.write_all(&command).unwrap();
        let answer = read_frame(stream).expect("the TPM answers");
        // TPM_RC_RETRY: it has to note first that something under lockout is used.
        if answer[6..10] != 0x922_u32.to_be_bytes() {
            return answer;
        }
    }
}

/// A whole command or response; `None` at the end of the stream.
pub(super) fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = [0; 10];
    stream.read_exact(&mut header).ok()?;
    let length = u32::from_be_bytes(header[2..6].try_into().unwrap()) as usize;
    let mut frame = header.to_vec();
    frame.resize(length.clamp(10, 4096), 0);
    stream.read_exact(&mut frame[10..]).ok()?;
    Some(frame)
}

/// TPM2B.
pub(super) fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut sized = (bytes.len() as u16).to_be_bytes().to_vec();
    sized.extend(bytes);
    sized
}

/// The TPM2B at the front of `bytes`, and the rest.
pub(super) fn split_sized(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_at(2);
    rest.split_at(usize::from(u16::from_be_bytes(length.try_into().unwrap())))
}

/// TPM2_Clear.
pub fn clear(address: &TpmAddress) {
    assert_eq!(owner_command(address, 0x126, &[LOCKOUT], 1, &[]), 0);
}

/// TPM2_ReadClock: milliseconds of power since the last TPM2_Clear.
pub fn clock_ms(address: &TpmAddress) -> u64 {
    let answer = exchange(&mut connect(address), 0x181, &[], 0, &[]);
    assert_eq!(answer[6..10], [0; 4], "TPM2_ReadClock");
    // TPMS_TIME_INFO: time, then the clock (Part 2, 10.11.6).
    u64::from_be_bytes(answer[18..26].try_into().unwrap())
}

/// TPM2_ClockSet: as if the TPM had been on for so much longer.
pub fn advance_clock(address: &TpmAddress, ms: u64) {
    let to = clock_ms(address) + ms;
    assert_eq!(
        owner_command(address, 0x128, &[OWNER], 1, &to.to_be_bytes()),
        0
    );
}

/// TPM2_NV_DefineSpace at the counter's index.
pub fn define_counter(address: &TpmAddress, attributes: u32, size: u16) {
    define(address, COUNTER_INDEX, attributes, size);
}

fn define(address: &TpmAddress, index: u32, attributes: u32, size: u16) {
    let mut public = index.to_be_bytes().to_vec();
    public.extend([0x00, 0x0B]);
    public.extend(attributes.to_be_bytes());
    public.extend([0, 0]);
    public.extend(size.to_be_bytes());
    let parameters = [vec![0, 0], sized(&public)].concat();
    assert_eq!(owner_command(address, 0x12A, &[OWNER], 1, &parameters), 0);
}

/// Writes an ordinary NV index, as a maker or an owner does.
pub fn write_nv(address: &TpmAddress, index: u32, contents: &[u8]) {
    const OWNERWRITE: u32 = 1 << 1;
    let attributes = OWNERWRITE | NV_OWNERREAD | NV_AUTHREAD | NV_NO_DA;
    define(address, index, attributes, contents.len() as u16);
    // In pieces that every TPM takes.
    for (piece, bytes) in contents.chunks(512).enumerate() {
        let offset = (512 * piece as u16).to_be_bytes();
        let write = [&sized(bytes)[..], &offset].concat();
        assert_eq!(owner_command(address, 0x137, &[OWNER, index], 1, &write), 0);
    }
}

/// TPM2_NV_UndefineSpace of the counter.
pub fn undefine_counter(address: &TpmAddress) {
    let handles = [OWNER, COUNTER_INDEX];
    assert_eq!(owner_command(address, 0x122, &handles, 1, &[]), 0);
}

/// TPM2_NV_Write of 8 bytes into whatever ordinary index lives at the counter's place.
pub fn write_counter_place(address: &TpmAddress, value: u64) {
    let parameters = [sized(&value.to_be_bytes()), vec![0, 0]].concat();
    let handles = [COUNTER_INDEX, COUNTER_INDEX];
    assert_eq!(owner_command(address, 0x137, &handles, 1, &parameters), 0);
}

/// TPM2_NV_Increment of whatever counter lives at the license counter's place.
pub fn increment_counter_place(address: &TpmAddress) {
    let handles = [COUNTER_INDEX, COUNTER_INDEX];
    assert_eq!(owner_command(address, 0x134, &handles, 1, &[]), 0);
}

/// TPM2_HierarchyChangeAuth of the owner hierarchy.
pub fn own(address: &TpmAddress) {
    let parameters = [0, 4, b'm', b'i', b'n', b'e'];
    assert_eq!(owner_command(address, 0x129, &[OWNER], 1, &parameters), 0);
}

/// The genuine attestation key certifies whatever lives at the counter's place: a
/// TPMS_ATTEST and a TPMT_SIGNATURE.
pub fn certify_counter_place(address: &TpmAddress, qualifying: &[u8; 32]) -> (Vec<u8>, Vec<u8>) {
    let mut stream = connect(address);
    let parameters = [&sized(&[0; 4])[..], &sized(&AK_TEMPLATE), &[0; 6]].concat();
    let created = exchange(&mut stream, 0x131, &[ENDORSEMENT], 1, &parameters);
    assert_eq!(created[6..10], [0; 4], "TPM2_CreatePrimary");
    let ak = u32::from_be_bytes(created[10..14].try_into().unwrap());
    let parameters = [
        &sized(qualifying)[..],
        &[0, 0x10],
        &COUNTER_SIZE_BYTES.to_be_bytes(),
        &[0, 0],
    ]
    .concat();
    let handles = [ak, COUNTER_INDEX, COUNTER_INDEX];
    let certified = exchange(&mut stream, 0x184, &handles, 2, &parameters);
    exchange(&mut stream, 0x165, &[], 0, &ak.to_be_bytes());
    assert_eq!(certified[6..10], [0; 4], "TPM2_NV_Certify");
    let length = u32::from_be_bytes(certified[10..14].try_into().unwrap()) as usize;
    let (attest, signature) = split_sized(&certified[14..14 + length]);
    (attest.to_vec(), signature.to_vec())
}
