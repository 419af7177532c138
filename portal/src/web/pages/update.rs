//! Update license: totals and a request file, a list of cameras, or a dongle; compared
//! before anything is made.

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use sealgate_license::entitlements::kind;
use sealgate_pages::{
    Button, Cell, Field, FieldKind, Form, Icon, Markup, Table, Tone, button_link, code_text, field,
    form, html, notice, panel, pill, table,
};
use sealgate_words::{Problem, catalog};

use super::server::{crumbs, server_id};
use super::{Frame, PROJECTS, counts_words, parse_count, problem_page, request_key};
use crate::desk::{
    CLAIM_DAYS, DeskError, DongleOrder, Issuance, MacOrder, MacRow, MacVerdict, Order, kind_label,
};
use crate::rules::mac::MAC_KIND;
use crate::rules::{Ask, Counts, Term};
use crate::store::lists::{ServerKind, ServerRow};
use crate::store::{Balance, Project};
use crate::web::App;
use crate::web::posted::Posted;
use crate::web::problem::describe;
use crate::web::session::SignedIn;

struct UpdatePage {
    row: ServerRow,
    project: Project,
    balances: Vec<Balance>,
}

impl UpdatePage {
    fn available(&self, kind: &str) -> i64 {
        (self.balances.iter().find(|balance| balance.kind == kind))
            .map_or(0, |balance| balance.available)
    }

    /// The kinds that the form asks for: cameras, what the distributor has, and what the
    /// server has. Kinds without a name of their own go by the API.
    fn kinds(&self) -> Vec<(&'static str, &'static str)> {
        let has = |key: &str| self.balances.iter().any(|balance| balance.kind == key);
        kind::KNOWN
            .iter()
            .copied()
            .filter(|(key, _)| {
                *key == kind::CAMERA || self.row.summary.licensed.get(key) > 0 || has(key)
            })
            .collect()
    }
}

async fn read(app: &App, signed_in: &SignedIn, id: &str) -> Result<UpdatePage, DeskError> {
    let actor = signed_in.actor.clone();
    let id = server_id(id);
    app.desk(move |desk| {
        let (row, project) = desk.server(&actor, id?)?;
        Ok(UpdatePage {
            balances: desk.balances(&actor, project.distributor)?,
            row,
            project,
        })
    })
    .await
}

/// What was typed before something went wrong.
#[derive(Default)]
struct Typed<'a> {
    counts: Option<&'a Counts>,
    list: &'a str,
    dongle: &'a str,
    verdicts: &'a [MacRow],
}

/// `GET /servers/{id}/update`.
pub(crate) async fn show(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
) -> Response {
    match read(&app, &signed_in, &id).await {
        Ok(page) => draw(&signed_in, &page, None, &Typed::default()),
        Err(error) => problem_page(Some(&signed_in), &error),
    }
}

fn draw(
    signed_in: &SignedIn,
    page: &UpdatePage,
    problem: Option<&Problem>,
    typed: &Typed<'_>,
) -> Response {
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Update license",
        current: PROJECTS.href,
        narrow: true,
    };
    let body = html! {
        @match page.row.intended {
            ServerKind::Software => {
                (software_form(signed_in, page, typed))
                (panel("Or let the recorder fetch it", None, html! {}, claim_form(signed_in, page)))
            }
            ServerKind::Mac => {
                @if !typed.verdicts.is_empty() { (verdict_table(typed.verdicts)) }
                (mac_form(signed_in, page, typed))
            }
            ServerKind::Dongle => { (dongle_form(signed_in, page, typed)) }
        }
    };
    frame.render(
        problem,
        Some(crumbs(&page.project, &page.row, "Update license")),
        body,
    )
}

/// The form again, with what was typed and what is wrong.
async fn again(
    app: &App,
    signed_in: &SignedIn,
    id: &str,
    error: &DeskError,
    typed: &Typed<'_>,
) -> Response {
    match read(app, signed_in, id).await {
        Ok(page) => draw(signed_in, &page, Some(&describe(error)), typed),
        Err(error) => problem_page(Some(signed_in), &error),
    }
}

fn count_fields(page: &UpdatePage, start: &Counts, hint: &str) -> Markup {
    html! {
        @for (key, label) in page.kinds() {
            (field(&Field {
                name: key,
                label,
                hint: Some(&format!("{hint} {} more are available.", page.available(key).max(0))),
                kind: FieldKind::Number { min: 0 },
                value: &start.get(key).to_string(),
                ..Field::default()
            }, &[]))
        }
    }
}

fn software_form(signed_in: &SignedIn, page: &UpdatePage, typed: &Typed<'_>) -> Markup {
    form(
        &Form {
            action: &format!("/servers/{}/check", page.row.server.id),
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
            (count_fields(page, typed.counts.unwrap_or(&page.row.summary.licensed),
                "In all, on this server."))
        },
    )
}

fn claim_form(signed_in: &SignedIn, page: &UpdatePage) -> Markup {
    form(
        &Form {
            action: &format!("/servers/{}/claim", page.row.server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::secondary("Make a claim code"),
        },
        html! {
            p {
                "For a recorder with a network: whoever installs it types the code on its license \
                 page, and it sends its request and imports the license in one step."
            }
            div class="field" {
                label for="claimed" { "Camera channels" }
                input id="claimed" name="camera" type="number" min="1" required
                    value=(page.row.summary.licensed.get(kind::CAMERA).max(1));
            }
        },
    )
}

/// `POST /servers/{id}/claim`: a code, shown in this answer only.
pub(crate) async fn claim(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let page = match read(&app, &signed_in, &id).await {
        Ok(page) => page,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let actor = posted.actor(&signed_in);
    let server = page.row.server.id;
    let counts = typed_counts(&posted, &Counts::none());
    let shown = counts.as_ref().ok().cloned().unwrap_or_default();
    let made = app
        .desk(move |desk| desk.add_claim(&actor, server, &counts?))
        .await;
    let code = match made {
        Ok(code) => code,
        Err(error) => return again(&app, &signed_in, &id, &error, &Typed::default()).await,
    };
    let frame = Frame {
        signed_in: Some(&signed_in),
        title: "Claim code",
        current: PROJECTS.href,
        narrow: true,
    };
    let body = html! {
        (notice(Tone::Ok, "The claim code is made.", html! {
            p { (code_text(&code)) }
            p { "It is shown only now. It gives one recorder " (counts_words(&shown)) "." }
        }))
        p {
            "It can be used for " (CLAIM_DAYS) " days, by one recorder. The channels are charged \
             when it is used."
        }
        p { (button_link(&format!("/servers/{server}"), Button::secondary("Back to the server"))) }
    };
    frame.render(
        None,
        Some(crumbs(&page.project, &page.row, "Claim code")),
        body,
    )
}

fn mac_form(signed_in: &SignedIn, page: &UpdatePage, typed: &Typed<'_>) -> Markup {
    let none = Counts::none();
    let hint = format!(
        "One address a row, in any notation: 00:01:bd:05:e1:11, 00-01-BD-05-E1-11, 0001BD05E111. \
         New cameras only: those on earlier licenses of this server stay licensed. {} more are \
         available.",
        page.available(MAC_KIND).max(0)
    );
    form(
        &Form {
            action: &format!("/servers/{}/mac/check", page.row.server.id),
            csrf: &signed_in.csrf,
            file: true,
            download: false,
            button: Button::primary("Check the list").with(Icon::Search),
        },
        html! {
            (field(&Field {
                name: "list",
                label: "MAC addresses",
                hint: Some(&hint),
                kind: FieldKind::Lines,
                value: typed.list,
                ..Field::default()
            }, &[]))
            (count_fields(page, typed.counts.unwrap_or(&none), "For any camera, in this license."))
        },
    )
}

fn dongle_form(signed_in: &SignedIn, page: &UpdatePage, typed: &Typed<'_>) -> Markup {
    let serial = match typed.dongle {
        "" => page.row.summary.serial.as_deref().unwrap_or_default(),
        typed => typed,
    };
    let start = typed.counts.unwrap_or(&page.row.summary.charged);
    form(
        &Form {
            action: &format!("/servers/{}/dongle", page.row.server.id),
            csrf: &signed_in.csrf,
            file: false,
            download: false,
            button: Button::primary("Generate license").with(Icon::License),
        },
        html! {
            (request_key())
            (field(&Field {
                name: "serial",
                label: "Serial number of the dongle",
                hint: Some("Printed on the dongle, which the vendor registered for you."),
                value: serial,
                ..Field::default()
            }, &[]))
            (count_fields(page, start, "In all, on this dongle."))
            p class="muted" {
                "A smaller number costs the same until the dongle was at the vendor's: the license \
                 before could still be used."
            }
        },
    )
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
    let page = match read(&app, &signed_in, &id).await {
        Ok(page) => page,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let counts = match typed_counts(&posted, &page.row.summary.licensed) {
        Ok(counts) => counts,
        Err(error) => return again(&app, &signed_in, &id, &error, &Typed::default()).await,
    };
    match order(&app, &signed_in, &id, &posted, &counts, true).await {
        Ok(issuance) => confirm_page(&signed_in, &page, &posted, &counts, &issuance),
        Err(error) => {
            let typed = Typed {
                counts: Some(&counts),
                ..Typed::default()
            };
            again(&app, &signed_in, &id, &error, &typed).await
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
    let actor = posted.actor(signed_in);
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

/// A change of so many, with its sign.
fn change_words(before: u32, after: u32) -> Markup {
    let delta = i64::from(after) - i64::from(before);
    html! {
        @if delta == 0 {
            span class="muted" { "Same" }
        } @else if delta > 0 {
            (pill(Tone::Info, &format!("+{delta}")))
        } @else {
            (pill(Tone::Warn, &format!("−{}", delta.unsigned_abs())))
        }
    }
}

/// Change, current, after.
fn diff(current: &Counts, after: &Counts) -> Markup {
    let rows = current
        .side_by_side(after)
        .into_iter()
        .map(|(key, before, after)| {
            vec![
                Cell(html! { (kind_label(key)) }),
                Cell(change_words(before, after)),
                Cell(html! { span class="figures" { (before) } }),
                Cell(html! { strong class="figures" { (after) } }),
            ]
        });
    table(&Table {
        caption: "Channels of this server, now and after",
        columns: &["", "Change", "Current", "After"],
        rows: rows.collect(),
    })
}

fn confirm_page(
    signed_in: &SignedIn,
    page: &UpdatePage,
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
    let server = &page.row.server;
    let body = html! {
        (diff(&issuance.current, &issuance.after))
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
            (request_key())
            input type="hidden" name="request" value=(posted.text("request"));
            (hidden_counts(counts))
        }))
        p { (button_link(&format!("/servers/{}", server.id), Button::secondary("Discard"))) }
    };
    let lead = html! {
        "Server " strong { (server.name) } ", recorder " strong { (issuance.serial) } "."
    };
    frame.render(None, Some(lead), body)
}

fn hidden_counts(counts: &Counts) -> Markup {
    html! {
        @for (key, _) in kind::KNOWN {
            @if counts.get(key) > 0 { input type="hidden" name=(key) value=(counts.get(key)); }
        }
    }
}

/// `POST /servers/{id}/licenses`: makes it.
pub(crate) async fn generate(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let made = async {
        let page = read(&app, &signed_in, &id).await?;
        let counts = typed_counts(&posted, &page.row.summary.licensed)?;
        order(&app, &signed_in, &id, &posted, &counts, false).await
    };
    match made.await {
        Ok(Issuance {
            file: Some(file), ..
        }) => Redirect::to(&format!("/licenses/{}", file.id)).into_response(),
        Ok(_) => problem_page(Some(&signed_in), &DeskError::NotFound { what: "license" }),
        Err(error) => again(&app, &signed_in, &id, &error, &Typed::default()).await,
    }
}

fn verdict_table(rows: &[MacRow]) -> Markup {
    let wrong = rows.iter().filter(|row| row.verdict.is_wrong()).count();
    let row = |row: &MacRow| {
        let (tone, word, why) = match &row.verdict {
            MacVerdict::Listed(mac) => (Tone::Ok, "Listed", html! { span class="mono" { (mac) } }),
            MacVerdict::Repeated(first) => (
                Tone::Idle,
                "Repeated",
                html! { "The same as row " (first) "." },
            ),
            MacVerdict::OnLicense(license) => (
                Tone::Bad,
                "On a license",
                html! { "On your license " (license) " already: leave it out." },
            ),
            MacVerdict::Wrong(code) => (Tone::Bad, "Not usable", html! { (why_words(code)) }),
        };
        vec![
            Cell(html! { span class="figures" { (row.row) } }),
            Cell(html! { span class="mono" { (row.text) } }),
            Cell(pill(tone, word)),
            Cell(why),
        ]
    };
    html! {
        @if wrong > 0 {
            (notice(Tone::Bad, &format!("{wrong} of {} rows can't be used.", rows.len()), html! {
                p { "Nothing was made. Correct them in the list below and check it again." }
            }))
        }
        (panel("Verdicts", None, html! {}, table(&Table {
            caption: "What becomes of each row",
            columns: &["Row", "Typed", "Verdict", "Why"],
            rows: rows.iter().map(row).collect(),
        })))
    }
}

/// Why a row can't be used, from the catalog: its cure without the row's number.
fn why_words(code: &str) -> &'static str {
    match code {
        "SG-POR-091" => "No single camera has this address: read the one on its label.",
        _ if catalog::find(code).is_some() => {
            "A MAC address has 12 hexadecimal digits, as printed on the camera."
        }
        _ => "It can't be read.",
    }
}

/// `POST /servers/{id}/mac/check`: a verdict for each row, and what the license costs.
pub(crate) async fn check_macs(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let list = posted.text("list").to_owned();
    let typed = Typed {
        list: posted.text("list"),
        ..Typed::default()
    };
    let counts = match typed_counts(&posted, &Counts::none()) {
        Ok(counts) => counts,
        Err(error) => return again(&app, &signed_in, &id, &error, &typed).await,
    };
    let typed = Typed {
        counts: Some(&counts),
        ..typed
    };
    let (actor, wanted) = (signed_in.actor.clone(), server_id(&id));
    let checked = app
        .desk(move |desk| desk.check_macs(&actor, wanted?, &list))
        .await;
    let verdicts = match checked {
        Ok(verdicts) => verdicts,
        Err(error) => return again(&app, &signed_in, &id, &error, &typed).await,
    };
    let page = match read(&app, &signed_in, &id).await {
        Ok(page) => page,
        Err(error) => return problem_page(Some(&signed_in), &error),
    };
    let listed = (verdicts.iter())
        .filter(|row| matches!(row.verdict, MacVerdict::Listed(_)))
        .count();
    if verdicts.iter().any(|row| row.verdict.is_wrong()) || listed == 0 {
        let typed = Typed {
            verdicts: &verdicts,
            ..typed
        };
        let empty = DeskError::from(crate::rules::mac::MacListError::Empty);
        let problem = (verdicts.is_empty()).then(|| describe(&empty));
        return draw(&signed_in, &page, problem.as_ref(), &typed);
    }
    confirm_macs(&signed_in, &page, &posted, &counts, &verdicts)
}

fn confirm_macs(
    signed_in: &SignedIn,
    page: &UpdatePage,
    posted: &Posted,
    counts: &Counts,
    verdicts: &[MacRow],
) -> Response {
    let listed = (verdicts.iter()).filter(|row| matches!(row.verdict, MacVerdict::Listed(_)));
    let listed = u32::try_from(listed.count()).unwrap_or(u32::MAX);
    let current = &page.row.summary.charged;
    let after = current.plus(counts).plus(&Counts::of(MAC_KIND, listed));
    let frame = Frame {
        signed_in: Some(signed_in),
        title: "Confirm change",
        current: PROJECTS.href,
        narrow: true,
    };
    let id = page.row.server.id;
    let body = html! {
        (diff(current, &after))
        (notice(Tone::Warn, "A MAC license without an end does not come back.", html! {
            p { "It can be copied, so no file proves that it is used no more." }
        }))
        (verdict_table(verdicts))
        (form(&Form {
            action: &format!("/servers/{id}/mac"),
            csrf: &signed_in.csrf,
            file: true,
            download: false,
            button: Button::primary("Generate license").with(Icon::License),
        }, html! {
            (request_key())
            input type="hidden" name="list" value=(posted.text("list"));
            (hidden_counts(counts))
        }))
        p { (button_link(&format!("/servers/{id}"), Button::secondary("Discard"))) }
    };
    let lead = html! { "Server " strong { (page.row.server.name) } "." };
    frame.render(None, Some(lead), body)
}

/// `POST /servers/{id}/mac`: makes it.
pub(crate) async fn generate_macs(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let list = posted.text("list").to_owned();
    let counts = typed_counts(&posted, &Counts::none());
    let made = app
        .desk(move |desk| {
            let order = MacOrder {
                server: server?,
                list: &list,
                counts: counts?,
                term: Term::Perpetual,
            };
            let made = desk.issue_mac(&actor, &order)?;
            Ok(format!("{}-{}", made.license_id, made.file.revision))
        })
        .await;
    match made {
        Ok(file) => Redirect::to(&format!("/licenses/{file}")).into_response(),
        Err(error) => {
            let typed = Typed {
                list: posted.text("list"),
                ..Typed::default()
            };
            again(&app, &signed_in, &id, &error, &typed).await
        }
    }
}

/// `POST /servers/{id}/dongle`: makes a license for a dongle.
pub(crate) async fn generate_dongle(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Path(id): Path<String>,
    posted: Posted,
) -> Response {
    let actor = posted.actor(&signed_in);
    let server = server_id(&id);
    let serial = posted.text("serial").to_owned();
    let counts = typed_counts(&posted, &Counts::none());
    let wanted = counts.as_ref().ok().cloned();
    let made = app
        .desk(move |desk| {
            let order = DongleOrder {
                server: server?,
                serial: &serial,
                counts: counts?,
                term: Term::Perpetual,
            };
            let made = desk.issue_dongle(&actor, &order)?;
            Ok(format!("{}-{}", made.license_id, made.file.revision))
        })
        .await;
    match made {
        Ok(file) => Redirect::to(&format!("/licenses/{file}")).into_response(),
        Err(error) => {
            let typed = Typed {
                counts: wanted.as_ref(),
                dongle: posted.text("serial"),
                ..Typed::default()
            };
            again(&app, &signed_in, &id, &error, &typed).await
        }
    }
}
