//! Who may come in: users of the vendor's and of a distributor's subtree.

use jiff::Timestamp;
use rand_core::CryptoRng;
use serde_json::json;

use super::accounts::{check_email, check_name, random_token, visible_distributor};
use super::attempts::forgive;
use super::reach::Reach;
use super::roles::Right;
use super::{Actor, Desk, DeskError, PASSWORD_LINK_HOURS, origin};
use crate::store::{
    AuditEntry, DistributorId, PasswordLink, Role, Store, StoreError, TokenHash, Tx, User, UserId,
    transact,
};

/// A user as lists show it.
#[derive(Debug, Clone)]
pub struct UserView {
    /// The user.
    pub user: User,
    /// The name of its distributor.
    pub distributor: Option<String>,
    /// It signs in with an authenticator app, too.
    pub has_app: bool,
}

/// A user to be added.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its address.
    pub email: String,
    /// How pages greet it; may be empty.
    pub name: String,
    /// Of vendor staff; a distributor's users have their distributor's.
    pub role: Option<Role>,
    /// For whom; `None` for vendor staff.
    pub distributor: Option<DistributorId>,
}

/// What is to become of a user; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another name.
    pub name: Option<String>,
    /// Another role, among vendor staff.
    pub role: Option<Role>,
    /// Whether it is shut out.
    pub disabled: Option<bool>,
}

/// A name that may be empty.
fn check_person(name: &str) -> Result<String, DeskError> {
    match name.trim() {
        "" => Ok(String::new()),
        name => check_name(name),
    }
}

fn is_last_admin(tx: &mut dyn Tx, user: &User) -> Result<bool, StoreError> {
    let users = tx.users()?;
    let others = (users.iter())
        .filter(|other| other.role == Role::Admin && !other.disabled && other.id != user.id);
    Ok(user.role == Role::Admin && !user.disabled && others.count() == 0)
}

/// Who changes people: somebody who is signed in, or the command line.
pub(super) struct By {
    pub(super) actor: Option<UserId>,
    pub(super) now: Timestamp,
}

impl By {
    pub(super) fn audit(
        &self,
        tx: &mut dyn Tx,
        action: &str,
        user: UserId,
        detail: serde_json::Value,
    ) -> Result<(), StoreError> {
        tx.append_audit(&AuditEntry {
            at_utc_ms: self.now.as_millisecond(),
            actor: self.actor,
            action: action.to_owned(),
            object: format!("user:{user}"),
            detail: detail.to_string(),
            origin: origin::current(),
        })
    }

    /// Adds a user with a one-time link, whose token is returned.
    pub(super) fn add(
        &self,
        tx: &mut dyn Tx,
        new: &NewUser,
        rng: &mut dyn CryptoRng,
    ) -> Result<(User, String), DeskError> {
        let role = match (new.role, new.distributor) {
            (Some(role), None) if role.is_staff() => role,
            (None, Some(distributor)) => role_of(tx, distributor)?,
            _ => {
                return Err(DeskError::Unfit {
                    field: "role",
                    rule: "one of the vendor's, or none for a distributor's user",
                });
            }
        };
        let user = User {
            id: UserId::random(rng),
            email: check_email(&new.email)?,
            name: check_person(&new.name)?,
            role,
            distributor: new.distributor,
            password_phc: None,
            disabled: false,
            created_utc_s: self.now.as_second(),
        };
        tx.insert_user(&user)?;
        let detail = json!({ "email": user.email, "name": user.name, "role": user.role });
        self.audit(tx, "user.add", user.id, detail)?;
        let token = self.link(tx, user.id, rng)?;
        Ok((user, token))
    }

    fn link(
        &self,
        tx: &mut dyn Tx,
        user: UserId,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, StoreError> {
        let token = random_token(rng);
        tx.delete_password_links(user)?;
        tx.insert_password_link(&PasswordLink {
            token: TokenHash::of(&token),
            user,
            expires_utc_s: self.now.as_second() + PASSWORD_LINK_HOURS * 3600,
        })?;
        Ok(token)
    }

    /// Changes a user; a disabled one is signed out at once.
    pub(super) fn change(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        change: &UserChange,
    ) -> Result<User, DeskError> {
        let mut changed = user.clone();
        if let Some(name) = &change.name {
            changed.name = check_person(name)?;
        }
        if let Some(role) = change.role {
            if role != user.role && !(role.is_staff() && user.role.is_staff()) {
                return Err(DeskError::Unfit {
                    field: "role",
                    rule: "one of the vendor's, for the vendor's users",
                });
            }
            changed.role = role;
        }
        if let Some(disabled) = change.disabled {
            changed.disabled = disabled;
        }
        let stays_admin = changed.role == Role::Admin && !changed.disabled;
        if !stays_admin && is_last_admin(tx, user)? {
            return Err(DeskError::LastAdmin);
        }
        tx.update_user(&changed)?;
        if changed.disabled {
            tx.end_sessions(user.id, None)?;
            tx.delete_password_links(user.id)?;
        }
        let shown = |user: &User| json!({ "name": user.name, "role": user.role, "disabled": user.disabled });
        let detail = json!({ "before": shown(user), "after": shown(&changed) });
        self.audit(tx, "user.change", user.id, detail)?;
        Ok(changed)
    }

    /// Takes password, app and sessions away, and makes a one-time link.
    pub(super) fn reset(
        &self,
        tx: &mut dyn Tx,
        user: &User,
        rng: &mut dyn CryptoRng,
    ) -> Result<String, StoreError> {
        tx.clear_password(user.id)?;
        tx.remove_authenticators(user.id)?;
        forgive(tx, &user.email, user.id)?;
        self.audit(tx, "user.reset", user.id, json!({ "email": user.email }))?;
        self.link(tx, user.id, rng)
    }
}

/// The role of a distributor's users.
pub(super) fn role_of(tx: &mut dyn Tx, distributor: DistributorId) -> Result<Role, StoreError> {
    Ok(if tx.parent(distributor)?.is_some() {
        Role::SubDistributor
    } else {
        Role::Distributor
    })
}

/// The user, if this person may decide about them.
fn visible_user(tx: &mut dyn Tx, actor: &Actor, id: UserId) -> Result<User, DeskError> {
    let reach = Reach::of(tx, actor)?;
    let found = tx.user(id)?.filter(|user| match user.distributor {
        Some(distributor) => reach.sees(distributor),
        None => actor.role.is_staff(),
    });
    found.ok_or(DeskError::NotFound { what: "user" })
}

/// Everybody, for the command line.
///
/// # Errors
/// The database failed.
pub fn list_users(store: &dyn Store) -> Result<Vec<User>, StoreError> {
    transact(store, |tx| tx.users())
}

/// Adds a user from the command line, for vendor staff or for the distributor of that name;
/// returns the token of a one-time link.
///
/// # Errors
/// The address is unfit or taken, there is no such distributor, or the role does not fit.
pub fn add_user_by_command(
    store: &dyn Store,
    mut new: NewUser,
    distributor_name: Option<&str>,
    now: Timestamp,
) -> Result<String, DeskError> {
    let by = By { actor: None, now };
    transact(store, |tx| {
        if let Some(name) = distributor_name {
            let all = tx.distributors()?;
            let found = all.iter().find(|distributor| distributor.name == name);
            let missing = DeskError::NotFound {
                what: "distributor",
            };
            new.distributor = Some(found.ok_or(missing)?.id);
        }
        let (_, token) = by.add(tx, &new, &mut rand::rng())?;
        Ok(token)
    })
}

fn user_of_address(tx: &mut dyn Tx, email: &str) -> Result<User, DeskError> {
    tx.user_by_email(email.trim())?
        .ok_or(DeskError::NoSuchAddress)
}

/// Changes the user of that address from the command line.
///
/// # Errors
/// There is none; the last vendor admin stays one.
pub fn change_user_by_command(
    store: &dyn Store,
    email: &str,
    change: &UserChange,
    now: Timestamp,
) -> Result<User, DeskError> {
    let by = By { actor: None, now };
    transact(store, |tx| {
        let user = user_of_address(tx, email)?;
        by.change(tx, &user, change)
    })
}

/// Takes password, app and sessions of the user of that address away; returns the token of
/// a one-time link.
///
/// # Errors
/// There is none.
pub fn reset_user_by_command(
    store: &dyn Store,
    email: &str,
    now: Timestamp,
) -> Result<String, DeskError> {
    let by = By { actor: None, now };
    transact(store, |tx| {
        let user = user_of_address(tx, email)?;
        Ok(by.reset(tx, &user, &mut rand::rng())?)
    })
}

impl Desk {
    fn by(&self, actor: &Actor) -> By {
        By {
            actor: Some(actor.user),
            now: self.now(),
        }
    }

    /// The users that this person decides about, by address.
    ///
    /// # Errors
    /// The role does not include it.
    pub fn users(&self, actor: &Actor) -> Result<Vec<UserView>, DeskError> {
        actor.must(Right::People)?;
        self.transact(|tx| {
            let reach = Reach::of(tx, actor)?;
            let names = tx.distributors()?;
            let mut views = Vec::new();
            for user in tx.users()? {
                let visible = match user.distributor {
                    Some(distributor) => reach.sees(distributor),
                    None => actor.role.is_staff(),
                };
                if !visible {
                    continue;
                }
                let distributor = user.distributor.and_then(|id| {
                    let found = names.iter().find(|other| other.id == id)?;
                    Some(found.name.clone())
                });
                views.push(UserView {
                    has_app: tx.authenticator(user.id, true)?.is_some(),
                    distributor,
                    user,
                });
            }
            Ok(views)
        })
    }

    /// One user.
    ///
    /// # Errors
    /// The role does not include it; there is none, or none that this person may know of.
    pub fn user(&self, actor: &Actor, id: UserId) -> Result<UserView, DeskError> {
        actor.must(Right::People)?;
        self.transact(|tx| {
            let user = visible_user(tx, actor, id)?;
            let distributor = match user.distributor {
                Some(id) => tx.distributor(id)?.map(|distributor| distributor.name),
                None => None,
            };
            Ok(UserView {
                has_app: tx.authenticator(id, true)?.is_some(),
                distributor,
                user,
            })
        })
    }

    /// Adds a user with a one-time link, whose token is returned. A distributor's users are
    /// of its own subtree.
    ///
    /// # Errors
    /// The role does not include it; the address is unfit or taken; there is no such
    /// distributor, or none that this person may know of.
    pub fn add_user(&self, actor: &Actor, new: &NewUser) -> Result<(User, String), DeskError> {
        actor.must(Right::People)?;
        let mut new = new.clone();
        if !actor.role.is_staff() {
            new.distributor = new.distributor.or(actor.distributor);
        }
        self.transact(|tx| {
            if let Some(distributor) = new.distributor {
                visible_distributor(tx, actor, distributor)?;
            }
            self.by(actor).add(tx, &new, &mut rand::rng())
        })
    }

    /// Changes a user.
    ///
    /// # Errors
    /// As [`Self::user`]; the last vendor admin stays one.
    pub fn change_user(
        &self,
        actor: &Actor,
        id: UserId,
        change: &UserChange,
    ) -> Result<User, DeskError> {
        actor.must(Right::People)?;
        self.transact(|tx| {
            let user = visible_user(tx, actor, id)?;
            self.by(actor).change(tx, &user, change)
        })
    }

    /// Takes a user's password, app and sessions away; returns the token of a one-time link.
    ///
    /// # Errors
    /// As [`Self::user`].
    pub fn reset_user(&self, actor: &Actor, id: UserId) -> Result<String, DeskError> {
        actor.must(Right::People)?;
        self.transact(|tx| {
            let user = visible_user(tx, actor, id)?;
            Ok(self.by(actor).reset(tx, &user, &mut rand::rng())?)
        })
    }
}
