//! The head of an RTSP message (RFC 2326, 4): read from what a camera sent, and written.

use std::fmt::Write as _;

/// A longer head is none.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A longer body is no session description.
pub const MAX_BODY_BYTES: usize = 256 * 1024;
/// More headers than that describe nothing.
const MAX_HEADERS: usize = 128;

/// First line and headers, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Of a response; a camera's own requests have none.
    pub status: Option<u16>,
    headers: Vec<(String, String)>,
}

/// Why bytes are no head, for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The first line names no RTSP version.
    #[error("it is no RTSP message")]
    NotRtsp,
    /// [`MAX_HEAD_BYTES`], or too many headers.
    #[error("a message's head does not end")]
    Endless,
    /// [`MAX_BODY_BYTES`], or no number.
    #[error("a message's body is too long")]
    Body,
}

impl Head {
    /// The head that the bytes begin with, and its length; `None` while it is not whole.
    ///
    /// Cameras send headers without a colon, and bytes that are no UTF-8; the others still count.
    ///
    /// # Errors
    /// What begins there is no RTSP message.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, HeadError> {
        let limited = &bytes[..bytes.len().min(MAX_HEAD_BYTES)];
        let Some(end) = limited.windows(4).position(|four| four == b"\r\n\r\n") else {
            return match bytes.len() {
                ..=MAX_HEAD_BYTES => Ok(None),
                _ => Err(HeadError::Endless),
            };
        };
        let text = String::from_utf8_lossy(&bytes[..end]);
        let mut lines = text.split("\r\n");
        let status = first_line(lines.next().unwrap_or_default())?;
        let mut headers = Vec::new();
        for line in lines {
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            }
            if headers.len() > MAX_HEADERS {
                return Err(HeadError::Endless);
            }
        }
        Ok(Some((Self { status, headers }, end + 4)))
    }

    /// The first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Every challenge to tell a password (RFC 7235, 4.1).
    pub fn challenges(&self) -> impl Iterator<Item = &str> {
        let headers = self.headers.iter();
        let found = headers.filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"));
        found.map(|(_, value)| value.as_str())
    }

    /// How many bytes follow the head.
    ///
    /// # Errors
    /// [`HeadError::Body`].
    pub fn body_bytes(&self) -> Result<usize, HeadError> {
        let Some(length) = self.get("Content-Length") else {
            return Ok(0);
        };
        match length.parse() {
            Ok(length) if length <= MAX_BODY_BYTES => Ok(length),
            _ => Err(HeadError::Body),
        }
    }
}

/// The status of a response; nothing for a request.
fn first_line(line: &str) -> Result<Option<u16>, HeadError> {
    if let Some(rest) = line.strip_prefix("RTSP/1.") {
        let status = rest
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        return status.map(Some).ok_or(HeadError::NotRtsp);
    }
    let is_request = line.rsplit(' ').next() == Some("RTSP/1.0");
    is_request.then_some(None).ok_or(HeadError::NotRtsp)
}

/// A request without a body. Empty headers are left out.
pub fn request(method: &str, url: &str, cseq: u32, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {url} RTSP/1.0\r\nCSeq: {cseq}\r\nUser-Agent: Sealgate\r\n");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"RTSP/1.0 401 Unauthorized\r\nCSeq: 3 \r\n\
        WWW-Authenticate: Basic realm=\"a\"\r\nwww-authenticate: Digest realm=\"b\"\r\n\
        no colon\r\nServer: \xff\r\n\r\nrest";

    #[test]
    fn a_response_is_read() {
        let (head, length) = Head::parse(RESPONSE).unwrap().unwrap();
        assert_eq!(&RESPONSE[length..], b"rest");
        assert_eq!(head.status, Some(401));
        assert_eq!(head.get("cseq"), Some("3"));
        let challenges: Vec<_> = head.challenges().collect();
        assert_eq!(challenges, ["Basic realm=\"a\"", "Digest realm=\"b\""]);
        assert_eq!(head.body_bytes(), Ok(0));
        assert_eq!(Head::parse(&RESPONSE[..length - 1]), Ok(None));
    }

    #[test]
    fn a_camera_may_ask_too() {
        let text = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
        assert_eq!(Head::parse(text).unwrap().unwrap().0.status, None);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for (text, expected) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], HeadError::NotRtsp),
            (b"RTSP/1.0 OK\r\n\r\n", HeadError::NotRtsp),
            (b"\r\n\r\n", HeadError::NotRtsp),
            (&[b'x'; MAX_HEAD_BYTES + 1], HeadError::Endless),
        ] {
            assert_eq!(Head::parse(text), Err(expected));
        }
        let many = format!("RTSP/1.0 200 OK\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert_eq!(Head::parse(many.as_bytes()), Err(HeadError::Endless));
        assert_eq!(Head::parse(&[b'x'; MAX_HEAD_BYTES]), Ok(None));
    }

    #[test]
    fn a_body_has_a_length_and_a_bound() {
        for (length, expected) in [("5", Ok(5)), ("-1", Err(HeadError::Body))] {
            let text = format!("RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let (head, _) = Head::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(head.body_bytes(), expected);
        }
        let text = b"RTSP/1.0 200 OK\r\ncontent-length: 10000000000\r\n\r\n";
        let (head, _) = Head::parse(text).unwrap().unwrap();
        assert_eq!(head.body_bytes(), Err(HeadError::Body));
    }

    #[test]
    fn a_request_is_written() {
        let text = request(
            "PLAY",
            "rtsp://192.0.2.7/",
            4,
            &[("Session", "8"), ("A", "")],
        );
        assert_eq!(
            text,
            "PLAY rtsp://192.0.2.7/ RTSP/1.0\r\nCSeq: 4\r\nUser-Agent: Sealgate\r\nSession: 8\r\n\r\n"
        );
    }
}
