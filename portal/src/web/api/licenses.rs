//! Licenses: issue, list, download.

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::accounts::instant;
use super::body::{Body, Id};
use crate::desk::{DeskError, HandedOut, Issuance, Order};
use crate::rules::{Ask, Counts, Term};
use crate::store::{FileId, LicenseFile, ServerId};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::SignedIn;

/// What a license file is served as.
const LICENSE_MEDIA_TYPE: &str = "application/vnd.sealgate.license.v1+json";

/// A request for a license. Either `entitlements` or `reissue`.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewLicense {
    /// The box's request file, as text.
    request: String,
    /// How many of each kind the license gives in all, for example `{"camera": 4}`.
    #[schema(value_type = Option<BTreeMap<String, u32>>)]
    entitlements: Option<Counts>,
    /// Why it ends, for a license that does: `trial`, `dated` or `overlap`.
    term: Option<TermKind>,
    /// Its last second, RFC 3339; together with `term`.
    ends_at: Option<String>,
    /// Repeat the license that the box had: its disk was lost or its TPM cleared.
    #[serde(default)]
    reissue: bool,
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// Why a license ends.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TermKind {
    /// To try something; not charged.
    Trial,
    /// Sold for a time.
    Dated,
    /// Bridges a conversion. Vendor staff only.
    Overlap,
}

/// What is asked for.
fn ask_for(
    counts: Counts,
    term: Option<TermKind>,
    ends_at: Option<&str>,
) -> Result<Ask, DeskError> {
    let malformed = |detail: &str| DeskError::Malformed {
        detail: detail.to_owned(),
    };
    let (kind, ends) = match (term, ends_at) {
        (None, None) => return Ok(Ask::Issue(counts)),
        (Some(kind), Some(ends)) => (kind, ends),
        _ => {
            return Err(malformed(
                "it has to name both term and ends_at, or neither",
            ));
        }
    };
    let ends_utc_s = (ends.parse::<Timestamp>())
        .map_err(|_| malformed("ends_at is no date and time as in RFC 3339"))?
        .as_second();
    let term = match kind {
        TermKind::Trial => Term::Trial { ends_utc_s },
        TermKind::Dated => Term::Dated { ends_utc_s },
        TermKind::Overlap => Term::Overlap { ends_utc_s },
    };
    Ok(Ask::IssueFor(counts, term))
}

/// The same switch in the address.
#[derive(Deserialize)]
pub(crate) struct DryRun {
    /// Only say what would change.
    #[serde(default)]
    dry_run: bool,
}

/// What came of a request, or would come of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct IssuanceBody {
    /// Names the file; none for a dry run that would make a new one.
    id: Option<FileId>,
    /// Names the license, the same through all revisions.
    license_id: Option<String>,
    /// Counts the files of the license.
    revision: Option<u32>,
    /// What to call the file on disk.
    file_name: Option<String>,
    /// The license file.
    file: Option<String>,
    /// It is one that was made before.
    again: bool,
    /// The serial number in the request.
    serial: String,
    /// What the server's newest license gave.
    #[schema(value_type = BTreeMap<String, u32>)]
    current: Counts,
    /// What this one gives.
    #[schema(value_type = BTreeMap<String, u32>)]
    after: Counts,
    /// What the box is charged then.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
    /// What then waits for the box's proof before it is credited.
    #[schema(value_type = BTreeMap<String, u32>)]
    waiting_for_return: Counts,
}

impl From<Issuance> for IssuanceBody {
    fn from(issuance: Issuance) -> Self {
        let file = issuance.file;
        Self {
            id: file.as_ref().map(|file| file.id.clone()),
            license_id: issuance.license_id,
            revision: file.as_ref().map(|file| file.revision),
            file_name: file.as_ref().map(file_name),
            file: file.map(|file| file.text),
            again: issuance.again,
            serial: issuance.serial,
            current: issuance.current,
            after: issuance.after,
            charged: issuance.charged,
            waiting_for_return: issuance.waiting_for_return,
        }
    }
}

/// What a license file is called on disk.
fn file_name(file: &LicenseFile) -> String {
    format!("{}.lic", file.id)
}

/// Makes the license for a request, or hands out the one that answers it already.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/licenses", params(
        ("id" = String, Path),
        ("dry_run" = Option<bool>, Query, description = "Only say what would change"),
    ),
    request_body = NewLicense,
    responses(
        (status = 201, description = "A new license", body = IssuanceBody),
        (status = 200, description = "A dry run, or a file made before", body = IssuanceBody),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 413, body = ProblemSchema), (status = 422, body = ProblemSchema),
        (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn issue(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(server): Id<ServerId>,
    query: Result<Query<DryRun>, axum::extract::rejection::QueryRejection>,
    Body(new): Body<NewLicense>,
) -> Result<Response, ApiProblem> {
    let malformed = |detail: &str| DeskError::Malformed {
        detail: detail.to_owned(),
    };
    let Query(query) = query.map_err(|_| malformed("dry_run is either true or false"))?;
    let ask = match (new.entitlements, new.reissue) {
        (Some(counts), false) => ask_for(counts, new.term, new.ends_at.as_deref())?,
        (None, true) if new.term.is_none() && new.ends_at.is_none() => Ask::Reissue,
        _ => return Err(malformed("it has to name either entitlements or reissue").into()),
    };
    let dry_run = new.dry_run || query.dry_run;
    let issuance = app
        .desk(move |desk| {
            let order = Order {
                server,
                request: new.request.as_bytes(),
                ask,
                dry_run,
            };
            desk.issue(&signed_in.actor, &order)
        })
        .await?;
    let status = if dry_run || issuance.again {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(IssuanceBody::from(issuance))).into_response())
}

/// A license file in a list.
#[derive(Serialize, ToSchema)]
pub(crate) struct LicenseBody {
    /// Names the file.
    id: FileId,
    license_id: String,
    revision: u32,
    #[schema(value_type = BTreeMap<String, u32>)]
    entitlements: Counts,
    /// RFC 3339.
    issued_at: String,
    /// Its last second, RFC 3339; none for a perpetual one.
    ends_at: Option<String>,
    /// The TPM counter it was made for.
    from: u64,
    /// The TPM counter it is in use at.
    to: u64,
}

/// A server's licenses, newest first.
#[utoipa::path(
    get, path = "/api/v1/servers/{id}/licenses", params(("id" = String, Path)),
    responses((status = 200, body = Vec<LicenseBody>), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn licenses(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(server): Id<ServerId>,
) -> Result<Json<Vec<LicenseBody>>, ApiProblem> {
    let licenses = app
        .desk(move |desk| desk.licenses(&signed_in.actor, server))
        .await?;
    let bodies = (licenses.files.into_iter()).map(|(license_id, file)| LicenseBody {
        id: file.id,
        license_id,
        revision: file.revision,
        entitlements: file.counts,
        issued_at: instant(file.issued_utc_s),
        ends_at: file.term.ends_utc_s().map(instant),
        from: file.from,
        to: file.to,
    });
    Ok(Json(bodies.collect()))
}

/// A license file.
#[utoipa::path(
    get, path = "/api/v1/licenses/{id}/file", params(("id" = String, Path)),
    responses(
        (status = 200, content_type = "application/vnd.sealgate.license.v1+json", body = String),
        (status = 404, body = ProblemSchema),
    )
)]
pub(crate) async fn file(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<FileId>,
) -> Result<Response, ApiProblem> {
    let file = app
        .desk(move |desk| desk.license_file(&signed_in.actor, &id))
        .await?;
    Ok(download(file))
}

/// A license file as something to save.
pub(crate) fn download(file: HandedOut) -> Response {
    let disposition = format!("attachment; filename=\"{}.lic\"", file.id);
    let mut response = file.text.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(LICENSE_MEDIA_TYPE),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_str(&disposition).expect("file ids are letters, digits and '-'"),
    );
    response
}
