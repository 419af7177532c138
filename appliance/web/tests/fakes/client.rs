//! A browser or program that remembers its cookies, without a network.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

pub const OUR_HOST: &str = "192.0.2.7";

pub struct Client {
    router: Router,
    pub cookies: BTreeMap<String, String>,
    pub bearer: Option<String>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub fn location(&self) -> &str {
        self.headers[LOCATION].to_str().unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }

    /// The proof that the page's forms carry.
    pub fn csrf(&self) -> String {
        self.after("name=\"csrf\" value=\"")
    }

    /// What stands between this text and the next quotation mark.
    pub fn after(&self, text: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(text)
            .unwrap_or_else(|| panic!("{text} is missing in {}", self.text));
        rest.split('"').next().unwrap().to_owned()
    }
}

impl Client {
    pub fn new(router: Router) -> Self {
        Self {
            router,
            cookies: BTreeMap::new(),
            bearer: None,
        }
    }

    /// Sends exactly this, with the cookies and the token it has.
    pub async fn send(&mut self, mut request: Request<Body>) -> Answer {
        let headers = request.headers_mut();
        headers.entry(HOST).or_insert(OUR_HOST.parse().unwrap());
        if !self.cookies.is_empty() {
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers.insert(COOKIE, cookies.join("; ").parse().unwrap());
        }
        if let Some(token) = &self.bearer {
            let value = format!("Bearer {token}").parse().unwrap();
            headers.insert("authorization", value);
        }
        let response = self.router.clone().oneshot(request).await.unwrap();
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
        let (head, body) = response.into_parts();
        // A stream of events has no end to wait for.
        let is_endless = head
            .headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == "text/event-stream");
        let bytes = if is_endless {
            bytes::Bytes::new()
        } else {
            body.collect().await.unwrap().to_bytes()
        };
        Answer {
            status: head.status,
            headers: head.headers,
            text: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(request).await
    }

    /// As a browser sends a form of one of our pages.
    pub async fn post_form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+").replace('&', "%26")))
            .collect::<Vec<_>>()
            .join("&");
        let request = Request::post(path)
            .header(ORIGIN, format!("https://{OUR_HOST}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// As a browser sends a file of one of our pages.
    pub async fn post_file(&mut self, path: &str, csrf: &str, file: &[u8]) -> Answer {
        let mut body = format!(
            "--edge\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n{csrf}\r\n\
             --edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.lic\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n--edge--\r\n");
        let request = Request::post(path)
            .header(ORIGIN, format!("https://{OUR_HOST}"))
            .header(CONTENT_TYPE, "multipart/form-data; boundary=edge")
            .body(body.into())
            .unwrap();
        self.send(request).await
    }

    /// As a program sends JSON.
    pub async fn json(&mut self, method: &str, path: &str, body: serde_json::Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string().into())
            .unwrap();
        self.send(request).await
    }

    /// Signs in as a browser does.
    pub async fn sign_in(&mut self) {
        self.sign_in_as("owner").await;
    }

    /// Signs in as a browser does, by this name.
    pub async fn sign_in_as(&mut self, name: &str) {
        let page = self.get("/sign-in").await;
        let csrf = page.csrf();
        let fields = [
            ("csrf", csrf.as_str()),
            ("name", name),
            ("password", super::PASSWORD),
        ];
        let answer = self.post_form("/sign-in", &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
    }

    /// Signs in as a program does.
    pub async fn begin_session(&mut self) {
        let body = serde_json::json!({ "name": "owner", "password": super::PASSWORD });
        let answer = self.json("POST", "/api/v1/sessions", body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        self.bearer = Some(answer.json()["token"].as_str().unwrap().to_owned());
    }
}
