//! The body of a page's form.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use axum::response::Response;
use subtle::ConstantTimeEq as _;

use super::pages;
use super::session::SignedIn;
use super::{App, MAX_BODY_BYTES};
use crate::desk::{Actor, DeskError};

/// More fields than any form of ours has.
const MOST_FIELDS: usize = 64;

/// The fields of a form that proved to come from a page of this session. Before sign-in
/// there is no session to prove; then the origin, which the guard checks, has to do.
#[derive(Debug)]
pub(crate) struct Posted(HashMap<String, Bytes>);

impl Posted {
    /// A field as text; empty when it is missing or no text.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0
            .get(name)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Who sends the form; its key, if it has one, names the request.
    pub(crate) fn actor(&self, signed_in: &SignedIn) -> Actor {
        Actor {
            request_key: Some(self.text("key").to_owned()),
            ..signed_in.actor.clone()
        }
    }

    /// A field as it came, for example a file.
    pub(crate) fn bytes(&self, name: &str) -> Bytes {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

impl FromRequest<App> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &App) -> Result<Self, Response> {
        let signed_in = request.extensions().get::<SignedIn>().cloned();
        let refuse = |error: DeskError| pages::problem_page(signed_in.as_ref(), &error);
        let is_multipart = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("multipart/form-data"));
        let fields = if is_multipart {
            read_multipart(request, state).await.map_err(refuse)?
        } else {
            read_plain(request, state).await.map_err(refuse)?
        };
        if let Some(signed_in) = &signed_in {
            let sent = fields.get("csrf").map_or(&[][..], |bytes| bytes);
            if !bool::from(sent.ct_eq(signed_in.csrf.as_bytes())) {
                return Err(refuse(DeskError::StaleForm));
            }
        }
        Ok(Self(fields))
    }
}

fn too_large() -> DeskError {
    DeskError::BodyTooLarge {
        limit_bytes: MAX_BODY_BYTES,
    }
}

fn unreadable(detail: &str) -> DeskError {
    DeskError::Malformed {
        detail: detail.to_owned(),
    }
}

async fn read_multipart(
    request: Request,
    state: &App,
) -> Result<HashMap<String, Bytes>, DeskError> {
    let broken = |error: MultipartError| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => unreadable("the form is broken off"),
    };
    let mut form = Multipart::from_request(request, state)
        .await
        .map_err(|_| unreadable("the form names no boundary"))?;
    let mut fields = HashMap::new();
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if fields.len() >= MOST_FIELDS {
            return Err(unreadable("the form has too many fields"));
        }
        let name = field.name().unwrap_or_default().to_owned();
        fields.insert(name, field.bytes().await.map_err(broken)?);
    }
    Ok(fields)
}

async fn read_plain(request: Request, state: &App) -> Result<HashMap<String, Bytes>, DeskError> {
    let body = Bytes::from_request(request, state)
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => unreadable("the form is broken off"),
        })?;
    Ok(form_pairs(&body)
        .take(MOST_FIELDS)
        .map(|(name, value)| (name, Bytes::from(value.into_bytes())))
        .collect())
}

/// Reads `application/x-www-form-urlencoded` (URL Standard, 5.1).
fn form_pairs(body: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    body.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            (percent_decode(name), percent_decode(value))
        })
}

fn percent_decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = after.get(..2).and_then(|pair| {
                    let mut byte = [0];
                    hex::decode_to_slice(pair, &mut byte).ok()?;
                    Some(byte[0])
                });
                match digits {
                    Some(byte) => {
                        bytes.push(byte);
                        rest = &after[2..];
                    }
                    None => bytes.push(b'%'),
                }
            }
            other => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_forms_as_browsers_write_them() {
        let pairs: Vec<_> = form_pairs(b"a=1&b=x+y%2Fz&c&&d=100%&e=%zz&f=%C3%A4").collect();
        let expected = [
            ("a", "1"),
            ("b", "x y/z"),
            ("c", ""),
            ("d", "100%"),
            ("e", "%zz"),
            ("f", "ä"),
        ];
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(pairs, expected);
    }
}
