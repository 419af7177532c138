//! Files for the browser to keep.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::rooms::FileDownload;

/// An answer that browsers save under the file's name.
pub(crate) fn download(file: FileDownload) -> Response {
    let name = plain_name(&file.file_name);
    let headers = [
        (CONTENT_TYPE, file.content_type.to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}\""),
        ),
    ];
    (headers, file.bytes).into_response()
}

/// A file name that can't leave the quotes of a header.
pub(crate) fn plain_name(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' => letter,
            _ => '_',
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        let response = download(FileDownload {
            file_name: "NVR \"1\"\r\n../x.req".into(),
            content_type: "application/json",
            bytes: "{}".into(),
        });
        assert_eq!(
            response.headers()[CONTENT_DISPOSITION],
            "attachment; filename=\"NVR__1___.._x.req\""
        );
    }
}
