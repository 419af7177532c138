//! What a camera's description means to the pages, and to a channel. Pure.

use sealgate_lan::{CameraDescription, StreamProfile, VideoCodec, VideoSource};
use sealgate_web::rooms::{FoundView, StreamUse, StreamView};

/// The stream that is recorded, and the one for the grid if there is another.
pub(super) fn chosen(source: &VideoSource) -> Option<(&StreamProfile, Option<&StreamProfile>)> {
    let playable: Vec<&StreamProfile> = source
        .streams
        .iter()
        .filter(|stream| is_playable(stream))
        .collect();
    let (main, others) = playable.split_first()?;
    // The smallest picture serves a grid best, and H.264 is what every browser shows.
    let sub = others
        .iter()
        .rfind(|stream| stream.codec != Some(VideoCodec::H265))
        .or(others.last());
    Some((main, sub.copied()))
}

fn is_playable(stream: &StreamProfile) -> bool {
    matches!(
        stream.codec,
        None | Some(VideoCodec::H264 | VideoCodec::H265)
    )
}

/// A source by its number.
pub(super) fn source(description: &CameraDescription, number: u8) -> Option<&VideoSource> {
    let mut sources = description.sources.iter();
    sources.find(|source| source.number == u16::from(number))
}

/// A description for the pages, with the streams of one source.
pub(super) fn found_view(description: &CameraDescription, number: u8) -> FoundView {
    let device = description.device.clone();
    FoundView {
        maker: device.manufacturer,
        model: device.model,
        serial: device.serial,
        firmware: device.firmware,
        sources: description.sources.len(),
        streams: source(description, number).map_or_else(Vec::new, stream_views),
    }
}

fn stream_views(source: &VideoSource) -> Vec<StreamView> {
    let (main, sub) = chosen(source).unzip();
    let sub = sub.flatten();
    let is = |stream: &StreamProfile, other: Option<&StreamProfile>| {
        other.is_some_and(|other| std::ptr::eq(stream, other))
    };
    source
        .streams
        .iter()
        .map(|stream| StreamView {
            name: stream.name.clone(),
            codec: stream.codec.map(|codec| codec_words(codec).to_owned()),
            size: stream.size,
            millifps: stream.millifps,
            bitrate_kbps: stream.bitrate_kbps,
            audio: stream.audio,
            used: match stream {
                _ if is(stream, main) => StreamUse::Recorded,
                _ if is(stream, sub) => StreamUse::Grid,
                _ if is_playable(stream) => StreamUse::Spare,
                _ => StreamUse::Unreadable,
            },
        })
        .collect()
}

fn codec_words(codec: VideoCodec) -> &'static str {
    match codec {
        VideoCodec::H264 => "H.264",
        VideoCodec::H265 => "H.265",
        VideoCodec::Mjpeg => "Motion JPEG",
        VideoCodec::Mpeg4 => "MPEG-4",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn stream(name: &str, codec: Option<VideoCodec>) -> StreamProfile {
        StreamProfile {
            profile: name.into(),
            name: Some(name.into()),
            codec,
            size: None,
            millifps: None,
            bitrate_kbps: None,
            audio: false,
            ptz: false,
            url: format!("rtsp://192.0.2.7/{name}").parse().unwrap(),
        }
    }

    #[test]
    fn each_stream_has_its_use() {
        use StreamUse::{Grid, Recorded, Spare, Unreadable};
        use VideoCodec::{H264, H265, Mjpeg};
        let check = |codecs: &[Option<VideoCodec>], expected: &[StreamUse]| {
            let streams = codecs.iter().map(|codec| stream("s", *codec)).collect();
            let source = VideoSource {
                token: "v".into(),
                number: 1,
                streams,
                snapshot: None,
                configurations: Vec::new(),
            };
            let used: Vec<_> = stream_views(&source).iter().map(|view| view.used).collect();
            assert_eq!(used, expected, "{codecs:?}");
        };
        check(&[], &[]);
        check(&[Some(Mjpeg)], &[Unreadable]);
        check(
            &[Some(H265), Some(H264), Some(Mjpeg), Some(H265)],
            &[Recorded, Grid, Unreadable, Spare],
        );
        check(&[None, Some(H265)], &[Recorded, Grid]);
    }
}
