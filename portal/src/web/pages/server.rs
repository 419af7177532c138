//! A server: its licenses, what is known of it, where it stands.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Fact, Field, Form, Icon, Markup, Table, Tone, button_link, code_text,
    empty_state, facts, field, form, html, notice, panel, table,
};
use sealgate_words::Problem;

use super::home::{days_since, name_and_description};
use super::projects::{authentication, kind_words, project_id, state_pill};
use super::{Frame, PROJECTS, counts_words, problem_page, request_key};
use crate::desk::{
    BoxInfo, DeskError, HandedOut, Page, Paging, Renamed, Revision, ServerInfo, date_words,
    kind_label,
};
use crate::rules::{Counts, Custody};
use crate::store::lists::{ProjectRow, ServerKind, ServerRow};
use crate::store::{FileId, Project, ServerId};
use crate::trust::TrustClass;
use crate::web::App;
use crate::web::api::licenses::download as as_download;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

pub(super) fn server_id(text: &str) -> Result<ServerId, DeskError> {
    text.parse()
        .map_err(|_| DeskError::NotFound { what: "server" })
}

/// Where a page of the server's is.
pub(super) fn crumbs(project: &Project, row: &ServerRow, place: &str) -> Markup {
    html! {
        a href="/" { "Projects" } " / "
        a href={ "/projects/" (project.id) } { (project.name) } " / "
        @if place.is_empty() {
            (row.server.name)
        } @else {
            a href={ "/servers/" (row.server.id) } { (row.server.name) } " / " (place)
        }
    }
}

struct Overview {
    row: ServerRow,
    project: Project,
    files: Vec<HandedOut>,
    /// Where it could be moved to, and its own.
    projects: Page<ProjectRow>,
}

async fn read(app: &App, signed_in: &SignedIn, id: &str) -> Result<Overview, DeskError> {
    let actor = signed_in.actor.clone();
    let id = server_id(id);
    app.desk(move |desk| {
        let id = id?;
        let (row, project) = desk.server(&actor, id)?;
        let all = Paging {
            limit: Some(crate::desk::MOST_ROWS),
            ..Paging::default()
        };
        Ok(Overview {
            files: desk.handed_out(&actor, id)?,
            projects: desk.sister_projects(&actor, project.id, &all)?,
            row,
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
    page(&app, &signed_in, &id, None).await
}

async fn page(app: &App, signed_in: &SignedIn, id: &str, problem: Option<&Problem>) -> Response {
    let overview = match read(app, signed_in, id).await {
        Ok(overview) => overview,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let Overview { row, project, .. } = &overview;
    let frame = Frame {
        signed_in: Some(signed_in),
        title: &row.server.name,
        current: PROJECTS.href,
        narrow: false,
    };
    let path = format!("/servers/{}", row.server.id);
    let body = html! {
        (waiting_notice(row))
        (facts(&[
            Fact { name: "State", value: Some(state_pill(row)) },
            Fact { name: "Authentication type", value: Some(authentication(row)) },
            Fact { name: "Licensed", value: Some(counts_words(&row.summary.licensed)) },
            Fact { name: "Charged", value: Some(counts_words(&row.summary.charged)) },
            Fact {
                name: "Description",
                value: (!row.server.description.is_empty())
                    .then(|| html! { (row.server.description) }),
            },
            Fact { name: "Modified", value: Some(html! { (date_words(row.modified_utc_s)) }) },
        ]))
        p class="actions" {
            (button_link(&format!("{path}/update"),
                Button::primary("Update license").with(Icon::License)))
            @if !overview.files.is_empty() {
                (button_link(&format!("{path}/download"),
                    Button::secondary("Download").with(Icon::Download)))
            }
            (button_link(&format!("{path}/history"), Button::secondary("History")))
            (button_link(&format!("{path}/info"), Button::secondary("Info")))
        }
        (panel("Licenses", None, html! {}, files_table(&overview.files)))
        @if row.summary.binding == Some(ServerKind::Software) {
            (panel("The recorder failed or is lost", None, html! {}, report_form(signed_in, row)))
        }
        @if overview.projects.rows.len() > 1 {
            (panel("Move to another project", None, html! {}, move_form(signed_in, &overview)))
        }
    };
    frame.render(problem, Some(crumbs(project, row, "")), body)
}

fn waiting_notice(row: &ServerRow) -> Markup {
    let Some(since) = row.summary.waiting_since_utc_s else {
        return html! {};
    };
    notice(
        Tone::Warn,
        "Waiting confirm",
        html! {
            p {
                "Return: " (counts_words(&row.summary.waiting)) ". It waits " (days_since(since))
                ": the channels come back once the recorder proves that it imported the newest \
                 license."
            }
            p {
                a href={ "/servers/" (row.server.id) "/return" } { "See what is done and what is to do" }
            }
        },
    )
}

fn files_table(files: &[HandedOut]) -> Markup {
    if files.is_empty() {
        return empty_state(
            Icon::License,
            "No license was made for this server yet",
            html! { p { "Update its license: for a recorder, with the request file from its license page." } },
        );
    }
    let row = |file: &HandedOut| {
        vec![
            Cell(html! { a href={ "/licenses/" (file.id) } { (file.license_id) } }),
            Cell(html! { span class="figures" { (file.revision) } }),
            Cell(gives(file)),
            Cell(html! { (date_words(file.issued_utc_s)) }),
            Cell(html! {
                @match file.term.ends_utc_s() {
                    Some(ends) => { (date_words(ends)) }
                    None => { span class="muted" { "Never" } }
                }
            }),
            Cell(html! {
                a href={ "/licenses/" (file.id) "/download" } {
                    "Download" span class="unseen" {
                        " " (file.license_id) " revision " (file.revision)
                    }
                }
            }),
        ]
    };
    table(&Table {
        caption: "Licenses of this server, newest first",
        columns: &["License", "Revision", "Channels", "Issued", "Ends", "File"],
        rows: files.iter().map(row).collect(),
    })
}

/// What a license gives.
fn gives(file: &HandedOut) -> Markup {
    html! {
        @if !file.macs.is_empty() {
            span class="figures" { (file.macs.len()) }
            @if file.macs.len() == 1 { " listed camera" } @else { " listed cameras" }
            @if !file.counts.is_empty() { ", " }
        }
        @if file.macs.is_empty() || !file.counts.is_empty() { (counts_words(&file.counts)) }
    }
}

fn move_form(signed_in: &SignedIn, overview: &Overview) -> Markup {
    form(
        &Form {
            action: &format!("/servers/{}/move", overview.row.server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::secondary("Move").with(Icon::Arrow),
        },
        html! {
            (request_key())
            div class="field" {
                label for="project" { "Project" }
                select id="project" name="project" required {
                    @for row in &overview.projects.rows {
                        option value=(row.project.id)
                            selected[row.project.id == overview.project.id] {
                            (row.project.name)
                        }
                    }
                }
            }
        },
    )
}

fn report_form(signed_in: &SignedIn, row: &ServerRow) -> Markup {
    form(
        &Form {
            action: &format!("/servers/{}/report", row.server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::secondary("Report to the vendor"),
        },
        html! {
            p {
                "Once the vendor has approved it, its channels can be licensed to another \
                 recorder on this server. The broken one goes back to the vendor."
            }
            (field(&Field {
                name: "note",
                label: "What happened",
                hint: Some("For example: main board replaced on 3 November, RMA number 4711."),
                ..Field::default()
            }, &[]))
        },
    )
}

/// `POST /servers/{id}/report`.
pub(crate) async fn report(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let note = posted.text("note").to_owned();
    let reported = app
        .desk(move |desk| desk.report_hardware(&actor, server?, &note))
        .await;
    match reported {
        Ok(()) => Redirect::to(&format!("/servers/{id}/history")).into_response(),
        Err(error) => page(&app, &signed_in, &id, Some(&describe(&error))).await,
    }
}

/// `POST /servers/{id}/move`.
pub(crate) async fn move_to(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let to = project_id(posted.text("project"));
    let moved = app
        .desk(move |desk| desk.move_server(&actor, server?, to?))
        .await;
    match moved {
        Ok(_) => Redirect::to(&format!("/servers/{id}")).into_response(),
        Err(error) => page(&app, &signed_in, &id, Some(&describe(&error))).await,
    }
}

/// `GET /servers/{id}/info`.
pub(crate) async fn info(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    info_page(&app, &signed_in, &id, None, None).await
}

/// `typed`: name and description, before something went wrong.
async fn info_page(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    problem: Option<&Problem>,
    typed: Option<(&str, &str)>,
) -> Response {
    let actor = signed_in.actor.clone();
    let wanted = server_id(id);
    let info = match app
        .desk(move |desk| desk.server_info(&actor, wanted?))
        .await
    {
        Ok(info) => info,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Request information",
        current: PROJECTS.href,
        narrow: false,
    };
    let server = &info.row.server;
    let change = form(
        &Form {
            action: &format!("/servers/{}/info", server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Save"),
        },
        html! {
            input type="hidden" name="version" value=(info.row.version);
            (name_and_description(typed.unwrap_or((&server.name, &server.description))))
        },
    );
    let body = html! {
        @if let Some(hardware) = &info.hardware {
            (panel("Licenses of the recorder", None, html! {}, revisions(hardware)))
            (panel("Identity", None, html! {}, identity(hardware)))
        }
        (panel("Server", None, html! {}, about(&info)))
        (panel("Change", None, html! {}, change))
    };
    frame.render(
        problem,
        Some(crumbs(&info.project, &info.row, "Info")),
        body,
    )
}

/// In use and latest side by side.
fn revisions(hardware: &BoxInfo) -> Markup {
    let none = Revision::default();
    let in_use = hardware.in_use.as_ref().unwrap_or(&none);
    let latest = hardware.latest.as_ref().unwrap_or(&none);
    let shown = |id: &str| {
        if id.is_empty() {
            "–".to_owned()
        } else {
            id.to_owned()
        }
    };
    let mut rows = vec![vec![
        Cell(html! { "License file" }),
        Cell(html! { (shown(&in_use.id)) }),
        Cell(html! { (shown(&latest.id)) }),
    ]];
    for (kind, used, made) in in_use.counts.side_by_side(&latest.counts) {
        rows.push(vec![
            Cell(html! { (kind_label(kind)) }),
            Cell(html! { span class="figures" { (used) } }),
            Cell(html! { span class="figures" { (made) } }),
        ]);
    }
    html! {
        (table(&Table {
            caption: "The license in use when the recorder was last heard of, and the latest",
            columns: &["", "In use", "Latest"],
            rows,
        }))
        p class="muted" { "In use is what the recorder's newest request file shows." }
    }
}

fn identity(hardware: &BoxInfo) -> Markup {
    let [ek, ak] = &hardware.keys;
    html! {
        (facts(&[
            Fact { name: "Serial number", value: Some(code_text(&hardware.serial)) },
            Fact { name: "Model", value: Some(html! { (hardware.model) }) },
            Fact { name: "Trust class", value: Some(html! { (class_words(hardware.class)) }) },
            Fact {
                name: "Place",
                value: Some(html! {
                    @match hardware.custody {
                        Custody::Owner => { "With its owner" }
                        Custody::WrittenOff => { "Written off" }
                    }
                }),
            },
            Fact { name: "Endorsement key", value: Some(fingerprint(ek)) },
            Fact { name: "Attestation key", value: Some(fingerprint(ak)) },
        ]))
    }
}

/// A key's Name without its algorithm, in groups that can be read out.
fn fingerprint(name: &str) -> Markup {
    let digits = name.get(4..).unwrap_or(name);
    let groups: Vec<&str> = (0..digits.len())
        .step_by(8)
        .filter_map(|at| digits.get(at..(at + 8).min(digits.len())))
        .collect();
    code_text(&groups.join(" "))
}

fn class_words(class: TrustClass) -> &'static str {
    match class {
        TrustClass::Hardware => "Hardware TPM: returns are credited by its proof",
        TrustClass::Firmware => "Firmware TPM: returns are credited by its proof",
        TrustClass::Virtual => "Virtual TPM: returns are decided by the vendor",
        TrustClass::SelfDeclared => "Nobody vouches for the TPM: returns are decided by the vendor",
        TrustClass::Lab => "Lab: for development and tests",
    }
}

fn about(info: &ServerInfo) -> Markup {
    let server = &info.row.server;
    facts(&[
        Fact {
            name: "Distributor",
            value: Some(html! { (info.distributor) }),
        },
        Fact {
            name: "Project",
            value: Some(html! { (info.project.name) }),
        },
        Fact {
            name: "Type",
            value: Some(html! { (kind_words(info.row.intended)) }),
        },
        Fact {
            name: "Authentication type",
            value: Some(authentication(&info.row)),
        },
        Fact {
            name: "Charged",
            value: Some(counts_words(&info.row.summary.charged)),
        },
        Fact {
            name: "Added",
            value: Some(html! { (date_words(server.created_utc_s)) }),
        },
        Fact {
            name: "Modified",
            value: Some(html! { (date_words(info.row.modified_utc_s)) }),
        },
    ])
}

/// `POST /servers/{id}/info`.
pub(crate) async fn change(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let (name, description) = (
        posted.text("name").to_owned(),
        posted.text("description").to_owned(),
    );
    let version = posted.text("version").parse().unwrap_or_default();
    let changed = app
        .desk(move |desk| {
            let renamed = Renamed {
                name: &name,
                description: &description,
                version,
            };
            desk.change_server(&actor, server?, &renamed)
        })
        .await;
    match changed {
        Ok(()) => Redirect::to(&format!("/servers/{id}")).into_response(),
        Err(error) => {
            let typed = (posted.text("name"), posted.text("description"));
            info_page(&app, &signed_in, &id, Some(&describe(&error)), Some(typed)).await
        }
    }
}

/// `GET /servers/{id}/download`: its newest license.
pub(crate) async fn newest(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    let actor = signed_in.actor.clone();
    let read = app
        .desk(move |desk| {
            let mut files = desk.handed_out(&actor, server_id(&id)?)?;
            if files.is_empty() {
                return Err(DeskError::NotFound { what: "license" });
            }
            Ok(files.swap_remove(0))
        })
        .await;
    match read {
        Ok(file) => as_download(file),
        Err(error) => problem_page(Some(&signed_in), &error),
    }
}

async fn read_file(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
) -> Result<(HandedOut, ServerRow, Project), DeskError> {
    let actor = signed_in.actor.clone();
    let id: FileId = id
        .parse()
        .map_err(|_| DeskError::NotFound { what: "license" })?;
    app.desk(move |desk| {
        let file = desk.license_file(&actor, &id)?;
        let (row, project) = desk.server(&actor, file.server)?;
        Ok((file, row, project))
    })
    .await
}

/// `GET /licenses/{id}`: what was made, and its download.
pub(crate) async fn license(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    let (file, row, project) = match read_file(&app, &signed_in, &id).await {
        Ok(read) => read,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "License is generated",
        current: PROJECTS.href,
        narrow: true,
    };
    let waits: &Counts = &row.summary.waiting;
    let body = html! {
        (facts(&[
            Fact { name: "License file", value: Some(html! { (file.id) ".lic" }) },
            Fact { name: "Server", value: Some(html! { (row.server.name) }) },
            Fact { name: "Revision", value: Some(html! { (file.revision) }) },
            Fact { name: "Channels", value: Some(gives(&file)) },
            Fact { name: "Issued", value: Some(html! { (date_words(file.issued_utc_s)) }) },
        ]))
        p class="actions" {
            (button_link(&format!("/licenses/{}/download", file.id),
                Button::primary("Download").with(Icon::Download)))
            (button_link(&format!("/projects/{}", project.id), Button::secondary("Back to list")))
        }
        p { "Import the file on the recorder's license page." }
        @if !waits.is_empty() {
            (notice(Tone::Warn, "Channels come back later.", html! {
                p {
                    "Return: " (counts_words(waits)) ". Once the recorder has imported the file, "
                    a href={ "/servers/" (file.server) "/return" } { "confirm the return" } "."
                }
            }))
        }
    };
    frame.render(None, Some(crumbs(&project, &row, "License")), body)
}

/// `GET /licenses/{id}/download`.
pub(crate) async fn download(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match read_file(&app, &signed_in, &id).await {
        Ok((file, _, _)) => as_download(file),
        Err(error) => problem_page(Some(&signed_in), &error),
    }
}
