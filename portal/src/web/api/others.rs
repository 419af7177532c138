//! Licenses for dongles and lists of cameras.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::body::{Body, Id};
use crate::desk::{DeskError, DongleOrder, MacOrder, OtherIssuance, parse_dongle_key};
use crate::rules::{Counts, Term};
use crate::store::{DistributorId, FileId, ServerId};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::SignedIn;

/// What a distributor may.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Permissions {
    /// Whether it can use MAC licenses.
    mac: bool,
}

/// Says what a distributor may. Vendor staff only.
#[utoipa::path(
    put, path = "/api/v1/distributors/{id}/permissions", params(("id" = String, Path)),
    request_body = Permissions,
    responses(
        (status = 204), (status = 403, body = ProblemSchema), (status = 404, body = ProblemSchema),
    )
)]
pub(crate) async fn permit(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<DistributorId>,
    Body(permissions): Body<Permissions>,
) -> Result<StatusCode, ApiProblem> {
    app.desk(move |desk| desk.set_may_list_macs(&signed_in.actor, id, permissions.mac))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// When a license ends.
#[derive(Deserialize, ToSchema)]
pub(crate) struct End {
    /// Its last instant, RFC 3339; never, if it is left out.
    valid_until: Option<String>,
    /// It bridges a conversion from one kind of license to another.
    #[serde(default)]
    overlap: bool,
}

impl End {
    fn term(&self) -> Result<Term, DeskError> {
        let Some(text) = &self.valid_until else {
            return if self.overlap {
                Err(DeskError::Malformed {
                    detail: "an overlap has to end".to_owned(),
                })
            } else {
                Ok(Term::Perpetual)
            };
        };
        let ends: Timestamp = text.parse().map_err(|_| DeskError::Malformed {
            detail: "valid_until is no RFC 3339 instant".to_owned(),
        })?;
        let ends_utc_s = ends.as_second();
        Ok(if self.overlap {
            Term::Overlap { ends_utc_s }
        } else {
            Term::Dated { ends_utc_s }
        })
    }
}

/// A license that lists cameras.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewMacLicense {
    /// One MAC address a row: 12 hexadecimal digits.
    list: String,
    /// What it gives beside the list, for example channels for any camera.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, u32>)]
    entitlements: Counts,
    #[serde(flatten)]
    end: End,
}

/// A license for a dongle.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewDongleLicense {
    /// As it is printed on the dongle.
    serial: String,
    /// How many of each kind the license gives in all.
    #[schema(value_type = BTreeMap<String, u32>)]
    entitlements: Counts,
    #[serde(flatten)]
    end: End,
}

/// A license file.
#[derive(Serialize, ToSchema)]
pub(crate) struct OtherLicenseBody {
    /// Names the license, the same through all revisions.
    license_id: String,
    /// Counts the files of the license.
    revision: u32,
    /// What to call the file on disk.
    file_name: String,
    /// The license file.
    file: String,
    /// It is one that was made before.
    again: bool,
    /// What the license is charged.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
}

fn answer(issuance: OtherIssuance) -> Response {
    let OtherIssuance {
        license_id,
        file,
        charged,
        again,
    } = issuance;
    let status = if again {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let body = OtherLicenseBody {
        file_name: format!("{license_id}-{}.lic", file.revision),
        license_id,
        revision: file.revision,
        file: file.text,
        again,
        charged,
    };
    (status, Json(body)).into_response()
}

/// Makes a license that lists cameras.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/mac-licenses", params(("id" = String, Path)),
    request_body = NewMacLicense,
    responses(
        (status = 201, description = "A new license", body = OtherLicenseBody),
        (status = 200, description = "A file made before", body = OtherLicenseBody),
        (status = 403, body = ProblemSchema), (status = 404, body = ProblemSchema),
        (status = 409, body = ProblemSchema), (status = 422, body = ProblemSchema),
        (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn issue_mac(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(server): Id<ServerId>,
    Body(new): Body<NewMacLicense>,
) -> Result<Response, ApiProblem> {
    let term = new.end.term()?;
    let issuance = app
        .desk(move |desk| {
            let order = MacOrder {
                server,
                list: &new.list,
                counts: new.entitlements,
                term,
            };
            desk.issue_mac(&signed_in.actor, &order)
        })
        .await?;
    Ok(answer(issuance))
}

/// Another list for a license.
#[derive(Deserialize, ToSchema)]
pub(crate) struct MacList {
    /// One MAC address a row: 12 hexadecimal digits.
    list: String,
}

/// Makes the next file of a license that lists cameras, for example after a camera was
/// replaced. `{id}` names any file of the license. Vendor staff only.
#[utoipa::path(
    post, path = "/api/v1/licenses/{id}/mac-list", params(("id" = String, Path)),
    request_body = MacList,
    responses(
        (status = 201, description = "The next file", body = OtherLicenseBody),
        (status = 403, body = ProblemSchema), (status = 404, body = ProblemSchema),
        (status = 409, body = ProblemSchema), (status = 422, body = ProblemSchema),
        (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn reissue_mac(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(file): Id<FileId>,
    Body(new): Body<MacList>,
) -> Result<Response, ApiProblem> {
    let number = (file.0.split('-').nth(1))
        .and_then(|number| number.parse().ok())
        .ok_or(DeskError::NotFound { what: "license" })?;
    let issuance = app
        .desk(move |desk| desk.reissue_mac(&signed_in.actor, number, &new.list))
        .await?;
    Ok(answer(issuance))
}

/// An address that licenses of two distributors list.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContestedMac {
    /// The address.
    mac: String,
    /// A license that lists it.
    license_id: String,
    /// Whose.
    distributor: DistributorId,
    /// It was listed elsewhere when this license was issued.
    later: bool,
}

/// Addresses that licenses of two distributors list. Vendor staff only.
#[utoipa::path(
    get, path = "/api/v1/contested-macs",
    responses((status = 200, body = Vec<ContestedMac>), (status = 403, body = ProblemSchema))
)]
pub(crate) async fn contested_macs(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Vec<ContestedMac>>, ApiProblem> {
    let claims = app
        .desk(move |desk| desk.contested_macs(&signed_in.actor))
        .await?;
    let bodies = claims.into_iter().map(|claim| ContestedMac {
        mac: claim.mac.to_string(),
        license_id: format!("L-{}", claim.license_number),
        distributor: claim.distributor,
        later: claim.contested,
    });
    Ok(Json(bodies.collect()))
}

/// A dongle to be registered.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewDongle {
    /// For whom.
    distributor: DistributorId,
    /// As it is printed on the dongle.
    serial: String,
    /// Of its slot 9E: 65 bytes (SEC 1, uncompressed) in hexadecimal.
    public_key: String,
}

/// Registers a dongle. Vendor staff only.
#[utoipa::path(
    post, path = "/api/v1/dongles", request_body = NewDongle,
    responses(
        (status = 204), (status = 403, body = ProblemSchema), (status = 404, body = ProblemSchema),
        (status = 409, body = ProblemSchema), (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_dongle(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(new): Body<NewDongle>,
) -> Result<StatusCode, ApiProblem> {
    let key = parse_dongle_key(&new.public_key)?;
    app.desk(move |desk| desk.add_dongle(&signed_in.actor, new.distributor, &new.serial, key))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The new key of a dongle.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewKey {
    /// Of its slot 9E: 65 bytes (SEC 1, uncompressed) in hexadecimal.
    public_key: String,
}

/// What a check-in credits, by kind.
#[derive(Serialize, ToSchema)]
pub(crate) struct Credited {
    /// What the old key's license was charged.
    #[schema(value_type = BTreeMap<String, u32>)]
    credited: Counts,
}

/// A dongle is at the vendor's and has a new key; `{id}` is its serial number. Vendor
/// staff only.
#[utoipa::path(
    post, path = "/api/v1/dongles/{id}/check-in", params(("id" = String, Path)),
    request_body = NewKey,
    responses(
        (status = 200, body = Credited), (status = 403, body = ProblemSchema),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema), (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn check_dongle_in(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(serial): Id<String>,
    Body(new): Body<NewKey>,
) -> Result<Json<Credited>, ApiProblem> {
    let key = parse_dongle_key(&new.public_key)?;
    let credited = app
        .desk(move |desk| desk.check_dongle_in(&signed_in.actor, &serial, key))
        .await?;
    Ok(Json(Credited { credited }))
}

/// Makes a license for a dongle.
#[utoipa::path(
    post, path = "/api/v1/servers/{id}/dongle-licenses", params(("id" = String, Path)),
    request_body = NewDongleLicense,
    responses(
        (status = 201, description = "A new license", body = OtherLicenseBody),
        (status = 200, description = "A file made before", body = OtherLicenseBody),
        (status = 404, body = ProblemSchema), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema), (status = 503, body = ProblemSchema),
    )
)]
pub(crate) async fn issue_dongle(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(server): Id<ServerId>,
    Body(new): Body<NewDongleLicense>,
) -> Result<Response, ApiProblem> {
    let term = new.end.term()?;
    let issuance = app
        .desk(move |desk| {
            let order = DongleOrder {
                server,
                serial: &new.serial,
                counts: new.entitlements,
                term,
            };
            desk.issue_dongle(&signed_in.actor, &order)
        })
        .await?;
    Ok(answer(issuance))
}
