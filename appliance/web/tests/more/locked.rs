//! A box whose data is locked: what it shows, to whom, and what it takes.

use std::sync::{Arc, Mutex};

use crate::fakes::client::{Answer, Client};
use crate::fakes::{self, CODE, World};
use async_trait::async_trait;
use sealgate_web::rooms::LicenseView;
use sealgate_web::{LockedBox, locked_router};
use sealgate_words::Problem;

const KEY: &str = "abcd-efgh-1234";

#[derive(Default)]
struct Locked {
    tried: Mutex<Vec<String>>,
}

#[async_trait]
impl LockedBox for Locked {
    async fn license(&self) -> LicenseView {
        fakes::unlicensed()
    }

    fn is_code(&self, typed: &str) -> bool {
        typed == CODE
    }

    async fn unlock(&self, recovery_key: &str) -> Result<(), Problem> {
        self.tried.lock().unwrap().push(recovery_key.into());
        if recovery_key == KEY {
            Ok(())
        } else {
            Err(fakes::problem("SG-SES-033"))
        }
    }
}

fn locked() -> (Arc<Locked>, Client) {
    let world = World::new();
    let the_box = Arc::new(Locked::default());
    let router = locked_router(
        world.rooms.identity.clone(),
        the_box.clone(),
        world.clock.clone(),
    );
    (the_box, Client::new(router))
}

async fn sign_in(browser: &mut Client, code: &str) -> Answer {
    let csrf = browser.get("/").await.csrf();
    let fields = [("csrf", csrf.as_str()), ("code", code)];
    browser.post_form("/sign-in", &fields).await
}

#[tokio::test]
async fn nothing_but_name_and_state_is_shown_before_the_code() {
    let (the_box, mut browser) = locked();
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("SG-SES-035"), "{}", page.text);
    for hidden in ["LAB-0001", "SG-STA", "IBM", "000b9c2f", "Recovery key"] {
        assert!(!page.text.contains(hidden), "{hidden}: {}", page.text);
    }
    let status = browser.get("/api/v1/status").await.json();
    assert_eq!(
        status,
        serde_json::json!({ "name": "NVR-0207", "state": "data_locked" })
    );
    assert_eq!(browser.get("/healthz").await.status, 200);
    assert_eq!(browser.get("/cameras").await.location(), "/");
    let api = browser.get("/api/v1/cameras").await;
    assert_eq!(
        (api.status.as_u16(), api.code().as_str()),
        (503, "SG-SES-035")
    );

    // The key is not taken from somebody who is not signed in.
    let csrf = page.csrf();
    let fields = [("csrf", csrf.as_str()), ("key", KEY)];
    assert_eq!(browser.post_form("/unlock", &fields).await.status, 401);
    assert!(the_box.tried.lock().unwrap().is_empty());
    assert_eq!(sign_in(&mut browser, "WRONG").await.status, 403);
}

#[tokio::test]
async fn the_code_shows_tpm_and_license_and_the_key_opens_the_data() {
    let (the_box, mut browser) = locked();
    assert_eq!(sign_in(&mut browser, CODE).await.location(), "/");
    let page = browser.get("/").await;
    for text in ["SG-STA-007", "IBM", "000b9c2f", "LAB-0001", "Recovery key"] {
        assert!(page.text.contains(text), "{text} is missing: {}", page.text);
    }
    let csrf = page.csrf();
    let wrong = [("csrf", csrf.as_str()), ("key", "zzzz")];
    let refused = browser.post_form("/unlock", &wrong).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("SG-SES-033"), "{}", refused.text);
    assert!(!refused.text.contains("zzzz"), "a key comes back");
    let without_proof = [("csrf", ""), ("key", KEY)];
    assert_eq!(
        browser.post_form("/unlock", &without_proof).await.status,
        403
    );
    let right = [("csrf", csrf.as_str()), ("key", KEY)];
    let opened = browser.post_form("/unlock", &right).await;
    assert!(
        opened.text.contains("The data disk is open."),
        "{}",
        opened.text
    );
    assert_eq!(*the_box.tried.lock().unwrap(), ["zzzz", KEY]);
}

#[tokio::test]
async fn guesses_of_code_and_key_have_to_wait() {
    let (_, mut browser) = locked();
    let mut last = String::new();
    for _ in 0..7 {
        last = sign_in(&mut browser, "WRONG").await.text;
    }
    assert!(last.contains("SG-SES-005"), "{last}");

    let (the_box, mut browser) = locked();
    sign_in(&mut browser, CODE).await;
    let csrf = browser.get("/").await.csrf();
    for number in 0..9 {
        let key = number.to_string();
        let fields = [("csrf", csrf.as_str()), ("key", key.as_str())];
        last = browser.post_form("/unlock", &fields).await.text;
    }
    assert!(last.contains("SG-SES-005"), "{last}");
    assert!(the_box.tried.lock().unwrap().len() < 9);
}
