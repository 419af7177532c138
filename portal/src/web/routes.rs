//! Every route, with who may use it: the one place where routes are registered.

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};
use sealgate_pages::{CACHE_FOR_EVER, SCRIPT, STYLE};

use super::{App, api, pages, session};
use crate::desk::DeskError;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Also those who are not signed in.
    Anyone,
    /// Whoever is signed in; the desk decides what they see.
    SignedIn,
    /// Vendor staff.
    Admin,
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
    use Access::{Admin, Anyone, SignedIn};
    use api::{accounts, activation, hardware, licenses, others, projects};
    use pages::{books as b, distributors as d, home as h, projects as p, server as s};
    use pages::{returns, sign_in as i, update as u};
    vec![
        route("GET", "/healthz", Anyone, get(api::health)),
        route("GET", "/static/{file}", Anyone, get(asset)),

        route("GET", "/api/openapi.json", Anyone, get(api::description)),
        route("POST", "/api/v1/sessions", Anyone, post(accounts::sign_in)),
        route("DELETE", "/api/v1/sessions", SignedIn, delete(accounts::sign_out)),
        route("GET", "/api/v1/status", SignedIn, get(accounts::status)),
        route("GET", "/api/v1/distributors", SignedIn, get(accounts::distributors)),
        route("POST", "/api/v1/distributors", Admin, post(accounts::add_distributor)),
        route("GET", "/api/v1/distributors/{id}/balance", SignedIn, get(accounts::balance)),
        route("POST", "/api/v1/distributors/{id}/grants", Admin, post(accounts::grant)),
        route("GET", "/api/v1/distributors/{id}/write-offs", SignedIn, get(hardware::write_offs)),
        route("PUT", "/api/v1/distributors/{id}/write-offs", Admin, put(hardware::set_limit)),
        route("GET", "/api/v1/projects", SignedIn, get(projects::projects)),
        route("POST", "/api/v1/projects", SignedIn, post(projects::add_project)),
        route("GET", "/api/v1/projects/{id}/servers", SignedIn, get(projects::servers)),
        route("POST", "/api/v1/projects/{id}/servers", SignedIn, post(projects::add_server)),
        route("GET", "/api/v1/servers/{id}", SignedIn, get(projects::server)),
        route("GET", "/api/v1/servers/{id}/licenses", SignedIn, get(licenses::licenses)),
        route("POST", "/api/v1/servers/{id}/licenses", SignedIn, post(licenses::issue)),
        route("POST", "/api/v1/servers/{id}/write-off", Admin, post(hardware::write_off)),
        route("POST", "/api/v1/hardware-returns", Admin, post(hardware::back)),
        route("POST", "/api/v1/activations", Anyone, post(activation::activate)),
        route("GET", "/api/v1/licenses/{id}/file", SignedIn, get(licenses::file)),
        route("PUT", "/api/v1/distributors/{id}/permissions", Admin, put(others::permit)),
        route("POST", "/api/v1/servers/{id}/mac-licenses", SignedIn, post(others::issue_mac)),
        route("POST", "/api/v1/licenses/{id}/mac-list", Admin, post(others::reissue_mac)),
        route("GET", "/api/v1/contested-macs", Admin, get(others::contested_macs)),
        route("POST", "/api/v1/dongles", Admin, post(others::add_dongle)),
        route("POST", "/api/v1/dongles/{id}/check-in", Admin, post(others::check_dongle_in)),
        route("POST", "/api/v1/servers/{id}/dongle-licenses", SignedIn, post(others::issue_dongle)),

        route("GET", "/sign-in", Anyone, get(i::show)),
        route("POST", "/sign-in", Anyone, post(i::sign_in)),
        route("POST", "/sign-out", SignedIn, post(i::sign_out)),
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
        route("GET", "/servers/{id}/update", SignedIn, get(u::show)),
        route("POST", "/servers/{id}/check", SignedIn, post(u::check)),
        route("POST", "/servers/{id}/licenses", SignedIn, post(u::generate)),
        route("POST", "/servers/{id}/mac/check", SignedIn, post(u::check_macs)),
        route("POST", "/servers/{id}/mac", SignedIn, post(u::generate_macs)),
        route("POST", "/servers/{id}/dongle", SignedIn, post(u::generate_dongle)),
        route("GET", "/servers/{id}/return", SignedIn, get(returns::show)),
        route("POST", "/servers/{id}/return", SignedIn, post(returns::confirm)),
        route("POST", "/servers/{id}/claim", SignedIn, post(u::claim)),
        route("POST", "/servers/{id}/report", SignedIn, post(s::report)),
        route("POST", "/reports/{id}", Admin, post(h::decide)),
        route("GET", "/servers/{id}/download", SignedIn, get(s::newest)),
        route("GET", "/servers/{id}/info", SignedIn, get(s::info)),
        route("POST", "/servers/{id}/info", SignedIn, post(s::change)),
        route("GET", "/servers/{id}/history", SignedIn, get(b::server_history)),
        route("POST", "/servers/{id}/move", SignedIn, post(s::move_to)),
        route("GET", "/licenses/{id}", SignedIn, get(s::license)),
        route("GET", "/licenses/{id}/download", SignedIn, get(s::download)),
        route("GET", "/distributors", Admin, get(d::show)),
        route("POST", "/distributors", Admin, post(d::add)),
        route("GET", "/distributors/{id}", Admin, get(d::one)),
        route("POST", "/distributors/{id}", Admin, post(d::change)),
        route("GET", "/distributors/{id}/history", SignedIn, get(b::distributor_history)),
        route("GET", "/distributors/{id}/ledger", SignedIn, get(b::ledger)),
        route("POST", "/distributors/{id}/grants", Admin, post(d::grant)),
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
