//! Static files.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sealgate_pages::{Asset, CACHE_FOR_EVER, SCRIPT, STYLE};

use crate::errors::{ApiProblem, missing};

/// The player of the live page.
pub(crate) static LIVE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "live",
        "js",
        "text/javascript; charset=utf-8",
        include_str!("../../assets/live.js"),
    )
});

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
    let assets: [&Asset; 6] = [&STYLE, &SCRIPT, &LIVE, &PLAN, &TIMELINE, &PLAYBACK];
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
