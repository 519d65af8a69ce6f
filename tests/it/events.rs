//! `events/`: a real event for every trigger, which `cargo lambda invoke` sends and these tests too. A
//! function that can't read what AWS sends it, or a trigger without an event, fails here.

use std::collections::BTreeSet;
use std::sync::Arc;

use agent_management::http::cors::Cors;
use agent_management::lambda::rest::{self, Handler};
use agent_management::template::public::PublicTemplates;
use agent_management::tier::Tiers;
use agent_management::usecase::Base;
use agent_management::usecase::library::Library;
use agents::Agents;
use authorizer::{Authorizer, KeySource, Settings};
use harness::App;
use harness::template::{functions, logical_id, resource, resources_of};
use jobs::Jobs;
use local::bucket;
use local::sockets::sockets;
use serde_json::{Value, json};
use templates::Templates;
use webhooks::Webhooks;
use websocket::WebSocket;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../events");

fn event(name: &str) -> Value {
    let text = std::fs::read_to_string(format!("{FOLDER}/{name}.json")).expect("an event");
    serde_json::from_str(&text).expect("JSON")
}

fn read<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_value(event(name)).expect("an event of its kind")
}

/// What `events/local.env` sets.
fn variables() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(format!("{FOLDER}/local.env")).expect("a file");
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.map(|(name, value)| (name.to_owned(), value.trim_matches('\'').to_owned())).collect()
}

fn variable(name: &str) -> String {
    variables().into_iter().find(|(known, _)| known == name).expect("it is set").1
}

async fn answered(handler: &impl Handler, name: &str) -> Value {
    rest::answer(handler, read(name)).await
}

#[tokio::test]
async fn the_rest_functions_answer_proxy_events() {
    let app = App::start().await;
    let tiers = Arc::new(Tiers::embedded().expect("they are good"));
    let (store, clock) = (app.host.store.clone(), app.clock.clone());
    let base = Base::new(store.clone(), Arc::clone(&tiers));
    let agents = Agents::new(base.clone(), clock.clone(), Cors::default());
    let created = answered(&agents, "agents.upsert").await;
    assert_eq!(created["statusCode"], 201, "{created}");
    // The event came through a stage, which every link has.
    let location = created["multiValueHeaders"]["location"][0].as_str().expect("a location");
    assert!(location.starts_with("/live/v1/agents/agt_"), "{location}");
    let listed = answered(&agents, "agents.list").await;
    assert!(listed["body"].as_str().is_some_and(|body| body.contains("from-an-event")), "{listed}");

    let public = Arc::new(PublicTemplates::embedded().expect("they are good"));
    let templates = Templates::new(Library::new(base.clone(), public), clock.clone(), Cors::default());
    assert_eq!(answered(&templates, "templates.instantiate").await["statusCode"], 201);

    app.settle().await;
    let webhooks = Webhooks::new(store, tiers, clock.clone(), Cors::default());
    let events = answered(&webhooks, "webhooks.events").await;
    assert!(events["body"].as_str().is_some_and(|body| body.contains("agent.created")), "{events}");
    assert_eq!(answered(&webhooks, "webhooks.ticket").await["statusCode"], 201);

    let signer = bucket::signer(bucket::url("http://files.localhost")).expect("a place");
    let jobs = Jobs::new(base, signer, clock, Cors::default());
    let started = answered(&jobs, "jobs.start").await;
    assert_eq!(started["statusCode"], 202, "{started}");
    let location = started["multiValueHeaders"]["location"][0].as_str().expect("a location");
    assert!(location.starts_with("/live/v1/jobs/job_"), "{location}");
}

#[tokio::test]
async fn the_authorizer_answers_both_apis() {
    let app = App::start().await;
    let settings = Settings {
        issuer: variable("JWT_ISSUER"),
        audience: variable("JWT_AUDIENCE"),
        tenant_claim: "tenant".to_owned(),
        keys: KeySource::Inline(serde_json::from_str(&variable("JWKS")).expect("a key set")),
    };
    let tiers = Tiers::embedded().expect("they are good");
    let authorizer = Authorizer::new(settings, app.host.store.clone(), tiers, app.clock.clone()).await;
    for name in ["authorizer.rest", "authorizer.websocket"] {
        let answer = authorizer.authorize(read(name)).await.expect("an answer");
        assert_eq!(answer.context["tenant"], "demo-free", "{name}");
        let arn = event(name)["methodArn"].as_str().expect("an arn").to_owned();
        let stage = arn.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
        assert_eq!(answer.policy_document.statement[0].resource, [format!("{stage}/*")]);
    }
}

#[tokio::test]
async fn the_socket_function_answers_its_three_routes() {
    let app = App::start().await;
    let tiers = Arc::new(Tiers::embedded().expect("they are good"));
    let hub = aws_sdk_dynamodb::config::SharedHttpClient::new(app.host.hub.clone());
    let websocket = WebSocket::new(app.host.store.clone(), sockets(hub), tiers, app.clock.clone());
    let id = event("websocket.connect")["requestContext"]["connectionId"].as_str().expect("an id").to_owned();
    let mut end = app.host.hub.open(&id);
    for name in ["websocket.connect", "websocket.default", "websocket.disconnect"] {
        assert_eq!(websocket.handle(read(name)).await, json!({"statusCode": 200}), "{name}");
    }
    assert!(format!("{:?}", end.recv().await).contains("subscribed"));
}

#[tokio::test]
async fn the_fanout_answers_the_stream_and_the_schedule() {
    let app = App::start().await;
    let fanout = &app.host.stream_fanout;
    let batch = fanout.handle(event("stream-fanout.stream")).await.expect("an answer");
    assert_eq!(batch, json!({"batchItemFailures": []}));
    let request = app.client_of("demo-free").get("/v1/events?last=5");
    let page = request.send().await.expect(200).json();
    let types: Vec<_> = page["items"].as_array().expect("items").iter().map(|item| &item["type"]).collect();
    assert_eq!(types, ["agent.created", "agent.updated"]);
    let run = fanout.handle(event("stream-fanout.schedule")).await.expect("an answer");
    assert_eq!(run["resynced"], 0);
    let [(_, schedule)] = resources_of("AWS::Scheduler::Schedule")[..] else {
        panic!("there is one schedule")
    };
    let input = schedule["Properties"]["Target"]["Input"].as_str().expect("an input");
    let input: Value = serde_json::from_str(input).expect("JSON");
    assert_eq!(input, event("stream-fanout.schedule"), "the template's schedule sends another event");
}

#[tokio::test]
async fn the_indexer_answers_the_stream() {
    let app = App::start().await;
    let batch = app.host.search_indexer.handle(event("search-indexer.stream")).await.expect("an answer");
    assert_eq!(batch, json!({"batchItemFailures": []}));
    let found = app.client_of("demo-free").post("/v1/agents/search", &json!({"filter": {"text": "stre*"}}));
    // The list by creation is the heads' own, and there is none here: the word leads to the card.
    assert_eq!(found.send().await.expect(200).json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_worker_answers_the_queue() {
    let app = App::start().await;
    let worker = &app.host.job_worker;
    // Its job is not there, as one is not that was forgotten: there is nothing to do.
    let batch = worker.handle(event("job-worker.queue")).await.expect("an answer");
    assert_eq!(batch, json!({"batchItemFailures": []}));

    // The same message about a job that is there plans it.
    let tenant = "demo-free";
    let said = json!({"kind": "archive_agents", "selector": {"filter": {}}});
    let started = app.client_of(tenant).post("/v1/jobs", &said).send().await.expect(202);
    let mut batch = event("job-worker.queue");
    let body = batch["Records"][0]["body"].as_str().expect("a body");
    let mut message: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(message["tenant"], tenant);
    message["job"] = json!(started.text("/id"));
    batch["Records"][0]["body"] = json!(message.to_string());
    assert_eq!(worker.handle(batch).await.expect("an answer"), json!({"batchItemFailures": []}));
    let path = started.header("location").expect("a location");
    let job = app.client_of(tenant).get(path).send().await.expect(200);
    assert_eq!(job.text("/state"), "succeeded", "{job}");

    // What is no message comes again, and alone.
    let mut batch = event("job-worker.queue");
    let mut bad = batch["Records"][0].clone();
    (bad["messageId"], bad["body"]) = (json!("bad"), json!("{}"));
    batch["Records"].as_array_mut().expect("records").push(bad);
    let answer = worker.handle(batch).await.expect("an answer");
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "bad"}]}));
}

#[test]
fn every_trigger_has_an_event() {
    let files = std::fs::read_dir(FOLDER).expect("a folder");
    let names = files.map(|file| file.expect("readable").file_name().into_string().expect("a name"));
    let events_of: BTreeSet<String> = names
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .map(|name| name.split('.').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(events_of, functions().into_iter().collect());
    for (_, route) in resources_of("AWS::ApiGatewayV2::Route") {
        let key = route["Properties"]["RouteKey"].as_str().expect("a key").trim_start_matches('$');
        assert_eq!(event(&format!("websocket.{key}"))["requestContext"]["routeKey"], format!("${key}"));
    }
    // The tests above name the others; a new kind of trigger changes one of these counts.
    let count = |kind| resources_of(kind).len();
    assert_eq!(
        [
            count("AWS::Lambda::EventSourceMapping"),
            count("AWS::Scheduler::Schedule"),
            count("AWS::ApiGatewayV2::Authorizer")
        ],
        [3, 1, 1]
    );
}

#[test]
fn what_the_functions_read_is_set_for_cargo_lambda() {
    let set: BTreeSet<String> = variables().into_iter().map(|(name, _)| name).collect();
    for function in functions() {
        let variables = &resource(&logical_id(&function))["Properties"]["Environment"]["Variables"];
        for name in variables.as_object().expect("variables").keys() {
            let is_optional = ["CORS_ORIGINS", "JWKS_URL", "JWT_TENANT_CLAIM"].contains(&name.as_str());
            assert!(is_optional || set.contains(name), "events/local.env lacks {name} of {function}");
        }
    }
}
