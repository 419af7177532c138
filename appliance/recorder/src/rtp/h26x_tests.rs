//! Pictures from packets as cameras send them, and as none should.

use super::*;
use crate::rtp::packet::Sequence;

const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00,
    0x00, 0x03, 0x00, 0x14, 0x0f, 0x16,
];
const PPS: &[u8] = &[0x68, 0xcb, 0x83, 0xcb, 0x20];
/// Slices: of an IDR picture and of another one, the first and a further one each.
const IDR: &[u8] = &[0x65, 0x88, 1];
const IDR_REST: &[u8] = &[0x65, 0x40, 2];
const OTHER: &[u8] = &[0x41, 0x9a, 3];
const OTHER_REST: &[u8] = &[0x41, 0x5a, 4];

/// Timestamp, marker, payload; an empty payload is a packet that was lost.
type Sent<'a> = (u32, bool, &'a [u8]);

fn pictures_of(codec: Codec, packets: &[Sent<'_>]) -> Vec<Picture> {
    let mut depacketizer = Depacketizer::new(codec, 90_000, ParameterSets::new(codec));
    let mut sequence = Sequence::new(96);
    let mut out = VecDeque::new();
    for ((timestamp, marker, payload), number) in packets.iter().zip(0..) {
        let packet = Packet {
            marker: *marker,
            payload_type: 96,
            sequence: number,
            timestamp: *timestamp,
            ssrc: 1,
            payload,
        };
        if !payload.is_empty() {
            let place = sequence.place(&packet).unwrap();
            depacketizer.push(&packet, place, &mut out).unwrap();
        }
    }
    out.into()
}

fn h264(packets: &[Sent<'_>]) -> Vec<Picture> {
    pictures_of(Codec::H264, packets)
}

/// Units after their lengths.
fn framed(units: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for unit in units {
        out.extend(u32::try_from(unit.len()).unwrap().to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

fn data(pictures: &[Picture]) -> Vec<&[u8]> {
    pictures.iter().map(|picture| &picture.data[..]).collect()
}

#[test]
fn pictures_end_with_their_marker() {
    let found = h264(&[
        (0, false, SPS),
        (0, false, PPS),
        (0, false, IDR),
        (0, true, IDR_REST),
        (3600, true, OTHER),
    ]);
    assert_eq!(data(&found), [framed(&[IDR, IDR_REST]), framed(&[OTHER])]);
    let format = found[0].new_format.as_ref().unwrap();
    assert_eq!(
        (&*format.codec, format.width, format.height),
        ("avc1.42C01E", 640, 360)
    );
    assert_eq!(*format, crate::format::test_format());
    assert!(found[0].is_idr && !found[1].is_idr && found[1].new_format.is_none());
    assert_eq!((found[0].camera_90k, found[1].camera_90k), (0, 3600));
}

#[test]
fn pictures_end_without_a_marker_too() {
    let by_time = h264(&[
        (0, false, IDR),
        (0, false, IDR_REST),
        (9, false, OTHER),
        (18, false, OTHER),
    ]);
    assert_eq!(data(&by_time), [framed(&[IDR, IDR_REST]), framed(&[OTHER])]);
    let by_first_slice = h264(&[(0, false, IDR), (0, false, OTHER), (0, false, OTHER)]);
    assert_eq!(data(&by_first_slice), [framed(&[IDR]), framed(&[OTHER])]);
    let by_delimiter = h264(&[
        (0, false, IDR),
        (0, false, &[9, 0x10]),
        (0, false, OTHER),
        (1, false, OTHER),
    ]);
    assert_eq!(
        data(&by_delimiter),
        [framed(&[IDR]), framed(&[&[9, 0x10], OTHER])]
    );
}

#[test]
fn parameter_sets_before_every_slice_end_nothing() {
    let found = h264(&[
        (0, false, SPS),
        (0, false, PPS),
        (0, false, IDR),
        (0, false, SPS),
        (0, false, PPS),
        (0, true, IDR_REST),
    ]);
    assert_eq!(data(&found), [framed(&[IDR, IDR_REST])]);
}

#[test]
fn markers_on_every_slice_are_found_out() {
    let found = h264(&[
        (0, true, IDR),
        (0, true, IDR_REST),
        (9, true, OTHER),
        (9, true, OTHER_REST),
        (18, true, OTHER),
        (18, true, OTHER_REST),
        (27, true, OTHER),
    ]);
    let whole = framed(&[OTHER, OTHER_REST]);
    // The first one could not be known.
    assert_eq!(data(&found), [framed(&[IDR]), whole.clone(), whole]);
}

#[test]
fn fragments_make_a_unit() {
    // FU-A of the IDR slice: indicator 0x7c, type 5.
    let start: &[u8] = &[0x7c, 0x85, 0x88];
    let (middle, end): (&[u8], &[u8]) = (&[0x7c, 0x05, 1, 2], &[0x7c, 0x45, 3]);
    let whole = framed(&[&[0x65, 0x88, 1, 2, 3]]);
    let found = h264(&[(0, false, start), (0, false, middle), (0, true, end)]);
    assert_eq!(data(&found), [&whole[..]]);
    // Without the bit that ends it.
    let open = h264(&[
        (0, false, start),
        (0, false, middle),
        (0, true, &[0x7c, 0x05, 3]),
    ]);
    assert_eq!(data(&open), [whole]);
    // Without a beginning: somebody else's picture.
    assert_eq!(
        data(&h264(&[
            (0, false, middle),
            (0, true, end),
            (9, true, OTHER)
        ])),
        [framed(&[OTHER])]
    );
    // H.265: header of two bytes, FU type 49, IDR_W_RADL (19).
    let hevc = pictures_of(
        Codec::H265,
        &[
            (0, false, &[0x62, 0x01, 0x93, 0x80, 1]),
            (0, true, &[0x62, 0x01, 0x53, 2]),
        ],
    );
    assert_eq!(data(&hevc), [framed(&[&[0x26, 0x01, 0x80, 1, 2]])]);
    assert!(hevc[0].is_idr);
}

#[test]
fn units_that_share_a_packet_are_taken_apart() {
    let mut together = vec![0x78];
    for unit in [SPS, PPS, IDR] {
        together.extend(u16::try_from(unit.len()).unwrap().to_be_bytes());
        together.extend_from_slice(unit);
    }
    let found = h264(&[(0, true, &together)]);
    assert_eq!(data(&found), [framed(&[IDR])]);
    assert!(found[0].new_format.is_some());
    // Joined by start codes, in one unit or in fragments.
    let joined = [SPS, PPS, IDR].join(&[0, 0, 0, 1][..]);
    let found = h264(&[(0, true, &joined)]);
    assert_eq!(data(&found), [framed(&[IDR])]);
    assert!(found[0].new_format.is_some());
    let fragments = [
        [&[0x7c, 0x87], &joined[1..9]].concat(),
        [&[0x7c, 0x47], &joined[9..]].concat(),
    ];
    let found = h264(&[(0, false, &fragments[0]), (0, true, &fragments[1])]);
    assert_eq!(data(&found), [framed(&[IDR])]);
}

#[test]
fn a_picture_that_lacks_a_packet_is_left_out_and_counted() {
    let found = h264(&[
        (0, true, IDR),
        (9, false, OTHER),
        (9, true, &[]),
        (18, true, OTHER),
        (27, false, &[]),
        (27, true, OTHER_REST),
        (36, true, OTHER),
    ]);
    let times: Vec<_> = found
        .iter()
        .map(|picture| (picture.camera_90k, picture.lost_packets))
        .collect();
    assert_eq!(times, [(0, 0), (18, 1), (36, 1)]);
}

#[test]
fn a_format_is_announced_with_the_picture_that_begins_it() {
    let other_sps: Vec<u8> = SPS
        .iter()
        .map(|byte| if *byte == 0x1e { 0x1f } else { *byte })
        .collect();
    let found = h264(&[
        (0, false, PPS),
        (0, true, IDR),
        (9, false, SPS),
        (9, true, OTHER),
        (18, true, IDR),
        (27, false, SPS),
        (27, true, IDR),
        (36, false, &other_sps),
        (36, true, IDR),
    ]);
    let formats: Vec<_> = found
        .iter()
        .map(|picture| picture.new_format.as_ref().map(|format| &*format.codec))
        .collect();
    assert_eq!(
        formats,
        [None, None, Some("avc1.42C01E"), None, Some("avc1.42C01F")]
    );
}

#[test]
fn a_picture_without_end_is_given_up() {
    let mut depacketizer = Depacketizer::new(Codec::H264, 90_000, ParameterSets::new(Codec::H264));
    let mut out = VecDeque::new();
    let packet = |payload| Packet {
        marker: false,
        payload_type: 96,
        sequence: 0,
        timestamp: 0,
        ssrc: 1,
        payload,
    };
    let place = Place {
        lost: 0,
        elapsed: 0,
    };
    let begin = packet(&[0x7c, 0x85, 0xaa]);
    depacketizer.push(&begin, place, &mut out).unwrap();
    let rest = [&[0x7c, 0x05][..], &[0xaa; 60_000]].concat();
    let pushes = (0..1000)
        .take_while(|_| depacketizer.push(&packet(&rest), place, &mut out).is_ok())
        .count();
    assert_eq!(pushes, MAX_PICTURE_BYTES / 60_000);
    assert!(out.is_empty());
}

#[test]
fn nothing_that_is_no_picture_fails() {
    for codec in [Codec::H264, Codec::H265] {
        let noise: Vec<u8> = (0..=255).cycle().take(700).collect();
        for length in 1..600 {
            let start = length % 200;
            pictures_of(
                codec,
                &[
                    (0, true, &noise[start..start + length / 6 + 1]),
                    (1, false, &noise[length..length + 9]),
                ],
            );
        }
    }
}
