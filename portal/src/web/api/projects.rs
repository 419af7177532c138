//! Projects and servers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ProblemSchema;
use super::accounts::instant;
use super::body::{Body, Id};
use super::paging::{Listed, PagingQuery};
use crate::desk::NewServer as Wanted;
use crate::rules::Counts;
use crate::store::lists::{ProjectRow, ServerKind, ServerRow};
use crate::store::{DistributorId, Project, ProjectId, Server, ServerId};
use crate::web::App;
use crate::web::problem::ApiProblem;
use crate::web::session::SignedIn;

/// A project.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProjectBody {
    id: ProjectId,
    distributor_id: DistributorId,
    name: String,
    description: String,
    /// `Ungroup`, which was there from the start.
    built_in: bool,
    /// RFC 3339.
    created_at: String,
    servers: u64,
    /// What its servers' boxes are charged, in sum.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
}

impl ProjectBody {
    fn new(project: Project, servers: u64, charged: Counts) -> Self {
        Self {
            id: project.id,
            distributor_id: project.distributor,
            name: project.name,
            description: project.description,
            built_in: project.built_in,
            created_at: instant(project.created_utc_s),
            servers,
            charged,
        }
    }
}

/// The projects you may see, a page at a time: the header Link leads to the next one.
#[utoipa::path(
    get, path = "/api/v1/projects", params(PagingQuery),
    responses((status = 200, body = Vec<ProjectBody>), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn projects(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    query: PagingQuery,
) -> Result<Response, ApiProblem> {
    let page = app
        .desk(move |desk| desk.projects(&signed_in.actor, false, &query.into()))
        .await?;
    let body = |row: ProjectRow| ProjectBody::new(row.project, row.servers, row.charged);
    Ok(Listed::new("/api/v1/projects", page, body).into_response())
}

/// A project to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewProject {
    name: String,
    #[serde(default)]
    description: String,
    /// For vendor staff, who have to name one.
    distributor_id: Option<DistributorId>,
}

/// Adds a project.
#[utoipa::path(
    post, path = "/api/v1/projects", request_body = NewProject,
    responses(
        (status = 201, body = ProjectBody), (status = 409, body = ProblemSchema),
        (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_project(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Body(new): Body<NewProject>,
) -> Result<Response, ApiProblem> {
    let project = app
        .desk(move |desk| {
            let actor = &signed_in.actor;
            desk.add_project(actor, new.distributor_id, &new.name, &new.description)
        })
        .await?;
    let body = ProjectBody::new(project, 0, Counts::none());
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// A server: a station as its project calls it.
#[derive(Serialize, ToSchema)]
pub(crate) struct ServerBody {
    id: ServerId,
    project_id: ProjectId,
    name: String,
    description: String,
    /// RFC 3339.
    created_at: String,
    /// When its newest license was made, or it was added; RFC 3339.
    modified_at: String,
    /// What it is licensed by.
    kind: ServerKind,
    /// The box's serial number, once it has a license.
    serial: Option<String>,
    /// What its newest license gives.
    #[schema(value_type = BTreeMap<String, u32>)]
    licensed: Counts,
    /// What is charged for it.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
    /// What was given back and waits for the box's proof.
    #[schema(value_type = BTreeMap<String, u32>)]
    waiting_for_return: Counts,
}

impl From<ServerRow> for ServerBody {
    fn from(row: ServerRow) -> Self {
        Self {
            licensed: row.summary.licensed,
            charged: row.summary.charged,
            waiting_for_return: row.summary.waiting,
            serial: row.summary.serial,
            kind: row.summary.binding.unwrap_or(row.intended),
            modified_at: instant(row.modified_utc_s),
            ..Self::new(row.server, row.intended)
        }
    }
}

impl ServerBody {
    fn new(server: Server, kind: ServerKind) -> Self {
        Self {
            id: server.id,
            project_id: server.project,
            name: server.name,
            description: server.description,
            created_at: instant(server.created_utc_s),
            modified_at: instant(server.created_utc_s),
            kind,
            serial: None,
            licensed: Counts::none(),
            charged: Counts::none(),
            waiting_for_return: Counts::none(),
        }
    }
}

/// A project's servers, a page at a time: the header Link leads to the next one.
#[utoipa::path(
    get, path = "/api/v1/projects/{id}/servers", params(("id" = String, Path), PagingQuery),
    responses((status = 200, body = Vec<ServerBody>), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn servers(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<ProjectId>,
    query: PagingQuery,
) -> Result<Response, ApiProblem> {
    let find = query.find.clone().unwrap_or_default();
    let (_, page) = app
        .desk(move |desk| desk.servers(&signed_in.actor, id, &find, &query.into()))
        .await?;
    let path = format!("/api/v1/projects/{id}/servers");
    Ok(Listed::new(&path, page, ServerBody::from).into_response())
}

/// A server to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewServer {
    name: String,
    #[serde(default)]
    description: String,
    /// What it is to be licensed by; `software` when left out.
    #[serde(default)]
    kind: ServerKind,
}

/// Adds a server to a project.
#[utoipa::path(
    post, path = "/api/v1/projects/{id}/servers", params(("id" = String, Path)),
    request_body = NewServer,
    responses(
        (status = 201, body = ServerBody), (status = 404, body = ProblemSchema),
        (status = 409, body = ProblemSchema), (status = 422, body = ProblemSchema),
    )
)]
pub(crate) async fn add_server(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<ProjectId>,
    Body(new): Body<NewServer>,
) -> Result<Response, ApiProblem> {
    let new_kind = new.kind;
    let server = app
        .desk(move |desk| {
            let wanted = Wanted {
                name: &new.name,
                description: &new.description,
                kind: new.kind,
            };
            desk.add_server(&signed_in.actor, id, &wanted)
        })
        .await?;
    let body = ServerBody::new(server, new_kind);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

/// One server.
#[utoipa::path(
    get, path = "/api/v1/servers/{id}", params(("id" = String, Path)),
    responses((status = 200, body = ServerBody), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn server(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<ServerId>,
) -> Result<Json<ServerBody>, ApiProblem> {
    let (view, _) = app
        .desk(move |desk| desk.server(&signed_in.actor, id))
        .await?;
    Ok(Json(ServerBody::from(view)))
}
