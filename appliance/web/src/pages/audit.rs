//! What was done on this box, by whom.

use sealgate_pages::{
    Button, Cell, Icon, Table, Tone, button_link, code_text, html, panel, pill, table,
};

use super::frame::{Page, PageResult, View};
use super::words::shown_time;

/// How many entries the page shows.
const SHOWN: u32 = 200;

/// `GET /audit`
pub(crate) async fn show(page: Page) -> PageResult {
    let entries = page.app.rooms.users.audit(SHOWN).await;
    let entries = entries.map_err(|problem| page.problem(&problem))?;
    let rows = entries
        .iter()
        .map(|entry| {
            vec![
                Cell(html! { (shown_time(entry.utc_ms)) }),
                Cell(html! { (entry.actor.as_deref().unwrap_or("the box")) }),
                Cell(code_text(&entry.action)),
                Cell(html! { (entry.object.as_deref().unwrap_or("–")) }),
                Cell(match &entry.code {
                    None => pill(Tone::Ok, "Done"),
                    Some(code) => pill(Tone::Warn, &format!("Refused, {code}")),
                }),
            ]
        })
        .collect();
    Ok(page.show(View {
        title: "What was done",
        current: "/settings",
        lead: Some(html! { "The newest " (SHOWN) " entries. The list is only ever added to." }),
        body: panel(
            "Entries",
            None,
            button_link("/users", Button::secondary("Users").with(Icon::Person)),
            table(&Table {
                caption: "What was done, by whom, to what, and whether it was refused",
                columns: &["When", "Who", "What", "To what", "Result"],
                rows,
            }),
        ),
        ..View::default()
    }))
}
