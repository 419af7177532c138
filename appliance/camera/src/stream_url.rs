//! Where a camera's stream is fetched from.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use url::Url;

/// An `rtsp` URL (RFC 2326, 3.2) with a host. Credentials in it never reach `Display` or `Debug`.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamUrl(Url);

/// Why a text is not a stream address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamUrlError {
    /// Not a URL at all.
    #[error("a stream address looks like rtsp://192.0.2.7/stream1")]
    Malformed(#[source] url::ParseError),
    /// A URL, but not one a recorder can play.
    #[error("a stream address starts with rtsp:// and names a host; this one starts with {0}://")]
    Scheme(String),
    /// No host to connect to.
    #[error("the stream address names no host")]
    Host,
}

impl StreamUrl {
    /// The URL without user name and password.
    pub fn without_credentials(&self) -> Url {
        let mut url = self.0.clone();
        // Both fail only for URLs without a host, which the constructor refuses.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }

    /// User name and password as a person would type them, if the URL carries a user name.
    /// Never log them.
    pub fn credentials(&self) -> Option<(String, String)> {
        // In a URL, what is no letter or digit may be escaped (RFC 3986, 2.1).
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let name = self.0.username();
        (!name.is_empty()).then(|| (plain(name), plain(self.0.password().unwrap_or_default())))
    }

    /// The same stream, asked for with this user name and password.
    #[must_use]
    pub fn with_credentials(&self, user: &str, password: &str) -> Self {
        let mut url = self.0.clone();
        // Both fail only for URLs without a host, which the constructor refuses.
        let _ = url.set_username(user);
        let _ = url.set_password(Some(password));
        Self(url)
    }

    /// The same stream at the camera's present address.
    #[must_use]
    pub fn at(&self, ip: Ipv4Addr) -> Self {
        let mut url = self.0.clone();
        url.set_ip_host(ip.into())
            .expect("a URL that has a host takes another one");
        Self(url)
    }

    /// The TCP port, 554 unless the URL names another (RFC 2326, 3.2).
    pub fn port(&self) -> u16 {
        self.0.port().unwrap_or(554)
    }

    /// The host as written: an address or a name.
    pub fn host(&self) -> &str {
        self.0
            .host_str()
            .expect("the constructor refuses URLs without a host")
    }
}

impl FromStr for StreamUrl {
    type Err = StreamUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text.trim()).map_err(StreamUrlError::Malformed)?;
        if url.scheme() != "rtsp" {
            return Err(StreamUrlError::Scheme(url.scheme().to_owned()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(StreamUrlError::Host);
        }
        Ok(Self(url))
    }
}

impl TryFrom<String> for StreamUrl {
    type Error = StreamUrlError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamUrl> for String {
    fn from(url: StreamUrl) -> Self {
        url.0.into()
    }
}

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.without_credentials().fmt(f)
    }
}

impl fmt::Debug for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn hides_credentials_when_printed() {
        let url: StreamUrl = "rtsp://admin:s3cret@192.0.2.7:8554/main".parse().unwrap();
        assert_eq!(url.to_string(), "rtsp://192.0.2.7:8554/main");
        assert_eq!(format!("{url:?}"), "rtsp://192.0.2.7:8554/main");
        assert_eq!(url.credentials(), Some(("admin".into(), "s3cret".into())));
        assert_eq!(url.host(), "192.0.2.7");
        assert_eq!(url.port(), 8554);
    }

    #[test]
    fn follows_a_camera_to_its_present_address() {
        let url: StreamUrl = "rtsp://u:p@cam.local/main?x=1".parse().unwrap();
        let moved = url.at(Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(moved.to_string(), "rtsp://192.0.2.9/main?x=1");
        assert_eq!(moved.credentials(), Some(("u".into(), "p".into())));
        assert_eq!(moved.port(), 554);
    }

    #[test]
    fn carries_any_password() {
        let url: StreamUrl = "rtsp://192.0.2.7/main".parse().unwrap();
        let secret = "p@ss/w:rd ?#%é";
        let given: StreamUrl = String::from(url.with_credentials("admin", secret))
            .parse()
            .unwrap();
        assert_eq!(given.credentials(), Some(("admin".into(), secret.into())));
        assert_eq!(given.to_string(), url.to_string());
    }

    #[test]
    fn refuses_what_a_recorder_cannot_play() {
        assert_eq!(
            "http://192.0.2.7/".parse::<StreamUrl>(),
            Err(StreamUrlError::Scheme("http".into()))
        );
        assert!(matches!(
            "main".parse::<StreamUrl>(),
            Err(StreamUrlError::Malformed(_))
        ));
        assert_eq!("rtsp:/main".parse::<StreamUrl>(), Err(StreamUrlError::Host));
    }
}
