//! Who a request comes from.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::App;
use super::problem::ApiProblem;
use super::routes::Access;
use crate::desk::{Actor, DeskError, Right, SESSION_HOURS};

/// The cookie's name. Over TLS browsers take a `__Host-` cookie from this host only.
fn cookie_name(over_tls: bool) -> &'static str {
    if over_tls {
        "__Host-sealgate_portal"
    } else {
        "sealgate_portal"
    }
}

/// A signed-in person, put into the request by [`require`].
#[derive(Debug, Clone)]
pub(crate) struct SignedIn {
    pub(crate) actor: Actor,
    /// How pages greet them.
    pub(crate) name: String,
    pub(crate) csrf: String,
    pub(crate) token: String,
    /// What a token for programs is limited to; `None` for a session.
    pub(crate) scopes: Option<Vec<Right>>,
}

impl SignedIn {
    /// Refuses whom the route is not for: role first, then the token's scopes.
    fn check(&self, access: Access, method: &Method) -> Result<(), DeskError> {
        if access == Access::Staff && !self.actor.role.is_staff() {
            return Err(DeskError::NotAllowed);
        }
        let right = access.right(method);
        if let Some(right) = right {
            self.actor.must(right)?;
        }
        match &self.scopes {
            None => Ok(()),
            // What is about the account itself is nothing for programs.
            Some(scopes) if right.is_some_and(|right| scopes.contains(&right)) => Ok(()),
            Some(_) => Err(DeskError::ScopeLacks),
        }
    }
}

/// The `Set-Cookie` that begins a session.
pub(crate) fn cookie(token: &str, over_tls: bool) -> HeaderValue {
    set_cookie(token, SESSION_HOURS * 3600, over_tls)
}

/// The `Set-Cookie` that ends it.
pub(crate) fn no_cookie(over_tls: bool) -> HeaderValue {
    set_cookie("", 0, over_tls)
}

fn set_cookie(token: &str, max_age_s: i64, over_tls: bool) -> HeaderValue {
    let secure = if over_tls { "; Secure" } else { "" };
    let name = cookie_name(over_tls);
    HeaderValue::from_str(&format!(
        "{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{secure}"
    ))
    .expect("tokens are base64")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .strip_prefix("Bearer ")
}

fn token_in(headers: &HeaderMap, over_tls: bool) -> Option<String> {
    if let Some(token) = bearer(headers) {
        return Some(token.trim().to_owned());
    }
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == cookie_name(over_tls))
        .map(|(_, token)| token.to_owned())
}

/// The session of a request, if there is one.
pub(crate) async fn find(app: &App, headers: &HeaderMap) -> Result<SignedIn, DeskError> {
    let token = token_in(headers, app.settings.over_tls()).ok_or(DeskError::NotSignedIn)?;
    let secret = token.clone();
    let caller = app.desk(move |desk| desk.session(&secret)).await?;
    Ok(SignedIn {
        actor: caller.actor,
        name: caller.name,
        csrf: caller.csrf,
        token,
        scopes: caller.scopes,
    })
}

/// Lets only those through whom the route is for.
pub(crate) async fn require(
    State((app, access)): State<(App, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    if access == Access::Anyone {
        return next.run(request).await;
    }
    let for_programs = is_api(request.uri().path());
    let refused = match find(&app, request.headers()).await {
        // Programs have the API: a token opens no page.
        Ok(signed_in) if signed_in.scopes.is_some() && !for_programs => DeskError::NotSignedIn,
        Ok(mut signed_in) => match signed_in.check(access, request.method()) {
            Ok(()) => {
                signed_in.actor.request_key = (request.headers().get("idempotency-key"))
                    .and_then(|key| key.to_str().ok())
                    .map(str::to_owned);
                request.extensions_mut().insert(signed_in);
                return next.run(request).await;
            }
            Err(error) => error,
        },
        Err(error) => error,
    };
    if for_programs {
        return ApiProblem::from(refused).into_response();
    }
    match refused {
        // A form that was filled in is lost here, and says so by the sign-in page.
        DeskError::NotSignedIn if request.method() == Method::GET => {
            let next_page = request
                .uri()
                .path_and_query()
                .map_or("/", |path| path.as_str());
            let query: String = url_encode(next_page);
            Redirect::to(&format!("/sign-in?next={query}")).into_response()
        }
        DeskError::NotSignedIn => Redirect::to("/sign-in").into_response(),
        other => super::pages::problem_page(None, &other),
    }
}

/// Is this path for programs?
pub(crate) fn is_api(path: &str) -> bool {
    path.starts_with("/api/") || path == "/metrics"
}

/// Percent-encodes all but what RFC 3986, 2.3 leaves unreserved, and `/`.
pub(crate) fn url_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
