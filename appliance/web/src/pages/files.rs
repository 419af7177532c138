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

pub(crate) async fn show(Path(name): Path<String>) -> Response {
    let assets: [&Asset; 3] = [&STYLE, &SCRIPT, &LIVE];
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
