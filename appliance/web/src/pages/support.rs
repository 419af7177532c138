//! Diagnostics: what support needs to know, and nothing that lets anybody in.

use axum::response::Response;
use sealgate_pages::{Button, Icon, button_link, code_text, html, panel};
use serde_json::json;

use super::frame::{Page, View};
use crate::download::download;
use crate::rooms::FileDownload;

/// Entries of the audit log in the file.
const AUDIT: u32 = 300;
/// Recordings in the file, the newest.
const RECORDINGS: u32 = 50;

/// `GET /support`
pub(crate) async fn show(page: Page) -> Response {
    let identity = &page.app.rooms.identity;
    page.show(View {
        title: "Support",
        current: "/settings",
        narrow: true,
        lead: Some(html! { "When you ask for help, quote the code that a page shows and send the diagnostics." }),
        body: html! {
            (panel("Diagnostics", None, html! {}, html! {
                p { "One file: versions, the state of license and TPM, cameras, gate counters, disks, alarms, users by name, and what was done lately." }
                p class="muted" { "It holds no password, no key, no token and no video. It does hold names and network addresses: read it before you send it, it is text." }
                div class="actions" {
                    (button_link("/support/diagnostics", Button::primary("Save diagnostics").with(Icon::Download)))
                }
            }))
            (panel("Reference", None, html! {}, html! {
                p { "This box is " (code_text(&identity.serial)) ", model " (identity.model) ", firmware " (identity.firmware) "." }
            }))
        },
        ..View::default()
    })
}

/// `GET /support/diagnostics`: made of what the pages show, so nothing else can be in it.
pub(crate) async fn diagnostics(page: Page) -> Response {
    let rooms = &page.app.rooms;
    let identity = &rooms.identity;
    let users = rooms.users.list().await;
    let start = rooms.settings.first_start();
    let all = json!({
        "made_utc_ms": page.app.clock.utc_ms(),
        "box": {
            "name": identity.name,
            "model": identity.model,
            "serial": identity.serial,
            "firmware": identity.firmware,
        },
        "settings": rooms.settings.settings(),
        "first_start": start,
        "license": rooms.license.status().await,
        "license_history": rooms.license.history().await,
        "cameras": rooms.cameras.list().await,
        "replacements": rooms.cameras.replacements().len(),
        "gate": rooms.gate.counters().await,
        "storage": rooms.recordings.status().await,
        "recordings": rooms.recordings.list(None, RECORDINGS).await,
        "alarms": rooms.alarms.list().await,
        "users": users,
        "audit": rooms.users.audit(AUDIT).await,
    });
    // Keys are text and numbers are finite, so this always is JSON.
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    download(FileDownload {
        file_name: format!("{}-diagnostics.json", identity.serial),
        content_type: "application/json",
        bytes: (text + "\n").into(),
    })
}
