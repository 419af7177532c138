//! Signing in and out, one's own password, one's own sessions.

use rand_core::CryptoRng;
use serde_json::json;

use super::accounts::random_token;
use super::attempts::Subject;
use super::roles::Right;
use super::{Actor, Desk, DeskError, origin};
use crate::store::{Session, TokenHash, Tx, User};

/// How long a session lasts.
pub const SESSION_HOURS: i64 = 12;
/// How long the code of the second step may take, seconds.
const SECOND_STEP_S: i64 = 300;
/// Begins every token for programs, so that leaked ones can be searched for.
pub(super) const TOKEN_PREFIX: &str = "sgp_";

/// A session that just began.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The secret for cookie or header; the portal keeps its hash only.
    pub token: String,
    /// What forms carry.
    pub csrf: String,
    /// Who signed in.
    pub actor: Actor,
}

/// What a right password leads to.
#[derive(Debug, Clone)]
pub enum FirstStep {
    /// A session.
    Begun(NewSession),
    /// The account has an authenticator app: this secret stands for the password until its
    /// code is typed.
    WantsCode(String),
}

/// Who a request comes from.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who.
    pub actor: Actor,
    /// How pages greet them.
    pub name: String,
    /// What forms carry; empty for a token, which sends none.
    pub csrf: String,
    /// What a token for programs is limited to; `None` for a session.
    pub scopes: Option<Vec<Right>>,
}

impl From<&User> for Actor {
    fn from(user: &User) -> Self {
        Self {
            user: user.id,
            email: user.email.clone(),
            role: user.role,
            distributor: user.distributor,
            request_key: None,
        }
    }
}

/// How pages call a user.
pub(super) fn name_of(user: &User) -> String {
    if user.name.is_empty() {
        user.email.clone()
    } else {
        user.name.clone()
    }
}

impl Desk {
    /// Looks at a password. Takes as long for an unknown address as for a wrong password.
    ///
    /// # Errors
    /// Address and password don't belong together, or there were too many attempts.
    pub fn sign_in(&self, email: &str, password: &str) -> Result<FirstStep, DeskError> {
        let subject = Subject::address(email);
        self.begin_attempt(&subject)?;
        let user = self.transact(|tx| Ok(tx.user_by_email(email.trim())?))?;
        let phc = user.as_ref().and_then(|user| user.password_phc.as_deref());
        let verified = self.hashing.verify(password, phc)?;
        let Some(user) = user.as_ref().filter(|user| verified && !user.disabled) else {
            self.refused_sign_in(user.as_ref())?;
            return Err(DeskError::WrongPassword);
        };
        self.succeeded(&subject)?;
        let wants_code = self.transact(|tx| Ok(tx.authenticator(user.id, true)?.is_some()))?;
        if !wants_code {
            return Ok(FirstStep::Begun(self.begin_session(user)?));
        }
        let step = random_token(&mut rand::rng());
        let now_s = self.now().as_second();
        self.transact(|tx| {
            let token = TokenHash::of(&step);
            Ok(tx.insert_second_step(&token, user.id, now_s + SECOND_STEP_S, now_s)?)
        })?;
        Ok(FirstStep::WantsCode(step))
    }

    /// Ends a sign-in with a code of the app, or a recovery code.
    ///
    /// # Errors
    /// The code does not fit, the step took too long, or there were too many attempts.
    pub fn second_step(&self, step: &str, code: &str) -> Result<NewSession, DeskError> {
        let token = TokenHash::of(step);
        let now_s = self.now().as_second();
        let user = self.transact(|tx| {
            let id = tx.second_step(&token, now_s)?;
            let user = id.map(|id| tx.user(id)).transpose()?.flatten();
            user.filter(|user| !user.disabled)
                .ok_or(DeskError::SecondStepOver)
        })?;
        let subject = Subject::code(user.id);
        self.begin_attempt(&subject)?;
        if !self.take_code(user.id, code)? {
            self.refused_sign_in(Some(&user))?;
            return Err(DeskError::WrongCode);
        }
        self.succeeded(&subject)?;
        self.transact(|tx| Ok(tx.delete_second_step(&token)?))?;
        self.begin_session(&user)
    }

    /// Writes down that somebody tried to be this user. Who tried an unknown address is not
    /// written: the audit would fill with whatever is typed there.
    fn refused_sign_in(&self, user: Option<&User>) -> Result<(), DeskError> {
        tracing::info!("sign-in refused");
        let Some(user) = user else {
            return Ok(());
        };
        self.transact(|tx| {
            let object = format!("user:{}", user.id);
            Ok(self.audit(tx, None, "session.refused", object, json!({}))?)
        })
    }

    pub(super) fn begin_session(&self, user: &User) -> Result<NewSession, DeskError> {
        let mut rng = rand::rng();
        let now_s = self.now().as_second();
        let (session, new) = new_session(user, now_s, &mut rng);
        self.transact(|tx| {
            tx.insert_session(&session, now_s)?;
            let object = format!("user:{}", user.id);
            Ok(self.audit(tx, Some(user.id), "session.begin", object, json!({}))?)
        })?;
        Ok(new)
    }

    /// Who a token belongs to: a session's, or a program's.
    ///
    /// # Errors
    /// Nobody's, or it has ended, or its user is disabled.
    pub fn session(&self, token: &str) -> Result<Caller, DeskError> {
        let now_s = self.now().as_second();
        let hash = TokenHash::of(token);
        let found = self.transact(|tx| {
            if token.starts_with(TOKEN_PREFIX) {
                let found = tx.api_token(&hash, now_s)?;
                return Ok(found.map(|(token, user)| {
                    let scopes = token.scopes.iter();
                    let scopes = scopes.filter_map(|word| Right::scope(word)).collect();
                    (user, String::new(), Some(scopes))
                }));
            }
            let found = tx.session(&hash, now_s)?;
            Ok(found.map(|(session, user)| (user, session.csrf, None)))
        })?;
        let (user, csrf, scopes) = found
            .filter(|(user, _, _)| !user.disabled)
            .ok_or(DeskError::NotSignedIn)?;
        Ok(Caller {
            actor: Actor::from(&user),
            name: name_of(&user),
            csrf,
            scopes,
        })
    }

    /// Signs out.
    ///
    /// # Errors
    /// The database failed.
    pub fn sign_out(&self, actor: &Actor, token: &str) -> Result<(), DeskError> {
        self.transact(|tx| {
            tx.delete_session(&TokenHash::of(token))?;
            let object = format!("user:{}", actor.user);
            Ok(self.audit(tx, Some(actor.user), "session.end", object, json!({}))?)
        })
    }

    /// One's own sessions, newest first.
    ///
    /// # Errors
    /// The database failed.
    pub fn sessions(&self, actor: &Actor) -> Result<Vec<Session>, DeskError> {
        let now_s = self.now().as_second();
        self.transact(|tx| Ok(tx.sessions_of(actor.user, now_s)?))
    }

    /// Ends one of one's own sessions, named by [`session_id`].
    ///
    /// # Errors
    /// There is no such session of this person's.
    pub fn end_session(&self, actor: &Actor, id: &str) -> Result<(), DeskError> {
        let now_s = self.now().as_second();
        self.transact(|tx| {
            let own = tx.sessions_of(actor.user, now_s)?;
            let ended = own.iter().find(|session| session_id(&session.token) == id);
            let ended = ended.ok_or(DeskError::NotFound { what: "session" })?;
            tx.delete_session(&ended.token)?;
            let object = format!("user:{}", actor.user);
            Ok(self.audit(tx, Some(actor.user), "session.end", object, json!({}))?)
        })
    }

    /// Ends all of one's own sessions but the one with this token.
    ///
    /// # Errors
    /// The database failed.
    pub fn end_other_sessions(&self, actor: &Actor, token: &str) -> Result<(), DeskError> {
        self.transact(|tx| {
            tx.end_sessions(actor.user, Some(&TokenHash::of(token)))?;
            let object = format!("user:{}", actor.user);
            Ok(self.audit(
                tx,
                Some(actor.user),
                "session.end_others",
                object,
                json!({}),
            )?)
        })
    }

    /// Is this the person's password? A browser left open must not be enough to change how
    /// its owner signs in.
    pub(super) fn confirm_present(&self, actor: &Actor, password: &str) -> Result<(), DeskError> {
        let subject = Subject::present(actor.user);
        self.begin_attempt(&subject)?;
        let user = self.transact(|tx| Ok(tx.user(actor.user)?))?;
        let phc = user.as_ref().and_then(|user| user.password_phc.as_deref());
        if !self.hashing.verify(password, phc)? {
            return Err(DeskError::WrongPresent);
        }
        self.succeeded(&subject)
    }

    /// Changes one's own password, and ends all sessions.
    ///
    /// # Errors
    /// The present password is wrong, or the new one too short.
    pub fn change_password(
        &self,
        actor: &Actor,
        present: &str,
        password: &str,
    ) -> Result<NewSession, DeskError> {
        self.confirm_present(actor, present)?;
        let phc = self.hashing.hash(password)?;
        let user = self.transact(|tx| {
            let user = tx.user(actor.user)?.ok_or(DeskError::NotSignedIn)?;
            self.set_password(tx, &user, &phc)?;
            Ok(user)
        })?;
        self.begin_session(&user)
    }

    pub(super) fn set_password(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        phc: &str,
    ) -> Result<(), DeskError> {
        tx.set_password(user.id, phc)?;
        tx.delete_password_links(user.id)?;
        let object = format!("user:{}", user.id);
        Ok(self.audit(tx, Some(user.id), "password.set", object, json!({}))?)
    }
}

/// Names a session for its owner, without giving away what the database finds it by.
pub fn session_id(token: &TokenHash) -> String {
    hex::encode(&TokenHash::of(&hex::encode(token.0)).0[..8])
}

fn new_session(user: &User, now_utc_s: i64, rng: &mut dyn CryptoRng) -> (Session, NewSession) {
    let new = NewSession {
        token: random_token(rng),
        csrf: random_token(rng),
        actor: Actor::from(user),
    };
    let origin = origin::current();
    let session = Session {
        token: TokenHash::of(&new.token),
        user: user.id,
        csrf: new.csrf.clone(),
        expires_utc_s: now_utc_s + SESSION_HOURS * 3600,
        created_utc_s: now_utc_s,
        address: origin.address,
        user_agent: origin.user_agent,
    };
    (session, new)
}
