//! The box's API, as an owner's program uses it.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{Answer, pinned};

/// A connection to one box; knows its certificate and, once signed in, its session.
#[derive(Debug, Clone)]
pub struct BoxApi {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl BoxApi {
    /// Talks to `base` (`https://…` without a slash at the end) and believes only the
    /// certificate with this fingerprint.
    ///
    /// # Errors
    /// The fingerprint is none.
    pub fn new(base: &str, fingerprint: &str) -> Result<Self> {
        Ok(Self {
            client: pinned::client(fingerprint)?,
            base: base.trim_end_matches('/').to_owned(),
            token: None,
        })
    }

    /// The address of the pages.
    pub fn base(&self) -> &str {
        &self.base
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder, what: &str) -> Result<Answer> {
        let response = request.send().await.with_context(|| what.to_owned())?;
        Answer::read(response).await
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let what = format!("GET {path}");
        let request = self.request(Method::GET, path);
        self.send(request, &what).await?.success(&what)
    }

    /// Whether the pages answer at all.
    pub async fn is_up(&self) -> bool {
        let request = self
            .request(Method::GET, "/healthz")
            .timeout(Duration::from_secs(5));
        matches!(self.send(request, "healthz").await, Ok(answer) if answer.status.is_success())
    }

    /// `POST sessions`: signs in, and stays so.
    ///
    /// # Errors
    /// Refused.
    pub async fn sign_in(&mut self, name: &str, password: &str) -> Result<()> {
        let request = self
            .request(Method::POST, "/api/v1/sessions")
            .json(&json!({ "name": name, "password": password }));
        let session = self.send(request, "sign in").await?.success("sign in")?;
        let token = session["token"].as_str().context("a session has a token")?;
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// `POST setup`: sets the first password.
    ///
    /// # Errors
    /// The box did not answer.
    pub async fn set_up(&self, code: &str, password: &str) -> Result<Answer> {
        let request = self
            .request(Method::POST, "/api/v1/setup")
            .json(&json!({ "code": code, "password": password }));
        self.send(request, "set up").await
    }

    /// `GET status`.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn status(&self) -> Result<Value> {
        self.get("/api/v1/status").await
    }

    /// `GET license`.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn license(&self) -> Result<Value> {
        self.get("/api/v1/license").await
    }

    /// `POST license/request`: the request file.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn export_request(&self) -> Result<Vec<u8>> {
        let request = self.request(Method::POST, "/api/v1/license/request");
        self.send(request, "export a request")
            .await?
            .bytes("export a request")
    }

    /// `POST license/import`.
    ///
    /// # Errors
    /// No answer.
    pub async fn import(&self, file: &[u8], dry_run: bool) -> Result<Answer> {
        let path = format!("/api/v1/license/import?dry_run={dry_run}");
        let request = self.request(Method::POST, &path).body(file.to_vec());
        self.send(request, "import a license").await
    }

    /// `GET cameras`.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn cameras(&self) -> Result<Vec<Value>> {
        let list = self.get("/api/v1/cameras").await?;
        let list = list["cameras"].as_array();
        Ok(list.context("the cameras are a list")?.clone())
    }

    /// The camera with this MAC, as `GET cameras` has it.
    ///
    /// # Errors
    /// Refused, no answer, or it is not there.
    pub async fn camera(&self, mac: &str) -> Result<Value> {
        self.cameras()
            .await?
            .into_iter()
            .find(|camera| camera["mac"] == mac)
            .with_context(|| format!("camera {mac} is not on the box's list"))
    }

    /// `PUT channels/{camera}`.
    ///
    /// # Errors
    /// No answer.
    pub async fn assign(&self, camera: &str) -> Result<Answer> {
        let path = format!("/api/v1/channels/{camera}");
        let request = self.request(Method::PUT, &path).json(&json!({}));
        self.send(request, "assign a channel").await
    }

    /// `DELETE channels/{camera}`.
    ///
    /// # Errors
    /// No answer.
    pub async fn release(&self, camera: &str) -> Result<Answer> {
        let path = format!("/api/v1/channels/{camera}");
        let request = self.request(Method::DELETE, &path);
        self.send(request, "release a channel").await
    }

    /// `GET channels/{camera}/settings`.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn settings(&self, camera: &str) -> Result<Value> {
        self.get(&format!("/api/v1/channels/{camera}/settings"))
            .await
    }

    /// `PUT channels/{camera}/settings`: these, but recorded all the time.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn record_always(&self, camera: &str, settings: &Value) -> Result<()> {
        let mut settings = settings.clone();
        settings["plan"]["week"] = json!(vec!["a".repeat(48); 7]);
        let path = format!("/api/v1/channels/{camera}/settings");
        let request = self.request(Method::PUT, &path).json(&settings);
        self.send(request, "configure a camera")
            .await?
            .success("configure a camera")
            .map(|_| ())
    }

    /// `GET gate`.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn gate(&self) -> Result<Value> {
        self.get("/api/v1/gate").await
    }

    /// `GET timeline/{camera}` of all that was ever recorded.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn timeline(&self, camera: &str) -> Result<Value> {
        let newest = self.recordings().await?;
        let start = |recording: Option<&Value>| recording?["start_utc_ms"].as_i64();
        let from = start(newest.last()).context("something was recorded")?;
        let to = start(newest.first()).unwrap_or(from) + 3_600_000;
        let span = format!("from_utc_ms={from}&to_utc_ms={to}");
        self.get(&format!("/api/v1/timeline/{camera}?{span}")).await
    }

    /// `GET recordings`: the recordings, newest first.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn recordings(&self) -> Result<Vec<Value>> {
        let list = self.get("/api/v1/recordings").await?;
        let list = list["recordings"].as_array();
        Ok(list.context("the recordings are a list")?.clone())
    }

    /// `GET recordings/{file}`: one recording, as far as it is whole.
    ///
    /// # Errors
    /// Refused, or no answer.
    pub async fn recording(&self, file: &str) -> Result<Vec<u8>> {
        let what = format!("GET recording {file}");
        let request = self.request(Method::GET, &format!("/api/v1/recordings/{file}"));
        self.send(request, &what).await?.bytes(&what)
    }
}
