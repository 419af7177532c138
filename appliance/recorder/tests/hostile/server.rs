//! An RTSP server with one bad habit. It speaks just enough of RFC 2326 to be believed.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does that no camera should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Takes the connection and says nothing.
    Silent,
    /// Closes every connection at once.
    Closes,
    /// Answers with a header that never ends.
    EndlessHeader,
    /// Announces a body of 10 GB and sends it.
    EndlessBody,
    /// Describes itself with noise.
    NoiseForSdp,
    /// Sends noise once it plays.
    NoiseForRtp,
    /// Plays, and then says nothing.
    SilentOncePlaying,
    /// Sends a picture that never ends, in fragments (RFC 6184, 5.8).
    EndlessPicture,
    /// Its timestamps stand still.
    FrozenTime,
    /// Its timestamps jump by hours, to and fro.
    JumpingTime,
    /// Its pictures are now of this size, now of that.
    ChangingSize,
}

/// Every habit that never gives a whole picture.
pub const USELESS: [Habit; 8] = [
    Habit::Silent,
    Habit::Closes,
    Habit::EndlessHeader,
    Habit::EndlessBody,
    Habit::NoiseForSdp,
    Habit::NoiseForRtp,
    Habit::SilentOncePlaying,
    Habit::EndlessPicture,
];

/// A running server; ends when dropped.
pub struct HostileServer {
    pub url: String,
    connections: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl HostileServer {
    pub async fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("rtsp://{}/main", listener.local_addr().unwrap());
        let pictures = Arc::new(match habit {
            Habit::ChangingSize => [clip("320x240"), clip("176x144")].concat(),
            _ => clip("320x240"),
        });
        let connections = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let pictures = Arc::clone(&pictures);
                tokio::spawn(async move {
                    // Whoever it speaks with hangs up on it sooner or later.
                    let _ = serve(stream, habit, &pictures).await;
                });
            }
        });
        Self {
            url,
            connections,
            task,
        }
    }

    /// How often somebody connected.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for HostileServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// NAL units of one second of H.264 of this size, 10 pictures, parameter sets in front of
/// the key frame.
fn clip(size: &str) -> Vec<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-t", "1", "-i"])
        .arg(format!("testsrc=size={size}:rate=10"))
        .args([
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-tune",
            "zerolatency",
        ])
        .args(["-pix_fmt", "yuv420p", "-g", "10", "-f", "h264", "-"])
        .output()
        .unwrap();
    assert!(output.status.success());
    // Annex B: units between start codes.
    let bytes = output.stdout;
    let starts: Vec<usize> = (0..bytes.len().saturating_sub(3))
        .filter(|at| bytes[*at..].starts_with(&[0, 0, 1]))
        .collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| {
            let mut unit = &bytes[start + 3..end];
            while let Some((0, rest)) = unit.split_last() {
                unit = rest;
            }
            unit.to_vec()
        })
        // Parameter sets and pictures; not the encoder's own words.
        .filter(|unit| matches!(unit[0] & 0x1f, 1 | 5 | 7 | 8))
        .collect()
}

async fn serve(mut stream: TcpStream, habit: Habit, pictures: &[Vec<u8>]) -> std::io::Result<()> {
    match habit {
        Habit::Closes => return Ok(()),
        Habit::Silent => return forever(&mut stream).await,
        Habit::EndlessHeader => {
            stream.write_all(b"RTSP/1.0 200 OK\r\nServer: ").await?;
            return flood(&mut stream, b'x').await;
        }
        Habit::EndlessBody => {
            let head = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 10000000000\r\n\r\n";
            stream.write_all(head).await?;
            return flood(&mut stream, b'v').await;
        }
        _ => {}
    }
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            return Ok(());
        }
        request.extend_from_slice(&piece[..count]);
        while let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&request[..end]).into_owned();
            request.drain(..end + 4);
            let method = text.split(' ').next().unwrap_or_default().to_owned();
            stream
                .write_all(&answer(&text, &method, habit, pictures))
                .await?;
            if method == "PLAY" {
                return play(&mut stream, habit, pictures).await;
            }
        }
    }
}

fn answer(request: &str, method: &str, habit: Habit, pictures: &[Vec<u8>]) -> Vec<u8> {
    let sequence = request
        .lines()
        .find_map(|line| line.strip_prefix("CSeq: "))
        .unwrap_or("1");
    let mut more = String::new();
    let mut body = Vec::new();
    match method {
        "DESCRIBE" => {
            body = if habit == Habit::NoiseForSdp {
                (0..=255_u8).cycle().take(4000).collect()
            } else {
                sdp(pictures).into_bytes()
            };
            more = format!(
                "Content-Type: application/sdp\r\nContent-Length: {}\r\n",
                body.len()
            );
        }
        "SETUP" => more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n".into(),
        "PLAY" => more = "Session: 1\r\n".into(),
        _ => {}
    }
    let mut answer = format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{more}\r\n").into_bytes();
    answer.extend(body);
    answer
}

fn sdp(pictures: &[Vec<u8>]) -> String {
    let unit = |kind| pictures.iter().find(|unit| unit[0] & 0x1f == kind).unwrap();
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
         a=control:track1\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1;sprop-parameter-sets={},{}\r\n",
        base64(unit(7)),
        base64(unit(8))
    )
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three
            .iter()
            .chain([0; 3].iter())
            .take(3)
            .fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        for place in 0..4 {
            if place <= three.len() {
                text.push(LETTERS[word >> (18 - 6 * place) & 63].into());
            } else {
                text.push('=');
            }
        }
    }
    text
}

async fn play(stream: &mut TcpStream, habit: Habit, pictures: &[Vec<u8>]) -> std::io::Result<()> {
    let mut rtp = Rtp::default();
    match habit {
        Habit::SilentOncePlaying => return forever(stream).await,
        Habit::NoiseForRtp => return flood(stream, 0x5a).await,
        Habit::EndlessPicture => {
            // FU-A (RFC 6184, 5.8): an IDR begins, and has no last fragment.
            stream
                .write_all(&rtp.packet(0, false, &[0x7c, 0x85]))
                .await?;
            let fragment: Vec<u8> = [0x7c, 0x05].into_iter().chain([0xaa; 1400]).collect();
            loop {
                stream.write_all(&rtp.packet(0, false, &fragment)).await?;
            }
        }
        _ => {}
    }
    for count in 0_u32.. {
        for unit in pictures {
            let is_picture = matches!(unit[0] & 0x1f, 1 | 5);
            let time = match habit {
                Habit::FrozenTime => 1000,
                Habit::JumpingTime => (count.wrapping_mul(0x4000_0000)).wrapping_add(rtp.time),
                _ => rtp.time,
            };
            for piece in rtp.fragments(time, is_picture, unit) {
                stream.write_all(&piece).await?;
            }
            if is_picture {
                rtp.time = rtp.time.wrapping_add(9000);
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    Ok(())
}

/// RTP (RFC 3550, 5.1), interleaved (RFC 2326, 10.12).
#[derive(Default)]
struct Rtp {
    sequence: u16,
    time: u32,
}

impl Rtp {
    fn packet(&mut self, time: u32, marker: bool, payload: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = u16::try_from(12 + payload.len()).unwrap();
        let mut packet = vec![b'$', 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0x80, 96 | u8::from(marker) << 7]);
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(payload);
        packet
    }

    /// One NAL unit, in pieces of 1200 bytes if it is longer.
    fn fragments(&mut self, time: u32, last: bool, unit: &[u8]) -> Vec<Vec<u8>> {
        if unit.len() <= 1200 {
            return vec![self.packet(time, last, unit)];
        }
        let pieces: Vec<&[u8]> = unit[1..].chunks(1200).collect();
        let count = pieces.len();
        let mut packets = Vec::new();
        for (place, piece) in pieces.into_iter().enumerate() {
            let first_bit = u8::from(place == 0) << 7;
            let last_bit = u8::from(place + 1 == count) << 6;
            let head = [unit[0] & 0x60 | 28, first_bit | last_bit | unit[0] & 0x1f];
            let payload: Vec<u8> = head.into_iter().chain(piece.iter().copied()).collect();
            packets.push(self.packet(time, last && place + 1 == count, &payload));
        }
        packets
    }
}

/// Says nothing until the other side hangs up.
async fn forever(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut piece = [0; 1024];
    while stream.read(&mut piece).await? > 0 {}
    Ok(())
}

/// Sends one byte again and again until the other side hangs up.
async fn flood(stream: &mut TcpStream, byte: u8) -> std::io::Result<()> {
    let piece = vec![byte; 64 * 1024];
    loop {
        stream.write_all(&piece).await?;
    }
}
