//! The pages of a box whose data disk is locked.
//!
//! Users and settings are on that disk, so whoever stands at the box signs in with the code
//! that its screen shows. They see TPM and license, which are elsewhere, and can type the
//! recovery key. Nothing else is here, and nothing is kept.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::extract::{DefaultBodyLimit, Form, FromRequestParts, Request, State};
use axum::http::header::{HeaderMap, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use sealgate_base::{Clock, Shutdown};
use sealgate_pages::{
    Button, Fact, Field, FieldKind, Form as Asked, Icon, Layout, Markup, Tone, code_text, facts,
    field, form, html, notice, panel, problem_panel,
};
use sealgate_words::Problem;
use serde::Deserialize;

use crate::attempts::Attempts;
use crate::body;
use crate::errors::{ApiProblem, add_headers, problem, status};
use crate::guard::{headers, own_origin, peer};
use crate::hosts;
use crate::pages::files;
use crate::pages::words::license_tone;
use crate::rooms::{BoxIdentity, LicenseView};
use crate::serve::{ServeError, WebConfig, serve_router};
use crate::session::{Token, form_token, session_token, set_form_cookie, set_session_cookie};

/// How long a sign-in with the code lasts.
const SESSION: Duration = Duration::from_secs(30 * 60);
/// Guesses of the code count for this.
const CONSOLE: &str = "the console's code";
/// Guesses of the recovery key count for this.
const KEY: &str = "the recovery key";

const HELP: &str = "The disk with users, settings and recordings opens by itself while the box is as it was made: same TPM, same signed system. After a change of its firmware keys or its main board it waits for the recovery key, which was kept when the box was made.";

/// What there is of a box while its data is locked.
#[async_trait]
pub trait LockedBox: Send + Sync {
    /// State of license and TPM.
    async fn license(&self) -> LicenseView;

    /// Whether this is the code on the box's own screen; compared in constant time.
    fn is_code(&self, typed: &str) -> bool;

    /// Opens the data disk. Once it is open, the box starts anew by itself.
    ///
    /// # Errors
    /// `SG-SES-033` not the key, `SG-SES-034` it could not be tried.
    async fn unlock(&self, recovery_key: &str) -> Result<(), Problem>;
}

#[derive(Clone)]
struct Locked {
    identity: BoxIdentity,
    the_box: Arc<dyn LockedBox>,
    attempts: Arc<Attempts>,
    clock: Arc<dyn Clock>,
    sessions: Arc<Mutex<HashMap<[u8; 32], Duration>>>,
}

/// Serves these pages until the end comes.
///
/// # Errors
/// As [`serve`](crate::serve).
pub async fn serve_locked(
    config: WebConfig,
    identity: BoxIdentity,
    the_box: Arc<dyn LockedBox>,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let router = locked_router(identity, the_box, Arc::clone(&config.clock));
    serve_router(config, router, shutdown).await
}

/// The pages of a locked box, without a listener.
pub fn locked_router(
    identity: BoxIdentity,
    the_box: Arc<dyn LockedBox>,
    clock: Arc<dyn Clock>,
) -> Router {
    let locked = Locked {
        identity,
        the_box,
        attempts: Arc::new(Attempts::new(Arc::clone(&clock))),
        clock,
        sessions: Arc::default(),
    };
    Router::new()
        .route("/", get(show))
        .route("/sign-in", post(sign_in))
        .route("/unlock", post(unlock))
        .route("/healthz", get(crate::api::status::healthz))
        .route("/api/v1/status", get(state))
        .route("/static/{file}", get(files::show))
        .fallback(nowhere)
        .layer(DefaultBodyLimit::max(body::SMALL_BYTES))
        .layer(from_fn_with_state(locked.clone(), guard))
        .layer(from_fn(headers))
        .with_state(locked)
}

/// Whose name it is asked by, and from where a form comes.
async fn guard(State(locked): State<Locked>, request: Request, next: Next) -> Response {
    let changes = !request.method().is_safe();
    let refusal = match hosts::check(request.headers(), request.uri(), &locked.identity) {
        Err(problem) => Some(problem),
        Ok(()) if changes && !own_origin(request.headers(), request.uri()) => {
            Some(problem("SG-API-005", &[]))
        }
        Ok(()) => None,
    };
    match refusal {
        Some(problem) => {
            let (head, body) = request.into_parts();
            body::discard(&head.headers, body).await;
            ApiProblem(problem).into_response()
        }
        None => next.run(request).await,
    }
}

impl Locked {
    /// The token of a browser that signed in, while that lasts.
    fn session(&self, headers: &HeaderMap) -> Option<Token> {
        let (token, _) = session_token(headers, false)?;
        let now = self.clock.monotonic();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, began| now.saturating_sub(*began) < SESSION);
        sessions.contains_key(&token.sha256()).then_some(token)
    }

    fn begin(&self) -> Token {
        let token = Token::random();
        let now = self.clock.monotonic();
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.insert(token.sha256(), now);
        token
    }

    fn page(&self, status: StatusCode, title: &str, body: Markup) -> Response {
        let layout = Layout {
            title,
            product: "Sealgate",
            place: &self.identity.name,
            nav: &[],
            current: "",
            account: None,
            scripts: &[],
            narrow: true,
            refresh_s: None,
            help: Some(HELP),
            footer: &self.identity.model,
        };
        let mut response = (status, layout.render(None, body)).into_response();
        add_headers(&mut response, status);
        response
    }

    /// The form for the code; nothing is said but that the data is locked.
    fn ask_code(&self, headers: &HeaderMap, refusal: Option<&Problem>) -> Response {
        let known = form_token(headers);
        let token = known.clone().unwrap_or_else(Token::random);
        let proof = token.form_proof();
        let asked = Asked {
            action: "/sign-in",
            csrf: &proof,
            file: false,
            download: false,
            button: Button::primary("Sign in").with(Icon::Lock),
        };
        let body = html! {
            @match refusal {
                Some(problem) => (problem_panel(problem, Tone::Bad)),
                None => (problem_panel(&problem("SG-SES-035", &[]), Tone::Bad)),
            }
            section class="panel" { (form(&asked, field(&Field {
                name: "code",
                label: "Set-up code",
                hint: Some("Eight characters, on the box's own screen now. Capital letters don't matter."),
                autocomplete: "one-time-code",
                ..Field::default()
            }, &[]))) }
        };
        let status = refusal.map_or(StatusCode::OK, |problem| status(&problem.code));
        let mut response = self.page(status, "The data is locked", body);
        if known.is_none() {
            response
                .headers_mut()
                .append(SET_COOKIE, set_form_cookie(&token));
        }
        response
    }

    /// What there is, and the form for the key.
    async fn ask_key(&self, session: &Token, refusal: Option<&Problem>) -> Response {
        let license = self.the_box.license().await;
        let tpm = &license.tpm;
        let proof = session.form_proof();
        let asked = Asked {
            action: "/unlock",
            csrf: &proof,
            file: false,
            download: false,
            button: Button::primary("Unlock the data").with(Icon::Lock),
        };
        let text = |value: &Option<String>| value.as_ref().map(|value| html! { (value) });
        let body = html! {
            @if let Some(problem) = refusal { (problem_panel(problem, Tone::Bad)) }
            (notice(Tone::Warn, "The data disk is locked.", html! {
                p { "Until it is open no camera records, and users, settings and recordings can't be read. Nothing is lost." }
                p { "It opens by itself when the box is as it was made. If its firmware was changed, change it back and restart; otherwise type the recovery key." }
            }))
            (panel("Recovery key", None, html! {}, form(&asked, field(&Field {
                name: "key",
                label: "Recovery key",
                hint: Some("As it was kept when the box was made, with its dashes."),
                kind: FieldKind::Password,
                ..Field::default()
            }, &[]))))
            (panel("License", None, html! {}, problem_panel(&license.state, license_tone(&license))))
            (panel("TPM of this box", None, html! {}, html! {
                @if let Some(problem) = &tpm.problem { (problem_panel(problem, Tone::Bad)) }
                (facts(&[
                    Fact {
                        name: "TPM 2.0",
                        value: Some(html! { @if tpm.present { "Present" } @else { "Not found" } }),
                    },
                    Fact { name: "Manufacturer", value: text(&tpm.manufacturer) },
                    Fact { name: "Its firmware", value: text(&tpm.firmware) },
                    Fact { name: "Fingerprint", value: tpm.ak_fingerprint.as_deref().map(code_text) },
                    Fact { name: "Serial", value: Some(code_text(&self.identity.serial)) },
                    Fact { name: "Firmware", value: Some(html! { (self.identity.firmware) }) },
                ]))
            }))
        };
        let status = refusal.map_or(StatusCode::OK, |problem| status(&problem.code));
        self.page(status, "The data is locked", body)
    }
}

async fn show(State(locked): State<Locked>, headers: HeaderMap) -> Response {
    match locked.session(&headers) {
        Some(session) => locked.ask_key(&session, None).await,
        None => locked.ask_code(&headers, None),
    }
}

#[derive(Deserialize)]
struct CodeForm {
    csrf: String,
    code: String,
}

async fn sign_in(
    State(locked): State<Locked>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(typed): Form<CodeForm>,
) -> Response {
    let proved = form_token(&headers).is_some_and(|token| token.proves(&typed.csrf));
    let checked = if proved {
        locked.attempts.begin(peer, CONSOLE)
    } else {
        Err(problem("SG-SES-007", &[]))
    };
    let checked = checked.and_then(|()| {
        if locked.the_box.is_code(&typed.code) {
            locked.attempts.was_right(peer, CONSOLE);
            Ok(())
        } else {
            tracing::warn!(%peer, "a guess of the set-up code was wrong");
            Err(problem("SG-SES-002", &[]))
        }
    });
    match checked {
        Ok(()) => {
            let cookie = [(SET_COOKIE, set_session_cookie(&locked.begin()))];
            (cookie, Redirect::to("/")).into_response()
        }
        Err(problem) => locked.ask_code(&headers, Some(&problem)),
    }
}

#[derive(Deserialize)]
struct KeyForm {
    csrf: String,
    key: String,
}

async fn unlock(
    State(locked): State<Locked>,
    Peer(peer): Peer,
    headers: HeaderMap,
    Form(typed): Form<KeyForm>,
) -> Response {
    let Some(session) = locked.session(&headers) else {
        return locked.ask_code(&headers, Some(&problem("SG-SES-004", &[])));
    };
    if !session.proves(&typed.csrf) {
        return locked
            .ask_key(&session, Some(&problem("SG-SES-007", &[])))
            .await;
    }
    if let Err(problem) = locked.attempts.begin(peer, KEY) {
        return locked.ask_key(&session, Some(&problem)).await;
    }
    match locked.the_box.unlock(typed.key.trim()).await {
        Ok(()) => {
            locked.attempts.was_right(peer, KEY);
            let body = html! {
                (notice(Tone::Ok, "The data disk is open.", html! {
                    p { "The box starts anew with it, which takes some seconds. Your browser will warn once more, as the box shows its own certificate again." }
                }))
                p { a href="/" { "To the home page" } }
            };
            locked.page(StatusCode::OK, "The data is open", body)
        }
        Err(problem) => {
            if problem.code != "SG-SES-033" {
                locked.attempts.was_none(peer, KEY);
            }
            locked.ask_key(&session, Some(&problem)).await
        }
    }
}

/// Where a request came from.
struct Peer(IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(peer(&parts.extensions)))
    }
}

/// Name and state are for everybody, as on every box.
async fn state(State(locked): State<Locked>) -> Response {
    Json(serde_json::json!({ "name": locked.identity.name, "state": "data_locked" }))
        .into_response()
}

async fn nowhere(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        ApiProblem(problem("SG-SES-035", &[])).into_response()
    } else {
        Redirect::to("/").into_response()
    }
}
