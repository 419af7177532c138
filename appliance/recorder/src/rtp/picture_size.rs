//! What a sequence parameter set says of the pictures (ITU-T H.264, 7.3.2.1.1; H.265, 7.3.2.2).

use super::bits::{Bits, OutOfBits};

/// As much as a file's sample entry has to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceFacts {
    /// Pixels shown.
    pub width: u16,
    /// Pixels shown.
    pub height: u16,
    /// 0 for grey, 1 for 4:2:0, 2 for 4:2:2, 3 for 4:4:4.
    pub chroma_format: u8,
    /// Beyond 8.
    pub luma_depth_minus_8: u8,
    /// Beyond 8.
    pub chroma_depth_minus_8: u8,
    /// H.265: general profile, tier and level, as they stand in the set (7.3.3).
    pub general: [u8; 12],
    /// H.265: layers in time, and whether they are nested.
    pub temporal: (u8, bool),
}

/// Larger pictures are none of a camera's.
const MAX_SIDE: u16 = 16_384;

/// H.264: profiles whose parameter set tells of chroma and depth.
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// Of the bytes behind the header of an H.264 parameter set.
pub fn h264(body: &[u8]) -> Result<SequenceFacts, OutOfBits> {
    let mut bits = Bits::new(body);
    let profile = u8::try_from(bits.bits(8)?).map_err(|_| OutOfBits)?;
    bits.skip(16)?;
    bits.unsigned()?;
    let (mut chroma_format, mut separate, mut depths) = (1, false, (0, 0));
    if WITH_CHROMA.contains(&profile) {
        chroma_format = at_most(bits.unsigned()?, 3)?;
        separate = chroma_format == 3 && bits.flag()?;
        depths = (at_most(bits.unsigned()?, 6)?, at_most(bits.unsigned()?, 6)?);
        bits.skip(1)?;
        if bits.flag()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        1 => {
            bits.skip(1)?;
            bits.signed()?;
            bits.signed()?;
            for _ in 0..at_most(bits.unsigned()?, 255)? {
                bits.signed()?;
            }
        }
        _ => {}
    }
    bits.unsigned()?;
    bits.skip(1)?;
    let width = 16 * u64::from(bits.unsigned()?) + 16;
    let map_units = u64::from(bits.unsigned()?) + 1;
    let frames_only = bits.flag()?;
    if !frames_only {
        bits.skip(1)?;
    }
    bits.skip(1)?;
    let fields = if frames_only { 1 } else { 2 };
    let height = 16 * map_units * fields;
    let (unit_x, unit_y) = crop_unit(if separate { 0 } else { chroma_format });
    let crop = Crop::read(&mut bits)?;
    Ok(SequenceFacts {
        width: shown(width, crop.x, unit_x)?,
        height: shown(height, crop.y, unit_y * fields)?,
        chroma_format,
        luma_depth_minus_8: depths.0,
        chroma_depth_minus_8: depths.1,
        general: [0; 12],
        temporal: (1, true),
    })
}

/// 7.3.2.1.1.1.
fn skip_scaling_list(bits: &mut Bits, size: usize) -> Result<(), OutOfBits> {
    let (mut last, mut next) = (8, 8);
    for _ in 0..size {
        if next != 0 {
            next = (last + bits.signed()?).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Ok(())
}

/// Of the bytes behind the header of an H.265 parameter set.
pub fn h265(body: &[u8]) -> Result<SequenceFacts, OutOfBits> {
    let mut bits = Bits::new(body);
    bits.skip(4)?;
    let sub_layers = at_most(bits.bits(3)?, 6)?;
    let nested = bits.flag()?;
    let mut general = [0; 12];
    for byte in &mut general {
        *byte = at_most(bits.bits(8)?, u8::MAX)?;
    }
    skip_sub_layers(&mut bits, sub_layers)?;
    bits.unsigned()?;
    let chroma_format = at_most(bits.unsigned()?, 3)?;
    let separate = chroma_format == 3 && bits.flag()?;
    let (width, height) = (bits.unsigned()?.into(), bits.unsigned()?.into());
    let (unit_x, unit_y) = crop_unit(if separate { 0 } else { chroma_format });
    let crop = Crop::read(&mut bits)?;
    Ok(SequenceFacts {
        width: shown(width, crop.x, unit_x)?,
        height: shown(height, crop.y, unit_y)?,
        chroma_format,
        luma_depth_minus_8: at_most(bits.unsigned()?, 8)?,
        chroma_depth_minus_8: at_most(bits.unsigned()?, 8)?,
        general,
        temporal: (sub_layers + 1, nested),
    })
}

/// H.265, 7.3.3: profiles and levels of the lower layers.
fn skip_sub_layers(bits: &mut Bits, sub_layers: u8) -> Result<(), OutOfBits> {
    let mut present = Vec::new();
    for _ in 0..sub_layers {
        present.push((bits.flag()?, bits.flag()?));
    }
    if sub_layers > 0 {
        bits.skip(2 * usize::from(8 - sub_layers))?;
    }
    for (profile, level) in present {
        bits.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    Ok(())
}

/// What is cut off at left and right, top and bottom; in units of chroma samples.
struct Crop {
    x: u64,
    y: u64,
}

impl Crop {
    fn read(bits: &mut Bits) -> Result<Self, OutOfBits> {
        let mut sums = [0_u64; 2];
        if bits.flag()? {
            for place in [0, 0, 1, 1] {
                sums[place] += u64::from(bits.unsigned()?);
            }
        }
        let [x, y] = sums;
        Ok(Self { x, y })
    }
}

/// A side as it is shown.
fn shown(coded: u64, cut: u64, unit: u64) -> Result<u16, OutOfBits> {
    let shown = coded.checked_sub(cut * unit).ok_or(OutOfBits)?;
    let shown = u16::try_from(shown).map_err(|_| OutOfBits)?;
    (1..=MAX_SIDE)
        .contains(&shown)
        .then_some(shown)
        .ok_or(OutOfBits)
}

/// Luma samples of one chroma sample (H.264, table 6-1; H.265, table 6-1).
fn crop_unit(chroma_format: u8) -> (u64, u64) {
    match chroma_format {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    }
}

fn at_most(value: u32, most: u8) -> Result<u8, OutOfBits> {
    u8::try_from(value)
        .ok()
        .filter(|value| *value <= most)
        .ok_or(OutOfBits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// x264, 1920x1080 High 4:2:0: coded 1920x1088, cut by 8 rows.
    const H264: &[u8] = &[
        0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0xc0, 0x44, 0x00, 0x00, 0x03,
        0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xc8, 0x3c, 0x60, 0xc6, 0x58,
    ];

    #[test]
    fn what_is_shown_is_what_is_left_of_what_is_coded() {
        let facts = h264(H264).unwrap();
        assert_eq!(
            (facts.width, facts.height, facts.chroma_format),
            (1920, 1080, 1)
        );
        for length in 0..9 {
            assert!(h264(&H264[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn sizes_out_of_any_range_are_refused() {
        assert_eq!(shown(1088, 4, 2), Ok(1080));
        assert_eq!(shown(16, 8, 2), Err(OutOfBits));
        assert_eq!(shown(16, 9, 2), Err(OutOfBits));
        assert_eq!(shown(16_400, 0, 1), Err(OutOfBits));
        for bytes in [[0xff; 40], [0; 40], [0x55; 40]] {
            let _ = (h264(&bytes), h265(&bytes));
        }
    }
}
