//! The event stream of a page.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use fakes::client::{Client, OUR_HOST};
use fakes::{World, licensed};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Longer than two beats.
const PATIENCE: Duration = Duration::from_secs(12);

/// The next event's name; none where the stream ended.
async fn next(body: &mut Body) -> Option<String> {
    let frame = tokio::time::timeout(PATIENCE, body.frame())
        .await
        .unwrap()?;
    let text = frame.unwrap().into_data().unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    // Without data browsers dispatch nothing.
    assert!(
        text.lines().any(|line| line.starts_with("data: ")),
        "{text}"
    );
    let name = text.lines().find_map(|line| line.strip_prefix("event: "));
    Some(name.unwrap_or_else(|| panic!("{text}")).to_owned())
}

async fn open(world: &World) -> (String, Body) {
    let router = world.router();
    let mut client = Client::new(router.clone());
    client.begin_session().await;
    let token = client.bearer.unwrap();
    let request = Request::get("/api/v1/events")
        .header("host", OUR_HOST)
        .header("authorization", format!("Bearer {token}"));
    let answer = router
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["cache-control"], "no-cache");
    (token, answer.into_body())
}

#[tokio::test]
async fn says_when_something_changed_and_ends_with_the_session() {
    let world = World::set_up();
    let (_, mut events) = open(&world).await;
    // The first look is over with the first beat.
    assert_eq!(next(&mut events).await.as_deref(), Some("beat"));
    *world.fake.license.lock().unwrap() = licensed(0);
    assert_eq!(next(&mut events).await.as_deref(), Some("state"));
    assert_eq!(next(&mut events).await.as_deref(), Some("beat"));
    world.fake.people.sessions.lock().unwrap().clear();
    assert_eq!(next(&mut events).await, None);
}

#[tokio::test]
async fn ends_when_the_box_does() {
    let world = World::set_up();
    let (_, mut events) = open(&world).await;
    world.trigger.request();
    assert_eq!(next(&mut events).await, None);
}
