//! What a camera offers, as it says. Pure: answers in, a description out.

use oxvif::soap::XmlNode;
use sealgate_camera::{MacAddress, StreamUrl};
use serde::{Deserialize, Serialize};

use crate::xml_text::display_text;

/// Streams of one source: main, sub, third and fourth.
pub const MAX_STREAMS: usize = 4;
/// Sources of one device; the largest encoders have 64 inputs.
pub(crate) const MAX_SOURCES: usize = 64;
/// Streams asked for; an encoder with 64 inputs has three profiles for each.
pub(crate) const MAX_PROFILES: usize = 256;
/// ONVIF Core, 5.5 (ReferenceToken) allows 64; some makers exceed it.
const MAX_TOKEN_BYTES: usize = 128;

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

/// A camera as it describes itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CameraDescription {
    /// What it is.
    pub device: DeviceInformation,
    /// Its network interfaces; empty where it does not tell.
    pub interfaces: Vec<NetworkInterface>,
    /// Its video sources, by number.
    pub sources: Vec<VideoSource>,
    /// Where it takes PTZ commands.
    pub ptz: Option<String>,
    /// Where it offers event subscriptions.
    pub events: Option<String>,
}

/// One network interface of a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its name.
    pub name: Option<String>,
    /// Its MAC address, as the camera says; none where that is no camera's address.
    pub mac: Option<MacAddress>,
}

/// One picture that a device takes: one channel (ONVIF Media, 5.2: a physical input).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoSource {
    /// The VideoSourceToken.
    pub token: String,
    /// Its place in GetVideoSources, from 1. It stays the same as long as the device lists
    /// its sources in the same order.
    pub number: u16,
    /// Its streams, the largest picture first: main, sub, third, fourth.
    pub streams: Vec<StreamProfile>,
    /// Where a JPEG picture of it is fetched, at the camera's own address.
    pub snapshot: Option<String>,
    /// Tokens of its configurations, by which some makers name the source in events.
    pub configurations: Vec<String>,
}

/// One stream of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamProfile {
    /// The media profile's token.
    pub profile: String,
    /// The media profile's name, for people.
    pub name: Option<String>,
    /// How the picture is compressed, if the camera tells.
    pub codec: Option<VideoCodec>,
    /// Width and height, in pixels.
    pub size: Option<(u32, u32)>,
    /// The most frames a second, in thousandths.
    pub millifps: Option<u32>,
    /// The most, in kbit/s.
    pub bitrate_kbps: Option<u32>,
    /// It carries sound.
    pub audio: bool,
    /// It can be steered.
    pub ptz: bool,
    /// Where it is fetched from: always the camera's own address, without credentials.
    pub url: StreamUrl,
}

/// How a picture is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    H265,
    /// JPEG pictures.
    Mjpeg,
    /// ISO/IEC 14496-2.
    Mpeg4,
}

impl VideoCodec {
    fn read(text: &str) -> Option<Self> {
        match text.trim().to_ascii_uppercase().as_str() {
            "H264" => Some(Self::H264),
            "H265" | "HEVC" => Some(Self::H265),
            "JPEG" | "MJPEG" => Some(Self::Mjpeg),
            "MPEG4" | "MPV4-ES" => Some(Self::Mpeg4),
            _ => None,
        }
    }
}

/// A media profile before its address is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Profile {
    pub token: String,
    pub name: Option<String>,
    pub source: Option<String>,
    pub configuration: Option<String>,
    pub codec: Option<VideoCodec>,
    pub size: Option<(u32, u32)>,
    pub millifps: Option<u32>,
    pub bitrate_kbps: Option<u32>,
    pub audio: bool,
    pub ptz: bool,
}

/// The profiles in an answer of either media service: the second one (ver20) puts
/// configurations into an element of their own and has shorter names.
pub(crate) fn profiles(answer: &XmlNode) -> Vec<Profile> {
    answer
        .children_named("Profiles")
        .filter_map(|profile| {
            let nested = profile.child("Configurations");
            let part = |first: &str, second: &str| {
                nested.map_or_else(|| profile.child(first), |inner| inner.child(second))
            };
            let source = part("VideoSourceConfiguration", "VideoSource");
            let encoder = part("VideoEncoderConfiguration", "VideoEncoder");
            let audio = part("AudioEncoderConfiguration", "AudioEncoder");
            let ptz = part("PTZConfiguration", "PTZ");
            let number = |path: &[&str]| encoder?.path(path)?.text().trim().parse::<u32>().ok();
            let fps = encoder
                .and_then(|encoder| encoder.path(&["RateControl", "FrameRateLimit"]))
                .and_then(|limit| millifps(limit.text()));
            Some(Profile {
                token: token(profile.attr("token")?)?,
                name: profile
                    .child("Name")
                    .and_then(|name| display_text(name.text())),
                source: source
                    .and_then(|source| source.child("SourceToken"))
                    .and_then(|source| token(source.text())),
                configuration: source
                    .and_then(|source| source.attr("token"))
                    .and_then(token),
                codec: encoder
                    .and_then(|encoder| encoder.child("Encoding"))
                    .and_then(|encoding| VideoCodec::read(encoding.text())),
                size: number(&["Resolution", "Width"])
                    .zip(number(&["Resolution", "Height"]))
                    .filter(|(width, height)| *width > 0 && *height > 0),
                millifps: fps,
                bitrate_kbps: number(&["RateControl", "BitrateLimit"]).filter(|limit| *limit > 0),
                audio: audio.is_some(),
                ptz: ptz.is_some(),
            })
        })
        .take(MAX_PROFILES)
        .collect()
}

/// The tokens in an answer to GetVideoSources of the media or of the device I/O service.
pub(crate) fn source_tokens(answer: &XmlNode) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for child in &answer.children {
        let told = match child.local_name.as_str() {
            "VideoSources" => child.attr("token").and_then(token),
            "Token" => token(child.text()),
            _ => None,
        };
        if let Some(told) = told.filter(|told| !tokens.contains(told))
            && tokens.len() < MAX_SOURCES
        {
            tokens.push(told);
        }
    }
    tokens
}

/// The interfaces in an answer to GetNetworkInterfaces.
pub(crate) fn interfaces(answer: &XmlNode) -> Vec<NetworkInterface> {
    answer
        .children_named("NetworkInterfaces")
        .take(16)
        .map(|interface| NetworkInterface {
            name: interface
                .path(&["Info", "Name"])
                .and_then(|name| display_text(name.text())),
            mac: interface
                .path(&["Info", "HwAddress"])
                .and_then(|mac| mac.text().parse().ok()),
        })
        .collect()
}

/// What the device says it is.
pub(crate) fn device(answer: &XmlNode) -> DeviceInformation {
    let text = |name: &str| {
        answer
            .child(name)
            .and_then(|text| display_text(text.text()))
    };
    DeviceInformation {
        manufacturer: text("Manufacturer"),
        model: text("Model"),
        serial: text("SerialNumber"),
        firmware: text("FirmwareVersion"),
    }
}

/// Puts streams under their sources, in the order of GetVideoSources; a source that only a
/// profile names comes after those. A source without a stream is no channel, and keeps its
/// number.
pub(crate) fn sources(
    listed: &[String],
    streams: Vec<(Profile, StreamUrl)>,
    mut snapshots: Vec<(String, String)>,
) -> Vec<VideoSource> {
    let mut order: Vec<String> = listed.to_vec();
    for (profile, _) in &streams {
        // A device that names no source has one.
        let source = profile.source.clone().unwrap_or_default();
        let only = listed.first().filter(|_| source.is_empty());
        if only.is_none() && !order.contains(&source) && order.len() < MAX_SOURCES {
            order.push(source);
        }
    }
    let mut sources: Vec<VideoSource> = order
        .into_iter()
        .zip(1..)
        .map(|(token, number)| VideoSource {
            token,
            number,
            streams: Vec::new(),
            snapshot: None,
            configurations: Vec::new(),
        })
        .collect();
    for (profile, url) in streams {
        let place = match &profile.source {
            Some(token) => sources.iter().position(|source| source.token == *token),
            None => sources
                .iter()
                .position(|source| source.token.is_empty())
                .or(Some(0)),
        };
        let Some(source) = place.and_then(|place| sources.get_mut(place)) else {
            continue;
        };
        if let Some(configuration) = profile.configuration
            && !source.configurations.contains(&configuration)
        {
            source.configurations.push(configuration);
        }
        if source.snapshot.is_none()
            && let Some(place) = snapshots
                .iter()
                .position(|(token, _)| *token == profile.token)
        {
            source.snapshot = Some(snapshots.swap_remove(place).1);
        }
        // Profiles that differ in sound or analytics alone share a stream.
        if source.streams.iter().any(|stream| stream.url == url) {
            continue;
        }
        source.streams.push(StreamProfile {
            profile: profile.token,
            name: profile.name,
            codec: profile.codec,
            size: profile.size,
            millifps: profile.millifps,
            bitrate_kbps: profile.bitrate_kbps,
            audio: profile.audio,
            ptz: profile.ptz,
            url,
        });
    }
    for source in &mut sources {
        // Stable: where sizes are equal or unknown, the camera's own order stays.
        source.streams.sort_by_key(|stream| {
            let pixels = stream
                .size
                .map(|(width, height)| u64::from(width) * u64::from(height));
            std::cmp::Reverse(pixels)
        });
        source.streams.truncate(MAX_STREAMS);
    }
    sources.retain(|source| !source.streams.is_empty());
    sources
}

fn token(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.len() <= MAX_TOKEN_BYTES;
    (plain && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

/// `25`, or `12.5` of the second media service.
fn millifps(text: &str) -> Option<u32> {
    let (whole, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    let whole: u32 = whole.parse().ok()?;
    let fps = whole
        .checked_mul(1000)?
        .checked_add(thousandths.parse().ok()?)?;
    (fps > 0).then_some(fps)
}

#[cfg(test)]
#[path = "description_tests.rs"]
mod tests;
