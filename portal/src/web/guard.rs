//! What stands around every route: limits, headers, and where a request may come from.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use sealgate_pages::SECURITY_HEADERS;

use super::problem::ApiProblem;
use super::session::is_api;
use super::{App, MAX_BODY_BYTES, pages};
use crate::desk::DeskError;

/// Puts the guard around the routes.
pub(crate) fn around(routes: Router<App>, app: App) -> Router {
    routes
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(check_origin))
        .layer(middleware::from_fn(add_headers))
        .with_state(app)
}

async fn missing(State(_): State<App>, uri: Uri) -> Response {
    refuse(uri.path(), DeskError::NotFound { what: "page" })
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    refuse(
        uri.path(),
        DeskError::WrongMethod {
            method: method.to_string(),
        },
    )
}

fn refuse(path: &str, error: DeskError) -> Response {
    if is_api(path) {
        ApiProblem::from(error).into_response()
    } else {
        pages::problem_page(None, &error)
    }
}

/// Another site can make a browser send a form here with the person's cookie. Browsers
/// say where such a request comes from; programs, which have no cookie to be abused, say
/// nothing.
async fn check_origin(request: Request, next: Next) -> Response {
    let safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !safe && !comes_from_here(request.headers()) {
        return refuse(request.uri().path(), DeskError::OtherOrigin);
    }
    next.run(request).await
}

fn comes_from_here(headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    // Fetch Metadata, 2.1: 'none' is the person's own doing.
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    match text(header::ORIGIN) {
        None => true,
        Some(origin) => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some() && authority == text(header::HOST)
        }
    }
}

async fn add_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    // Pages and answers are one person's; files that may be kept say so themselves.
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from_here(pairs: &[(&'static str, &'static str)]) -> bool {
        comes_from_here(
            &pairs
                .iter()
                .map(|(name, value)| {
                    (
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    )
                })
                .collect(),
        )
    }

    #[test]
    fn another_site_may_not_send_forms() {
        for (pairs, expected) in [
            (&[("host", "p:1")][..], true),
            (&[("host", "p:1"), ("origin", "http://p:1")], true),
            (&[("host", "p:1"), ("origin", "http://evil")], false),
            (&[("host", "p:1"), ("origin", "null")], false),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(from_here(pairs), expected, "{pairs:?}");
        }
    }
}
