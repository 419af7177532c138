//! Which names a request may call this box by.
//!
//! A name of somebody else's that was made to lead here (DNS rebinding) would let a page of
//! theirs read ours as its own: an address can't be one, and other names are refused.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri};
use sealgate_words::Problem;

use crate::errors::problem;
use crate::rooms::BoxIdentity;

/// What every box answers to besides its own name.
const ALWAYS: [&str; 2] = ["sealgate", "localhost"];

/// Refuses a request that names another host (`SG-API-010`).
pub(crate) fn check(headers: &HeaderMap, uri: &Uri, identity: &BoxIdentity) -> Result<(), Problem> {
    // HTTP/1.1 names the host in a header, HTTP/2 in the request's own address.
    let named = headers
        .get(HOST)
        .map(|host| host.to_str().unwrap_or_default())
        .or_else(|| uri.authority().map(Authority::as_str));
    match named {
        // HTTP/1.0 may leave it out; no browser does.
        None => Ok(()),
        Some(named) if is_ours(named, identity) => Ok(()),
        Some(named) => {
            let host: String = named
                .chars()
                .filter(|letter| letter.is_ascii_graphic())
                .take(64)
                .collect();
            Err(problem("SG-API-010", &[("host", &host)]))
        }
    }
}

fn is_ours(named: &str, identity: &BoxIdentity) -> bool {
    let Ok(authority) = named.parse::<Authority>() else {
        return false;
    };
    let host = authority.host().to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    // As its neighbours call it by multicast DNS (RFC 6762).
    let name = host.strip_suffix(".local").unwrap_or(&host);
    ALWAYS.contains(&name)
        || [&identity.name, &identity.serial]
            .into_iter()
            .chain(&identity.host_names)
            .any(|ours| ours.eq_ignore_ascii_case(name) || ours.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_the_boxs_own_names() {
        let identity = BoxIdentity {
            name: "NVR-0207".into(),
            model: String::new(),
            serial: "LAB-0001".into(),
            firmware: String::new(),
            host_names: vec!["video.example.org".into()],
        };
        for (named, expected) in [
            ("192.0.2.7", true),
            ("192.0.2.7:8443", true),
            ("[fe80::1]:443", true),
            ("nvr-0207", true),
            ("lab-0001.local:443", true),
            ("sealgate.local", true),
            ("localhost:9443", true),
            ("Video.Example.org", true),
            ("evil.example", false),
            ("192.0.2.7.evil.example", false),
            ("nvr-0207.evil.example", false),
            ("sealgate.evil.local", false),
            ("", false),
            ("a b", false),
        ] {
            assert_eq!(is_ours(named, &identity), expected, "{named}");
        }
    }
}
