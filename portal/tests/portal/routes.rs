//! Every registered route with every role.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, header};
use sealgate_portal::web::{Access, RouteInfo, route_table};

use crate::world::{ADMIN, World};

/// The route with ids that name nothing.
fn path_of(route: &RouteInfo) -> String {
    let id = if route.path.contains("licenses/{id}") {
        "L-999-1"
    } else {
        "00000000-0000-4000-8000-000000000000"
    };
    route
        .path
        .replace("{id}", id)
        .replace("{token}", "nothing")
        .replace("{file}", "nothing.css")
}

async fn ask(world: &World, route: &RouteInfo, token: Option<&str>) -> u16 {
    let mut request = Request::builder()
        .method(Method::from_bytes(route.method.as_bytes()).unwrap())
        .uri(path_of(route));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    world.send(request).await.status.as_u16()
}

#[tokio::test]
async fn the_table_of_routes_is_what_the_router_enforces() {
    let world = World::new();
    world.distributor("Nordlicht", 1).await;
    for route in route_table() {
        let name = format!("{} {}", route.method, route.path);
        let is_api = route.path.starts_with("/api/");
        let stranger = ask(&world, &route, None).await;
        match route.access {
            // An empty sign-in form is a wrong password.
            Access::Anyone if route.path == "/sign-in" => {}
            Access::Anyone => assert!(stranger < 500 && stranger != 401, "{name}: {stranger}"),
            _ => assert_eq!(stranger, if is_api { 401 } else { 303 }, "{name}"),
        }
        // New sessions each time: one of the routes ends them.
        let seller = world.sign_in("nordlicht@seller.test").await;
        let distributor = ask(&world, &route, Some(&seller)).await;
        let admin = ask(&world, &route, Some(&world.sign_in(ADMIN).await)).await;
        assert!(
            distributor < 500 && admin < 500,
            "{name}: {distributor} {admin}"
        );
        assert!(
            ![404, 405].contains(&admin) || route.path.contains('{'),
            "{name}: {admin}"
        );
        if route.access == Access::Admin {
            assert_eq!(distributor, 403, "{name}");
        }
        if is_api && route.access != Access::Anyone {
            assert_ne!(admin, 401, "{name}");
        }
    }
    assert_eq!(world.get("/nothing", "").await.status, 404);
    world
        .get("/api/v1/nothing", "")
        .await
        .expect(404, "SG-API-002");
    let request = Request::put("/api/v1/projects")
        .body(Body::empty())
        .unwrap();
    world.send(request).await.expect(405, "SG-API-006");
}

#[tokio::test]
async fn the_api_description_names_every_api_route() {
    let world = World::new();
    let description = world.get("/api/openapi.json", "").await.expect(200, "");
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let registered: BTreeSet<String> = route_table()
        .iter()
        .filter(|route| route.path.starts_with("/api/v1/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(described, registered);
}
