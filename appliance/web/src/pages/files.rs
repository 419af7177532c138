//! Static files.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sealgate_pages::{Asset, CACHE_FOR_EVER, SCRIPT, STYLE};

use crate::errors::{ApiProblem, missing};

/// A page's script with the live player before it: one file, as a module could not name another
/// whose address says what is in it.
macro_rules! with_player {
    ($name:literal) => {
        Asset::new(
            $name,
            "js",
            "text/javascript; charset=utf-8",
            concat!(
                include_str!("../../assets/pace.js"),
                include_str!("../../assets/player.js"),
                include_str!(concat!("../../assets/", $name, ".js")),
            ),
        )
    };
}

/// The page of one camera.
pub(crate) static LIVE: LazyLock<Asset> = LazyLock::new(|| with_player!("live"));

/// The page of all cameras.
pub(crate) static WALL: LazyLock<Asset> = LazyLock::new(|| with_player!("wall"));

/// Draws the plan of recording on a camera's page.
pub(crate) static PLAN: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "plan",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/plan.js"),
    )
});

/// The time line of the playback page.
pub(crate) static TIMELINE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "timeline",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/timeline.js"),
    )
});

/// The player of the playback page.
pub(crate) static PLAYBACK: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "playback",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/playback.js"),
    )
});

pub(crate) async fn show(Path(name): Path<String>) -> Response {
    let assets: [&Asset; 7] = [&STYLE, &SCRIPT, &LIVE, &WALL, &PLAN, &TIMELINE, &PLAYBACK];
    match assets.into_iter().find(|asset| asset.file_name() == name) {
        Some(asset) => (
            [
                (CONTENT_TYPE, asset.content_type()),
                (CACHE_CONTROL, CACHE_FOR_EVER),
            ],
            asset.body(),
        )
            .into_response(),
        None => ApiProblem(missing("file")).into_response(),
    }
}
