//! The JSON API, `/api/v1`.

pub(crate) mod accounts;
pub(crate) mod activation;
mod body;
pub(crate) mod hardware;
pub(crate) mod licenses;
pub(crate) mod others;
mod paging;
pub(crate) mod people;
pub(crate) mod projects;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use super::App;

/// [`sealgate_words::Problem`] as the description shows it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ProblemSchema {
    /// Stable, for example `SG-POR-001`.
    code: String,
    /// What is wrong.
    cause: String,
    /// What that does.
    effect: String,
    /// What to do.
    cure: String,
    /// Who can do it: `you`, `distributor`, `support` or `nobody`.
    owner: String,
    /// Finds this occurrence in the portal's log.
    reference: Option<String>,
}

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        api.components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "License portal",
        description = "Projects, servers and their licenses. Sign in with POST sessions and send \
                       the token as a bearer token."
    ),
    paths(
        accounts::sign_in,
        accounts::sign_out,
        accounts::status,
        accounts::distributors,
        accounts::add_distributor,
        accounts::balance,
        accounts::grant,
        hardware::write_offs,
        hardware::set_limit,
        hardware::write_off,
        hardware::back,
        projects::projects,
        projects::add_project,
        projects::servers,
        projects::add_server,
        projects::server,
        licenses::licenses,
        licenses::issue,
        licenses::file,
        activation::activate,
        others::permit,
        others::issue_mac,
        others::reissue_mac,
        others::contested_macs,
        others::add_dongle,
        others::check_dongle_in,
        others::issue_dongle,
        people::users,
        people::add_user,
        people::change_user,
        people::reset_user,
        people::tokens,
        people::add_token,
        people::remove_token,
        people::audit,
    ),
    components(schemas(ProblemSchema)),
    modifiers(&Bearer),
    security(("bearer" = []))
)]
pub(crate) struct Description;

/// `GET /api/openapi.json`.
pub(crate) async fn description() -> Response {
    Json(Description::openapi()).into_response()
}

/// `GET /healthz`: 200 while the database answers.
pub(crate) async fn health(State(app): State<App>) -> Response {
    match app.desk(|desk| desk.healthy()).await {
        Ok(()) => "ok\n".into_response(),
        Err(error) => super::problem::ApiProblem::from(error).into_response(),
    }
}
