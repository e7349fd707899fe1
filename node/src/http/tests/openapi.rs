//! The OpenAPI document against the router: the same paths, the same methods.

use axum::body::Body;
use axum::http::Request;
use blockchat_api::paths;

use super::*;

#[tokio::test]
async fn the_router_serves_what_the_document_promises_and_nothing_else() {
    let node = TestNode::new();
    let document = node.get(paths::OPENAPI).await.is(200).clone();
    let promised = document["paths"].as_object().unwrap();
    for (path, item) in promised {
        let filled: String =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        for method in ["get", "post", "put", "delete", "patch"] {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&filled).body(Body::empty());
            let response = node.api.clone().oneshot(request.unwrap()).await.unwrap();
            let served = response.status() != 405;
            assert_eq!(served, item.get(method).is_some(), "{method} {path}: {}", response.status());
            if served && filled == *path && path != paths::EVENTS {
                let answer = answer_of(response).await;
                assert_ne!(answer.body["code"], "unknown_path", "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_is_there_before_the_node_has_joined() {
    let node = TestNode::before_joining(FakeLedger::funded(), None);
    assert_eq!(node.get(paths::OPENAPI).await.is(200)["openapi"], "3.1.0");
}
