//! What the issued license files alone say is licensed, against the ledger.
//!
//! A file names its license and revision, its counters `from` and `to`, what it gives and
//! until when. The newest file's `from` is what the box's counter had reached when it asked:
//! an older file is in use if its `to` is the highest up to there, and still importable if
//! its `to` is above. Whatever a box could run is charged; here each step is proven before the
//! next, so nothing more is.

use std::collections::BTreeMap;

use sealgate_license::license_document::{Binding, LicensePayload, SignedLicense};
use serde_json::json;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::world::{ADMIN, Distributor, World};

const BOUGHT: i64 = 100;

/// Charged per kind by the files of one distributor.
fn charged(files: &[LicensePayload]) -> BTreeMap<String, u32> {
    let mut licenses: BTreeMap<&str, Vec<&LicensePayload>> = BTreeMap::new();
    for file in files {
        licenses.entry(&file.license_id).or_default().push(file);
    }
    let mut sum = BTreeMap::new();
    for files in licenses.values_mut() {
        files.sort_by_key(|file| file.revision);
        let newest = files.last().unwrap();
        let holding: Vec<&LicensePayload> = match &newest.binding {
            // Copied at will: each file counts for as long as it lasts.
            Binding::Mac | Binding::Dongle(_) | Binding::Other { .. } => files.clone(),
            Binding::Tpm(tpm) => {
                let reached = tpm.from;
                let counter = |file: &&&LicensePayload| match &file.binding {
                    Binding::Tpm(tpm) => tpm.to,
                    _ => 0,
                };
                let in_use = files.iter().filter(|file| counter(file) <= reached);
                let in_use = in_use.max_by_key(counter);
                let importable = files.iter().filter(|file| counter(file) > reached);
                importable.chain(in_use).copied().collect()
            }
        };
        let mut most: BTreeMap<&str, u32> = BTreeMap::new();
        let mut macs = std::collections::BTreeSet::new();
        for file in holding {
            for (kind, count) in &file.entitlements.counts {
                let entry = most.entry(kind).or_default();
                *entry = (*entry).max(*count);
            }
            macs.extend(file.entitlements.mac_list.iter().map(ToString::to_string));
        }
        for (kind, count) in most {
            *sum.entry(kind.to_owned()).or_default() += count;
        }
        if !macs.is_empty() {
            *sum.entry("mac".to_owned()).or_default() += u32::try_from(macs.len()).unwrap();
        }
    }
    sum
}

fn read(text: &str) -> LicensePayload {
    SignedLicense::parse(text)
        .unwrap()
        .unverified_payload()
        .clone()
}

struct Books<'a> {
    world: &'a World,
    seller: &'a Distributor,
    files: Vec<LicensePayload>,
}

impl Books<'_> {
    async fn compare(&self) {
        let path = format!("/api/v1/distributors/{}/balance", self.seller.id);
        let ledger = self
            .world
            .get(&path, &self.seller.token)
            .await
            .expect(200, "");
        let charged = charged(&self.files);
        for kind in ["camera", "mac"] {
            let licensed = i64::from(charged.get(kind).copied().unwrap_or_default());
            assert_eq!(
                ledger[kind]["available"],
                BOUGHT - licensed,
                "{kind}: {charged:?}"
            );
        }
    }

    async fn post(&mut self, path: &str, body: serde_json::Value) -> String {
        let made = self.world.post(path, &self.seller.token, body).await;
        let made = made.expect(201, "");
        self.files.push(read(made["file"].as_str().unwrap()));
        self.compare().await;
        made["id"].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn balances_follow_from_the_files_alone() {
    let world = World::new();
    let seller = world.distributor("Nordlicht", 100).await;
    let admin = world.sign_in(ADMIN).await;
    let of = format!("/api/v1/distributors/{}", seller.id);
    let macs = json!({ "counts": { "mac": BOUGHT } });
    world
        .post(&format!("{of}/grants"), &admin, macs)
        .await
        .expect(201, "");
    let allowed = world
        .put(&format!("{of}/permissions"), &admin, json!({ "mac": true }))
        .await;
    assert_eq!(allowed.status, 204);
    let (quay, yard) = (
        world.server(&seller, "Quay").await,
        world.server(&seller, "Yard").await,
    );
    let virtual_server = world.server(&seller, "Virtual").await;
    let mut books = Books {
        world: &world,
        seller: &seller,
        files: Vec::new(),
    };
    let mut boxes = [
        (quay, SoftwareBox::new(RSA, 3, "NVR-0207"), None),
        (yard, SoftwareBox::new(P384, 4, "NVR-0193"), None),
    ];
    // Up, down, up again, and down to little; each proven when the next is asked for.
    for channels in [8, 20, 12, 30, 2] {
        for (server, recorder, in_use) in &mut boxes {
            let secret = in_use.as_ref().map(|id: &String| world.secret(id));
            let request = recorder.request(secret.as_ref());
            let body = json!({ "request": request, "entitlements": { "camera": channels } });
            let path = format!("/api/v1/servers/{server}/licenses");
            let id = books.post(&path, body).await;
            let newest = books.files.last().unwrap();
            let Binding::Tpm(tpm) = &newest.binding else {
                unreachable!("a license for a box is bound to its TPM");
            };
            recorder.counter = tpm.to;
            *in_use = Some(id);
        }
    }
    let path = format!("/api/v1/servers/{virtual_server}/mac-licenses");
    let list = json!({ "list": "0001BD05E111\n0001BD05E112" });
    books.post(&path, list).await;
    let both = json!({ "list": "0001BD05E113", "entitlements": { "camera": 4 } });
    books.post(&path, both).await;
    assert_eq!(books.files.len(), 12);
    assert!(charged(&books.files)["camera"] > 4);
}
