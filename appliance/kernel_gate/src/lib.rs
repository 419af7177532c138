//! Puts the gate's decision into nftables.
//!
//! Two tables, both named `sealgate`: `netdev` stands at the ingress of each camera port,
//! before the kernel looks at a packet, with an accept-list and default drop; `inet`
//! decides about connections on ports that cameras share with the owner's network, holds
//! the recorder to admitted addresses, and counts what came past. [`ruleset`] is the whole
//! text, as a reviewer reads it. Behind them stands [`Backstop`], which is no part of
//! nftables and lets in nothing that the rules have not marked.
//!
//! Invariants: the admitted set changes in one transaction, so there is no moment at
//! which a camera that stays is shut out or one that goes is let in; a table that is in
//! place is never flushed, so counters and admissions survive a restart of the
//! supervisor; nothing but this crate writes to these tables, and what another hand
//! changes is put back as soon as the kernel tells ([`KernelGate::keep`]), or when the
//! supervisor is back ([`KernelGate::with_memory`]).
//!
//! The rules go through the `nft` binary: text in, JSON out. Its text is the one form of
//! the ruleset that administrators and auditors know, it needs no unsafe code and no
//! library bound to a kernel version, and the transaction is the same; it costs one
//! process start for each change (`docs/bench-gate.md`).
//!
//! Deliberately absent: what a license grants, who is a camera, and any rule for ports
//! without cameras: the owner's side is not this crate's business.

mod admission;
mod backstop;
mod counters;
mod error;
mod gate;
mod in_force;
mod memory;
mod nft;
mod port;
mod ruleset;
mod tables;
mod watch;

pub use admission::Admission;
pub use backstop::Backstop;
pub use counters::{CameraCounters, GateCounters, PassedPackets, PortCounters};
pub use error::KernelGateError;
pub use gate::KernelGate;
pub use nft::Nft;
pub use port::{CameraPort, CameraPortError, PortKind};
pub use ruleset::ruleset;
