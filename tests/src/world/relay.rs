//! Makes a port inside a namespace reachable on the host's loopback, so that a person's
//! browser, or ours, can open the box's pages.
//!
//! A socket belongs to the namespace of the process that opens it. So a child process
//! inside the namespace opens the connections to the box, and a Unix socket, which
//! namespaces do not divide, carries the bytes from the listener outside.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use super::namespaces::Namespace;
use super::process::Process;

/// A port on the host's loopback that leads into a namespace.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    outside: JoinHandle<()>,
    _inside: Process,
}

impl Relay {
    /// Opens a free port on 127.0.0.1 that leads to `target` as seen from `namespace`.
    ///
    /// # Errors
    /// The listener or the process inside could not be started.
    pub async fn start(namespace: &Namespace, target: SocketAddr, folder: &Path) -> Result<Self> {
        let socket = folder.join(format!("relay-{}.sock", target.port()));
        let mut command = namespace.command(std::env::current_exe().context("find ourselves")?);
        command
            .args(["relay-inside", "--target", &target.to_string(), "--socket"])
            .arg(&socket);
        let log = folder.join(format!("relay-{}.log", target.port()));
        let mut inside = Process::start("relay into the box's network", &command, &log)?;
        inside.said("ready", 0, Duration::from_secs(5)).await?;
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("listen on the loopback")?;
        let address = listener.local_addr().context("find the loopback port")?;
        Ok(Self {
            address,
            outside: tokio::spawn(accept_outside(listener, socket)),
            _inside: inside,
        })
    }

    /// The address on the host's loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.outside.abort();
    }
}

async fn accept_outside(listener: TcpListener, socket: PathBuf) {
    while let Ok((mut near, _)) = listener.accept().await {
        let socket = socket.clone();
        tokio::spawn(async move {
            if let Ok(mut far) = UnixStream::connect(socket).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}

/// The half inside the namespace; runs until it is ended.
///
/// # Errors
/// The Unix socket could not be opened.
pub async fn run_inside(socket: &Path, target: SocketAddr) -> Result<()> {
    let listener =
        UnixListener::bind(socket).with_context(|| format!("open {}", socket.display()))?;
    println!("ready");
    loop {
        let (mut near, _) = listener.accept().await.context("accept a connection")?;
        tokio::spawn(async move {
            // A refused connection closes the near side, as the box itself would.
            if let Ok(mut far) = TcpStream::connect(target).await {
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
