//! RTP over UDP, for an RTSP client that must not see packets out of order.
//!
//! retina 0.4 drops a datagram that comes after its successor
//! (`client/rtp.rs`, `InorderParser::rtp_validate`) before anybody else sees it, and its sockets
//! are its own. So it talks to this relay, on the loopback interface and over TCP: requests go
//! on to the camera as they are, but that SETUP asks the camera for datagrams (RFC 2326, 12.39);
//! these are put into order and given to the client as interleaved data (10.12).
//!
//! The relay ends when either side closes its connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::reorder::{PATIENCE, Reorder};
use crate::rtsp_text::{Head, MAX_HEAD_BYTES};

/// What a socket may hold while a session thread sleeps; the system's limit
/// (`net.core.rmem_max`) goes before it.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Chunks that wait for the client, which reads whenever it runs; more are lost.
const MAX_WAITING: usize = 4096;
/// Tracks of one session, each with two sockets.
const MAX_TRACKS: usize = 4;
/// The client has connected by then.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Connects to a camera and waits for the client; gives where.
///
/// # Errors
/// The camera can't be reached, or the system has no socket left.
pub async fn start(host: &str, port: u16) -> io::Result<SocketAddr> {
    let camera = TcpStream::connect((host, port)).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let Ok(Ok((client, _))) = timeout(CONNECT_TIMEOUT, listener.accept()).await else {
            return;
        };
        if let Err(error) = relay(client, camera).await {
            tracing::debug!(%error, "the relay of datagrams ends");
        }
    });
    Ok(address)
}

async fn relay(client: TcpStream, camera: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    camera.set_nodelay(true)?;
    let ended = CancellationToken::new();
    let _guard = ended.clone().drop_guard();
    let (to_client, waiting) = mpsc::channel(MAX_WAITING);
    let shared = Arc::new(Shared {
        local: camera.local_addr()?.ip(),
        camera: camera.peer_addr()?.ip(),
        to_client,
        ended,
        setups: Mutex::default(),
    });
    let (client_read, client_write) = client.into_split();
    let (camera_read, camera_write) = camera.into_split();
    tokio::select! {
        result = requests(client_read, camera_write, &shared) => result,
        result = responses(camera_read, &shared) => result,
        result = write_all(client_write, waiting) => result,
    }
}

struct Shared {
    local: IpAddr,
    camera: IpAddr,
    to_client: mpsc::Sender<Bytes>,
    ended: CancellationToken,
    setups: Mutex<Vec<Setup>>,
}

/// A SETUP that waits for its response.
struct Setup {
    cseq: String,
    /// The client's parameter, such as `interleaved=0-1`.
    interleaved: String,
}

async fn write_all(
    mut client: OwnedWriteHalf,
    mut waiting: mpsc::Receiver<Bytes>,
) -> io::Result<()> {
    let mut chunks = Vec::new();
    let mut joined = BytesMut::new();
    while waiting.recv_many(&mut chunks, 256).await > 0 {
        for chunk in chunks.drain(..) {
            joined.extend_from_slice(&chunk);
        }
        client.write_all(&joined).await?;
        joined.clear();
    }
    Ok(())
}

/// From the client to the camera.
async fn requests(
    mut client: OwnedReadHalf,
    mut camera: OwnedWriteHalf,
    shared: &Arc<Shared>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut tracks = 0;
    let mut last = None;
    while let Some(mut head) = read_head(&mut client, &mut buffer).await? {
        let body = read_body(&mut client, &mut buffer, &head).await?;
        if head.is_request("SETUP") {
            tracks += 1;
            if tracks > MAX_TRACKS {
                return Err(io::Error::other("a session of too many tracks"));
            }
            ask_for_datagrams(&mut head, shared).await?;
        }
        camera.write_all(&head.to_bytes()).await?;
        camera.write_all(&body).await?;
        last = Some(head);
    }
    // The client closed. A camera may go on sending datagrams until its session times out, so it
    // is told; where it wants a password for that, the time-out it is.
    if let Some(end) = last.as_ref().and_then(Head::teardown) {
        camera.write_all(&end).await?;
    }
    Ok(())
}

/// Opens two sockets for a track, and writes them into the request.
async fn ask_for_datagrams(head: &mut Head, shared: &Arc<Shared>) -> io::Result<()> {
    let (Some(transport), Some(cseq)) = (head.get("Transport"), head.get("CSeq")) else {
        return Err(io::Error::other("a SETUP without transport"));
    };
    let interleaved = transport
        .split(';')
        .find(|part| part.starts_with("interleaved="))
        .ok_or_else(|| io::Error::other("a SETUP without channels"))?
        .to_owned();
    let channel = interleaved["interleaved=".len()..]
        .split('-')
        .next()
        .and_then(|first| first.parse::<u8>().ok())
        .ok_or_else(|| io::Error::other("a SETUP without a channel number"))?;
    let cseq = cseq.to_owned();
    let (rtp, rtcp) = socket_pair(shared.local).await?;
    let port = rtp.local_addr()?.port();
    head.set(
        "Transport",
        &format!("RTP/AVP;unicast;client_port={port}-{}", port + 1),
    );
    shared
        .setups
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(Setup { cseq, interleaved });
    tokio::spawn(receive(rtp, channel, true, Arc::clone(shared)));
    tokio::spawn(receive(rtcp, channel + 1, false, Arc::clone(shared)));
    Ok(())
}

/// An even port and the one after it (RFC 3550, 11).
async fn socket_pair(local: IpAddr) -> io::Result<(UdpSocket, UdpSocket)> {
    for _ in 0..100 {
        let rtp = UdpSocket::bind((local, 0)).await?;
        let port = rtp.local_addr()?.port();
        if port % 2 == 0
            && port != 0
            && let Ok(rtcp) = UdpSocket::bind((local, port + 1)).await
        {
            set_socket_recv_buffer_size(&rtp, RECEIVE_BUFFER_BYTES)?;
            return Ok((rtp, rtcp));
        }
    }
    Err(io::Error::other("no pair of ports is free"))
}

/// From a socket to the client, in order where they are RTP.
async fn receive(socket: UdpSocket, channel: u8, is_rtp: bool, shared: Arc<Shared>) {
    let began = Instant::now();
    let mut reorder = Reorder::default();
    let mut ready = Vec::new();
    let mut begun = !is_rtp;
    let mut datagram = vec![0; 65_536];
    loop {
        let wait = if reorder.is_waiting() {
            PATIENCE / 4
        } else {
            Duration::from_secs(3600)
        };
        let received = tokio::select! {
            () = shared.ended.cancelled() => break,
            received = timeout_at(Instant::now() + wait, socket.recv_from(&mut datagram)) => received,
        };
        match received {
            Ok(Ok((length, from))) if from.ip() == shared.camera => {
                let packet = Bytes::copy_from_slice(&datagram[..length]);
                if is_rtp {
                    reorder.push(packet, began.elapsed(), &mut ready);
                } else {
                    ready.push(packet);
                }
            }
            // From somebody else; or an answer to nothing we sent.
            Ok(_) | Err(_) => {}
        }
        reorder.expire(began.elapsed(), &mut ready);
        for packet in ready.drain(..) {
            // A server that has others watching begins anywhere; the client takes the rest of a
            // picture's fragment without its start for an error, and ends the session.
            if !begun && continues_fragment(&packet) {
                continue;
            }
            begun = true;
            // A full queue loses the packet, as a full socket would.
            let _ = shared.to_client.try_send(interleaved(channel, &packet));
        }
    }
    if reorder.late() > 0 {
        tracing::info!(packets = reorder.late(), "packets came too late or twice");
    }
}

/// A fragment of H.264 (RFC 6184, 5.8) or H.265 (RFC 7798, 4.4.3) that is not the first one. What is
/// neither has these bits by chance at most.
fn continues_fragment(packet: &[u8]) -> bool {
    let fragment = || {
        let first = *packet.first()?;
        // RFC 3550, 5.1 and 5.3.1: contributing sources and an extension before the payload.
        let mut header = 12 + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = packet.get(header + 2..header + 4)?.try_into().ok()?;
            header += 4 + 4 * usize::from(u16::from_be_bytes(words));
        }
        let payload = packet.get(header..header + 3)?;
        let h264 = payload[0] & 0x1f == 28 && payload[1] & 0x80 == 0;
        let h265 = (payload[0] >> 1) & 0x3f == 49 && payload[2] & 0x80 == 0;
        Some(h264 || h265)
    };
    fragment().unwrap_or(false)
}

/// RFC 2326, 10.12.
fn interleaved(channel: u8, packet: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(4 + packet.len());
    let length = u16::try_from(packet.len()).expect("a datagram has less than 64 KiB");
    framed.extend_from_slice(&[b'$', channel]);
    framed.extend_from_slice(&length.to_be_bytes());
    framed.extend_from_slice(packet);
    framed.freeze()
}

/// From the camera to the client.
async fn responses(mut camera: OwnedReadHalf, shared: &Shared) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    while let Some(mut head) = read_head(&mut camera, &mut buffer).await? {
        let body = read_body(&mut camera, &mut buffer, &head).await?;
        let setup = {
            let mut setups = shared.setups.lock().unwrap_or_else(PoisonError::into_inner);
            let place = setups
                .iter()
                .position(|setup| head.get("CSeq") == Some(setup.cseq.as_str()));
            place.map(|place| setups.swap_remove(place))
        };
        if let Some(setup) = setup
            && let Some(transport) = head.get("Transport")
        {
            let ssrc = transport
                .split(';')
                .find(|part| part.trim_start().starts_with("ssrc="))
                .map_or(String::new(), |part| format!(";{part}"));
            let transport = format!("RTP/AVP/TCP;unicast;{}{ssrc}", setup.interleaved);
            head.set("Transport", &transport);
        }
        let mut message = BytesMut::from(&head.to_bytes()[..]);
        message.extend_from_slice(&body);
        if shared.to_client.send(message.freeze()).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// The next message's head; `None` at the end of the stream.
async fn read_head(from: &mut OwnedReadHalf, buffer: &mut BytesMut) -> io::Result<Option<Head>> {
    loop {
        if let Some((head, length)) = Head::parse(buffer)? {
            let _ = buffer.split_to(length);
            return Ok(Some(head));
        }
        if buffer.len() > MAX_HEAD_BYTES {
            return Err(io::Error::other("an RTSP message without end"));
        }
        if from.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_body(
    from: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    head: &Head,
) -> io::Result<Bytes> {
    let length = head.body_bytes()?;
    while buffer.len() < length {
        if from.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(buffer.split_to(length).freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_fragment_is_known() {
        let check = |header: &[u8], payload: &[u8], expected| {
            let mut packet = header.to_vec();
            packet.resize(12, 0);
            if header[0] == 0x91 {
                // One contributing source, and an extension of one word.
                packet.extend([0, 0, 0, 7, 0xbe, 0xde, 0, 1, 1, 2, 3, 4]);
            }
            packet.extend(payload);
            assert_eq!(continues_fragment(&packet), expected, "{packet:?}");
        };
        for header in [[0x80], [0x91]] {
            check(&header, &[0x7c, 0x05, 0], true);
            check(&header, &[0x7c, 0x85, 0], false);
            check(&header, &[0x67, 0x42, 0], false);
            check(&header, &[0x62, 0x01, 0x13], true);
            check(&header, &[0x62, 0x01, 0x93], false);
            check(&header, &[0x7c], false);
        }
        assert!(!continues_fragment(&[]));
        assert!(!continues_fragment(&[0x9f; 13]));
    }
}
