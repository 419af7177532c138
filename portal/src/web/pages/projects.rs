//! A project: its servers, and what is said about it.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Choice, Fact, Form, Icon, Markup, Table, Tone, choices, empty_state, facts, form,
    html, icon, options, panel, pill, table,
};
use sealgate_words::Problem;

use super::home::{name_and_description, totals};
use super::{
    Frame, ListQuery, PROJECTS, day_words, kinds_in, pager, problem_page, request_key, used_words,
};
use crate::desk::{DeskError, NewServer, Page, Renamed, date_words, kind_label};
use crate::store::lists::{ProjectRow, ServerKind, ServerRow};
use crate::store::{Project, ProjectId};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// What was typed into the form for a new server.
#[derive(Default)]
struct Typed<'a> {
    name: &'a str,
    description: &'a str,
    kind: ServerKind,
}

pub(super) fn project_id(text: &str) -> Result<ProjectId, DeskError> {
    text.parse()
        .map_err(|_| DeskError::NotFound { what: "project" })
}

/// What a server is licensed by, for people.
pub(super) fn kind_words(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::Software => "Software license",
        ServerKind::Mac => "MAC license",
        ServerKind::Dongle => "Dongle",
    }
}

/// `GET /projects/{id}`: a project's servers.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    Query(query): Query<ListQuery>,
) -> Response {
    servers_page(&app, &signed_in, &id, &query, None, &Typed::default()).await
}

async fn servers_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    query: &ListQuery,
    problem: Option<&Problem>,
    typed: &Typed<'_>,
) -> Response {
    let actor = signed_in.actor.clone();
    let id = project_id(id);
    let (find, paging) = (query.find.clone(), query.paging());
    let read = app
        .desk(move |desk| {
            let (project, page) = desk.servers(&actor, id?, &find, &paging)?;
            let distributor = desk.distributor(&actor, project.project.distributor)?;
            Ok((project, page, distributor.may_list_macs))
        })
        .await;
    let (row, page, may_list_macs) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let project = &row.project;
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &project.name,
        current: PROJECTS.href,
        narrow: false,
    };
    let path = format!("/projects/{}", project.id);
    let body = html! {
        (about(&row))
        @if row.servers > 0 { (find_form(&path, &query.find)) }
        @if page.rows.is_empty() && row.servers > 0 {
            (empty_state(Icon::Search, "No server matches", html! {
                p { a href=(path) { "Show all " (row.servers) } }
            }))
        } @else {
            (server_table(&page))
        }
        (pager(&path, query, &page))
        (panel("New server", None, html! {}, add_form(signed_in, project, may_list_macs, typed)))
    };
    let lead = html! {
        a href="/" { "Projects" } " / " (project.name)
        @if !project.description.is_empty() { " · " (project.description) }
    };
    frame.render(problem, Some(lead), body)
}

fn about(row: &ProjectRow) -> Markup {
    html! {
        p {
            (row.servers) @if row.servers == 1 { " server" } @else { " servers" }
            " · in use: " (totals(&row.charged.above(&row.waiting), &row.waiting)) " · "
            a href={ "/projects/" (row.project.id) "/history" } { "History" } " · "
            a href={ "/projects/" (row.project.id) "/info" } { "Info" }
            @if row.archived { " · " (pill(Tone::Idle, "Archived")) }
        }
    }
}

fn find_form(path: &str, find: &str) -> Markup {
    html! {
        form class="form" action=(path) method="get" role="search" {
            div class="field" {
                label for="find" { "Search by name, serial number or MAC address" }
                input id="find" type="search" name="find" value=(find);
            }
            div class="actions" {
                button type="submit" class="button secondary" { (icon(Icon::Search)) "Search" }
            }
        }
    }
}

fn add_form(
    signed_in: &SignedIn,
    project: &Project,
    may_list_macs: bool,
    typed: &Typed<'_>,
) -> Markup {
    let kinds: Vec<Choice<'_>> = [ServerKind::Software, ServerKind::Mac, ServerKind::Dongle]
        .into_iter()
        .filter(|kind| may_list_macs || *kind != ServerKind::Mac)
        .map(|kind| Choice {
            value: kind.as_str(),
            label: kind_words(kind),
            hint: None,
            chosen: kind == typed.kind,
        })
        .collect();
    form(
        &Form {
            action: &format!("/projects/{}/servers", project.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Create server").with(Icon::Plus),
        },
        html! {
            (request_key())
            (name_and_description((typed.name, typed.description)))
            (options("kind", "Type", &kinds))
        },
    )
}

fn server_table(page: &Page<ServerRow>) -> Markup {
    if page.rows.is_empty() {
        return empty_state(
            Icon::Server,
            "This project has no servers yet",
            html! { p { "Add one for each recorder of the installation, then upload its request file." } },
        );
    }
    let kinds = kinds_in(page.rows.iter().map(|row| &row.summary.charged));
    let used: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} used", kind_label(kind)))
        .collect();
    let mut columns = vec!["Name", "Description"];
    columns.extend(used.iter().map(String::as_str));
    columns.extend(["Modified", "Authentication type", "State", "More"]);
    let row = |row: &ServerRow| {
        let server = &row.server;
        let mut cells = vec![
            Cell(html! { a href={ "/servers/" (server.id) } { (server.name) } }),
            Cell(
                html! { @if server.description.is_empty() { "–" } @else { (server.description) } },
            ),
        ];
        for kind in &kinds {
            cells.push(Cell(used_words(
                &row.summary.charged,
                &row.summary.waiting,
                kind,
            )));
        }
        cells.push(Cell(html! { (day_words(row.modified_utc_s)) }));
        cells.push(Cell(authentication(row)));
        cells.push(Cell(state(row)));
        cells.push(Cell(html! {
            a href={ "/servers/" (server.id) "/update" } {
                "Update license" span class="unseen" { " of " (server.name) }
            }
            @if row.summary.binding.is_some() {
                " · "
                a href={ "/servers/" (server.id) "/download" } {
                    "Download" span class="unseen" { " the newest license of " (server.name) }
                }
            }
            " · "
            a href={ "/servers/" (server.id) "/history" } {
                "History" span class="unseen" { " of " (server.name) }
            }
            " · "
            a href={ "/servers/" (server.id) "/info" } {
                "Info" span class="unseen" { " about " (server.name) }
            }
        }));
        cells
    };
    table(&Table {
        caption: "Servers",
        columns: &columns,
        rows: page.rows.iter().map(row).collect(),
    })
}

/// What a server is licensed by, with the number of its box or dongle.
pub(super) fn authentication(row: &ServerRow) -> Markup {
    html! {
        (kind_words(row.summary.binding.unwrap_or(row.intended)))
        @if let Some(serial) = &row.summary.serial { " (" span class="mono" { (serial) } ")" }
    }
}

/// A server's state in one word.
pub(super) fn state_pill(row: &ServerRow) -> Markup {
    if row.summary.binding.is_none() {
        pill(Tone::Idle, "No license yet")
    } else if row.summary.waiting.is_empty() {
        pill(Tone::Ok, "Licensed")
    } else {
        pill(Tone::Warn, "Waiting confirm")
    }
}

/// The same, with the way to what is to be done.
fn state(row: &ServerRow) -> Markup {
    if row.summary.waiting.is_empty() {
        return state_pill(row);
    }
    html! {
        a href={ "/servers/" (row.server.id) "/return" } {
            (state_pill(row)) span class="unseen" { " of the return of " (row.server.name) }
        }
    }
}

/// `POST /projects/{id}/servers`.
pub(crate) async fn add_server(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let project = project_id(&id);
    let (name, description) = (
        posted.text("name").to_owned(),
        posted.text("description").to_owned(),
    );
    let kind: ServerKind = posted.text("kind").parse().unwrap_or_default();
    let made = app
        .desk(move |desk| {
            let new = NewServer {
                name: &name,
                description: &description,
                kind,
            };
            desk.add_server(&actor, project?, &new)
        })
        .await;
    match made {
        Ok(server) => Redirect::to(&format!("/servers/{}/update", server.id)).into_response(),
        Err(error) => {
            let typed = Typed {
                name: posted.text("name"),
                description: posted.text("description"),
                kind,
            };
            let problem = describe(&error);
            let query = ListQuery::default();
            servers_page(&app, &signed_in, &id, &query, Some(&problem), &typed).await
        }
    }
}

/// `GET /projects/{id}/info`.
pub(crate) async fn info(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    info_page(&app, &signed_in, &id, None, None).await
}

/// `typed`: name, description and whether to archive, before something went wrong.
async fn info_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    typed: Option<(&str, &str, bool)>,
) -> Response {
    let actor = signed_in.actor.clone();
    let id = project_id(id);
    let row = match app.desk(move |desk| desk.project(&actor, id?)).await {
        Ok(row) => row,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let project = &row.project;
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Project",
        current: PROJECTS.href,
        narrow: true,
    };
    let (name, description, archived) =
        typed.unwrap_or((&project.name, &project.description, row.archived));
    let change = form(
        &Form {
            action: &format!("/projects/{}/info", project.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Save"),
        },
        html! {
            input type="hidden" name="version" value=(row.version);
            (name_and_description((name, description)))
            (choices("Place", &[Choice {
                value: "archived",
                label: "Archived",
                hint: Some("Out of the way; its servers keep their licenses."),
                chosen: archived,
            }]))
        },
    );
    let body = html! {
        (facts(&[
            Fact { name: "Name", value: Some(html! { (project.name) }) },
            Fact {
                name: "Description",
                value: (!project.description.is_empty()).then(|| html! { (project.description) }),
            },
            Fact { name: "Distributor", value: Some(html! { (row.distributor) }) },
            Fact { name: "Servers", value: Some(html! { span class="figures" { (row.servers) } }) },
            Fact { name: "In use", value: Some(totals(&row.charged.above(&row.waiting), &row.waiting)) },
            Fact { name: "Added", value: Some(html! { (date_words(project.created_utc_s)) }) },
            Fact { name: "Last modified", value: Some(html! { (date_words(row.modified_utc_s)) }) },
        ]))
        @if project.built_in {
            p class="muted" { "This project was there from the start: it keeps its name and its place." }
        }
        (panel("Change", None, html! {}, change))
    };
    let lead = html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / Info"
    };
    frame.render(problem, Some(lead), body)
}

/// `POST /projects/{id}/info`.
pub(crate) async fn change(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let project = project_id(&id);
    let (name, description) = (
        posted.text("name").to_owned(),
        posted.text("description").to_owned(),
    );
    let archived = posted.text("archived") == "on";
    let version = posted.text("version").parse().unwrap_or_default();
    let changed = app
        .desk(move |desk| {
            let renamed = Renamed {
                name: &name,
                description: &description,
                version,
            };
            desk.change_project(&actor, project?, &renamed, archived)
        })
        .await;
    match changed {
        Ok(()) => Redirect::to(&format!("/projects/{id}")).into_response(),
        Err(error) => {
            let typed = (posted.text("name"), posted.text("description"), archived);
            info_page(&app, &signed_in, &id, Some(&describe(&error)), Some(typed)).await
        }
    }
}
