//! Questions to one camera, signed in with its own clock.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oxvif::OnvifError;
use oxvif::soap::{SoapError, XmlNode, find_response, parse_soap_body};
use oxvif::transport::TransportError;
use sealgate_base::Clock;
use url::Url;

use crate::bounded_soap::{BoundedSoap, ipv4_host};
use crate::refusals::{MOST_TRIES, Refusals};
use crate::soap::{EndpointReference, envelope, token};
use crate::xml_text::MAX_TEXT_CHARS;
use crate::{Credentials, LanError};

/// For all exchanges of one question together.
pub(crate) const QUESTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Two clocks that are closer give tokens that are good for both.
const SAME_CLOCK_MS: i64 = 5_000;
/// Answered to anyone by many cameras, whatever the password (ONVIF Core, 5.9.4.3): an
/// answer says nothing about it.
const NO_PROOF: [&str; 3] = ["GetDeviceInformation", "GetServices", "GetCapabilities"];
const TIME_ACTION: &str = "http://www.onvif.org/ver10/device/wsdl/GetSystemDateAndTime";

/// Asks cameras, and keeps count of refused passwords for all who ask with it.
#[derive(Clone)]
pub struct Asker {
    pub(crate) clock: Arc<dyn Clock>,
    refusals: Arc<Mutex<Refusals>>,
}

impl std::fmt::Debug for Asker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

impl Asker {
    /// One for the whole box, so that a password that was refused once is not tried by
    /// somebody else at once.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            refusals: Arc::new(Mutex::new(Refusals::new())),
        }
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Refusals> {
        // Nothing that holds the lock panics half-way through a change.
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to ask the camera whose device service is at `xaddr`.
    pub(crate) async fn exchange(
        &self,
        xaddr: &str,
        credentials: Option<&Credentials>,
    ) -> Result<Exchange, LanError> {
        let wrong = || LanError::ServiceAddress(xaddr.chars().take(MAX_TEXT_CHARS).collect());
        let service = Url::parse(xaddr)
            .ok()
            .filter(|url| url.scheme() == "http")
            .ok_or_else(wrong)?;
        let host = ipv4_host(&service).ok_or_else(wrong)?;
        let device = SocketAddrV4::new(host, service.port().unwrap_or(80));
        let tries_left = match credentials {
            None => 1,
            Some(known) => self
                .refusals()
                .tries_left(self.clock.monotonic(), device, known)
                .map_err(|wait| LanError::HeldBack {
                    host,
                    seconds: wait.as_secs().max(1),
                })?,
        };
        let soap = BoundedSoap::new(host, credentials).map_err(LanError::Client)?;
        let mut exchange = Exchange {
            asker: self.clone(),
            host,
            device,
            service,
            soap,
            credentials: credentials.cloned(),
            way: Way::Unsigned,
            offsets_ms: vec![0],
            tries_left,
        };
        if exchange.credentials.is_some() {
            exchange.learn_clock().await?;
        }
        Ok(exchange)
    }
}

/// How questions are signed. A camera that looks at both would count two refusals for one
/// wrong password, so never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Not at all, until the camera asks for it.
    Unsigned,
    /// HTTP Digest (RFC 7616).
    Digest,
    /// A token in the envelope (WS-Security UsernameToken Profile 1.1).
    Token,
}

/// A camera that is asked.
pub(crate) struct Exchange {
    asker: Asker,
    pub host: Ipv4Addr,
    /// Where its device service is, by which its refusals are counted.
    device: SocketAddrV4,
    pub service: Url,
    soap: BoundedSoap,
    credentials: Option<Credentials>,
    way: Way,
    /// What to add to the box's clock for the camera's: the first is in use, the others
    /// are what it may be instead.
    offsets_ms: Vec<i64>,
    tries_left: u32,
}

impl Exchange {
    /// A token in the envelope carries the time (WS-Security UsernameToken Profile 1.1,
    /// 3.1), and cameras refuse one that is off by more than seconds from their own
    /// clocks, which are often years off. So theirs is asked first, as anyone may.
    async fn learn_clock(&mut self) -> Result<(), LanError> {
        let service = self.service.to_string();
        let body = "<tds:GetSystemDateAndTime/>";
        let request = envelope(&service, TIME_ACTION, None, None, body);
        let answer = self.soap.post(&service, TIME_ACTION, request).await;
        let now_ms = self.asker.clock.utc_ms();
        let mut offsets = Vec::new();
        match answer.map_err(OnvifError::from).and_then(|text| {
            let body = parse_soap_body(&text)?;
            Ok(find_response(&body, "GetSystemDateAndTimeResponse")?.clone())
        }) {
            Ok(time) => {
                // Some put the local time where UTC belongs, and some leave UTC out.
                for field in ["UTCDateTime", "LocalDateTime"] {
                    let told = time.path(&["SystemDateAndTime", field]);
                    offsets.extend(told.and_then(utc_ms).map(|told| told - now_ms));
                }
            }
            Err(error) => {
                let error = self.failed("GetSystemDateAndTime", error);
                if !matches!(error, LanError::SignIn { .. } | LanError::Ask { .. }) {
                    return Err(error);
                }
                tracing::debug!(host = %self.host, %error, "the camera does not tell its time");
            }
        }
        // The web server's clock is the camera's (RFC 9110, 6.6.1).
        offsets.extend(self.soap.date_utc_ms().map(|told| told - now_ms));
        offsets.push(0);
        let mut known: Vec<i64> = Vec::new();
        for offset in offsets {
            if !known
                .iter()
                .any(|other| (other - offset).abs() <= SAME_CLOCK_MS)
            {
                known.push(offset);
            }
        }
        self.offsets_ms = known;
        Ok(())
    }

    /// What to subtract from the camera's times for the box's, in milliseconds.
    pub fn clock_offset_ms(&self) -> i64 {
        self.offsets_ms.first().copied().unwrap_or_default()
    }

    /// Asks the service at `url` and returns the answer's element. A refused password is
    /// tried once more, the other way or with the camera's other clock, and then no more.
    pub async fn ask(
        &mut self,
        url: &str,
        operation: &'static str,
        action: &str,
        body: &str,
    ) -> Result<XmlNode, LanError> {
        let text = self.ask_text(url, operation, action, None, body).await?;
        self.element(operation, &text)
    }

    /// As [`Self::ask`], for what a camera may keep for its administrator: a refusal says
    /// nothing about the password.
    pub async fn ask_optional(
        &self,
        url: &str,
        operation: &'static str,
        action: &str,
        body: &str,
    ) -> Result<XmlNode, LanError> {
        match self.once(url, operation, action, None, body).await {
            Ok(text) => self.element(operation, &text),
            Err(error) => Err(self.failed(operation, error)),
        }
    }

    /// The element `{operation}Response` of an answer.
    pub fn element(&self, operation: &'static str, text: &str) -> Result<XmlNode, LanError> {
        parse_soap_body(text)
            .and_then(|body| find_response(&body, &format!("{operation}Response")).cloned())
            .map_err(|error| self.failed(operation, error.into()))
    }

    /// As [`Self::ask`], for the answer's text; a fault is an error.
    pub async fn ask_text(
        &mut self,
        url: &str,
        operation: &'static str,
        action: &str,
        reference: Option<&EndpointReference>,
        body: &str,
    ) -> Result<String, LanError> {
        loop {
            let error = match self.once(url, operation, action, reference, body).await {
                Ok(text) => {
                    if let Some(known) = &self.credentials
                        && self.way != Way::Unsigned
                        && !NO_PROOF.contains(&operation)
                    {
                        self.asker.refusals().accepted(self.device, known);
                        self.tries_left = MOST_TRIES;
                    }
                    return Ok(text);
                }
                Err(error) => error,
            };
            let (true, Some(known)) = (is_refusal(&error), &self.credentials) else {
                return Err(self.failed(operation, error));
            };
            if is_locked(&error) {
                // No more tries for the whole hold: each would prolong the lock.
                let now = self.asker.clock.monotonic();
                self.asker
                    .refusals()
                    .refused(now, self.device, known, MOST_TRIES);
                return Err(LanError::Locked { host: self.host });
            }
            if self.way == Way::Unsigned {
                self.way = if self.soap.offers_digest() {
                    Way::Digest
                } else {
                    Way::Token
                };
                continue;
            }
            let now = self.asker.clock.monotonic();
            self.asker.refusals().refused(now, self.device, known, 1);
            self.tries_left = self.tries_left.saturating_sub(1);
            let other_way = self.way == Way::Digest;
            if self.tries_left == 0 || !(other_way || self.offsets_ms.len() > 1) {
                return Err(LanError::SignIn { host: self.host });
            }
            if other_way {
                self.way = Way::Token;
            } else {
                self.offsets_ms.remove(0);
            }
        }
    }

    async fn once(
        &self,
        url: &str,
        operation: &'static str,
        action: &str,
        reference: Option<&EndpointReference>,
        body: &str,
    ) -> Result<String, OnvifError> {
        let signed = self.credentials.as_ref().filter(|_| self.way == Way::Token);
        let token = signed.map(|known| {
            let camera_utc_ms = self
                .asker
                .clock
                .utc_ms()
                .saturating_add(self.clock_offset_ms());
            token(known, camera_utc_ms)
        });
        let request = envelope(url, action, reference, token.as_ref(), body);
        tracing::trace!(host = %self.host, operation, "asking");
        let text = if self.way == Way::Digest {
            self.soap.post_with_digest(url, action, request).await?
        } else {
            self.soap.post(url, action, request).await?
        };
        let answer = parse_soap_body(&text)?;
        match find_response(&answer, &format!("{operation}Response")) {
            Ok(_) => Ok(text),
            Err(error) => Err(error.into()),
        }
    }

    /// A refused password is not tried a second time.
    pub fn try_once(&mut self) {
        self.tries_left = self.tries_left.min(1);
    }

    /// Whether a password was asked for.
    pub fn is_signed(&self) -> bool {
        self.way != Way::Unsigned
    }

    /// Whether it tells the time, as every ONVIF device does to anyone.
    pub async fn tells_time(&self) -> Result<(), LanError> {
        let service = self.service.as_str();
        let body = "<tds:GetSystemDateAndTime/>";
        match self
            .ask_optional(service, "GetSystemDateAndTime", TIME_ACTION, body)
            .await
        {
            // One that keeps even this for itself is one all the same.
            Ok(_) | Err(LanError::SignIn { .. } | LanError::Ask { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Fetches a picture, bounded; only from the camera itself.
    pub async fn fetch(&self, url: &str) -> Result<Vec<u8>, LanError> {
        self.soap.get(url).await.map_err(|error| {
            let error = error.into();
            if let Some(known) = self.credentials.as_ref().filter(|_| is_refusal(&error)) {
                let now = self.asker.clock.monotonic();
                self.asker.refusals().refused(now, self.device, known, 1);
            }
            self.failed("a request for a picture", error)
        })
    }

    /// Ends a question that takes too long.
    pub async fn in_time<T>(
        host: Ipv4Addr,
        question: impl Future<Output = Result<T, LanError>>,
    ) -> Result<T, LanError> {
        tokio::time::timeout(QUESTION_TIMEOUT, question)
            .await
            .unwrap_or(Err(LanError::TimedOut {
                host,
                seconds: QUESTION_TIMEOUT.as_secs(),
            }))
    }

    fn failed(&self, operation: &'static str, error: OnvifError) -> LanError {
        let host = self.host;
        if is_refusal(&error) {
            return LanError::SignIn { host };
        }
        let unreachable = matches!(
            &error,
            OnvifError::Transport(TransportError::Http(error))
                if error.is_connect() || error.is_timeout()
        );
        let foreign = matches!(
            &error,
            OnvifError::Transport(_)
                | OnvifError::Soap(SoapError::XmlParse(_) | SoapError::MissingBody)
        );
        let source = Box::new(error);
        match (unreachable, foreign) {
            (true, _) => LanError::Unreachable {
                host,
                operation,
                source,
            },
            (false, true) => LanError::NotOnvif {
                host,
                operation,
                source,
            },
            (false, false) => LanError::Ask {
                host,
                operation,
                source,
            },
        }
    }
}

/// HTTP 401 or 403; or a fault `ter:NotAuthorized` (ONVIF Core, 5.11.2.2), with which
/// cameras are not of one mind about code and subcode.
fn is_refusal(error: &OnvifError) -> bool {
    match error {
        OnvifError::Transport(TransportError::HttpStatus { status, .. }) => {
            matches!(status, 401 | 403 | 423 | 429)
        }
        OnvifError::Soap(SoapError::Fault { code, subcode, .. }) => [Some(code), subcode.as_ref()]
            .into_iter()
            .flatten()
            .any(|code| {
                [
                    "NotAuthorized",
                    "FailedAuthentication",
                    "InvalidSecurity",
                    "MessageExpired",
                ]
                .iter()
                .any(|known| code.ends_with(known))
            }),
        _ => false,
    }
}

/// No standard says how a locked account answers: makers say so in the reason or the body.
fn is_locked(error: &OnvifError) -> bool {
    let text = match error {
        OnvifError::Transport(TransportError::HttpStatus {
            status: 423 | 429, ..
        }) => return true,
        OnvifError::Transport(TransportError::HttpStatus { body, .. }) => body,
        OnvifError::Soap(SoapError::Fault { reason, .. }) => reason,
        _ => return false,
    };
    let text = text.to_ascii_lowercase();
    ["locked", "lockout", "too many"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// ONVIF's DateTime (ONVIF Core, 5.5) in milliseconds since 1970; no real date gives none.
fn utc_ms(node: &XmlNode) -> Option<i64> {
    let number = |path: [&str; 2]| -> Option<i16> { node.path(&path)?.text().parse().ok() };
    let small = |path: [&str; 2]| -> Option<i8> { i8::try_from(number(path)?).ok() };
    let date = jiff::civil::Date::new(
        number(["Date", "Year"]).filter(|year| *year >= 1970)?,
        small(["Date", "Month"])?,
        small(["Date", "Day"])?,
    )
    .ok()?;
    let time = jiff::civil::Time::new(
        small(["Time", "Hour"])?,
        small(["Time", "Minute"])?,
        // A leap second is none here.
        small(["Time", "Second"])?.min(59),
        0,
    )
    .ok()?;
    let moment = date
        .to_datetime(time)
        .to_zoned_datetime(jiff::tz::TimeZone::UTC);
    Some(moment.ok()?.timestamp().as_millisecond())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_that_are_none_are_no_time() {
        let check = |date: &str, time: &str, expected: Option<i64>| {
            let xml = format!("<U><Time>{time}</Time><Date>{date}</Date></U>");
            assert_eq!(utc_ms(&XmlNode::parse(&xml).unwrap()), expected, "{xml}");
        };
        let date =
            |y: &str, m: &str, d: &str| format!("<Year>{y}</Year><Month>{m}</Month><Day>{d}</Day>");
        let time = "<Hour>0</Hour><Minute>0</Minute><Second>1</Second>";
        check(&date("1970", "1", "1"), time, Some(1000));
        check(&date("2000", "01", "01"), time, Some(946_684_801_000));
        check(&date("0", "0", "0"), time, None);
        check(&date("2025", "2", "30"), time, None);
        check(&date("99999", "1", "1"), time, None);
        check(&date("2025", "x", "1"), time, None);
        check("", "", None);
    }

    #[test]
    fn refusals_are_told_from_other_errors() {
        let fault = |code: &str, subcode: Option<&str>| {
            OnvifError::Soap(SoapError::Fault {
                code: code.into(),
                reason: String::new(),
                subcode: subcode.map(str::to_owned),
                detail: None,
            })
        };
        let status = |status| {
            OnvifError::Transport(TransportError::HttpStatus {
                status,
                body: String::new(),
            })
        };
        assert!(is_refusal(&status(401)));
        assert!(!is_refusal(&status(404)));
        assert!(is_refusal(&fault("s:Sender", Some("ter:NotAuthorized"))));
        assert!(is_refusal(&fault("wsse:FailedAuthentication", None)));
        assert!(!is_refusal(&fault(
            "s:Receiver",
            Some("ter:ActionNotSupported")
        )));
    }
}
