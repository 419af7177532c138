//! Hearing at once that somebody changed the rules.

use std::io;
use std::time::Duration;

use rtnetlink::sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use crate::KernelGate;

/// The kernel tells here of each change of nftables (linux/netfilter/nfnetlink.h).
const NFNLGRP_NFTABLES: u32 = 7;
/// And here of interfaces, and of routing rules for IPv4 (linux/rtnetlink.h).
const RTNLGRP_LINK: u32 = 1;
const RTNLGRP_IPV4_RULE: u32 = 8;
/// Where the kernel tells nothing: how soon to look again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// After a failure, which another hand at work may cause: how soon at first.
const TRY_AGAIN: Duration = Duration::from_millis(50);

/// Two subscriptions to what the kernel tells.
struct Watch {
    nftables: TokioSocket,
    network: TokioSocket,
}

impl Watch {
    fn open() -> io::Result<Self> {
        let subscribe = |protocol, groups: &[u32]| {
            let mut socket = TokioSocket::new(protocol)?;
            socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
            for group in groups {
                socket.socket_mut().add_membership(*group)?;
            }
            Ok::<_, io::Error>(socket)
        };
        Ok(Self {
            nftables: subscribe(NETLINK_NETFILTER, &[NFNLGRP_NFTABLES])?,
            network: subscribe(NETLINK_ROUTE, &[RTNLGRP_LINK, RTNLGRP_IPV4_RULE])?,
        })
    }

    /// Returns when something changed, and after a while where nothing was heard because the
    /// kernel had more to tell than was read.
    async fn changed(&self) {
        let heard = tokio::select! {
            heard = self.nftables.recv_from_full() => heard,
            heard = self.network.recv_from_full() => heard,
        };
        if heard.is_err() {
            // ENOBUFS: something was lost. Looking is the answer to that too.
            tokio::task::yield_now().await;
        }
        // What came along with it is looked at in the same look.
        for socket in [&self.nftables, &self.network] {
            while socket.socket_ref().recv_from_full().is_ok() {}
        }
    }
}

impl KernelGate {
    /// Keeps in force what was applied: mends at once what another hand changes, and gives a
    /// port that comes back its rules. Never returns.
    pub async fn keep(&self) {
        let watch = match Watch::open() {
            Ok(watch) => Some(watch),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the kernel does not tell of changed rules; they are looked at each second"
                );
                None
            }
        };
        let mut pause = TRY_AGAIN;
        loop {
            if let Err(error) = self.mend().await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the gate's rules could not be looked at"
                );
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LOOK_AGAIN);
                continue;
            }
            pause = TRY_AGAIN;
            match &watch {
                Some(watch) => watch.changed().await,
                None => tokio::time::sleep(LOOK_AGAIN).await,
            }
        }
    }
}
