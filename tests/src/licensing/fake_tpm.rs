//! Something that stands before a box's TPM: an attacker's program that lies where that
//! helps him, or a stopwatch.

use std::io;
use std::io::Write as _;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sealgate_license::tpm_wire::{AK_TEMPLATE, HashAlgorithm, TpmName, TpmPublic};
use sealgate_tpm::TpmAddress;

use super::SoftwareKey;
use super::raw_tpm::{connect, read_frame, sized, split_sized};

const TPM_CC_CREATE_PRIMARY: u32 = 0x131;
const TPM_CC_ACTIVATE_CREDENTIAL: u32 = 0x147;
const TPM_CC_NV_READ: u32 = 0x14E;
const TPM_CC_NV_CERTIFY: u32 = 0x184;
/// Where NV_Certify's and NV_Read's parameters begin: header, handles (3 or 2), the size
/// of the authorisations, and these (9 bytes each, as all are empty passwords).
const CERTIFY_PARAMETERS: usize = 10 + 12 + 4 + 18;
const READ_PARAMETERS: usize = 10 + 8 + 4 + 9;

/// What a fake TPM says instead of the truth. The rest is answered by the TPM behind it,
/// so that every length, handle and Name is right.
#[derive(Clone)]
pub struct Lies {
    /// The public area shown as the attestation key's.
    pub ak: TpmPublic,
    /// The counter's value.
    pub counter: u64,
    /// Signs in the place of the attestation key.
    pub signer: SoftwareKey,
    /// A TPMS_ATTEST and a TPMT_SIGNATURE of another day, given instead of signing.
    pub recorded: Option<(Vec<u8>, Vec<u8>)>,
}

/// Listens like swtpm, until it is dropped.
pub struct FakeTpm {
    port: u16,
    stop: Arc<AtomicBool>,
    spent_ns: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl FakeTpm {
    /// Stands before this TPM and lies.
    pub fn before(real: &TpmAddress, lies: Lies) -> Self {
        Self::start(real, Some(lies))
    }

    /// Stands before this TPM and only looks at the clock: see [`spent`](Self::spent).
    pub fn stopwatch(real: &TpmAddress) -> Self {
        Self::start(real, None)
    }

    /// How long the TPM behind it took to answer, in sum.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::SeqCst))
    }

    fn start(real: &TpmAddress, lies: Option<Lies>) -> Self {
        let TpmAddress::Swtpm { host, port } = real else {
            panic!("swtpm on TCP")
        };
        let (data, control) = listeners();
        let stop = Arc::new(AtomicBool::new(false));
        let spent_ns = Arc::new(AtomicU64::new(0));
        let address = real.clone();
        let spent = Arc::clone(&spent_ns);
        let answer = move |mut client: TcpStream| {
            let mut real = connect(&address);
            real.set_nodelay(true).unwrap();
            client.set_nodelay(true).unwrap();
            while let Some(command) = read_frame(&mut client) {
                let command = match &lies {
                    Some(_) => Lies::pass_on(command),
                    None => command,
                };
                let sent = Instant::now();
                real.write_all(&command).unwrap();
                let Some(truth) = read_frame(&mut real) else {
                    return;
                };
                let took = u64::try_from(sent.elapsed().as_nanos()).unwrap();
                spent.fetch_add(took, Ordering::SeqCst);
                let answer = match &lies {
                    Some(lies) => lies.instead_of(&command, truth),
                    None => truth,
                };
                if client.write_all(&answer).is_err() {
                    return;
                }
            }
        };
        let real_control = (host.clone(), port + 1);
        let relay = move |client: TcpStream| {
            let real = TcpStream::connect((real_control.0.as_str(), real_control.1)).unwrap();
            let back = (real.try_clone().unwrap(), client.try_clone().unwrap());
            let copier = std::thread::spawn(move || copy(back.0, back.1));
            copy(client, real);
            copier.join().unwrap();
        };
        let port = data.local_addr().unwrap().port();
        let threads = vec![
            serve(data, Arc::clone(&stop), answer),
            serve(control, Arc::clone(&stop), relay),
        ];
        Self {
            port,
            stop,
            spent_ns,
            threads,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> TpmAddress {
        TpmAddress::Swtpm {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.port,
        }
    }
}

impl Drop for FakeTpm {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for port in [self.port, self.port + 1] {
            // Wakes the thread that waits for a client.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        }
        for thread in self.threads.drain(..) {
            // One that panicked has failed the test already.
            let _ = thread.join();
        }
    }
}

/// One after the other, like swtpm.
fn serve(
    listener: TcpListener,
    stop: Arc<AtomicBool>,
    client: impl Fn(TcpStream) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            client(stream.unwrap());
        }
    })
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    // A client that goes away in the middle is the end of its connection.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// Data and control port, neighbours as libtss2 expects.
fn listeners() -> (TcpListener, TcpListener) {
    let bind = |port| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    for _ in 0..100 {
        let data = bind(0).unwrap();
        let port = data.local_addr().unwrap().port();
        if let Some(Ok(control)) = port.checked_add(1).map(bind) {
            return (data, control);
        }
    }
    panic!("no two neighbouring ports are free")
}

impl Lies {
    /// libtss2 computes a session's HMAC over the key's Name that it was shown. The TPM
    /// behind knows another Name; but this session has no key, so none at all will do
    /// (Part 1, 19.6).
    fn pass_on(command: Vec<u8>) -> Vec<u8> {
        let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
        if code != TPM_CC_ACTIVATE_CREDENTIAL {
            return command;
        }
        let (handles, rest) = command[10..].split_at(8);
        let (size, rest) = rest.split_at(4);
        let size = u32::from_be_bytes(size.try_into().unwrap()) as usize;
        let (mut authorisations, parameters) = rest.split_at(size);
        let mut without = Vec::new();
        while !authorisations.is_empty() {
            let (session, rest) = authorisations.split_at(4);
            let (nonce, rest) = split_sized(rest);
            let (attributes, rest) = rest.split_at(1);
            let (_hmac, rest) = split_sized(rest);
            without.extend([session, &sized(nonce), attributes, &[0, 0]].concat());
            authorisations = rest;
        }
        let total = 10 + 8 + 4 + without.len() + parameters.len();
        [
            &command[..2],
            &(total as u32).to_be_bytes(),
            &command[6..10],
            handles,
            &(without.len() as u32).to_be_bytes(),
            &without,
            parameters,
        ]
        .concat()
    }

    fn instead_of(&self, command: &[u8], truth: Vec<u8>) -> Vec<u8> {
        let code = u32::from_be_bytes(command[6..10].try_into().unwrap());
        let failed = truth[6..10] != [0; 4];
        match code {
            _ if failed => truth,
            TPM_CC_CREATE_PRIMARY if contains(command, &AK_TEMPLATE) => self.key(&truth),
            TPM_CC_NV_READ if command[READ_PARAMETERS..] == [0, 8, 0, 0] => self.value(&truth),
            TPM_CC_NV_CERTIFY => self.certification(command, &truth),
            _ => truth,
        }
    }

    /// TPM2_CreatePrimary: handle, size of the parameters, outPublic, creationData,
    /// creationHash, creationTicket, name. libtss2 compares the name with the area.
    fn key(&self, truth: &[u8]) -> Vec<u8> {
        let (public, _) = split_sized(&truth[18..]);
        let ours = self.ak.as_bytes();
        assert_eq!(public.len(), ours.len(), "both are of the template");
        let name = TpmName::of(HashAlgorithm::Sha256, &[public]);
        let mut answer = truth.to_vec();
        answer[20..20 + ours.len()].copy_from_slice(ours);
        let at = find(&answer, name.as_bytes()).expect("the TPM names the key");
        let end = at + name.as_bytes().len();
        answer[at..end].copy_from_slice(self.ak.name().as_bytes());
        answer
    }

    /// TPM2_NV_Read of the counter: size of the parameters, TPM2B of 8 bytes.
    fn value(&self, truth: &[u8]) -> Vec<u8> {
        let mut answer = truth.to_vec();
        answer[16..24].copy_from_slice(&self.counter.to_be_bytes());
        answer
    }

    fn certification(&self, command: &[u8], truth: &[u8]) -> Vec<u8> {
        let (attest, signature) = self.recorded.clone().unwrap_or_else(|| {
            let (qualifying, _) = split_sized(&command[CERTIFY_PARAMETERS..]);
            let name = self.ak.name();
            self.signer.certify(&name, qualifying, self.counter)
        });
        let parameters = [sized(&attest), signature].concat();
        let length = u32::from_be_bytes(truth[10..14].try_into().unwrap()) as usize;
        let authorisations = &truth[14 + length..];
        let total = 14 + parameters.len() + authorisations.len();
        [
            &truth[..2],
            &(total as u32).to_be_bytes(),
            &truth[6..10],
            &(parameters.len() as u32).to_be_bytes(),
            &parameters,
            authorisations,
        ]
        .concat()
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    find(bytes, part).is_some()
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
