//! Step 4: the request goes to the portal, a license comes back.

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::{Journey, must_equal};
use crate::evidence::Evidence;

/// The owner saves the request file from the page; the distributor uploads it, sees what
/// it would cost, and gets a license for one channel. A request whose counter was changed
/// after the TPM signed it is refused.
pub async fn portal_issues(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let saved = journey.browser.act("export_request", json!({})).await?;
    let request = saved["text"].as_str().context("the request is text")?;
    journey.request = request.as_bytes().to_vec();
    evidence.note_bytes(
        "request",
        saved["file"].as_str().unwrap_or_default(),
        &journey.request,
    );

    let portal = journey.lab.portal();
    let distributor = portal.sign_in().await?;
    let project = distributor.add_project("Warehouse").await?;
    let server = distributor.add_server(&project, "Gate house").await?;

    let forged = changed(
        &journey.request,
        "channels",
        json!({ "used": 0, "wanted": 99 }),
    )?;
    let refused = distributor.order(&server, &forged, 1, true).await?;
    evidence.note("forged_request_answer", refused.code());
    ensure!(
        !refused.status.is_success(),
        "the portal took a request that was changed after the TPM signed it"
    );

    let dry = distributor
        .order(&server, &journey.request, 1, true)
        .await?;
    evidence.note("dry_run", dry.success("see what the license would cost")?);
    let issued = distributor
        .order(&server, &journey.request, 1, false)
        .await?;
    let mut issued = issued.success("issue the license")?;
    let file = issued["file"].take();
    evidence.note("issued", &issued);
    must_equal(
        "charged channels",
        &issued["charged"],
        json!({ "camera": 1 }),
    )?;
    let file = file.as_str().context("the license is in the answer")?;
    journey.license = file.as_bytes().to_vec();
    let name = issued["file_name"].as_str().unwrap_or_default();
    evidence.note_bytes("license", name, &journey.license);

    let binding = payload(&journey.license)?["binding"].take();
    evidence.note(
        "binding",
        json!({ "kind": binding["kind"], "from": binding["from"], "to": binding["to"] }),
    );
    must_equal("the license's binding", &binding["kind"], "tpm")
}

/// A license that is genuine, and another box's.
pub async fn license_of_another_box(journey: &mut Journey<'_>) -> Result<Vec<u8>> {
    let request = journey.lab.request_of_another_box().await?;
    let distributor = journey.lab.portal().sign_in().await?;
    let project = distributor.add_project("Harbour").await?;
    let server = distributor.add_server(&project, "Crane").await?;
    let issued = distributor
        .order(&server, request.as_bytes(), 1, false)
        .await?;
    let issued = issued.success("issue another box's license")?;
    let file = issued["file"]
        .as_str()
        .context("the license is in the answer")?;
    Ok(file.as_bytes().to_vec())
}

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

/// The same document with one value of its content changed, and its signature as it was.
pub fn changed(document: &[u8], key: &str, value: Value) -> Result<Vec<u8>> {
    let mut envelope: Value = serde_json::from_slice(document).context("a document is JSON")?;
    let mut payload = payload(document)?;
    ensure!(
        !payload[key].is_null() && payload[key] != value,
        "there is no {key} to change in a document"
    );
    payload[key] = value;
    envelope["payload"] = BASE64_STANDARD.encode(payload.to_string()).into();
    Ok(envelope.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_leaves_the_signature_as_it_was() {
        let content = json!({ "entitlements": { "camera": 1 }, "revision": 1 });
        let file = json!({
            "payload": BASE64_STANDARD.encode(content.to_string()),
            "signatures": [{ "sig": "c2ln" }],
        });
        let file = file.to_string();
        let edited = changed(file.as_bytes(), "entitlements", json!({ "camera": 2 })).unwrap();
        let envelope: Value = serde_json::from_slice(&edited).unwrap();
        assert_eq!(envelope["signatures"], json!([{ "sig": "c2ln" }]));
        let expected = json!({ "entitlements": { "camera": 2 }, "revision": 1 });
        assert_eq!(payload(&edited).unwrap(), expected);
        assert!(changed(file.as_bytes(), "revision", json!(1)).is_err());
        assert!(changed(file.as_bytes(), "serial", json!("x")).is_err());
    }
}
