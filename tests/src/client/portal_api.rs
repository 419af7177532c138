//! The portal's API, as vendor staff and a distributor use it.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::Answer;

/// A connection to the portal; knows its session once signed in.
#[derive(Debug, Clone)]
pub struct PortalApi {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

impl PortalApi {
    /// Talks to `base` (`http://…` without a slash at the end).
    ///
    /// # Errors
    /// No client could be set up.
    pub fn new(base: &str) -> Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .tls_backend_preconfigured(super::pinned::no_tls()?)
            .build()
            .context("set up an HTTP client")?;
        Ok(Self {
            client,
            base: base.to_owned(),
            token: None,
        })
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

    async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let what = format!("portal: POST {path}");
        let request = self.request(Method::POST, path).json(body);
        self.send(request, &what).await?.success(&what)
    }

    /// Whether the portal answers and its database does.
    pub async fn is_up(&self) -> bool {
        let request = self
            .request(Method::GET, "/healthz")
            .timeout(Duration::from_secs(5));
        matches!(self.send(request, "healthz").await, Ok(answer) if answer.status.is_success())
    }

    /// Signs in, and stays so.
    ///
    /// # Errors
    /// Refused.
    pub async fn sign_in(&mut self, email: &str, password: &str) -> Result<()> {
        let session = json!({ "email": email, "password": password });
        let session = self.post("/api/v1/sessions", &session).await?;
        let token = session["token"].as_str().context("a session has a token")?;
        self.token = Some(token.to_owned());
        Ok(())
    }

    /// Adds a distributor with its first user, and gives it camera channels.
    ///
    /// # Errors
    /// Refused.
    pub async fn add_distributor(
        &self,
        name: &str,
        email: &str,
        password: &str,
        channels: u32,
    ) -> Result<()> {
        let distributor = json!({ "name": name, "email": email, "password": password });
        let distributor = self.post("/api/v1/distributors", &distributor).await?;
        let grant = json!({ "counts": { "camera": channels }, "note": "lab" });
        let path = format!("/api/v1/distributors/{}/grants", id(&distributor)?);
        self.post(&path, &grant).await.map(drop)
    }

    /// Adds a project; its id.
    ///
    /// # Errors
    /// Refused.
    pub async fn add_project(&self, name: &str) -> Result<String> {
        let project = self
            .post("/api/v1/projects", &json!({ "name": name }))
            .await?;
        id(&project)
    }

    /// Adds a server to a project; its id.
    ///
    /// # Errors
    /// Refused.
    pub async fn add_server(&self, project: &str, name: &str) -> Result<String> {
        let path = format!("/api/v1/projects/{project}/servers");
        let server = self.post(&path, &json!({ "name": name })).await?;
        id(&server)
    }

    /// Asks for a license of so many camera channels.
    ///
    /// # Errors
    /// No answer.
    pub async fn order(
        &self,
        server: &str,
        request: &[u8],
        channels: u32,
        dry_run: bool,
    ) -> Result<Answer> {
        let path = format!("/api/v1/servers/{server}/licenses");
        let order = json!({
            "request": String::from_utf8_lossy(request),
            "entitlements": { "camera": channels },
            "dry_run": dry_run,
        });
        let request = self.request(Method::POST, &path).json(&order);
        self.send(request, "order a license").await
    }
}

fn id(object: &Value) -> Result<String> {
    let id = object["id"].as_str();
    id.map(str::to_owned)
        .with_context(|| format!("no id in {object}"))
}
