//! The documents that the service gives of itself.

use agent_management::http::problem::ProblemCode;
use agent_management::http::routes::all;
use harness::App;
use serde_json::Value;

#[tokio::test]
async fn every_route_is_in_the_openapi_document_and_nothing_else() {
    let app = App::start().await;
    let document = app.client_sending(None).get("/openapi.json").send().await.expect(200).json();
    let mut described: Vec<_> = document["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            item.as_object()
                .expect("an item")
                .keys()
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut routes: Vec<_> = all().map(|route| format!("{} {}", route.method.as_str(), route.path)).collect();
    described.sort();
    routes.sort();
    assert_eq!(described, routes);
}

#[tokio::test]
async fn every_reference_in_the_openapi_document_leads_somewhere() {
    let app = App::start().await;
    let document = app.client_sending(None).get("/openapi.json").send().await.expect(200).json();
    let mut references = Vec::new();
    collect_references(&document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect_references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect_references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_problem_has_its_page() {
    let app = App::start().await;
    let anyone = app.client_sending(None);
    let catalogue = anyone.get("/problems").send().await.expect(200);
    let catalogue = String::from_utf8(catalogue.body.to_vec()).expect("UTF-8");
    for code in ProblemCode::ALL {
        let page = anyone.get(&format!("/problems/{}", code.as_str())).send().await.expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(String::from_utf8_lossy(&page.body).contains(code.title()));
        assert!(catalogue.contains(code.as_str()));
    }
    anyone.get("/problems/robots").send().await.expect(404);
}
