//! All cameras live on one page. Which ones, and how large, is in its address.

use std::collections::BTreeSet;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use sealgate_pages::{
    Asset, Button, Icon, Markup, Tone, button_link, empty_state, html, icon, notice,
};
use sealgate_words::Problem;

use super::files::WALL;
use super::frame::{Page, PageResult, View};
use super::words::{camera_name, count};
use crate::errors::unreadable;
use crate::rooms::{CameraState, CameraView};

/// How often the script refreshes what stands on the tiles, seconds.
const REFRESH_S: u32 = 5;

/// Tiles that fill the page at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrangement {
    /// As many as there are, 16 at most.
    Auto,
    /// So many: a square number.
    Tiles(u8),
}

/// All there are.
const ARRANGEMENTS: [(Arrangement, &str, &str); 5] = [
    (Arrangement::Auto, "auto", "Auto"),
    (Arrangement::Tiles(1), "1", "1"),
    (Arrangement::Tiles(4), "4", "4"),
    (Arrangement::Tiles(9), "9", "9"),
    (Arrangement::Tiles(16), "16", "16"),
];

impl Arrangement {
    /// As the script has it too.
    fn columns(self, tiles: usize) -> usize {
        match self {
            Self::Auto => match tiles {
                0..=1 => 1,
                2..=4 => 2,
                5..=9 => 3,
                _ => 4,
            },
            Self::Tiles(tiles) => usize::from(tiles).isqrt(),
        }
    }
}

/// What the address asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    /// These cameras; none given: all.
    cameras: Option<BTreeSet<String>>,
    arrangement: Arrangement,
}

impl Wanted {
    /// `cameras=a,b`, as the script writes it, or `camera=a&camera=b`, as a plain form does.
    fn read(query: &[(String, String)]) -> Result<Self, Problem> {
        let mut wanted = Self {
            cameras: None,
            arrangement: Arrangement::Auto,
        };
        for (name, value) in query {
            match name.as_str() {
                "cameras" | "camera" => {
                    let cameras = wanted.cameras.get_or_insert_default();
                    cameras.extend(value.split(',').map(str::to_owned));
                }
                "layout" => {
                    wanted.arrangement = ARRANGEMENTS
                        .iter()
                        .find(|(_, key, _)| key == value)
                        .map(|(arrangement, ..)| *arrangement)
                        .ok_or_else(|| unreadable("a layout is auto, 1, 4, 9 or 16"))?;
                }
                _ => {}
            }
        }
        Ok(wanted)
    }

    fn has(&self, camera: &CameraView) -> bool {
        let id = camera.id.to_string();
        self.cameras
            .as_ref()
            .is_none_or(|cameras| cameras.contains(&id))
    }
}

/// `GET /live`
pub(crate) async fn show(
    page: Page,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> PageResult {
    let wanted = query
        .map_err(|error| unreadable(&error.body_text()))
        .and_then(|Query(query)| Wanted::read(&query))
        .map_err(|problem| page.problem(&problem))?;
    let cameras = page
        .app
        .rooms
        .cameras
        .list()
        .await
        .map_err(|problem| page.problem(&problem))?;
    let (cameras, others): (Vec<_>, Vec<_>) =
        cameras.into_iter().partition(|camera| camera.assigned);
    let scripts: [&Asset; 1] = [&WALL];
    Ok(page.show(View {
        title: "Live",
        current: "/live",
        refresh_s: Some(REFRESH_S),
        scripts: &scripts[..usize::from(!cameras.is_empty())],
        body: if cameras.is_empty() {
            nothing_yet(others.len())
        } else {
            body(&cameras, others.len(), &wanted)
        },
        ..View::default()
    }))
}

fn nothing_yet(found: usize) -> Markup {
    let words = match found {
        0 => html! { p { "Cameras appear on the Cameras page as soon as they are found." } },
        found => html! { p {
            (count(found, "camera is", "cameras are")) " found. Give each a channel on the Cameras page, and it is seen here."
        } },
    };
    empty_state(
        Icon::Camera,
        "No camera has a channel yet",
        html! {
            (words)
            (button_link("/cameras", Button::primary("Cameras").with(Icon::Camera)))
        },
    )
}

fn body(cameras: &[CameraView], others: usize, wanted: &Wanted) -> Markup {
    let shown = cameras.iter().filter(|camera| wanted.has(camera)).count();
    let columns = wanted.arrangement.columns(shown);
    html! {
        noscript { (notice(
            Tone::Info,
            "Live video needs a script, and this browser runs none.",
            html! { p { "Recording goes on without it." } },
        )) }
        (choice(cameras, wanted))
        ul class={ "wall columns-" (columns) } data-wall {
            @for camera in cameras { (tile(camera, wanted.has(camera))) }
        }
        p class="muted" data-wall-empty hidden[shown > 0] { "No camera is chosen." }
        @if others > 0 {
            p class="muted" {
                (count(others, "more camera was found and has no channel", "more cameras were found and have no channel")) ". "
                a href="/cameras" { "See the Cameras page" } "."
            }
        }
    }
}

fn choice(cameras: &[CameraView], wanted: &Wanted) -> Markup {
    html! {
        form class="wall-form" method="get" action="/live" data-wall-form {
            fieldset class="segments" {
                legend class="unseen" { "Tiles at once" }
                @for (arrangement, key, label) in ARRANGEMENTS {
                    label {
                        input type="radio" name="layout" value=(key) checked[arrangement == wanted.arrangement];
                        span { (label) }
                    }
                }
            }
            details class="wall-choice" {
                summary { "Choose cameras" }
                fieldset {
                    legend class="unseen" { "Cameras on this page" }
                    @for camera in cameras {
                        label class="check" {
                            input type="checkbox" name="camera" value=(camera.id) checked[wanted.has(camera)];
                            span { (camera_name(camera)) }
                        }
                    }
                }
            }
            button type="submit" class="button secondary" data-wall-submit { "Show" }
        }
    }
}

fn tile(camera: &CameraView, shown: bool) -> Markup {
    let name = camera_name(camera);
    html! {
        li class="wall-tile" data-tile=(camera.id) hidden[!shown] {
            a class="screen" href={ "/live/" (camera.id) } data-live={ "/api/v1/live/" (camera.id) } data-stream="sub"
                aria-label={ "Live picture of " (name) ". Open it alone." } {
                video muted playsinline disablepictureinpicture {}
                span class="screen-words" role="status" { "Waiting for the picture" }
                span class="screen-name" { (name) }
            }
            div class="wall-reason" data-part={ "reason-" (camera.id) } {
                @if let Some(problem) = hindrance(camera) {
                    p data-code=(problem.code) {
                        (icon(Icon::Warn))
                        span { (problem.cause) " " (problem.cure) " " span class="mono" { (problem.code) } }
                    }
                }
            }
        }
    }
}

/// Why there is no picture, as the gate has it.
fn hindrance(camera: &CameraView) -> Option<&Problem> {
    camera
        .reason
        .as_ref()
        .filter(|_| camera.state != CameraState::Admitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &[(&str, &str)]) -> Result<Wanted, String> {
        let query: Vec<_> = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Wanted::read(&query).map_err(|problem| problem.code)
    }

    #[test]
    fn the_address_says_which_cameras_and_how_large() {
        let both = Some(["a", "b"].map(str::to_owned).into());
        let of = |cameras, arrangement| {
            Ok(Wanted {
                cameras,
                arrangement,
            })
        };
        assert_eq!(wanted(&[]), of(None, Arrangement::Auto));
        assert_eq!(
            wanted(&[("cameras", "a,b"), ("layout", "9")]),
            of(both.clone(), Arrangement::Tiles(9))
        );
        assert_eq!(
            wanted(&[("layout", "auto"), ("camera", "b"), ("camera", "a")]),
            of(both, Arrangement::Auto)
        );
        assert_eq!(wanted(&[("layout", "7")]), Err("SG-API-001".to_owned()));
    }

    #[test]
    fn tiles_fill_the_page() {
        for (arrangement, tiles, columns) in [
            (Arrangement::Auto, 0, 1),
            (Arrangement::Auto, 1, 1),
            (Arrangement::Auto, 4, 2),
            (Arrangement::Auto, 5, 3),
            (Arrangement::Auto, 10, 4),
            (Arrangement::Auto, 64, 4),
            (Arrangement::Tiles(1), 64, 1),
            (Arrangement::Tiles(4), 1, 2),
            (Arrangement::Tiles(16), 9, 4),
        ] {
            assert_eq!(arrangement.columns(tiles), columns);
        }
    }
}
