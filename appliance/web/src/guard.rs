//! What stands before every handler: where the request comes from, whether the box is set
//! up, and who asks.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CACHE_CONTROL, HOST, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use sealgate_pages::SECURITY_HEADERS;
use sealgate_words::Problem;

use crate::app::App;
use crate::body;
use crate::errors::{ApiProblem, problem};
use crate::hosts;
use crate::pages::frame::Page;
use crate::pages::words::in_zone;
use crate::routes::{Access, Kind};
use crate::session::{
    Credential, SignedIn, Token, Visitor, form_token, session_token, set_form_cookie,
};

/// A route's guard.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) app: App,
    pub(crate) access: Access,
    pub(crate) kind: Kind,
}

/// Runs before the handler of every route.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let visitor = match guard.admit(&head).await {
        Ok(visitor) => visitor,
        Err(response) => {
            body::discard(&head.headers, body).await;
            return *response;
        }
    };
    let new_form = (guard.kind == Kind::Page
        && visitor.session.is_none()
        && form_token(&head.headers).is_none())
    .then(|| set_form_cookie(&visitor.form));
    head.extensions.insert(visitor);
    let zone = guard.app.rooms.settings.zone();
    let mut response = in_zone(zone, next.run(Request::from_parts(head, body))).await;
    if let Some(cookie) = new_form {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

impl Guard {
    async fn admit(&self, head: &Parts) -> Result<Visitor, Box<Response>> {
        let headers = &head.headers;
        let changes = !matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        // A page elsewhere whose name was made to lead here would be of our own origin.
        if let Err(problem) = hosts::check(headers, &head.uri, &self.app.rooms.identity) {
            return Err(self.refuse(problem));
        }
        // A page elsewhere may open a WebSocket to here, cookie and all.
        if (changes || self.kind == Kind::Socket) && !own_origin(headers, &head.uri) {
            return Err(self.refuse(problem("SG-API-005", &[])));
        }
        let is_set_up = self.app.rooms.setup.is_done().await;
        match self.access {
            Access::Setup if is_set_up => {
                return Err(match self.kind {
                    Kind::Page if !changes => Box::new(Redirect::to("/sign-in").into_response()),
                    _ => self.refuse(problem("SG-SES-003", &[])),
                });
            }
            Access::Anyone | Access::Account | Access::May(_) if !is_set_up => {
                return Err(match self.kind {
                    Kind::Page => Box::new(Redirect::to("/setup").into_response()),
                    _ => self.refuse(problem("SG-SES-008", &[])),
                });
            }
            _ => {}
        }
        let (session, form) = self
            .identify(headers)
            .await
            .map_err(|problem| self.refuse(problem))?;
        if matches!(self.access, Access::Account | Access::May(_)) {
            let Some((signed_in, credential)) = &session else {
                return Err(match self.kind {
                    Kind::Page => Box::new(sign_in_first(head).into_response()),
                    _ => self.refuse(problem("SG-SES-004", &[])),
                });
            };
            if let Err(problem) = self.access.check(signed_in) {
                let visitor = Visitor {
                    session: Some(signed_in.clone()),
                    form,
                };
                return Err(self.refuse_to(visitor, problem));
            }
            // Where a browser adds the cookie by itself, it must also say that the
            // request comes from our own page. Pages prove it with their forms.
            if changes
                && self.kind != Kind::Page
                && *credential == Credential::Cookie
                && !headers.contains_key(ORIGIN)
                && !headers.contains_key("x-requested-with")
            {
                return Err(self.refuse(problem("SG-API-005", &[])));
            }
        }
        Ok(Visitor {
            session: session.map(|(session, _)| session),
            form,
        })
    }

    /// The session shown, if it is one and has not ended, and the token that forms are
    /// proved with.
    async fn identify(
        &self,
        headers: &HeaderMap,
    ) -> Result<(Option<(SignedIn, Credential)>, Token), Problem> {
        let anonymous = || form_token(headers).unwrap_or_else(Token::random);
        // A page's forms are proved by the cookie, so a page takes no other credential.
        let Some((token, credential)) = session_token(headers, self.kind != Kind::Page) else {
            return Ok((None, anonymous()));
        };
        match self.app.session(&token.sha256()).await? {
            Some(session) => Ok((Some((session, credential)), token)),
            None => Ok((None, anonymous())),
        }
    }

    /// As [`refuse`](Self::refuse), to somebody who keeps the way to what they may do.
    fn refuse_to(&self, visitor: Visitor, problem: Problem) -> Box<Response> {
        match self.kind {
            Kind::Page => Box::new(Page::new(&self.app, Some(visitor)).problem(&problem)),
            _ => self.refuse(problem),
        }
    }

    fn refuse(&self, problem: Problem) -> Box<Response> {
        Box::new(match self.kind {
            Kind::Page => Page::anonymous(&self.app).problem(&problem),
            _ => ApiProblem(problem).into_response(),
        })
    }
}

/// To the sign-in page, and from there back to where a link led.
fn sign_in_first(head: &Parts) -> Redirect {
    let path = head.uri.path();
    if head.method == Method::GET && path != "/" {
        Redirect::to(&format!("/sign-in?next={path}"))
    } else {
        Redirect::to("/sign-in")
    }
}

/// Whether the request may come from one of our own pages. Programs send neither header.
pub(crate) fn own_origin(headers: &HeaderMap, uri: &Uri) -> bool {
    let site_fits = headers.get("sec-fetch-site").is_none_or(|site| {
        site == HeaderValue::from_static("same-origin") || site == HeaderValue::from_static("none")
    });
    let Some(origin) = headers.get(ORIGIN) else {
        return site_fits;
    };
    // HTTP/1.1 names the host in a header, HTTP/2 in the request's own address.
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(|authority| authority.as_str()));
    let origin_host = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("https://"));
    site_fits && host.is_some() && origin_host == host
}

/// The address a request came from; none in a test without a connection.
pub(crate) fn peer(request: &axum::http::Extensions) -> std::net::IpAddr {
    request
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(std::net::Ipv4Addr::UNSPECIFIED.into(), |info| info.0.ip())
}

/// Headers that every answer carries.
pub(crate) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &'static str)], uri: &str, expected: bool) {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        assert_eq!(
            own_origin(&headers, &uri.parse().unwrap()),
            expected,
            "{pairs:?} {uri}"
        );
    }

    #[test]
    fn only_our_own_pages_and_programs() {
        let host = ("host", "192.0.2.7");
        check(&[host], "/", true);
        check(&[host, ("origin", "https://192.0.2.7")], "/", true);
        check(
            &[("origin", "https://192.0.2.7")],
            "https://192.0.2.7/",
            true,
        );
        check(&[host, ("origin", "http://192.0.2.7")], "/", false);
        check(&[host, ("origin", "https://192.0.2.7:8443")], "/", false);
        check(&[host, ("origin", "https://evil.example")], "/", false);
        check(&[host, ("origin", "null")], "/", false);
        check(&[("origin", "https://192.0.2.7")], "/", false);
        check(&[host, ("sec-fetch-site", "cross-site")], "/", false);
        check(&[host, ("sec-fetch-site", "same-site")], "/", false);
        check(&[host, ("sec-fetch-site", "same-origin")], "/", true);
    }
}
