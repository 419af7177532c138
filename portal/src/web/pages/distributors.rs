//! Distributors and their channels: for vendor staff.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_license::entitlements::kind;
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Table, Tone, code_text, empty_state, field, form,
    html, notice, panel, table,
};
use sealgate_words::Problem;

use super::{DISTRIBUTORS, Frame, counts_words, date_words, home, parse_count, problem_page};
use crate::desk::{DeskError, MAC_LABEL};
use crate::rules::Counts;
use crate::rules::mac::MAC_KIND;
use crate::store::DistributorId;
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// `GET /distributors`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    page(&app, &signed_in, None, None).await
}

async fn page(
    app: &App,
    signed_in: &SignedIn,
    problem: Option<&Problem>,
    link_token: Option<&str>,
) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| Ok((desk.distributors(&actor)?, desk.projects(&actor)?)))
        .await;
    let (distributors, projects) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Distributors",
        current: DISTRIBUTORS.href,
        narrow: false,
    };
    let list = if distributors.is_empty() {
        empty_state(
            Icon::Person,
            "There are no distributors yet",
            html! { p { "Add the first one below." } },
        )
    } else {
        table(&Table {
            caption: "Distributors",
            columns: &["Name", "Projects", "Used", "Added"],
            rows: distributors
                .iter()
                .map(|distributor| {
                    let own = projects
                        .iter()
                        .filter(|view| view.distributor.id == distributor.id);
                    let used =
                        (own.clone()).fold(Counts::none(), |sum, view| sum.plus(&view.charged));
                    vec![
                        Cell(html! {
                            a href={ "/distributors/" (distributor.id) } { (distributor.name) }
                        }),
                        Cell(html! { span class="figures" { (own.count()) } }),
                        Cell(counts_words(&used)),
                        Cell(html! { (date_words(distributor.created_utc_s)) }),
                    ]
                })
                .collect(),
        })
    };
    let list = html! {
        (list)
        p class="muted" {
            (distributors.len()) @if distributors.len() == 1 { " distributor" } @else { " distributors" }
        }
    };
    let add = form(
        &Form {
            action: "/distributors",
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Add distributor").with(Icon::Plus),
        },
        html! {
            (field(&Field { name: "name", label: "Name", ..Field::default() }, &[]))
            (field(&Field {
                name: "email",
                label: "E-mail address of its first user",
                hint: Some("You get a one-time link to send there; it opens for a day."),
                ..Field::default()
            }, &[]))
        },
    );
    let public_url = (app.settings.public_url.as_deref()).unwrap_or_default();
    let body = html! {
        @if let Some(token) = link_token {
            (notice(Tone::Ok, "The distributor was added.", html! {
                p {
                    "Send this link to its first user. It is shown only now: "
                    (code_text(&format!("{}/welcome/{token}", public_url.trim_end_matches('/'))))
                }
            }))
        }
        (list)
        (panel("New distributor", None, html! {}, add))
    };
    frame.render(problem, None, body)
}

/// `POST /distributors`.
pub(crate) async fn add(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let (name, email) = (
        posted.text("name").to_owned(),
        posted.text("email").to_owned(),
    );
    let added = app
        .desk(move |desk| desk.add_distributor(&actor, &name, &email, None))
        .await;
    match added {
        // No redirect: the link is shown in this answer only.
        Ok((_, link_token)) => page(&app, &signed_in, None, link_token.as_deref()).await,
        Err(error) => page(&app, &signed_in, Some(&describe(&error)), None).await,
    }
}

pub(super) fn distributor_id(text: &str) -> Result<DistributorId, DeskError> {
    text.parse().map_err(|_| DeskError::NotFound {
        what: "distributor",
    })
}

/// `GET /distributors/{id}`.
pub(crate) async fn one(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    one_page(&app, &signed_in, &id, None).await
}

async fn one_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
) -> Response {
    let actor = signed_in.actor.clone();
    let wanted = distributor_id(id);
    let read = app
        .desk(move |desk| {
            let id = wanted?;
            let balances = desk.balances(&actor, id)?;
            let distributor = desk
                .distributors(&actor)?
                .into_iter()
                .find(|distributor| distributor.id == id)
                .ok_or(DeskError::NotFound {
                    what: "distributor",
                })?;
            Ok((distributor, balances))
        })
        .await;
    let (distributor, balances) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &distributor.name,
        current: DISTRIBUTORS.href,
        narrow: true,
    };
    let grant = form(
        &Form {
            action: &format!("/distributors/{}/grants", distributor.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Add channels").with(Icon::Plus),
        },
        html! {
            // A form that is sent twice counts once.
            input type="hidden" name="key" value=(hex::encode(rand::random::<[u8; 16]>()));
            @for (key, label) in sold() {
                (field(&Field {
                    name: key,
                    label,
                    kind: FieldKind::Number { min: 0 },
                    required: false,
                    ..Field::default()
                }, &[]))
            }
            (field(&Field {
                name: "note",
                label: "Note",
                hint: Some("For example the order's number."),
                required: false,
                ..Field::default()
            }, &[]))
        },
    );
    let body = html! {
        (home::balance_panel(distributor.id, &balances))
        (panel("Add channels", None, html! {}, grant))
    };
    let lead = html! { a href="/distributors" { "Distributors" } " / " (distributor.name) };
    frame.render(problem, Some(lead), body)
}

/// What distributors buy: the counts in licenses, and places on lists of cameras.
fn sold() -> impl Iterator<Item = (&'static str, &'static str)> {
    (kind::KNOWN.iter().copied()).chain([(MAC_KIND, MAC_LABEL)])
}

/// `POST /distributors/{id}/grants`.
pub(crate) async fn grant(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let wanted = distributor_id(&id);
    let (note, key) = (
        posted.text("note").to_owned(),
        posted.text("key").to_owned(),
    );
    let counts: Result<Counts, DeskError> = sold()
        .map(|(kind, _)| Ok((kind.to_owned(), parse_count(posted.text(kind))?)))
        .collect();
    let granted = app
        .desk(move |desk| {
            let key = Some(key.as_str()).filter(|key| !key.is_empty());
            desk.grant(&actor, wanted?, &counts?, &note, key)
        })
        .await;
    match granted {
        Ok(_) => Redirect::to(&format!("/distributors/{id}")).into_response(),
        Err(error) => one_page(&app, &signed_in, &id, Some(&describe(&error))).await,
    }
}
