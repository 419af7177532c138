//! One request over the supervisor's socket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_DISPOSITION, HOST};
use hyper_util::rt::TokioIo;
use sealgate_words::Problem;
use tokio::net::UnixStream;

/// A TPM may need a minute for an RSA key, and be asked for two.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longer answers are not the supervisor's.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Vec<u8>,
    disposition: String,
}

/// Why nothing, or a refusal, came back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    /// Nobody listens, or this user may not ask.
    #[error("the supervisor can't be reached at {path}: run this as root on a running box")]
    Connect {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the supervisor did not answer")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("the supervisor did not answer within {} minutes", PATIENCE.as_secs() / 60)]
    TooSlow,
    /// The box says no.
    #[error("{problem}")]
    Refused {
        problem: Box<Problem>,
        /// The answer as it came, where JSON was asked for.
        body: Option<String>,
    },
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> AskError {
    AskError::Broken(error.into())
}

/// Asks one question. With `json` a refusal keeps its bytes.
pub(crate) fn ask(
    socket: &Path,
    method: &str,
    route: &str,
    body: Vec<u8>,
    json: bool,
) -> Result<Answer, AskError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(broken)?;
    runtime.block_on(async {
        tokio::time::timeout(PATIENCE, exchange(socket, method, route, body, json))
            .await
            .unwrap_or(Err(AskError::TooSlow))
    })
}

async fn exchange(
    socket: &Path,
    method: &str,
    route: &str,
    body: Vec<u8>,
    json: bool,
) -> Result<Answer, AskError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(|source| AskError::Connect {
            path: socket.to_owned(),
            source,
        })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let connection = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(route)
        .header(HOST, "localhost")
        .body(Full::new(Bytes::from(body)))
        .map_err(broken)?;
    let response = sender.send_request(request).await.map_err(broken)?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER_BYTES)
        .collect()
        .await
        .map_err(broken)?
        .to_bytes()
        .to_vec();
    connection.abort();
    if !head.status.is_success() {
        let problem = serde_json::from_slice(&body).map_err(broken)?;
        return Err(AskError::Refused {
            problem: Box::new(problem),
            body: json.then(|| String::from_utf8_lossy(&body).into_owned()),
        });
    }
    let disposition = head
        .headers
        .get(CONTENT_DISPOSITION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    Ok(Answer { body, disposition })
}

impl Answer {
    /// The name that the box gives the file; never a path.
    pub(crate) fn file_name(&self) -> String {
        let name = self
            .disposition
            .split_once("filename=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or("", |(name, _)| name);
        let is_plain = !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if is_plain { name } else { "license.req" }.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_never_a_path() {
        for (disposition, expected) in [
            ("attachment; filename=\"NVR-0207.req\"", "NVR-0207.req"),
            ("attachment; filename=\"../x\"", "license.req"),
            ("attachment; filename=\".profile\"", "license.req"),
            ("attachment", "license.req"),
        ] {
            let answer = Answer {
                body: Vec::new(),
                disposition: disposition.to_owned(),
            };
            assert_eq!(answer.file_name(), expected);
        }
    }
}
