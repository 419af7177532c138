//! Envelopes: what is sent to a camera, and what is taken from its answers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oxvif::soap::WsSecurityToken;
use oxvif::soap::security::compute_digest;
use quick_xml::Reader;
use quick_xml::escape::escape;
use quick_xml::events::Event;

use crate::Credentials;

/// What an endpoint reference may carry to be sent back, in bytes.
const MAX_REFERENCE_BYTES: usize = 2048;

/// Prefixes that our own bodies and headers use.
const NAMESPACES: [(&str, &str); 8] = [
    ("wsnt", "http://docs.oasis-open.org/wsn/b-2"),
    ("tt", "http://www.onvif.org/ver10/schema"),
    ("tds", "http://www.onvif.org/ver10/device/wsdl"),
    ("tmd", "http://www.onvif.org/ver10/deviceIO/wsdl"),
    ("trt", "http://www.onvif.org/ver10/media/wsdl"),
    ("tr2", "http://www.onvif.org/ver20/media/wsdl"),
    ("tev", "http://www.onvif.org/ver10/events/wsdl"),
    ("tptz", "http://www.onvif.org/ver20/ptz/wsdl"),
];

/// Where a subscription is managed, and what to repeat to its manager (WS-Addressing 1.0
/// Core, 2.1): some makers tell subscriptions apart by these elements alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct EndpointReference {
    /// Its address, as sent.
    pub address: String,
    /// Elements to repeat in the header, with their namespaces.
    parameters: String,
    /// `xmlns` declarations they need.
    declarations: String,
}

/// A request, ready to be sent.
pub(crate) fn envelope(
    to: &str,
    action: &str,
    reference: Option<&EndpointReference>,
    token: Option<&WsSecurityToken>,
    body: &str,
) -> String {
    let mut out = String::from(
        r#"<?xml version="1.0" encoding="UTF-8"?><sgs:Envelope xmlns:sgs="http://www.w3.org/2003/05/soap-envelope""#,
    );
    for (prefix, uri) in NAMESPACES {
        out.push_str(&format!(r#" xmlns:{prefix}="{uri}""#));
    }
    out.push_str("><sgs:Header");
    if let Some(reference) = reference {
        out.push_str(&reference.declarations);
        // WS-Addressing is required of events only (ONVIF Core, 9), and some cameras stumble
        // over it elsewhere.
        out.push_str(&format!(
            concat!(
                r#"><sga:To xmlns:sga="http://www.w3.org/2005/08/addressing">{}</sga:To>"#,
                r#"<sga:Action xmlns:sga="http://www.w3.org/2005/08/addressing">{}</sga:Action>{}"#
            ),
            escape(to),
            escape(action),
            reference.parameters
        ));
    } else {
        out.push('>');
    }
    if let Some(token) = token {
        let mut security = String::new();
        token.write_xml(&mut security);
        // The library leaves the declarations to its own envelope.
        out.push_str(&security.replacen(
            "<wsse:Security>",
            concat!(
                // Not to be understood by all means: some cameras know HTTP Digest alone.
                r#"<wsse:Security"#,
                r#" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd""#,
                r#" xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd">"#
            ),
            1,
        ));
    }
    out.push_str("</sgs:Header><sgs:Body>");
    out.push_str(body);
    out.push_str("</sgs:Body></sgs:Envelope>");
    out
}

/// WS-Security UsernameToken Profile 1.1, 3.1: a digest that holds at one moment of the
/// camera's own clock, in milliseconds of UTC since 1970.
pub(crate) fn token(credentials: &Credentials, camera_utc_ms: i64) -> WsSecurityToken {
    let created = jiff::Timestamp::from_millisecond(camera_utc_ms)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let nonce = uuid::Uuid::new_v4();
    let digest = compute_digest(nonce.as_bytes(), &created, &credentials.password);
    WsSecurityToken::from_parts(
        credentials.user.as_str(),
        STANDARD.encode(digest),
        STANDARD.encode(nonce.as_bytes()),
        created,
    )
}

/// The reference in an answer's `SubscriptionReference`; none if there is no such element,
/// or what it carries is longer than any that is known.
pub(crate) fn subscription_reference(answer: &str) -> Option<EndpointReference> {
    let mut reader = Reader::from_str(answer);
    let mut open: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut found: Option<EndpointReference> = None;
    let mut parameters_from = None;
    let offset = |reader: &Reader<&[u8]>| usize::try_from(reader.buffer_position()).ok();
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                let name = start.local_name().as_ref().to_owned();
                let declared = start
                    .attributes()
                    .flatten()
                    .filter(|attribute| attribute.key.as_ref().starts_with("xmlns:"))
                    .map(|attribute| {
                        let key = attribute.key.as_ref().to_owned();
                        (key, attribute.value.as_ref().to_owned())
                    })
                    .collect();
                if open.len() >= crate::xml_text::MAX_DEPTH {
                    return None;
                }
                if name == "SubscriptionReference" {
                    found = Some(EndpointReference::default());
                }
                if found.is_some() && name == "ReferenceParameters" {
                    parameters_from = offset(&reader);
                }
                open.push((name, declared));
            }
            Event::Text(text) => {
                let in_address = open.last().is_some_and(|(name, _)| name == "Address");
                if let Some(reference) = found.as_mut().filter(|_| in_address) {
                    reference.address.push_str(text.xml10_content().trim());
                }
            }
            Event::GeneralRef(entity) => {
                let in_address = open.last().is_some_and(|(name, _)| name == "Address");
                if let Some(reference) = found.as_mut().filter(|_| in_address)
                    && entity.as_ref() == "amp"
                {
                    reference.address.push('&');
                }
            }
            Event::End(end) => {
                let name = end.local_name().as_ref().to_owned();
                if name == "ReferenceParameters"
                    && let (Some(from), Some(reference)) = (parameters_from, found.as_mut())
                {
                    let to = offset(&reader)?.checked_sub(end.as_ref().len() + 3)?;
                    reference.parameters = answer.get(from..to)?.trim().to_owned();
                    reference.declarations = declarations(&open);
                    parameters_from = None;
                }
                if name == "SubscriptionReference" {
                    return found.filter(|reference| {
                        let carried = reference.parameters.len() + reference.declarations.len();
                        !reference.address.is_empty() && carried <= MAX_REFERENCE_BYTES
                    });
                }
                open.pop();
            }
            Event::Eof => return None,
            _ => {}
        }
    }
}

/// The prefixes in scope, the innermost of each, but none that the envelope itself has.
fn declarations(open: &[(String, Vec<(String, String)>)]) -> String {
    let mut seen: Vec<&str> = vec!["xmlns:sgs"];
    let mut out = String::new();
    for (key, value) in open.iter().rev().flat_map(|(_, declared)| declared) {
        if !seen.contains(&key.as_str()) && !value.contains(['"', '<']) {
            seen.push(key);
            out.push_str(&format!(r#" {key}="{value}""#));
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use oxvif::soap::XmlNode;

    /// As a large maker's cameras answer: the address is the same for all subscriptions.
    const ANSWER: &str = concat!(
        r#"<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:wsa5="http://www.w3.org/2005/08/addressing" xmlns:dom="http://maker.example/event">"#,
        r#"<e:Body><tev:CreatePullPointSubscriptionResponse xmlns:tev="http://www.onvif.org/ver10/events/wsdl">"#,
        r#"<tev:SubscriptionReference><wsa5:Address>http://192.0.2.7/onvif/services?a=1&amp;b=2</wsa5:Address>"#,
        r#"<wsa5:ReferenceParameters><dom:SubscriptionId>42</dom:SubscriptionId></wsa5:ReferenceParameters>"#,
        r#"</tev:SubscriptionReference></tev:CreatePullPointSubscriptionResponse></e:Body></e:Envelope>"#
    );

    #[test]
    fn a_reference_is_repeated_as_it_came() {
        let reference = subscription_reference(ANSWER).unwrap();
        assert_eq!(reference.address, "http://192.0.2.7/onvif/services?a=1&b=2");
        let request = envelope(
            &reference.address,
            "urn:x",
            Some(&reference),
            None,
            "<tev:X/>",
        );
        let header = XmlNode::parse(&request).unwrap();
        let header = header.child("Header").unwrap();
        assert_eq!(header.child("SubscriptionId").unwrap().text(), "42");
        assert_eq!(header.child("Action").unwrap().text(), "urn:x");
        assert!(request.contains(r#"xmlns:dom="http://maker.example/event""#));
    }

    #[test]
    fn a_reference_without_parameters_is_an_address() {
        let plain = ANSWER
            .replace(
                r#"<wsa5:ReferenceParameters><dom:SubscriptionId>42</dom:SubscriptionId></wsa5:ReferenceParameters>"#,
                "",
            );
        let reference = subscription_reference(&plain).unwrap();
        assert_eq!(reference.parameters, "");
        assert_eq!(subscription_reference("<a/>"), None);
        assert_eq!(subscription_reference("no XML <"), None);
        let long = ANSWER.replace("42", &"4".repeat(3000));
        assert_eq!(subscription_reference(&long), None);
        for length in 0..ANSWER.len() {
            let _ = subscription_reference(&ANSWER[..length]);
        }
    }

    #[test]
    fn the_token_holds_at_the_cameras_time() {
        let credentials = Credentials {
            user: "a&b".into(),
            password: "p".into(),
        };
        // A camera whose clock stands in 2000.
        let token = token(&credentials, 946_684_800_000);
        assert_eq!(token.created, "2000-01-01T00:00:00Z");
        let nonce = STANDARD.decode(&token.nonce_b64).unwrap();
        assert_eq!(
            token.password_digest,
            STANDARD.encode(compute_digest(&nonce, "2000-01-01T00:00:00Z", "p"))
        );
        let request = envelope("http://192.0.2.7/", "urn:x", None, Some(&token), "<tds:X/>");
        let parsed = XmlNode::parse(&request).unwrap();
        let name = ["Header", "Security", "UsernameToken", "Username"];
        assert_eq!(parsed.path(&name).unwrap().text(), "a&b");
    }
}
