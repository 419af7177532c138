//! The TCP connection to a camera: messages and interleaved packets (RFC 2326, 10.12).
//!
//! Invariant: what waits for its rest is at most one message, [`MAX_WAITING_BYTES`]; everything else
//! is given on out of a buffer that all connections of a thread share.

use std::cell::RefCell;
use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::head::{Head, HeadError, MAX_BODY_BYTES, MAX_HEAD_BYTES};
use crate::source::SourceError;

/// One read: as much as is worth the way to the system.
const READ_BYTES: usize = 128 * 1024;
/// The longest message; a packet has 64 KiB.
const MAX_WAITING_BYTES: usize = MAX_HEAD_BYTES + MAX_BODY_BYTES;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; MAX_WAITING_BYTES + READ_BYTES]);
}

/// What a camera sends.
#[derive(Debug)]
pub enum Message<'a> {
    /// A packet of a stream, or a report on one.
    Packet {
        /// Which, as the set-up says.
        channel: u8,
        /// The packet.
        bytes: &'a [u8],
    },
    /// An answer, with its body.
    Response(Head, &'a [u8]),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// The beginning of a message whose rest has not come.
    waiting: Vec<u8>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`].
    pub async fn open(host: &str, port: u16, patience: Duration) -> Result<Self, SourceError> {
        // An address in brackets is one of IPv6, as a URL has it.
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let Ok(connected) = timeout(patience, TcpStream::connect((host, port))).await else {
            let text = format!("no answer within {} s", patience.as_secs());
            return Err(SourceError::Unreachable(text));
        };
        let stream = connected.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(Self {
            stream,
            waiting: Vec::new(),
        })
    }

    /// Both ends of it.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`]: it has just broken.
    pub fn addresses(&self) -> Result<(std::net::IpAddr, std::net::IpAddr), SourceError> {
        let local = self.stream.local_addr().map_err(unreachable)?;
        let camera = self.stream.peer_addr().map_err(unreachable)?;
        Ok((local.ip(), camera.ip()))
    }

    /// Sends a request at once. A camera that takes none of its few bytes reads nothing any more.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`].
    pub fn send(&self, request: &str) -> Result<(), SourceError> {
        match self.stream.try_write(request.as_bytes()) {
            Ok(length) if length == request.len() => Ok(()),
            Ok(_) => Err(SourceError::Unreachable("it takes no requests".into())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(SourceError::Unreachable("it takes no requests".into()))
            }
            Err(error) => Err(unreachable(error)),
        }
    }

    /// Waits until there is something to read. Safe to cancel.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`].
    pub async fn readable(&self) -> Result<(), SourceError> {
        self.stream.readable().await.map_err(unreachable)
    }

    /// Reads what there is, once, and gives every whole message to `each`. `false` once the camera
    /// has closed.
    ///
    /// # Errors
    /// The connection broke, what came is no RTSP, or `each` failed.
    pub fn read(
        &mut self,
        each: impl FnMut(Message<'_>) -> Result<(), SourceError>,
    ) -> Result<bool, SourceError> {
        BUFFER.with_borrow_mut(|buffer| {
            let kept = self.waiting.len();
            let length = match self.stream.try_read(&mut buffer[kept..kept + READ_BYTES]) {
                Ok(0) => return Ok(false),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) => return Err(unreachable(error)),
            };
            buffer[..kept].copy_from_slice(&self.waiting);
            let bytes = &buffer[..kept + length];
            let taken = take_messages(bytes, each)?;
            self.waiting.clear();
            self.waiting.extend_from_slice(&bytes[taken..]);
            Ok(true)
        })
    }
}

/// Gives every whole message on; how many bytes they were.
pub fn take_messages(
    bytes: &[u8],
    mut each: impl FnMut(Message<'_>) -> Result<(), SourceError>,
) -> Result<usize, SourceError> {
    let mut taken = 0;
    loop {
        let rest = &bytes[taken..];
        match rest {
            // Between messages, as in HTTP.
            [b'\r' | b'\n', ..] => taken += 1,
            [b'$', channel, high, low, data @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let Some(bytes) = data.get(..length) else {
                    return Ok(taken);
                };
                let channel = *channel;
                each(Message::Packet { channel, bytes })?;
                taken += 4 + length;
            }
            [] | [b'$', ..] => return Ok(taken),
            [first, ..] if !first.is_ascii_uppercase() => return Err(no_rtsp(HeadError::NotRtsp)),
            _ => {
                let Some((head, length)) = Head::parse(rest).map_err(no_rtsp)? else {
                    return Ok(taken);
                };
                let end = length + head.body_bytes().map_err(no_rtsp)?;
                let Some(body) = rest.get(length..end) else {
                    return Ok(taken);
                };
                // What a camera asks is not answered: it has nothing to ask.
                if head.status.is_some() {
                    each(Message::Response(head, body))?;
                }
                taken += end;
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a map of errors")]
fn unreachable(error: io::Error) -> SourceError {
    SourceError::Unreachable(error.to_string())
}

fn no_rtsp(error: HeadError) -> SourceError {
    SourceError::Rtsp(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const MIXED: &[u8] =
        b"$\0\0\x03abc\r\nRTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nbody\
        OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n$\x01\0\0$\x02\0\x02de";

    fn messages(bytes: &[u8]) -> (Vec<String>, usize) {
        let mut found = Vec::new();
        let taken = take_messages(bytes, |message| {
            found.push(match message {
                Message::Packet { channel, bytes } => {
                    format!("{channel} {}", String::from_utf8_lossy(bytes))
                }
                Message::Response(head, body) => {
                    format!("{:?} {}", head.status, String::from_utf8_lossy(body))
                }
            });
            Ok(())
        });
        (found, taken.unwrap())
    }

    #[test]
    fn packets_and_messages_are_told_apart_wherever_they_are_cut() {
        let expected = ["0 abc", "Some(200) body", "1 ", "2 de"];
        assert_eq!(
            messages(MIXED),
            (expected.map(String::from).to_vec(), MIXED.len())
        );
        for cut in 0..MIXED.len() {
            let (mut found, taken) = messages(&MIXED[..cut]);
            found.extend(messages(&MIXED[taken..]).0);
            assert_eq!(found, expected, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_neither_ends_the_connection() {
        for bytes in [
            &b"zzzz"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nContent-Length: 10000000000\r\n\r\n",
            &[b'R'; 20_000],
        ] {
            assert!(take_messages(bytes, |_| Ok(())).is_err());
        }
    }
}
