//! What a response code means (TPM 2.0 Part 2, 6.6; TSS 2.0 Overview, 3.1).

use tss_esapi::{Error, constants::response_code::Tss2ResponseCode};

use crate::TpmErrorKind;

/// TPM_RC_RETRY: the only code after which the same bytes are sent again at once.
pub(crate) const RETRY: u32 = 0x922;
/// TPM_RC_YIELDED.
pub(crate) const YIELDED: u32 = 0x908;
/// TPM_RC_TESTING.
pub(crate) const TESTING: u32 = 0x90A;

/// The retry codes: warnings after which a later attempt can succeed by itself.
/// Everything else closes at once, so that a fault can't be used to freeze a decision.
const TRANSIENT: [u32; 12] = [
    0x901, // CONTEXT_GAP
    0x902, // OBJECT_MEMORY
    0x903, // SESSION_MEMORY
    0x904, // MEMORY
    0x905, // SESSION_HANDLES
    0x906, // OBJECT_HANDLES
    YIELDED, 0x909, // CANCELED
    TESTING, 0x920, // NV_RATE
    RETRY, 0x923, // NV_UNAVAILABLE
];

/// The meaning of a TSS2_RC that is not success.
pub(crate) fn kind_of_code(code: u32) -> TpmErrorKind {
    const LAYER_RESOURCE_MANAGER: u32 = 11;
    const LAYER_RESOURCE_MANAGER_TPM: u32 = 12;
    const LAYER_TCTI: u32 = 10;
    match code >> 16 {
        0 | LAYER_RESOURCE_MANAGER | LAYER_RESOURCE_MANAGER_TPM => kind_of_tpm_code(code & 0xFFFF),
        // Connection refused, device gone, timeout; only 'malformed response' came from a TPM.
        LAYER_TCTI if code & 0xFFFF != 17 => TpmErrorKind::Absent,
        _ => TpmErrorKind::Garbage,
    }
}

fn kind_of_tpm_code(code: u32) -> TpmErrorKind {
    const FORMAT_ONE: u32 = 1 << 7;
    if TRANSIENT.contains(&code) {
        return TpmErrorKind::Busy;
    }
    if code & FORMAT_ONE != 0 {
        return match code & 0x3F {
            // HIERARCHY, AUTH_FAIL, BAD_AUTH: every authorisation of ours is empty.
            0x05 | 0x0E | 0x22 => TpmErrorKind::HierarchyUnavailable,
            _ => TpmErrorKind::Refused,
        };
    }
    match code {
        // INITIALIZE (nobody started the TPM up), FAILURE (failure mode).
        0x100 | 0x101 => TpmErrorKind::Absent,
        // DISABLED, AUTH_UNAVAILABLE.
        0x120 | 0x12F => TpmErrorKind::HierarchyUnavailable,
        0x14A => TpmErrorKind::CounterHalfMade,
        0x14B => TpmErrorKind::NoNvSpace,
        0x921 => TpmErrorKind::LockedOut,
        _ => TpmErrorKind::Refused,
    }
}

/// The meaning of an error of tss-esapi.
pub(crate) fn kind_of(error: &Error) -> TpmErrorKind {
    match error {
        // The wrapper found a size, a type or a value that the specification does not allow.
        Error::WrapperError(_) => TpmErrorKind::Garbage,
        Error::Tss2Error(code) => match number(code) {
            Some(number) => kind_of_code(number),
            None => TpmErrorKind::Garbage,
        },
    }
}

/// The whole TSS2_RC. tss-esapi 7.7 keeps the number private and its own `kind()` drops the
/// layer, so that a broken connection reads like a TPM in failure mode; the number is only
/// to be had in print.
fn number(code: &Tss2ResponseCode) -> Option<u32> {
    let text = match code {
        Tss2ResponseCode::Success => return None,
        Tss2ResponseCode::FormatZero(code) => code.to_string(),
        Tss2ResponseCode::FormatOne(code) => code.to_string(),
    };
    let (_, digits) = text.rsplit_once("0x")?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_specification_says() {
        for (code, kind) in [
            (0x922, TpmErrorKind::Busy),
            (0x90A, TpmErrorKind::Busy),
            (0x923, TpmErrorKind::Busy),
            (0x921, TpmErrorKind::LockedOut),
            (0x000B_0921, TpmErrorKind::LockedOut),
            (0x14B, TpmErrorKind::NoNvSpace),
            (0x14A, TpmErrorKind::CounterHalfMade),
            (0x085, TpmErrorKind::HierarchyUnavailable),
            (0x185, TpmErrorKind::HierarchyUnavailable), // HIERARCHY + handle 1
            (0x9A2, TpmErrorKind::HierarchyUnavailable), // BAD_AUTH + session 1
            (0x120, TpmErrorKind::HierarchyUnavailable),
            (0x18B, TpmErrorKind::Refused), // HANDLE + handle 1
            (0x01F, TpmErrorKind::Refused),
            (0x1DF, TpmErrorKind::Refused), // INTEGRITY + parameter 1
            (0x101, TpmErrorKind::Absent),
            (0x000A_000A, TpmErrorKind::Absent), // TCTI: input or output error
            (0x000A_0011, TpmErrorKind::Garbage), // TCTI: malformed response
            (0x0007_0011, TpmErrorKind::Garbage), // ESYS: malformed response
        ] {
            assert_eq!(kind_of_code(code), kind, "{code:#x}");
        }
    }

    #[test]
    fn the_number_is_read_back_from_tss_esapi() {
        // Port 1 of the loopback interface has no listener: a real error of the TCTI layer.
        let conf = "swtpm:host=127.0.0.1,port=1".parse().unwrap();
        let error = tss_esapi::Context::new(conf).unwrap_err();
        let Error::Tss2Error(code) = error else {
            unreachable!("{error:?}")
        };
        assert_eq!(number(&code).map(|number| number >> 16), Some(10));
        assert_eq!(kind_of(&error), TpmErrorKind::Absent);
    }
}
