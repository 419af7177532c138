//! Live video of one camera. The only page that needs its script.

use axum::extract::Path;
use sealgate_pages::{
    Button, Fact, Icon, Markup, Tone, button_link, code_text, facts, html, icon, notice, panel,
    problem_panel,
};

use super::files::LIVE;
use super::frame::{Page, PageResult, View};
use super::words::{camera_name, recording_pill, recording_words, state_pill};
use crate::errors::missing;
use crate::rooms::Right;

/// What the buttons of the pad do: right, up, closer, from -1 to 1.
const MOVES: [(&str, &str, &str); 6] = [
    ("up", "Up", "0 0.5 0"),
    ("left", "Left", "-0.5 0 0"),
    ("right", "Right", "0.5 0 0"),
    ("down", "Down", "0 -0.5 0"),
    ("closer", "Closer", "0 0 0.5"),
    ("wider", "Wider", "0 0 -0.5"),
];

/// How often the script refreshes the facts below the picture, seconds.
const REFRESH_S: u32 = 5;

/// `GET /live/{camera}`
pub(crate) async fn show(page: Page, Path(id): Path<String>) -> PageResult {
    let cameras = page
        .app
        .rooms
        .cameras
        .list()
        .await
        .map_err(|problem| page.problem(&problem))?;
    let camera = cameras
        .iter()
        .find(|camera| camera.id.to_string() == id)
        .ok_or_else(|| page.problem(&missing("camera")))?;
    let title = camera_name(camera);
    let now = page.app.clock.utc_ms();
    Ok(page.show(View {
        title: &title,
        current: "/live",
        refresh_s: Some(REFRESH_S),
        scripts: &[&LIVE],
        body: html! {
            div data-part="reason" {
                @if let Some(problem) = &camera.reason { (problem_panel(problem, Tone::Warn)) }
            }
            noscript { (notice(
                Tone::Info,
                "Live video needs a script, and this browser runs none.",
                html! { p { "Recording goes on without it." } },
            )) }
            div class="screen" data-live={ "/api/v1/live/" (camera.id) } data-stream="main" {
                video muted playsinline disablepictureinpicture aria-label={ "Live picture of " (title) } {}
                p class="screen-words" role="status" { "Waiting for the picture" }
                p class="screen-note" role="status" hidden {}
            }
            p class="notice warn" role="status" data-told hidden {}
            div class="actions" {
                button type="button" class="button secondary" data-sound aria-pressed="false" hidden { "Sound" }
                button type="button" class="button secondary" data-full-screen hidden { "Full screen" }
                a class="button secondary" href={ "/api/v1/snapshot/" (camera.id) } data-snapshot { (icon(Icon::Download)) "Snapshot" }
                (button_link(&format!("/playback/{}", camera.id), Button::secondary("Playback").with(Icon::Record)))
                (button_link("/live", Button::secondary("All cameras").with(Icon::Camera)))
            }
            @if page.may(Right::Operate) { (steering_pad()) }
            (panel("This camera", Some("camera"), html! {}, facts(&[
                Fact { name: "Gate", value: Some(state_pill(camera.state)) },
                Fact {
                    name: "Recording",
                    value: Some(html! {
                        (recording_pill(camera.recording.as_ref()))
                        @if let Some(recording) = &camera.recording {
                            p class="muted" { (recording_words(recording, now)) }
                        }
                    }),
                },
                Fact { name: "MAC address", value: Some(code_text(&camera.mac.to_string())) },
                Fact { name: "IP address", value: camera.ip.map(|ip| code_text(&ip.to_string())) },
                Fact { name: "Model", value: camera.model.as_ref().map(|model| html! { (model) }) },
                Fact { name: "Stream", value: camera.stream_url.as_deref().map(code_text) },
            ])))
        },
        ..View::default()
    }))
}

/// Shown by the script once the camera said that it can be steered.
fn steering_pad() -> Markup {
    html! {
        section class="panel ptz" data-ptz aria-labelledby="ptz" hidden {
            h2 id="ptz" { "Steering" }
            p class="muted" { "The camera moves while a button is held, or the Enter key." }
            div class="ptz-pad" {
                @for (place, label, order) in MOVES {
                    button type="button" class={ "button secondary ptz-" (place) } data-move=(order) { (label) }
                }
            }
            div class="actions" data-presets aria-label="Stored places" role="group" {}
        }
    }
}
