//! The box's and the portal's APIs, spoken as an owner's or a distributor's program would.

pub mod box_api;
pub mod pinned;
pub mod portal_api;

use anyhow::{Context, Result};
use reqwest::{Response, StatusCode};
use serde_json::Value;

/// An answer that was read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads a response to its end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn read(response: Response) -> Result<Self> {
        let status = response.status();
        let body = response.bytes().await.context("read an answer")?.to_vec();
        Ok(Self { status, body })
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<String> {
        self.json()["code"].as_str().map(str::to_owned)
    }

    /// The JSON of a success.
    ///
    /// # Errors
    /// The answer is a refusal; its code and text are in the error.
    pub fn success(self, what: &str) -> Result<Value> {
        self.bytes(what)
            .map(|body| serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The bytes of a success.
    ///
    /// # Errors
    /// The answer is a refusal; its code and text are in the error.
    pub fn bytes(self, what: &str) -> Result<Vec<u8>> {
        anyhow::ensure!(
            self.status.is_success(),
            "{what}: {} {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(self.body)
    }
}
