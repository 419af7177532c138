//! What is made of cameras' answers.

#![allow(clippy::unwrap_used)]

use super::*;

fn node(xml: &str) -> XmlNode {
    XmlNode::parse(xml).unwrap()
}

const MEDIA_1: &str = r#"<R><Profiles token="sub" fixed="true"><Name>Sub</Name>
  <VideoSourceConfiguration token="vsc1"><SourceToken>vs1</SourceToken></VideoSourceConfiguration>
  <VideoEncoderConfiguration token="e2"><Encoding>H264</Encoding><Resolution><Width>640</Width><Height>360</Height></Resolution>
  <RateControl><FrameRateLimit>15</FrameRateLimit><EncodingInterval>1</EncodingInterval><BitrateLimit>512</BitrateLimit></RateControl></VideoEncoderConfiguration></Profiles>
 <Profiles token="main"><Name>Main</Name>
  <VideoSourceConfiguration token="vsc1"><SourceToken>vs1</SourceToken></VideoSourceConfiguration>
  <VideoEncoderConfiguration token="e1"><Encoding>H264</Encoding><Resolution><Width>1920</Width><Height>1080</Height></Resolution></VideoEncoderConfiguration>
  <AudioEncoderConfiguration token="a1"/><PTZConfiguration token="p1"/></Profiles>
 <Profiles><Name>no token</Name></Profiles></R>"#;

const MEDIA_2: &str = r#"<R><Profiles token="main"><Name>Main</Name><Configurations>
  <VideoSource token="vsc1"><SourceToken>vs1</SourceToken></VideoSource>
  <VideoEncoder token="e1"><Encoding>H265</Encoding><Resolution><Width>3840</Width><Height>2160</Height></Resolution>
  <RateControl ConstantBitRate="false"><FrameRateLimit>12.5</FrameRateLimit><BitrateLimit>6000</BitrateLimit></RateControl></VideoEncoder>
  <AudioEncoder token="a1"/></Configurations></Profiles></R>"#;

fn url(path: &str) -> StreamUrl {
    format!("rtsp://192.0.2.7/{path}").parse().unwrap()
}

fn profile(token: &str, source: Option<&str>, size: Option<(u32, u32)>) -> Profile {
    Profile {
        token: token.into(),
        source: source.map(str::to_owned),
        size,
        ..Profile::default()
    }
}

#[test]
fn both_media_services_are_read() {
    let first = profiles(&node(MEDIA_1));
    assert_eq!(first.len(), 2, "one without a token is left out");
    let main = &first[1];
    assert_eq!(
        (main.token.as_str(), main.source.as_deref()),
        ("main", Some("vs1"))
    );
    assert_eq!(main.configuration.as_deref(), Some("vsc1"));
    assert_eq!(
        (main.codec, main.size),
        (Some(VideoCodec::H264), Some((1920, 1080)))
    );
    assert!(main.audio && main.ptz);
    assert_eq!(
        (first[0].millifps, first[0].bitrate_kbps),
        (Some(15_000), Some(512))
    );
    assert!(!first[0].audio && !first[0].ptz);

    let second = profiles(&node(MEDIA_2));
    assert_eq!(second[0].codec, Some(VideoCodec::H265));
    assert_eq!(second[0].millifps, Some(12_500));
    assert!(second[0].audio && !second[0].ptz);
}

#[test]
fn sources_are_numbered_as_they_are_listed() {
    let listed = ["vs1".to_owned(), "vs2".to_owned(), "vs3".to_owned()];
    let streams = vec![
        (profile("c", Some("vs3"), None), url("c")),
        (profile("s", Some("vs1"), Some((640, 360))), url("s")),
        (profile("m", Some("vs1"), Some((1920, 1080))), url("m")),
        (profile("m2", Some("vs1"), Some((1920, 1080))), url("m")),
        (profile("x", Some("elsewhere"), None), url("x")),
    ];
    let snapshots = vec![("m".to_owned(), "http://192.0.2.7/m.jpg".to_owned())];
    let found = sources(&listed, streams, snapshots);
    let seen: Vec<_> = found
        .iter()
        .map(|source| {
            let streams: Vec<&str> = source.streams.iter().map(|s| s.profile.as_str()).collect();
            (source.number, source.token.as_str(), streams)
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, "vs1", vec!["m", "s"]),
            (3, "vs3", vec!["c"]),
            (4, "elsewhere", vec!["x"]),
        ],
        "a source without a stream keeps its number"
    );
    assert_eq!(found[0].snapshot.as_deref(), Some("http://192.0.2.7/m.jpg"));
}

#[test]
fn a_device_that_names_no_source_has_one() {
    let found = sources(&[], vec![(profile("m", None, None), url("m"))], vec![]);
    assert_eq!((found.len(), found[0].number), (1, 1));
    let listed = ["vs1".to_owned()];
    let found = sources(&listed, vec![(profile("m", None, None), url("m"))], vec![]);
    assert_eq!(found[0].token, "vs1");
}

#[test]
fn four_streams_are_kept_and_the_rest_is_bounded() {
    let streams = (1..=6)
        .map(|n| {
            (
                profile(&n.to_string(), Some("v"), Some((n, n))),
                url(&n.to_string()),
            )
        })
        .collect();
    let found = sources(&["v".to_owned()], streams, vec![]);
    let kept: Vec<_> = found[0]
        .streams
        .iter()
        .map(|s| s.profile.as_str())
        .collect();
    assert_eq!(kept, ["6", "5", "4", "3"]);

    let many = format!("<R>{}</R>", r#"<Profiles token="a"/>"#.repeat(5000));
    assert_eq!(profiles(&node(&many)).len(), MAX_PROFILES);
    let many: String = (0..500)
        .map(|n| format!(r#"<VideoSources token="{n}"/>"#))
        .collect();
    assert_eq!(
        source_tokens(&node(&format!("<R>{many}</R>"))).len(),
        MAX_SOURCES
    );
    let long = format!(r#"<R><Profiles token="{}"/></R>"#, "a".repeat(1000));
    assert_eq!(profiles(&node(&long)), []);
}

#[test]
fn lists_sources_of_both_services() {
    let media =
        r#"<R><VideoSources token="b"/><VideoSources token="a"/><VideoSources token="b"/></R>"#;
    assert_eq!(source_tokens(&node(media)), ["b", "a"]);
    assert_eq!(source_tokens(&node("<R><Token>x</Token></R>")), ["x"]);
}

#[test]
fn hardware_addresses_that_are_none_are_left_out() {
    let answer = |mac: &str| {
        let xml = format!(
            "<R><NetworkInterfaces token='e'><Info><Name>eth0</Name><HwAddress>{mac}</HwAddress></Info></NetworkInterfaces></R>"
        );
        interfaces(&node(&xml))[0].mac
    };
    assert_eq!(
        answer("02-00-00-00-00-0A"),
        Some("02:00:00:00:00:0a".parse().unwrap())
    );
    assert_eq!(answer("00:00:00:00:00:00"), None);
    assert_eq!(answer("unknown"), None);
}

#[test]
fn rates() {
    let check = |text: &str, expected: Option<u32>| assert_eq!(millifps(text), expected, "{text}");
    check("25", Some(25_000));
    check(" 29.97 ", Some(29_970));
    check("0", None);
    check("-1", None);
    check("NaN", None);
    check("4294967295", None);
    check("1.", Some(1000));
    check("1.x", None);
}
