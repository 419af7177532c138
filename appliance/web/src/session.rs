//! Tokens, cookies, and what is known of whoever asks.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderValue};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use sealgate_words::Problem;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::errors::problem;
use crate::rooms::{Right, User};

/// How long a session lasts.
pub(crate) const SESSION_MS: i64 = 24 * 60 * 60 * 1000;

// The prefix makes browsers insist on Secure, on Path=/ and on no other host.
const SESSION_COOKIE: &str = "__Host-session";
const FORM_COOKIE: &str = "__Host-form";

/// 32 random bytes that only their holder knows; the box keeps no more than a hash.
#[derive(Clone)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn random() -> Self {
        Self(rand::random())
    }

    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }

    pub(crate) fn text(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.0)
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// Proves that a form was served to the holder of this token, without showing it.
    pub(crate) fn form_proof(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"sealgate form proof\0");
        hash.update(self.0);
        BASE64_URL_SAFE_NO_PAD.encode(hash.finalize())
    }

    pub(crate) fn proves(&self, proof: &str) -> bool {
        self.form_proof().as_bytes().ct_eq(proof.as_bytes()).into()
    }
}

/// How a session was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    /// By a header that no browser adds by itself.
    Bearer,
    /// By the browser's cookie.
    Cookie,
}

/// The token a request carries, if any.
pub(crate) fn session_token(headers: &HeaderMap, bearer_too: bool) -> Option<(Token, Credential)> {
    let bearer = headers
        .get(AUTHORIZATION)
        .filter(|_| bearer_too)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .and_then(|(_, text)| Token::from_text(text.trim()))
        .map(|token| (token, Credential::Bearer));
    bearer.or_else(|| Some((cookie(headers, SESSION_COOKIE)?, Credential::Cookie)))
}

/// The token that proofs of forms are made from before anybody signs in.
pub(crate) fn form_token(headers: &HeaderMap) -> Option<Token> {
    cookie(headers, FORM_COOKIE)
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<Token> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| Token::from_text(value))
}

fn set_cookie(name: &str, value: &str, max_age_s: i64) -> HeaderValue {
    let text =
        format!("{name}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; Secure; SameSite=Strict");
    HeaderValue::try_from(text).expect("names and base64 are header text")
}

pub(crate) fn set_session_cookie(token: &Token) -> HeaderValue {
    set_cookie(SESSION_COOKIE, &token.text(), SESSION_MS / 1000)
}

pub(crate) fn end_session_cookie() -> HeaderValue {
    set_cookie(SESSION_COOKIE, "", 0)
}

pub(crate) fn set_form_cookie(token: &Token) -> HeaderValue {
    set_cookie(FORM_COOKIE, &token.text(), SESSION_MS / 1000)
}

/// A session, or an API token, that was found and has not ended.
#[derive(Clone)]
pub(crate) struct SignedIn {
    pub(crate) user: User,
    /// What an API token is limited to; none for a session.
    pub(crate) scopes: Option<Vec<Right>>,
    pub(crate) token_sha256: [u8; 32],
    pub(crate) expires_utc_ms: i64,
}

impl SignedIn {
    /// Whether this is allowed: to the role, and to the token where it is one.
    ///
    /// # Errors
    /// `SG-SES-022` the role, `SG-SES-030` the token doesn't include it.
    pub(crate) fn check(&self, right: Right) -> Result<(), Problem> {
        if !self.user.role.may(right) {
            return Err(problem(
                "SG-SES-022",
                &[("name", &self.user.name), ("role", self.user.role.word())],
            ));
        }
        match &self.scopes {
            Some(scopes) if !scopes.contains(&right) => Err(problem("SG-SES-030", &[])),
            _ => Ok(()),
        }
    }
}

/// Whoever asks.
#[derive(Clone)]
pub(crate) struct Visitor {
    pub(crate) session: Option<SignedIn>,
    /// The forms they are served are proved with this.
    pub(crate) form: Token,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    axum::http::HeaderName::from_static(name),
                    HeaderValue::try_from(value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn finds_its_cookie_among_others() {
        let token = Token::random();
        let text = format!(
            "a=b; {SESSION_COOKIE}={}; {FORM_COOKIE}=short",
            token.text()
        );
        let headers = headers(&[("cookie", text)]);
        let (found, credential) = session_token(&headers, true).unwrap();
        assert_eq!(found.sha256(), token.sha256());
        assert_eq!(credential, Credential::Cookie);
        assert!(form_token(&headers).is_none());
    }

    #[test]
    fn a_bearer_token_counts_for_programs_only() {
        let headers = headers(&[(
            "authorization",
            format!("bearer {}", Token::random().text()),
        )]);
        assert_eq!(session_token(&headers, true).unwrap().1, Credential::Bearer);
        assert!(session_token(&headers, false).is_none());
    }

    #[test]
    fn a_proof_fits_its_token_only_and_does_not_show_it() {
        let token = Token::random();
        let proof = token.form_proof();
        assert!(token.proves(&proof));
        assert!(!Token::random().proves(&proof));
        assert!(!token.proves(""));
        assert!(!token.proves(&token.text()));
    }

    #[test]
    fn cookies_stay_with_this_host_and_out_of_scripts() {
        let text = set_session_cookie(&Token::random());
        let text = text.to_str().unwrap();
        for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/;"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("Domain"));
    }
}
