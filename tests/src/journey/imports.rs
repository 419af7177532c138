//! Step 5: the license comes home.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::requests::{changed, license_of_another_box, payload};
use super::{Break, Journey, must_equal};
use crate::client::box_api::BoxApi;
use crate::evidence::Evidence;

/// One byte more than a document may have.
const TOO_LARGE: usize = 1024 * 1024 + 1;

/// The owner uploads the license, sees what it will change, confirms, and has one place.
pub async fn imports(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    let api = journey.api()?.clone();
    let before = api.license().await?;
    if journey.broken == Some(Break::License) {
        journey.license = edited(&journey.license)?;
    }
    let file = journey.lab.folder().join("journey.lic");
    std::fs::write(&file, &journey.license).context("write the license file")?;
    evidence.note_file("license", &file)?;

    let dry = api.import(&journey.license, true).await?;
    let dry = dry.success("try the license without using it")?;
    evidence.note("dry_run", &dry);
    must_equal(
        "places after a dry run",
        &api.license().await?["places"]["total"],
        0,
    )?;

    let pages = journey
        .browser
        .act("import_license", json!({ "file": file }))
        .await?;
    evidence.note("pages", &pages);

    let after = api.license().await?;
    evidence.note("license_view", &after);
    must_equal("license in force", &after["ok"], true)?;
    must_equal(
        "places",
        &after["places"],
        json!({ "used": 0, "total": 1, "free": 1 }),
    )?;
    let counter = |license: &Value| license["tpm"]["counter"].as_u64();
    evidence.note(
        "counter",
        json!({ "before": counter(&before), "after": counter(&after) }),
    );
    let (was, is) = (
        counter(&before).context("the counter before")?,
        counter(&after).context("the counter after")?,
    );
    ensure!(is > was, "the TPM's counter went from {was} to {is}");
    let license: Value = payload(&journey.license)?;
    must_equal(
        "the counter and the license's 'to'",
        &json!(is),
        license["binding"]["to"].clone(),
    )
}

/// Files that are wrong in every way the catalog names: each is refused with its code,
/// and license and counter stay as they are.
pub async fn bad_files_change_nothing(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
) -> Result<()> {
    let api = journey.api()?.clone();
    let foreign = license_of_another_box(journey).await?;
    let good = &journey.license;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("truncated", good[..good.len() / 2].to_vec(), "SG-DOC-002"),
        ("not a document", b"hello, box".to_vec(), "SG-DOC-001"),
        ("edited", edited(good)?, "SG-LIC-001"),
        ("a request instead", journey.request.clone(), "SG-DOC-004"),
        ("over 1 MiB", vec![b' '; TOO_LARGE], "SG-DOC-003"),
        ("of another box", foreign, "SG-LIC-010"),
    ];
    let before = unchanged(&api).await?;
    let mut codes = serde_json::Map::new();
    for (what, file, code) in cases {
        for dry_run in [true, false] {
            let answer = api.import(&file, dry_run).await?;
            let found = answer.code();
            ensure!(
                found.as_deref() == Some(code),
                "a file that is {what} was answered with {} {found:?}, not {code}",
                answer.status
            );
        }
        codes.insert(what.to_owned(), code.into());
        must_equal(
            "what a bad file changed",
            &unchanged(&api).await?,
            before.clone(),
        )?;
    }
    evidence.note("codes", codes);
    evidence.note("unchanged", before);
    Ok(())
}

async fn unchanged(api: &BoxApi) -> Result<Value> {
    let license = api.license().await?;
    Ok(json!({
        "license": license["license_id"],
        "revision": license["revision"],
        "ok": license["ok"],
        "places": license["places"],
        "counter": license["tpm"]["counter"],
    }))
}

/// The same file with more channels, and the vendor's signature as it was.
fn edited(file: &[u8]) -> Result<Vec<u8>> {
    changed(file, "entitlements", json!({ "camera": 64 }))
}
