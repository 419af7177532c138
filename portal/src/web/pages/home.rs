//! Projects, and a project's servers.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Markup, Table, Tone, empty_state, field, form,
    html, icon, notice, panel, pill, table,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::{Frame, PROJECTS, counts_words, date_words, problem_page};
use crate::desk::{DeskError, ProjectView, ServerView, kind_label};
use crate::store::{Balance, DistributorId, Project, ProjectId};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// `GET /`: the projects.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Response {
    projects_page(&app, &signed_in, None).await
}

async fn projects_page(app: &App, signed_in: &SignedIn, problem: Option<&Problem>) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| {
            let balances = match actor.distributor {
                Some(distributor) => desk.balances(&actor, distributor)?,
                None => Vec::new(),
            };
            Ok((desk.projects(&actor)?, desk.distributors(&actor)?, balances))
        })
        .await;
    let (views, distributors, balances) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let is_staff = signed_in.actor.role.is_staff();
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Projects",
        current: PROJECTS.href,
        narrow: false,
    };
    let add = form(
        &Form {
            action: "/projects",
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Create project").with(Icon::Plus),
        },
        html! {
            @if is_staff {
                div class="field" {
                    label for="distributor" { "Distributor" }
                    select id="distributor" name="distributor" required {
                        @for distributor in &distributors {
                            option value=(distributor.id) { (distributor.name) }
                        }
                    }
                }
            }
            (name_and_description())
        },
    );
    let body = html! {
        @if let Some(distributor) = signed_in.actor.distributor {
            (balance_panel(distributor, &balances))
        }
        (project_table(&views, is_staff))
        @if !is_staff || !distributors.is_empty() {
            (panel("New project", None, html! {}, add))
        }
    };
    let welcome = html! { "Welcome, " (signed_in.name) "." };
    frame.render(problem, Some(welcome), body)
}

/// What the distributor has, as 'available / total'.
pub(super) fn balance_panel(distributor: DistributorId, balances: &[Balance]) -> Markup {
    if balances.is_empty() {
        return notice(
            Tone::Info,
            "You have no channels yet.",
            html! { p { "Order some from the vendor; then licenses can be made here." } },
        );
    }
    panel(
        "Channels",
        None,
        html! { a href={ "/distributors/" (distributor) "/ledger" } { "Ledger" } },
        table(&Table {
            caption: "Channels by kind",
            columns: &["Kind", "Available", "Total"],
            rows: balances
                .iter()
                .map(|balance| {
                    vec![
                        Cell(html! { (kind_label(&balance.kind)) }),
                        Cell(html! { span class="figures" { (balance.available) } }),
                        Cell(html! { span class="figures" { (balance.granted) } }),
                    ]
                })
                .collect(),
        }),
    )
}

fn project_table(views: &[ProjectView], is_staff: bool) -> Markup {
    if views.is_empty() {
        return empty_state(
            Icon::List,
            "There are no projects yet",
            html! { p { "Add a distributor first: each has a project from the start." } },
        );
    }
    let mut columns = vec!["Name", "Description", "Servers", "Used"];
    if is_staff {
        columns.push("Distributor");
    }
    table(&Table {
        caption: "Projects",
        columns: &columns,
        rows: views
            .iter()
            .map(|view| {
                let project = &view.project;
                let mut row = vec![
                    Cell(html! { a href={ "/projects/" (project.id) } { (project.name) } }),
                    Cell(html! { (project.description) }),
                    Cell(html! { span class="figures" { (view.servers) } }),
                    Cell(counts_words(&view.charged)),
                ];
                if is_staff {
                    row.push(Cell(html! { (view.distributor.name) }));
                }
                row
            })
            .collect(),
    })
}

pub(super) fn name_and_description() -> Markup {
    html! {
        (field(&Field { name: "name", label: "Name", ..Field::default() }, &[]))
        (field(&Field {
            name: "description",
            label: "Description",
            kind: FieldKind::Text,
            required: false,
            ..Field::default()
        }, &[]))
    }
}

/// `POST /projects`.
pub(crate) async fn add_project(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let distributor = posted.text("distributor").parse::<DistributorId>().ok();
    let (name, description) = (
        posted.text("name").to_owned(),
        posted.text("description").to_owned(),
    );
    let made = app
        .desk(move |desk| desk.add_project(&actor, distributor, &name, &description))
        .await;
    match made {
        Ok(project) => Redirect::to(&format!("/projects/{}", project.id)).into_response(),
        Err(error) => projects_page(&app, &signed_in, Some(&describe(&error))).await,
    }
}

/// What to look for in a list.
#[derive(Deserialize)]
pub(crate) struct Find {
    #[serde(default)]
    find: String,
}

/// Does the server have this in its name, or its box in its serial number?
fn matches(view: &ServerView, find: &str) -> bool {
    let has = |text: &str| text.to_lowercase().contains(&find.to_lowercase());
    has(&view.server.name) || view.serial.as_deref().is_some_and(has)
}

fn find_form(project: &Project, find: &str) -> Markup {
    html! {
        form class="form" action={ "/projects/" (project.id) } method="get" role="search" {
            div class="field" {
                label for="find" { "Search by name or serial number" }
                input id="find" type="search" name="find" value=(find);
            }
            div class="actions" {
                button type="submit" class="button secondary" { (icon(Icon::Search)) "Search" }
            }
        }
    }
}

/// `GET /projects/{id}`: a project's servers.
pub(crate) async fn project(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(Find { find }): Query<Find>,
) -> Response {
    servers_page(&app, &signed_in, &id, find.trim(), None).await
}

pub(super) fn project_id(text: &str) -> Result<ProjectId, DeskError> {
    text.parse()
        .map_err(|_| DeskError::NotFound { what: "project" })
}

async fn servers_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    find: &str,
    problem: Option<&Problem>,
) -> Response {
    let actor = signed_in.actor.clone();
    let id = project_id(id);
    let read = app
        .desk(move |desk| {
            let id = id?;
            Ok((desk.project(&actor, id)?, desk.servers(&actor, id)?))
        })
        .await;
    let (project, mut views) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &project.name,
        current: PROJECTS.href,
        narrow: false,
    };
    let all = views.len();
    views.retain(|view| matches(view, find));
    let body = html! {
        @if all > 0 { (find_form(&project, find)) }
        @if all > 0 && views.is_empty() {
            (empty_state(Icon::Search, "No server matches", html! {
                p { a href={ "/projects/" (project.id) } { "Show all " (all) } }
            }))
        } @else {
            (server_table(&views))
        }
        (panel("New server", None, html! {}, add_server_form(signed_in, &project)))
    };
    let lead = html! {
        a href="/" { "Projects" } " / " (project.name)
        @if !project.description.is_empty() { " · " (project.description) }
    };
    frame.render(problem, Some(lead), body)
}

fn add_server_form(signed_in: &SignedIn, project: &Project) -> Markup {
    form(
        &Form {
            action: &format!("/projects/{}/servers", project.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Create server").with(Icon::Plus),
        },
        name_and_description(),
    )
}

fn server_table(views: &[ServerView]) -> Markup {
    if views.is_empty() {
        return empty_state(
            Icon::Server,
            "This project has no servers yet",
            html! { p { "Add one for each recorder of the installation, then upload its request file." } },
        );
    }
    table(&Table {
        caption: "Servers",
        columns: &[
            "Name",
            "Serial number",
            "Licensed",
            "Charged",
            "State",
            "Added",
        ],
        rows: views
            .iter()
            .map(|view| {
                vec![
                    Cell(html! { a href={ "/servers/" (view.server.id) } { (view.server.name) } }),
                    Cell(html! { (view.serial.as_deref().unwrap_or("–")) }),
                    Cell(html! {
                        (counts_words(&view.licensed))
                        @if !view.waiting_for_return.is_empty() {
                            " (Return: " (counts_words(&view.waiting_for_return)) ")"
                        }
                    }),
                    Cell(counts_words(&view.charged)),
                    Cell(state_pill(view)),
                    Cell(html! { (date_words(view.server.created_utc_s)) }),
                ]
            })
            .collect(),
    })
}

/// A server's state in one word.
pub(super) fn state_pill(view: &ServerView) -> Markup {
    if view.serial.is_none() && view.charged.is_empty() {
        pill(Tone::Idle, "No license yet")
    } else if view.waiting_for_return.is_empty() {
        pill(Tone::Ok, "Licensed")
    } else {
        pill(Tone::Warn, "Waiting Confirm")
    }
}

/// `POST /projects/{id}/servers`.
pub(crate) async fn add_server(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let project = project_id(&id);
    let (name, description) = (
        posted.text("name").to_owned(),
        posted.text("description").to_owned(),
    );
    let made = app
        .desk(move |desk| desk.add_server(&actor, project?, &name, &description))
        .await;
    match made {
        Ok(server) => Redirect::to(&format!("/servers/{}", server.id)).into_response(),
        Err(error) => servers_page(&app, &signed_in, &id, "", Some(&describe(&error))).await,
    }
}
