//! What can go wrong while looking for cameras or asking one.

use std::io;
use std::net::Ipv4Addr;

/// Why cameras can't be looked for, or why one did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LanError {
    /// The kernel's neighbour table can't be read at all.
    #[error("could not open the kernel's network tables")]
    Netlink(#[source] io::Error),
    /// The camera's service address is none that this box asks.
    #[error("a camera's service address is http:// and an IPv4 address, and {0:?} is not")]
    ServiceAddress(String),
    /// The HTTP client could not be made.
    #[error("could not make a client to ask cameras with")]
    Client(#[source] reqwest::Error),
    /// The camera asks for a user name and password, or refused the given ones.
    #[error("the camera at {host} wants another user name or password")]
    SignIn {
        /// The camera's address.
        host: Ipv4Addr,
    },
    /// The same user name and password were refused a short time ago, and are not tried
    /// again yet: cameras lock an account after a few refusals.
    #[error("the camera at {host} refused this password; it is tried again in {seconds} s")]
    HeldBack {
        /// The camera's address.
        host: Ipv4Addr,
        /// Until it may be tried again.
        seconds: u64,
    },
    /// The camera says that the account is locked, by too many refusals.
    #[error("the camera at {host} has locked this account")]
    Locked {
        /// The camera's address.
        host: Ipv4Addr,
    },
    /// Nothing answers at any port that cameras use.
    #[error("nothing answers at {host}")]
    NothingThere {
        /// The address that was asked.
        host: Ipv4Addr,
    },
    /// Nothing answers there.
    #[error("nothing answers {operation} at {host}")]
    Unreachable {
        /// The address that was asked.
        host: Ipv4Addr,
        /// The operation.
        operation: &'static str,
        /// What the exchange came to.
        #[source]
        source: Box<oxvif::OnvifError>,
    },
    /// Something answers, but not as an ONVIF device would.
    #[error("what is at {host} does not answer {operation} as an ONVIF device")]
    NotOnvif {
        /// The address that was asked.
        host: Ipv4Addr,
        /// The operation.
        operation: &'static str,
        /// What the exchange came to.
        #[source]
        source: Box<oxvif::OnvifError>,
    },
    /// The camera speaks ONVIF, and refused this operation or does not have it.
    #[error("the camera at {host} did not carry out {operation}")]
    Ask {
        /// The camera's address.
        host: Ipv4Addr,
        /// The ONVIF operation.
        operation: &'static str,
        /// What the exchange came to.
        #[source]
        source: Box<oxvif::OnvifError>,
    },
    /// The camera did not answer in time.
    #[error("the camera at {host} took longer than {seconds} s")]
    TimedOut {
        /// The camera's address.
        host: Ipv4Addr,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The camera has no media service, or no profile with a stream.
    #[error("the camera at {host} offers no stream")]
    NoStream {
        /// The camera's address.
        host: Ipv4Addr,
    },
    /// The camera does not have the service: events, or movement.
    #[error("the camera at {host} has no {service} service")]
    NoService {
        /// The camera's address.
        host: Ipv4Addr,
        /// The ONVIF service.
        service: &'static str,
    },
    /// What the camera gave as a stream's address can't be used.
    #[error("the camera at {host} gave a stream address that can't be used")]
    StreamAddress {
        /// The camera's address.
        host: Ipv4Addr,
        /// What is wrong with it.
        #[source]
        source: sealgate_camera::StreamUrlError,
    },
}

impl LanError {
    /// The stable code in the error catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Ask { .. } | Self::NoStream { .. } => "SG-CAM-005",
            Self::ServiceAddress(_) | Self::StreamAddress { .. } => "SG-CAM-006",
            Self::Netlink(_) | Self::Client(_) => "SG-CAM-011",
            Self::SignIn { .. } => "SG-CAM-012",
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::NothingThere { .. } => {
                "SG-CAM-030"
            }
            Self::NotOnvif { .. } => "SG-CAM-031",
            Self::HeldBack { .. } => "SG-CAM-032",
            Self::NoService { .. } => "SG-CAM-033",
            Self::Locked { .. } => "SG-CAM-034",
        }
    }
}
