//! WS-Discovery messages (OASIS WS-Discovery, draft of April 2005, as ONVIF Core 7.3 uses it).

use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};

use crate::xml_text::{MAX_DEPTH, display_text};

/// The most that a datagram can carry (RFC 768).
pub(crate) const MAX_DATAGRAM_BYTES: usize = 65_535;
/// One answer names one device, or those behind one recorder.
const MAX_ANNOUNCEMENTS: usize = 16;
/// Of one element; longer ones are cut.
const MAX_ELEMENT_BYTES: usize = 4096;

/// What one device says about itself in a ProbeMatch or Hello.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Announcement {
    /// Stable address of the endpoint, usually `urn:uuid:..`.
    pub endpoint: String,
    /// What the scopes say.
    pub scopes: Scopes,
    /// Service addresses, as sent.
    pub xaddrs: Vec<String>,
}

/// The ONVIF scopes that are shown to people (ONVIF Core, 7.3.3.2).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scopes {
    /// `onvif://www.onvif.org/name/..`
    pub name: Option<String>,
    /// `onvif://www.onvif.org/hardware/..`
    pub hardware: Option<String>,
    /// `onvif://www.onvif.org/manufacturer/..`: no standard scope, but a common one.
    pub manufacturer: Option<String>,
}

/// Why a datagram is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnnouncementError {
    /// No XML, up to the first announcement.
    #[error("the datagram is no XML")]
    Malformed,
    /// Elements nested deeper than any message of this protocol.
    #[error("the datagram's elements are nested too deep")]
    TooDeep,
}

impl Announcement {
    /// Reads a datagram. Probes, Byes and other messages give an empty list, and XML that
    /// breaks off gives what came before: cameras send both.
    pub fn parse(datagram: &[u8]) -> Result<Vec<Self>, AnnouncementError> {
        let datagram = &datagram[..datagram.len().min(MAX_DATAGRAM_BYTES)];
        // Names come in GBK and Latin-1 from some cameras; the rest of the message is ASCII.
        let text = String::from_utf8_lossy(datagram);
        let mut reader = Reader::from_str(&text);
        let config = reader.config_mut();
        // Scopes with a bare '&' are common.
        config.allow_dangling_amp = true;
        config.check_end_names = false;

        let mut open: Vec<String> = Vec::new();
        let mut found = Vec::new();
        let mut draft: Option<Draft> = None;
        loop {
            match reader.read_event() {
                Ok(Event::Start(start)) => {
                    if open.len() == MAX_DEPTH {
                        return Err(AnnouncementError::TooDeep);
                    }
                    let name = start.local_name().as_ref().to_owned();
                    if matches!(name.as_str(), "ProbeMatch" | "Hello" | "ResolveMatch") {
                        draft = Some(Draft::default());
                    }
                    open.push(name);
                }
                Ok(Event::End(_)) => {
                    let closed = open.pop();
                    if matches!(
                        closed.as_deref(),
                        Some("ProbeMatch" | "Hello" | "ResolveMatch")
                    ) {
                        found.extend(draft.take().map(Draft::finish));
                        if found.len() == MAX_ANNOUNCEMENTS {
                            return Ok(found);
                        }
                    }
                }
                Ok(Event::Text(part)) => put(&mut draft, &open, &part.xml10_content()),
                Ok(Event::CData(part)) => put(&mut draft, &open, part.as_ref()),
                Ok(Event::GeneralRef(reference)) => {
                    put(&mut draft, &open, &resolve(&reference));
                }
                Ok(Event::Eof) if open.is_empty() && !found.is_empty() => return Ok(found),
                Ok(Event::Eof) | Err(_) => break,
                Ok(_) => {}
            }
        }
        // The message broke off. A service address that is complete is worth keeping.
        found.extend(
            draft
                .filter(|draft| !draft.xaddrs.is_empty())
                .map(Draft::finish),
        );
        let is_xml = text.trim_start().starts_with('<') && text.contains('>');
        if found.is_empty() && !is_xml {
            return Err(AnnouncementError::Malformed);
        }
        Ok(found)
    }
}

/// An announcement while it is read.
#[derive(Default)]
struct Draft {
    endpoint: String,
    scopes: String,
    xaddrs: String,
}

impl Draft {
    fn finish(self) -> Announcement {
        Announcement {
            endpoint: display_text(&self.endpoint).unwrap_or_default(),
            scopes: Scopes::read(&self.scopes),
            xaddrs: self
                .xaddrs
                .split_whitespace()
                .take(8)
                .map(str::to_owned)
                .collect(),
        }
    }
}

fn put(draft: &mut Option<Draft>, open: &[String], text: &str) {
    let Some(draft) = draft else { return };
    let field = match open.last().map(String::as_str) {
        Some("Address") => &mut draft.endpoint,
        Some("Scopes") => &mut draft.scopes,
        Some("XAddrs") => &mut draft.xaddrs,
        _ => return,
    };
    let room = MAX_ELEMENT_BYTES.saturating_sub(field.len());
    field.extend(text.chars().scan(0, |used, character| {
        *used += character.len_utf8();
        (*used <= room).then_some(character)
    }));
}

fn resolve(reference: &BytesRef<'_>) -> String {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return character.to_string();
    }
    match reference.as_ref() {
        "amp" => "&".to_owned(),
        "lt" => "<".to_owned(),
        "gt" => ">".to_owned(),
        "quot" => "\"".to_owned(),
        "apos" => "'".to_owned(),
        // An entity nobody declared; nothing is expanded.
        other => format!("&{other};"),
    }
}

impl Scopes {
    fn read(scopes: &str) -> Self {
        let mut read = Self::default();
        for scope in scopes.split_whitespace() {
            let Some((key, value)) = scope
                .strip_prefix("onvif://www.onvif.org/")
                .and_then(|rest| rest.split_once('/'))
            else {
                continue;
            };
            let field = match key.to_ascii_lowercase().as_str() {
                "name" => &mut read.name,
                "hardware" => &mut read.hardware,
                "manufacturer" => &mut read.manufacturer,
                _ => continue,
            };
            if field.is_none() {
                // A space is no part of a scope: it is sent as %20 or as an underscore.
                *field = display_text(&percent_decoded(value).replace('_', " "));
            }
        }
        read
    }
}

/// RFC 3986, 2.1; what is no escape stays as it is.
pub(crate) fn percent_decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// A Probe for ONVIF devices. `types` is empty or one type with its namespace declared:
/// some cameras answer only to `tds:Device`, and some only to what asks for nothing.
pub(crate) fn probe(message_id: &str, types: &str) -> String {
    format!(
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope""#,
            r#" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing""#,
            r#" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery""#,
            r#" xmlns:dn="http://www.onvif.org/ver10/network/wsdl""#,
            r#" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><s:Header>"#,
            r#"<a:Action s:mustUnderstand="1">http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a:Action>"#,
            r#"<a:MessageID>urn:uuid:{message_id}</a:MessageID>"#,
            r#"<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>"#,
            r#"<a:To s:mustUnderstand="1">urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"#,
            r#"</s:Header><s:Body><d:Probe><d:Types>{types}</d:Types></d:Probe></s:Body></s:Envelope>"#
        ),
        message_id = message_id,
        types = types
    )
}

#[cfg(test)]
#[path = "announcement_tests.rs"]
mod tests;
