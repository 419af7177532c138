//! A server: upload its request, compare, generate the license, download it.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_license::entitlements::kind;
use sealgate_pages::{
    Button, Cell, DiffRow, Fact, Field, FieldKind, Form, Icon, Markup, Table, Tone, button_link,
    diff_table, empty_state, facts, field, form, html, notice, panel, table,
};
use sealgate_words::Problem;

use super::{Frame, PROJECTS, counts_words, date_words, home, parse_count, problem_page};
use crate::desk::{DeskError, Issuance, Order, ServerLicenses, ServerView};
use crate::rules::{Ask, Counts};
use crate::store::{Balance, FileId, Project, ServerId};
use crate::web::App;
use crate::web::api::licenses::download as as_download;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

pub(super) fn server_id(text: &str) -> Result<ServerId, DeskError> {
    text.parse()
        .map_err(|_| DeskError::NotFound { what: "server" })
}

struct ServerPage {
    view: ServerView,
    project: Project,
    licenses: ServerLicenses,
    balances: Vec<Balance>,
    /// Where it could be moved to, and its own.
    projects: Vec<Project>,
}

async fn read(app: &App, signed_in: &SignedIn, id: &str) -> Result<ServerPage, DeskError> {
    let actor = signed_in.actor.clone();
    let id = server_id(id);
    app.desk(move |desk| {
        let id = id?;
        let (view, project) = desk.server(&actor, id)?;
        Ok(ServerPage {
            balances: desk.balances(&actor, project.distributor)?,
            licenses: desk.licenses(&actor, id)?,
            projects: desk.sister_projects(&actor, project.id)?,
            view,
            project,
        })
    })
    .await
}

/// `GET /servers/{id}`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    page(&app, &signed_in, &id, None, None).await
}

/// `wanted`: what was typed before something went wrong.
async fn page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    wanted: Option<&Counts>,
) -> Response {
    let page = match read(app, signed_in, id).await {
        Ok(page) => page,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &page.view.server.name,
        current: PROJECTS.href,
        narrow: false,
    };
    let body = html! {
        (about(&page.view))
        (panel("Update license", None, html! {}, upload_form(signed_in, &page, wanted)))
        (panel("Licenses", None, html! {
            a href={ "/servers/" (page.view.server.id) "/history" } { "History" }
        }, history(&page.licenses)))
        @if page.projects.len() > 1 {
            (panel("Move to another project", None, html! {}, move_form(signed_in, &page)))
        }
    };
    frame.render(problem, Some(crumbs(&page.project, &page.view)), body)
}

fn crumbs(project: &Project, view: &ServerView) -> Markup {
    html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / " (view.server.name)
        @if !view.server.description.is_empty() { " · " (view.server.description) }
    }
}

fn about(view: &ServerView) -> Markup {
    html! {
        @if !view.waiting_for_return.is_empty() {
            (notice(Tone::Warn, "Waiting Confirm", html! {
                p {
                    "Return: " (counts_words(&view.waiting_for_return))
                    ". Import the newest license on the recorder, then upload a new request file \
                     here: it proves the return, and the channels come back to you."
                }
            }))
        }
        (facts(&[
            Fact { name: "State", value: Some(home::state_pill(view)) },
            Fact { name: "Serial number", value: view.serial.as_ref().map(|serial| html! { (serial) }) },
            Fact { name: "Licensed", value: Some(counts_words(&view.licensed)) },
            Fact { name: "Charged", value: Some(counts_words(&view.charged)) },
        ]))
    }
}

/// The kinds that the form asks for: cameras, what the distributor has, and what the
/// server has. Kinds without a name of their own go by the API.
fn kinds_on_form(page: &ServerPage) -> Vec<(&'static str, &'static str)> {
    kind::KNOWN
        .iter()
        .copied()
        .filter(|(key, _)| {
            *key == kind::CAMERA
                || page.view.licensed.get(key) > 0
                || page.balances.iter().any(|balance| balance.kind == *key)
        })
        .collect()
}

fn upload_form(signed_in: &SignedIn, page: &ServerPage, wanted: Option<&Counts>) -> Markup {
    let start = wanted.unwrap_or(&page.view.licensed);
    form(
        &Form {
            action: &format!("/servers/{}/check", page.view.server.id),
            csrf: &signed_in.csrf,
            file: true,
            download: false,
            button: Button::primary("Generate license").with(Icon::License),
        },
        html! {
            (field(&Field {
                name: "request",
                label: "Request file",
                hint: Some("From the recorder's license page. Its name ends in .req."),
                kind: FieldKind::File { accept: ".req" },
                ..Field::default()
            }, &[]))
            @for (key, label) in kinds_on_form(page) {
                @let available = page.balances.iter().find(|balance| balance.kind == key)
                    .map_or(0, |balance| balance.available);
                (field(&Field {
                    name: key,
                    label,
                    hint: Some(&format!("In all, on this server. {available} more are available.")),
                    kind: FieldKind::Number { min: 0 },
                    value: &start.get(key).to_string(),
                    ..Field::default()
                }, &[]))
            }
        },
    )
}

fn history(licenses: &ServerLicenses) -> Markup {
    if licenses.files.is_empty() {
        return empty_state(
            Icon::License,
            "No license was made for this server yet",
            html! { p { "Create a request file on the recorder's license page and upload it above." } },
        );
    }
    table(&Table {
        caption: "Licenses of this server, newest first",
        columns: &["License", "Revision", "Channels", "Issued", "File"],
        rows: licenses
            .files
            .iter()
            .map(|(license_id, file)| {
                vec![
                    Cell(html! { a href={ "/licenses/" (file.id) } { (license_id) } }),
                    Cell(html! { span class="figures" { (file.revision) } }),
                    Cell(counts_words(&file.counts)),
                    Cell(html! { (date_words(file.issued_utc_s)) }),
                    Cell(html! {
                        a href={ "/licenses/" (file.id) "/download" } {
                            "Download" span class="unseen" { " " (license_id) " revision " (file.revision) }
                        }
                    }),
                ]
            })
            .collect(),
    })
}

fn move_form(signed_in: &SignedIn, page: &ServerPage) -> Markup {
    form(
        &Form {
            action: &format!("/servers/{}/move", page.view.server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::secondary("Move").with(Icon::Arrow),
        },
        html! {
            div class="field" {
                label for="project" { "Project" }
                select id="project" name="project" required {
                    @for project in &page.projects {
                        option value=(project.id) selected[project.id == page.project.id] {
                            (project.name)
                        }
                    }
                }
            }
        },
    )
}

/// `POST /servers/{id}/move`.
pub(crate) async fn move_to(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = signed_in.actor.clone();
    let server = server_id(&id);
    let to = home::project_id(posted.text("project"));
    let moved = app
        .desk(move |desk| desk.move_server(&actor, server?, to?))
        .await;
    match moved {
        Ok(_) => Redirect::to(&format!("/servers/{id}")).into_response(),
        Err(error) => page(&app, &signed_in, &id, Some(&describe(&error)), None).await,
    }
}

/// The counts that were typed. A kind that the server has and the form did not show
/// stays as it is.
fn typed_counts(posted: &Posted, licensed: &Counts) -> Result<Counts, DeskError> {
    let mut pairs: Vec<(String, u32)> = (licensed.iter())
        .filter(|(key, _)| !kind::KNOWN.iter().any(|(known, _)| known == key))
        .map(|(key, count)| (key.to_owned(), count))
        .collect();
    for (key, _) in kind::KNOWN {
        pairs.push(((*key).to_owned(), parse_count(posted.text(key))?));
    }
    Ok(pairs.into_iter().collect())
}

/// `POST /servers/{id}/check`: what would change.
pub(crate) async fn check(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let server = match read(&app, &signed_in, &id).await {
        Ok(page) => page,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let counts = match typed_counts(&posted, &server.view.licensed) {
        Ok(counts) => counts,
        Err(error) => return page(&app, &signed_in, &id, Some(&describe(&error)), None).await,
    };
    match order(&app, &signed_in, &id, &posted, &counts, true).await {
        Ok(issuance) => confirm_page(&signed_in, &server, &posted, &counts, &issuance),
        Err(error) => {
            page(
                &app,
                &signed_in,
                &id,
                Some(&describe(&error)),
                Some(&counts),
            )
            .await
        }
    }
}

async fn order(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    posted: &Posted,
    counts: &Counts,
    dry_run: bool,
) -> Result<Issuance, DeskError> {
    let actor = signed_in.actor.clone();
    let server = server_id(id)?;
    let request = posted.bytes("request");
    let ask = Ask::Issue(counts.clone());
    app.desk(move |desk| {
        let order = Order {
            server,
            request: &request,
            ask,
            dry_run,
        };
        desk.issue(&actor, &order)
    })
    .await
}

fn confirm_page(
    signed_in: &SignedIn,
    page: &ServerPage,
    posted: &Posted,
    counts: &Counts,
    issuance: &Issuance,
) -> Response {
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Confirm change",
        current: PROJECTS.href,
        narrow: true,
    };
    let server = &page.view.server;
    let rows: Vec<DiffRow<'_>> = issuance
        .current
        .side_by_side(&issuance.after)
        .into_iter()
        .map(|(key, before, after)| DiffRow {
            name: kind::label(key),
            before: before.to_string(),
            after: after.to_string(),
        })
        .collect();
    let body = html! {
        (diff_table("Channels of this server, now and after", &rows))
        @if issuance.again {
            (notice(Tone::Info, "This license was made before.", html! {
                p { "Its file is handed out again; nothing is charged." }
            }))
        }
        @if !issuance.waiting_for_return.is_empty() {
            (notice(Tone::Warn, "These channels come back later.", html! {
                p {
                    (counts_words(&issuance.waiting_for_return))
                    " stay charged until the recorder has imported the new license and its next \
                     request file proves that."
                }
            }))
        }
        (form(&Form {
            action: &format!("/servers/{}/licenses", server.id),
            csrf: &signed_in.csrf,
            file: true,
            download: false,
            button: Button::primary("Generate license").with(Icon::License),
        }, html! {
            input type="hidden" name="request" value=(posted.text("request"));
            @for (key, _) in kind::KNOWN {
                @if counts.get(key) > 0 { input type="hidden" name=(key) value=(counts.get(key)); }
            }
        }))
        p { (button_link(&format!("/servers/{}", server.id), Button::secondary("Discard"))) }
    };
    let lead = html! {
        "Server " strong { (server.name) } ", recorder " strong { (issuance.serial) } "."
    };
    frame.render(None, Some(lead), body)
}

/// `POST /servers/{id}/licenses`: makes it.
pub(crate) async fn generate(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let made = async {
        let server = read(&app, &signed_in, &id).await?;
        let counts = typed_counts(&posted, &server.view.licensed)?;
        order(&app, &signed_in, &id, &posted, &counts, false).await
    };
    match made.await {
        Ok(Issuance {
            file: Some(file), ..
        }) => Redirect::to(&format!("/licenses/{}", file.id)).into_response(),
        Ok(_) => problem_page(Some(&signed_in), &DeskError::NotFound { what: "license" }),
        Err(error) => page(&app, &signed_in, &id, Some(&describe(&error)), None).await,
    }
}

async fn read_file(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
) -> Result<crate::store::LicenseFile, DeskError> {
    let actor = signed_in.actor.clone();
    let id: FileId = id
        .parse()
        .map_err(|_| DeskError::NotFound { what: "license" })?;
    app.desk(move |desk| desk.license_file(&actor, &id)).await
}

/// `GET /licenses/{id}`: what was made, and its download.
pub(crate) async fn license(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    let file = match read_file(&app, &signed_in, &id).await {
        Ok(file) => file,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "License is generated",
        current: PROJECTS.href,
        narrow: true,
    };
    let body = html! {
        (facts(&[
            Fact { name: "License file", value: Some(html! { (file.id) ".lic" }) },
            Fact { name: "Revision", value: Some(html! { (file.revision) }) },
            Fact { name: "Channels", value: Some(counts_words(&file.counts)) },
            Fact { name: "Issued", value: Some(html! { (date_words(file.issued_utc_s)) }) },
        ]))
        p {
            (button_link(&format!("/licenses/{}/download", file.id),
                Button::primary("Download").with(Icon::Download)))
        }
        p { "Import the file on the recorder's license page." }
        p { (button_link("/", Button::secondary("Back to the projects"))) }
    };
    frame.render(None, None, body)
}

/// `GET /licenses/{id}/download`.
pub(crate) async fn download(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match read_file(&app, &signed_in, &id).await {
        Ok(file) => as_download(file),
        Err(error) => problem_page(Some(&signed_in), &error),
    }
}
