//! Step 4: the request goes to the portal, a license comes back.

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::Value;

use super::Journey;
use crate::evidence::Evidence;

/// The signed content of a document, unverified: for looking at it.
pub fn payload(document: &[u8]) -> Result<Value> {
    let envelope: Value = serde_json::from_slice(document).context("a document is JSON")?;
    let payload = envelope["payload"]
        .as_str()
        .context("a document has a payload")?;
    let payload = BASE64_STANDARD
        .decode(payload)
        .context("a payload is base64")?;
    serde_json::from_slice(&payload).context("a payload is JSON")
}

pub async fn portal_issues(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let request = journey.api()?.export_request().await?;
    evidence.note_bytes("request", "journey.req", &request);
    journey.request = request;
    anyhow::bail!("portal")
}
