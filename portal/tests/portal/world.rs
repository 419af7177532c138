//! A portal, its people, and how to talk to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use jiff::Timestamp;
use sealgate_license::vendor::Flavour;
use sealgate_portal::desk::{
    Desk, EkRootFile, FirstAdmin, OpenError, Places, add_ek_roots, initialise, open_store,
};
use sealgate_portal::signer;
use sealgate_portal::store::{StoreError, transact};
use sealgate_portal::trust::TrustClass;
use sealgate_portal::web::{WebSettings, router};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::boxes::ROOT;
use crate::support::now;

pub const ADMIN: &str = "admin@vendor.test";
pub const PASSWORD: &str = "correct horse battery";

/// Begins at [`now`], and stands still until it is moved on.
#[derive(Clone, Default)]
pub struct FakeClock(Arc<AtomicI64>);

impl FakeClock {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_second(now().as_second() + self.0.load(Ordering::SeqCst)).unwrap()
    }
}

pub struct World {
    pub folder: TempDir,
    pub clock: FakeClock,
    pub router: Router,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub fn header(&self, name: header::HeaderName) -> &str {
        self.headers[name].to_str().unwrap()
    }

    /// The answer is this status, and (for a refusal) this code.
    pub fn expect(self, status: u16, code: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body).into_owned();
        assert_eq!(self.status.as_u16(), status, "{text}");
        if self.body.is_empty() {
            return Value::Null;
        }
        let body = self.json();
        if !code.is_empty() {
            assert_eq!(body["code"], code, "{text}");
        }
        body
    }
}

pub fn open(folder: &Path, clock: &FakeClock) -> Result<Router, OpenError> {
    let places = Places::in_folder(folder);
    let clock = clock.clone();
    let desk = Desk::open(&places, Some(Flavour::Lab), Arc::new(move || clock.now()))?;
    Ok(router(Arc::new(desk), WebSettings::default()))
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::in_folder(folder.path());
        let mut rng = rand::rng();
        signer::init(&places.keys, Flavour::Lab, now(), &mut rng).unwrap();
        let first = FirstAdmin::WithPassword(PASSWORD.to_owned().into());
        initialise(&places, Flavour::Lab, ADMIN, &first, now(), &mut rng).unwrap();
        let (store, flavour) = open_store(&places).unwrap();
        let root = EkRootFile {
            subject: "swtpm".to_owned(),
            der: ROOT.to_vec(),
        };
        add_ek_roots(&store, flavour, Some(TrustClass::Lab), vec![root], now()).unwrap();
        drop(store);
        let clock = FakeClock::default();
        let router = open(folder.path(), &clock).unwrap();
        Self {
            folder,
            clock,
            router,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: to_bytes(response.into_body(), 4 << 20)
                .await
                .unwrap()
                .to_vec(),
        }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    pub async fn put(&self, path: &str, token: &str, body: Value) -> Answer {
        let request = Request::put(path)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap())
            .await
    }

    /// What was done with an object, oldest first.
    pub fn audit(&self, object: &str) -> Vec<String> {
        let (store, _) = open_store(&Places::in_folder(self.folder.path())).unwrap();
        let entries = transact::<_, StoreError>(&store, |tx| tx.audit_of(object, 100)).unwrap();
        entries
            .into_iter()
            .rev()
            .map(|entry| entry.action)
            .collect()
    }

    pub async fn sign_in(&self, email: &str) -> String {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = self.post("/api/v1/sessions", "", body).await;
        answer.expect(201, "")["token"].as_str().unwrap().to_owned()
    }

    /// A distributor with so many camera channels, signed in.
    pub async fn distributor(&self, name: &str, channels: u32) -> Distributor {
        let admin = self.sign_in(ADMIN).await;
        let email = format!("{}@seller.test", name.to_lowercase());
        let body = json!({ "name": name, "email": email, "password": PASSWORD });
        let answer = self.post("/api/v1/distributors", &admin, body).await;
        let id = answer.expect(201, "")["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/distributors/{id}/grants");
        let body = json!({ "counts": { "camera": channels } });
        self.post(&path, &admin, body).await.expect(201, "");
        Distributor {
            token: self.sign_in(&email).await,
            id,
        }
    }

    /// What the distributor's balance of camera channels is.
    pub async fn available(&self, distributor: &Distributor) -> i64 {
        let path = format!("/api/v1/distributors/{}/balance", distributor.id);
        let answer = self.get(&path, &distributor.token).await.expect(200, "");
        answer["camera"]["available"].as_i64().unwrap()
    }

    /// A server in a project of its own.
    pub async fn server(&self, distributor: &Distributor, name: &str) -> String {
        let body = json!({ "name": format!("Project {name}") });
        let answer = self
            .post("/api/v1/projects", &distributor.token, body)
            .await;
        let project = answer.expect(201, "")["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/projects/{project}/servers");
        let answer = self
            .post(&path, &distributor.token, json!({ "name": name }))
            .await;
        answer.expect(201, "")["id"].as_str().unwrap().to_owned()
    }

    pub async fn issue(
        &self,
        who: &Distributor,
        server: &str,
        request: &str,
        channels: u32,
    ) -> Answer {
        let body = json!({ "request": request, "entitlements": { "camera": channels } });
        let path = format!("/api/v1/servers/{server}/licenses");
        self.post(&path, &who.token, body).await
    }

    /// The activation secret of a file: what the box's TPM would reveal.
    pub fn secret(&self, file_id: &str) -> [u8; 32] {
        let journal = self.folder.path().join("journal/handed-out.jsonl");
        let text = std::fs::read_to_string(journal).unwrap();
        let record = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["record"].clone())
            .find(|record| record["kind"] == "issued" && record["file_id"] == file_id)
            .unwrap();
        let mut secret = [0; 32];
        hex::decode_to_slice(record["activation_secret"].as_str().unwrap(), &mut secret).unwrap();
        secret
    }
}

pub struct Distributor {
    pub id: String,
    pub token: String,
}
