//! The head of an RTSP message as text (RFC 2326, 4): as much as a relay needs to know.

use std::io;

/// A longer head is none.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;
/// A longer body is no session description.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// First line and headers, in the order they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    first: String,
    headers: Vec<(String, String)>,
}

impl Head {
    /// The head that the bytes begin with, and its length; `None` while it is not whole.
    ///
    /// # Errors
    /// What begins there is no RTSP message.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        // Empty lines before a message are tolerated, as in HTTP.
        let mut lines = text.trim_start_matches("\r\n").split("\r\n");
        let first = lines.next().unwrap_or_default();
        if !first.contains("RTSP/1.0") {
            return Err(io::Error::other("no RTSP message"));
        }
        let headers = lines.map(|line| {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| io::Error::other("a header without a colon"))?;
            Ok((name.to_owned(), value.trim().to_owned()))
        });
        let head = Self {
            first: first.to_owned(),
            headers: headers.collect::<io::Result<_>>()?,
        };
        Ok(Some((head, end + 4)))
    }

    /// A request of this method.
    pub fn is_request(&self, method: &str) -> bool {
        self.first.split(' ').next() == Some(method)
    }

    /// The first header of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Sets the first header of this name, which is there.
    pub fn set(&mut self, name: &str, value: &str) {
        let found = self
            .headers
            .iter_mut()
            .find(|(found, _)| found.eq_ignore_ascii_case(name));
        if let Some((_, found)) = found {
            value.clone_into(found);
        }
    }

    /// How many bytes follow the head.
    ///
    /// # Errors
    /// More than a session description has, or no number.
    pub fn body_bytes(&self) -> io::Result<usize> {
        let Some(length) = self.get("Content-Length") else {
            return Ok(0);
        };
        let length: usize = length.parse().map_err(io::Error::other)?;
        if length > MAX_BODY_BYTES {
            return Err(io::Error::other("an RTSP message that is too long"));
        }
        Ok(length)
    }

    /// The request that ends the session this request belongs to.
    pub fn teardown(&self) -> Option<Vec<u8>> {
        let url = self.first.split(' ').nth(1)?;
        let session = self.get("Session")?;
        let cseq = self.get("CSeq")?.parse::<u32>().ok()?.wrapping_add(1);
        let text = format!(
            "TEARDOWN {url} RTSP/1.0\r\nCSeq: {cseq}\r\nSession: {session}\r\n\
             User-Agent: Sealgate\r\n\r\n"
        );
        Some(text.into_bytes())
    }

    /// As it goes over the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.push_str(name);
            text.push_str(": ");
            text.push_str(value);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SETUP: &[u8] = b"SETUP rtsp://192.0.2.7/1/track0 RTSP/1.0\r\nCSeq: 3\r\n\
        Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 0815\r\n\r\nrest";

    #[test]
    fn a_head_is_read_changed_and_written() {
        let (mut head, length) = Head::parse(SETUP).unwrap().unwrap();
        assert_eq!(&SETUP[length..], b"rest");
        assert!(head.is_request("SETUP") && !head.is_request("PLAY"));
        assert_eq!(head.get("cseq"), Some("3"));
        assert_eq!(head.to_bytes(), SETUP[..length]);
        head.set("transport", "RTP/AVP;unicast;client_port=6-7");
        let text = String::from_utf8(head.to_bytes()).unwrap();
        assert!(text.contains("\r\nTransport: RTP/AVP;unicast;client_port=6-7\r\n"));
        let end = String::from_utf8(head.teardown().unwrap()).unwrap();
        assert!(end.starts_with("TEARDOWN rtsp://192.0.2.7/1/track0 RTSP/1.0\r\nCSeq: 4\r\n"));
        assert!(end.contains("Session: 0815"));
        assert_eq!(Head::parse(&SETUP[..length - 1]).unwrap(), None);
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"RTSP/1.0 200 OK\r\nno colon\r\n\r\n",
            b"RTSP/1.0 200 OK\r\n\xff: x\r\n\r\n",
        ] {
            assert!(Head::parse(bytes).is_err(), "{bytes:?}");
        }
        for (length, expected) in [("5", Some(5)), ("-1", None), ("999999999", None)] {
            let text = format!("RTSP/1.0 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let (head, _) = Head::parse(text.as_bytes()).unwrap().unwrap();
            assert_eq!(head.body_bytes().ok(), expected);
        }
    }
}
