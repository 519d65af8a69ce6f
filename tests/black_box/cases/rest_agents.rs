//! Creating an agent, and reading it by id and by key.

use harness::an_agent;
use serde_json::json;

use super::{Case, case};
use crate::client::path_of;
use crate::context::{Context, USER};

pub fn cases() -> Vec<Case> {
    vec![
        case!(a_created_agent_is_where_its_location_says),
        case!(validate_only_creates_nothing),
        case!(an_agent_is_read_by_its_key),
        case!(a_key_belongs_to_one_agent_of_a_tenant),
        case!(an_unchanged_agent_is_304),
        case!(fields_name_the_members_of_an_answer),
        case!(an_upsert_creates_does_nothing_and_changes),
        case!(an_upsert_honours_its_conditions),
    ]
}

async fn a_created_agent_is_where_its_location_says(context: &Context) {
    let client = context.client().await;
    let document = an_agent().with("tags", json!(["eu"])).with("metadata", json!({"team": "care"})).build();
    let created = client.post("/v1/agents", &document).send().await.expect(201);
    let agent = created.json();
    for member in ["name", "tags", "metadata", "config"] {
        assert_eq!(agent[member], document[member], "{member}");
    }
    assert_eq!((&agent["rev"], &agent["status"]), (&json!(1), &json!("active")));
    assert_eq!((&agent["key"], &agent["archived_at"]), (&json!(null), &json!(null)));
    for member in ["owner", "created_by", "updated_by"] {
        assert_eq!(agent[member], USER, "{member}");
    }
    assert_eq!(agent["config_hash"].as_str().map(str::len), Some(64));
    assert_eq!(created.header("etag"), Some("\"1\""));
    let location = created.header("location").expect("a location");
    let got = client.get(&context.follow(&created, location)).send().await.expect(200);
    assert_eq!((got.json(), got.header("etag")), (agent.clone(), Some("\"1\"")));
    assert_eq!(client.get(&path_of(&agent)).send().await.expect(200).json(), agent);
}

async fn validate_only_creates_nothing(context: &Context) {
    let client = context.client().await;
    let document = an_agent().keyed("k").build();
    let would = client.post("/v1/agents?validate_only=true", &document).send().await.expect(200);
    assert_eq!(would.json()["name"], document["name"]);
    assert_eq!(client.used().await, 0);
    client.get("/v1/agents/by-key/k").send().await.problem(404, "not_found");
}

async fn an_agent_is_read_by_its_key(context: &Context) {
    let client = context.client().await;
    let agent = client.create(&an_agent().keyed("support.eu-1").build()).await;
    let path = "/v1/agents/by-key/support.eu-1";
    let got = client.get(path).send().await.expect(200);
    assert_eq!((got.json(), got.header("etag")), (agent, Some("\"1\"")));
    let unchanged = client.get(path).header("if-none-match", "\"1\"").send().await.expect(304);
    assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some("\"1\"")));
    client.get("/v1/agents/by-key/none").send().await.problem(404, "not_found");
}

async fn a_key_belongs_to_one_agent_of_a_tenant(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let keyed = an_agent().keyed("support").build();
    let first = client.create(&keyed).await;
    client.post("/v1/agents", &keyed).send().await.problem(409, "key_taken");
    client.post("/v1/agents?validate_only=true", &keyed).send().await.problem(409, "key_taken");
    let theirs = other.create(&keyed).await;
    assert_ne!(first["id"], theirs["id"], "another tenant's keys are its own");
}

async fn an_unchanged_agent_is_304(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().build()).await;
    let conditional = async |tags: &str| client.get(&path).header("if-none-match", tags).send().await;
    let unchanged = conditional("\"1\"").await.expect(304);
    assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some("\"1\"")));
    conditional("\"7\", W/\"1\"").await.expect(304);
    conditional("\"2\"").await.expect(200);
    client.merge(&path, &json!({"name": "Other"})).send().await.expect(200);
    let changed = conditional("\"1\"").await.expect(200);
    assert_eq!((changed.text("/name").as_str(), changed.header("etag")), ("Other", Some("\"2\"")));
}

async fn fields_name_the_members_of_an_answer(context: &Context) {
    let client = context.client().await;
    let path = client.create_at(&an_agent().keyed("k").build()).await;
    for path in [path.as_str(), "/v1/agents/by-key/k"] {
        let part = client.get(&format!("{path}?fields=name,rev")).send().await.expect(200);
        assert_eq!(part.json(), json!({"name": "Support", "rev": 1}));
        assert_eq!(part.header("etag"), Some("\"1\""));
        for bad in ["fields=", "fields=secret", "fields=name,,rev", "colour=red"] {
            let answer = client.get(&format!("{path}?{bad}")).send().await;
            answer.problem(400, "invalid_parameter");
        }
    }
}

async fn an_upsert_creates_does_nothing_and_changes(context: &Context) {
    let client = context.client().await;
    let path = "/v1/agents/by-key/returns";
    let created = client.put(path, &an_agent().named("Returns").build()).send().await.expect(201);
    assert_eq!(created.header("etag"), Some("\"1\""));
    let location = created.header("location").expect("a location");
    let got = client.get(&context.follow(&created, location)).send().await.expect(200);
    assert_eq!(got.json(), created.json());
    let same = client.put(path, &an_agent().named("Returns").build()).send().await.expect(200);
    assert_eq!((same.json(), same.header("etag")), (created.json(), Some("\"1\"")));
    let changed = client.put(path, &an_agent().named("Returns EU").build()).send().await.expect(200);
    assert_eq!((changed.text("/name").as_str(), changed.header("etag")), ("Returns EU", Some("\"2\"")));
    assert_eq!((&changed.json()["id"], client.used().await), (&created.json()["id"], 1));
}

async fn an_upsert_honours_its_conditions(context: &Context) {
    let client = context.client().await;
    let put = |name: &str| client.put("/v1/agents/by-key/k", &an_agent().named(name).build());
    put("None").header("if-match", "*").send().await.problem(412, "precondition_failed");
    put("First").header("if-none-match", "*").send().await.expect(201);
    put("Second").header("if-none-match", "*").send().await.problem(412, "precondition_failed");
    put("Second").header("if-match", "\"2\"").send().await.problem(412, "precondition_failed");
    put("Second").header("if-match", "\"1\"").send().await.expect(200);
    let other_key = an_agent().keyed("another").build();
    let refused = client.put("/v1/agents/by-key/k", &other_key).send().await;
    assert_eq!(refused.problem(422, "validation_failed")["errors"][0]["pointer"], "/key");
}
