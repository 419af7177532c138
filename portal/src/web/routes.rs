//! Every route, with who may use it: the one place where routes are registered.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, Method, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use sealgate_pages::{CACHE_FOR_EVER, SCRIPT, STYLE};

use super::{App, api, metrics, pages, session};
use crate::desk::{DeskError, Right};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Also those who are not signed in.
    Anyone,
    /// Whoever is signed in; the desk decides what they see. What changes something is a
    /// distributor's work.
    SignedIn,
    /// Whoever is signed in, about their own account. No token for programs.
    Account,
    /// Vendor staff, to read.
    Staff,
    /// Sales.
    Sales,
    /// Support.
    Support,
    /// Who decides about users. No token for programs.
    People,
    /// Vendor admins. No token for programs.
    Admin,
}

impl Access {
    /// What role and token have to include; nothing for one's own account.
    pub fn right(self, method: &Method) -> Option<Right> {
        Some(match self {
            Self::Anyone | Self::Account => return None,
            Self::SignedIn if *method != Method::GET => Right::Work,
            Self::SignedIn | Self::Staff => Right::See,
            Self::Sales => Right::Sell,
            Self::Support => Right::Support,
            Self::People => Right::People,
            Self::Admin => Right::Manage,
        })
    }
}

/// A route as tests and documentation see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteInfo {
    /// The HTTP method.
    pub method: &'static str,
    /// The path, with its parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

struct Route {
    info: RouteInfo,
    handler: MethodRouter<App>,
}

fn route(
    method: &'static str,
    path: &'static str,
    access: Access,
    handler: MethodRouter<App>,
) -> Route {
    Route {
        info: RouteInfo {
            method,
            path,
            access,
        },
        handler,
    }
}

#[rustfmt::skip]
fn routes() -> Vec<Route> {
    use Access::{Account, Admin, Anyone, People, Sales, SignedIn, Staff, Support};
    use api::{accounts, activation, hardware, licenses, others, people, projects};
    use pages::{account as a, audit, books as b, distributors as d, home as h, projects as p};
    use pages::{returns, server as s, sign_in as i, update, users as u};
    vec![
        route("GET", "/healthz", Anyone, get(api::health)),
        route("GET", "/metrics", Staff, get(metrics::show)),
        route("GET", "/static/{file}", Anyone, get(asset)),

        route("GET", "/api/openapi.json", Anyone, get(api::description)),
        route("POST", "/api/v1/sessions", Anyone, post(accounts::sign_in)),
        route("DELETE", "/api/v1/sessions", Account, delete(accounts::sign_out)),
        route("GET", "/api/v1/status", SignedIn, get(accounts::status)),
        route("GET", "/api/v1/distributors", SignedIn, get(accounts::distributors)),
        route("POST", "/api/v1/distributors", Sales, post(accounts::add_distributor)),
        route("GET", "/api/v1/distributors/{id}/balance", SignedIn, get(accounts::balance)),
        route("POST", "/api/v1/distributors/{id}/grants", Sales, post(accounts::grant)),
        route("GET", "/api/v1/distributors/{id}/write-offs", SignedIn, get(hardware::write_offs)),
        route("PUT", "/api/v1/distributors/{id}/write-offs", Admin, put(hardware::set_limit)),
        route("GET", "/api/v1/projects", SignedIn, get(projects::projects)),
        route("POST", "/api/v1/projects", SignedIn, post(projects::add_project)),
        route("GET", "/api/v1/projects/{id}/servers", SignedIn, get(projects::servers)),
        route("POST", "/api/v1/projects/{id}/servers", SignedIn, post(projects::add_server)),
        route("GET", "/api/v1/servers/{id}", SignedIn, get(projects::server)),
        route("GET", "/api/v1/servers/{id}/licenses", SignedIn, get(licenses::licenses)),
        route("POST", "/api/v1/servers/{id}/licenses", SignedIn, post(licenses::issue)),
        route("POST", "/api/v1/servers/{id}/write-off", Support, post(hardware::write_off)),
        route("POST", "/api/v1/hardware-returns", Support, post(hardware::back)),
        route("POST", "/api/v1/activations", Anyone, post(activation::activate)),
        route("GET", "/api/v1/licenses/{id}/file", SignedIn, get(licenses::file)),
        route("PUT", "/api/v1/distributors/{id}/permissions", Sales, put(others::permit)),
        route("POST", "/api/v1/servers/{id}/mac-licenses", SignedIn, post(others::issue_mac)),
        route("POST", "/api/v1/licenses/{id}/mac-list", Support, post(others::reissue_mac)),
        route("GET", "/api/v1/contested-macs", Support, get(others::contested_macs)),
        route("POST", "/api/v1/dongles", Sales, post(others::add_dongle)),
        route("POST", "/api/v1/dongles/{id}/check-in", Support, post(others::check_dongle_in)),
        route("POST", "/api/v1/servers/{id}/dongle-licenses", SignedIn, post(others::issue_dongle)),

        route("GET", "/api/v1/users", People, get(people::users)),
        route("POST", "/api/v1/users", People, post(people::add_user)),
        route("PUT", "/api/v1/users/{id}", People, put(people::change_user)),
        route("POST", "/api/v1/users/{id}/reset", People, post(people::reset_user)),
        route("GET", "/api/v1/tokens", Account, get(people::tokens)),
        route("POST", "/api/v1/tokens", Account, post(people::add_token)),
        route("DELETE", "/api/v1/tokens/{id}", Account, delete(people::remove_token)),
        route("GET", "/api/v1/audit", Admin, get(people::audit)),

        route("GET", "/account", Account, get(a::show)),
        route("POST", "/account/password", Account, post(a::set_password)),
        route("GET", "/account/app", Account, get(a::app)),
        route("POST", "/account/app", Account, post(a::confirm_app)),
        route("POST", "/account/app/remove", Account, post(a::remove_app)),
        route("POST", "/account/sessions/end", Account, post(a::end_others)),
        route("POST", "/account/sessions/{id}/end", Account, post(a::end_session)),
        route("GET", "/account/tokens", Account, get(a::tokens)),
        route("POST", "/account/tokens", Account, post(a::add_token)),
        route("POST", "/account/tokens/{id}/remove", Account, post(a::remove_token)),
        route("GET", "/users", People, get(u::show)),
        route("POST", "/users", People, post(u::add)),
        route("GET", "/users/{id}", People, get(u::one)),
        route("POST", "/users/{id}", People, post(u::change)),
        route("POST", "/users/{id}/reset", People, post(u::reset)),
        route("GET", "/audit", Admin, get(audit::show)),

        route("GET", "/sign-in", Anyone, get(i::show)),
        route("POST", "/sign-in/code", Anyone, post(i::second_step)),
        route("POST", "/sign-in", Anyone, post(i::sign_in)),
        route("POST", "/sign-out", Account, post(i::sign_out)),
        route("GET", "/welcome/{token}", Anyone, get(i::welcome)),
        route("POST", "/welcome/{token}", Anyone, post(i::set_password)),
        route("GET", "/", SignedIn, get(h::show)),
        route("POST", "/projects", SignedIn, post(h::add_project)),
        route("GET", "/projects/{id}", SignedIn, get(p::show)),
        route("GET", "/projects/{id}/history", SignedIn, get(b::project_history)),
        route("GET", "/projects/{id}/info", SignedIn, get(p::info)),
        route("POST", "/projects/{id}/info", SignedIn, post(p::change)),
        route("POST", "/projects/{id}/servers", SignedIn, post(p::add_server)),
        route("GET", "/servers/{id}", SignedIn, get(s::show)),
        route("GET", "/servers/{id}/update", SignedIn, get(update::show)),
        route("POST", "/servers/{id}/check", SignedIn, post(update::check)),
        route("POST", "/servers/{id}/licenses", SignedIn, post(update::generate)),
        route("POST", "/servers/{id}/mac/check", SignedIn, post(update::check_macs)),
        route("POST", "/servers/{id}/mac", SignedIn, post(update::generate_macs)),
        route("POST", "/servers/{id}/dongle", SignedIn, post(update::generate_dongle)),
        route("GET", "/servers/{id}/return", SignedIn, get(returns::show)),
        route("POST", "/servers/{id}/return", SignedIn, post(returns::confirm)),
        route("POST", "/servers/{id}/claim", SignedIn, post(update::claim)),
        route("POST", "/servers/{id}/report", SignedIn, post(s::report)),
        route("POST", "/reports/{id}", Support, post(h::decide)),
        route("GET", "/servers/{id}/download", SignedIn, get(s::newest)),
        route("GET", "/servers/{id}/info", SignedIn, get(s::info)),
        route("POST", "/servers/{id}/info", SignedIn, post(s::change)),
        route("GET", "/servers/{id}/history", SignedIn, get(b::server_history)),
        route("POST", "/servers/{id}/move", SignedIn, post(s::move_to)),
        route("GET", "/licenses/{id}", SignedIn, get(s::license)),
        route("GET", "/licenses/{id}/download", SignedIn, get(s::download)),
        route("GET", "/distributors", Staff, get(d::show)),
        route("POST", "/distributors", Sales, post(d::add)),
        route("GET", "/distributors/{id}", Staff, get(d::one)),
        route("POST", "/distributors/{id}", Sales, post(d::change)),
        route("GET", "/distributors/{id}/history", SignedIn, get(b::distributor_history)),
        route("GET", "/distributors/{id}/ledger", SignedIn, get(b::ledger)),
        route("POST", "/distributors/{id}/grants", Sales, post(d::grant)),
    ]
}

/// All routes, for tests that walk them.
pub fn route_table() -> Vec<RouteInfo> {
    routes().into_iter().map(|route| route.info).collect()
}

pub(super) fn router(app: &App) -> Router<App> {
    routes().into_iter().fold(Router::new(), |router, route| {
        let gate =
            middleware::from_fn_with_state((app.clone(), route.info.access), session::require);
        router.route(route.info.path, route.handler.route_layer(gate))
    })
}

/// `GET /static/{file}`: names follow contents, so they may be kept for ever.
async fn asset(Path(file): Path<String>) -> Response {
    for asset in [&*STYLE, &*SCRIPT] {
        if asset.file_name() == file {
            return (
                [
                    (
                        header::CONTENT_TYPE,
                        HeaderValue::from_static(asset.content_type()),
                    ),
                    (
                        header::CACHE_CONTROL,
                        HeaderValue::from_static(CACHE_FOR_EVER),
                    ),
                ],
                asset.body(),
            )
                .into_response();
        }
    }
    pages::problem_page(None, &DeskError::NotFound { what: "file" })
}
