//! Distributors and their channels: for vendor staff.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_license::entitlements::kind;
use sealgate_pages::{
    Button, Cell, Choice, Field, FieldKind, Form, Icon, Markup, Table, Tone, choices, code_text,
    empty_state, field, form, html, notice, panel, table,
};
use sealgate_words::Problem;

use super::{
    DISTRIBUTORS, Frame, ListQuery, home, kinds_in, pager, parse_count, problem_page, used_words,
};
use crate::desk::{DeskError, DistributorSettings, MAC_LABEL, kind_label};
use crate::rules::Counts;
use crate::rules::mac::MAC_KIND;
use crate::store::DistributorId;
use crate::store::lists::{DistributorFacts, DistributorRow};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// `GET /distributors`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Query(query): Query<ListQuery>,
) -> Response {
    page(&app, &signed_in, &query, None, None).await
}

async fn page(
    app: &App,
    signed_in: &SignedIn,
    query: &ListQuery,
    problem: Option<&Problem>,
    link_token: Option<&str>,
) -> Response {
    let actor = signed_in.actor.clone();
    let paging = query.paging();
    let read = app
        .desk(move |desk| desk.distributors_page(&actor, &paging))
        .await;
    let distributors = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Distributors",
        current: DISTRIBUTORS.href,
        narrow: false,
    };
    let list = html! {
        (distributor_table(&distributors.rows))
        (pager("/distributors", query, &distributors))
        p class="muted" {
            (distributors.rows.len())
            @if distributors.rows.len() == 1 { " distributor" } @else { " distributors" }
            @if query.after.is_some() || distributors.next.is_some() { " on this page" }
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

fn distributor_table(rows: &[DistributorRow]) -> Markup {
    if rows.is_empty() {
        return empty_state(
            Icon::Person,
            "There are no distributors yet",
            html! { p { "Add the first one below." } },
        );
    }
    let kinds = kinds_in(rows.iter().map(|row| &row.used));
    let used: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} used", kind_label(kind)))
        .collect();
    let mut columns = vec![
        "Name",
        "E-mail address",
        "Description",
        "Country",
        "Projects",
    ];
    columns.extend(used.iter().map(String::as_str));
    columns.push("More");
    let or_dash = |text: &str| html! { @if text.is_empty() { "–" } @else { (text) } };
    let row = |row: &DistributorRow| {
        let distributor = &row.distributor;
        let mut cells = vec![
            Cell(html! { a href={ "/distributors/" (distributor.id) } { (distributor.name) } }),
            Cell(or_dash(&row.facts.email)),
            Cell(or_dash(&row.facts.description)),
            Cell(or_dash(&row.facts.country)),
            Cell(html! { span class="figures" { (row.projects) } }),
        ];
        for kind in &kinds {
            cells.push(Cell(used_words(&row.used, &row.waiting, kind)));
        }
        cells.push(Cell(html! {
            a href={ "/distributors/" (distributor.id) "/history" } {
                "History" span class="unseen" { " of " (distributor.name) }
            }
            " · "
            a href={ "/distributors/" (distributor.id) } {
                "Settings" span class="unseen" { " of " (distributor.name) }
            }
        }));
        cells
    };
    table(&Table {
        caption: "Distributors",
        columns: &columns,
        rows: rows.iter().map(row).collect(),
    })
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
    let first = ListQuery::default();
    let added = app
        .desk(move |desk| desk.add_distributor(&actor, &name, &email, None))
        .await;
    match added {
        // No redirect: the link is shown in this answer only.
        Ok((_, link_token)) => page(&app, &signed_in, &first, None, link_token.as_deref()).await,
        Err(error) => page(&app, &signed_in, &first, Some(&describe(&error)), None).await,
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
    one_page(&app, &signed_in, &id, None, None).await
}

async fn one_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    typed: Option<&DistributorFacts>,
) -> Response {
    let actor = signed_in.actor.clone();
    let wanted = distributor_id(id);
    let read = app
        .desk(move |desk| {
            let id = wanted?;
            Ok((desk.distributor(&actor, id)?, desk.balances(&actor, id)?))
        })
        .await;
    let (row, balances) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let distributor = &row.distributor;
    let facts = typed.unwrap_or(&row.facts);
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
    let settings = form(
        &Form {
            action: &format!("/distributors/{}", distributor.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Save settings"),
        },
        html! {
            input type="hidden" name="version" value=(row.version);
            (field(&Field {
                name: "email",
                label: "E-mail address",
                value: &facts.email,
                required: false,
                ..Field::default()
            }, &[]))
            (field(&Field {
                name: "description",
                label: "Description",
                value: &facts.description,
                required: false,
                ..Field::default()
            }, &[]))
            (field(&Field {
                name: "country",
                label: "Country",
                value: &facts.country,
                required: false,
                ..Field::default()
            }, &[]))
            (choices("Permissions", &[Choice {
                value: "may_list_macs",
                label: "Can use MAC licenses",
                hint: Some("For recorders on virtual machines: such a license can be copied."),
                chosen: row.may_list_macs,
            }]))
        },
    );
    let body = html! {
        (home::balance_panel(distributor.id, &balances))
        (panel("Add channels", None, html! {}, grant))
        (panel("Settings", None, html! {
            a href={ "/distributors/" (distributor.id) "/history" } { "History" }
        }, settings))
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
        Err(error) => one_page(&app, &signed_in, &id, Some(&describe(&error)), None).await,
    }
}

/// `POST /distributors/{id}`: its settings.
pub(crate) async fn change(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let wanted = distributor_id(&id);
    let facts = DistributorFacts {
        email: posted.text("email").to_owned(),
        description: posted.text("description").to_owned(),
        country: posted.text("country").to_owned(),
    };
    let may_list_macs = posted.text("may_list_macs") == "on";
    let version = posted.text("version").parse().unwrap_or_default();
    let typed = facts.clone();
    let changed = app
        .desk(move |desk| {
            let settings = DistributorSettings {
                facts,
                may_list_macs,
            };
            desk.change_distributor(&actor, wanted?, &settings, version)
        })
        .await;
    match changed {
        Ok(()) => Redirect::to(&format!("/distributors/{id}")).into_response(),
        Err(error) => {
            let problem = describe(&error);
            one_page(&app, &signed_in, &id, Some(&problem), Some(&typed)).await
        }
    }
}
