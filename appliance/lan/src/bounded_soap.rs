//! HTTP to one camera, bounded on all sides.

use std::net::Ipv4Addr;
use std::time::Duration;

use async_trait::async_trait;
use diqwest::{DigestAuthSession, WithDigestAuth};
use oxvif::transport::{Transport, TransportError};
use url::{Host, Url};

use crate::onvif::Credentials;
use crate::xml_text::is_shallow;

/// The longest answer to GetProfiles seen from a camera is about 60 kB.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// For one exchange; the metered trickle of a camera that is not admitted needs seconds.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(8);

/// Replaces the SOAP client's own transport, which follows redirects, honours proxy
/// variables, and reads answers of any length into a tree of any depth.
pub(crate) struct BoundedSoap {
    client: reqwest::Client,
    host: Ipv4Addr,
    /// Some cameras want HTTP Digest (RFC 7616) besides the token in the envelope.
    digest: Option<DigestAuthSession>,
}

impl BoundedSoap {
    pub fn new(host: Ipv4Addr, credentials: Option<&Credentials>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: reqwest::Client::builder()
                .timeout(EXCHANGE_TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .no_proxy()
                // Cameras are asked over plain HTTP: the box has no list of public
                // certificate authorities, and asking for one would fail here.
                .tls_certs_only(std::iter::empty())
                .pool_max_idle_per_host(1)
                .build()?,
            host,
            digest: credentials
                .map(|known| DigestAuthSession::new(known.user.clone(), known.password.clone())),
        })
    }
}

/// The URL with its host replaced by the camera's address: a camera behind a port
/// forwarding, or one that was moved, names hosts that are not it, and nobody but the
/// camera is to be asked. `None`: no plain HTTP URL.
pub(crate) fn at_host(url: &str, host: Ipv4Addr) -> Option<Url> {
    let mut url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    url.set_ip_host(host.into()).ok()?;
    url.set_username("").ok()?;
    url.set_password(None).ok()?;
    Some(url)
}

/// The IPv4 address that the URL names as its host.
pub(crate) fn ipv4_host(url: &Url) -> Option<Ipv4Addr> {
    match url.host() {
        Some(Host::Ipv4(host)) => Some(host),
        _ => None,
    }
}

#[async_trait]
impl Transport for BoundedSoap {
    async fn soap_post(
        &self,
        url: &str,
        action: &str,
        body: String,
    ) -> Result<String, TransportError> {
        let refused = |status: u16, why: &str| TransportError::HttpStatus {
            status,
            body: why.to_owned(),
        };
        let url = at_host(url, self.host).ok_or_else(|| refused(0, "no plain HTTP address"))?;
        // SOAP 1.2 carries the action in the content type (ONVIF Core, 5.2).
        let content_type = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
        let request = self
            .client
            .post(url)
            .header("Content-Type", content_type)
            .body(body);
        let mut response = match &self.digest {
            None => request.send().await?,
            Some(digest) => {
                request
                    .send_digest_auth(digest)
                    .await
                    .map_err(|error| match error {
                        diqwest::error::Error::Reqwest(error) => TransportError::Http(error),
                        _ => refused(401, "the camera's HTTP Digest challenge can't be met"),
                    })?
            }
        };
        let status = response.status().as_u16();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if answer.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(refused(status, "the answer is longer than 512 KiB"));
            }
            answer.extend_from_slice(&chunk);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        // SOAP faults come with 400 and 500 (SOAP 1.2 Part 2, 7.5.2.2).
        if !matches!(status, 200 | 400 | 500) {
            let start: String = answer.chars().take(200).collect();
            return Err(refused(status, &start));
        }
        if !is_shallow(&answer) {
            return Err(refused(status, "the answer's elements are nested too deep"));
        }
        Ok(answer)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nobody_but_the_camera_is_asked() {
        let host = Ipv4Addr::new(192, 168, 77, 11);
        let check = |url: &str, expected: Option<&str>| {
            let found = at_host(url, host);
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{url}");
        };
        check(
            "http://10.0.0.1:8000/onvif/media?x=1",
            Some("http://192.168.77.11:8000/onvif/media?x=1"),
        );
        check(
            "http://user:secret@camera.example/a",
            Some("http://192.168.77.11/a"),
        );
        check("http://[fe80::1]/a", Some("http://192.168.77.11/a"));
        check("https://192.168.77.11/a", None);
        check("file:///etc/passwd", None);
        check("not a URL", None);
    }
}
