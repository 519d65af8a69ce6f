//! What a tenant may ask of a job that is too much, and what befalls agents meanwhile.

use agent_management::agent::store::was_job;
use harness::{App, Stop, an_agent};
use local::issuer::TokenRequest;
use local::table::stream::records;
use serde_json::{Value, json};

use super::{Taken, a_worker, agent, check_counts, event, stream, take, the_job};
use crate::routes::jobs::{items, run, with_agents};

#[tokio::test]
async fn what_is_wrong_a_hundred_times_over_is_told_in_what_an_item_can_hold() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    for number in 0..100 {
        let body = an_agent().named(&format!("Agent {number}")).build();
        app.client().post("/v1/agents", &body).send().await.expect(201);
    }
    let unknown: serde_json::Map<String, Value> =
        (0..40).map(|number| (format!("{}{number}", "n".repeat(1_000)), json!(1))).collect();
    let said = json!({"kind": "update_agents", "selector": {"filter": {}}, "patch": {"config": unknown}});
    let job = run(&app, &said).await.json();
    assert_eq!((&job["state"], &job["outcomes"]["refused"]), (&json!("succeeded"), &json!(100)), "{job}");
    let refused = items(&app, job["id"].as_str().expect("an id"), "").await;
    assert!(refused[0]["problem"]["errors"].as_array().is_some_and(|errors| !errors.is_empty()));
}

#[tokio::test]
async fn a_page_of_large_patches_fits_an_answer_and_the_rest_follows() {
    let names: Vec<String> = (0..30).map(|number| format!("Agent {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (app, _) = with_agents(&names).await;
    let patch = json!({"config": {"instructions": "x".repeat(150_000)}});
    let said = json!({"kind": "update_agents", "selector": {"filter": {}}, "patch": patch, "dry_run": true});
    let job = run(&app, &said).await.text("/id");
    let page = app.client().get(&format!("/v1/jobs/{job}/items?limit=100")).send().await.expect(200);
    assert!(page.json().to_string().len() < 4 * 1024 * 1024);
    assert!(!page.json()["next_cursor"].is_null());
    let all = items(&app, &job, "").await;
    assert_eq!(all.len(), 30);
    assert!(all.iter().all(|item| !item["patch"].is_null()));
}

#[tokio::test]
async fn numbers_that_grow_when_they_are_kept_are_too_large_and_no_failure() {
    let (app, _) = with_agents(&["One"]).await;
    let body = format!(
        r#"{{"kind": "update_agents", "selector": {{"filter": {{}}}}, "patch": {{"x": [1e15{}]}}}}"#,
        ",1e15".repeat(70_000)
    );
    let request =
        app.client().request(http::Method::POST, "/v1/jobs").header("content-type", "application/json");
    request.body(body).send().await.expect(413);
}

#[tokio::test]
async fn an_agent_that_was_made_again_under_its_key_is_another_one() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let keyed = an_agent().keyed("k");
    let id = app.client().post("/v1/agents", &keyed.clone().build()).send().await.expect(201).text("/id");
    stream(&app).await;
    app.advance(std::time::Duration::from_secs(1));
    let said = json!({"kind": "update_agents", "selector": {"ids": [id]}, "patch": {"description": "bulk"}});
    let job = app.client().post("/v1/jobs", &said).send().await.expect(202).text("/id");
    stream(&app).await;
    let mut messages = Vec::new();
    take(&app, &mut messages);
    let (worker, _) = a_worker(&app, 1);
    worker.handle(event(&messages.remove(0))).await.expect("planned");
    take(&app, &mut messages);
    // Workers end a call later each time: until the decisions are written, and then until the agent is changed.
    let decisions = || app.sort_keys(&format!("T#acme#J#{job}"), "D#").len();
    let (mut calls, mut decided) = (0, 0);
    while agent(&app, &id).await["description"] != "bulk" {
        let (worker, recorder) = a_worker(&app, 3);
        let stop = Stop::new(calls, true);
        recorder.stop_at(&stop);
        tokio::select! {
            () = stop.reached() => {}
            _ = worker.handle(event(&messages[0])) => panic!("it came to its end"),
        }
        calls = if decisions() > decided { 0 } else { calls + 1 };
        decided = decisions();
    }
    app.client().delete(&format!("/v1/agents/{id}")).send().await.expect(204);
    app.advance(std::time::Duration::from_secs(1));
    app.client().post("/v1/agents", &keyed.named("Fresh").build()).send().await.expect(201);
    let (worker, _) = a_worker(&app, 4);
    worker.handle(event(&Taken { receptions: 2, ..messages[0].clone() })).await.expect("an answer");
    let fresh = agent(&app, &id).await;
    assert_eq!((&fresh["name"], &fresh["rev"]), (&json!("Fresh"), &json!(4)), "{fresh}");
    assert_ne!(fresh["description"], "bulk");
    let ended = the_job(&app, &job).await;
    assert_eq!((&ended["state"], &ended["outcomes"]["missing"]), (&json!("succeeded"), &json!(1)), "{ended}");
    check_counts(&app, &ended).await;
}

#[tokio::test]
async fn what_agents_say_is_for_those_who_may_read_agents() {
    let (app, _) = with_agents(&["One"]).await;
    let said = json!({
        "kind": "update_agents", "selector": {"filter": {}}, "dry_run": true,
        "patch": [{"op": "copy", "from": "/config/model/id", "path": "/description"}],
    });
    let job = run(&app, &said).await.text("/id");
    assert!(!items(&app, &job, "").await[0]["patch"].is_null());
    let scopes = Some(vec!["jobs:read".to_owned()]);
    let reader = app.client_with(&TokenRequest { scopes, ..TokenRequest::for_tenant("acme") });
    let page = reader.get(&format!("/v1/jobs/{job}/items")).send().await.expect(200).json();
    assert_eq!((&page["items"][0]["outcome"], &page["items"][0]["patch"]), (&json!("changed"), &Value::Null));
}

#[tokio::test]
async fn what_a_job_makes_or_changes_is_known_in_the_stream() {
    let (app, ids) = with_agents(&["One"]).await;
    let seen = records(&app.host.engine, 0, 1_000).expect("the stream is read").len();
    app.client().patch(&format!("/v1/agents/{}", ids[0]), &json!({"tags": ["x"]})).send().await.expect(200);
    app.settle().await;
    run(&app, &json!({"kind": "update_agents", "selector": {"ids": ids}, "patch": {"tags": ["y"]}})).await;
    let import = json!({"format": "agent_management", "content": [an_agent().named("Imported").build()]});
    app.client().post("/v1/imports", &import).send().await.expect(202);
    app.settle().await;
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let all = records(&app.host.engine, 0, 1_000).expect("the stream is read");
    let heads = all.iter().skip(seen).map(|record| &record.json["dynamodb"]["NewImage"]);
    let by_jobs: Vec<bool> = heads
        .filter(|image| image["entity"]["S"] == "agent")
        .map(|image| was_job(&serde_json::from_value(image.clone()).expect("an item")))
        .collect();
    assert_eq!(by_jobs, [false, true, true, false]);
}
