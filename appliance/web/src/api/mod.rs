//! `/api/v1`: JSON for programs, and for the pages' own script.

use axum::Json;
use axum::response::{IntoResponse, Response};
use sealgate_camera::CameraId;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::errors::{ApiProblem, missing};

pub(crate) mod adding;
pub(crate) mod cameras;
pub(crate) mod channels;
pub(crate) mod clips;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod license;
pub(crate) mod live;
pub(crate) mod metrics;
pub(crate) mod recordings;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod steering;
pub(crate) mod updates;
pub(crate) mod users;

/// The result of every handler here.
pub(crate) type ApiResult<T> = Result<T, ApiProblem>;

/// The camera a path names.
pub(crate) fn camera(text: &str) -> Result<CameraId, ApiProblem> {
    text.parse().map_err(|_| ApiProblem(missing("camera")))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Sealgate",
        description = "The API of one box. Begin a session by POST /api/v1/sessions and send \
            its token as `Authorization: Bearer …`. Every refusal is a Problem."
    ),
    paths(
        status::show,
        events::open,
        sessions::set_up,
        sessions::begin,
        sessions::end,
        license::show,
        license::request,
        license::import,
        license::confirm_clock,
        cameras::list,
        cameras::discover,
        cameras::assign,
        cameras::release,
        adding::check,
        adding::check_list,
        adding::add,
        adding::export,
        adding::passwords,
        adding::details,
        channels::assign_all,
        channels::prefer,
        channels::set_credential,
        channels::forget_credential,
        channels::replace,
        channels::replacements,
        channels::statement,
        channels::settings,
        channels::configure,
        gate::show,
        recordings::list,
        recordings::download,
        clips::timeline,
        clips::still,
        clips::make,
        clips::open,
        clips::statement,
        live::open,
        live::play,
        steering::snapshot,
        steering::presets,
        steering::steer,
        updates::show,
        updates::install,
        updates::restart,
        users::list,
        users::add,
        users::change,
        users::remove,
        users::tokens,
        users::add_token,
        users::remove_token,
        users::audit,
    ),
    components(schemas(crate::errors::ProblemSchema)),
    modifiers(&Bearer)
)]
struct Description;

struct Bearer;

impl utoipa::Modify for Bearer {
    fn modify(&self, description: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        description
            .components
            .get_or_insert_default()
            .add_security_scheme("session", SecurityScheme::Http(scheme));
    }
}

/// `GET /api/openapi.json`
pub(crate) async fn description() -> Response {
    Json(Description::openapi()).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::routes::routes;

    #[test]
    fn the_description_has_exactly_the_routes_of_the_api() {
        let described: BTreeSet<(String, String)> = serde_json::to_value(Description::openapi())
            .ok()
            .and_then(|value| {
                Some(
                    value["paths"]
                        .as_object()?
                        .iter()
                        .flat_map(|(path, methods)| {
                            methods
                                .as_object()
                                .into_iter()
                                .flatten()
                                .map(|(method, _)| (path.clone(), method.to_uppercase()))
                        })
                        .collect(),
                )
            })
            .unwrap_or_default();
        let registered: BTreeSet<(String, String)> = routes()
            .iter()
            .filter(|route| route.path.starts_with("/api/v1/"))
            // OpenAPI has no word for a parameter that spans slashes.
            .map(|route| (route.path.replace("{*", "{"), route.method.to_string()))
            .collect();
        assert_eq!(described, registered);
    }
}
