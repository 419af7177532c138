//! One-time links, distributors and their grants.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use serde_json::json;

use super::reach::Reach;
use super::roles::Right;
use super::sign_in::NewSession;
use super::{Actor, Desk, DeskError};
use crate::rules::Counts;
use crate::store::{
    Balance, Distributor, DistributorId, LedgerEntry, LedgerReason, PasswordLink, Project,
    ProjectId, Role, TokenHash, Tx, User, UserId,
};

/// The project every distributor has from the start.
const BUILT_IN_PROJECT: &str = "Ungroup";

/// The most channels of one kind in one grant or license.
pub(super) const MOST_OF_A_KIND: u32 = 1_000_000;

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

impl Desk {
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
        let user = tx.user(link.user)?.filter(|user| !user.disabled);
        user.ok_or(DeskError::LinkUsed)
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
            self.set_password(tx, &user, &phc)?;
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
            let reach = Reach::of(tx, actor)?;
            let mut all = tx.distributors()?;
            all.retain(|distributor| reach.sees(distributor.id));
            Ok(all)
        })
    }

    /// Adds a distributor with its built-in project and its first user, who gets a
    /// password at once, or a one-time link whose token is returned.
    ///
    /// # Errors
    /// Not sales; a name or address is unfit or taken; the password is too short.
    pub fn add_distributor(
        &self,
        actor: &Actor,
        name: &str,
        email: &str,
        password: Option<&str>,
    ) -> Result<(Distributor, Option<String>), DeskError> {
        self.add_distributor_under(actor, None, name, email, password)
    }

    /// As [`Self::add_distributor`]; with a parent, a sub-distributor of it.
    ///
    /// # Errors
    /// As there; there is no such parent.
    pub fn add_distributor_under(
        &self,
        actor: &Actor,
        parent: Option<DistributorId>,
        name: &str,
        email: &str,
        password: Option<&str>,
    ) -> Result<(Distributor, Option<String>), DeskError> {
        actor.must(Right::Sell)?;
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
            name: String::new(),
            role: match parent {
                None => Role::Distributor,
                Some(_) => Role::SubDistributor,
            },
            distributor: Some(distributor.id),
            password_phc,
            disabled: false,
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
            if let Some(parent) = parent {
                visible_distributor(tx, actor, parent)?;
                tx.set_parent(distributor.id, parent)?;
            }
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
            let detail = json!({ "name": distributor.name, "email": user.email, "parent": parent });
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
        actor.must(Right::Sell)?;
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
    let reach = Reach::of(tx, actor)?;
    tx.distributor(id)?
        .filter(|distributor| reach.sees(distributor.id))
        .ok_or(DeskError::NotFound {
            what: "distributor",
        })
}
