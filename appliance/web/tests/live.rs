//! Live video over a real connection.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::net::SocketAddr;

use futures::StreamExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use fakes::client::Client;
use fakes::{CAMERA_A, CAMERA_B, World};
use sealgate_web::rooms::{CameraState, LiveFrame};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

struct Live {
    world: World,
    address: SocketAddr,
    token: String,
}

impl Live {
    async fn start() -> Self {
        let world = World::set_up();
        let mut program = Client::new(world.router());
        program.begin_session().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = world
            .router()
            .into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self {
            world,
            address,
            token: program.bearer.unwrap(),
        }
    }

    async fn watch(&self, headers: &[(&'static str, String)]) -> Result<Socket, Error> {
        let url = format!("ws://{}/api/v1/live/{CAMERA_A}", self.address);
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await.map(|(socket, _)| socket)
    }

    fn bearer(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.token))
    }
}

fn refused_with(result: Result<Socket, Error>, status: u16) {
    match result {
        Err(Error::Http(response)) => assert_eq!(response.status(), status),
        other => panic!("expected {status}, got {other:?}"),
    }
}

#[tokio::test]
async fn format_first_then_segment_then_parts_then_the_end() {
    let live = Live::start().await;
    let mut socket = live.watch(&[live.bearer()]).await.unwrap();
    let mut next = async || socket.next().await.unwrap().unwrap();
    assert_eq!(
        next().await,
        Message::text(r#"{"mime_type":"video/mp4; codecs=\"avc1.42c01e\""}"#)
    );
    assert_eq!(next().await, Message::binary("init"));
    assert_eq!(next().await, Message::binary("part 1"));
    assert_eq!(next().await, Message::binary("part 2"));
    assert!(next().await.is_close());
}

#[tokio::test]
async fn needs_a_session_and_our_own_page() {
    let live = Live::start().await;
    refused_with(live.watch(&[]).await, 401);
    // As a browser on another site does it, with the owner's cookie.
    let cookie = ("cookie", format!("__Host-session={}", live.token));
    let origin = ("origin", "https://evil.example".to_owned());
    refused_with(live.watch(&[cookie.clone(), origin]).await, 403);
    let origin = ("origin", format!("https://{}", live.address));
    live.watch(&[cookie, origin]).await.unwrap();
}

#[tokio::test]
async fn ends_when_the_box_shuts_down() {
    let live = Live::start().await;
    *live.world.fake.live_every_ms.lock().unwrap() = Some(3_600_000);
    let mut socket = live.watch(&[live.bearer()]).await.unwrap();
    live.world.trigger.request();
    assert!(socket.next().await.unwrap().unwrap().is_close());
}

#[tokio::test]
async fn a_viewer_that_fell_behind_is_told() {
    let live = Live::start().await;
    live.world.fake.live.lock().unwrap()[1] = LiveFrame::Skipped { ms: 4200 };
    let mut socket = live.watch(&[live.bearer()]).await.unwrap();
    let mut next = async || socket.next().await.unwrap().unwrap();
    assert!(next().await.is_text());
    assert_eq!(next().await, Message::binary("init"));
    assert_eq!(next().await, Message::text(r#"{"skipped_ms":4200}"#));
    assert_eq!(next().await, Message::binary("part 2"));
}

#[tokio::test]
async fn every_camera_with_a_channel_has_a_tile_and_its_reason() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let nothing = browser.get("/live").await;
    assert!(nothing.text.contains("No camera has a channel yet"));
    assert!(nothing.text.contains("2 cameras are found"));

    {
        let mut cameras = world.fake.cameras.lock().unwrap();
        for camera in cameras.iter_mut() {
            camera.assigned = true;
            camera.name = Some(format!("<script>{}", camera.id));
        }
        cameras[0].state = CameraState::Admitted;
        cameras[1].state = CameraState::Refused;
        let words = sealgate_words::catalog::find("SG-REC-002").unwrap();
        cameras[1].reason = Some(words.problem(&[]));
    }
    let page = browser.get("/live").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("<script>0"), "a name is text");
    let tile = |id: &str| page.after(&format!("data-live=\"/api/v1/live/{id}\" data-"));
    assert_eq!([tile(CAMERA_A), tile(CAMERA_B)], ["stream=", "stream="]);
    assert_eq!(page.text.matches("data-code=\"SG-REC-002\"").count(), 1);
    assert!(page.text.contains("class=\"wall columns-2\""));

    let chosen = browser
        .get(&format!("/live?cameras={CAMERA_B}&layout=9"))
        .await;
    assert!(chosen.text.contains("class=\"wall columns-3\""));
    let hidden = format!("data-tile=\"{CAMERA_A}\" hidden");
    assert!(chosen.text.contains(&hidden), "{}", chosen.text);
    assert_eq!(browser.get("/live?layout=7").await.status, 400);
}
