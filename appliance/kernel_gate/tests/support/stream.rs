//! An admitted camera that streams, and the sockets that a recorder has.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use super::{A_IP, BOX_IP, World};

/// Where streams go.
pub const RTP_PORT: u16 = 5004;
/// First byte of what the admitted camera sends; attacks send another.
pub const GOOD: u8 = 0x80;
/// Bytes of one packet's payload.
const PAYLOAD: usize = 1200;

/// Camera A streams until told to stop, about 40 Mbit/s.
pub struct Stream {
    stop: Sender<()>,
    sent: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Stream {
    pub fn start(world: &World) -> Self {
        let socket = world.inside("a", || {
            let socket = UdpSocket::bind((A_IP, RTP_PORT)).unwrap();
            socket.connect((BOX_IP, RTP_PORT)).unwrap();
            socket
        });
        let (stop, stopped) = channel();
        let sent = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::spawn({
            let sent = sent.clone();
            move || {
                let payload = [GOOD; PAYLOAD];
                // Four packets each millisecond.
                while stopped.recv_timeout(Duration::from_millis(1))
                    == Err(RecvTimeoutError::Timeout)
                {
                    for _ in 0..4 {
                        // A camera does not mind that nobody listens.
                        let _ = socket.send(&payload);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        let stream = Self { stop, sent, thread };
        stream.go_on(50);
        stream
    }

    /// Returns when so many packets more were sent.
    pub fn go_on(&self, packets: usize) {
        let until = self.sent.load(Ordering::Relaxed) + packets;
        while self.sent.load(Ordering::Relaxed) < until {
            std::thread::yield_now();
        }
    }

    /// Ends it; how many packets it sent.
    pub fn stop(self) -> usize {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
        self.sent.load(Ordering::Relaxed)
    }
}

/// Packets and bytes, by port and by the first byte of the payload.
type Seen = BTreeMap<(u16, u8), (usize, usize)>;

/// UDP sockets of the box, for IPv4 and IPv6, that count what comes in: by port and by the
/// first byte of the payload.
pub struct Sink {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Sink {
    pub fn open(world: &World, ports: &[u16]) -> Self {
        let seen = Arc::new(Mutex::new(Seen::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let threads = ports
            .iter()
            // A socket for both does not hear IPv4 multicast.
            .flat_map(|&port| [(port, Domain::IPV4), (port, Domain::IPV6)])
            .map(|(port, domain)| {
                let socket = world.inside("box", || {
                    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP)).unwrap();
                    socket.set_recv_buffer_size(8 << 20).unwrap();
                    let any: IpAddr = if domain == Domain::IPV6 {
                        socket.set_only_v6(true).unwrap();
                        Ipv6Addr::UNSPECIFIED.into()
                    } else {
                        Ipv4Addr::UNSPECIFIED.into()
                    };
                    socket.bind(&SocketAddr::from((any, port)).into()).unwrap();
                    UdpSocket::from(socket)
                });
                socket
                    .set_read_timeout(Some(Duration::from_millis(20)))
                    .unwrap();
                let (seen, stop) = (seen.clone(), stop.clone());
                std::thread::spawn(move || {
                    let mut buffer = vec![0; 65536];
                    while !stop.load(Ordering::Relaxed) {
                        let Ok(size) = socket.recv(&mut buffer) else {
                            continue;
                        };
                        let mut seen = seen.lock().unwrap();
                        let (packets, bytes) = seen.entry((port, buffer[0])).or_default();
                        *packets += 1;
                        *bytes += size;
                    }
                })
            })
            .collect();
        Self {
            seen,
            stop,
            threads,
        }
    }

    /// Packets that begin with this byte, on all ports.
    pub fn packets(&self, tag: u8) -> usize {
        self.sum(|(_, of)| of == tag).0
    }

    /// Bytes of payload on this port that are not the admitted camera's.
    pub fn foreign_bytes(&self, port: u16) -> usize {
        self.sum(|(at, of)| at == port && of != GOOD).1
    }

    /// Packets that are not the admitted camera's, on all ports.
    pub fn foreign(&self) -> usize {
        self.sum(|(_, of)| of != GOOD).0
    }

    fn sum(&self, which: impl Fn((u16, u8)) -> bool) -> (usize, usize) {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .filter(|(key, _)| which(**key))
            .fold((0, 0), |(packets, bytes), (_, more)| {
                (packets + more.0, bytes + more.1)
            })
    }

    /// Waits until the admitted camera's packets are all there, at most 5 s.
    pub fn expect(&self, good: usize, what: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.packets(GOOD) < good && Instant::now() < deadline {
            std::thread::yield_now();
        }
        assert_eq!(
            self.packets(GOOD),
            good,
            "{what}: the admitted camera's packets"
        );
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
