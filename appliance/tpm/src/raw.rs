//! TPM2_NV_Certify, which tss-esapi 7.7 lacks, as bytes on the wire: three commands
//! (TPM2_CreatePrimary of the attestation key, TPM2_NV_Certify, TPM2_FlushContext) on the
//! device node or swtpm's data port. It goes when tss-esapi 8 is stable.
//!
//! Every authorisation is the empty password. Each answer is bounded and length-checked.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

use crate::{TpmAddress, TpmErrorKind, rc};

/// The longest answer read. TPM2_MAX_RESPONSE_SIZE of all known chips is 4096.
const MAX_RESPONSE_BYTES: usize = 4096;
/// Slowest known answer (RSA key generation on a discrete chip) with a wide margin.
const TIMEOUT: Duration = Duration::from_secs(120);
/// swtpm listens on the same machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often TPM_RC_RETRY, YIELDED and TESTING are answered by sending again.
const RESUBMISSIONS: u32 = 10;
const RESUBMIT_AFTER: Duration = Duration::from_millis(50);

const TPM_ST_NO_SESSIONS: u16 = 0x8001;
const TPM_ST_SESSIONS: u16 = 0x8002;
const TPM_RS_PW: u32 = 0x4000_0009;
const TPM_RH_ENDORSEMENT: u32 = 0x4000_000B;
const TPM_ALG_NULL: u16 = 0x0010;
const TPM_CC_CREATE_PRIMARY: u32 = 0x131;
const TPM_CC_FLUSH_CONTEXT: u32 = 0x165;
const TPM_CC_NV_CERTIFY: u32 = 0x184;

/// The raw exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The device node or port could not be opened.
    #[error("cannot open {address}")]
    Connect {
        /// The address asked for.
        address: TpmAddress,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// Bytes could not be sent or received.
    #[error("the connection broke during command {command:#05x}")]
    Transmit {
        /// The TPM_CC of the command.
        command: u32,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The TPM answered with a response code other than success.
    #[error("the TPM answered {code:#05x} to command {command:#05x}")]
    Response {
        /// The TPM_CC of the command.
        command: u32,
        /// The TPM_RC.
        code: u32,
    },
    /// The answer's lengths do not add up.
    #[error("the answer to command {command:#05x} is malformed: {what}")]
    Malformed {
        /// The TPM_CC of the command.
        command: u32,
        /// What does not fit.
        what: &'static str,
    },
}

impl RawError {
    /// What the failure means.
    pub fn kind(&self) -> TpmErrorKind {
        match self {
            Self::Connect { .. } | Self::Transmit { .. } => TpmErrorKind::Absent,
            Self::Response { code, .. } => rc::kind_of_code(*code),
            Self::Malformed { .. } => TpmErrorKind::Garbage,
        }
    }
}

/// What TPM2_NV_Certify gave, with the public area of the key that signed.
pub(crate) struct Certified {
    /// TPMT_PUBLIC.
    pub ak_public: Vec<u8>,
    /// TPMS_ATTEST.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
    /// How often the TPM asked to be asked again.
    pub resubmissions: u32,
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Certifies all `size` bytes of NV index `index` with the primary key that `ak_template`
/// (TPMT_PUBLIC) gives in the endorsement hierarchy.
///
/// The connection is closed on return: swtpm serves one client at a time.
pub(crate) fn nv_certify(
    address: &TpmAddress,
    ak_template: &[u8],
    index: u32,
    size: u16,
    qualifying_data: &[u8],
) -> Result<Certified, RawError> {
    let connect_error = |source| RawError::Connect {
        address: address.clone(),
        source,
    };
    match address {
        TpmAddress::Device(path) => {
            let mut device = std::fs::OpenOptions::new()
                .read(true)
                .write(true)
                .open(path)
                .map_err(connect_error)?;
            exchange(&mut device, ak_template, index, size, qualifying_data)
        }
        TpmAddress::Swtpm { host, port } => {
            let mut stream = connect(host, *port).map_err(connect_error)?;
            exchange(&mut stream, ak_template, index, size, qualifying_data)
        }
    }
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn exchange(
    wire: &mut dyn Wire,
    ak_template: &[u8],
    index: u32,
    size: u16,
    qualifying_data: &[u8],
) -> Result<Certified, RawError> {
    // inSensitive: empty auth, no data. outsideInfo and creationPCR: empty.
    let mut parameters = sized(&[0; 4]);
    parameters.extend(sized(ak_template));
    parameters.extend([0; 6]);
    let created = command(
        wire,
        TPM_CC_CREATE_PRIMARY,
        &[TPM_RH_ENDORSEMENT],
        1,
        &parameters,
        true,
    )?;
    let ak = created.handle;

    // The key's own scheme; offset 0.
    let mut parameters = sized(qualifying_data);
    parameters.extend(TPM_ALG_NULL.to_be_bytes());
    parameters.extend(size.to_be_bytes());
    parameters.extend([0; 2]);
    let certified = command(
        wire,
        TPM_CC_NV_CERTIFY,
        &[ak, index, index],
        2,
        &parameters,
        false,
    );
    // The key goes first, whatever became of the certification.
    let flushed = command(wire, TPM_CC_FLUSH_CONTEXT, &[], 0, &ak.to_be_bytes(), false);
    let certified = certified?;
    let resubmissions = created.resubmissions + certified.resubmissions + flushed?.resubmissions;

    let mut created = Answer::new(TPM_CC_CREATE_PRIMARY, &created.parameters);
    let mut answer = Answer::new(TPM_CC_NV_CERTIFY, &certified.parameters);
    Ok(Certified {
        ak_public: created.sized()?.to_vec(),
        attest: answer.sized()?.to_vec(),
        signature: answer.rest.to_vec(),
        resubmissions,
    })
}

/// TPM2B: a 16-bit length and the bytes. All callers pass far less than 64 KiB.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("templates and digests are short");
    let mut sized = length.to_be_bytes().to_vec();
    sized.extend(bytes);
    sized
}

struct Response {
    /// 0 if the command gives no handle.
    handle: u32,
    parameters: Vec<u8>,
    resubmissions: u32,
}

/// One command (Part 1, 18) with `authorisations` empty-password authorisations.
fn command(
    wire: &mut dyn Wire,
    code: u32,
    handles: &[u32],
    authorisations: u32,
    parameters: &[u8],
    gives_handle: bool,
) -> Result<Response, RawError> {
    let tag = if authorisations > 0 {
        TPM_ST_SESSIONS
    } else {
        TPM_ST_NO_SESSIONS
    };
    let mut body = Vec::new();
    for handle in handles {
        body.extend(handle.to_be_bytes());
    }
    if authorisations > 0 {
        // TPMS_AUTH_COMMAND: handle, empty nonce, no attributes, empty password.
        body.extend((9 * authorisations).to_be_bytes());
        for _ in 0..authorisations {
            body.extend(TPM_RS_PW.to_be_bytes());
            body.extend([0; 5]);
        }
    }
    body.extend(parameters);
    let length = u32::try_from(10 + body.len()).expect("commands are short");
    let mut bytes = tag.to_be_bytes().to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend(code.to_be_bytes());
    bytes.extend(body);

    let mut resubmissions = 0;
    loop {
        let response = transmit(wire, code, &bytes)?;
        let mut answer = Answer::new(code, &response);
        let tag = answer.u16()?;
        answer.u32()?;
        let result = answer.u32()?;
        if matches!(result, rc::RETRY | rc::YIELDED | rc::TESTING) && resubmissions < RESUBMISSIONS
        {
            resubmissions += 1;
            pause();
            continue;
        }
        if result != 0 {
            return Err(RawError::Response {
                command: code,
                code: result,
            });
        }
        let handle = if gives_handle { answer.u32()? } else { 0 };
        let parameters = if tag == TPM_ST_SESSIONS {
            let length = answer.u32()?;
            answer.take(usize::try_from(length).unwrap_or(usize::MAX))?
        } else {
            answer.rest
        };
        return Ok(Response {
            handle,
            parameters: parameters.to_vec(),
            resubmissions,
        });
    }
}

/// The TPM asked for the same bytes again (Part 1, 39.2), and gives no event to wait for.
#[expect(
    clippy::disallowed_methods,
    reason = "a TPM gives no event to wait for, and this crate blocks by design"
)]
fn pause() {
    std::thread::sleep(RESUBMIT_AFTER);
}

/// Sends one command and reads one whole answer. /dev/tpmrm0 takes a command in one write
/// and gives an answer in one read; a stream may split it.
fn transmit(wire: &mut dyn Wire, code: u32, command: &[u8]) -> Result<Vec<u8>, RawError> {
    let broken = |source| RawError::Transmit {
        command: code,
        source,
    };
    let malformed = |what| RawError::Malformed {
        command: code,
        what,
    };
    wire.write_all(command).map_err(broken)?;
    let mut buffer = vec![0; MAX_RESPONSE_BYTES];
    let mut filled = 0;
    loop {
        let read = match wire.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read.map_err(broken)?,
        };
        if read == 0 {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        filled += read;
        if let Some(&[a, b, c, d]) = buffer[..filled].get(2..6) {
            let announced = u32::from_be_bytes([a, b, c, d]) as usize;
            if !(10..=MAX_RESPONSE_BYTES).contains(&announced) {
                return Err(malformed("its length is out of range"));
            }
            if filled > announced {
                return Err(malformed("it is longer than it says"));
            }
            if filled == announced {
                buffer.truncate(filled);
                return Ok(buffer);
            }
        }
    }
}

/// Reads an answer front to back.
struct Answer<'a> {
    command: u32,
    rest: &'a [u8],
}

impl<'a> Answer<'a> {
    fn new(command: u32, rest: &'a [u8]) -> Self {
        Self { command, rest }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], RawError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(RawError::Malformed {
                command: self.command,
                what: "it ends early",
            })?;
        self.rest = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, RawError> {
        let bytes = self.take(2)?.try_into().expect("two bytes were taken");
        Ok(u16::from_be_bytes(bytes))
    }

    fn u32(&mut self) -> Result<u32, RawError> {
        let bytes = self.take(4)?.try_into().expect("four bytes were taken");
        Ok(u32::from_be_bytes(bytes))
    }

    fn sized(&mut self) -> Result<&'a [u8], RawError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests;
