//! A TPM that answers from a script, in pieces, wrongly, or not at all.

use std::collections::VecDeque;

use super::*;

/// Each entry is what one read gives; writes are kept.
struct Script {
    reads: VecDeque<Vec<u8>>,
    written: Vec<Vec<u8>>,
}

impl Script {
    fn new(reads: &[&[u8]]) -> Self {
        Self {
            reads: reads.iter().map(|read| read.to_vec()).collect(),
            written: Vec::new(),
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(read) = self.reads.pop_front() else {
            return Ok(0);
        };
        let length = read.len().min(buffer.len());
        buffer[..length].copy_from_slice(&read[..length]);
        Ok(length)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn response(tag: u16, code: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = tag.to_be_bytes().to_vec();
    bytes.extend((10 + body.len() as u32).to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn with_session(handle: Option<u32>, parameters: &[u8]) -> Vec<u8> {
    let mut body = handle.map_or(Vec::new(), |handle| handle.to_be_bytes().to_vec());
    body.extend((parameters.len() as u32).to_be_bytes());
    body.extend(parameters);
    body.extend([0; 5]);
    response(TPM_ST_SESSIONS, 0, &body)
}

#[test]
fn certifies_and_flushes() {
    let created = with_session(Some(0x8000_0001), &sized(b"public"));
    let mut parameters = sized(b"attest");
    parameters.extend(b"signature");
    let certified = with_session(None, &parameters);
    let flushed = response(TPM_ST_NO_SESSIONS, 0, &[]);
    // A stream may split an answer anywhere.
    let mut script = Script::new(&[&created[..3], &created[3..], &certified, &flushed]);
    let got = exchange(&mut script, b"template", 0x0180_0A10, 8, &[7; 32]).unwrap();
    assert_eq!(got.ak_public, b"public");
    assert_eq!(got.attest, b"attest");
    assert_eq!(got.signature, b"signature");
    let flush = script.written.last().unwrap();
    assert_eq!(flush[6..10], TPM_CC_FLUSH_CONTEXT.to_be_bytes());
    assert_eq!(flush[10..], 0x8000_0001_u32.to_be_bytes());
}

#[test]
fn flushes_after_a_refusal_too() {
    let created = with_session(Some(0x8000_0001), &sized(b"public"));
    let refused = response(TPM_ST_NO_SESSIONS, 0x18B, &[]);
    let flushed = response(TPM_ST_NO_SESSIONS, 0, &[]);
    let mut script = Script::new(&[&created, &refused, &flushed]);
    let error = exchange(&mut script, b"template", 0x0180_0A10, 8, &[7; 32])
        .err()
        .unwrap();
    assert_eq!(error.kind(), TpmErrorKind::Refused);
    assert_eq!(
        script.written.last().unwrap()[6..10],
        TPM_CC_FLUSH_CONTEXT.to_be_bytes()
    );
}

#[test]
fn sends_again_after_a_retry_code_only() {
    let retry = response(TPM_ST_NO_SESSIONS, rc::RETRY, &[]);
    let done = response(TPM_ST_NO_SESSIONS, 0, &[]);
    let mut script = Script::new(&[&retry, &done]);
    assert!(command(&mut script, TPM_CC_FLUSH_CONTEXT, &[], 0, &[0; 4], false).is_ok());
    assert_eq!(script.written.len(), 2);

    let mut script = Script::new(&[&response(TPM_ST_NO_SESSIONS, 0x921, &[])]);
    let error = command(&mut script, TPM_CC_FLUSH_CONTEXT, &[], 0, &[0; 4], false)
        .err()
        .unwrap();
    assert_eq!(error.kind(), TpmErrorKind::LockedOut);
    assert_eq!(script.written.len(), 1);
}

#[test]
fn nonsense_is_an_error() {
    let mut announces_too_much = response(TPM_ST_SESSIONS, 0, &[0, 0, 0, 1]);
    announces_too_much[13] = 200;
    let mut too_long = response(TPM_ST_NO_SESSIONS, 0, &[]);
    too_long[3] = 1;
    let mut too_short = response(TPM_ST_NO_SESSIONS, 0, &[]);
    too_short[5] = 3;
    let mut trailing = response(TPM_ST_NO_SESSIONS, 0, &[]);
    trailing.push(0);
    for (answer, kind) in [
        (announces_too_much, TpmErrorKind::Garbage),
        (too_long, TpmErrorKind::Garbage),
        (too_short, TpmErrorKind::Garbage),
        (trailing, TpmErrorKind::Garbage),
        (vec![0x80], TpmErrorKind::Absent),
    ] {
        let mut script = Script::new(&[&answer]);
        let error = command(&mut script, TPM_CC_CREATE_PRIMARY, &[], 1, &[], false)
            .err()
            .unwrap();
        assert_eq!(error.kind(), kind, "{answer:02x?}");
    }
}
