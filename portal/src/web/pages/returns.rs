//! A return: where it is, and the request file that proves it.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use sealgate_pages::{
    Button, Field, FieldKind, Form, Icon, Step, StepState, Tone, button_link, field, form, html,
    notice, panel, stepper,
};
use sealgate_words::Problem;

use super::home::{balance_panel, days_since};
use super::server::{crumbs, server_id};
use super::{Frame, PROJECTS, counts_words, problem_page};
use crate::desk::{Returned, date_words};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// `GET /servers/{id}/return`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    page(&app, &signed_in, &id, None, None).await
}

async fn page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    returned: Option<&Returned>,
) -> Response {
    let actor = signed_in.actor.clone();
    let wanted = server_id(id);
    let read = app
        .desk(move |desk| {
            let (row, project) = desk.server(&actor, wanted?)?;
            let balances = desk.balances(&actor, project.distributor)?;
            Ok((row, project, balances))
        })
        .await;
    let (row, project, balances) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Return license",
        current: PROJECTS.href,
        narrow: true,
    };
    let waiting = &row.summary.waiting;
    let is_done = returned
        .is_some_and(|returned| returned.waiting.is_empty() && !returned.credited.is_empty());
    let waits = row.summary.waiting_since_utc_s.is_some();
    let at = |number: u8| {
        let now = if waits { 2 } else { 5 };
        if is_done || number < now {
            StepState::Done
        } else if number == now {
            StepState::Current
        } else {
            StepState::Ahead
        }
    };
    let steps = [
        Step {
            title: "Smaller license made",
            state: at(1),
        },
        Step {
            title: "Imported on the recorder",
            state: at(2),
        },
        Step {
            title: "New request file uploaded",
            state: at(3),
        },
        Step {
            title: "Channels returned",
            state: at(4),
        },
    ];
    let upload = form(
        &Form {
            action: &format!("/servers/{}/return", row.server.id),
            csrf: &signed_in.csrf,
            file: true,
            download: false,
            button: Button::primary("Confirm").with(Icon::Ok),
        },
        html! {
            (field(&Field {
                name: "request",
                label: "Request file",
                hint: Some("Created on the recorder after it imported the smaller license. Its name ends in .req."),
                kind: FieldKind::File { accept: ".req" },
                ..Field::default()
            }, &[]))
        },
    );
    let body = html! {
        @if let Some(returned) = returned.filter(|returned| !returned.credited.is_empty()) {
            (notice(Tone::Ok, "Channel returned success", html! {
                p { (counts_words(&returned.credited)) " came back." }
            }))
            (balance_panel(project.distributor, &balances))
        }
        @if waits || is_done { (stepper("The return", &steps)) }
        @if let Some(since) = row.summary.waiting_since_utc_s {
            p {
                "Return: " strong { (counts_words(waiting)) } ", waiting " (days_since(since))
                ", since " (date_words(since)) "."
            }
            ol {
                li {
                    a href={ "/servers/" (row.server.id) "/download" } { "Download the newest license" }
                    " if the recorder doesn't have it yet, and import it there."
                }
                li { "Create a new request file on the recorder's license page." }
                li { "Upload it here. It proves that the recorder gave the channels up." }
            }
            (panel("Confirm request file", None, html! {}, upload))
            (panel("Keep the channels after all", None, html! {}, html! {
                p {
                    "The smaller license may be imported already, so it can't be withdrawn. A new \
                     one with the former number costs nothing more: the channels are still charged."
                }
                (button_link(&format!("/servers/{}/update", row.server.id),
                    Button::secondary("Update license")))
            }))
        } @else if !is_done {
            p { "No channels of this server wait for a return." }
            p {
                "To give some back, update its license to a smaller number; the recorder then \
                 proves that it imported that license."
            }
        }
        p class="actions" {
            (button_link(&format!("/projects/{}", project.id), Button::secondary("Back to list")))
        }
    };
    frame.render(problem, Some(crumbs(&project, &row, "Return")), body)
}

/// `POST /servers/{id}/return`.
pub(crate) async fn confirm(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let request = posted.bytes("request");
    let confirmed = app
        .desk(move |desk| desk.confirm_return(&actor, server?, &request))
        .await;
    match confirmed {
        Ok(returned) => page(&app, &signed_in, &id, None, Some(&returned)).await,
        Err(error) => page(&app, &signed_in, &id, Some(&describe(&error)), None).await,
    }
}
