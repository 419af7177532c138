//! Codes of authenticator apps: TOTP (RFC 6238) as every app does it: HMAC-SHA-1, 30 s,
//! six digits. Box and portal share it.
//!
//! Invariant: pure; the time is an argument. Deliberately absent: which steps were used up,
//! which each side keeps with its users.

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;

/// Length of the key, bytes: that of the hash (RFC 4226, section 4, R6).
pub const KEY_BYTES: usize = 20;
const STEP_MS: i64 = 30_000;
/// Steps before and after the present one whose codes are taken too, for clocks that differ.
const LEEWAY_STEPS: i64 = 1;

/// The step whose code this is, if it is one of about now.
pub fn step_of(key: &[u8; KEY_BYTES], typed: &str, now_utc_ms: i64) -> Option<i64> {
    let typed: String = typed
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .collect();
    let now = now_utc_ms.div_euclid(STEP_MS);
    // All are compared, so that the time taken says nothing about which one fits.
    let mut found = None;
    for step in now - LEEWAY_STEPS..=now + LEEWAY_STEPS {
        if bool::from(code(key, step).as_bytes().ct_eq(typed.as_bytes())) {
            found = Some(step);
        }
    }
    found
}

/// The code of a step (RFC 4226, section 5.3).
pub fn code(key: &[u8; KEY_BYTES], step: i64) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let offset = usize::from(digest[19] & 0x0f);
    let mut word = [0; 4];
    word.copy_from_slice(&digest[offset..offset + 4]);
    let number = u32::from_be_bytes(word) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// The key as people type it: Base32 in groups of four.
pub fn key_text(key: &[u8; KEY_BYTES]) -> String {
    BASE32_NOPAD
        .encode(key)
        .as_bytes()
        .chunks(4)
        .map(String::from_utf8_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What an app's camera reads (Key URI Format). Names are letters, digits and `._-`.
pub fn uri(key: &[u8; KEY_BYTES], box_name: &str, user: &str) -> String {
    format!(
        "otpauth://totp/{box_name}:{user}?secret={}&issuer={box_name}",
        BASE32_NOPAD.encode(key)
    )
}

/// Random bytes that a recovery code is made of.
pub const RECOVERY_BYTES: usize = 10;
/// 32 letters and digits that nobody takes for each other, so a byte picks one without bias.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A code that stands in for the app once, with 50 bits: `ABCDE-FGHJK`.
pub fn recovery_code(random: &[u8; RECOVERY_BYTES]) -> String {
    let letters: String = random
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let (first, second) = letters.split_at(RECOVERY_BYTES / 2);
    format!("{first}-{second}")
}

/// A recovery code as a person typed it, without what doesn't matter.
pub fn typed_recovery_code(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_uppercase())
        .take(RECOVERY_BYTES + 1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8; KEY_BYTES] = b"12345678901234567890";

    #[test]
    fn agrees_with_the_test_vectors_of_rfc_6238() {
        // Appendix B, SHA-1, last six of the eight digits.
        for (utc_s, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code(KEY, utc_s / 30), expected, "{utc_s}");
            assert_eq!(step_of(KEY, expected, utc_s * 1000), Some(utc_s / 30));
        }
    }

    #[test]
    fn clocks_may_differ_by_a_step_and_people_type_spaces() {
        assert_eq!(step_of(KEY, "287 082", 89_999), Some(1));
        assert_eq!(step_of(KEY, "287082", 0), Some(1));
        assert_eq!(step_of(KEY, "287082", 90_000), None);
        assert_eq!(step_of(KEY, "", 59_000), None);
        assert_eq!(step_of(KEY, "94287082", 59_000), None);
    }

    #[test]
    fn a_recovery_code_is_found_however_it_is_typed() {
        let code = recovery_code(&[0, 1, 2, 3, 4, 31, 32, 63, 255, 7]);
        assert_eq!(code, "ABCDE-9A99H");
        for typed in ["ABCDE-9A99H", "abcde9a99h", " abcde 9a99h "] {
            assert_eq!(typed_recovery_code(typed), "ABCDE9A99H");
        }
        assert_ne!(typed_recovery_code("ABCDE9A99HX"), "ABCDE9A99H");
        assert!(typed_recovery_code(&"A".repeat(1000)).len() <= RECOVERY_BYTES + 1);
    }

    #[test]
    fn keys_are_typed_and_read_by_cameras() {
        assert_eq!(key_text(KEY), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            uri(KEY, "NVR-0207", "ann"),
            "otpauth://totp/NVR-0207:ann?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=NVR-0207"
        );
    }
}
