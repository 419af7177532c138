//! Asking a camera's ONVIF services what it is, what it shows and where its streams are.

use std::net::Ipv4Addr;

use oxvif::soap::XmlNode;
use sealgate_camera::{StreamUrl, StreamUrlError};

use crate::bounded_soap::at_host;
use crate::description::{
    CameraDescription, NetworkInterface, Profile, device, interfaces, profiles, source_tokens,
    sources,
};
use crate::exchange::{Asker, Exchange};
use crate::{Credentials, DeviceInformation, LanError};

/// RFC 2326, 14.3 bounds nothing; no camera's stream address comes near.
const MAX_URL_CHARS: usize = 1024;

const DEVICE: &str = "http://www.onvif.org/ver10/device/wsdl";
const MEDIA: &str = "http://www.onvif.org/ver10/media/wsdl";
const MEDIA_2: &str = "http://www.onvif.org/ver20/media/wsdl";
const DEVICE_IO: &str = "http://www.onvif.org/ver10/deviceIO/wsdl";
const EVENTS: &str = "http://www.onvif.org/ver10/events/wsdl";
const PTZ: &str = "http://www.onvif.org/ver20/ptz/wsdl";

/// Where a camera's services are, all at its own address.
#[derive(Debug, Default)]
pub(crate) struct Services {
    pub media: Option<String>,
    pub media_2: Option<String>,
    pub device_io: Option<String>,
    pub events: Option<String>,
    pub ptz: Option<String>,
}

/// Who a device says it is: enough to tell it from another one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// What it is.
    pub device: DeviceInformation,
    /// Its network interfaces; empty where it does not tell.
    pub interfaces: Vec<NetworkInterface>,
}

impl Asker {
    /// Asks GetDeviceInformation, and GetNetworkInterfaces of whoever answers that.
    ///
    /// # Errors
    /// As for [`Self::describe`].
    pub async fn identity(
        &self,
        xaddr: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Identity, LanError> {
        let mut exchange = self.exchange(xaddr, credentials).await?;
        Exchange::in_time(exchange.host, exchange.identity()).await
    }

    /// Asks for all that a camera offers: what it is, its network interfaces, its video
    /// sources with their streams, and whether it can be steered and tells events.
    ///
    /// `xaddr` is the device service's address, with the camera's IPv4 address as its host.
    /// Only that address is asked, and every stream is at that address: where the camera
    /// names another host (it was moved, or believes itself behind a port forwarding), its
    /// own address is put in place. No credentials are in the streams' addresses.
    ///
    /// # Errors
    /// If `xaddr` is no such address; nothing answers there, or nothing that speaks ONVIF;
    /// the camera asks for other credentials, or refused these a moment ago; it takes more
    /// than a minute; or it has no stream at an `rtsp` address.
    pub async fn describe(
        &self,
        xaddr: &str,
        credentials: Option<&Credentials>,
    ) -> Result<CameraDescription, LanError> {
        let mut exchange = self.exchange(xaddr, credentials).await?;
        Exchange::in_time(exchange.host, exchange.describe()).await
    }

    pub(crate) async fn tells_time(&self, xaddr: &str) -> Result<(), LanError> {
        let exchange = self.exchange(xaddr, None).await?;
        Exchange::in_time(exchange.host, exchange.tells_time()).await
    }

    /// Fetches a picture from where [`crate::VideoSource::snapshot`] says: a JPEG file of at
    /// most 8 MiB.
    ///
    /// # Errors
    /// As for [`Self::describe`]; or what comes is no JPEG picture.
    pub async fn snapshot(
        &self,
        url: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Vec<u8>, LanError> {
        let exchange = self.exchange(url, credentials).await?;
        Exchange::in_time(exchange.host, exchange.fetch(url)).await
    }
}

impl Exchange {
    async fn device_ask(
        &mut self,
        operation: &'static str,
        body: &str,
    ) -> Result<XmlNode, LanError> {
        let service = self.service.to_string();
        self.ask(&service, operation, &format!("{DEVICE}/{operation}"), body)
            .await
    }

    async fn identity(&mut self) -> Result<Identity, LanError> {
        Ok(Identity {
            device: self.device().await?,
            interfaces: self.interfaces().await,
        })
    }

    /// Asks what nobody tells without a password, if the device has one. Whether it did ask
    /// for the password.
    pub async fn signs_in(&mut self) -> Result<bool, LanError> {
        let services = self.services().await?;
        self.profiles(&services).await?;
        Ok(self.is_signed())
    }

    async fn device(&mut self) -> Result<DeviceInformation, LanError> {
        let answer = self
            .device_ask("GetDeviceInformation", "<tds:GetDeviceInformation/>")
            .await?;
        Ok(device(&answer))
    }

    /// Empty where the camera has no such operation, or keeps it for its administrator.
    async fn interfaces(&self) -> Vec<NetworkInterface> {
        let operation = "GetNetworkInterfaces";
        let answer = self
            .ask_optional(
                self.service.as_str(),
                operation,
                &format!("{DEVICE}/{operation}"),
                "<tds:GetNetworkInterfaces/>",
            )
            .await;
        match answer {
            Ok(answer) => interfaces(&answer),
            Err(error) => {
                tracing::debug!(host = %self.host, %error, "the camera does not tell its MAC address");
                Vec::new()
            }
        }
    }

    /// GetServices knows all; the older GetCapabilities is for cameras without it.
    pub async fn services(&mut self) -> Result<Services, LanError> {
        let body = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>";
        let mut services = Services::default();
        match self.device_ask("GetServices", body).await {
            Ok(answer) => {
                for service in answer.children_named("Service").take(64) {
                    let text = |name: &str| service.child(name).map(XmlNode::text);
                    let (Some(namespace), Some(address)) = (text("Namespace"), text("XAddr"))
                    else {
                        continue;
                    };
                    if let Some(place) = services.place(namespace.trim_end_matches('/')) {
                        *place = self.own(address);
                    }
                }
            }
            Err(error @ (LanError::Ask { .. } | LanError::NotOnvif { .. })) => {
                tracing::debug!(host = %self.host, %error, "the camera is asked the older way");
            }
            Err(error) => return Err(error),
        }
        if services.media.is_some() || services.media_2.is_some() {
            return Ok(services);
        }
        let body = "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>";
        let answer = self.device_ask("GetCapabilities", body).await?;
        let address = |path: &[&str]| {
            let path = [&["Capabilities"], path, &["XAddr"]].concat();
            self.own(answer.path(&path)?.text())
        };
        services.media = address(&["Media"]);
        services.media_2 = services
            .media_2
            .or_else(|| address(&["Extension", "Media2"]));
        services.device_io = services
            .device_io
            .or_else(|| address(&["Extension", "DeviceIO"]));
        services.events = services.events.or_else(|| address(&["Events"]));
        services.ptz = services.ptz.or_else(|| address(&["PTZ"]));
        Ok(services)
    }

    async fn describe(&mut self) -> Result<CameraDescription, LanError> {
        let device = self.device().await?;
        let services = self.services().await?;
        let (profiles, second) = self.profiles(&services).await?;
        let listed = self.source_tokens(&services).await;
        let media = if second {
            services.media_2.clone()
        } else {
            services.media.clone()
        };
        let media = media.ok_or(LanError::NoStream { host: self.host })?;
        let mut streams = Vec::new();
        let mut snapshots = Vec::new();
        let mut pictured: Vec<Option<String>> = Vec::new();
        let mut last = LanError::NoStream { host: self.host };
        for profile in profiles {
            // One profile without a stream, such as one for snapshots, is no reason to
            // give up on the others.
            match self.stream_of(&media, second, &profile.token).await {
                Err(error) => last = error,
                Ok(url) => {
                    if !pictured.contains(&profile.source) {
                        pictured.push(profile.source.clone());
                        if let Some(url) = self.snapshot_of(&media, second, &profile.token).await {
                            snapshots.push((profile.token.clone(), url));
                        }
                    }
                    streams.push((profile, url));
                }
            }
        }
        if streams.is_empty() {
            return Err(last);
        }
        let ptz = services
            .ptz
            .filter(|_| streams.iter().any(|(profile, _)| profile.ptz));
        Ok(CameraDescription {
            device,
            interfaces: self.interfaces().await,
            sources: sources(&listed, streams, snapshots),
            ptz,
            events: services.events,
        })
    }

    /// The profiles, and whether they are the second media service's. The first one knows
    /// no H.265, so where both answer, the second one says how a profile is compressed.
    async fn profiles(&mut self, services: &Services) -> Result<(Vec<Profile>, bool), LanError> {
        let second = match &services.media_2 {
            None => None,
            Some(url) => {
                let body = "<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>";
                let action = format!("{MEDIA_2}/GetProfiles");
                match self.ask(url, "GetProfiles", &action, body).await {
                    Ok(answer) => Some(profiles(&answer)).filter(|found| !found.is_empty()),
                    Err(error @ LanError::SignIn { .. }) => return Err(error),
                    Err(error) => {
                        tracing::debug!(host = %self.host, %error, "no profiles of the second media service");
                        None
                    }
                }
            }
        };
        let Some(url) = &services.media else {
            let none = LanError::NoStream { host: self.host };
            return second.map(|found| (found, true)).ok_or(none);
        };
        let action = format!("{MEDIA}/GetProfiles");
        match self
            .ask(url, "GetProfiles", &action, "<trt:GetProfiles/>")
            .await
        {
            Ok(answer) => {
                let mut found = profiles(&answer);
                let Some(second) = second else {
                    return Ok((found, false));
                };
                if found.is_empty() {
                    return Ok((second, true));
                }
                for profile in &mut found {
                    if let Some(same) = second.iter().find(|same| same.token == profile.token) {
                        profile.codec = same.codec.or(profile.codec);
                        profile.size = same.size.or(profile.size);
                        profile.millifps = same.millifps.or(profile.millifps);
                        profile.bitrate_kbps = same.bitrate_kbps.or(profile.bitrate_kbps);
                    }
                }
                Ok((found, false))
            }
            Err(error) => second.map(|found| (found, true)).ok_or(error),
        }
    }

    /// The sources in the device's own order; empty where it lists none.
    async fn source_tokens(&self, services: &Services) -> Vec<String> {
        let ways = [
            (&services.media, MEDIA, "<trt:GetVideoSources/>"),
            (&services.device_io, DEVICE_IO, "<tmd:GetVideoSources/>"),
        ];
        for (url, namespace, body) in ways {
            let Some(url) = url else { continue };
            let action = format!("{namespace}/GetVideoSources");
            match self
                .ask_optional(url, "GetVideoSources", &action, body)
                .await
            {
                Ok(answer) => {
                    let tokens = source_tokens(&answer);
                    if !tokens.is_empty() {
                        return tokens;
                    }
                }
                Err(error) => {
                    tracing::debug!(host = %self.host, %error, "the camera does not list its sources");
                }
            }
        }
        Vec::new()
    }

    async fn stream_of(
        &mut self,
        media: &str,
        second: bool,
        profile: &str,
    ) -> Result<StreamUrl, LanError> {
        let profile = quick_xml::escape::escape(profile);
        let answer = if second {
            let body = format!(
                "<tr2:GetStreamUri><tr2:Protocol>RTSP</tr2:Protocol><tr2:ProfileToken>{profile}</tr2:ProfileToken></tr2:GetStreamUri>"
            );
            let action = format!("{MEDIA_2}/GetStreamUri");
            self.ask(media, "GetStreamUri", &action, &body).await?
        } else {
            let body = format!(
                concat!(
                    "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream>",
                    "<tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport></trt:StreamSetup>",
                    "<trt:ProfileToken>{}</trt:ProfileToken></trt:GetStreamUri>"
                ),
                profile
            );
            let action = format!("{MEDIA}/GetStreamUri");
            self.ask(media, "GetStreamUri", &action, &body).await?
        };
        let told = uri(&answer).unwrap_or_default();
        stream_url(self.host, told).map_err(|source| LanError::StreamAddress {
            host: self.host,
            source,
        })
    }

    async fn snapshot_of(&self, media: &str, second: bool, profile: &str) -> Option<String> {
        let profile = quick_xml::escape::escape(profile);
        let (prefix, namespace) = if second {
            ("tr2", MEDIA_2)
        } else {
            ("trt", MEDIA)
        };
        let body = format!(
            "<{prefix}:GetSnapshotUri><{prefix}:ProfileToken>{profile}</{prefix}:ProfileToken></{prefix}:GetSnapshotUri>"
        );
        let action = format!("{namespace}/GetSnapshotUri");
        match self
            .ask_optional(media, "GetSnapshotUri", &action, &body)
            .await
        {
            Ok(answer) => self.own(uri(&answer)?),
            Err(error) => {
                tracing::debug!(host = %self.host, %error, "the camera gives no pictures");
                None
            }
        }
    }

    /// A service's address at the camera's own.
    fn own(&self, address: &str) -> Option<String> {
        let address: String = address.trim().chars().take(MAX_URL_CHARS).collect();
        at_host(&address, self.host).map(String::from)
    }
}

impl Services {
    fn place(&mut self, namespace: &str) -> Option<&mut Option<String>> {
        match namespace {
            MEDIA => Some(&mut self.media),
            MEDIA_2 => Some(&mut self.media_2),
            DEVICE_IO => Some(&mut self.device_io),
            EVENTS => Some(&mut self.events),
            PTZ => Some(&mut self.ptz),
            _ => None,
        }
    }
}

/// `MediaUri/Uri` of the first media service, `Uri` of the second.
fn uri(answer: &XmlNode) -> Option<&str> {
    answer
        .path(&["MediaUri", "Uri"])
        .or_else(|| answer.child("Uri"))
        .map(XmlNode::text)
}

/// The stream's address at the camera's own, without credentials.
pub(crate) fn stream_url(host: Ipv4Addr, text: &str) -> Result<StreamUrl, StreamUrlError> {
    let text: String = text.chars().take(MAX_URL_CHARS).collect();
    let told: StreamUrl = text.parse()?;
    let mut url = told.without_credentials();
    if told.host() != host.to_string() {
        tracing::info!(camera = %host, told = %told.host(), "the camera names another host for its stream");
    }
    // Fails for no `rtsp` URL with a host, and those are all that parse.
    url.set_host(Some(&host.to_string()))
        .map_err(StreamUrlError::Malformed)?;
    url.as_str().parse()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use sealgate_base::SystemClock;

    use super::*;

    #[test]
    fn every_stream_is_at_the_camera_itself() {
        let host = Ipv4Addr::new(192, 168, 77, 11);
        let check = |told: &str, expected: &str| {
            assert_eq!(String::from(stream_url(host, told).unwrap()), expected);
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
            assert!(stream_url(host, told).is_err(), "{told:?}");
        }
    }

    #[tokio::test]
    async fn only_plain_http_at_an_ipv4_address_is_asked() {
        let asker = Asker::new(Arc::new(SystemClock::new()));
        for xaddr in [
            "https://192.168.77.11/onvif/device_service",
            "http://camera.local/onvif/device_service",
            "http://[fe80::1]/",
            "ftp://192.168.77.11/",
            "",
        ] {
            assert!(
                matches!(
                    asker.identity(xaddr, None).await,
                    Err(LanError::ServiceAddress(_))
                ),
                "{xaddr}"
            );
        }
    }
}
