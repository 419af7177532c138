//! The help of every page on one page.

use axum::response::Response;
use sealgate_pages::{html, panel};

use super::frame::{Page, View};
use crate::help::HELP;

/// `GET /help`
pub(crate) async fn show(page: Page) -> Response {
    page.show(View {
        title: "Help",
        narrow: true,
        body: html! {
            @for help in HELP {
                (panel(help.name, None, html! {}, html! { p { (help.text) } }))
            }
        },
        ..View::default()
    })
}
