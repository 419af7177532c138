//! Home: what waits for somebody, the channels, the projects.

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Markup, Table, Tone, empty_state, field, form,
    html, notice, panel, table,
};
use sealgate_words::Problem;

use super::{
    Frame, ListQuery, PROJECTS, counts_words, day_words, kinds_in, pager, problem_page, used_words,
};
use crate::desk::{DeskError, Page, Right, date_words, kind_label};
use crate::rules::Counts;
use crate::store::lists::{ProjectRow, WaitingReturn};
use crate::store::work::HardwareReport;
use crate::store::{Balance, DistributorId};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

/// `GET /`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Query(query): Query<ListQuery>,
) -> Response {
    home_page(&app, &signed_in, &query, None, ("", "")).await
}

/// `typed`: name and description, before something went wrong.
async fn home_page(
    app: &App,
    signed_in: &SignedIn,
    query: &ListQuery,
    problem: Option<&Problem>,
    typed: (&str, &str),
) -> Response {
    let actor = signed_in.actor.clone();
    let (paging, archived) = (query.paging(), query.archived);
    let read = app
        .desk(move |desk| {
            let balances = match actor.distributor {
                Some(distributor) => desk.balances(&actor, distributor)?,
                None => Vec::new(),
            };
            Ok((
                desk.projects(&actor, archived, &paging)?,
                desk.distributors(&actor)?,
                balances,
                desk.waiting_returns(&actor)?,
                if actor.role.may(Right::Support) {
                    desk.open_reports(&actor)?
                } else {
                    Vec::new()
                },
            ))
        })
        .await;
    let (page, distributors, balances, returns, reports) = match read {
        Ok(read) => read,
        Err(error) => return problem_page(Some(signed_in), &error),
    };
    let is_staff = signed_in.actor.role.is_staff();
    let may_add = signed_in.actor.role.may(Right::Work) && (!is_staff || !distributors.is_empty());
    let frame = Frame {
        signed_in: Some(signed_in),
        title: if query.archived {
            "Archived projects"
        } else {
            "Projects"
        },
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
            (super::request_key())
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
            (name_and_description(typed))
        },
    );
    let body = html! {
        @if query.after.is_none() && !query.archived {
            (report_queue(signed_in, &reports))
            (work_queue(&returns, is_staff))
            @if let Some(distributor) = signed_in.actor.distributor {
                (balance_panel(distributor, &balances))
            }
        }
        (project_table(&page, is_staff, query))
        (pager("/", query, &page))
        p {
            @if query.archived { a href="/" { "Projects in use" } }
            @else { a href="/?archived=true" { "Archived projects" } }
        }
        @if !query.archived && may_add {
            (panel("New project", None, html! {}, add))
        }
    };
    let welcome = html! { "Welcome, " (signed_in.name) "." };
    frame.render(problem, Some(welcome), body)
}

/// How long ago, in whole days.
pub(super) fn days_since(utc_s: i64) -> String {
    let days = (jiff::Timestamp::now().as_second() - utc_s).max(0) / 86_400;
    match days {
        0 => "today".to_owned(),
        1 => "for 1 day".to_owned(),
        days => format!("for {days} days"),
    }
}

/// Hardware that was reported, for the vendor to decide.
fn report_queue(signed_in: &SignedIn, reports: &[HardwareReport]) -> Markup {
    if reports.is_empty() {
        return html! {};
    }
    let decide = |report: &HardwareReport| {
        form(
            &Form {
                action: &format!("/reports/{}", report.id),
                csrf: &signed_in.csrf,
                file: false,
                download: false,
                button: Button::secondary("Decide"),
            },
            html! {
                div class="field" {
                    label for={ "decision-" (report.id) } {
                        "Decision" span class="unseen" { " about " (report.name) }
                    }
                    select id={ "decision-" (report.id) } name="decision" {
                        option value="decline" { "Decline" }
                        option value="approve" { "Write the hardware off" }
                    }
                }
                div class="field" {
                    label for={ "answer-" (report.id) } { "Answer" }
                    input id={ "answer-" (report.id) } name="answer" type="text" required;
                }
            },
        )
    };
    let row = |report: &HardwareReport| {
        vec![
            Cell(html! { a href={ "/servers/" (report.server) } { (report.name) } }),
            Cell(html! {
                @if let Some(serial) = &report.serial { (serial) } @else { "–" }
            }),
            Cell(html! { (report.distributor) ", " (report.by) }),
            Cell(html! { (report.note) }),
            Cell(html! {
                (days_since(report.at_utc_s))
                span class="muted" { ", since " (date_words(report.at_utc_s)) }
            }),
            Cell(decide(report)),
        ]
    };
    panel(
        "Reported hardware",
        None,
        html! {},
        table(&Table {
            caption: "Hardware that was reported as failed or lost, oldest first",
            columns: &[
                "Server",
                "Serial number",
                "Reported by",
                "What happened",
                "Waiting",
                "Decide",
            ],
            rows: reports.iter().map(row).collect(),
        }),
    )
}

/// `POST /reports/{id}`.
pub(crate) async fn decide(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let approve = posted.text("decision") == "approve";
    let answer = posted.text("answer").to_owned();
    let decided = app
        .desk(move |desk| {
            let missing = DeskError::NotFound { what: "report" };
            let id = id.parse().map_err(|_| missing)?;
            desk.decide_report(&actor, id, approve, &answer)
        })
        .await;
    match decided {
        Ok(_) => Redirect::to("/").into_response(),
        Err(error) => {
            let query = ListQuery::default();
            home_page(&app, &signed_in, &query, Some(&describe(&error)), ("", "")).await
        }
    }
}

/// What waits for somebody to act.
fn work_queue(returns: &[WaitingReturn], is_staff: bool) -> Markup {
    if returns.is_empty() {
        return html! {};
    }
    let mut columns = vec!["Server", "Project", "Return", "Waiting", "To do"];
    if is_staff {
        columns.push("Distributor");
    }
    let row = |waiting: &WaitingReturn| {
        let mut row = vec![
            Cell(html! { a href={ "/servers/" (waiting.server) } { (waiting.name) } }),
            Cell(html! { (waiting.project) }),
            Cell(counts_words(&waiting.waiting)),
            Cell(html! {
                (days_since(waiting.since_utc_s))
                span class="muted" { ", since " (date_words(waiting.since_utc_s)) }
            }),
            Cell(html! {
                a href={ "/servers/" (waiting.server) "/return" } {
                    "Confirm" span class="unseen" { " the return of " (waiting.name) }
                }
            }),
        ];
        if is_staff {
            row.push(Cell(html! { (waiting.distributor) }));
        }
        row
    };
    panel(
        "Returns to confirm",
        None,
        html! {},
        table(&Table {
            caption: "Returns that wait for the recorder's proof, oldest first",
            columns: &columns,
            rows: returns.iter().map(row).collect(),
        }),
    )
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

fn project_table(page: &Page<ProjectRow>, is_staff: bool, query: &ListQuery) -> Markup {
    if page.rows.is_empty() {
        return if query.archived || query.after.is_some() {
            empty_state(
                Icon::List,
                "No project is here",
                html! {
                    p { "An archived project keeps its servers and their licenses." }
                },
            )
        } else {
            empty_state(
                Icon::List,
                "There are no projects yet",
                html! {
                    p { "Add a distributor first: each has a project from the start." }
                },
            )
        };
    }
    let kinds = kinds_in(page.rows.iter().map(|row| &row.charged));
    let used: Vec<String> = kinds
        .iter()
        .map(|kind| format!("{} used", kind_label(kind)))
        .collect();
    let mut columns = vec!["Name", "Description", "Servers"];
    columns.extend(used.iter().map(String::as_str));
    columns.extend(["Last modified", "More"]);
    if is_staff {
        columns.push("Distributor");
    }
    let row = |row: &ProjectRow| {
        let project = &row.project;
        let mut cells = vec![
            Cell(html! { a href={ "/projects/" (project.id) } { (project.name) } }),
            Cell(
                html! { @if project.description.is_empty() { "–" } @else { (project.description) } },
            ),
            Cell(html! { span class="figures" { (row.servers) } }),
        ];
        for kind in &kinds {
            cells.push(Cell(used_words(&row.charged, &row.waiting, kind)));
        }
        cells.push(Cell(html! { (day_words(row.modified_utc_s)) }));
        cells.push(Cell(html! {
            a href={ "/projects/" (project.id) "/history" } {
                "History" span class="unseen" { " of " (project.name) }
            }
            " · "
            a href={ "/projects/" (project.id) "/info" } {
                "Info" span class="unseen" { " about " (project.name) }
            }
        }));
        if is_staff {
            cells.push(Cell(html! { (row.distributor) }));
        }
        cells
    };
    table(&Table {
        caption: "Projects",
        columns: &columns,
        rows: page.rows.iter().map(row).collect(),
    })
}

pub(super) fn name_and_description((name, description): (&str, &str)) -> Markup {
    html! {
        (field(&Field { name: "name", label: "Name", value: name, ..Field::default() }, &[]))
        (field(&Field {
            name: "description",
            label: "Description",
            kind: FieldKind::Text,
            required: false,
            value: description,
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
    let actor = posted.actor(&signed_in);
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
        Err(error) => {
            let typed = (posted.text("name"), posted.text("description"));
            let query = ListQuery::default();
            home_page(&app, &signed_in, &query, Some(&describe(&error)), typed).await
        }
    }
}

/// What is charged, per kind: what is waiting for a return is not used any more.
pub(super) fn totals(charged: &Counts, waiting: &Counts) -> Markup {
    html! {
        (counts_words(charged))
        @if !waiting.is_empty() { " (Return: " (counts_words(waiting)) ")" }
    }
}
