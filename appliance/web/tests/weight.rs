//! The first page on a slow link and a small box: what is sent, and how long that takes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fakes;

use std::time::{Duration, Instant};

use fakes::World;
use fakes::client::Client;

/// Page, style sheet and script, bytes, as they are sent.
const MOST_BYTES: usize = 60 * 1024;
/// The server's share of the time until the page is there.
const LONGEST: Duration = Duration::from_millis(100);

#[tokio::test]
async fn each_first_page_is_light_and_quick() {
    let world = World::set_up();
    let mut browser = Client::new(world.router());
    browser.sign_in().await;
    let stranger = Client::new(world.router());
    let fresh = Client::new(World::new().router());
    let mut clients = [browser, stranger, fresh];
    for (who, path) in [(0, "/"), (0, "/license"), (1, "/sign-in"), (2, "/setup")] {
        let client = &mut clients[who];
        // The first answer also fills what later ones share, as the first after a start does.
        let began = Instant::now();
        let page = client.get(path).await;
        let mut bytes = page.text.len();
        let mut loaded = 0;
        for part in page.text.split("\"/static/").skip(1) {
            let file = part.split('"').next().unwrap();
            let asset = client.get(&format!("/static/{file}")).await;
            assert_eq!(asset.status, 200, "{file}");
            bytes += asset.text.len();
            loaded += 1;
        }
        let took = began.elapsed();
        assert_eq!(page.status, 200, "{path}");
        assert!(loaded >= 2, "{path} loads its style sheet and its script");
        assert!(bytes <= MOST_BYTES, "{path} is {bytes} bytes");
        assert!(took <= LONGEST, "{path} took {took:?}");
        println!("{path}: {bytes} bytes, {took:?}");
    }
}
