//! Hears ARP on one camera port, before the gate.
//!
//! A permanent neighbour entry takes no notice of ARP, and the gate drops what an impostor
//! claims, so the kernel's table tells of neither a second claimant nor of a move. A packet
//! socket for all protocols is handed each frame before the ingress hook drops it (one for
//! ARP alone comes after); a filter leaves only ARP, so video costs no copy.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{LinkAddr, bind, recvfrom};
use sealgate_camera::MacAddress;
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::arp::{ArpClaim, claim, question};

/// linux/if_ether.h: every protocol.
const ETH_P_ALL: u16 = 0x0003;
/// Frames read at a time; then others have their turn. With the pause, an ARP storm costs
/// at most some thousand frames a second and the kernel drops the rest.
const BATCH: usize = 64;
const PAUSE: Duration = Duration::from_millis(10);

/// Classic BPF (linux/filter.h; ancillary data at -0x1000): ARP without a VLAN tag, and
/// nothing that the box itself sends.
fn only_arp() -> [SockFilter; 8] {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const PACKET_TYPE: u32 = 0xffff_f004;
    const OUTGOING: u32 = 4;
    const VLAN_TAG_PRESENT: u32 = 0xffff_f030;
    [
        SockFilter::new(LOAD_WORD, 0, 0, PACKET_TYPE),
        SockFilter::new(JUMP_IF_EQUAL, 5, 0, OUTGOING),
        SockFilter::new(LOAD_WORD, 0, 0, VLAN_TAG_PRESENT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, 0),
        SockFilter::new(LOAD_HALF, 0, 0, 12),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, 0x0806),
        SockFilter::new(RETURN, 0, 0, 64),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// What was heard on a port.
#[derive(Debug)]
pub(crate) struct Heard {
    pub interface: String,
    pub claim: ArpClaim,
}

/// Hears until dropped.
#[derive(Debug)]
pub(crate) struct Ear {
    index: u32,
    mac: MacAddress,
    /// A packet socket: tokio has no type of its own for one, and its datagram socket waits
    /// for any.
    socket: Arc<UdpSocket>,
    reader: AbortHandle,
}

impl Ear {
    /// Needs CAP_NET_RAW.
    pub fn open(interface: &str, index: u32, heard: &mpsc::Sender<Heard>) -> io::Result<Self> {
        let address = getifaddrs()?
            .filter(|found| found.interface_name == interface)
            .find_map(|found| found.address?.as_link_addr().copied())
            .filter(|address| u32::try_from(address.ifindex()) == Ok(index))
            .ok_or(io::ErrorKind::NotFound)?;
        let mac = address
            .addr()
            .and_then(|octets| MacAddress::from_octets(octets).ok())
            .ok_or(io::ErrorKind::Unsupported)?;
        let protocol = Protocol::from(i32::from(ETH_P_ALL.to_be()));
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol))?;
        socket.attach_filter(&only_arp())?;
        socket.set_nonblocking(true)?;
        // The address names no protocol, which leaves the socket's own.
        bind(socket.as_raw_fd(), &address)?;
        let socket = Arc::new(UdpSocket::from_std(socket.into())?);
        let reader = read(socket.clone(), interface.to_owned(), index, heard.clone());
        Ok(Self {
            index,
            mac,
            socket,
            reader: tokio::spawn(reader).abort_handle(),
        })
    }

    /// The interface's index when the socket was opened.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Asks everybody who has an address. A full queue drops the question; the next one is
    /// a second away.
    pub fn ask(&self, own_ip: Ipv4Addr, ip: Ipv4Addr) -> io::Result<()> {
        let frame = question(self.mac, own_ip, ip);
        SockRef::from(self.socket.as_ref()).send(&frame).map(drop)
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(socket: Arc<UdpSocket>, interface: String, index: u32, heard: mpsc::Sender<Heard>) {
    let mut frame = [0; 64];
    loop {
        for _ in 0..BATCH {
            let read = socket
                .async_io(Interest::READABLE, || {
                    recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame).map_err(io::Error::from)
                })
                .await;
            match read {
                Ok((length, from)) => {
                    // Frames of other interfaces may have come in before the bind.
                    let here = from.is_some_and(|from| u32::try_from(from.ifindex()) == Ok(index));
                    let claim = frame.get(..length).and_then(claim).filter(|_| here);
                    if let Some(claim) = claim {
                        let interface = interface.clone();
                        // Full: a storm, in which one claim more says nothing new.
                        let sent = heard.try_send(Heard { interface, claim });
                        if matches!(sent, Err(mpsc::error::TrySendError::Closed(_))) {
                            return;
                        }
                    }
                }
                // The link is down: frames come again when it is up.
                Err(error) => {
                    tracing::debug!(%interface, %error, "the ARP socket reported an error");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
