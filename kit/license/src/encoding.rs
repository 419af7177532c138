//! How bytes are written inside JSON: base64 for blobs, lower-case hex for names and hashes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// Standard base64 with padding, the one form that is written.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// DSSE (protocol, "Parameters") lets a reader meet either alphabet.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD
        .decode(text)
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

/// For `#[serde(with = "...")]` on `Vec<u8>` fields.
pub(crate) mod base64_bytes {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&super::to_base64(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(input)?;
        super::from_base64(&text).ok_or_else(|| D::Error::custom("not base64"))
    }
}

/// For `#[serde(with = "...")]` on `Option<Vec<u8>>` fields.
pub(crate) mod base64_option {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<Vec<u8>>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => out.serialize_str(&super::to_base64(bytes)),
            None => out.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Vec<u8>>, D::Error> {
        Option::<String>::deserialize(input)?
            .map(|text| super::from_base64(&text).ok_or_else(|| D::Error::custom("not base64")))
            .transpose()
    }
}

/// For `#[serde(with = "...")]` on `Vec<Vec<u8>>` fields.
pub(crate) mod base64_list {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(list: &[Vec<u8>], out: S) -> Result<S::Ok, S::Error> {
        out.collect_seq(list.iter().map(|bytes| super::to_base64(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Vec<Vec<u8>>, D::Error> {
        Vec::<String>::deserialize(input)?
            .iter()
            .map(|text| super::from_base64(text).ok_or_else(|| D::Error::custom("not base64")))
            .collect()
    }
}

/// For `#[serde(with = "...")]` on `[u8; 32]` fields written as base64.
pub(crate) mod base64_array {
    use serde::{Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
        super::base64_bytes::serialize(bytes, out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
        super::base64_bytes::deserialize(input)?
            .try_into()
            .map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

/// For `#[serde(with = "...")]` on `[u8; 32]` fields written as hex.
pub(crate) mod hex_array {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8; 32], out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&hex::encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(input)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| D::Error::custom("not 32 bytes of hex"))?;
        Ok(bytes)
    }
}
