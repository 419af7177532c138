//! FLAC frames of one channel of 16-bit samples (RFC 9639), for MP4 ("Encapsulation of FLAC in
//! ISO Base Media File Format").
//!
//! Own code rather than an encoder's crate: speech at 8 kHz needs no more than the fixed
//! predictors and one Rice parameter a frame, which is what follows. Tests decode the result
//! with ffmpeg.

/// Samples of every frame: 64 ms at 8 kHz.
pub const BLOCK: usize = 512;

/// 9.2.5: orders of the fixed predictors.
const ORDERS: usize = 5;
/// A Rice parameter of 15 would be an escape (9.2.7).
const MAX_RICE: u32 = 14;

/// The metadata block STREAMINFO (8.2), header included, marked as the last one.
pub fn stream_info(rate_hz: u32) -> Vec<u8> {
    let mut bits = Bits::default();
    // Last block; type 0; 34 bytes.
    bits.put(0x8000_0022, 32);
    bits.put(BLOCK as u64, 16);
    bits.put(BLOCK as u64, 16);
    // Frame sizes are not known.
    bits.put(0, 24);
    bits.put(0, 24);
    bits.put(u64::from(rate_hz), 20);
    // One channel, 16 bits, length and MD5 unknown.
    bits.put(0, 3);
    bits.put(15, 5);
    bits.put(0, 36);
    bits.put(0, 64);
    bits.put(0, 64);
    bits.bytes
}

/// 9.1.2: how a frame tells its rate. GStreamer 1.22 plays no frame that leaves it to STREAMINFO.
fn rate_bits(rate_hz: u32) -> u64 {
    match rate_hz {
        8000 => 0b0100,
        16_000 => 0b0101,
        22_050 => 0b0110,
        24_000 => 0b0111,
        32_000 => 0b1000,
        44_100 => 0b1001,
        48_000 => 0b1010,
        _ => 0,
    }
}

/// One frame of [`BLOCK`] samples; `number` counts the stream's frames.
pub fn frame(number: u32, rate_hz: u32, samples: &[i16; BLOCK]) -> Vec<u8> {
    let mut bits = Bits::default();
    // Sync code, fixed block size (9.1.1, 9.1).
    bits.put(0b1111_1111_1111_1000, 16);
    // Block size 512; rate; mono; 16 bits.
    bits.put(0b1001, 4);
    bits.put(rate_bits(rate_hz), 4);
    bits.put(0, 4);
    bits.put(0b100, 3);
    bits.put(0, 1);
    // 31 bits at most, as the coded number holds.
    put_coded_number(&mut bits, number & 0x7fff_ffff);
    let check = crc8(&bits.bytes);
    bits.put(u64::from(check), 8);
    put_subframe(&mut bits, samples);
    bits.align();
    let check = crc16(&bits.bytes);
    bits.put(u64::from(check), 16);
    bits.bytes
}

/// 9.1.5: like UTF-8, to 31 bits.
fn put_coded_number(bits: &mut Bits, number: u32) {
    if number < 0x80 {
        bits.put(u64::from(number), 8);
        return;
    }
    let used = 32 - number.leading_zeros();
    // n following bytes carry 6 bits each, the first one 6 - n.
    let following = (1..=5).find(|n| used <= 6 * n + 6 - n).unwrap_or(5);
    let mark = (0xff00_u32 >> (following + 1)) & 0xff;
    bits.put(u64::from(mark | (number >> (6 * following))), 8);
    for n in (0..following).rev() {
        bits.put(u64::from(0x80 | ((number >> (6 * n)) & 0x3f)), 8);
    }
}

fn put_subframe(bits: &mut Bits, samples: &[i16; BLOCK]) {
    let samples: Vec<i32> = samples.iter().map(|sample| i32::from(*sample)).collect();
    if samples.iter().all(|sample| *sample == samples[0]) {
        // 9.2.3: constant.
        bits.put(0, 8);
        bits.put_sample(samples[0]);
        return;
    }
    let residuals = residuals(&samples);
    let (order, residual) = residuals
        .iter()
        .enumerate()
        .min_by_key(|(_, residual)| {
            residual
                .iter()
                .map(|value| u64::from(value.unsigned_abs()))
                .sum::<u64>()
        })
        .expect("there are five orders");
    let folded: Vec<u32> = residual.iter().map(|value| fold(*value)).collect();
    let (rice, length) = (0..=MAX_RICE)
        .map(|rice| (rice, rice_bits(&folded, rice)))
        .min_by_key(|(_, length)| *length)
        .expect("there are parameters");
    if length + 16 * order as u64 >= 16 * BLOCK as u64 {
        // 9.2.4: verbatim.
        bits.put(0b0000_0010, 8);
        for sample in &samples {
            bits.put_sample(*sample);
        }
        return;
    }
    // 9.2.5: fixed predictor of this order; one partition with a 4-bit parameter.
    bits.put((0b001_000 + order as u64) << 1, 8);
    for sample in &samples[..order] {
        bits.put_sample(*sample);
    }
    bits.put(0, 6);
    bits.put(u64::from(rice), 4);
    for value in folded {
        for _ in 0..value >> rice {
            bits.put(0, 1);
        }
        bits.put(1, 1);
        bits.put(u64::from(value & ((1 << rice) - 1)), rice);
    }
}

/// The residual of each fixed predictor: each is the difference of the one before.
fn residuals(samples: &[i32]) -> [Vec<i32>; ORDERS] {
    let mut found: [Vec<i32>; ORDERS] = Default::default();
    found[0] = samples.to_vec();
    for order in 1..ORDERS {
        found[order] = found[order - 1]
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
    }
    found
}

/// 9.2.7.3: positive values are even, negative ones odd.
fn fold(value: i32) -> u32 {
    ((value << 1) ^ (value >> 31)).cast_unsigned()
}

fn rice_bits(folded: &[u32], rice: u32) -> u64 {
    folded
        .iter()
        .map(|value| u64::from((value >> rice) + 1 + rice))
        .sum()
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ byte, |crc, _| {
            (crc << 1) ^ if crc & 0x80 == 0 { 0 } else { 0x07 }
        })
    })
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x8005 }
        })
    })
}

/// Bits, most significant first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Not yet in a byte.
    rest: u64,
    rest_bits: u32,
}

impl Bits {
    /// The `count` lowest bits of `value`, at most 48 if they do not end at a byte.
    fn put(&mut self, value: u64, count: u32) {
        if count > 32 {
            self.put(value >> 32, count - 32);
            return self.put(value & 0xffff_ffff, 32);
        }
        self.rest = (self.rest << count) | value;
        self.rest_bits += count;
        while self.rest_bits >= 8 {
            self.rest_bits -= 8;
            let byte = (self.rest >> self.rest_bits) & 0xff;
            self.bytes.push(u8::try_from(byte).expect("eight bits"));
        }
        self.rest &= (1 << self.rest_bits) - 1;
    }

    fn put_sample(&mut self, sample: i32) {
        self.put(u64::from(sample.cast_unsigned() & 0xffff), 16);
    }

    fn align(&mut self) {
        let missing = (8 - self.rest_bits) % 8;
        self.put(0, missing);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// As a FLAC file, decoded by ffmpeg.
    fn decoded(blocks: &[[i16; BLOCK]]) -> Vec<i16> {
        let mut file = b"fLaC".to_vec();
        file.extend(stream_info(8000));
        for (number, block) in (0..).zip(blocks) {
            file.extend(frame(number, 8000, block));
        }
        let mut child = Command::new("ffmpeg")
            .args([
                "-v",
                "error",
                "-err_detect",
                "explode",
                "-f",
                "flac",
                "-i",
                "-",
            ])
            .args(["-f", "s16le", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let writing = std::thread::spawn(move || input.write_all(&file).unwrap());
        let output = child.wait_with_output().unwrap();
        writing.join().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let pairs = output.stdout.as_chunks::<2>().0;
        pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
    }

    #[test]
    fn another_decoder_gives_every_sample_back() {
        let mut state = 1_u32;
        let mut noise = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16).cast_signed() as i16
        };
        let mut blocks = vec![[0; BLOCK], [-7; BLOCK]];
        // Tones, louder and louder; the last ones jump between the ends.
        for block in 0..6_i32 {
            blocks.push(std::array::from_fn(|n| {
                let phase = f64::from(i32::try_from(n).unwrap()) * 0.07 * f64::from(block + 1);
                (phase.sin() * 10_f64.powi(block.min(4))) as i16
            }));
        }
        blocks.push(std::array::from_fn(|_| noise()));
        blocks.push(std::array::from_fn(|_| noise() >> 9));
        blocks.push(std::array::from_fn(|n| {
            if n % 2 == 0 { i16::MIN } else { i16::MAX }
        }));
        // Frame numbers of two bytes.
        while blocks.len() < 140 {
            blocks.push(std::array::from_fn(|_| noise() >> 12));
        }
        assert_eq!(decoded(&blocks), blocks.concat());
    }

    #[test]
    fn silence_is_short_and_noise_hardly_longer_than_it_was() {
        assert!(frame(0, 8000, &[0; BLOCK]).len() < 16);
        let ends: [i16; BLOCK] =
            std::array::from_fn(|n| if n % 3 == 0 { i16::MIN } else { i16::MAX });
        assert!(frame(u32::MAX, 11_025, &ends).len() < 2 * BLOCK + 20);
    }

    #[test]
    fn frame_numbers_are_coded_like_utf_8() {
        for (number, expected) in [
            (0x7f, vec![0x7f]),
            (0x80, vec![0xc2, 0x80]),
            (0x7ff, vec![0xdf, 0xbf]),
            (0xffff, vec![0xef, 0xbf, 0xbf]),
            (0x10_ffff, vec![0xf4, 0x8f, 0xbf, 0xbf]),
            (0x7fff_ffff, vec![0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf]),
        ] {
            let mut bits = Bits::default();
            put_coded_number(&mut bits, number);
            assert_eq!(bits.bytes, expected, "{number:#x}");
        }
    }
}
