//! JSON bodies and ids in paths, with refusals in our words.

use std::str::FromStr;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::desk::DeskError;
use crate::web::problem::ApiProblem;
use crate::web::{App, MAX_BODY_BYTES};

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = ApiProblem;

    async fn from_request(request: Request, state: &App) -> Result<Self, ApiProblem> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(refuse(&rejection).into()),
        }
    }
}

fn refuse(rejection: &JsonRejection) -> DeskError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return DeskError::BodyTooLarge {
            limit_bytes: MAX_BODY_BYTES,
        };
    }
    let detail = match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            "its Content-Type is not application/json".to_owned()
        }
        JsonRejection::JsonSyntaxError(_) => "its body is not JSON".to_owned(),
        JsonRejection::JsonDataError(error) => (error.body_text().chars())
            .filter(|c| !c.is_control())
            .take(200)
            .collect(),
        _ => "its body is broken off".to_owned(),
    };
    DeskError::Malformed { detail }
}

/// The id in a path; one that can't be an id names nothing.
pub(crate) struct Id<T>(pub(crate) T);

impl<T: FromStr> FromRequestParts<App> for Id<T> {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiProblem> {
        let missing = || {
            ApiProblem::from(DeskError::NotFound {
                what: "such object",
            })
        };
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|_| missing())?;
        text.parse().map(Self).map_err(|_| missing())
    }
}
