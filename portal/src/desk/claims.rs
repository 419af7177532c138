//! Codes that let a box with a network fetch its license by itself: request and import in
//! one step, with the same documents.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::accounts::check_counts;
use super::projects::visible_server;
use super::request::{Makers, admit};
use super::{Actor, Desk, DeskError, Issuance, Order};
use crate::rules::{Ask, Counts};
use crate::store::ServerId;
use crate::store::work::Claim;

/// How long a code may be used.
pub const CLAIM_DAYS: i64 = 14;
/// Characters of a code: 125 bits, which nobody guesses.
const CODE_CHARACTERS: usize = 25;
/// Crockford's base 32: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code's hash, however a person wrote it.
fn code_sha256(code: &str) -> [u8; 32] {
    let plain: String = (code.chars())
        .filter(char::is_ascii_alphanumeric)
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            c => c,
        })
        .collect();
    Sha256::digest(plain).into()
}

/// A new code, in groups of five.
fn new_code() -> String {
    let random: [u8; CODE_CHARACTERS] = rand::random();
    let characters: Vec<char> = (random.iter())
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = (characters.chunks(5))
        .map(|group| group.iter().collect())
        .collect();
    groups.join("-")
}

impl Desk {
    /// Makes a code for one license of this server. It is returned here only.
    ///
    /// # Errors
    /// No such server, or counts that can't be.
    pub fn add_claim(
        &self,
        actor: &Actor,
        server: ServerId,
        counts: &Counts,
    ) -> Result<String, DeskError> {
        check_counts(counts)?;
        if counts.is_empty() {
            return Err(DeskError::Unfit {
                field: "number of channels",
                rule: "at least 1",
            });
        }
        let code = new_code();
        let now_utc_s = self.now().as_second();
        self.transact(|tx| {
            visible_server(tx, actor, server)?;
            tx.insert_claim(&Claim {
                code_sha256: code_sha256(&code),
                server,
                user: actor.user,
                counts: counts.clone(),
                created_utc_s: now_utc_s,
                expires_utc_s: now_utc_s + CLAIM_DAYS * 86_400,
                used_by: None,
            })?;
            let object = format!("server:{server}");
            let detail = json!({ "counts": counts });
            Ok(self.audit(tx, Some(actor.user), "claim.add", object, detail)?)
        })?;
        Ok(code)
    }

    /// A box shows a code with its request, and gets the license that was ordered. The box
    /// that used a code may ask again.
    ///
    /// # Errors
    /// The code is unknown, over, or another box's; or as [`Desk::issue`].
    pub fn activate(&self, code: &str, request: &[u8]) -> Result<Issuance, DeskError> {
        let hash = code_sha256(code);
        let now_utc_s = self.now().as_second();
        let (claim, actor, makers) = self.transact(|tx| {
            let claim = (tx.claim(&hash)?)
                .filter(|claim| claim.expires_utc_s > now_utc_s)
                .ok_or(DeskError::ClaimUnknown)?;
            let user = tx.user(claim.user)?.ok_or(DeskError::ClaimUnknown)?;
            Ok((claim, Actor::from(&user), Makers::read(tx)?))
        })?;
        let key = admit(request, &makers, self.flavour)?.identity.ak_name;
        if claim
            .used_by
            .as_ref()
            .is_some_and(|used_by| *used_by != key)
        {
            return Err(DeskError::ClaimUnknown);
        }
        // Two boxes at once: the second is not the server's, and is refused.
        let order = Order {
            server: claim.server,
            request,
            ask: Ask::Issue(claim.counts),
            dry_run: false,
        };
        let issuance = self.issue(&actor, &order)?;
        self.transact(|tx| Ok(tx.use_claim(&hash, &key)?))?;
        Ok(issuance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_written() {
        let code = new_code();
        assert_eq!((code.len(), code.matches('-').count()), (29, 4));
        assert_ne!(code, new_code());
        let spaced = code.to_lowercase().replace('-', " ");
        assert_eq!(code_sha256(&code), code_sha256(&spaced));
        assert_eq!(code_sha256("O1L-i"), code_sha256("0111"));
        assert_ne!(code_sha256("A"), code_sha256("B"));
    }
}
