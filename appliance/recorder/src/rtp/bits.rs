//! Bits of a configuration, such as a parameter set (ITU-T H.264, 7.2 and 9.1; H.265, 7.2 and 9.2 are the same).

/// Bytes, of which bits are taken.
#[derive(Debug)]
pub struct Bits {
    bytes: Vec<u8>,
    /// Bits read.
    at: usize,
}

/// It ended too early, or a number is out of any range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfBits;

impl Bits {
    /// Of what follows a unit's header, without the bytes that prevent start codes inside.
    pub fn new(unit: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(unit.len());
        let mut zeros = 0;
        for byte in unit {
            // 7.4.1: 00 00 03 stands for 00 00.
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self { bytes, at: 0 }
    }

    /// Of bytes that prevent nothing.
    pub fn raw(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            at: 0,
        }
    }

    /// `u(1)`.
    pub fn flag(&mut self) -> Result<bool, OutOfBits> {
        Ok(self.bits(1)? == 1)
    }

    /// `u(n)` of at most 32.
    pub fn bits(&mut self, count: usize) -> Result<u32, OutOfBits> {
        debug_assert!(count <= 32, "a number has 32 bits at most");
        let mut value = 0;
        for at in self.at..self.at + count {
            let byte = self.bytes.get(at / 8).ok_or(OutOfBits)?;
            value = value << 1 | u32::from(byte >> (7 - at % 8) & 1);
        }
        self.at += count;
        Ok(value)
    }

    /// Goes on behind these.
    pub fn skip(&mut self, count: usize) -> Result<(), OutOfBits> {
        self.at += count;
        (self.at <= self.bytes.len() * 8)
            .then_some(())
            .ok_or(OutOfBits)
    }

    /// `ue(v)`.
    pub fn unsigned(&mut self) -> Result<u32, OutOfBits> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(OutOfBits);
            }
        }
        let rest = self.bits(zeros)?;
        Ok((1_u32 << zeros) - 1 + rest)
    }

    /// `se(v)`.
    pub fn signed(&mut self) -> Result<i64, OutOfBits> {
        let code = i64::from(self.unsigned()?);
        Ok(if code % 2 == 1 {
            (code + 1) / 2
        } else {
            -code / 2
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read() {
        // 1 | 010 | 011 | 00100 | 00101 | 1010 0000
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0010, 0b1101_0000]);
        let numbers: Vec<_> = (0..3).map(|_| bits.unsigned().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(bits.signed(), Ok(2));
        assert_eq!(bits.signed(), Ok(-2));
        assert_eq!(bits.bits(4), Ok(0b1010));
        assert_eq!(bits.skip(3), Ok(()));
        assert_eq!(bits.flag(), Err(OutOfBits));
        assert_eq!(Bits::new(&[0; 9]).unsigned(), Err(OutOfBits));
        assert_eq!(
            Bits::new(&[0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe]).unsigned(),
            Ok(u32::MAX - 1)
        );
    }

    #[test]
    fn bytes_that_prevent_start_codes_are_left_out() {
        let bits = Bits::new(&[0, 0, 3, 1, 3, 0, 0, 3, 0, 0, 3, 3]);
        assert_eq!(bits.bytes, [0, 0, 1, 3, 0, 0, 0, 0, 3]);
    }
}
