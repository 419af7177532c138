//! One person of each role, and something for each route to work on.

use axum::body::Body;
use axum::http::{Method, Request, header};
use sealgate_portal::desk::{Places, open_store};
use sealgate_portal::rules::Counts;
use sealgate_portal::store::people::{ApiToken, Authenticator};
use sealgate_portal::store::work::Claim;
use sealgate_portal::store::{
    PasswordLink, Session, Store, StoreError, TokenHash, TokenId, Tx, User, UserId, transact,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::boxes::{P384, RSA, SoftwareBox};
use crate::world::{ADMIN, Answer, Distributor, PASSWORD, World};

/// A code as claims keep it: without the hyphens between its groups.
const CLAIM_CODE: &str = "0123456789ABCDEFGHJKMNPQR";
/// What every minted session's forms carry.
pub const CSRF: &str = "proof";
const TOTP_KEY: [u8; 20] = [7; 20];

/// Roles as the table calls them, with the addresses of their people.
pub const ROLES: [(&str, &str); 5] = [
    ("distributor", "north@seller.test"),
    ("sub_distributor", "kai@seller.test"),
    ("sales", "sales@vendor.test"),
    ("support", "support@vendor.test"),
    ("admin", ADMIN),
];
/// The user whom others decide about.
const TARGET: &str = "colleague@seller.test";
/// Another distributor's.
pub const STRANGER: &str = "sur@seller.test";

pub struct Cast {
    pub world: World,
    store: Box<dyn Store>,
    pub north: String,
    pub kai: String,
    pub project: String,
    pub server: String,
    failed_server: String,
    returning_server: String,
    proof: String,
    claim_request: String,
    pub file: String,
    mac_file: String,
    request: String,
    returned: String,
    pub target: UserId,
    made: u32,
}

async fn add_user(world: &World, admin: &str, body: Value) -> UserId {
    let added = world.post("/api/v1/users", admin, body).await;
    let id = added.expect(201, "")["id"].as_str().unwrap().to_owned();
    id.parse().unwrap()
}

impl Cast {
    pub async fn new() -> Self {
        let world = World::new();
        let admin = world.sign_in(ADMIN).await;
        let mut ids = Vec::new();
        for (name, parent) in [("North", false), ("Kai", true), ("Sur", false)] {
            let email = format!("{}@seller.test", name.to_lowercase());
            let mut body = json!({ "name": name, "email": email, "password": PASSWORD });
            if parent {
                body["parent_id"] = Value::from(ids.last().cloned());
            }
            let answer = world.post("/api/v1/distributors", &admin, body).await;
            let id = answer.expect(201, "")["id"].as_str().unwrap().to_owned();
            let path = format!("/api/v1/distributors/{id}");
            let counts = json!({ "counts": { "camera": 500, "mac": 500 } });
            let granted = world.post(&format!("{path}/grants"), &admin, counts).await;
            granted.expect(201, "");
            let mac = json!({ "mac": true });
            let allowed = world.put(&format!("{path}/permissions"), &admin, mac).await;
            assert_eq!(allowed.status, 204);
            ids.push(id);
        }
        for role in ["sales", "support"] {
            let body = json!({ "email": format!("{role}@vendor.test"), "role": role });
            add_user(&world, &admin, body).await;
        }
        let body = json!({ "email": TARGET, "distributor_id": ids[1] });
        let target = add_user(&world, &admin, body).await;

        let kai = Distributor {
            id: ids[1].clone(),
            token: world.sign_in("kai@seller.test").await,
        };
        let server = world.server(&kai, "Quay").await;
        let quay = SoftwareBox::new(RSA, 3, "NVR-0207").request(None);
        let made = world.issue(&kai, &server, &quay, 4).await;
        let file = made.expect(201, "")["id"].as_str().unwrap().to_owned();
        let failed_server = world.server(&kai, "Failed").await;
        let mut failed = SoftwareBox::new(P384, 4, "NVR-0193");
        let made = world
            .issue(&kai, &failed_server, &failed.request(None), 2)
            .await;
        made.expect(201, "");
        failed.counter = 30;
        let returning_server = world.server(&kai, "Smaller").await;
        let mut returning = SoftwareBox::new(RSA, 5, "NVR-0211");
        let request = returning.request(None);
        let made = world.issue(&kai, &returning_server, &request, 8).await;
        let first = made.expect(201, "")["id"].as_str().unwrap().to_owned();
        returning.counter = 8;
        let proof = returning.request(Some(&world.secret(&first)));
        let made = world.issue(&kai, &returning_server, &proof, 4).await;
        let second = made.expect(201, "")["id"].as_str().unwrap().to_owned();
        returning.counter = 16;
        let proof = returning.request(Some(&world.secret(&second)));
        let claim_server = world.server(&kai, "Claimed").await;
        let view = world
            .get(&format!("/api/v1/servers/{server}"), &kai.token)
            .await;
        let view = view.expect(200, "");
        let list = json!({ "list": "0001BD05E111" });
        let path = format!("/api/v1/servers/{server}/mac-licenses");
        let listed = world.post(&path, &kai.token, list).await.expect(201, "");
        let (store, _) = open_store(&Places::in_folder(world.folder.path())).unwrap();
        let cast = Self {
            north: ids[0].clone(),
            kai: kai.id,
            project: view["project_id"].as_str().unwrap().to_owned(),
            server,
            failed_server,
            returning_server,
            proof,
            claim_request: SoftwareBox::new(P384, 6, "NVR-0216").request(None),
            file,
            mac_file: format!("{}-1", listed["license_id"].as_str().unwrap()),
            request: quay,
            returned: failed.request(None),
            target,
            store,
            world,
            made: 0,
        };
        let phc = cast.user(ADMIN).password_phc.unwrap();
        for (_, email) in ROLES {
            let id = cast.user(email).id;
            cast.tx(|tx| tx.set_password(id, &phc));
        }
        let now_s = cast.world.clock.now().as_second();
        let claim = Claim {
            code_sha256: Sha256::digest(CLAIM_CODE).into(),
            server: claim_server.parse().unwrap(),
            user: cast.user(ADMIN).id,
            counts: Counts::of("camera", 3),
            created_utc_s: now_s,
            expires_utc_s: now_s + 3600,
            used_by: None,
        };
        cast.tx(|tx| tx.insert_claim(&claim));
        cast
    }

    /// A report of a box that nobody decided about.
    fn open_report(&self) -> i64 {
        let server = self.server.parse().unwrap();
        let open = || self.tx(|tx| tx.open_reports(Some(server), 1)).pop();
        let report = open().unwrap_or_else(|| {
            let user = self.user(ADMIN).id;
            self.tx(|tx| tx.insert_report(server, user, "It smokes.", 1));
            open().unwrap()
        });
        report.id
    }

    pub fn tx<T>(&self, work: impl FnOnce(&mut dyn Tx) -> Result<T, StoreError>) -> T {
        transact(self.store.as_ref(), work).unwrap()
    }

    pub fn user(&self, email: &str) -> User {
        self.tx(|tx| tx.user_by_email(email)).unwrap()
    }

    fn fresh(&mut self) -> u32 {
        self.made += 1;
        self.made
    }

    /// A session of that person's; none is slowed down by hashing a password.
    pub fn session(&mut self, email: &str) -> String {
        let token = format!("session-{}", self.fresh());
        let now_s = self.world.clock.now().as_second();
        let session = Session {
            token: TokenHash::of(&token),
            user: self.user(email).id,
            csrf: CSRF.to_owned(),
            expires_utc_s: now_s + 3600,
            created_utc_s: now_s,
            address: None,
            user_agent: None,
        };
        self.tx(|tx| tx.insert_session(&session, now_s));
        token
    }

    /// A token of that person's with one scope; its secret and id.
    pub fn token(&mut self, email: &str, scope: &str) -> (String, TokenId) {
        let secret = format!("sgp_{}", self.fresh());
        let now_s = self.world.clock.now().as_second();
        let token = ApiToken {
            id: TokenId::random(&mut rand::rng()),
            token: TokenHash::of(&secret),
            user: self.user(email).id,
            name: "erp".to_owned(),
            scopes: vec![scope.to_owned()],
            created_utc_s: now_s,
            expires_utc_s: now_s + 3600,
        };
        self.tx(|tx| tx.insert_api_token(&token, now_s));
        (secret, token.id)
    }

    /// An authenticator app whose codes [`Self::code`] makes.
    fn put_app(&self, user: UserId, in_use: bool) {
        let app = Authenticator {
            key: Zeroizing::new(TOTP_KEY),
            last_step: 0,
        };
        self.tx(|tx| tx.put_authenticator(user, in_use, &app));
    }

    fn code(&self) -> String {
        sealgate_totp::code(&TOTP_KEY, self.world.clock.now().as_second() / 30)
    }

    /// What stands in a route's braces, as the cast has it: for `owner`, where it is about
    /// one's own account.
    pub fn parameter(&mut self, path: &str, owner: &str) -> String {
        let under = |prefix: &str| {
            path.strip_prefix("/api/v1")
                .unwrap_or(path)
                .starts_with(prefix)
        };
        if under("/distributors/") {
            self.kai.clone()
        } else if under("/projects/") {
            self.project.clone()
        } else if under("/reports/") {
            self.open_report().to_string()
        } else if path.ends_with("/return") {
            self.returning_server.clone()
        } else if path.ends_with("/write-off") {
            self.failed_server.clone()
        } else if under("/servers/") {
            self.server.clone()
        } else if path.ends_with("/mac-list") {
            self.mac_file.clone()
        } else if under("/licenses/") {
            self.file.clone()
        } else if under("/dongles/") {
            "D-1".to_owned()
        } else if under("/users/") {
            self.target.to_string()
        } else if under("/account/sessions/") {
            let token = self.session(owner);
            sealgate_portal::desk::session_id(&TokenHash::of(&token))
        } else if under("/tokens/") || under("/account/tokens/") {
            self.token(owner, "see").1.to_string()
        } else if under("/welcome/") {
            let token = format!("link-{}", self.fresh());
            let link = PasswordLink {
                token: TokenHash::of(&token),
                user: self.target,
                expires_utc_s: self.world.clock.now().as_second() + 60,
            };
            self.tx(|tx| tx.insert_password_link(&link));
            token
        } else {
            sealgate_pages::STYLE.file_name().to_owned()
        }
    }

    /// The fields of a page's form that lets it succeed.
    fn form(&mut self, path: &str, email: &str) -> Vec<(&'static str, String)> {
        let n = self.fresh();
        let text = str::to_owned;
        let password = || ("password", text(PASSWORD));
        match path {
            "/sign-in" => vec![("email", text(ADMIN)), password()],
            "/sign-in/code" => {
                self.put_app(self.target, true);
                let step = format!("step-{n}");
                let now_s = self.world.clock.now().as_second();
                let (hash, user) = (TokenHash::of(&step), self.target);
                self.tx(|tx| tx.insert_second_step(&hash, user, now_s + 60, now_s));
                vec![("step", step), ("code", self.code())]
            }
            "/welcome/{token}" => vec![password(), ("again", text(PASSWORD))],
            "/projects" => vec![
                ("name", format!("Project {n}")),
                ("distributor", self.kai.clone()),
            ],
            "/projects/{id}/servers" => vec![("name", format!("Server {n}"))],
            "/servers/{id}/move" => vec![("project", self.project.clone())],
            "/servers/{id}/check" | "/servers/{id}/licenses" => {
                vec![("request", self.request.clone()), ("camera", text("4"))]
            }
            "/servers/{id}/claim" => vec![("camera", text("1"))],
            "/servers/{id}/dongle" => vec![("serial", text("D-1")), ("camera", text("2"))],
            "/servers/{id}/mac" | "/servers/{id}/mac/check" => {
                vec![("list", format!("0001BD08{n:04x}"))]
            }
            "/servers/{id}/report" => vec![("note", text("It smokes."))],
            "/servers/{id}/return" => vec![("request", self.proof.clone())],
            "/reports/{id}" => vec![
                ("decision", text("decline")),
                ("answer", text("It has to be sent in.")),
            ],
            "/servers/{id}/info" => {
                let id = self.server.parse().unwrap();
                let row = self.tx(|tx| tx.server_row(id)).unwrap();
                vec![
                    ("name", row.server.name),
                    ("version", row.version.to_string()),
                ]
            }
            "/projects/{id}/info" => {
                let id = self.project.parse().unwrap();
                let row = self.tx(|tx| tx.project_row(id)).unwrap();
                vec![
                    ("name", row.project.name),
                    ("version", row.version.to_string()),
                ]
            }
            "/distributors/{id}" => {
                let id = self.kai.parse().unwrap();
                let row = self.tx(|tx| tx.distributor_row(id)).unwrap();
                vec![
                    ("email", text("kai@seller.test")),
                    ("may_list_macs", text("on")),
                    ("version", row.version.to_string()),
                ]
            }
            "/distributors" => vec![
                ("name", format!("Distributor {n}")),
                ("email", format!("d{n}@seller.test")),
            ],
            "/distributors/{id}/grants" => vec![("camera", text("1")), ("key", n.to_string())],
            "/account/password" => vec![
                ("present", text(PASSWORD)),
                password(),
                ("again", text(PASSWORD)),
            ],
            "/account/app" => {
                if let Some(user) = self.tx(|tx| tx.user_by_email(email)) {
                    self.put_app(user.id, false);
                }
                vec![("present", text(PASSWORD)), ("code", self.code())]
            }
            "/account/app/remove" => vec![("present", text(PASSWORD))],
            "/account/tokens" => vec![
                ("name", text("erp")),
                ("see", text("on")),
                ("days", text("30")),
            ],
            "/users" => vec![
                ("email", format!("u{n}@seller.test")),
                ("of", format!("of:{}", self.kai)),
            ],
            "/users/{id}" => vec![("name", text("Colleague")), ("disabled", text("no"))],
            _ => Vec::new(),
        }
    }

    /// The body of the API's route that lets it succeed.
    fn json(&mut self, method: &str, path: &str) -> Value {
        let n = self.fresh();
        // A key of its own for each.
        let dongle_key = || {
            let secret = p256::SecretKey::from_slice(&[u8::try_from(n % 250).unwrap() + 1; 32]);
            let point = sec1_point(&secret.unwrap());
            hex::encode(point)
        };
        match (method, path) {
            ("POST", "/api/v1/sessions") => json!({ "email": ADMIN, "password": PASSWORD }),
            ("POST", "/api/v1/distributors") => {
                json!({ "name": format!("Distributor {n}"), "email": format!("d{n}@seller.test") })
            }
            ("POST", "/api/v1/distributors/{id}/grants") => json!({ "counts": { "camera": 1 } }),
            ("PUT", "/api/v1/distributors/{id}/write-offs") => {
                json!({ "counts": { "camera": 50 } })
            }
            ("PUT", "/api/v1/distributors/{id}/permissions") => json!({ "mac": true }),
            ("POST", "/api/v1/projects") => {
                json!({ "name": format!("Project {n}"), "distributor_id": self.kai })
            }
            ("POST", "/api/v1/projects/{id}/servers") => json!({ "name": format!("Server {n}") }),
            ("POST", "/api/v1/servers/{id}/licenses") => {
                json!({ "request": self.request, "entitlements": { "camera": 4 } })
            }
            ("POST", "/api/v1/servers/{id}/write-off") => json!({ "note": "burnt" }),
            ("POST", "/api/v1/activations") => {
                json!({ "code": CLAIM_CODE, "request": self.claim_request })
            }
            ("POST", "/api/v1/hardware-returns") => {
                json!({ "request": self.returned, "note": "came by post" })
            }
            ("POST", "/api/v1/servers/{id}/mac-licenses") => {
                json!({ "list": format!("0001BD06{n:04x}") })
            }
            ("POST", "/api/v1/licenses/{id}/mac-list") => {
                json!({ "list": format!("0001BD07{n:04x}") })
            }
            ("POST", "/api/v1/dongles") => json!({
                "distributor": self.kai, "serial": format!("D-{n}"), "public_key": dongle_key(),
            }),
            ("POST", "/api/v1/dongles/{id}/check-in") => json!({ "public_key": dongle_key() }),
            ("POST", "/api/v1/servers/{id}/dongle-licenses") => {
                json!({ "serial": "D-1", "entitlements": { "camera": 2 } })
            }
            ("POST", "/api/v1/users") => {
                json!({ "email": format!("u{n}@seller.test"), "distributor_id": self.kai })
            }
            ("PUT", "/api/v1/users/{id}") => json!({ "name": "Colleague" }),
            ("POST", "/api/v1/tokens") => json!({ "name": "erp", "scopes": ["see"], "days": 30 }),
            _ => Value::Null,
        }
    }

    /// The dongle that routes are about.
    pub async fn add_dongle(&mut self) {
        let admin = self.session(ADMIN);
        let secret = p256::SecretKey::from_slice(&[251; 32]).unwrap();
        let body = json!({
            "distributor": self.kai, "serial": "D-1",
            "public_key": hex::encode(sec1_point(&secret)),
        });
        let added = self.world.post("/api/v1/dongles", &admin, body).await;
        added.expect(204, "");
    }

    /// Asks a route with this in its braces, as somebody of that address.
    pub async fn ask(
        &mut self,
        method: &str,
        path: &str,
        parameter: &str,
        bearer: Option<&str>,
        email: &str,
    ) -> Answer {
        let for_programs = path.starts_with("/api/");
        let (kind, body) = if for_programs {
            let body = self.json(method, path);
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            ("application/json", body)
        } else {
            let mut fields = self.form(path, email);
            fields.push(("csrf", CSRF.to_owned()));
            let pairs = fields.iter();
            let pairs = pairs.map(|(name, value)| format!("{name}={}", escape(value)));
            let body = pairs.collect::<Vec<_>>().join("&");
            ("application/x-www-form-urlencoded", body)
        };
        let real = ["{id}", "{token}", "{file}"]
            .into_iter()
            .fold(path.to_owned(), |path, name| path.replace(name, parameter));
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(real)
            .header(header::CONTENT_TYPE, kind);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        let body = if method == "GET" { String::new() } else { body };
        let request = request.body(Body::from(body)).unwrap();
        self.world.send(request).await
    }
}

fn sec1_point(secret: &p256::SecretKey) -> Vec<u8> {
    use p256::elliptic_curve::sec1::ToSec1Point as _;
    secret.public_key().to_sec1_point(false).as_bytes().to_vec()
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
