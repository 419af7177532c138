//! Every state that a license can be in, from the catalog.

use axum::response::Response;
use sealgate_pages::{
    Button, Fact, Icon, Tone, button_link, code_text, facts, html, owner_words, pill,
};
use sealgate_words::catalog;

use super::frame::{Page, View};

/// `GET /license/states`
pub(crate) async fn show(page: Page) -> Response {
    let license = page.app.rooms.license.status().await;
    let is_now = |code: &str| {
        license.state.code == code || license.notices.iter().any(|notice| notice.code == code)
    };
    page.show(View {
        title: "States of a license",
        current: "/license",
        narrow: true,
        lead: Some(html! { "What the license page can say, what it does to recording, and who puts it right. Quote the code when you ask for help." }),
        body: html! {
            @for entry in catalog::sta::ENTRIES {
                section class="panel" id=(entry.code) {
                    div class="panel-head" {
                        h2 { (plain(entry.cause)) }
                        @if is_now(entry.code) { (pill(Tone::Info, "Now")) }
                    }
                    (facts(&[
                        Fact { name: "Recording", value: Some(html! { (plain(entry.effect)) }) },
                        Fact { name: "What to do", value: Some(html! { (plain(entry.cure)) }) },
                        Fact { name: "Who", value: Some(html! { (owner_words(entry.owner)) }) },
                        Fact { name: "Code", value: Some(code_text(entry.code)) },
                    ]))
                }
            }
            p { (button_link("/license", Button::secondary("License").with(Icon::License))) }
        },
        ..View::default()
    })
}

/// A text of the catalog without what is filled in.
fn plain(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        words.push_str(before);
        words.push('…');
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    words.push_str(rest);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_left_open() {
        for (text, expected) in [
            ("Nothing.", "Nothing."),
            (
                "License {id}, revision {n}, is old.",
                "License …, revision …, is old.",
            ),
            ("{a}{b}", "……"),
            ("torn {", "torn …"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
