//! BER-TLV as PIV uses it (ISO/IEC 8825-1, 8.1): tags of one or two bytes, definite
//! lengths of up to two bytes.

/// The first object with this tag in a row of objects. `None` where there is none, or
/// where the row is broken before it.
pub(crate) fn find(mut objects: &[u8], tag: u16) -> Option<&[u8]> {
    while !objects.is_empty() {
        let (found, value, rest) = first(objects)?;
        if found == tag {
            return Some(value);
        }
        objects = rest;
    }
    None
}

/// The first object: its tag, its value, and what follows.
fn first(objects: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let (&tag, rest) = objects.split_first()?;
    // The tag goes on in a second byte when its low five bits are all set.
    let (tag, rest) = if tag & 0x1f == 0x1f {
        let (&low, rest) = rest.split_first()?;
        (u16::from_be_bytes([tag, low]), rest)
    } else {
        (u16::from(tag), rest)
    };
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((tag, value, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn finds_an_object_among_others() {
        let row = [0x01, 1, 9, 0x7f, 0x49, 2, 7, 8, 0x04, 0x81, 1, 5];
        assert_eq!(find(&row, 0x01), Some(&[9][..]));
        assert_eq!(find(&row, 0x7f49), Some(&[7, 8][..]));
        assert_eq!(find(&row, 0x04), Some(&[5][..]));
        assert_eq!(find(&row, 0x05), None);
        let long = [&[0x53, 0x82, 1, 0][..], &[3; 256]].concat();
        assert_eq!(find(&long, 0x53).unwrap().len(), 256);
    }

    #[test]
    fn gives_nothing_of_a_broken_row() {
        for broken in [
            &[0x01][..],
            &[0x01, 2, 9],
            &[0x01, 0x80],
            &[0x01, 0x81],
            &[0x01, 0x82, 1],
            &[0x01, 0x83, 0, 0, 1, 1],
            &[0x7f],
        ] {
            assert_eq!(find(broken, 0x01), None, "{broken:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_harm(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            tag in any::<u16>(),
        ) {
            if let Some(value) = find(&bytes, tag) {
                prop_assert!(value.len() < bytes.len());
            }
        }
    }
}
