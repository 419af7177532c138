//! Channels given and taken, from the list.

use axum::extract::Path;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Form, Icon, Markup, Table, Tone, button_link, html, inline_form, notice, panel,
    pill, table,
};
use serde::Deserialize;

use super::list::refused;
use super::{camera_id, camera_row};
use crate::api::cameras::stream_url;
use crate::pages::frame::{Empty, Page, PageResult, Posted, PostedForm, View};
use crate::pages::words::{camera_name, count, reason};
use crate::rooms::CameraView;

/// The assignment form; the address may stay empty.
#[derive(Deserialize)]
pub(crate) struct AssignForm {
    csrf: String,
    #[serde(default)]
    stream_url: String,
}

impl PostedForm for AssignForm {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// `POST /cameras/discover`
pub(crate) async fn discover(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    match page.app.rooms.cameras.discover_now().await {
        Ok(()) => Ok(Redirect::to("/cameras?done=searching").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// `POST /cameras/{camera}/assign`
pub(crate) async fn assign(Path(id): Path<String>, posted: Posted<AssignForm>) -> PageResult {
    let Posted { page, form, .. } = posted;
    let camera = camera_id(&page, &id)?;
    let assigned = match stream_url(camera, Some(&form.stream_url)) {
        Ok(stream) => page.app.rooms.cameras.assign(camera, stream).await,
        Err(problem) => Err(problem),
    };
    match assigned {
        Ok(_) => Ok(Redirect::to("/cameras?done=assigned").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// `POST /cameras/assign-all`: what became of each, on a page.
pub(crate) async fn assign_all(posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let verdicts = match page.app.rooms.cameras.assign_all().await {
        Ok(verdicts) => verdicts,
        Err(problem) => return Ok(refused(&page, &problem).await),
    };
    let cameras = page.app.rooms.cameras.list().await.unwrap_or_default();
    let name = |id| {
        let camera: Option<&CameraView> = cameras.iter().find(|camera| camera.id == id);
        camera.map_or_else(|| id.to_string(), camera_name)
    };
    let given = verdicts
        .iter()
        .filter(|verdict| verdict.problem.is_none())
        .count();
    let rows = verdicts
        .iter()
        .map(|verdict| {
            vec![
                Cell(html! { a href={ "/cameras/" (verdict.camera) } { (name(verdict.camera)) } }),
                Cell(match &verdict.problem {
                    None => pill(Tone::Ok, "Has a channel"),
                    Some(problem) => {
                        html! { (pill(Tone::Bad, "Without a channel")) (reason(problem)) }
                    }
                }),
            ]
        })
        .collect();
    let title = format!(
        "{} of {} got a channel",
        given,
        count(verdicts.len(), "camera", "cameras")
    );
    Ok(page.show(View {
        title: "Assign all",
        current: "/cameras",
        body: html! {
            @if verdicts.is_empty() {
                (notice(Tone::Info, "Every camera that is seen has a channel.", html! {}))
            } @else {
                (panel(&title, None, html! {}, table(&Table {
                    caption: "What became of each camera",
                    columns: &["Camera", "Channel"],
                    rows,
                })))
            }
            (back())
        },
        ..View::default()
    }))
}

/// `GET /cameras/{camera}/release`: what it means, before it is done.
pub(crate) async fn ask_release(page: Page, Path(id): Path<String>) -> PageResult {
    let camera = camera_row(&page, &id).await?;
    let name = camera_name(&camera);
    let action = format!("/cameras/{}/release", camera.id);
    let csrf = page.csrf();
    Ok(page.show(View {
        title: "Release a camera",
        current: "/cameras",
        narrow: true,
        body: html! {
            (notice(Tone::Warn, &format!("{name} will no longer be recorded."), html! {
                p { "Its place becomes free for another camera. What was recorded stays until it is the oldest. It is found further on, and can be given a channel again as long as a place is free." }
            }))
            div class="actions" {
                (inline_form(&Form {
                    action: &action,
                    csrf: &csrf,
                    file: false,
                    download: false,
                    button: Button::danger("Release").with(Icon::Minus),
                }, &name))
                (button_link(&format!("/cameras/{}", camera.id), Button::secondary("Keep it")))
            }
        },
        ..View::default()
    }))
}

/// `POST /cameras/{camera}/release`
pub(crate) async fn release(Path(id): Path<String>, posted: Posted<Empty>) -> PageResult {
    let page = posted.page;
    let camera = camera_id(&page, &id)?;
    match page.app.rooms.cameras.release(camera).await {
        Ok(_) => Ok(Redirect::to("/cameras?done=released").into_response()),
        Err(problem) => Ok(refused(&page, &problem).await),
    }
}

/// The way back to the list.
pub(super) fn back() -> Markup {
    html! { p { (button_link("/cameras", Button::secondary("All cameras").with(Icon::Camera))) } }
}

/// The same as an answer of its own.
pub(super) fn results(page: &Page, title: &str, message: Markup, body: Markup) -> Response {
    page.show(View {
        title,
        current: "/cameras",
        body: html! { (message) (body) (back()) },
        ..View::default()
    })
}
