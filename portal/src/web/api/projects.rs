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
use crate::desk::{ProjectView, ServerView};
use crate::rules::Counts;
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
    servers: usize,
    /// What its servers' boxes are charged, in sum.
    #[schema(value_type = BTreeMap<String, u32>)]
    charged: Counts,
}

impl ProjectBody {
    fn new(project: Project, servers: usize, charged: Counts) -> Self {
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

/// The projects you may see.
#[utoipa::path(
    get, path = "/api/v1/projects",
    responses((status = 200, body = Vec<ProjectBody>), (status = 401, body = ProblemSchema))
)]
pub(crate) async fn projects(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
) -> Result<Json<Vec<ProjectBody>>, ApiProblem> {
    let views = app
        .desk(move |desk| desk.projects(&signed_in.actor))
        .await?;
    let body = |view: ProjectView| ProjectBody::new(view.project, view.servers, view.charged);
    Ok(Json(views.into_iter().map(body).collect()))
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

impl From<ServerView> for ServerBody {
    fn from(view: ServerView) -> Self {
        Self {
            licensed: view.licensed,
            charged: view.charged,
            waiting_for_return: view.waiting_for_return,
            serial: view.serial,
            ..Self::from(view.server)
        }
    }
}

impl From<Server> for ServerBody {
    fn from(server: Server) -> Self {
        Self {
            id: server.id,
            project_id: server.project,
            name: server.name,
            description: server.description,
            created_at: instant(server.created_utc_s),
            serial: None,
            licensed: Counts::none(),
            charged: Counts::none(),
            waiting_for_return: Counts::none(),
        }
    }
}

/// A project's servers.
#[utoipa::path(
    get, path = "/api/v1/projects/{id}/servers", params(("id" = String, Path)),
    responses((status = 200, body = Vec<ServerBody>), (status = 404, body = ProblemSchema))
)]
pub(crate) async fn servers(
    State(app): State<App>,
    Extension(signed_in): Extension<SignedIn>,
    Id(id): Id<ProjectId>,
) -> Result<Json<Vec<ServerBody>>, ApiProblem> {
    let views = app
        .desk(move |desk| desk.servers(&signed_in.actor, id))
        .await?;
    Ok(Json(views.into_iter().map(ServerBody::from).collect()))
}

/// A server to be made.
#[derive(Deserialize, ToSchema)]
pub(crate) struct NewServer {
    name: String,
    #[serde(default)]
    description: String,
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
    let server = app
        .desk(move |desk| desk.add_server(&signed_in.actor, id, &new.name, &new.description))
        .await?;
    Ok((StatusCode::CREATED, Json(ServerBody::from(server))).into_response())
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
