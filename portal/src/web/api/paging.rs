//! Lists, a page at a time.

use axum::Json;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::desk::{DeskError, MOST_ROWS, Page, Paging};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::url_encode;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PagingQuery {
    /// Where it begins: the header Link of the page before says it.
    after: Option<String>,
    /// How many rows; 200 at most, and when left out.
    limit: Option<u32>,
    /// Only what has this in its name or serial number, or lists this camera.
    pub(crate) find: Option<String>,
}

impl From<PagingQuery> for Paging {
    fn from(query: PagingQuery) -> Self {
        Self {
            after: query.after,
            limit: query.limit.or(Some(MOST_ROWS)),
        }
    }
}

impl FromRequestParts<App> for PagingQuery {
    type Rejection = ApiProblem;

    async fn from_request_parts(parts: &mut Parts, state: &App) -> Result<Self, ApiProblem> {
        let query = Query::<Self>::from_request_parts(parts, state).await;
        query.map(|Query(query)| query).map_err(|_| {
            ApiProblem::from(DeskError::Malformed {
                detail: "after, limit or find can't be read".to_owned(),
            })
        })
    }
}

/// A page on its way out of the API.
pub(crate) struct Listed<T> {
    rows: Vec<T>,
    /// The address of the next one.
    next: Option<String>,
}

impl<T> Listed<T> {
    pub(crate) fn new<R>(path: &str, page: Page<R>, body: impl Fn(R) -> T) -> Self {
        Self {
            next: (page.next).map(|next| format!("{path}?after={}", url_encode(&next))),
            rows: page.rows.into_iter().map(body).collect(),
        }
    }
}

impl<T: Serialize> IntoResponse for Listed<T> {
    fn into_response(self) -> Response {
        let mut response = Json(self.rows).into_response();
        if let Some(next) = self.next {
            // RFC 8288, 3.
            let link = HeaderValue::from_str(&format!("<{next}>; rel=\"next\""))
                .expect("what is percent-encoded is ASCII");
            response.headers_mut().insert(header::LINK, link);
        }
        response
    }
}
