//! The pages: sign in, projects, servers, licenses; for vendor staff, distributors.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod distributors;
pub(crate) mod home;
pub(crate) mod projects;
pub(crate) mod returns;
pub(crate) mod server;
pub(crate) mod sign_in;
pub(crate) mod update;
pub(crate) mod users;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use sealgate_license::entitlements::kind;
use sealgate_pages::{
    Account, FieldError, Icon, Layout, Markup, NavItem, Tone, error_page, html, problem_panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use super::problem::{describe, status};
use super::session::{SignedIn, url_encode};
use crate::desk::{DeskError, Page, Paging, date_words, kind_label};
use crate::rules::Counts;
use crate::store::Role;

const PRODUCT: &str = "Sealgate";
const PLACE: &str = "License portal";
const FOOTER: &str = concat!("License portal ", env!("CARGO_PKG_VERSION"));

const PROJECTS: NavItem = NavItem {
    href: "/",
    label: "Projects",
    icon: Icon::List,
};
const DISTRIBUTORS: NavItem = NavItem {
    href: "/distributors",
    label: "Distributors",
    icon: Icon::Home,
};
const USERS: NavItem = NavItem {
    href: "/users",
    label: "Users",
    icon: Icon::Person,
};
const AUDIT: NavItem = NavItem {
    href: "/audit",
    label: "Audit",
    icon: Icon::Search,
};

/// Where a role can go. An entry that leads to a refusal would only annoy.
fn nav_of(role: Role) -> &'static [NavItem] {
    match role {
        Role::Admin => &[PROJECTS, DISTRIBUTORS, USERS, AUDIT],
        Role::Sales | Role::Support => &[PROJECTS, DISTRIBUTORS],
        Role::Distributor => &[PROJECTS, USERS],
        Role::SubDistributor => &[PROJECTS],
    }
}

/// The frame around a page.
pub(crate) struct Frame<'a> {
    signed_in: Option<&'a SignedIn>,
    title: &'a str,
    /// The `href` of the navigation's entry.
    current: &'a str,
    narrow: bool,
}

impl Frame<'_> {
    fn layout(&self) -> Layout<'_> {
        Layout {
            title: self.title,
            product: PRODUCT,
            place: PLACE,
            nav: match self.signed_in.map(|signed_in| signed_in.actor.role) {
                None => &[],
                Some(role) => nav_of(role),
            },
            current: self.current,
            account: self.signed_in.map(|signed_in| Account {
                href: "/account",
                name: &signed_in.name,
                sign_out: "/sign-out",
                csrf: &signed_in.csrf,
            }),
            scripts: &[],
            narrow: self.narrow,
            refresh_s: None,
            help: None,
            footer: FOOTER,
        }
    }

    /// The page. A problem stands above the body and gives the status.
    fn render(&self, problem: Option<&Problem>, lead: Option<Markup>, body: Markup) -> Response {
        let page = self.layout().render(
            lead,
            html! {
                @if let Some(problem) = problem { (problem_panel(problem, Tone::Bad)) }
                (body)
            },
        );
        let status = problem.map_or(StatusCode::OK, |problem| status(&problem.code));
        (status, page).into_response()
    }
}

/// A page that only says what is wrong.
pub(crate) fn problem_page(signed_in: Option<&SignedIn>, error: &DeskError) -> Response {
    let problem = describe(error);
    let frame = Frame {
        signed_in,
        title: "This did not work",
        current: "",
        narrow: true,
    };
    let page = error_page(&frame.layout(), &problem, "/", "Back to the projects");
    (status(&problem.code), page).into_response()
}

/// Which page of a list, and what to look for in it.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ListQuery {
    after: Option<String>,
    #[serde(default)]
    find: String,
    /// Show what was put out of the way.
    #[serde(default)]
    archived: bool,
}

impl ListQuery {
    fn paging(&self) -> Paging {
        Paging {
            after: self.after.clone().filter(|after| !after.is_empty()),
            limit: None,
        }
    }

    /// The query of this list, without a place in it.
    fn plain(&self) -> String {
        let mut query = String::new();
        if !self.find.is_empty() {
            query = format!("find={}&", url_encode(&self.find));
        }
        if self.archived {
            query += "archived=true&";
        }
        query
    }
}

/// Names the request that a form makes: sent twice, it does its work once.
fn request_key() -> Markup {
    html! { input type="hidden" name="key" value=(hex::encode(rand::random::<[u8; 16]>())); }
}

/// Below a list: to its beginning, and to the next page.
fn pager<T>(path: &str, query: &ListQuery, page: &Page<T>) -> Markup {
    let plain = query.plain();
    html! {
        @if query.after.is_some() || page.next.is_some() {
            nav class="actions" aria-label="Pages" {
                @if query.after.is_some() {
                    a class="button secondary" href={ (path) "?" (plain) } { "First page" }
                }
                @if let Some(next) = &page.next {
                    a class="button secondary" rel="next"
                        href={ (path) "?" (plain) "after=" (url_encode(next)) } {
                        "Next page"
                    }
                }
            }
        }
    }
}

/// 'used', and what of it waits for a proof: `32 (Return: 32)`.
fn used_words(used: &Counts, waiting: &Counts, kind: &str) -> Markup {
    html! {
        span class="figures" { (used.get(kind).saturating_sub(waiting.get(kind))) }
        @if waiting.get(kind) > 0 { " (Return: " (waiting.get(kind)) ")" }
    }
}

/// The kinds of channels that a list needs a column for: cameras, and what any row has.
fn kinds_in<'a>(rows: impl Iterator<Item = &'a Counts>) -> Vec<String> {
    let all = rows.fold(Counts::of(kind::CAMERA, 1), |all, counts| all.max(counts));
    all.iter().map(|(kind, _)| kind.to_owned()).collect()
}

/// A day for people, where the hour would only take room.
fn day_words(utc_s: i64) -> String {
    let date = date_words(utc_s);
    date.split(',').next().unwrap_or_default().to_owned()
}

/// Counts in one line, for example `4 Camera channels`; a dash for none.
fn counts_words(counts: &Counts) -> Markup {
    html! {
        @if counts.is_empty() { span class="muted" { "–" } }
        @for (index, (key, count)) in counts.iter().enumerate() {
            @if index > 0 { ", " }
            span class="figures" { (count) } " " (kind_label(key))
        }
    }
}

/// What is wrong, beside the field it is about.
fn field_error(field: &'static str, problem: &Problem) -> FieldError {
    FieldError {
        field,
        message: format!("{} {} ({})", problem.cause, problem.cure, problem.code),
    }
}

/// What people type for a number of channels. Nothing typed is none.
fn parse_count(text: &str) -> Result<u32, DeskError> {
    match text.trim() {
        "" => Ok(0),
        text => text.parse().map_err(|_| DeskError::Unfit {
            field: "number of channels",
            rule: "a whole number from 0 on",
        }),
    }
}
