//! The pages: sign in, projects, servers, licenses; for vendor staff, distributors.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod books;
pub(crate) mod distributors;
pub(crate) mod home;
pub(crate) mod server;
pub(crate) mod sign_in;
pub(crate) mod users;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealgate_pages::{
    Account, FieldError, Icon, Layout, Markup, NavItem, Tone, error_page, html, problem_panel,
};
use sealgate_words::Problem;

use super::problem::{describe, status};
use super::session::SignedIn;
use crate::desk::{DeskError, kind_label};
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

/// An instant as an absolute date for people, in UTC.
fn date_words(utc_s: i64) -> String {
    Timestamp::from_second(utc_s)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned_datetime(TimeZone::UTC)
        .strftime("%-d %B %Y, %H:%M UTC")
        .to_string()
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
