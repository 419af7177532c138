//! HTTP to one camera, bounded on all sides.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use diqwest::{DigestAuthSession, WithDigestAuth};
use oxvif::transport::TransportError;
use reqwest::{RequestBuilder, Response};
use url::{Host, Url};

use crate::Credentials;
use crate::xml_text::is_shallow;

/// The longest answer to GetProfiles seen from a camera is about 60 kB.
const MAX_ANSWER_BYTES: usize = 512 * 1024;
/// A picture of 8 megapixels in JPEG's best quality is about 6 MB.
const MAX_PICTURE_BYTES: usize = 8 * 1024 * 1024;
/// For one exchange; the metered trickle of a camera that is not admitted needs seconds.
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(8);
/// No `Date` header came yet.
const NO_DATE: i64 = i64::MIN;

/// Replaces the SOAP client's own transport, which follows redirects, honours proxy
/// variables, and reads answers of any length into a tree of any depth.
pub(crate) struct BoundedSoap {
    client: reqwest::Client,
    host: Ipv4Addr,
    /// Some cameras want HTTP Digest (RFC 7616) instead of the token in the envelope.
    digest: Option<DigestAuthSession>,
    /// The camera offered HTTP Digest when it refused.
    offers_digest: AtomicBool,
    /// What the camera's last `Date` header said, in milliseconds of UTC since 1970.
    date_utc_ms: AtomicI64,
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
            offers_digest: AtomicBool::new(false),
            date_utc_ms: AtomicI64::new(NO_DATE),
        })
    }

    /// The camera's clock as its web server tells it, in milliseconds of UTC since 1970.
    pub fn date_utc_ms(&self) -> Option<i64> {
        let date = self.date_utc_ms.load(Ordering::Relaxed);
        (date != NO_DATE).then_some(date)
    }

    /// Posts an envelope with HTTP Digest.
    pub async fn post_with_digest(
        &self,
        url: &str,
        action: &str,
        envelope: String,
    ) -> Result<String, TransportError> {
        self.exchange(url, action, envelope, self.digest.as_ref())
            .await
    }

    /// Posts an envelope as it is.
    pub async fn post(
        &self,
        url: &str,
        action: &str,
        envelope: String,
    ) -> Result<String, TransportError> {
        self.exchange(url, action, envelope, None).await
    }

    async fn exchange(
        &self,
        url: &str,
        action: &str,
        envelope: String,
        digest: Option<&DigestAuthSession>,
    ) -> Result<String, TransportError> {
        let url = at_host(url, self.host).ok_or_else(|| refused(0, "no plain HTTP address"))?;
        // SOAP 1.2 carries the action in the content type (ONVIF Core, 5.2).
        let content_type = format!("application/soap+xml; charset=utf-8; action=\"{action}\"");
        let request = self
            .client
            .post(url)
            .header("Content-Type", content_type)
            .body(envelope);
        let response = self.send(request, digest).await?;
        let status = response.status().as_u16();
        let answer = body(response, MAX_ANSWER_BYTES).await?;
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

    /// Whether the camera offered HTTP Digest when it refused.
    pub fn offers_digest(&self) -> bool {
        self.offers_digest.load(Ordering::Relaxed)
    }

    /// Fetches a picture from the camera, at its own address whatever host the URL names.
    pub async fn get(&self, url: &str) -> Result<Vec<u8>, TransportError> {
        let url = at_host(url, self.host).ok_or_else(|| refused(0, "no plain HTTP address"))?;
        let response = self
            .send(self.client.get(url), self.digest.as_ref())
            .await?;
        let status = response.status().as_u16();
        let picture = body(response, MAX_PICTURE_BYTES).await?;
        // JPEG starts with SOI (ITU-T T.81, B.1.1.3).
        if status != 200 || !picture.starts_with(&[0xff, 0xd8]) {
            return Err(refused(status, "no JPEG picture"));
        }
        Ok(picture)
    }

    async fn send(
        &self,
        request: RequestBuilder,
        digest: Option<&DigestAuthSession>,
    ) -> Result<Response, TransportError> {
        let response = match digest {
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
        let date = response
            .headers()
            .get(reqwest::header::DATE)
            .and_then(|date| date.to_str().ok())
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let offers = response
            .headers()
            .get_all(reqwest::header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|offer| offer.to_str().ok())
            .any(|offer| offer.to_ascii_lowercase().contains("digest"));
        if offers && response.status().as_u16() == 401 {
            self.offers_digest.store(true, Ordering::Relaxed);
        }
        if let Some(date) = date {
            let utc_ms = date.timestamp().as_millisecond();
            self.date_utc_ms.store(utc_ms, Ordering::Relaxed);
        }
        Ok(response)
    }
}

fn refused(status: u16, why: &str) -> TransportError {
    TransportError::HttpStatus {
        status,
        body: why.to_owned(),
    }
}

async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, TransportError> {
    let status = response.status().as_u16();
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if answer.len() + chunk.len() > most {
            return Err(refused(
                status,
                &format!("the answer is longer than {} KiB", most / 1024),
            ));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
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
