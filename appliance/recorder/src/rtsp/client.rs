//! Requests to a camera, and its answers: DESCRIBE, SETUP and PLAY (RFC 2326, 10), with a password
//! where one is wanted (Basic or Digest, RFC 7235).

use std::time::Duration;

use http_auth::{PasswordClient, PasswordParams};
use url::Url;

use super::connection::{Connection, Message};
use super::description::Description;
use super::head::{self, Head};
use crate::source::SourceError;

/// Where the camera names no time (RFC 2326, 12.37).
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

/// User name and password.
pub type Credentials = (String, String);

/// One connection's requests.
pub struct Client {
    /// What they go through.
    pub connection: Connection,
    credentials: Option<Credentials>,
    challenge: Option<PasswordClient>,
    cseq: u32,
    session: String,
    /// The camera forgets the session when it hears nothing for this long.
    pub session_timeout: Duration,
    /// What the session's requests are about.
    base: String,
    /// RFC 2326, 10.8: what keeps it; another one where the camera knows no such request.
    keep_alive: &'static str,
}

/// What came instead of, or before, an answer.
pub type Packets<'a> = &'a mut (dyn FnMut(u8, &[u8]) -> Result<(), SourceError> + Send);

impl Client {
    /// Asks over this connection, about this address.
    pub fn new(connection: Connection, address: &Url, credentials: Option<Credentials>) -> Self {
        Self {
            connection,
            credentials,
            challenge: None,
            cseq: 0,
            session: String::new(),
            session_timeout: SESSION_TIMEOUT,
            base: address.as_str().to_owned(),
            keep_alive: "GET_PARAMETER",
        }
    }

    /// What the camera has to offer.
    ///
    /// # Errors
    /// Every [`SourceError`].
    pub async fn describe(&mut self) -> Result<Description, SourceError> {
        let address = self.base.clone();
        let accept = [("Accept", "application/sdp")];
        let (head, body) = self
            .ask("DESCRIBE", &address, &accept, &mut |_, _| Ok(()))
            .await?;
        let base = head.get("Content-Base").or(head.get("Content-Location"));
        // Some give a path, or nothing.
        if let Some(base) = base
            && Url::parse(base).is_ok_and(|url| url.has_host())
            && !base.contains(char::is_control)
        {
            base.clone_into(&mut self.base);
        }
        Ok(Description::parse(&body))
    }

    /// Where the session's streams are set up.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sets a stream up; gives the transport that the camera chose.
    ///
    /// # Errors
    /// Every [`SourceError`].
    pub async fn set_up(&mut self, address: &str, transport: &str) -> Result<String, SourceError> {
        let (head, _) = self
            .ask(
                "SETUP",
                address,
                &[("Transport", transport)],
                &mut |_, _| Ok(()),
            )
            .await?;
        if let Some(session) = head.get("Session") {
            let mut parts = session.split(';');
            let id = parts.next().unwrap_or_default().trim();
            // 3.4: no spaces, nothing that ends a line.
            self.session = id
                .chars()
                .filter(char::is_ascii_graphic)
                .take(256)
                .collect();
            let timeout = parts
                .filter_map(|part| part.trim().strip_prefix("timeout="))
                .find_map(|seconds| seconds.parse().ok());
            if let Some(seconds @ 1..=86_400) = timeout {
                self.session_timeout = Duration::from_secs(seconds);
            }
        }
        Ok(head.get("Transport").unwrap_or_default().to_owned())
    }

    /// Starts what was set up. Packets that come before the answer go to `packets`.
    ///
    /// # Errors
    /// Every [`SourceError`].
    pub async fn play(&mut self, control: &str, packets: Packets<'_>) -> Result<(), SourceError> {
        control.clone_into(&mut self.base);
        self.ask("PLAY", control, &[("Range", "npt=0.000-")], packets)
            .await?;
        Ok(())
    }

    async fn ask(
        &mut self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
        packets: Packets<'_>,
    ) -> Result<(Head, Vec<u8>), SourceError> {
        let mut attempts = 0;
        loop {
            let unasked = self.challenge.is_none();
            self.request(method, address, headers)?;
            let (head, body) = self.answer(packets).await?;
            attempts += 1;
            match head.status.unwrap_or_default() {
                200..=299 => return Ok((head, body)),
                // A password that was refused is not said again: cameras count, and lock out.
                401 if self.credentials.is_some()
                    && attempts < 3
                    && (unasked || is_stale(&head)) =>
                {
                    self.challenged(&head)?;
                }
                401 | 403 => return Err(SourceError::Refused),
                404 => return Err(SourceError::NoStream),
                status => return Err(SourceError::Status(status)),
            }
        }
    }

    fn request(
        &mut self,
        method: &str,
        address: &str,
        headers: &[(&str, &str)],
    ) -> Result<(), SourceError> {
        let authorization = self.authorization(method, address)?;
        let session = self.session.clone();
        let mut all = vec![("Authorization", &*authorization), ("Session", &*session)];
        all.extend_from_slice(headers);
        self.cseq = self.cseq.wrapping_add(1);
        self.connection
            .send(&head::request(method, address, self.cseq, &all))
    }

    fn authorization(&mut self, method: &str, uri: &str) -> Result<String, SourceError> {
        let (Some(challenge), Some((username, password))) =
            (&mut self.challenge, &self.credentials)
        else {
            return Ok(String::new());
        };
        let parameters = PasswordParams {
            username,
            password,
            uri,
            method,
            body: Some(&[]),
        };
        challenge
            .respond(&parameters)
            .map_err(|_| SourceError::Rtsp("it asks for a password in a way not known".into()))
    }

    fn challenged(&mut self, head: &Head) -> Result<(), SourceError> {
        let mut builder = PasswordClient::builder();
        for challenge in head.challenges() {
            builder = builder.challenges(challenge);
        }
        let challenge = builder
            .build()
            .map_err(|_| SourceError::Rtsp("it asks for a password in a way not known".into()))?;
        self.challenge = Some(challenge);
        Ok(())
    }

    /// The answer to the newest request.
    async fn answer(&mut self, packets: Packets<'_>) -> Result<(Head, Vec<u8>), SourceError> {
        let cseq = self.cseq;
        let mut found = None;
        loop {
            self.connection.readable().await?;
            let open = self.connection.read(|message| {
                match message {
                    Message::Packet { channel, bytes } => packets(channel, bytes)?,
                    Message::Response(head, body) => {
                        let number = head
                            .get("CSeq")
                            .and_then(|number| number.parse::<u32>().ok());
                        if number.is_none_or(|number| number == cseq) {
                            found = Some((head, body.to_vec()));
                        }
                    }
                }
                Ok(())
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
            if !open {
                return Err(SourceError::Unreachable("it closed the connection".into()));
            }
        }
    }

    /// Tells the camera that somebody still watches. Its answer comes among the packets.
    ///
    /// # Errors
    /// [`SourceError::Unreachable`].
    pub fn keep_alive(&mut self) -> Result<(), SourceError> {
        let base = self.base.clone();
        self.request(self.keep_alive, &base, &[])
    }

    /// Takes the answer to [`Self::keep_alive`]; whether it is to be asked again at once.
    ///
    /// # Errors
    /// The camera has forgotten the session.
    pub fn kept_alive(&mut self, head: &Head) -> Result<bool, SourceError> {
        match head.status {
            Some(401) if self.credentials.is_some() => self.challenged(head).map(|()| true),
            Some(454) => Err(SourceError::Status(454)),
            Some(400..) if self.keep_alive != "OPTIONS" => {
                self.keep_alive = "OPTIONS";
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Says that the session is over; whether the camera hears it is not waited for.
    pub fn tear_down(&mut self) {
        if !self.session.is_empty() {
            let base = self.base.clone();
            let _ = self.request("TEARDOWN", &base, &[]);
        }
    }
}

/// The password was right, for a challenge that has grown old (RFC 7616, 3.3).
fn is_stale(head: &Head) -> bool {
    head.challenges().any(|challenge| {
        let challenge = challenge.to_ascii_lowercase();
        challenge.contains("stale=true") || challenge.contains("stale=\"true\"")
    })
}
