//! What versions and aliases cost: calls and capacity units, exactly, for an agent as large as the budgets
//! allow once it is published.

use harness::App;
use serde_json::json;

use crate::cost::{HEAD_MAX_BYTES, an_agent_of, head_of, item_bytes, total, warm};
use crate::routes::agents::publish::publish_as;

/// What a publication adds to a head: the number in two forms, the content in short, an alias, operations.
const PUBLICATION_BYTES: usize = 230;

async fn created() -> (App, String) {
    let app = warm().await;
    let document = an_agent_of(HEAD_MAX_BYTES - PUBLICATION_BYTES).await;
    let created = app.client().post("/v1/agents", &document).send().await.expect(201);
    app.recorder.take();
    (app, created.header("location").expect("a location").to_owned())
}

fn operations(app: &App) -> (Vec<String>, (usize, f64, f64)) {
    let calls = app.recorder.take();
    (calls.iter().map(|call| call.operation.clone()).collect(), total(&calls))
}

#[tokio::test]
async fn publish_is_4_calls_of_2_read_units_and_7_write_units() {
    let (app, path) = created().await;
    for name in ["a", "b"] {
        let patched = app.client().patch(&path, &json!({"description": name})).send().await;
        patched.expect(200);
        app.recorder.take();
        app.client().post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
        let (names, cost) = operations(&app);
        assert_eq!(names, ["BatchGetItem", "PutItem", "UpdateItem", "PutItem"]);
        assert_eq!(cost, (4, 2.0, 7.0));
        let bytes = item_bytes(&head_of(&app));
        assert!((HEAD_MAX_BYTES - 100..=HEAD_MAX_BYTES).contains(&bytes), "{bytes}");
    }
    // What has not changed is read, and no more.
    app.client().post(&format!("{path}/publish"), &json!({})).send().await.expect(200);
    assert_eq!(operations(&app).1, (2, 2.5, 0.0));
}

#[tokio::test]
async fn rollback_is_4_calls_of_1_and_a_half_read_units_and_5_write_units() {
    let (app, path) = created().await;
    publish_as(&app.client(), &path, "a").await;
    publish_as(&app.client(), &path, "b").await;
    app.recorder.take();
    app.client().post(&format!("{path}/rollback"), &json!({})).send().await.expect(200);
    let (names, cost) = operations(&app);
    assert_eq!(names, ["GetItem", "GetItem", "UpdateItem", "PutItem"]);
    assert_eq!(cost, (4, 1.5, 5.0));
}

#[tokio::test]
async fn resolving_live_is_one_eventual_read_of_half_a_unit() {
    let (app, path) = created().await;
    publish_as(&app.client(), &path, "a").await;
    app.recorder.take();
    app.client().get(&format!("{path}/resolved")).send().await.expect(200);
    assert_eq!(operations(&app).1, (1, 0.5, 0.0));
    app.client().get(&format!("{path}/resolved?conversation=c")).send().await.expect(200);
    assert_eq!(operations(&app).1, (1, 0.5, 0.0));
}

#[tokio::test]
async fn deleting_a_published_agent_is_2_write_units_more() {
    let (app, path) = created().await;
    publish_as(&app.client(), &path, "a").await;
    app.recorder.take();
    app.client().delete(&path).send().await.expect(204);
    assert_eq!(operations(&app).1.2.to_string(), "9");
}

#[tokio::test]
async fn versions_and_differences_read_the_head_and_what_they_show() {
    let (app, path) = created().await;
    let first = publish_as(&app.client(), &path, "a").await;
    publish_as(&app.client(), &path, "b").await;
    app.recorder.take();
    for (query, calls, units) in [
        ("/versions".to_owned(), 2, 2.0),
        (format!("/versions/{first}"), 2, 1.5),
        ("/diff".to_owned(), 2, 1.5),
        (format!("/diff?from={first}&to=live"), 2, 3.0),
        ("/aliases".to_owned(), 1, 1.0),
    ] {
        app.client().get(&format!("{path}{query}")).send().await.expect(200);
        assert_eq!(operations(&app).1, (calls, units, 0.0), "{query}");
    }
}

#[tokio::test]
async fn the_live_copy_s_repair_costs_nothing_but_a_look_where_it_is_there() {
    let (app, path) = created().await;
    publish_as(&app.client(), &path, "a").await;
    app.settle().await;
    app.recorder.take();
    publish_as(&app.client(), &path, "b").await;
    app.recorder.take();
    app.settle().await;
    let writes: Vec<_> =
        app.recorder.take_of("stream-fanout").into_iter().filter(|call| call.write_units > 0.0).collect();
    // The segment of the log and the two audit rows: one of the patch, one of the publication.
    assert_eq!(writes.len(), 2, "{writes:?}");
}
