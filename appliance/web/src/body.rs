//! Bodies of requests: bounded in size and in time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use futures::StreamExt;
use sealgate_license::dsse::MAX_DOCUMENT_BYTES;
use sealgate_words::Problem;
use serde::de::DeserializeOwned;

use crate::errors::{problem, unreadable};

/// For everything but files.
pub(crate) const SMALL_BYTES: usize = 16 * 1024;

/// A list of cameras.
pub(crate) const MAX_LIST_BYTES: usize = 1024 * 1024;

/// What a form adds around a file.
const FORM_BYTES: usize = 64 * 1024;

/// A client that sends too much is read so far and then answered: closing the connection
/// while it still sends would lose the answer.
const DRAIN_BYTES: usize = 16 * 1024 * 1024;

/// For the whole body.
const TIME: Duration = Duration::from_secs(60);

/// For a body that nobody looks at.
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Why a body was not read to its end.
enum Unread {
    TooLarge,
    Broken,
}

async fn read(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, Unread> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > DRAIN_BYTES) {
        return Err(Unread::TooLarge);
    }
    let reading = async {
        let mut stream = body.into_data_stream();
        let mut kept = Vec::new();
        let mut seen = 0_usize;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Unread::Broken)?;
            seen += chunk.len();
            if seen <= limit {
                kept.extend_from_slice(&chunk);
            } else {
                kept = Vec::new();
                if seen > DRAIN_BYTES {
                    break;
                }
            }
        }
        if seen > limit {
            Err(Unread::TooLarge)
        } else {
            Ok(kept.into())
        }
    };
    tokio::time::timeout(TIME, reading)
        .await
        .unwrap_or(Err(Unread::Broken))
}

/// Reads what a refused request still sends, for a short while: many clients lose an answer
/// that comes before they have sent everything.
pub(crate) async fn discard(headers: &HeaderMap, body: Body) {
    let _ = tokio::time::timeout(DISCARD_TIME, read(headers, body, 0)).await;
}

fn broken() -> Problem {
    unreadable("its body did not come whole, or took too long")
}

/// A body of at most `limit` bytes.
pub(crate) async fn bytes(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    read(&head.headers, body, limit)
        .await
        .map_err(|unread| match unread {
            Unread::TooLarge => problem("SG-API-004", &[("limit", &size_words(limit))]),
            Unread::Broken => broken(),
        })
}

/// A license file as the whole body.
pub(crate) async fn document(request: Request) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    read(&head.headers, body, MAX_DOCUMENT_BYTES)
        .await
        .map_err(|unread| match unread {
            Unread::TooLarge => problem("SG-DOC-003", &[]),
            Unread::Broken => broken(),
        })
}

/// A list of cameras as the whole body.
pub(crate) async fn list(request: Request) -> Result<Bytes, Problem> {
    let (head, body) = request.into_parts();
    read(&head.headers, body, MAX_LIST_BYTES)
        .await
        .map_err(|unread| match unread {
            Unread::TooLarge => problem("SG-CAM-039", &[]),
            Unread::Broken => broken(),
        })
}

/// JSON, if there is a body at all.
pub(crate) async fn json<T: DeserializeOwned>(request: Request) -> Result<Option<T>, Problem> {
    let is_json = request
        .headers()
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let essence = value.split(';').next().unwrap_or_default();
            essence.trim().eq_ignore_ascii_case("application/json")
        });
    let bytes = bytes(request, SMALL_BYTES).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if !is_json {
        // Without this a form on another site could send it from the owner's browser.
        return Err(unreadable("its body is not marked as application/json"));
    }
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| unreadable(&format!("its JSON does not fit: {error}")))
}

/// The same, where there has to be one.
pub(crate) async fn required_json<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    json(request)
        .await?
        .ok_or_else(|| unreadable("it has no body"))
}

/// Fields of a form, and the file in it if it carries one.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) csrf: String,
    pub(crate) file: Bytes,
    /// What was pasted instead of a file.
    pub(crate) text: String,
}

/// A form with one file of at most 1 MiB.
pub(crate) async fn upload(request: Request) -> Result<Upload, Problem> {
    let (head, body) = request.into_parts();
    let bytes = read(&head.headers, body, MAX_DOCUMENT_BYTES + FORM_BYTES)
        .await
        .map_err(|unread| match unread {
            Unread::TooLarge => problem("SG-DOC-003", &[]),
            Unread::Broken => broken(),
        })?;
    let mut again = Request::new(Body::from(bytes));
    let kind = head.headers.get(CONTENT_TYPE).cloned();
    again
        .headers_mut()
        .insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("")));
    let unfit =
        |error: &dyn std::fmt::Display| unreadable(&format!("its form does not fit: {error}"));
    let mut form = Multipart::from_request(again, &())
        .await
        .map_err(|error| unfit(&error))?;
    let mut upload = Upload::default();
    while let Some(field) = form.next_field().await.map_err(|error| unfit(&error))? {
        match field.name() {
            Some("csrf") => upload.csrf = field.text().await.map_err(|error| unfit(&error))?,
            Some("text") => upload.text = field.text().await.map_err(|error| unfit(&error))?,
            Some("file") => upload.file = field.bytes().await.map_err(|error| unfit(&error))?,
            _ => {}
        }
    }
    if upload.file.len() > MAX_DOCUMENT_BYTES {
        return Err(problem("SG-DOC-003", &[]));
    }
    Ok(upload)
}

fn size_words(bytes: usize) -> String {
    if bytes >= 1024 * 1024 {
        format!("{} MiB", bytes / (1024 * 1024))
    } else {
        format!("{} KiB", bytes / 1024)
    }
}
