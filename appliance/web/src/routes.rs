//! Every route, in one place, with who may use it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use sealgate_words::Problem;

use crate::api::{
    adding, cameras, channels, clips, events, gate, license, live, metrics, recordings, sessions,
    status, steering, users,
};
use crate::app::App;
use crate::errors::problem;
use crate::pages;
use crate::rooms::Right;
use crate::session::SignedIn;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, at any time.
    Always,
    /// Anybody, before the first password is set.
    Setup,
    /// Anybody, after that.
    Anyone,
    /// Whoever is signed in, about their own account; no API token.
    Account,
    /// Whoever's role includes this, and token too where one is used.
    May(Right),
}

impl Access {
    /// Whether this route is for them.
    pub(crate) fn check(self, signed_in: &SignedIn) -> Result<(), Problem> {
        match self {
            Self::Always | Self::Setup | Self::Anyone => Ok(()),
            Self::Account if signed_in.scopes.is_some() => Err(problem("SG-SES-030", &[])),
            Self::Account => Ok(()),
            Self::May(right) => signed_in.check(right),
        }
    }
}

/// How a route refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// With a page.
    Page,
    /// With JSON.
    Api,
    /// With JSON before the connection becomes a WebSocket.
    Socket,
}

/// One method of one path.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    pub(crate) kind: Kind,
    pub(crate) handler: MethodRouter<App>,
}

/// The handler answers the method that stands beside it, so that the list can't be wrong.
fn route<H, T>(method: Method, path: &'static str, access: Access, kind: Kind, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    let filter = MethodFilter::try_from(method.clone()).expect("GET, POST, PUT or DELETE");
    Route {
        method,
        path,
        access,
        kind,
        handler: on(filter, handler),
    }
}

/// Method and path of every route, as tests and documentation walk them.
pub fn registered_routes() -> Vec<(Method, &'static str)> {
    routes()
        .into_iter()
        .map(|route| (route.method, route.path))
        .collect()
}

/// All of them.
#[rustfmt::skip]
pub(crate) fn routes() -> Vec<Route> {
    use Access::{Account, Always, Anyone, Setup};
    use Kind::{Api, Page, Socket};
    const SEE: Access = Access::May(Right::See);
    const WATCH: Access = Access::May(Right::Watch);
    const EXPORT: Access = Access::May(Right::Export);
    const OPERATE: Access = Access::May(Right::Operate);
    const LICENSE: Access = Access::May(Right::License);
    const MANAGE: Access = Access::May(Right::Manage);
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;
    vec![
        route(GET, "/", SEE, Page, pages::home::show),
        route(GET, "/setup", Setup, Page, pages::setup::show),
        route(POST, "/setup", Setup, Page, pages::setup::complete),
        route(GET, "/sign-in", Anyone, Page, pages::sign_in::show),
        route(POST, "/sign-in", Anyone, Page, pages::sign_in::sign_in),
        route(GET, "/recover", Anyone, Page, pages::recover::show),
        route(POST, "/recover", Anyone, Page, pages::recover::complete),
        route(POST, "/sign-in/code", Anyone, Page, pages::sign_in::second_step),
        route(POST, "/sign-out", Account, Page, pages::sign_in::sign_out),
        route(GET, "/license", SEE, Page, pages::license::show),
        route(POST, "/license/request", LICENSE, Page, pages::license::request),
        route(POST, "/license/check", LICENSE, Page, pages::license_import::check),
        route(POST, "/license/import", LICENSE, Page, pages::license_import::import),
        route(POST, "/license/clock", LICENSE, Page, pages::license::confirm_clock),
        route(GET, "/cameras", SEE, Page, pages::cameras::list::show),
        route(POST, "/cameras/discover", OPERATE, Page, pages::cameras::channels::discover),
        route(POST, "/cameras/assign-all", OPERATE, Page, pages::cameras::channels::assign_all),
        route(GET, "/cameras/add", OPERATE, Page, pages::cameras::add::show),
        route(POST, "/cameras/check", OPERATE, Page, pages::cameras::add::check),
        route(GET, "/cameras/import", OPERATE, Page, pages::cameras::import::show),
        route(POST, "/cameras/check-list", OPERATE, Page, pages::cameras::import::check),
        route(POST, "/cameras/add", OPERATE, Page, pages::cameras::import::add),
        route(GET, "/cameras/adding/{id}", OPERATE, Page, pages::cameras::import::adding),
        route(GET, "/cameras/list.csv", SEE, Page, pages::cameras::import::export),
        route(GET, "/cameras/passwords", OPERATE, Page, pages::cameras::passwords::show),
        route(POST, "/cameras/passwords", OPERATE, Page, pages::cameras::passwords::attempt),
        route(GET, "/cameras/stay", OPERATE, Page, pages::cameras::stay::show),
        route(POST, "/cameras/stay", OPERATE, Page, pages::cameras::stay::choose),
        route(GET, "/cameras/{camera}", SEE, Page, pages::cameras::detail::show),
        route(POST, "/cameras/{camera}/assign", OPERATE, Page, pages::cameras::channels::assign),
        route(GET, "/cameras/{camera}/release", OPERATE, Page, pages::cameras::channels::ask_release),
        route(POST, "/cameras/{camera}/release", OPERATE, Page, pages::cameras::channels::release),
        route(POST, "/cameras/{camera}/settings", OPERATE, Page, pages::cameras::settings::save),
        route(POST, "/cameras/{camera}/credential", OPERATE, Page, pages::cameras::detail::credential),
        route(POST, "/cameras/{camera}/replace", OPERATE, Page, pages::cameras::detail::replace),
        route(GET, "/cameras/{camera}/picture", WATCH, Api, pages::cameras::picture),
        route(GET, "/playback/{camera}", WATCH, Page, pages::playback::show),
        route(POST, "/playback/{camera}", EXPORT, Page, pages::playback::clip),
        route(GET, "/live", WATCH, Page, pages::wall::show),
        route(GET, "/live/{camera}", WATCH, Page, pages::live::show),
        route(GET, "/account", Account, Page, pages::account::show),
        route(POST, "/account/password", Account, Page, pages::account::set_password),
        route(GET, "/account/app", Account, Page, pages::account_app::show),
        route(POST, "/account/app", Account, Page, pages::account_app::confirm),
        route(POST, "/account/app/remove", Account, Page, pages::account_app::remove),
        route(POST, "/account/sessions/end", Account, Page, pages::account::end_others),
        route(GET, "/users", MANAGE, Page, pages::users::show),
        route(POST, "/users", MANAGE, Page, pages::users::add),
        route(GET, "/users/{name}", MANAGE, Page, pages::user::show),
        route(POST, "/users/{name}/role", MANAGE, Page, pages::user::set_role),
        route(POST, "/users/{name}/password", MANAGE, Page, pages::user::set_password),
        route(POST, "/users/{name}/app/remove", MANAGE, Page, pages::user::remove_app),
        route(POST, "/users/{name}/remove", MANAGE, Page, pages::user::remove),
        route(GET, "/tokens", MANAGE, Page, pages::tokens::show),
        route(POST, "/tokens", MANAGE, Page, pages::tokens::add),
        route(POST, "/tokens/{id}/remove", MANAGE, Page, pages::tokens::remove),
        route(GET, "/audit", MANAGE, Page, pages::audit::show),
        route(GET, "/static/{file}", Always, Api, pages::files::show),
        route(GET, "/healthz", Always, Api, status::healthz),
        route(GET, "/metrics", SEE, Api, metrics::show),
        route(GET, "/api/openapi.json", Anyone, Api, crate::api::description),
        route(GET, "/api/v1/status", Always, Api, status::show),
        route(POST, "/api/v1/setup", Setup, Api, sessions::set_up),
        route(POST, "/api/v1/sessions", Anyone, Api, sessions::begin),
        route(DELETE, "/api/v1/sessions", Account, Api, sessions::end),
        route(GET, "/api/v1/events", SEE, Api, events::open),
        route(GET, "/api/v1/users", MANAGE, Api, users::list),
        route(POST, "/api/v1/users", MANAGE, Api, users::add),
        route(PUT, "/api/v1/users/{name}", MANAGE, Api, users::change),
        route(DELETE, "/api/v1/users/{name}", MANAGE, Api, users::remove),
        route(GET, "/api/v1/tokens", MANAGE, Api, users::tokens),
        route(POST, "/api/v1/tokens", MANAGE, Api, users::add_token),
        route(DELETE, "/api/v1/tokens/{id}", MANAGE, Api, users::remove_token),
        route(GET, "/api/v1/audit", MANAGE, Api, users::audit),
        route(GET, "/api/v1/license", SEE, Api, license::show),
        route(POST, "/api/v1/license/request", LICENSE, Api, license::request),
        route(POST, "/api/v1/license/import", LICENSE, Api, license::import),
        route(POST, "/api/v1/license/clock", LICENSE, Api, license::confirm_clock),
        route(GET, "/api/v1/cameras", SEE, Api, cameras::list),
        route(POST, "/api/v1/cameras/discover", OPERATE, Api, cameras::discover),
        route(POST, "/api/v1/cameras/check", OPERATE, Api, adding::check),
        route(POST, "/api/v1/cameras/check-list", OPERATE, Api, adding::check_list),
        route(POST, "/api/v1/cameras/add", OPERATE, Api, adding::add),
        route(GET, "/api/v1/cameras/list", SEE, Api, adding::export),
        route(POST, "/api/v1/cameras/passwords", OPERATE, Api, adding::passwords),
        route(GET, "/api/v1/channels/{camera}/details", SEE, Api, adding::details),
        route(PUT, "/api/v1/channels/{camera}", OPERATE, Api, cameras::assign),
        route(DELETE, "/api/v1/channels/{camera}", OPERATE, Api, cameras::release),
        route(POST, "/api/v1/cameras/assign-all", OPERATE, Api, channels::assign_all),
        route(POST, "/api/v1/cameras/prefer", OPERATE, Api, channels::prefer),
        route(PUT, "/api/v1/cameras/{mac}/credential", OPERATE, Api, channels::set_credential),
        route(DELETE, "/api/v1/cameras/{mac}/credential", OPERATE, Api, channels::forget_credential),
        route(POST, "/api/v1/cameras/{mac}/replace", OPERATE, Api, channels::replace),
        route(GET, "/api/v1/channels/{camera}/settings", SEE, Api, channels::settings),
        route(PUT, "/api/v1/channels/{camera}/settings", OPERATE, Api, channels::configure),
        route(POST, "/api/v1/clips", EXPORT, Api, clips::make),
        route(GET, "/api/v1/clips/{id}", EXPORT, Api, clips::open),
        route(GET, "/api/v1/clips/{id}/statement", EXPORT, Api, clips::statement),
        route(GET, "/api/v1/replacements", SEE, Api, channels::replacements),
        route(GET, "/api/v1/replacements/{number}", SEE, Api, channels::statement),
        route(GET, "/api/v1/gate", SEE, Api, gate::show),
        route(GET, "/api/v1/recordings", WATCH, Api, recordings::list),
        route(GET, "/api/v1/recordings/{*file}", EXPORT, Api, recordings::download),
        route(GET, "/api/v1/timeline/{camera}", WATCH, Api, clips::timeline),
        route(GET, "/api/v1/still/{camera}", WATCH, Api, clips::still),
        route(GET, "/api/v1/play/{camera}", WATCH, Socket, live::play),
        route(GET, "/api/v1/live/{camera}", WATCH, Socket, live::open),
        route(GET, "/api/v1/snapshot/{camera}", WATCH, Api, steering::snapshot),
        route(GET, "/api/v1/ptz/{camera}", WATCH, Api, steering::presets),
        route(POST, "/api/v1/ptz/{camera}", OPERATE, Api, steering::steer),
    ]
}
