//! Users, their second factors, tokens and the way back in: the real router over the real
//! store. Rooms that have no part in it are the web tests' own.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "../../web/tests/fakes/mod.rs"]
mod fakes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fakes::client::Client;
use fakes::{CODE, PASSWORD, World};
use sealgate_store::Store;
use sealgate_supervisor::alarm_desk::Alarms;
use sealgate_supervisor::rooms::People;
use sealgate_supervisor::setup_code::SetupCode;
use sealgate_totp as totp;
use sealgate_web::rooms::UserRoom as _;
use serde_json::json;

struct Bench {
    folder: tempfile::TempDir,
    world: World,
    people: Arc<People>,
}

impl Bench {
    /// A box whose set-up is done, and its owner at a browser.
    async fn set_up() -> (Self, Client) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("code"), CODE).unwrap();
        let code = SetupCode::read_or_create(folder.path()).unwrap();
        let store = Arc::new(Store::open(&folder.path().join("box.db")).unwrap());
        let mut world = World::new();
        let people = Arc::new(People::new(store, world.clock.clone(), code, "NVR-0207").unwrap());
        world.rooms.setup = people.clone();
        world.rooms.sign_in = people.clone();
        world.rooms.sessions = people.clone();
        world.rooms.users = people.clone();
        world.rooms.recovery = people.clone();
        let bench = Self {
            folder,
            world,
            people,
        };
        let mut owner = bench.program();
        let body = json!({ "code": CODE, "password": PASSWORD });
        let done = owner.json("POST", "/api/v1/setup", body).await;
        assert_eq!(done.status, 201, "{}", done.text);
        owner.bearer = Some(done.json()["token"].as_str().unwrap().into());
        (bench, owner)
    }

    /// Its own router, so that no other's wrong guesses count for it.
    fn program(&self) -> Client {
        Client::new(self.world.router())
    }

    async fn session(
        &self,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> (u16, Client, String) {
        let mut program = self.program();
        let body = json!({ "name": name, "password": password, "code": code });
        let answer = program.json("POST", "/api/v1/sessions", body).await;
        let said = answer.json();
        program.bearer = said["token"].as_str().map(str::to_owned);
        let code = said["code"].as_str().unwrap_or_default().to_owned();
        (answer.status.as_u16(), program, code)
    }

    fn app_code(&self, key: &[u8; totp::KEY_BYTES]) -> String {
        use sealgate_base::Clock as _;
        totp::code(key, self.world.clock.utc_ms() / 30_000)
    }
}

async fn add(owner: &mut Client, name: &str, role: &str) -> u16 {
    let body = json!({ "name": name, "role": role, "password": PASSWORD });
    let answer = owner.json("POST", "/api/v1/users", body).await;
    answer.status.as_u16()
}

#[tokio::test]
async fn roles_are_given_and_taken_and_an_admin_always_stays() {
    let (bench, mut owner) = Bench::set_up().await;
    assert_eq!(add(&mut owner, "ann", "viewer").await, 204);
    assert_eq!(add(&mut owner, "ann", "admin").await, 409);
    assert_eq!(add(&mut owner, "../ann", "admin").await, 422);
    let (_, mut ann, _) = bench.session("ann", PASSWORD, None).await;
    assert_eq!(ann.get("/api/v1/cameras").await.status, 200);
    assert_eq!(ann.get("/api/v1/users").await.code(), "SG-SES-022");
    let discover = async |ann: &mut Client| {
        let answer = ann
            .json("POST", "/api/v1/cameras/discover", json!({}))
            .await;
        answer.status.as_u16()
    };
    assert_eq!(discover(&mut ann).await, 403);
    // Another role counts at once, in sessions that are open.
    let change = json!({ "role": "operator" });
    let changed = owner.json("PUT", "/api/v1/users/ann", change).await;
    assert_eq!(changed.status, 204);
    assert_eq!(discover(&mut ann).await, 202);

    let demote = json!({ "role": "viewer" });
    let refused = owner
        .json("PUT", "/api/v1/users/owner", demote.clone())
        .await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (409, "SG-SES-025".into())
    );
    let refused = owner.json("DELETE", "/api/v1/users/owner", json!({})).await;
    assert_eq!(refused.code(), "SG-SES-025");
    assert_eq!(
        owner
            .json("DELETE", "/api/v1/users/ann", json!({}))
            .await
            .status,
        204
    );
    assert_eq!(
        ann.get("/api/v1/cameras").await.status,
        401,
        "a removed user is out"
    );
    assert_eq!(
        owner.json("PUT", "/api/v1/users/ann", demote).await.status,
        404
    );

    let audit = owner.get("/api/v1/audit?limit=50").await.json();
    let done: Vec<&str> = audit
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    for action in ["setup", "sign-in", "user.add", "user.role", "user.remove"] {
        assert!(done.contains(&action), "{action} is missing in {done:?}");
    }
    let refused = audit.as_array().unwrap().iter();
    assert!(refused.clone().any(|entry| entry["code"] == "SG-SES-025"));
    assert!(!audit.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn a_code_of_the_app_is_taken_once_and_a_recovery_code_too() {
    let (bench, _owner) = Bench::set_up().await;
    let mut browser = bench.program();
    browser.sign_in().await;
    let page = browser.get("/account/app").await;
    let csrf = page.csrf();
    let typed = page.text.split("class=\"secret\">").nth(1).unwrap();
    let typed = typed.split('<').next().unwrap().replace(' ', "");
    let key: [u8; 20] = data_encoding::BASE32_NOPAD
        .decode(typed.as_bytes())
        .unwrap()
        .try_into()
        .unwrap();
    let enrolled_with = bench.app_code(&key);
    let fields = [
        ("csrf", csrf.as_str()),
        ("present", PASSWORD),
        ("code", enrolled_with.as_str()),
    ];
    let answer = browser.post_form("/account/app", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let codes: Vec<String> = answer
        .text
        .split("class=\"secret\">")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 8);

    let sign_in = async |code: Option<&str>| {
        let (status, _, said) = bench.session("owner", PASSWORD, code).await;
        (status, said)
    };
    assert_eq!(sign_in(None).await, (401, "SG-SES-020".into()));
    assert_eq!(sign_in(Some("000000")).await, (401, "SG-SES-021".into()));
    // The code that enrolled the app is used up; the next step's is good, once.
    assert_eq!(sign_in(Some(&enrolled_with)).await.0, 401);
    bench.world.clock.advance(Duration::from_secs(30));
    let next = bench.app_code(&key);
    assert_eq!(sign_in(Some(&next)).await.0, 201);
    assert_eq!(sign_in(Some(&next)).await, (401, "SG-SES-021".into()));
    assert_eq!(sign_in(Some(&codes[0].to_lowercase())).await.0, 201);
    assert_eq!(sign_in(Some(&codes[0])).await.0, 401);
    // What is kept doesn't tell a recovery code.
    let kept = std::fs::read(bench.folder.path().join("box.db")).unwrap();
    let code = codes[1].replace('-', "");
    assert!(
        !kept
            .windows(code.len())
            .any(|window| window == code.as_bytes())
    );
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_users_role_both_allow() {
    let (bench, mut owner) = Bench::set_up().await;
    let refused = json!({ "name": "all", "scopes": ["manage"], "days": 1 });
    assert_eq!(
        owner.json("POST", "/api/v1/tokens", refused).await.code(),
        "SG-SES-029"
    );
    let body = json!({ "name": "wall", "scopes": ["see", "operate"], "days": 1 });
    let made = owner.json("POST", "/api/v1/tokens", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let mut wall = bench.program();
    let token = made.json()["token"].as_str().unwrap().to_owned();
    wall.bearer = Some(token.clone());
    assert_eq!(wall.get("/api/v1/license").await.status, 200);
    assert_eq!(wall.get("/api/v1/recordings").await.code(), "SG-SES-030");
    assert_eq!(wall.get("/api/v1/tokens").await.code(), "SG-SES-030");
    assert_eq!(
        wall.get("/account").await.status,
        303,
        "no token opens a page"
    );
    let listed = owner.get("/api/v1/tokens").await;
    assert!(!listed.text.contains(&token));
    let operate = async |wall: &mut Client| {
        let answer = wall
            .json("POST", "/api/v1/cameras/discover", json!({}))
            .await;
        answer.status.as_u16()
    };
    assert_eq!(operate(&mut wall).await, 202);
    // Less of a role is less of a token.
    assert_eq!(add(&mut owner, "ann", "admin").await, 204);
    let viewer = json!({ "role": "viewer" });
    assert_eq!(
        owner
            .json("PUT", "/api/v1/users/owner", viewer)
            .await
            .status,
        204
    );
    assert_eq!(operate(&mut wall).await, 403);
    assert_eq!(wall.get("/api/v1/license").await.status, 200);
    bench.world.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(
        wall.get("/api/v1/license").await.status,
        401,
        "its day is over"
    );
}

#[tokio::test]
async fn a_new_password_ends_sessions_and_others_can_be_signed_out() {
    let (bench, mut owner) = Bench::set_up().await;
    assert_eq!(add(&mut owner, "ann", "operator").await, 204);
    let (_, mut first, _) = bench.session("ann", PASSWORD, None).await;
    let mut browser = bench.program();
    browser.sign_in_as("ann").await;
    let page = browser.get("/account").await;
    let csrf = page.csrf();
    assert!(
        page.text.contains("Sign out everywhere else"),
        "{}",
        page.text
    );
    let ended = browser
        .post_form("/account/sessions/end", &[("csrf", &csrf)])
        .await;
    assert_eq!(ended.location(), "/account");
    assert_eq!(first.get("/api/v1/cameras").await.status, 401);
    assert_eq!(browser.get("/cameras").await.status, 200);

    let (_, mut second, _) = bench.session("ann", PASSWORD, None).await;
    let new = "staple battery horse";
    let mut fields = [
        ("csrf", csrf.as_str()),
        ("present", "not her password"),
        ("password", new),
        ("again", new),
    ];
    let refused = browser.post_form("/account/password", &fields).await;
    assert!(refused.text.contains("SG-SES-026"), "{}", refused.text);
    fields[1].1 = PASSWORD;
    assert_eq!(
        browser
            .post_form("/account/password", &fields)
            .await
            .location(),
        "/account"
    );
    assert_eq!(second.get("/api/v1/cameras").await.status, 401);
    assert_eq!(
        browser.get("/account").await.status,
        200,
        "this browser goes on"
    );
    assert_eq!(bench.session("ann", PASSWORD, None).await.0, 401);
    assert_eq!(bench.session("ann", new, None).await.0, 201);
}

#[tokio::test]
async fn the_console_brings_a_lost_admin_back_once_and_for_a_quarter_of_an_hour() {
    use sealgate_web::rooms::Recovery as _;
    let (bench, _owner) = Bench::set_up().await;
    let recover = async |code: &str, name: &str| {
        let mut browser = bench.program();
        let csrf = browser.get("/recover").await.csrf();
        let password = "a whole new password";
        let fields = [
            ("csrf", csrf.as_str()),
            ("code", code),
            ("name", name),
            ("password", password),
            ("again", password),
        ];
        let answer = browser.post_form("/recover", &fields).await;
        (answer.status.as_u16(), browser)
    };
    assert_eq!(recover("", "owner").await.0, 403, "no code was asked for");
    let late = bench.people.begin().await;
    bench.world.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(recover(&late, "owner").await.0, 403);
    let replaced = bench.people.begin().await;
    let code = bench.people.begin().await;
    assert_eq!(recover(&replaced, "owner").await.0, 403);
    assert_eq!(recover(&code, "no name").await.0, 422);
    let (status, mut browser) = recover(&code, "eve").await;
    assert_eq!(status, 303);
    assert_eq!(browser.get("/users").await.status, 200, "eve is an admin");
    assert_eq!(recover(&code, "owner").await.0, 403, "good once");
    assert_eq!(
        bench.session("owner", PASSWORD, None).await.0,
        201,
        "others stay"
    );
}

#[tokio::test]
async fn an_alarm_waits_until_somebody_saw_it_and_comes_again_with_its_cause() {
    let (bench, mut owner) = Bench::set_up().await;
    let fake = &bench.world.fake;
    let alarms = Arc::new(Alarms {
        store: Arc::new(Store::open(&bench.folder.path().join("box.db")).unwrap()),
        clock: bench.world.clock.clone(),
        license: fake.clone(),
        cameras: fake.clone(),
        gate: fake.clone(),
        recordings: fake.clone(),
    });
    let mut world_rooms = bench.world.rooms.clone();
    world_rooms.alarms = alarms.clone();
    let router = sealgate_web::router(
        world_rooms,
        bench.world.clock.clone(),
        bench.world.shutdown.clone(),
    );
    let mut page = Client::new(router);
    page.sign_in().await;
    page.bearer = owner.bearer.take();
    let look = async |seen: &mut BTreeMap<String, u32>, times: u32| {
        for _ in 0..times {
            *seen = alarms.look_once(seen).await;
        }
    };
    let mut seen = BTreeMap::new();
    look(&mut seen, 5).await;
    assert!(
        !page.get("/").await.text.contains("data-alarm"),
        "all is well"
    );

    // Seen too seldom, it is none.
    *fake.recorder.lock().unwrap() = Some(fakes::problem("SG-REC-001"));
    look(&mut seen, 2).await;
    assert!(!page.get("/").await.text.contains("data-alarm"));
    look(&mut seen, 1).await;
    let home = page.get("/").await;
    assert!(
        home.text
            .contains("data-alarm=\"1\" data-code=\"SG-REC-001\"")
    );

    // It is over, and nobody saw it: it waits.
    *fake.recorder.lock().unwrap() = None;
    look(&mut seen, 1).await;
    assert!(page.get("/").await.text.contains("data-alarm=\"1\""));
    let csrf = page.get("/alarms").await.csrf();
    let fields = [("csrf", csrf.as_str())];
    let done = page.post_form("/alarms/1/acknowledge", &fields).await;
    assert_eq!(done.location(), "/");
    assert!(!page.get("/").await.text.contains("data-alarm"));
    let kept = page.get("/alarms").await;
    assert!(kept.text.contains("Seen by owner"), "{}", kept.text);
    let again = page.post_form("/alarms/1/acknowledge", &fields).await;
    assert_eq!(again.status, 404);

    // Anew: another alarm, seen by a restarted desk as the same.
    *fake.recorder.lock().unwrap() = Some(fakes::problem("SG-REC-001"));
    look(&mut seen, 3).await;
    assert!(page.get("/").await.text.contains("data-alarm=\"2\""));
    look(&mut BTreeMap::new(), 1).await;
    let listed = page.json("GET", "/api/v1/alarms", json!({})).await.json();
    let listed = listed["alarms"].as_array().unwrap();
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert!(listed[0]["ended_utc_ms"].is_null());
    assert_eq!(listed[1]["acknowledged_by"], "owner");
}

#[tokio::test]
async fn diagnostics_hold_nothing_that_lets_anybody_in() {
    let (bench, mut owner) = Bench::set_up().await;
    let enrolment = bench.people.begin_totp("owner").await.unwrap();
    let text = enrolment.key.replace(' ', "");
    let key = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).unwrap();
    let key: [u8; totp::KEY_BYTES] = key.try_into().unwrap();
    let code = bench.app_code(&key);
    let recovery = bench.people.confirm_totp("owner", &code).await.unwrap();
    let body = json!({ "name": "wall", "scopes": ["see"], "days": 1 });
    let token = owner.json("POST", "/api/v1/tokens", body).await.json();
    let token = token["token"].as_str().unwrap().to_owned();
    let credential = json!({ "user": "admin", "password": "of-a-camera" });
    let path = "/api/v1/cameras/02:00:00:00:00:0a/credential";
    assert_eq!(owner.json("PUT", path, credential).await.status, 204);

    let session = owner.bearer.clone().unwrap();
    // A page takes the browser's cookie, no bearer token.
    owner
        .cookies
        .insert("__Host-session".into(), session.clone());
    let file = owner.get("/support/diagnostics").await;
    assert_eq!(file.status, 200, "{}", file.text);
    for part in [
        "LAB-0001",
        "\"license\"",
        "\"audit\"",
        "02:00:00:00:00:0a",
        "\"has_totp\": true",
    ] {
        assert!(file.text.contains(part), "{part} is missing: {}", file.text);
    }
    let store = Store::open(&bench.folder.path().join("box.db")).unwrap();
    let hash = store.user("owner").unwrap().unwrap().password_hash;
    let secrets = [
        PASSWORD.to_owned(),
        hash,
        session,
        token,
        "of-a-camera".to_owned(),
        text,
        enrolment.key.clone(),
        hex::encode(key),
        code,
    ];
    for secret in secrets.iter().chain(&recovery) {
        assert!(
            !file.text.contains(secret.as_str()),
            "{secret} is in the file"
        );
    }
}
