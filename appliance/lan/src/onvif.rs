//! Asking a camera's ONVIF services what it is and where its streams are.

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use oxvif::soap::SoapError;
use oxvif::transport::TransportError;
use oxvif::{OnvifClient, OnvifError};
use sealgate_camera::{StreamUrl, StreamUrlError};
use url::Url;

use crate::LanError;
use crate::bounded_soap::{BoundedSoap, ipv4_host};
use crate::xml_text::{MAX_TEXT_CHARS, display_text};

/// For all exchanges of one question together.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Streams asked for; an encoder with 16 inputs has three profiles for each.
const MAX_PROFILES: usize = 64;
/// RFC 2326, 14.3 bounds nothing; no camera's stream address comes near.
const MAX_URL_CHARS: usize = 1024;

/// A camera's user name and password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What a camera says it is: at most 128 characters each, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceInformation {
    /// Who made it.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its firmware's version.
    pub firmware: Option<String>,
}

/// One stream that a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// The media profile's token.
    pub profile: String,
    /// The media profile's name, for people.
    pub name: Option<String>,
    /// Token of the video source (ONVIF Media, 5.5): streams of one source are one channel.
    pub source: Option<String>,
    /// Where it is fetched from: always the camera's own address.
    pub url: StreamUrl,
}

/// Asks GetDeviceInformation.
///
/// # Errors
/// As for [`streams`].
pub async fn device_information(
    xaddr: &str,
    credentials: Option<&Credentials>,
) -> Result<DeviceInformation, LanError> {
    let camera = Camera::new(xaddr, credentials)?;
    camera
        .in_time(async {
            let client = camera.client(credentials).await?;
            let information = client
                .get_device_info()
                .await
                .map_err(camera.failed("GetDeviceInformation"))?;
            Ok(DeviceInformation {
                manufacturer: display_text(&information.manufacturer),
                model: display_text(&information.model),
                serial: display_text(&information.serial_number),
                firmware: display_text(&information.firmware_version),
            })
        })
        .await
}

/// The addresses of the streams that a camera offers, its best first as a rule.
///
/// # Errors
/// As for [`streams`].
pub async fn stream_urls(
    xaddr: &str,
    credentials: Option<&Credentials>,
) -> Result<Vec<StreamUrl>, LanError> {
    let streams = streams(xaddr, credentials).await?;
    Ok(streams.into_iter().map(|stream| stream.url).collect())
}

/// Asks GetCapabilities, GetProfiles and, for each profile, GetStreamUri.
///
/// `xaddr` is the device service's address, with the camera's IPv4 address as its host.
/// Only that address is asked, and every stream is at that address: where the camera
/// names another host (it was moved, or believes itself behind a port forwarding), its
/// own address is put in place. No credentials are in the streams' addresses.
///
/// # Errors
/// If `xaddr` is no such address, the camera does not answer in time or asks for other
/// credentials, or has no stream at an `rtsp` address.
pub async fn streams(
    xaddr: &str,
    credentials: Option<&Credentials>,
) -> Result<Vec<Stream>, LanError> {
    let camera = Camera::new(xaddr, credentials)?;
    camera.in_time(camera.streams(credentials)).await
}

/// The camera that is asked.
struct Camera {
    host: Ipv4Addr,
    service: Url,
    soap: Arc<BoundedSoap>,
}

impl Camera {
    fn new(xaddr: &str, credentials: Option<&Credentials>) -> Result<Self, LanError> {
        let wrong = || LanError::ServiceAddress(xaddr.chars().take(MAX_TEXT_CHARS).collect());
        let service = Url::parse(xaddr)
            .ok()
            .filter(|url| url.scheme() == "http")
            .ok_or_else(wrong)?;
        let host = ipv4_host(&service).ok_or_else(wrong)?;
        let soap = BoundedSoap::new(host, credentials).map_err(LanError::Client)?;
        Ok(Self {
            host,
            service,
            soap: Arc::new(soap),
        })
    }

    async fn in_time<T>(
        &self,
        question: impl Future<Output = Result<T, LanError>>,
    ) -> Result<T, LanError> {
        tokio::time::timeout(QUESTION_TIMEOUT, question)
            .await
            .unwrap_or(Err(LanError::TimedOut {
                host: self.host,
                seconds: QUESTION_TIMEOUT.as_secs(),
            }))
    }

    /// A token in the envelope carries the time (WS-Security UsernameToken Profile 1.1,
    /// 3.1), and cameras refuse one that is off by more than seconds from their own
    /// clocks, which are often years off. So theirs is asked first, as anyone may.
    async fn client(&self, credentials: Option<&Credentials>) -> Result<OnvifClient, LanError> {
        let client = OnvifClient::new(self.service.as_str()).with_transport(self.soap.clone());
        let Some(Credentials { user, password }) = credentials else {
            return Ok(client);
        };
        let offset_s = match client.get_system_date_and_time().await {
            Ok(time) => time.utc_offset_secs(),
            Err(error) => {
                tracing::debug!(host = %self.host, %error, "the camera does not tell its time");
                0
            }
        };
        Ok(client
            .with_credentials(user, password)
            .with_utc_offset(offset_s))
    }

    async fn streams(&self, credentials: Option<&Credentials>) -> Result<Vec<Stream>, LanError> {
        let none = LanError::NoStream { host: self.host };
        let client = self.client(credentials).await?;
        let capabilities = client
            .get_capabilities()
            .await
            .map_err(self.failed("GetCapabilities"))?;
        let Some(media) = capabilities.media.url else {
            return Err(none);
        };
        let profiles = client
            .get_profiles(&media)
            .await
            .map_err(self.failed("GetProfiles"))?;
        let mut streams = Vec::new();
        let mut last = none;
        for profile in profiles.into_iter().take(MAX_PROFILES) {
            // One profile without a stream, such as one for snapshots, is no reason to
            // give up on the others.
            match client.get_stream_uri(&media, &profile.token).await {
                Err(error) => last = self.failed("GetStreamUri")(error),
                Ok(stream) => match self.stream_url(&stream.uri) {
                    Err(source) => {
                        let host = self.host;
                        last = LanError::StreamAddress { host, source };
                    }
                    Ok(url) => streams.push(Stream {
                        name: display_text(&profile.name),
                        source: profile.video_source_token,
                        profile: profile.token,
                        url,
                    }),
                },
            }
        }
        if streams.is_empty() {
            return Err(last);
        }
        Ok(streams)
    }

    /// The stream's address at the camera's own, without credentials.
    fn stream_url(&self, text: &str) -> Result<StreamUrl, StreamUrlError> {
        let text: String = text.chars().take(MAX_URL_CHARS).collect();
        let told: StreamUrl = text.parse()?;
        let mut url = told.without_credentials();
        if told.host() != self.host.to_string() {
            tracing::info!(camera = %self.host, told = %told.host(), "the camera names another host for its stream");
        }
        // Fails for no `rtsp` URL with a host, and those are all that parse.
        url.set_host(Some(&self.host.to_string()))
            .map_err(StreamUrlError::Malformed)?;
        url.as_str().parse()
    }

    fn failed(&self, operation: &'static str) -> impl Fn(OnvifError) -> LanError + use<> {
        let host = self.host;
        move |error| {
            if is_sign_in(&error) {
                return LanError::SignIn { host };
            }
            LanError::Ask {
                host,
                operation,
                source: Box::new(error),
            }
        }
    }
}

/// HTTP 401 or 403, or the fault `ter:NotAuthorized` (ONVIF Core, 5.11.2.2), with which
/// cameras are not of one mind about code and subcode.
fn is_sign_in(error: &OnvifError) -> bool {
    match error {
        OnvifError::Transport(TransportError::HttpStatus { status, .. }) => {
            matches!(status, 401 | 403)
        }
        OnvifError::Soap(SoapError::Fault { code, subcode, .. }) => [Some(code), subcode.as_ref()]
            .into_iter()
            .flatten()
            .any(|code| code.ends_with("NotAuthorized") || code.ends_with("FailedAuthentication")),
        _ => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_is_at_the_camera_itself() {
        let camera = Camera::new("http://192.168.77.11/onvif/device_service", None).unwrap();
        let check = |told: &str, expected: &str| {
            assert_eq!(String::from(camera.stream_url(told).unwrap()), expected);
        };
        check(
            "rtsp://192.168.77.11:554/main",
            "rtsp://192.168.77.11:554/main",
        );
        check(
            "rtsp://10.1.2.3:8554/main?x=1",
            "rtsp://192.168.77.11:8554/main?x=1",
        );
        check("rtsp://a:b@camera.local/main", "rtsp://192.168.77.11/main");
        check("rtsp://[fe80::1]:554/main", "rtsp://192.168.77.11:554/main");
        for told in ["http://192.168.77.11/main", "main", "", "rtsp:///main"] {
            assert!(camera.stream_url(told).is_err(), "{told:?}");
        }
    }

    #[test]
    fn only_plain_http_at_an_ipv4_address_is_asked() {
        for xaddr in [
            "https://192.168.77.11/onvif/device_service",
            "http://camera.local/onvif/device_service",
            "http://[fe80::1]/",
            "ftp://192.168.77.11/",
            "",
        ] {
            assert!(
                matches!(Camera::new(xaddr, None), Err(LanError::ServiceAddress(_))),
                "{xaddr}"
            );
        }
    }

    #[test]
    fn credentials_are_never_printed() {
        let credentials = Credentials {
            user: "admin".into(),
            password: "s3cret".into(),
        };
        assert!(!format!("{credentials:?}").contains("s3cret"));
    }
}
