//! What a camera says it has to offer: a session description (RFC 4566) as RTSP uses it
//! (RFC 2326, C), as much of it as recording needs.
//!
//! Own code rather than a crate for SDP: cameras break its grammar in many ways (missing lines,
//! spaces at ends, unknown attributes), and six kinds of line are all that counts here.

/// Streams of one description.
const MAX_MEDIA: usize = 16;

/// A whole description.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Description {
    /// The session's own control address.
    pub control: Option<String>,
    /// Its streams.
    pub media: Vec<Media>,
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media {
    /// `video`, `audio` or anything else.
    pub kind: String,
    /// The RTP payload type.
    pub payload_type: u8,
    /// The encoding's name, in lower case.
    pub encoding: String,
    /// Timestamps a second.
    pub clock_rate_hz: u32,
    /// Of sound.
    pub channels: u16,
    /// The format's parameters (`a=fmtp`).
    parameters: String,
    /// Where it is set up, relative to the session or not.
    pub control: Option<String>,
}

impl Description {
    /// Reads what is understood and leaves out the rest.
    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut found = Self::default();
        for line in text.split(['\r', '\n']) {
            match line.split_once('=') {
                Some(("m", value)) => {
                    if found.media.len() == MAX_MEDIA {
                        break;
                    }
                    found.media.push(Media::of_line(value));
                }
                Some(("a", value)) => {
                    let (name, value) = value.split_once(':').unwrap_or((value, ""));
                    found.attribute(name.trim(), value.trim());
                }
                _ => {}
            }
        }
        found
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let Some(media) = self.media.last_mut() else {
            if name == "control" {
                self.control = Some(value.to_owned());
            }
            return;
        };
        // Of a format that is not this stream's first one.
        let of_format = || {
            let (format, rest) = value.split_once(char::is_whitespace)?;
            (format.parse() == Ok(media.payload_type)).then(|| rest.trim().to_owned())
        };
        match name {
            "control" => media.control = Some(value.to_owned()),
            "rtpmap" => {
                if let Some(map) = of_format() {
                    media.set_map(&map);
                }
            }
            "fmtp" => {
                if let Some(parameters) = of_format() {
                    media.parameters = parameters;
                }
            }
            _ => {}
        }
    }
}

impl Media {
    /// `<kind> <port> <protocol> <format> ...` (RFC 4566, 5.14).
    fn of_line(line: &str) -> Self {
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        let payload_type = words.nth(2).and_then(|format| format.parse().ok());
        let mut media = Self {
            kind,
            payload_type: payload_type.unwrap_or(u8::MAX),
            channels: 1,
            ..Self::default()
        };
        // RFC 3551, 6: these need no rtpmap.
        match media.payload_type {
            0 => media.set_map("PCMU/8000"),
            8 => media.set_map("PCMA/8000"),
            _ => {}
        }
        media
    }

    /// `<encoding>/<clock rate>[/<channels>]` (RFC 4566, 6).
    fn set_map(&mut self, map: &str) {
        let mut parts = map.split('/');
        self.encoding = parts.next().unwrap_or_default().to_ascii_lowercase();
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.trim().parse::<u32>().ok())
        };
        self.clock_rate_hz = number().unwrap_or(0);
        self.channels = number().and_then(|n| u16::try_from(n).ok()).unwrap_or(1);
    }

    /// One of the format's parameters.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.split(';').find_map(|parameter| {
            let (found, value) = parameter.split_once('=')?;
            found
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    /// Where it is set up, and what it belongs to: RFC 2326, C.1.1, joined as text. Cameras put
    /// queries into the base, and expect what is relative behind them.
    pub fn address(&self, base: &str) -> String {
        join(base, self.control.as_deref().unwrap_or_default())
    }
}

/// An address that may be relative, of this base.
pub fn join(base: &str, control: &str) -> String {
    let clean = !control.chars().any(|c| c.is_control() || c == ' ');
    let has_scheme = control
        .get(..7)
        .is_some_and(|start| start.eq_ignore_ascii_case("rtsp://"));
    match control {
        "" | "*" => base.to_owned(),
        _ if !clean => base.to_owned(),
        _ if has_scheme => control.to_owned(),
        _ => format!(
            "{}/{}",
            base.trim_end_matches('/'),
            control.trim_start_matches('/')
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const CAMERA: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=Media\r\na=control:*\r\n\
        m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000 \r\na=control:trackID=0\r\n\
        a=fmtp:96 packetization-mode=1; Sprop-Parameter-Sets=Z0IA,aM4=\r\n\
        a=fmtp:97 profile-level-id=42\r\na=recvonly\r\n\
        m=audio 0 RTP/AVP 8\r\na=control:rtsp://192.0.2.7/sound\r\n\
        m=application 0 RTP/AVP 107\nb=AS:50\na=rtpmap:107 vnd.onvif.metadata/90000\n";

    #[test]
    fn a_cameras_streams_are_read() {
        let found = Description::parse(CAMERA.as_bytes());
        assert_eq!(found.control.as_deref(), Some("*"));
        let [video, sound, metadata] = &found.media[..] else {
            panic!("{found:?}");
        };
        assert_eq!((&*video.kind, &*video.encoding), ("video", "h264"));
        assert_eq!((video.payload_type, video.clock_rate_hz), (96, 90_000));
        assert_eq!(video.parameter("sprop-parameter-sets"), Some("Z0IA,aM4="));
        assert_eq!(video.parameter("profile-level-id"), None);
        assert_eq!((&*sound.encoding, sound.clock_rate_hz), ("pcma", 8000));
        assert_eq!(sound.address("rtsp://x/"), "rtsp://192.0.2.7/sound");
        assert_eq!(
            (&*metadata.kind, metadata.payload_type),
            ("application", 107)
        );
    }

    #[test]
    fn addresses_are_joined_as_cameras_expect() {
        for (base, control, expected) in [
            ("rtsp://c/1", "", "rtsp://c/1"),
            ("rtsp://c/1/", "*", "rtsp://c/1/"),
            ("rtsp://c/1/", "trackID=0", "rtsp://c/1/trackID=0"),
            ("rtsp://c/1", "/trackID=0", "rtsp://c/1/trackID=0"),
            (
                "rtsp://c/m?a=1&b=2/",
                "trackID=0",
                "rtsp://c/m?a=1&b=2/trackID=0",
            ),
            ("rtsp://c/1", "RTSP://d/t", "RTSP://d/t"),
            ("rtsp://c/1", "a b", "rtsp://c/1"),
            ("rtsp://c/1", "a\u{1}", "rtsp://c/1"),
        ] {
            assert_eq!(join(base, control), expected);
        }
    }

    #[test]
    fn noise_describes_nothing() {
        let noise: Vec<u8> = (0..=255).cycle().take(4000).collect();
        assert!(Description::parse(&noise).media.len() <= 16);
        let many = "m=video 0 RTP/AVP 96\n".repeat(1000);
        assert_eq!(Description::parse(many.as_bytes()).media.len(), MAX_MEDIA);
        let odd = Description::parse(b"m=\na=rtpmap:\na=rtpmap:255 \na=rtpmap:255 //\na=fmtp\n");
        assert_eq!(odd.media[0].clock_rate_hz, 0);
    }
}
