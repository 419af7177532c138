//! Signing in with a second factor, waits, resets, sessions, tokens, the audit, and how far
//! each sees.

use axum::http::{Request, header};
use sealgate_portal::store::people::AuditSearch;
use sealgate_portal::store::{Role, User};
use serde_json::{Value, json};

use crate::cast::{Cast, STRANGER};
use crate::world::{ADMIN, Answer, PASSWORD, World};

async fn sign_in(world: &World, email: &str, password: &str, code: Option<&str>) -> Answer {
    let body = json!({ "email": email, "password": password, "code": code });
    world.post("/api/v1/sessions", "", body).await
}

fn code_at(key: &[u8; 20], world: &World) -> String {
    sealgate_totp::code(key, world.clock.now().as_second() / 30)
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split(after).next().unwrap()
}

#[tokio::test]
async fn an_app_is_enrolled_and_its_codes_work_once() {
    let mut cast = Cast::new().await;
    let session = cast.session(STRANGER);
    let page = cast.world.get("/account/app", &session).await;
    let user = cast.user(STRANGER);
    let key = cast.tx(|tx| tx.authenticator(user.id, false)).unwrap().key;
    let shown = sealgate_totp::key_text(&key);
    assert!(page.text().contains(&shown), "{}", page.text());
    // Nothing changed yet, and the same key is shown again.
    let again = cast.world.get("/account/app", &session).await;
    assert!(again.text().contains(&shown));
    sign_in(&cast.world, STRANGER, PASSWORD, None)
        .await
        .expect(201, "");

    let form = |present: &str, code: &str| format!("csrf=proof&present={present}&code={code}");
    let post = |body: String| {
        Request::post("/account/app")
            .header(header::AUTHORIZATION, format!("Bearer {session}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into())
            .unwrap()
    };
    let password = PASSWORD.replace(' ', "+");
    let code = code_at(&key, &cast.world);
    let wrong = cast.world.send(post(form("wrong", &code))).await;
    assert!(wrong.status == 403 && wrong.text().contains("SG-SES-026"));
    let wrong = cast.world.send(post(form(&password, "000000"))).await;
    assert!(wrong.status == 401 && wrong.text().contains("SG-SES-021"));
    let done = cast.world.send(post(form(&password, &code))).await;
    assert_eq!(done.status, 200, "{}", done.text());
    let text = done.text();
    let codes: Vec<&str> = text.split("class=\"secret\">").skip(1).collect();
    let codes: Vec<&str> = codes
        .iter()
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(codes.len(), 8, "{text}");

    // The password alone is no longer enough, and the code that enrolled it is used up.
    let alone = sign_in(&cast.world, STRANGER, PASSWORD, None).await;
    alone.expect(401, "SG-SES-020");
    let replayed = sign_in(&cast.world, STRANGER, PASSWORD, Some(&code)).await;
    replayed.expect(401, "SG-SES-021");
    cast.world.clock.advance(60);
    let next = code_at(&key, &cast.world);
    sign_in(&cast.world, STRANGER, PASSWORD, Some(&next))
        .await
        .expect(201, "");
    let replayed = sign_in(&cast.world, STRANGER, PASSWORD, Some(&next)).await;
    replayed.expect(401, "SG-SES-021");
    // A recovery code works once, however it is typed.
    let typed = codes[0].to_lowercase().replace('-', " ");
    sign_in(&cast.world, STRANGER, PASSWORD, Some(&typed))
        .await
        .expect(201, "");
    let again = sign_in(&cast.world, STRANGER, PASSWORD, Some(codes[0])).await;
    again.expect(401, "SG-SES-021");
    assert_eq!(cast.tx(|tx| tx.recovery_codes(user.id)), 7);

    // With pages: the second step asks for the code, and takes a recovery code as well.
    let form = format!("email={STRANGER}&password={password}&next=/account");
    let request =
        Request::post("/sign-in").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let page = cast.world.send(request.body(form.into()).unwrap()).await;
    assert_eq!(page.status, 200);
    let text = page.text();
    let step = between(&text, "name=\"step\" value=\"", "\"");
    let form = format!("step={step}&code={}&next=/account", codes[1]);
    let request = Request::post("/sign-in/code")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let page = cast
        .world
        .send(request.body(form.clone().into()).unwrap())
        .await;
    assert_eq!(page.header(header::LOCATION), "/account");
    let request = Request::post("/sign-in/code")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let over = cast.world.send(request.body(form.into()).unwrap()).await;
    assert!(over.status == 403 && over.text().contains("SG-SES-031"));
}

#[tokio::test]
async fn waits_outlive_a_restart_and_hold_for_codes() {
    let mut world = World::new();
    for _ in 0..5 {
        sign_in(&world, ADMIN, "wrong", None)
            .await
            .expect(401, "SG-SES-001");
    }
    world.reopen();
    // Nobody learns from it which addresses exist.
    for _ in 0..5 {
        sign_in(&world, "nobody@x", "wrong", None)
            .await
            .expect(401, "SG-SES-001");
    }
    for email in [ADMIN, "nobody@x"] {
        sign_in(&world, email, PASSWORD, None)
            .await
            .expect(429, "SG-SES-005");
    }
    world.clock.advance(2);
    sign_in(&world, ADMIN, PASSWORD, None).await.expect(201, "");
    sign_in(&world, ADMIN, "wrong", None)
        .await
        .expect(401, "SG-SES-001");
}

#[tokio::test]
async fn a_reset_takes_everything_away_and_the_last_admin_stays() {
    let mut cast = Cast::new().await;
    let kai = cast.user("kai@seller.test");
    let (token, _) = cast.token("kai@seller.test", "see");
    let session = cast.session("kai@seller.test");
    // The parent decides about its sub-distributor's people.
    let north = cast.session("north@seller.test");
    let path = format!("/api/v1/users/{}", kai.id);
    let off = json!({ "disabled": true });
    let changed = cast
        .world
        .put(&path, &north, off.clone())
        .await
        .expect(200, "");
    assert_eq!(changed["disabled"], true);
    for bearer in [&session, &token] {
        let refused = cast.world.get("/api/v1/status", bearer).await;
        refused.expect(401, "SG-SES-004");
    }
    let refused = sign_in(&cast.world, "kai@seller.test", PASSWORD, None).await;
    refused.expect(401, "SG-SES-001");
    let on = json!({ "disabled": false, "name": "Kai" });
    cast.world.put(&path, &north, on).await.expect(200, "");
    cast.world
        .get("/api/v1/status", &token)
        .await
        .expect(200, "");

    let reset = format!("{path}/reset");
    let link = cast
        .world
        .post(&reset, &north, Value::Null)
        .await
        .expect(201, "");
    let link = link["link_token"].as_str().unwrap().to_owned();
    let refused = sign_in(&cast.world, "kai@seller.test", PASSWORD, None).await;
    refused.expect(401, "SG-SES-001");
    let welcome = cast.world.get(&format!("/welcome/{link}"), "").await;
    assert!(welcome.text().contains("kai@seller.test"));

    // Not the other way round, and not elsewhere.
    let kai_session = cast.session("kai@seller.test");
    let refused = cast.world.get("/api/v1/users", &kai_session).await;
    refused.expect(403, "SG-POR-100");
    let elsewhere = cast.session(STRANGER);
    let refused = cast.world.put(&path, &elsewhere, off.clone()).await;
    refused.expect(404, "SG-API-002");

    let admin = cast.session(ADMIN);
    let own = format!("/api/v1/users/{}", cast.user(ADMIN).id);
    for change in [off, json!({ "role": "sales" })] {
        let refused = cast.world.put(&own, &admin, change).await;
        refused.expect(409, "SG-POR-101");
    }
    let change = json!({ "role": "admin" });
    let up = cast.world.put(&path, &admin, change).await;
    up.expect(422, "SG-POR-009");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let mut cast = Cast::new().await;
    let (first, second, third) = (
        cast.session(STRANGER),
        cast.session(STRANGER),
        cast.session(STRANGER),
    );
    let page = cast.world.get("/account", &first).await.text();
    assert_eq!(
        page.matches("/account/sessions/").count(),
        3,
        "two, and all others"
    );
    let id = sealgate_portal::desk::session_id(&sealgate_portal::store::TokenHash::of(&second));
    let path = "/account/sessions/{id}/end";
    let ended = cast.ask("POST", path, &id, Some(&first), STRANGER).await;
    assert_eq!(ended.header(header::LOCATION), "/account");
    let is_in = async |cast: &Cast, session: &str| {
        cast.world.get("/api/v1/status", session).await.status == 200
    };
    assert!(is_in(&cast, &first).await && !is_in(&cast, &second).await);
    let all = "/account/sessions/end";
    let ended = cast.ask("POST", all, "", Some(&first), STRANGER).await;
    assert_eq!(ended.status, 303);
    assert!(is_in(&cast, &first).await && !is_in(&cast, &third).await);
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_user_may() {
    let mut cast = Cast::new().await;
    let session = cast.session("sales@vendor.test");
    // Asking for more than the role gives less.
    let body = json!({ "name": "erp", "scopes": ["see", "sell", "support"], "days": 30 });
    let made = cast
        .world
        .post("/api/v1/tokens", &session, body)
        .await
        .expect(201, "");
    assert_eq!(made["scopes"], json!(["see", "sell"]));
    for (scopes, code) in [
        (json!([]), "SG-SES-029"),
        (json!(["support"]), "SG-SES-029"),
        (json!(["manage"]), "SG-SES-029"),
    ] {
        let body = json!({ "name": "erp", "scopes": scopes, "days": 30 });
        cast.world
            .post("/api/v1/tokens", &session, body)
            .await
            .expect(422, code);
    }
    let token = made["token"].as_str().unwrap().to_owned();
    let grants = format!("/api/v1/distributors/{}/grants", cast.kai);
    let one = || json!({ "counts": { "camera": 1 } });
    cast.world
        .post(&grants, &token, one())
        .await
        .expect(201, "");
    cast.world.get("/metrics", &token).await.text();
    let refused = cast.world.get("/api/v1/tokens", &token).await;
    refused.expect(403, "SG-SES-030");
    assert_eq!(
        cast.world.get("/account", &token).await.status,
        303,
        "no page"
    );

    // The role is lowered: the token goes with it.
    let sales = cast.user("sales@vendor.test");
    let lowered = User {
        role: Role::Support,
        ..sales
    };
    cast.tx(|tx| tx.update_user(&lowered));
    let refused = cast.world.post(&grants, &token, one()).await;
    refused.expect(403, "SG-POR-100");
    let path = format!("/api/v1/tokens/{}", made["id"].as_str().unwrap());
    let removed = cast.ask("DELETE", &path, "", Some(&session), "").await;
    assert_eq!(removed.status, 204);
    let refused = cast.world.get("/api/v1/status", &token).await;
    refused.expect(401, "SG-SES-004");
}

#[tokio::test]
async fn the_audit_says_who_what_when_from_where_and_is_searched() {
    let mut cast = Cast::new().await;
    let admin = cast.session(ADMIN);
    let body = json!({ "name": "Colleague" }).to_string();
    let path = format!("/api/v1/users/{}", cast.target);
    let request = Request::put(&path)
        .header(header::AUTHORIZATION, format!("Bearer {admin}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, "erp/1.0")
        .header("x-forwarded-for", "198.51.100.7")
        .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from((
            [127, 0, 0, 1],
            40000,
        ))));
    let done = cast.world.send(request.body(body.into()).unwrap()).await;
    done.expect(200, "");
    let object = format!("user:{}", cast.target);
    let search = AuditSearch {
        object: Some(object.clone()),
        ..AuditSearch::default()
    };
    let (_, entry) = cast.tx(|tx| tx.search_audit(&search, 1)).remove(0);
    assert_eq!(entry.origin.address.as_deref(), Some("198.51.100.7"));
    assert_eq!(entry.origin.user_agent.as_deref(), Some("erp/1.0"));
    let detail: Value = serde_json::from_str(&entry.detail).unwrap();
    assert_eq!(
        (&detail["before"]["name"], &detail["after"]["name"]),
        (&json!(""), &json!("Colleague"))
    );

    let reference = entry.origin.reference.unwrap();
    let day = cast.world.clock.now().to_string()[..10].to_owned();
    for (query, expected) in [
        (format!("reference={reference}"), 1),
        ("reference=000000000000".to_owned(), 0),
        (
            format!("object={object}&person={ADMIN}&from={day}&until={day}"),
            2,
        ),
        (format!("object={object}&until=2001-01-01"), 0),
        (format!("object={object}&from=2999-01-01"), 0),
        (format!("object={object}&person={STRANGER}"), 0),
        ("person=nobody@x".to_owned(), 0),
    ] {
        let found = cast
            .world
            .get(&format!("/api/v1/audit?{query}"), &admin)
            .await;
        let found = found.expect(200, "");
        assert_eq!(
            found.as_array().unwrap().len(),
            expected,
            "{query}: {found}"
        );
        let page = cast.world.get(&format!("/audit?{query}"), &admin).await;
        assert_eq!(
            page.text().contains("Nothing matches"),
            expected == 0,
            "{query}"
        );
    }
    let page = cast
        .world
        .get(&format!("/audit?reference={reference}"), &admin)
        .await;
    for words in [
        "user.change",
        "empty → ",
        "Colleague",
        "198.51.100.7",
        "erp/1.0",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let unfit = cast.world.get("/api/v1/audit?from=yesterday", &admin).await;
    unfit.expect(422, "SG-POR-009");
    let unfit = cast.world.get("/audit?from=yesterday", &admin).await;
    assert!(unfit.status == 422 && unfit.text().contains("SG-POR-009"));
}

#[tokio::test]
async fn a_distributor_sees_its_subtree_and_a_sub_distributor_only_itself() {
    let mut cast = Cast::new().await;
    let (server, kai, north) = (cast.server.clone(), cast.kai.clone(), cast.north.clone());
    for (email, sees_kai, sees_north) in [
        ("north@seller.test", true, true),
        ("kai@seller.test", true, false),
        (STRANGER, false, false),
        ("support@vendor.test", true, true),
    ] {
        let session = cast.session(email);
        for (path, sees) in [
            (format!("/api/v1/servers/{server}"), sees_kai),
            (format!("/api/v1/distributors/{kai}/balance"), sees_kai),
            (format!("/api/v1/distributors/{north}/balance"), sees_north),
        ] {
            let status = cast.world.get(&path, &session).await.status;
            assert_eq!(status, if sees { 200 } else { 404 }, "{email} {path}");
        }
        let listed = cast.world.get("/api/v1/distributors", &session).await;
        let listed = listed.expect(200, "");
        let named = |id: &str| listed.as_array().unwrap().iter().any(|of| of["id"] == id);
        assert_eq!(
            (named(&kai), named(&north)),
            (sees_kai, sees_north),
            "{email}"
        );
        let projects = cast.world.get("/api/v1/projects", &session).await;
        let of_kai = projects.text().contains(&cast.project);
        assert_eq!(of_kai, sees_kai, "{email}");
    }
}
