//! The sockets of one camera port.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::announcement::{MAX_DATAGRAM_BYTES, probe};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 255, 250);
const PORT: u16 = 3702;

/// A datagram that came in on a camera port.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub interface: String,
    pub from: Ipv4Addr,
    pub bytes: Vec<u8>,
}

/// Probes through one interface and listens there, until dropped.
///
/// Two sockets, as cameras answer in two ways: from port 3702 to the asking port, and
/// from any port to 3702. The second also hears Hello.
#[derive(Debug)]
pub(crate) struct Prober {
    index: u32,
    asking: Arc<UdpSocket>,
    listening: Arc<UdpSocket>,
    readers: [AbortHandle; 2],
}

impl Prober {
    /// Opens both sockets on the interface; nothing leaves by or comes from another one.
    pub fn open(
        interface: &str,
        index: u32,
        datagrams: &mpsc::Sender<Datagram>,
    ) -> io::Result<Self> {
        let asking = Arc::new(socket(interface, index, 0)?);
        let listening = Arc::new(socket(interface, index, PORT)?);
        let read = |socket: &Arc<UdpSocket>| {
            let reader = read(socket.clone(), interface.to_owned(), datagrams.clone());
            tokio::spawn(reader).abort_handle()
        };
        Ok(Self {
            index,
            readers: [read(&asking), read(&listening)],
            asking,
            listening,
        })
    }

    /// The interface's index when the sockets were opened: another one now means that the
    /// interface went away and came back.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Asks everybody on the cable.
    pub async fn ask_all(&self) -> io::Result<()> {
        for types in ["dn:NetworkVideoTransmitter", "tds:Device"] {
            let probe = probe(&uuid::Uuid::new_v4().to_string(), types);
            for socket in [&self.asking, &self.listening] {
                socket.send_to(probe.as_bytes(), (GROUP, PORT)).await?;
            }
        }
        Ok(())
    }

    /// Asks one address. If there is nobody, the kernel finds out.
    pub async fn ask(&self, ip: Ipv4Addr) -> io::Result<()> {
        let probe = probe(
            &uuid::Uuid::new_v4().to_string(),
            "dn:NetworkVideoTransmitter",
        );
        self.asking
            .send_to(probe.as_bytes(), (ip, PORT))
            .await
            .map(drop)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.readers.iter().for_each(AbortHandle::abort);
    }
}

fn socket(interface: &str, index: u32, port: u16) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.bind_device(Some(interface.as_bytes()))?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into())?;
    // SOAP-over-UDP 1.1, 3.1.1: discovery stays on the cable.
    socket.set_multicast_ttl_v4(1)?;
    // Our own probes would come back in through the gate and be counted as dropped.
    socket.set_multicast_loop_v4(false)?;
    if port == PORT {
        socket.join_multicast_v4_n(&GROUP, &InterfaceIndexOrAddress::Index(index))?;
    }
    UdpSocket::from_std(socket.into())
}

async fn read(socket: Arc<UdpSocket>, interface: String, datagrams: mpsc::Sender<Datagram>) {
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
    loop {
        match socket.recv_from(&mut buffer).await {
            Ok((length, SocketAddr::V4(from))) => {
                let from: SocketAddrV4 = from;
                let datagram = Datagram {
                    interface: interface.clone(),
                    from: *from.ip(),
                    bytes: buffer[..length].to_vec(),
                };
                // Full: the kernel's buffer fills and drops, and the next probe asks again.
                if datagrams.send(datagram).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            // Errors of earlier sends are reported here (ICMP unreachable), and a link
            // that is down: neither ends the socket.
            Err(error) => {
                tracing::debug!(%interface, %error, "a discovery socket reported an error");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        }
    }
}
