//! G.711, the sound of most cameras, as linear samples. Browsers and most players do not read
//! it in MP4; its linear samples as FLAC they do, and not a bit of it is lost.

/// Which of the two laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Law {
    /// RTP encoding name PCMA (ITU-T G.711, table 1).
    A,
    /// RTP encoding name PCMU (ITU-T G.711, table 2).
    Mu,
}

impl Law {
    /// The linear value of one octet, scaled to 16 bits.
    pub fn linear(self, octet: u8) -> i16 {
        match self {
            Self::A => {
                // Even bits are inverted on the line.
                let octet = octet ^ 0x55;
                let segment = (octet >> 4) & 7;
                let step = i16::from(octet & 0x0f) << 4;
                let magnitude = match segment {
                    0 => step + 8,
                    _ => (step + 0x108) << (segment - 1),
                };
                if octet & 0x80 == 0 {
                    -magnitude
                } else {
                    magnitude
                }
            }
            Self::Mu => {
                // All bits are inverted on the line.
                let octet = !octet;
                let segment = (octet >> 4) & 7;
                let magnitude = (((i16::from(octet & 0x0f) << 3) + 0x84) << segment) - 0x84;
                if octet & 0x80 == 0 {
                    magnitude
                } else {
                    -magnitude
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_ends_and_the_middle_of_both_laws() {
        for (law, octet, expected) in [
            (Law::A, 0xd5, 8),
            (Law::A, 0x55, -8),
            (Law::A, 0xaa, 32_256),
            (Law::A, 0x2a, -32_256),
            (Law::Mu, 0xff, 0),
            (Law::Mu, 0x7f, 0),
            (Law::Mu, 0x80, 32_124),
            (Law::Mu, 0x00, -32_124),
        ] {
            assert_eq!(law.linear(octet), expected, "{law:?} {octet:#x}");
        }
    }

    #[test]
    fn louder_octets_are_louder_and_both_halves_mirror() {
        for law in [Law::A, Law::Mu] {
            let mut values: Vec<i16> = (0..=255).map(|octet| law.linear(octet)).collect();
            values.sort_unstable();
            let mirrored: Vec<i16> = values.iter().rev().map(|value| -value).collect();
            assert_eq!(values, mirrored);
            values.dedup();
            // Silence has two octets in the law mu.
            assert!(values.len() >= 255);
        }
    }
}
