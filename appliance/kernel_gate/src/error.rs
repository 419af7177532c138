//! What can go wrong between the gate and the kernel.

use std::io;

/// Why the kernel's gate could not be set or read.
#[derive(Debug, thiserror::Error)]
pub enum KernelGateError {
    /// The `nft` program could not be started or spoken to.
    #[error("could not run {program}")]
    Run {
        /// What was to be run.
        program: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// `nft` did not end in time and was stopped.
    #[error("{program} did not answer within {seconds} s")]
    TimedOut {
        /// What was run.
        program: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The kernel or `nft` refused a transaction: nothing of it is in force.
    #[error("the kernel refused the rules: {message}")]
    Refused {
        /// What `nft` printed, cut at 512 characters.
        message: String,
    },
    /// `nft` answered with something that is no ruleset listing.
    #[error("the listing of the rules was not understood")]
    Listing(#[source] serde_json::Error),
    /// One of the tables is not in force, or not in the shape of this version: close the
    /// gate or apply again.
    #[error("the gate's rules are not in force: {missing} is missing")]
    NotInForce {
        /// What was looked for.
        missing: String,
    },
    /// The kernel's routing rules, which stand behind the gate, could not be read or set.
    #[error("could not set the routing rules behind the gate")]
    Backstop(#[source] rtnetlink::Error),
    /// No connection to the kernel's network tables.
    #[error("could not open a connection to the kernel's network tables")]
    Netlink(#[source] io::Error),
    /// More cameras than the tables hold.
    #[error("{count} cameras are more than the gate holds ({limit})")]
    TooMany {
        /// How many were to be admitted.
        count: usize,
        /// How many can be.
        limit: usize,
    },
    /// Two admissions give one IP address to two MAC addresses, or one MAC address two.
    #[error("{mac} and {ip} are admitted twice, with different partners")]
    Ambiguous {
        /// The MAC address of the later one.
        mac: sealgate_camera::MacAddress,
        /// The IP address of the later one.
        ip: std::net::Ipv4Addr,
    },
}

impl KernelGateError {
    /// The stable code in the error catalog.
    pub fn code(&self) -> &'static str {
        "SG-CAM-010"
    }
}
