//! A camera that is added by hand: what is at an address, when nothing announced it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use futures::future::join_all;
use sealgate_camera::StreamUrl;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::camera_list::Place;
use crate::exchange::Asker;
use crate::{CameraDescription, Credentials, LanError};

/// Where device services are: HTTP, and what four large makers chose instead.
const ONVIF_PORTS: [u16; 5] = [80, 8000, 8080, 8899, 2020];
/// ONVIF Core, 5.1.1.
const DEVICE_SERVICE: &str = "/onvif/device_service";
const RTSP_PORTS: [u16; 2] = [554, 8554];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Of an answer's head and description, in bytes.
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What is at an address that was given by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ByHand {
    /// A device that describes itself.
    Onvif {
        /// Its device service.
        xaddr: String,
        /// What it offers.
        description: Box<CameraDescription>,
    },
    /// A server of streams, which tells no more: its stream's address is needed.
    StreamServer {
        /// Its RTSP port.
        port: u16,
    },
    /// The stream that was asked for.
    Stream(StreamAnswer),
}

/// What a stream's address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamAnswer {
    /// It is described to anyone.
    Open,
    /// It is there for who signs in; or nothing is, which some servers tell nobody else.
    SignIn,
    /// The server has no such stream.
    NotThere,
    /// The server answered with this status.
    Refused(u16),
}

impl Asker {
    /// Looks what is at a place.
    ///
    /// # Errors
    /// As for [`Asker::describe`]: nothing answers at any known port; or something does,
    /// but speaks neither ONVIF nor RTSP.
    pub async fn look_at(
        &self,
        place: &Place,
        credentials: Option<&Credentials>,
    ) -> Result<ByHand, LanError> {
        match place {
            Place::Service(xaddr) => self.described(xaddr.clone(), credentials).await,
            Place::Stream(url) => {
                let wrong = || LanError::ServiceAddress(url.chars().take(128).collect());
                let stream: StreamUrl = url.parse().map_err(|_| wrong())?;
                let host = stream.host().parse().map_err(|_| wrong())?;
                let answer = ask_rtsp(host, stream.port(), "DESCRIBE", url)
                    .await
                    .ok_or(LanError::NothingThere { host })?;
                Ok(ByHand::Stream(match answer {
                    200..=299 => StreamAnswer::Open,
                    401 | 403 => StreamAnswer::SignIn,
                    404 | 454 => StreamAnswer::NotThere,
                    other => StreamAnswer::Refused(other),
                }))
            }
            Place::Address { ip, port } => self.search(*ip, *port, credentials).await,
        }
    }

    async fn described(
        &self,
        xaddr: String,
        credentials: Option<&Credentials>,
    ) -> Result<ByHand, LanError> {
        let description = Box::new(self.describe(&xaddr, credentials).await?);
        Ok(ByHand::Onvif { xaddr, description })
    }

    /// The address of the ONVIF device service at a host, looked for where cameras have it.
    ///
    /// # Errors
    /// Nothing answers at any known port, or nothing that speaks ONVIF.
    pub async fn find_service(&self, host: Ipv4Addr) -> Result<String, LanError> {
        self.service_at(host, ONVIF_PORTS.to_vec()).await
    }

    async fn service_at(&self, host: Ipv4Addr, ports: Vec<u16>) -> Result<String, LanError> {
        let open = join_all(ports.into_iter().map(|port| async move {
            let address = SocketAddrV4::new(host, port);
            let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
            matches!(connected, Ok(Ok(_))).then_some(port)
        }))
        .await;
        let mut last = LanError::NothingThere { host };
        for port in open.into_iter().flatten() {
            let xaddr = format!("http://{host}:{port}{DEVICE_SERVICE}");
            // Anyone may ask for the time, so no password goes to what is no camera.
            match self.tells_time(&xaddr).await {
                Ok(()) => return Ok(xaddr),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn search(
        &self,
        host: Ipv4Addr,
        port: Option<u16>,
        credentials: Option<&Credentials>,
    ) -> Result<ByHand, LanError> {
        let ports = port.map_or_else(|| ONVIF_PORTS.to_vec(), |port| vec![port]);
        let last = match self.service_at(host, ports).await {
            Ok(xaddr) => return self.described(xaddr, credentials).await,
            Err(error) => error,
        };
        let rtsp: Vec<u16> = RTSP_PORTS.into_iter().chain(port).collect();
        let found = join_all(rtsp.into_iter().map(|port| async move {
            let url = format!("rtsp://{host}:{port}/");
            let answer = ask_rtsp(host, port, "OPTIONS", &url).await;
            answer.map(|_| port)
        }))
        .await;
        match found.into_iter().flatten().next() {
            Some(port) => Ok(ByHand::StreamServer { port }),
            None => Err(last),
        }
    }
}

/// Asks once, without signing in. The status; none if nothing that speaks RTSP answers.
async fn ask_rtsp(host: Ipv4Addr, port: u16, method: &str, url: &str) -> Option<u16> {
    let exchange = async {
        let mut stream = TcpStream::connect(SocketAddrV4::new(host, port))
            .await
            .ok()?;
        // RFC 2326, 10.1 and 10.2. The URL was parsed, so it holds no line end.
        let request =
            format!("{method} {url} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        let mut part = [0; 1024];
        while answer.len() < MAX_ANSWER_BYTES {
            let length = stream.read(&mut part).await.ok()?;
            answer.extend_from_slice(part.get(..length)?);
            if length == 0 || answer.contains(&b'\n') {
                break;
            }
        }
        rtsp_status(&answer)
    };
    timeout(ANSWER_TIMEOUT, exchange).await.ok().flatten()
}

/// The status of an answer (RFC 2326, 7.1).
fn rtsp_status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("RTSP/"))?;
    let status = words.next().filter(|word| word.len() == 3)?;
    status.parse().ok().filter(|status| *status >= 100)
}

/// How many channels what was found needs: one for each source. A re-streamer or an encoder
/// behind one MAC address needs as many as it has.
pub fn channels_needed(description: &CameraDescription) -> usize {
    description.sources.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let check = |answer: &[u8], expected: Option<u16>| {
            assert_eq!(rtsp_status(answer), expected, "{answer:?}");
        };
        check(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n", Some(200));
        check(b"RTSP/2.0 401 Unauthorized\r\n", Some(401));
        check(b"RTSP/1.0 404", Some(404));
        check(b"HTTP/1.1 400 Bad Request\r\n", None);
        check(b"RTSP/1.0 99 x\r\n", None);
        check(b"RTSP/1.0 +20 x\r\n", None);
        check(b"RTSP/1.0\r\n200", None);
        check(&[0xff; 100], None);
        check(b"", None);
    }
}
