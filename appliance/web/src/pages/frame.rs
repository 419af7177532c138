//! The frame of the box's pages, and the forms that come from them.

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use sealgate_pages::{Account, Asset, Icon, Layout, Markup, NavItem, error_page};
use sealgate_words::Problem;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::body;
use crate::errors::{add_headers, problem, status, unreadable};
use crate::rooms::Right;
use crate::session::{SignedIn, Visitor};

const PRODUCT: &str = "Sealgate";

/// With what it takes to see the page behind an entry.
const NAV: &[(Right, NavItem)] = &[
    (
        Right::See,
        NavItem {
            href: "/",
            label: "Home",
            icon: Icon::Home,
        },
    ),
    (
        Right::Watch,
        NavItem {
            href: "/live",
            label: "Live",
            icon: Icon::Play,
        },
    ),
    (
        Right::See,
        NavItem {
            href: "/cameras",
            label: "Cameras",
            icon: Icon::Camera,
        },
    ),
    (
        Right::See,
        NavItem {
            href: "/license",
            label: "License",
            icon: Icon::License,
        },
    ),
    (
        Right::Manage,
        NavItem {
            href: "/users",
            label: "Users",
            icon: Icon::Person,
        },
    ),
    (
        Right::Manage,
        NavItem {
            href: "/updates",
            label: "Updates",
            icon: Icon::Upload,
        },
    ),
];

/// What a handler needs to answer with a page.
pub(crate) struct Page {
    pub(crate) app: App,
    visitor: Option<Visitor>,
    nav: Vec<NavItem>,
    footer: String,
}

/// One page, without its frame.
pub(crate) struct View<'a> {
    pub(crate) title: &'a str,
    /// The navigation's entry it belongs to.
    pub(crate) current: &'a str,
    pub(crate) narrow: bool,
    pub(crate) refresh_s: Option<u32>,
    pub(crate) scripts: &'a [&'a Asset],
    pub(crate) lead: Option<Markup>,
    pub(crate) body: Markup,
}

impl Default for View<'_> {
    fn default() -> Self {
        Self {
            title: "",
            current: "",
            narrow: false,
            refresh_s: None,
            scripts: &[],
            lead: None,
            body: sealgate_pages::html! {},
        }
    }
}

/// A page that says no.
pub(crate) struct Refusal(Box<Response>);

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// The result of every handler here.
pub(crate) type PageResult = Result<Response, Refusal>;

impl Page {
    pub(crate) fn new(app: &App, visitor: Option<Visitor>) -> Self {
        let identity = &app.rooms.identity;
        // Serial and firmware are nobody's business before sign-in.
        let footer = match &visitor {
            Some(Visitor {
                session: Some(_), ..
            }) => format!(
                "{} · serial {} · firmware {}",
                identity.model, identity.serial, identity.firmware
            ),
            _ => identity.model.clone(),
        };
        let session = visitor
            .as_ref()
            .and_then(|visitor| visitor.session.as_ref());
        let nav = NAV
            .iter()
            .filter(|(right, _)| session.is_some_and(|session| session.check(*right).is_ok()))
            .map(|(_, item)| *item)
            .collect();
        Self {
            app: app.clone(),
            visitor,
            nav,
            footer,
        }
    }

    /// Whether whoever asks may do this; what they may not isn't offered.
    pub(crate) fn may(&self, right: Right) -> bool {
        self.session()
            .is_some_and(|session| session.check(right).is_ok())
    }

    pub(crate) fn session(&self) -> Option<&SignedIn> {
        self.visitor
            .as_ref()
            .and_then(|visitor| visitor.session.as_ref())
    }

    /// The session of a page that is for those who are signed in.
    pub(crate) fn signed_in(&self) -> Result<&SignedIn, Refusal> {
        self.session()
            .ok_or_else(|| self.problem(&problem("SG-SES-004", &[])).into())
    }

    /// For answers where nobody asked who is asking.
    pub(crate) fn anonymous(app: &App) -> Self {
        Self::new(app, None)
    }

    /// The proof for forms on this page.
    pub(crate) fn csrf(&self) -> String {
        self.visitor
            .as_ref()
            .map(|visitor| visitor.form.form_proof())
            .unwrap_or_default()
    }

    pub(crate) fn visitor(&self) -> Option<&Visitor> {
        self.visitor.as_ref()
    }

    pub(crate) fn show(&self, view: View<'_>) -> Response {
        self.show_with(StatusCode::OK, view)
    }

    pub(crate) fn show_with(&self, status: StatusCode, view: View<'_>) -> Response {
        let csrf = self.csrf();
        let layout = self.layout(&view, &csrf);
        let mut response = (status, layout.render(view.lead, view.body)).into_response();
        add_headers(&mut response, status);
        response
    }

    /// A page that only says what is wrong.
    pub(crate) fn problem(&self, problem: &Problem) -> Response {
        let status = status(&problem.code);
        let view = View {
            title: "This didn't work",
            narrow: true,
            ..View::default()
        };
        let csrf = self.csrf();
        let layout = self.layout(&view, &csrf);
        let page = error_page(&layout, problem, "/", "Back to the home page");
        let mut response = (status, page).into_response();
        add_headers(&mut response, status);
        response
    }

    fn layout<'a>(&'a self, view: &View<'a>, csrf: &'a str) -> Layout<'a> {
        Layout {
            title: view.title,
            product: PRODUCT,
            place: &self.app.rooms.identity.name,
            nav: &self.nav,
            current: view.current,
            account: self.session().map(|session| Account {
                name: &session.user.name,
                href: "/account",
                sign_out: "/sign-out",
                csrf,
            }),
            scripts: view.scripts,
            narrow: view.narrow,
            refresh_s: view.refresh_s,
            footer: &self.footer,
        }
    }

    /// Whether a form was served to whoever sends it.
    pub(crate) fn check(&self, proof: &str) -> Result<(), Problem> {
        let proved = self
            .visitor
            .as_ref()
            .is_some_and(|visitor| visitor.form.proves(proof));
        if proved {
            Ok(())
        } else {
            Err(problem("SG-SES-007", &[]))
        }
    }
}

impl FromRequestParts<App> for Page {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Self::Rejection> {
        Ok(Self::new(app, parts.extensions.get().cloned()))
    }
}

/// A form that one of our pages sends.
pub(crate) trait PostedForm: DeserializeOwned {
    /// How large its body may be.
    const MAX_BYTES: usize = body::SMALL_BYTES;

    /// The proof it carries.
    fn csrf(&self) -> &str;
}

/// A form without fields of its own.
#[derive(serde::Deserialize)]
pub(crate) struct Empty {
    csrf: String,
}

impl PostedForm for Empty {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

/// A form whose proof was checked. The only way from a form to a handler.
pub(crate) struct Posted<T> {
    pub(crate) page: Page,
    pub(crate) form: T,
    pub(crate) peer: std::net::IpAddr,
}

impl<T: PostedForm> FromRequest<App> for Posted<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let page = Page::new(app, request.extensions().get().cloned());
        let peer = crate::guard::peer(request.extensions());
        let read = async {
            let (head, body) = request.into_parts();
            let whole = Request::from_parts(head.clone(), body);
            let bytes = body::bytes(whole, T::MAX_BYTES).await?;
            let again = Request::from_parts(head, bytes.into());
            let Form(form) = Form::<T>::from_request(again, app)
                .await
                .map_err(|error| unreadable(&format!("its form does not fit: {error}")))?;
            page.check(form.csrf())?;
            Ok::<T, Problem>(form)
        };
        match read.await {
            Ok(form) => Ok(Self { page, form, peer }),
            Err(problem) => Err(page.problem(&problem).into()),
        }
    }
}
