//! Signing in, users, distributors and their grants.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde_json::json;

use super::{Actor, Desk, DeskError};
use crate::rules::Counts;
use crate::store::{
    Balance, Distributor, DistributorId, LedgerEntry, LedgerReason, PasswordLink, Project,
    ProjectId, Role, Session, TokenHash, Tx, User, UserId,
};

/// How long a session lasts.
pub const SESSION_HOURS: i64 = 12;

/// The project every distributor has from the start.
const BUILT_IN_PROJECT: &str = "Ungroup";

/// The most channels of one kind in one grant or license.
pub(super) const MOST_OF_A_KIND: u32 = 1_000_000;

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

/// 32 random bytes as text.
pub(super) fn random_token(rng: &mut dyn CryptoRng) -> String {
    let mut bytes = [0; 32];
    rng.fill_bytes(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// An address that mail could go to, without pretending to know all that mail allows.
pub(super) fn check_email(text: &str) -> Result<String, DeskError> {
    let email = text.trim();
    let fit = email.len() <= 254
        && !email.chars().any(|c| c.is_whitespace() || c.is_control())
        && matches!(email.split_once('@'), Some((name, host))
            if !name.is_empty() && !host.is_empty() && !host.contains('@'));
    if fit {
        Ok(email.to_owned())
    } else {
        Err(DeskError::Unfit {
            field: "e-mail address",
            rule: "of the form name@host",
        })
    }
}

/// A name for people: one line of at most 80 characters.
pub(super) fn check_name(text: &str) -> Result<String, DeskError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 80 || name.chars().any(char::is_control) {
        return Err(DeskError::Unfit {
            field: "name",
            rule: "one line of 1 to 80 characters",
        });
    }
    Ok(name.to_owned())
}

/// Counts that may be asked for or granted.
pub(super) fn check_counts(counts: &Counts) -> Result<(), DeskError> {
    let named = |kind: &str| {
        (1..=32).contains(&kind.len())
            && kind.starts_with(|c: char| c.is_ascii_lowercase())
            && (kind.bytes()).all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
            // These words stand beside the kinds in a license.
            && !matches!(kind, "mac_list" | "packages")
    };
    for (kind, count) in counts.iter() {
        if !named(kind) {
            return Err(DeskError::Unfit {
                field: "kind of channel",
                rule: "1 to 32 of a-z, 0-9 and _, from a letter on",
            });
        }
        if count > MOST_OF_A_KIND {
            return Err(DeskError::Unfit {
                field: "number of channels",
                rule: "at most 1000000",
            });
        }
    }
    Ok(())
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

impl Desk {
    /// Signs in.
    ///
    /// # Errors
    /// Address and password don't belong together, or there were too many attempts.
    pub fn sign_in(&self, email: &str, password: &str) -> Result<NewSession, DeskError> {
        let now_s = self.now().as_second();
        let wait_s = self.attempts.wait_s(email, now_s);
        if wait_s > 0 {
            return Err(DeskError::TooManyAttempts { wait_s });
        }
        let user = self.transact(|tx| Ok(tx.user_by_email(email.trim())?))?;
        let phc = user.as_ref().and_then(|user| user.password_phc.as_deref());
        let verified = self.hashing.verify(password, phc)?;
        let Some(user) = user.filter(|_| verified) else {
            self.attempts.failed(email, now_s);
            tracing::info!("sign-in refused");
            return Err(DeskError::WrongPassword);
        };
        self.attempts.succeeded(email);
        self.begin_session(&user)
    }

    fn begin_session(&self, user: &User) -> Result<NewSession, DeskError> {
        let mut rng = rand::rng();
        let now_s = self.now().as_second();
        let new = NewSession {
            token: random_token(&mut rng),
            csrf: random_token(&mut rng),
            actor: Actor::from(user),
        };
        let session = Session {
            token: TokenHash::of(&new.token),
            user: user.id,
            csrf: new.csrf.clone(),
            expires_utc_s: now_s + SESSION_HOURS * 3600,
        };
        self.transact(|tx| {
            tx.insert_session(&session, now_s)?;
            let object = format!("user:{}", user.id);
            Ok(self.audit(tx, Some(user.id), "session.begin", object, json!({}))?)
        })?;
        Ok(new)
    }

    /// Who a session's token belongs to, with what its forms carry.
    ///
    /// # Errors
    /// Nobody's, or the session has ended.
    pub fn session(&self, token: &str) -> Result<(Actor, String), DeskError> {
        let now_s = self.now().as_second();
        let found = self.transact(|tx| Ok(tx.session(&TokenHash::of(token), now_s)?))?;
        let (session, user) = found.ok_or(DeskError::NotSignedIn)?;
        Ok((Actor::from(&user), session.csrf))
    }

    /// Signs out.
    ///
    /// # Errors
    /// The database failed.
    pub fn sign_out(&self, token: &str) -> Result<(), DeskError> {
        self.transact(|tx| Ok(tx.delete_session(&TokenHash::of(token))?))
    }

    /// Whose one-time link this is.
    ///
    /// # Errors
    /// It was used or has expired.
    pub fn password_link(&self, token: &str) -> Result<String, DeskError> {
        self.transact(|tx| Ok(self.link_user(tx, token)?.email))
    }

    fn link_user(&self, tx: &mut dyn Tx, token: &str) -> Result<User, DeskError> {
        let link = tx
            .password_link(&TokenHash::of(token), self.now().as_second())?
            .ok_or(DeskError::LinkUsed)?;
        tx.user(link.user)?.ok_or(DeskError::LinkUsed)
    }

    /// Chooses a password with a one-time link, and signs in.
    ///
    /// # Errors
    /// The link was used or has expired, or the password is too short.
    pub fn use_password_link(&self, token: &str, password: &str) -> Result<NewSession, DeskError> {
        self.password_link(token)?;
        let phc = self.hashing.hash(password)?;
        let user = self.transact(|tx| {
            // Read again: of two that came at once, one wins.
            let user = self.link_user(tx, token)?;
            tx.set_password(user.id, &phc)?;
            tx.delete_password_links(user.id)?;
            let object = format!("user:{}", user.id);
            self.audit(tx, Some(user.id), "password.set", object, json!({}))?;
            Ok(user)
        })?;
        self.begin_session(&user)
    }

    /// The distributors that this person sees.
    ///
    /// # Errors
    /// The database failed.
    pub fn distributors(&self, actor: &Actor) -> Result<Vec<Distributor>, DeskError> {
        self.transact(|tx| {
            let mut all = tx.distributors()?;
            all.retain(|distributor| actor.sees(distributor.id));
            Ok(all)
        })
    }

    /// Adds a distributor with its built-in project and its first user, who gets a
    /// password at once, or a one-time link whose token is returned.
    ///
    /// # Errors
    /// Not vendor staff; a name or address is unfit or taken; the password is too short.
    pub fn add_distributor(
        &self,
        actor: &Actor,
        name: &str,
        email: &str,
        password: Option<&str>,
    ) -> Result<(Distributor, Option<String>), DeskError> {
        actor.must_be_admin()?;
        let mut rng = rand::rng();
        let now_s = self.now().as_second();
        let distributor = Distributor {
            id: DistributorId::random(&mut rng),
            name: check_name(name)?,
            created_utc_s: now_s,
        };
        let password_phc = password
            .map(|password| self.hashing.hash(password))
            .transpose()?;
        let link_token = password_phc.is_none().then(|| random_token(&mut rng));
        let user = User {
            id: UserId::random(&mut rng),
            email: check_email(email)?,
            role: Role::Distributor,
            distributor: Some(distributor.id),
            password_phc,
            created_utc_s: now_s,
        };
        let project = Project {
            id: ProjectId::random(&mut rng),
            distributor: distributor.id,
            name: BUILT_IN_PROJECT.to_owned(),
            description: "Servers that are in no other project.".to_owned(),
            built_in: true,
            created_utc_s: now_s,
        };
        self.transact(|tx| {
            tx.insert_distributor(&distributor)?;
            tx.insert_project(&project)?;
            tx.insert_user(&user)?;
            if let Some(token) = &link_token {
                tx.insert_password_link(&PasswordLink {
                    token: TokenHash::of(token),
                    user: user.id,
                    expires_utc_s: now_s + super::PASSWORD_LINK_HOURS * 3600,
                })?;
            }
            let object = format!("distributor:{}", distributor.id);
            let detail = json!({ "name": distributor.name, "email": user.email });
            Ok(self.audit(tx, Some(actor.user), "distributor.add", object, detail)?)
        })?;
        Ok((distributor, link_token))
    }

    /// What a distributor has, per kind.
    ///
    /// # Errors
    /// There is none, or none that this person may know of.
    pub fn balances(
        &self,
        actor: &Actor,
        distributor: DistributorId,
    ) -> Result<Vec<Balance>, DeskError> {
        self.transact(|tx| {
            visible_distributor(tx, actor, distributor)?;
            self.end_licenses(tx, Some(distributor))?;
            Ok(tx.balances(distributor)?)
        })
    }

    /// Gives channels to a distributor. The same `idempotency_key` counts once.
    ///
    /// # Errors
    /// Not vendor staff, no such distributor, or counts that can't be granted.
    pub fn grant(
        &self,
        actor: &Actor,
        distributor: DistributorId,
        counts: &Counts,
        note: &str,
        idempotency_key: Option<&str>,
    ) -> Result<Vec<Balance>, DeskError> {
        actor.must_be_admin()?;
        check_counts(counts)?;
        if counts.is_empty() {
            return Err(DeskError::Unfit {
                field: "number of channels",
                rule: "at least 1",
            });
        }
        if note.len() > 1000 || idempotency_key.is_some_and(|key| key.len() > 200) {
            return Err(DeskError::Unfit {
                field: "note or key",
                rule: "at most 1000 or 200 bytes",
            });
        }
        self.transact(|tx| {
            visible_distributor(tx, actor, distributor)?;
            let repeated = match idempotency_key {
                Some(key) => tx.has_grant(distributor, key)?,
                None => false,
            };
            if !repeated {
                for (kind, count) in counts.iter() {
                    tx.append_ledger(&LedgerEntry {
                        at_utc_ms: self.now().as_millisecond(),
                        distributor,
                        kind: kind.to_owned(),
                        delta: i64::from(count),
                        reason: LedgerReason::Grant,
                        tpm: None,
                        note: note.to_owned(),
                        actor: Some(actor.user),
                        idempotency_key: idempotency_key.map(str::to_owned),
                    })?;
                }
                let object = format!("distributor:{distributor}");
                let detail = json!({ "counts": counts, "note": note });
                self.audit(tx, Some(actor.user), "distributor.grant", object, detail)?;
            }
            Ok(tx.balances(distributor)?)
        })
    }
}

/// The distributor, if this person may know of it.
pub(super) fn visible_distributor(
    tx: &mut dyn Tx,
    actor: &Actor,
    id: DistributorId,
) -> Result<Distributor, DeskError> {
    tx.distributor(id)?
        .filter(|distributor| actor.sees(distributor.id))
        .ok_or(DeskError::NotFound {
            what: "distributor",
        })
}
