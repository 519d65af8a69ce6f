//! What operations cost: calls and capacity units, exactly, for an agent as large as the budgets
//! allow (a head of 2,048 bytes, an index row of 480).

use harness::{App, Recorded, an_agent};
use http::Method;
use serde_json::{Value, json};

pub const HEAD_MAX_BYTES: usize = 2_048;
const ROW_MAX_BYTES: usize = 480;

/// An agent whose head has `bytes` bytes and whose row in the list is as long as the budgets allow.
/// Bytes of instructions of a trial.
const TRIAL: usize = 1_000;

pub async fn an_agent_of(bytes: usize) -> Value {
    let sized = |name: usize, padding: usize| {
        an_agent()
            .keyed(&"k".repeat(36))
            .with("tags", json!(["a".repeat(64), "b".repeat(64), "c".repeat(40)]))
            .named(&"n".repeat(name))
            .configured("instructions", json!("i".repeat(padding)))
            .build()
    };
    let trial = App::start().await;
    trial.client().post("/v1/agents", &sized(1, TRIAL)).send().await.expect(201);
    let name = ROW_MAX_BYTES - item_bytes(&row_of(&trial)) + 1;
    let padding = bytes - (item_bytes(&head_of(&trial)) + name - 1) + TRIAL;
    assert!(padding >= TRIAL, "a number that the row tells has as many digits");
    sized(name, padding)
}

fn scan(app: &App, request: &Value) -> Vec<Value> {
    let (status, answer) = app.host.engine.call("Scan", &request.to_string());
    assert_eq!(status, 200, "{answer}");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    answer["Items"].as_array().expect("items").clone()
}

pub fn head_of(app: &App) -> Value {
    let items = scan(app, &json!({"TableName": "agent-management"}));
    items.into_iter().find(|item| item["SK"]["S"] == "#H").expect("a head")
}

fn row_of(app: &App) -> Value {
    scan(app, &json!({"TableName": "agent-management", "IndexName": "GSI1"})).remove(0)
}

/// An item's size as DynamoDB counts it: names and values in bytes, lists and maps 3 bytes and one
/// per element more.
pub fn item_bytes(item: &Value) -> usize {
    item.as_object().expect("an item").iter().map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let (kind, content) = value.as_object().and_then(|value| value.iter().next()).expect("a typed value");
    match (kind.as_str(), content) {
        ("S", Value::String(text)) => text.len(),
        ("B", Value::String(base64)) => base64.trim_end_matches('=').len() * 3 / 4,
        ("N", Value::String(digits)) => digits.len().div_ceil(2) + 1,
        ("L", Value::Array(items)) => 3 + items.iter().map(|item| 1 + value_bytes(item)).sum::<usize>(),
        (_, _) => panic!("a kind of value that the head does not have: {value}"),
    }
}

pub fn total(calls: &[Recorded]) -> (usize, f64, f64) {
    let reads = calls.iter().map(|call| call.read_units).sum();
    let writes = calls.iter().map(|call| call.write_units).sum();
    (calls.len(), reads, writes)
}

/// A service in which the authorizer's answer is cached and the tenant has its record.
pub async fn warm() -> App {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    app.client().get("/v1/agents").send().await.expect(200);
    app.recorder.take();
    app
}

#[tokio::test]
async fn create_is_one_transaction_of_7_write_units() {
    let app = warm().await;
    let document = an_agent_of(HEAD_MAX_BYTES).await;
    app.client().post("/v1/agents", &document).send().await.expect(201);
    let calls = app.recorder.take();
    assert_eq!((item_bytes(&head_of(&app)), item_bytes(&row_of(&app))), (HEAD_MAX_BYTES, ROW_MAX_BYTES));
    assert_eq!(total(&calls), (1, 0.0, 7.0), "{calls:?}");
    assert_eq!(calls[0].operation, "TransactWriteItems");
}

#[tokio::test]
async fn one_byte_more_costs_more_so_the_budget_is_at_its_bound() {
    let app = warm().await;
    let document = an_agent_of(HEAD_MAX_BYTES + 1).await;
    app.client().post("/v1/agents", &document).send().await.expect(201);
    assert_eq!(total(&app.recorder.take()), (1, 0.0, 9.0));
}

#[tokio::test]
async fn a_tenant_s_first_create_also_writes_its_place_in_the_index_of_tenants() {
    let app = App::start().await;
    app.client().get("/v1/agents").send().await.expect(200);
    app.recorder.take();
    let document = an_agent_of(HEAD_MAX_BYTES).await;
    app.client().post("/v1/agents", &document).send().await.expect(201);
    assert_eq!(total(&app.recorder.take()), (1, 0.0, 8.0));
}

#[tokio::test]
async fn a_replayed_create_is_one_call() {
    let app = warm().await;
    let document = an_agent_of(HEAD_MAX_BYTES).await;
    let create = || app.client().post("/v1/agents", &document).header("idempotency-key", "k").send();
    create().await.expect(201);
    app.recorder.take();
    create().await.expect(201);
    assert_eq!(app.recorder.take().len(), 1);
}

#[tokio::test]
async fn get_is_one_consistent_read_of_1_unit() {
    let app = warm().await;
    let document = an_agent_of(HEAD_MAX_BYTES).await;
    let created = app.client().post("/v1/agents", &document).send().await.expect(201);
    app.recorder.take();
    app.client().get(created.header("location").expect("a location")).send().await.expect(200);
    let calls = app.recorder.take();
    assert_eq!(total(&calls), (1, 1.0, 0.0));
    assert_eq!(calls[0].operation, "GetItem");
}

#[tokio::test]
async fn list_of_50_is_one_query_of_3_units() {
    let app = warm().await;
    let mut document = an_agent_of(HEAD_MAX_BYTES).await;
    for index in 0..51 {
        document["key"] = json!(format!("{index:k>36}"));
        app.client().post("/v1/agents", &document).send().await.expect(201);
    }
    app.recorder.take();
    let page = app.client().get("/v1/agents?limit=50").send().await.expect(200).json();
    assert_eq!(page["items"].as_array().map(Vec::len), Some(50));
    let calls = app.recorder.take();
    assert_eq!(total(&calls), (1, 3.0, 0.0), "{calls:?}");
    assert_eq!(calls[0].operation, "Query");
}

#[tokio::test]
async fn an_authorizer_s_answer_that_is_cached_costs_nothing() {
    let app = App::start().await;
    app.client().get("/v1/agents").send().await.expect(200);
    assert_eq!(app.recorder.take().len(), 2, "the tenant's record and the list");
    app.client().get("/v1/agents").send().await.expect(200);
    assert_eq!(app.recorder.take().len(), 1);
}

async fn created(app: &App) -> String {
    let document = an_agent_of(HEAD_MAX_BYTES - 100).await;
    let created = app.client().post("/v1/agents", &document).send().await.expect(201);
    app.recorder.take();
    created.header("location").expect("a location").to_owned()
}

#[tokio::test]
async fn update_is_one_read_unit_and_3_write_units() {
    let app = warm().await;
    let path = created(&app).await;
    let patch = app.client().request(Method::PATCH, &path).json(&json!({"description": "twelve bytes"}));
    patch
        .header("content-type", "application/merge-patch+json")
        .header("if-match", "\"1\"")
        .send()
        .await
        .expect(200);
    let calls = app.recorder.take();
    assert_eq!(total(&calls), (2, 1.0, 3.0), "{calls:?}");
    assert_eq!((calls[0].operation.as_str(), calls[1].operation.as_str()), ("GetItem", "UpdateItem"));
}

#[tokio::test]
async fn delete_is_1_and_a_half_read_units_and_7_write_units() {
    let app = warm().await;
    let path = created(&app).await;
    app.client().request(Method::DELETE, &path).header("if-match", "*").send().await.expect(204);
    let calls = app.recorder.take();
    assert_eq!(total(&calls), (3, 1.5, 7.0), "{calls:?}");
    assert_eq!(calls[2].operation, "TransactWriteItems");
}

#[tokio::test]
async fn archive_and_restore_cost_as_much_as_delete() {
    let app = warm().await;
    let path = created(&app).await;
    for action in ["archive", "restore"] {
        app.client().request(Method::POST, &format!("{path}/{action}")).send().await.expect(200);
        assert_eq!(total(&app.recorder.take()), (2, 1.0, 7.0), "{action}");
    }
}

#[tokio::test]
async fn an_upsert_costs_a_read_more_than_a_create_and_no_more_than_an_update() {
    let app = warm().await;
    let mut document = an_agent_of(HEAD_MAX_BYTES - 100).await;
    let key = document["key"].as_str().expect("a key").to_owned();
    let put = async |document: &Value| {
        let path = format!("/v1/agents/by-key/{key}");
        app.client().request(Method::PUT, &path).json(document).send().await;
        total(&app.recorder.take())
    };
    // Reading what is not there costs a unit, too.
    assert_eq!(put(&document).await, (2, 1.0, 7.0));
    assert_eq!(put(&document).await, (1, 1.0, 0.0), "nothing to change, nothing written");
    document["description"] = json!("twelve bytes");
    assert_eq!(put(&document).await, (2, 1.0, 3.0));
}

#[tokio::test]
async fn entitlements_and_usage_are_one_read_and_catalogues_are_none() {
    let app = warm().await;
    for (path, calls) in [("/v1/entitlements", 1), ("/v1/usage", 1), ("/v1/tiers", 0), ("/v1/models", 0)] {
        app.client().get(path).send().await.expect(200);
        assert_eq!(app.recorder.take().len(), calls, "{path}");
    }
}
