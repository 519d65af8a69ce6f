//! What each function's role grants. That it is enough is held against every call of every test, by the
//! recorder; here one run uses every grant there is, so that none is left over.

use std::collections::BTreeSet;
use std::time::Duration;

use agent_management::connection::{Connection, Subscription, store as connections};
use agent_management::event::Filter;
use agent_management::id::EndpointId;
use agent_management::webhook::{self, Endpoint};
use harness::template::{Grant, functions, grants, resource, resources_of};
use harness::{App, Stop, TENANT, an_agent};
use http::{Method, Request};
use serde_json::json;

use crate::flows::publication::overtaken;

/// What Lambda does in the function's name, as its documentation asks, and nobody's code.
const LAMBDAS: &[(&str, &str)] = &[
    ("dynamodb:DescribeStream", "Table.StreamArn"),
    ("dynamodb:GetRecords", "Table.StreamArn"),
    ("dynamodb:GetShardIterator", "Table.StreamArn"),
    ("dynamodb:ListStreams", "Table/stream/*"),
    ("s3:ListBucket", "GivenUpRecords"),
    ("s3:PutObject", "GivenUpRecords/*"),
];

/// The same where messages come from a queue.
const LAMBDAS_OF_JOBS: &[(&str, &str)] = &[
    ("sqs:ChangeMessageVisibility", "JobQueue"),
    ("sqs:DeleteMessage", "JobQueue"),
    ("sqs:GetQueueAttributes", "JobQueue"),
    ("sqs:ReceiveMessage", "JobQueue"),
];

/// What every function has: its own log, and traces, whose actions know no resources.
fn everyones(function: &str) -> BTreeSet<Grant> {
    let log = format!("{}Log", harness::template::logical_id(function));
    BTreeSet::from([
        Grant::new("logs:CreateLogStream", log.clone()),
        Grant::new("logs:PutLogEvents", log),
        Grant::new("xray:PutTelemetryRecords", "*"),
        Grant::new("xray:PutTraceSegments", "*"),
    ])
}

#[tokio::test(start_paused = true)]
async fn every_grant_is_used_and_nothing_more_is_granted() {
    let app = App::start().await;
    use_the_rest_api(&app).await;
    use_sockets(&app).await;
    use_the_stream(&app).await;
    let used = app.recorder.used();
    for function in functions() {
        let mut expected: BTreeSet<Grant> =
            used.iter().filter(|(who, _)| *who == function).map(|(_, grant)| grant.clone()).collect();
        assert!(!expected.is_empty(), "{function} did nothing");
        expected.append(&mut everyones(&function));
        if matches!(function.as_str(), "stream-fanout" | "search-indexer") {
            expected.extend(LAMBDAS.iter().map(|(action, resource)| Grant::new(*action, *resource)));
        }
        if function == "job-worker" {
            let lambdas = LAMBDAS_OF_JOBS.iter();
            expected.extend(lambdas.map(|(action, resource)| Grant::new(*action, *resource)));
        }
        let granted = grants(&function);
        let unused: Vec<_> = granted.difference(&expected).collect();
        assert!(unused.is_empty(), "{function} is granted what it does not use: {unused:?}");
        assert_eq!(granted, expected, "{function}");
    }
}

async fn use_the_rest_api(app: &App) {
    app.set_tier(TENANT, "enterprise", [].into()).await;
    let client = app.client();
    let created = client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let path = created.header("location").expect("a location").to_owned();
    client.get(&path).send().await.expect(200);
    client.get("/v1/agents").send().await.expect(200);
    // Of an agent without entries the head is asked for, which tells it from no agent.
    client.get(&format!("{path}/audit")).send().await.expect(200);
    let patch = client.request(Method::PATCH, &path).json(&json!({"name": "Other"}));
    patch
        .header("content-type", "application/merge-patch+json")
        .header("if-match", "*")
        .send()
        .await
        .expect(200);
    // A snapshot that is taken back, and a draft against a version.
    overtaken(app, &path, "*").await.expect(201);
    client.get(&format!("{path}/versions")).send().await.expect(200);
    client.post("/v1/agents/search", &json!({"sort": "name"})).send().await.expect(200);
    client.request(Method::POST, &format!("{path}/archive")).send().await.expect(200);
    client.request(Method::DELETE, &path).header("if-match", "*").send().await.expect(204);
    client.get("/v1/usage").send().await.expect(200);
    use_templates(app).await;
    app.settle().await;
    use_jobs(app).await;
    client.get("/v1/events").send().await.expect(200);
    client.get(&format!("{path}/audit")).send().await.expect(200);
}

/// Jobs over agents that are named and that are searched for, one that is cancelled, and what follows them.
async fn use_jobs(app: &App) {
    let client = app.client();
    let start = async |said: serde_json::Value| {
        let started = client.post("/v1/jobs", &said).send().await.expect(202);
        app.settle().await;
        started.header("location").expect("a location").to_owned()
    };
    let patch = json!({"tags": ["bulk"]});
    let by_name = json!({"text": "agent"});
    let path = start(json!({"kind": "update_agents", "selector": {"filter": by_name}, "patch": patch})).await;
    client.get("/v1/jobs").send().await.expect(200);
    client.get(&format!("{path}/items")).send().await.expect(200);
    client.post(&format!("{path}/revert"), &json!({})).send().await.expect(202);
    app.settle().await;
    start(json!({"kind": "rebuild_index"})).await;
    let path = start(json!({"kind": "export_agents"})).await;
    let file = client.get(&format!("{path}/file")).send().await.expect(200).text("/url");
    let (_, file) = app.fetch("jobs", &file).await;
    let form = client.post("/v1/imports/uploads", &json!({})).send().await.expect(201).json();
    assert_eq!(app.upload(&form, &file).await.0, 204);
    let said = json!({"format": "agent_management", "upload_id": form["id"], "on_conflict": "skip"});
    client.post("/v1/imports", &said).send().await.expect(202);
    app.settle().await;
    let said = json!({"kind": "delete_agents", "selector": {"filter": {"or": [{"status": "active"}]}}});
    let cancelled = client.post("/v1/jobs", &said).send().await.expect(202);
    let cancelled = cancelled.header("location").expect("a location").to_owned();
    client.post(&format!("{cancelled}/cancel"), &json!({})).send().await.expect(202);
    app.settle().await;
}

async fn use_templates(app: &App) {
    let client = app.client();
    let body = json!({"name": "T", "agent": an_agent().build()});
    let path = client.post("/v1/templates", &body).send().await.expect(201);
    let path = path.header("location").expect("a location").to_owned();
    client.get("/v1/templates").send().await.expect(200);
    client.patch(&path, &json!({"name": "Other"})).send().await.expect(200);
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    // An agent that is changed while its first version is taken: the snapshot is taken back.
    let stop = Stop::new(5, false);
    app.recorder.stop_at(&stop);
    let instantiate = format!("{path}/instantiate?publish=true");
    let mut late = Box::pin(client.post(&instantiate, &json!({"key": "made"})).send());
    tokio::select! {
        () = stop.reached() => {}
        answer = &mut late => panic!("{answer}"),
    }
    let made = client.get("/v1/agents/by-key/made").send().await.expect(200).text("/id");
    client.patch(&format!("/v1/agents/{made}"), &json!({"name": "Changed"})).send().await.expect(200);
    stop.release();
    late.await.expect(201);
    app.settle().await;
    client.get(&format!("{path}/agents")).send().await.expect(200);
    client.delete(&format!("{path}?force=true")).send().await.expect(204);
}

/// Two sockets on a tier that has room for two, and one more, for which the oldest are asked about.
async fn use_sockets(app: &App) {
    let client = app.client_of("small");
    let mut admitted = Vec::new();
    for _ in 0..3 {
        let ticket = client.post("/v1/ws-tickets", &json!({})).send().await.expect(201).text("/ticket");
        let handshake = Request::get(format!("/?ticket={ticket}")).body(()).expect("a request");
        if let Ok(connection) = app.host.gateway.connect(&handshake).await {
            app.host.gateway.message(&connection, r#"{"action":"subscribe","id":"all"}"#).await;
            admitted.push(connection);
        }
        app.advance(Duration::from_mins(1));
    }
    for connection in &admitted {
        app.host.gateway.disconnect(connection).await;
    }
    assert_eq!(admitted.len(), 3, "the hub knows none of them, so each made room for the next");
}

async fn use_the_stream(app: &App) {
    let tenant = TENANT.parse().expect("a tenant");
    let now = app.clock.now();
    let endpoint = Endpoint { id: EndpointId::generate(now), filter: Filter::default() };
    webhook::store::insert(&app.host.store, &tenant, &endpoint).await.expect("written");
    // One that is gone, and one whose token has expired.
    let open = [("gone=", Duration::from_hours(1)), ("expired=", Duration::ZERO)];
    let mut ends = Vec::new();
    for (id, lasts) in open {
        let connection = Connection::open(id.parse().expect("an id"), now + lasts, now);
        let subscription = Subscription::live("all", Filter::default());
        connections::insert(&app.host.store, &tenant, &connection.with(subscription)).await.expect("written");
        if id != "gone=" {
            ends.push(app.host.hub.open(id));
        }
    }
    // More at once than one segment, one record that can't be read, and a change that the stream loses.
    for _ in 0..70 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    let id = app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id");
    app.spoil(&id);
    app.settle().await;
    app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    // Late enough for the change to be missed, and then for the log's last segment to be kept.
    for hours in [13, 22 * 24] {
        app.advance(Duration::from_hours(hours));
        app.host.stream_fanout.handle(json!({"source": "aws.scheduler"})).await.expect("it runs");
    }
}

#[test]
fn only_traces_know_no_resource() {
    for function in functions() {
        for grant in grants(&function) {
            let is_everything = grant.resource == "*" || grant.action.contains('*');
            assert!(!is_everything || grant.action.starts_with("xray:"), "{function}: {grant:?}");
        }
        let role = &resource(&format!("{}Role", harness::template::logical_id(&function)))["Properties"];
        assert!(role["ManagedPolicyArns"].is_null(), "{function} has a policy that is not its own");
    }
}

#[test]
fn an_api_may_invoke_a_function_by_one_permission() {
    let mut seen = BTreeSet::new();
    for (id, permission) in resources_of("AWS::Lambda::Permission") {
        let properties = &permission["Properties"];
        let source = properties["SourceArn"]["Fn::Sub"].as_str().expect("a source");
        let api =
            ["RestApi", "WebSocketApi"].into_iter().find(|api| source.contains(&format!("${{{api}}}/")));
        let api = api.unwrap_or_else(|| panic!("{id} admits more than an API of this stack: {source}"));
        assert_eq!(properties["Principal"], "apigateway.amazonaws.com", "{id}");
        let function = properties["FunctionName"]["Ref"].as_str().expect("a function").to_owned();
        assert!(seen.insert((function, api)), "{id} is the second for its function and API");
    }
    let expected = [
        ("Agents", "RestApi"),
        ("Authorizer", "RestApi"),
        ("Authorizer", "WebSocketApi"),
        ("Jobs", "RestApi"),
        ("Templates", "RestApi"),
        ("Webhooks", "RestApi"),
        ("Websocket", "WebSocketApi"),
    ];
    assert_eq!(seen, expected.map(|(function, api)| (function.to_owned(), api)).into());
}
