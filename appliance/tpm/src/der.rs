//! Cutting certificates out of NV contents: wrappers, padding, several in a row.

/// The certificate in the contents of an EK certificate index, without the wrapper
/// `10 01 00 length` of TCPA 1.2 times and without padding behind it. `None` if the
/// index holds no certificate (some chips leave it erased).
pub(crate) fn certificate(contents: &[u8]) -> Option<Vec<u8>> {
    let contents = match contents {
        [0x10, 0x01, 0x00, high, low, rest @ ..] => {
            rest.get(..usize::from(u16::from_be_bytes([*high, *low])))?
        }
        contents => contents,
    };
    first(contents).map(|(certificate, _)| certificate.to_vec())
}

/// The certificates that follow one another in `contents`, at most `most`.
pub(crate) fn certificates(mut contents: &[u8], most: usize) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while found.len() < most
        && let Some((certificate, rest)) = first(contents)
    {
        found.push(certificate.to_vec());
        contents = rest;
    }
    found
}

/// The first DER SEQUENCE (X.690 8.1.3, definite form, at most 64 KiB) and what follows.
fn first(contents: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, length) = match *contents.get(..4)? {
        [0x30, 0x82, high, low] => (4, usize::from(u16::from_be_bytes([high, low]))),
        [0x30, 0x81, length, _] => (3, usize::from(length)),
        [0x30, length @ 1..=0x7F, ..] => (2, usize::from(length)),
        _ => return None,
    };
    contents.split_at_checked(header + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &[u8] = &[0x30, 0x02, 0x05, 0x00];

    #[test]
    fn cuts_out_one_certificate() {
        let long = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        for (contents, expected) in [
            (SMALL.to_vec(), Some(SMALL.to_vec())),
            ([SMALL, &[0xFF; 9]].concat(), Some(SMALL.to_vec())),
            (
                [&[0x10, 0x01, 0x00, 0x00, 0x04][..], SMALL, &[0; 3]].concat(),
                Some(SMALL.to_vec()),
            ),
            ([&long[..], &[0; 40]].concat(), Some(long.clone())),
            (long[..200].to_vec(), None),
            (vec![0xFF; 100], None),
            (vec![0x10, 0x01, 0x00, 0xFF, 0xFF, 0x30], None),
            (vec![], None),
        ] {
            assert_eq!(certificate(&contents), expected, "{contents:02x?}");
        }
    }

    #[test]
    fn cuts_a_chain_apart() {
        let chain = [SMALL, SMALL, &[0; 5]].concat();
        assert_eq!(certificates(&chain, 8), [SMALL, SMALL]);
        assert_eq!(certificates(&chain, 1).len(), 1);
    }
}
