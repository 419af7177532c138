//! Every route, in one place, with who may use it.

use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::api::{
    adding, cameras, channels, clips, gate, license, live, metrics, recordings, sessions, status,
    steering,
};
use crate::app::App;
use crate::pages;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody, at any time.
    Always,
    /// Anybody, before the first password is set.
    Setup,
    /// Anybody, after that.
    Anyone,
    /// Whoever is signed in.
    SignedIn,
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
    use Access::{Always, Anyone, Setup, SignedIn};
    use Kind::{Api, Page, Socket};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;
    vec![
        route(GET, "/", SignedIn, Page, pages::home::show),
        route(GET, "/setup", Setup, Page, pages::setup::show),
        route(POST, "/setup", Setup, Page, pages::setup::complete),
        route(GET, "/sign-in", Anyone, Page, pages::sign_in::show),
        route(POST, "/sign-in", Anyone, Page, pages::sign_in::sign_in),
        route(POST, "/sign-out", SignedIn, Page, pages::sign_in::sign_out),
        route(GET, "/license", SignedIn, Page, pages::license::show),
        route(POST, "/license/request", SignedIn, Page, pages::license::request),
        route(POST, "/license/check", SignedIn, Page, pages::license_import::check),
        route(POST, "/license/import", SignedIn, Page, pages::license_import::import),
        route(POST, "/license/clock", SignedIn, Page, pages::license::confirm_clock),
        route(GET, "/cameras", SignedIn, Page, pages::cameras::list::show),
        route(POST, "/cameras/discover", SignedIn, Page, pages::cameras::channels::discover),
        route(POST, "/cameras/assign-all", SignedIn, Page, pages::cameras::channels::assign_all),
        route(GET, "/cameras/add", SignedIn, Page, pages::cameras::add::show),
        route(POST, "/cameras/check", SignedIn, Page, pages::cameras::add::check),
        route(GET, "/cameras/import", SignedIn, Page, pages::cameras::import::show),
        route(POST, "/cameras/check-list", SignedIn, Page, pages::cameras::import::check),
        route(POST, "/cameras/add", SignedIn, Page, pages::cameras::import::add),
        route(GET, "/cameras/list.csv", SignedIn, Page, pages::cameras::import::export),
        route(GET, "/cameras/passwords", SignedIn, Page, pages::cameras::passwords::show),
        route(POST, "/cameras/passwords", SignedIn, Page, pages::cameras::passwords::attempt),
        route(GET, "/cameras/stay", SignedIn, Page, pages::cameras::stay::show),
        route(POST, "/cameras/stay", SignedIn, Page, pages::cameras::stay::choose),
        route(GET, "/cameras/{camera}", SignedIn, Page, pages::cameras::detail::show),
        route(POST, "/cameras/{camera}/assign", SignedIn, Page, pages::cameras::channels::assign),
        route(GET, "/cameras/{camera}/release", SignedIn, Page, pages::cameras::channels::ask_release),
        route(POST, "/cameras/{camera}/release", SignedIn, Page, pages::cameras::channels::release),
        route(POST, "/cameras/{camera}/settings", SignedIn, Page, pages::cameras::settings::save),
        route(POST, "/cameras/{camera}/credential", SignedIn, Page, pages::cameras::detail::credential),
        route(POST, "/cameras/{camera}/replace", SignedIn, Page, pages::cameras::detail::replace),
        route(GET, "/cameras/{camera}/picture", SignedIn, Api, pages::cameras::picture),
        route(GET, "/playback/{camera}", SignedIn, Page, pages::playback::show),
        route(POST, "/playback/{camera}", SignedIn, Page, pages::playback::clip),
        route(GET, "/live", SignedIn, Page, pages::wall::show),
        route(GET, "/live/{camera}", SignedIn, Page, pages::live::show),
        route(GET, "/static/{file}", Always, Api, pages::files::show),
        route(GET, "/healthz", Always, Api, status::healthz),
        route(GET, "/metrics", SignedIn, Api, metrics::show),
        route(GET, "/api/openapi.json", Anyone, Api, crate::api::description),
        route(GET, "/api/v1/status", Always, Api, status::show),
        route(POST, "/api/v1/setup", Setup, Api, sessions::set_up),
        route(POST, "/api/v1/sessions", Anyone, Api, sessions::begin),
        route(DELETE, "/api/v1/sessions", SignedIn, Api, sessions::end),
        route(GET, "/api/v1/license", SignedIn, Api, license::show),
        route(POST, "/api/v1/license/request", SignedIn, Api, license::request),
        route(POST, "/api/v1/license/import", SignedIn, Api, license::import),
        route(POST, "/api/v1/license/clock", SignedIn, Api, license::confirm_clock),
        route(GET, "/api/v1/cameras", SignedIn, Api, cameras::list),
        route(POST, "/api/v1/cameras/discover", SignedIn, Api, cameras::discover),
        route(POST, "/api/v1/cameras/check", SignedIn, Api, adding::check),
        route(POST, "/api/v1/cameras/check-list", SignedIn, Api, adding::check_list),
        route(POST, "/api/v1/cameras/add", SignedIn, Api, adding::add),
        route(GET, "/api/v1/cameras/list", SignedIn, Api, adding::export),
        route(POST, "/api/v1/cameras/passwords", SignedIn, Api, adding::passwords),
        route(GET, "/api/v1/channels/{camera}/details", SignedIn, Api, adding::details),
        route(PUT, "/api/v1/channels/{camera}", SignedIn, Api, cameras::assign),
        route(DELETE, "/api/v1/channels/{camera}", SignedIn, Api, cameras::release),
        route(POST, "/api/v1/cameras/assign-all", SignedIn, Api, channels::assign_all),
        route(POST, "/api/v1/cameras/prefer", SignedIn, Api, channels::prefer),
        route(PUT, "/api/v1/cameras/{mac}/credential", SignedIn, Api, channels::set_credential),
        route(DELETE, "/api/v1/cameras/{mac}/credential", SignedIn, Api, channels::forget_credential),
        route(POST, "/api/v1/cameras/{mac}/replace", SignedIn, Api, channels::replace),
        route(GET, "/api/v1/replacements", SignedIn, Api, channels::replacements),
        route(GET, "/api/v1/replacements/{number}", SignedIn, Api, channels::statement),
        route(GET, "/api/v1/gate", SignedIn, Api, gate::show),
        route(GET, "/api/v1/recordings", SignedIn, Api, recordings::list),
        route(GET, "/api/v1/recordings/{*file}", SignedIn, Api, recordings::download),
        route(GET, "/api/v1/channels/{camera}/settings", SignedIn, Api, channels::settings),
        route(PUT, "/api/v1/channels/{camera}/settings", SignedIn, Api, channels::configure),
        route(GET, "/api/v1/timeline/{camera}", SignedIn, Api, clips::timeline),
        route(GET, "/api/v1/still/{camera}", SignedIn, Api, clips::still),
        route(POST, "/api/v1/clips", SignedIn, Api, clips::make),
        route(GET, "/api/v1/clips/{id}", SignedIn, Api, clips::open),
        route(GET, "/api/v1/clips/{id}/statement", SignedIn, Api, clips::statement),
        route(GET, "/api/v1/play/{camera}", SignedIn, Socket, live::play),
        route(GET, "/api/v1/live/{camera}", SignedIn, Socket, live::open),
        route(GET, "/api/v1/snapshot/{camera}", SignedIn, Api, steering::snapshot),
        route(GET, "/api/v1/ptz/{camera}", SignedIn, Api, steering::presets),
        route(POST, "/api/v1/ptz/{camera}", SignedIn, Api, steering::steer),
    ]
}
