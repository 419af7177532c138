//! What stands around every route: limits, headers, and where a request may come from.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use sealgate_pages::SECURITY_HEADERS;

use super::problem::ApiProblem;
use super::session::is_api;
use super::{App, MAX_BODY_BYTES, pages};
use crate::desk::DeskError;
use crate::store::Origin;

/// Puts the guard around the routes.
pub(crate) fn around(routes: Router<App>, app: App) -> Router {
    routes
        .fallback(missing)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(check_origin))
        .layer(middleware::from_fn_with_state(app.clone(), add_headers))
        .layer(middleware::from_fn(note_origin))
        .with_state(app)
}

tokio::task_local! {
    static ORIGIN: Origin;
}

/// Where the present request comes from; nothing outside of one.
pub(crate) fn origin() -> Origin {
    ORIGIN.try_with(Clone::clone).unwrap_or_default()
}

/// The most characters of a browser's own words that are kept.
const MOST_USER_AGENT: usize = 200;

/// Gives each request a reference, by which log and audit find it again, and notes where it
/// comes from.
async fn note_origin(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    let user_agent = request.headers().get(header::USER_AGENT);
    let user_agent = user_agent.and_then(|value| value.to_str().ok());
    let origin = Origin {
        address: address_of(peer, request.headers()).map(|address| address.to_string()),
        user_agent: user_agent.map(|text| text.chars().take(MOST_USER_AGENT).collect()),
        reference: Some(hex::encode(rand::random::<[u8; 6]>())),
    };
    ORIGIN.scope(origin, next.run(request)).await
}

/// The client's address. The proxy with TLS runs on this host and appends whom it heard from;
/// from elsewhere anybody could write that header.
fn address_of(peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
    let peer = peer?;
    if !peer.is_loopback() {
        return Some(peer);
    }
    let lines = headers.get_all(HeaderName::from_static("x-forwarded-for"));
    let newest = lines.iter().next_back().and_then(|line| line.to_str().ok());
    let appended = newest.and_then(|line| line.rsplit(',').next());
    let forwarded = appended.and_then(|address| address.trim().parse().ok());
    Some(forwarded.unwrap_or(peer))
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

async fn add_headers(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    app.answers.count(response.status());
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
    fn only_a_proxy_on_this_host_says_for_whom_it_asks() {
        let forwarded = |lines: &[&'static str]| {
            let name = HeaderName::from_static("x-forwarded-for");
            let pairs = lines.iter();
            pairs
                .map(|line| (name.clone(), HeaderValue::from_static(line)))
                .fold(HeaderMap::new(), |mut map, (name, value)| {
                    map.append(name, value);
                    map
                })
        };
        for (peer, lines, expected) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "2001:db8::1"], "2001:db8::1"),
            ("127.0.0.1", &["nonsense"], "127.0.0.1"),
        ] {
            let found = address_of(peer.parse().ok(), &forwarded(lines));
            assert_eq!(found, expected.parse().ok(), "{peer} {lines:?}");
        }
        assert_eq!(address_of(None, &HeaderMap::new()), None);
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
