//! A TPM that is real, behind somebody who answers for it or meddles.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use sealgate_tpm::TpmAddress;

/// What happens to one command.
pub enum Reaction {
    /// The TPM answers.
    Pass,
    /// This is the answer; the TPM never sees the command.
    Answer(Vec<u8>),
    /// The TPM gets this command first, and its answer is dropped.
    First(Vec<u8>),
    /// The TPM answers, and one bit of that changes.
    Flip(usize),
    /// The TPM answers; then this happens, and the answer never arrives.
    #[allow(dead_code, reason = "the power cuts, which share this file, use it")]
    Cut(Box<dyn FnOnce() + Send>),
}

type Hook = Box<dyn FnMut(u32, &[u8]) -> Reaction + Send>;

/// Stands before a swtpm for as long as the test's process runs.
pub struct Proxy {
    port: u16,
    hook: Arc<Mutex<Hook>>,
}

impl Proxy {
    /// Passes everything, until told otherwise.
    pub fn before(tpm: &TpmAddress) -> Self {
        let TpmAddress::Swtpm { port: behind, .. } = *tpm else {
            panic!("swtpm on TCP")
        };
        let hook: Arc<Mutex<Hook>> = Arc::new(Mutex::new(Box::new(|_, _| Reaction::Pass)));
        let (data, control) = listeners();
        let port = data.local_addr().unwrap().port();
        let of_data = Arc::clone(&hook);
        thread::spawn(move || {
            for client in data.incoming().flatten() {
                // A broken connection is the client's to notice.
                let _ = serve(client, behind, &of_data);
            }
        });
        thread::spawn(move || {
            for client in control.incoming().flatten() {
                let _ = pipe(&client, behind + 1);
            }
        });
        Self { port, hook }
    }

    pub fn address(&self) -> TpmAddress {
        TpmAddress::Swtpm {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: self.port,
        }
    }

    /// `hook` gets each command's code and bytes.
    pub fn on_command(&self, hook: impl FnMut(u32, &[u8]) -> Reaction + Send + 'static) {
        *self.hook.lock().unwrap() = Box::new(hook);
    }

    pub fn answer_all(&self, code: u32) {
        self.on_command(move |_, _| Reaction::Answer(answer(code)));
    }

    pub fn pass(&self) {
        self.on_command(|_, _| Reaction::Pass);
    }
}

/// An answer that is only this response code.
pub fn answer(code: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 0x01, 0, 0, 0, 10];
    bytes.extend(code.to_be_bytes());
    bytes
}

fn listeners() -> (TcpListener, TcpListener) {
    loop {
        let data = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = data.local_addr().unwrap().port();
        if let Some(control) = port.checked_add(1)
            && let Ok(control) = TcpListener::bind((Ipv4Addr::LOCALHOST, control))
        {
            return (data, control);
        }
    }
}

/// One command or answer: its length stands in bytes 2 to 6.
fn whole(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; 10];
    stream.read_exact(&mut bytes)?;
    let length = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
    bytes.resize(length.clamp(10, 65536), 0);
    stream.read_exact(&mut bytes[10..])?;
    Ok(bytes)
}

fn serve(mut client: TcpStream, behind: u16, hook: &Mutex<Hook>) -> std::io::Result<()> {
    let mut tpm = TcpStream::connect((Ipv4Addr::LOCALHOST, behind))?;
    loop {
        let command = whole(&mut client)?;
        let code = u32::from_be_bytes([command[6], command[7], command[8], command[9]]);
        let reaction = (hook.lock().unwrap())(code, &command);
        let mut ask = |command: &[u8]| {
            tpm.write_all(command)?;
            whole(&mut tpm)
        };
        let answer = match reaction {
            Reaction::Pass => ask(&command)?,
            Reaction::Answer(answer) => answer,
            Reaction::First(first) => {
                ask(&first)?;
                ask(&command)?
            }
            Reaction::Cut(then) => {
                let answered = ask(&command);
                then();
                answered?;
                return Ok(());
            }
            Reaction::Flip(bit) => {
                let mut answer = ask(&command)?;
                let at = bit / 8 % answer.len();
                answer[at] ^= 1 << (bit % 8);
                answer
            }
        };
        client.write_all(&answer)?;
    }
}

fn pipe(client: &TcpStream, behind: u16) -> std::io::Result<()> {
    let tpm = TcpStream::connect((Ipv4Addr::LOCALHOST, behind))?;
    let (mut from, mut to) = (client.try_clone()?, tpm.try_clone()?);
    let up = thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (tpm, client.try_clone()?);
    let copied = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = up.join();
    copied.map(drop)
}
