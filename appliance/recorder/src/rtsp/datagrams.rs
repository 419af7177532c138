//! Packets over UDP: two sockets for each stream (RFC 3550, 11), put into order.

use std::io;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::net::UdpSocket;
use tokio::time::Instant;

use crate::reorder::{PATIENCE, Reorder};
use crate::source::SourceError;

/// What a socket may hold while a session thread sleeps; the system's limit
/// (`net.core.rmem_max`) goes before it.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 65_536;
/// Datagrams of one turn, so that one camera does not hold up the others of its thread.
const MOST_AT_ONCE: usize = 1024;

/// One stream's sockets.
#[derive(Debug)]
pub struct Datagrams {
    rtp: UdpSocket,
    /// Reports are taken, so that nobody is told that nobody listens, and not read.
    rtcp: UdpSocket,
    camera: IpAddr,
    began: Instant,
    reorder: Reorder,
    ready: Vec<Bytes>,
}

impl Datagrams {
    /// Binds an even port and the one after it.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`]: the system has none free.
    pub async fn bind(local: IpAddr, camera: IpAddr) -> Result<Self, SourceError> {
        let failed = |error: io::Error| SourceError::Unreachable(error.to_string());
        for _ in 0..100 {
            let rtp = UdpSocket::bind((local, 0)).await.map_err(failed)?;
            let port = rtp.local_addr().map_err(failed)?.port();
            if port % 2 == 0
                && let Ok(rtcp) = UdpSocket::bind((local, port + 1)).await
            {
                set_socket_recv_buffer_size(&rtp, RECEIVE_BUFFER_BYTES)
                    .map_err(|error| failed(error.into()))?;
                return Ok(Self {
                    rtp,
                    rtcp,
                    camera,
                    began: Instant::now(),
                    reorder: Reorder::default(),
                    ready: Vec::new(),
                });
            }
        }
        Err(SourceError::Unreachable("no pair of ports is free".into()))
    }

    /// The even port.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`].
    pub fn port(&self) -> Result<u16, SourceError> {
        let address = self.rtp.local_addr();
        address
            .map(|address| address.port())
            .map_err(|error| SourceError::Unreachable(error.to_string()))
    }

    /// Ready when there is a datagram.
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        let reports = self.rtcp.poll_recv_ready(context).is_ready();
        if self.rtp.poll_recv_ready(context).is_ready() || reports {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// When what waits for a missing packet has to be looked at again.
    pub fn patience(&self) -> Option<Duration> {
        self.reorder.is_waiting().then_some(PATIENCE / 4)
    }

    /// Takes what has come, and gives the packets in their order.
    pub fn receive(&mut self) -> std::vec::Drain<'_, Bytes> {
        let now = self.began.elapsed();
        let mut datagram = [0; DATAGRAM_BYTES];
        for _ in 0..MOST_AT_ONCE {
            // An error is an answer to something we did not send, and no end.
            let Ok((length, from)) = self.rtp.try_recv_from(&mut datagram) else {
                break;
            };
            if from.ip() == self.camera {
                let packet = Bytes::copy_from_slice(&datagram[..length]);
                self.reorder.push(packet, now, &mut self.ready);
            }
        }
        while self.rtcp.try_recv_from(&mut datagram).is_ok() {}
        self.reorder.expire(now, &mut self.ready);
        self.ready.drain(..)
    }

    /// Packets that came too late or twice.
    pub fn late(&self) -> u64 {
        self.reorder.late()
    }
}
