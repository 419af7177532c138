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

use crate::api::events::Changes;
use crate::attempts::Attempts;
use crate::body;
use crate::errors::{ApiProblem, missing, problem};
use crate::guard::{Guard, guard, headers};
use crate::pages::frame::Page;
use crate::rooms::{FirstStart, LicenseRoom, MIN_PASSWORD_CHARS, Rooms, StoredSession, User};
use crate::routes::routes;
use crate::second_step::SecondSteps;
use crate::session::{SESSION_MS, SignedIn, Token};

/// Passwords are checked slowly on purpose; more at once would starve recording's checks.
const PASSWORDS_AT_ONCE: usize = 2;

/// Longer ones are refused before they cost anything.
const MAX_PASSWORD_BYTES: usize = 1024;

/// Refusals that a wrong guess gets, and nothing else.
const WRONG: [&str; 5] = [
    "SG-SES-001",
    "SG-SES-002",
    "SG-SES-021",
    "SG-SES-026",
    "SG-SES-028",
];

/// Guesses of codes from the console count for this; no user can be called so.
const CONSOLE: &str = "the console's code";

/// What every handler may use.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) rooms: Rooms,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) shutdown: Shutdown,
    attempts: Arc<Attempts>,
    passwords: Arc<Semaphore>,
    pub(crate) second_steps: Arc<SecondSteps>,
    pub(crate) changes: Arc<Changes>,
}

/// What the license's own handlers need, so that the local socket can share them.
impl FromRef<App> for Arc<dyn LicenseRoom> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.rooms.license)
    }
}

impl App {
    /// The session, or API token, with this hash, if it has not ended.
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
                scopes: stored.scopes,
                token_sha256: stored.token_sha256,
                expires_utc_ms: stored.expires_utc_ms,
            }))
    }

    /// Begins a session.
    pub(crate) async fn begin_session(
        &self,
        peer: IpAddr,
        user: User,
    ) -> Result<(Token, SignedIn), Problem> {
        let token = Token::random();
        let now = self.clock.utc_ms();
        let session = StoredSession {
            token_sha256: token.sha256(),
            user: user.clone(),
            scopes: None,
            address: Some(peer.to_canonical().to_string()),
            created_utc_ms: now,
            expires_utc_ms: now.saturating_add(SESSION_MS),
        };
        let signed_in = SignedIn {
            user,
            scopes: None,
            token_sha256: session.token_sha256,
            expires_utc_ms: session.expires_utc_ms,
        };
        let address = session.address.clone();
        self.rooms.sessions.insert(session).await?;
        let name = &signed_in.user.name;
        tracing::info!(user = name, "signed in");
        self.rooms
            .users
            .note(Some(name), "sign-in", address.as_deref(), None)
            .await;
        Ok((token, signed_in))
    }

    /// Sets the first password, if the code is right and guesses don't come too fast.
    pub(crate) async fn set_up(
        &self,
        peer: IpAddr,
        code: &str,
        password: &str,
    ) -> Result<User, Problem> {
        check_password(password)?;
        let user = self
            .guess(peer, CONSOLE, self.rooms.setup.complete(code, password))
            .await?;
        let begun = FirstStart {
            is_open: true,
            ..FirstStart::default()
        };
        // The password is set whatever becomes of this; the fault was logged.
        let _ = self.rooms.settings.set_first_start(begun).await;
        Ok(user)
    }

    /// Makes an admin, if the code from the console is right and guesses don't come too fast.
    pub(crate) async fn recover(
        &self,
        peer: IpAddr,
        code: &str,
        name: &str,
        password: &str,
    ) -> Result<User, Problem> {
        check_password(password)?;
        let complete = self.rooms.recovery.complete(code, name, password);
        self.guess(peer, CONSOLE, complete).await
    }

    /// Checks a name and password, and the code where the account wants one, if guesses
    /// don't come too fast.
    ///
    /// # Errors
    /// `SG-SES-020`: all is right, and a code is wanted.
    pub(crate) async fn sign_in(
        &self,
        peer: IpAddr,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<User, Problem> {
        check_length(password)?;
        self.guess(peer, name, async {
            let checked = self.rooms.sign_in.check(name, password).await?;
            match code {
                _ if !checked.wants_code => Ok(checked.user),
                Some(code) => self.rooms.sign_in.check_code(name, code).await,
                None => Err(problem("SG-SES-020", &[])),
            }
        })
        .await
    }

    /// Checks the code that an account wants after its password.
    pub(crate) async fn second_step(
        &self,
        peer: IpAddr,
        token: &str,
        code: &str,
    ) -> Result<User, Problem> {
        let ended = || problem("SG-SES-031", &[]);
        let token = Token::from_text(token).ok_or_else(ended)?;
        let name = self.second_steps.user(&token).ok_or_else(ended)?;
        let check = self.rooms.sign_in.check_code(&name, code);
        let user = self.guess(peer, &name, check).await?;
        self.second_steps.end(&token);
        Ok(user)
    }

    /// Checks the password of somebody who is signed in, before what only they should do.
    pub(crate) async fn confirm_password(
        &self,
        peer: IpAddr,
        name: &str,
        password: &str,
    ) -> Result<(), Problem> {
        check_length(password)?;
        self.guess(peer, name, async {
            match self.rooms.sign_in.check(name, password).await {
                Err(wrong) if wrong.code == "SG-SES-001" => Err(problem("SG-SES-026", &[])),
                checked => checked.map(|checked| checked.user),
            }
        })
        .await
        .map(drop)
    }

    async fn guess(
        &self,
        peer: IpAddr,
        account: &str,
        check: impl Future<Output = Result<User, Problem>>,
    ) -> Result<User, Problem> {
        self.attempts.begin(peer, account)?;
        let _turn = self.passwords.acquire().await;
        let result = check.await;
        match &result {
            Ok(_) => self.attempts.was_right(peer, account),
            Err(problem) if WRONG.contains(&problem.code.as_str()) => {
                tracing::warn!(%peer, code = problem.code, "a guess was wrong");
                let name: String = account.chars().take(64).collect();
                self.rooms
                    .users
                    .note(
                        None,
                        "sign-in",
                        Some(&format!("{name} from {peer}")),
                        Some(&problem.code),
                    )
                    .await;
            }
            Err(_) => self.attempts.was_none(peer, account),
        }
        result
    }
}

/// Whether a password may be set.
pub(crate) fn check_password(password: &str) -> Result<(), Problem> {
    if password.chars().count() < MIN_PASSWORD_CHARS {
        let characters = MIN_PASSWORD_CHARS.to_string();
        return Err(problem("SG-SES-006", &[("characters", &characters)]));
    }
    check_length(password)
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
        changes: Arc::new(Changes::new()),
        second_steps: Arc::new(SecondSteps::new(Arc::clone(&clock))),
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
