//! The application: what its handlers share, and what stands around its routes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use sealgate_base::{Clock, Shutdown};
use sealgate_words::Problem;
use tokio::sync::Semaphore;
use tower_http::trace::TraceLayer;

use crate::attempts::Attempts;
use crate::body;
use crate::errors::{ApiProblem, missing, problem};
use crate::guard::{Guard, guard, headers};
use crate::pages::frame::Page;
use crate::rooms::{LicenseRoom, MIN_PASSWORD_CHARS, Rooms, StoredSession, User};
use crate::routes::routes;
use crate::session::{SESSION_MS, SignedIn, Token};

/// Passwords are checked slowly on purpose; more at once would starve recording's checks.
const PASSWORDS_AT_ONCE: usize = 2;

/// Longer ones are refused before they cost anything.
const MAX_PASSWORD_BYTES: usize = 1024;

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) rooms: Rooms,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: Shutdown,
    attempts: Arc<Attempts>,
    passwords: Arc<Semaphore>,
}

/// What the license's own handlers need, so that the local socket can share them.
impl FromRef<App> for Arc<dyn LicenseRoom> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.rooms.license)
    }
}

impl App {
    /// The session of a token, if it has not ended.
    pub(crate) async fn session(
        &self,
        token_sha256: &[u8; 32],
    ) -> Result<Option<SignedIn>, Problem> {
        let stored = self.rooms.sessions.find(token_sha256).await?;
        let now = self.clock.utc_ms();
        Ok(stored
            // One that begins in the future was made before the clock was set back.
            .filter(|stored| {
                now < stored.expires_utc_ms && stored.created_utc_ms - SESSION_MS < now
            })
            .map(|stored| SignedIn {
                user: stored.user,
                token_sha256: stored.token_sha256,
                expires_utc_ms: stored.expires_utc_ms,
            }))
    }

    /// Begins a session.
    pub(crate) async fn begin_session(&self, user: User) -> Result<(Token, SignedIn), Problem> {
        let token = Token::random();
        let now = self.clock.utc_ms();
        let session = StoredSession {
            token_sha256: token.sha256(),
            user: user.name.clone(),
            created_utc_ms: now,
            expires_utc_ms: now.saturating_add(SESSION_MS),
        };
        let signed_in = SignedIn {
            user: user.name,
            token_sha256: session.token_sha256,
            expires_utc_ms: session.expires_utc_ms,
        };
        self.rooms.sessions.insert(session).await?;
        tracing::info!(user = signed_in.user, "signed in");
        Ok((token, signed_in))
    }

    /// Sets the first password, if the code is right and guesses don't come too fast.
    pub(crate) async fn set_up(
        &self,
        peer: IpAddr,
        code: &str,
        password: &str,
    ) -> Result<User, Problem> {
        if password.chars().count() < MIN_PASSWORD_CHARS {
            let characters = MIN_PASSWORD_CHARS.to_string();
            return Err(problem("SG-SES-006", &[("characters", &characters)]));
        }
        check_length(password)?;
        self.guess(
            peer,
            "SG-SES-002",
            self.rooms.setup.complete(code, password),
        )
        .await
    }

    /// Checks a name and password, if guesses don't come too fast.
    pub(crate) async fn sign_in(
        &self,
        peer: IpAddr,
        name: &str,
        password: &str,
    ) -> Result<User, Problem> {
        check_length(password)?;
        self.guess(peer, "SG-SES-001", self.rooms.sign_in.check(name, password))
            .await
    }

    async fn guess(
        &self,
        peer: IpAddr,
        wrong: &str,
        check: impl Future<Output = Result<User, Problem>>,
    ) -> Result<User, Problem> {
        self.attempts.begin(peer)?;
        let _turn = self.passwords.acquire().await;
        let result = check.await;
        match &result {
            Err(problem) if problem.code == wrong => {
                tracing::warn!(%peer, code = problem.code, "a guess was wrong");
            }
            _ => self.attempts.was_right(peer),
        }
        result
    }
}

fn check_length(password: &str) -> Result<(), Problem> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(problem("SG-API-004", &[("limit", "1 KiB")]));
    }
    Ok(())
}

/// The whole application. Serve it with connection info, or every guess counts for one
/// address.
pub fn router(rooms: Rooms, clock: Arc<dyn Clock>, shutdown: Shutdown) -> Router {
    let app = App {
        attempts: Arc::new(Attempts::new(Arc::clone(&clock))),
        passwords: Arc::new(Semaphore::new(PASSWORDS_AT_ONCE)),
        rooms,
        clock,
        shutdown,
    };
    let mut router = Router::new();
    for route in routes() {
        let guarded = route.handler.route_layer(from_fn_with_state(
            Guard {
                app: app.clone(),
                access: route.access,
                kind: route.kind,
            },
            guard,
        ));
        router = router.route(route.path, guarded);
    }
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(headers))
        .layer(TraceLayer::new_for_http().make_span_with(|request: &Request| {
            tracing::info_span!("http", method = %request.method(), path = request.uri().path())
        }))
        .with_state(app)
}

async fn nowhere(State(app): State<App>, request: Request) -> Response {
    refuse(&app, request, missing("page")).await
}

async fn wrong_method(State(app): State<App>, request: Request) -> Response {
    let problem = problem("SG-API-006", &[("method", request.method().as_str())]);
    refuse(&app, request, problem).await
}

async fn refuse(app: &App, request: Request, problem: Problem) -> Response {
    let (head, body) = request.into_parts();
    body::discard(&head.headers, body).await;
    if head.uri.path().starts_with("/api/") {
        ApiProblem(problem).into_response()
    } else {
        Page::anonymous(app).problem(&problem)
    }
}
