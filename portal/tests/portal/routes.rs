//! Every registered route with every role, against a checked-in table.

use std::collections::BTreeSet;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, header};
use sealgate_portal::desk::Right;
use sealgate_portal::web::route_table;

use crate::cast::{Cast, ROLES, STRANGER};
use crate::world::{ADMIN, Answer, World};

/// One line a route, in any order; its first lines say what the columns are.
const TABLE: &str = "tests/portal/routes.txt";

/// The status, and for a redirect where to, without ids.
fn outcome(answer: &Answer) -> String {
    match answer.status.as_u16() {
        303 => {
            let location = answer.header(header::LOCATION);
            let path = location.split('?').next().unwrap();
            let named = |part: &str| !part.contains(|c: char| c.is_ascii_digit());
            let parts: Vec<&str> = path
                .split('/')
                .map(|part| if named(part) { part } else { "ID" })
                .collect();
            format!("303:{}", parts.join("/"))
        }
        status => status.to_string(),
    }
}

/// A form's success is the redirect to where its work shows.
fn is_success(method: &str, path: &str, outcome: &str) -> bool {
    outcome.starts_with('2')
        || (method == "POST"
            && outcome.starts_with("303:")
            && (path == "/sign-out" || outcome != "303:/sign-in"))
}

#[tokio::test]
async fn every_route_answers_every_role_as_the_table_says() {
    let mut cast = Cast::new().await;
    cast.add_dongle().await;
    let mut found = Vec::new();
    for route in route_table() {
        let (method, path) = (route.method, route.path);
        let mut columns = Vec::new();
        let parameter = cast.parameter(path, ADMIN);
        let anybody = cast.ask(method, path, &parameter, None, "").await;
        columns.push(outcome(&anybody));
        for (_, email) in ROLES {
            // New ones each time: some of the routes end them.
            let session = cast.session(email);
            let parameter = cast.parameter(path, email);
            let answer = cast
                .ask(method, path, &parameter, Some(&session), email)
                .await;
            columns.push(outcome(&answer));
        }
        assert!(
            columns.iter().any(|found| is_success(method, path, found)),
            "nobody can use {method} {path}: {columns:?}"
        );
        let mut scopes = Vec::new();
        for right in Right::SCOPES {
            let (secret, _) = cast.token(ADMIN, right.word());
            let parameter = cast.parameter(path, ADMIN);
            let answer = cast
                .ask(method, path, &parameter, Some(&secret), ADMIN)
                .await;
            if !["401", "403", "303:/sign-in"].contains(&outcome(&answer).as_str()) {
                scopes.push(right.word());
            }
        }
        let scopes = if scopes.is_empty() {
            "-".to_owned()
        } else {
            scopes.join("+")
        };
        found.push(format!("{method} {path} {} {scopes}", columns.join(" ")));
    }
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    let table = std::fs::read_to_string(table).unwrap();
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    let expected: BTreeSet<&str> = rows.collect();
    let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
    let missing: Vec<_> = found.difference(&expected).copied().collect();
    let wrong: Vec<_> = expected.difference(&found).collect();
    assert!(
        missing.is_empty() && wrong.is_empty(),
        "routes.txt lacks what the routes answer now:\n{}\nand has what they don't:\n{wrong:#?}",
        missing.join("\n")
    );
}

/// What leads to the log is another in each answer: in words on a page, a field for programs.
fn without_reference(text: &str) -> String {
    let Some((before, rest)) = ["Reference <span class=\"mono\">", "\"reference\":\""]
        .into_iter()
        .find_map(|mark| text.split_once(mark))
    else {
        return text.to_owned();
    };
    let known = rest.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    format!("{before}REF{known}")
}

/// What differs by nature: the id itself, and what leads to the log.
fn without(answer: &Answer, id: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter();
    let mut headers: Vec<(String, String)> = headers
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(id, "ID")))
        .filter(|(name, _)| name != "content-length")
        .collect();
    headers.sort();
    // A number is everywhere.
    let id = if id.len() < 4 { "no id" } else { id };
    let text = without_reference(&answer.text().replace(id, "ID"));
    (answer.status.as_u16(), headers, text)
}

/// The quicker of a few: what else the machine does only adds to it.
const TRIES: usize = 5;
/// A database look-up more or less takes microseconds; a password's hash would show.
const NOTICEABLE: std::time::Duration = std::time::Duration::from_millis(25);

#[tokio::test]
async fn a_foreign_id_answers_as_one_that_does_not_exist() {
    let mut cast = Cast::new().await;
    cast.add_dongle().await;
    let mut walked = 0;
    for route in route_table() {
        let (method, path) = (route.method, route.path);
        if !path.contains("{id}") {
            continue;
        }
        // The sub-distributor's things, to a distributor elsewhere.
        let foreign = cast.parameter(path, "kai@seller.test");
        let nothing = match foreign.as_str() {
            id if id.starts_with("L-") => "L-99999-1",
            id if id.starts_with("D-") => "D-99999",
            id if id.len() == 16 => "0123456789abcdef",
            _ => "00000000-0000-4000-8000-000000000000",
        };
        let mut quickest = [std::time::Duration::MAX; 2];
        let mut answers = Vec::new();
        for _ in 0..TRIES {
            answers.clear();
            for (id, quickest) in [foreign.as_str(), nothing].into_iter().zip(&mut quickest) {
                let session = cast.session(STRANGER);
                let began = std::time::Instant::now();
                let answer = cast.ask(method, path, id, Some(&session), STRANGER).await;
                *quickest = began.elapsed().min(*quickest);
                // Forms carry their session's proof, which is the same in both.
                answers.push(without(&answer, id));
            }
        }
        assert_eq!(answers[0], answers[1], "{method} {path}");
        assert!(
            (400..500).contains(&answers[0].0),
            "{method} {path}: {}",
            answers[0].0
        );
        let apart = quickest[0].abs_diff(quickest[1]);
        assert!(apart < NOTICEABLE, "{method} {path}: {apart:?}");
        walked += 1;
    }
    assert!(walked > 25, "{walked}");
}

#[tokio::test]
async fn unknown_addresses_and_methods_say_so_in_the_right_form() {
    let world = World::new();
    assert_eq!(world.get("/nothing", "").await.status, 404);
    let missing = world.get("/api/v1/nothing", "").await;
    missing.expect(404, "SG-API-002");
    let request = Request::put("/api/v1/projects")
        .body(Body::empty())
        .unwrap();
    world.send(request).await.expect(405, "SG-API-006");
}

#[tokio::test]
async fn the_api_description_names_every_api_route() {
    let world = World::new();
    let description = world.get("/api/openapi.json", "").await.expect(200, "");
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let registered: BTreeSet<String> = route_table()
        .iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described, registered);
}
