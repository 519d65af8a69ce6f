use harness::{App, Fault, an_agent};
use insta::assert_snapshot;
use serde_json::json;

#[tokio::test]
async fn creating_answers_the_agent_with_its_place_and_rev() {
    let app = App::start().await;
    assert_snapshot!(app.client().post("/v1/agents", &an_agent().build()).send().await);
}

#[tokio::test]
async fn every_member_of_a_full_configuration_comes_back() {
    let app = App::start().await;
    app.set_tier("acme", "enterprise", [].into()).await;
    let document = an_agent()
        .keyed("support.eu-1")
        .with("description", json!("First line.\n\tSecond line."))
        .with("tags", json!(["eu", "prod"]))
        .with("metadata", json!({"team": "care"}))
        .with(
            "config",
            json!({
                "model": {
                    "provider": "anthropic", "id": "claude-opus-4-5",
                    "fallbacks": [{"provider": "openai", "id": "gpt-5"}],
                    "parameters": {
                        "temperature": 0.2, "top_p": 1.0, "max_output_tokens": 1000,
                        "stop": ["END"], "reasoning_effort": "low", "seed": -7,
                    },
                },
                "instructions": "Help {{customer}}.",
                "variables_schema": {"type": "object", "properties": {"customer": {"type": "string"}}},
                "tools": [{
                    "tool_id": "search", "version": "1.2", "schema_hash": "sha256:00",
                    "config": {"depth": 1e2, "nested": {"list": [1, 2.5, null]}}, "approval": "always",
                }],
                "mcp_servers": [{
                    "name": "crm", "url": "https://mcp.example.com/v1",
                    "auth_ref": "secret://crm", "allowed_tools": ["find"],
                }],
                "knowledge": [{"id": "kb", "top_k": 5, "filters": {"lang": "en"}}],
                "memory": {"mode": "summary", "scope": "user", "ttl_s": 3600},
                "guardrails": [{"id": "pii", "stage": "output", "action": "redact"}],
                "sub_agents": [{"id": "agt_00000000000000000000000001", "alias": "live"}],
                "response_format": {"type": "json_schema", "schema": {"type": "object"}},
                "limits": {"max_steps": 10, "timeout_s": 60, "budget_usd": 0.5},
            }),
        )
        .build();
    let created = app.client().post("/v1/agents", &document).send().await.expect(201);
    let location = created.header("location").expect("a location").to_owned();
    let got = app.client().get(&location).send().await.expect(200);
    assert_eq!(got.json(), created.json());
    assert_snapshot!(created);
}

#[tokio::test]
async fn validate_only_answers_the_agent_and_saves_nothing() {
    let app = App::start().await;
    app.client().post("/v1/agents?validate_only=true", &an_agent().build()).send().await.expect(200);
    let listed = app.client().get("/v1/agents").send().await.expect(200);
    assert_eq!(listed.json()["items"], json!([]));
}

#[tokio::test]
async fn validate_only_refuses_what_a_creation_would_refuse() {
    let app = App::start().await;
    let keyed = an_agent().keyed("k").build();
    app.client().post("/v1/agents", &keyed).send().await.expect(201);
    let taken = app.client().post("/v1/agents?validate_only=true", &keyed).send().await.expect(409);
    assert_eq!(taken.text("/code"), "key_taken");
    for _ in 0..4 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    let full =
        app.client().post("/v1/agents?validate_only=true", &an_agent().with_tools(6).build()).send().await;
    let codes: Vec<_> = full.expect(403).json()["errors"].as_array().expect("a list").clone();
    assert_eq!(codes.iter().map(|error| &error["code"]).collect::<Vec<_>>(), ["tools_limit", "agents_limit"]);
}

#[tokio::test]
async fn a_wrong_shape_lists_every_broken_bound_with_its_fix() {
    let app = App::start().await;
    let document = json!({
        "key": "no spaces",
        "name": "",
        "description": "d".repeat(2_001),
        "tags": ["a", "a", "", "b"],
        "metadata": {"": "x", "long": "v".repeat(513)},
        "config": {
            "model": {"provider": "anthropic", "id": "x", "parameters": {"temperature": 7}},
            "tools": [{"tool_id": "t"}, {"tool_id": "t"}],
            "mcp_servers": [{"name": "m", "url": "http://plain.example.com", "auth_ref": "hunter2"}],
            "limits": {"max_steps": 0, "budget_usd": -1},
        },
    });
    assert_snapshot!(app.client().post("/v1/agents", &document).send().await);
}

#[tokio::test]
async fn members_that_only_the_service_writes_are_refused() {
    let app = App::start().await;
    for member in ["id", "rev", "status", "owner", "created_at", "config_hash", "robot"] {
        let document = an_agent().with(member, json!("x")).build();
        let answer = app.client().post("/v1/agents", &document).send().await.expect(422);
        assert_eq!(answer.text("/errors/0/pointer"), format!("/{member}"));
        assert_eq!(answer.text("/errors/0/code"), "unknown_field");
    }
}

#[tokio::test]
async fn control_characters_are_pointed_at() {
    let app = App::start().await;
    let document = an_agent().named("a\u{0}b").configured("instructions", json!("ok\n\tno\u{1b}")).build();
    assert_snapshot!(app.client().post("/v1/agents", &document).send().await);
}

#[tokio::test]
async fn malformed_bodies_are_told_apart() {
    let app = App::start().await;
    let send = |body: Vec<u8>| app.client().post("/v1/agents", &json!(null)).body(body).send();
    for (body, status, code) in [
        (b"{".to_vec(), 400, "malformed_body"),
        (b"".to_vec(), 400, "malformed_body"),
        (b"{\"name\":\"a\",\"name\":\"b\"}".to_vec(), 400, "malformed_body"),
        (b"{\"name\":\"\xff\"}".to_vec(), 400, "malformed_body"),
        (b"[]".to_vec(), 422, "validation_failed"),
        (vec![b' '; 384 * 1024 + 1], 413, "payload_too_large"),
        (vec![b' '; 10 * 1024 * 1024 + 1], 413, "payload_too_large"),
    ] {
        let answer = send(body).await.expect(status);
        assert_eq!(answer.text("/code"), code);
    }
    let form =
        app.client().post("/v1/agents", &json!(null)).header("content-type", "text/plain").send().await;
    assert_snapshot!(form);
}

#[tokio::test]
async fn everything_over_the_tier_is_listed_with_its_fix() {
    let app = App::start().await;
    let document = an_agent()
        .on_model("anthropic", "claude-opus-4-5")
        .configured("instructions", json!("é".repeat(4_097)))
        .with_tools(7)
        .configured(
            "mcp_servers",
            json!([{"name": "a", "url": "https://a.example.com"}, {"name": "b", "url": "https://b.example.com"}]),
        )
        .build();
    let answer = app.client().post("/v1/agents", &document).send().await.expect(403);
    let mut document = answer.json();
    // The longest text in it is the one that the fix shortens.
    document["errors"][1]["fix"][0]["value"] = json!("[8,192 bytes]");
    assert_eq!(answer.json()["errors"][1]["fix"][0]["value"].as_str().map(str::len), Some(8_192));
    document["request_id"] = json!("[request-id]");
    assert_snapshot!(format!("{document:#}"));
}

#[tokio::test]
async fn a_free_tenant_cannot_create_a_sixth_agent() {
    let app = App::start().await;
    for _ in 0..5 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    assert_snapshot!(app.client().post("/v1/agents", &an_agent().build()).send().await);
    let other = app.client_of("other").post("/v1/agents", &an_agent().build()).send().await;
    other.expect(201);
}

#[tokio::test]
async fn a_tier_raised_behind_the_cache_counts_at_once() {
    let app = App::start().await;
    app.set_tier("acme", "free", [].into()).await;
    for _ in 0..5 {
        app.client().post("/v1/agents", &an_agent().build()).send().await.expect(201);
    }
    let client = app.client();
    client.get("/v1/agents").send().await.expect(200);
    let tenant = "acme".parse().expect("a tenant");
    // Not through the harness: the authorizer's cache keeps the old tier.
    app.host.entitle(&tenant, "pro", &[].into()).await.expect("written");
    client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
}

#[tokio::test]
async fn a_replay_answers_the_agent_as_it_stands_and_counts_once() {
    let app = App::start().await;
    let create = |document: serde_json::Value| {
        app.client().post("/v1/agents", &document).header("idempotency-key", "k-1").send()
    };
    let first = create(an_agent().build()).await.expect(201);
    let replay = create(an_agent().build()).await.expect(201);
    assert_eq!(replay.json(), first.json());
    assert_eq!(
        (first.header("idempotent-replayed"), replay.header("idempotent-replayed")),
        (None, Some("true"))
    );
    let listed = app.client().get("/v1/agents").send().await;
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(1));
    assert_snapshot!(create(an_agent().named("Other").build()).await);
}

#[tokio::test]
async fn a_replay_is_recognised_before_quota_and_tier_are_judged() {
    let app = App::start().await;
    app.set_tier("acme", "pro", [].into()).await;
    let document = an_agent().with_tools(6).build();
    let create = || app.client().post("/v1/agents", &document).header("idempotency-key", "k-1").send();
    create().await.expect(201);
    app.set_tier("acme", "free", [(agent_management::tier::LimitName::Agents, Some(0))].into()).await;
    let replay = create().await.expect(201);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
}

#[tokio::test]
async fn another_user_s_idempotency_key_is_another_key() {
    let app = App::start().await;
    let create = |user: &str| {
        let token = local::issuer::TokenRequest {
            user: Some(user.to_owned()),
            ..local::issuer::TokenRequest::for_tenant("acme")
        };
        app.client_with(&token).post("/v1/agents", &an_agent().build()).header("idempotency-key", "k").send()
    };
    let (ann, bob) = (create("ann").await.expect(201), create("bob").await.expect(201));
    assert_ne!(ann.text("/id"), bob.text("/id"));
}

#[tokio::test]
async fn a_key_belongs_to_one_agent_of_the_tenant() {
    let app = App::start().await;
    let keyed = an_agent().keyed("support").build();
    let first = app.client().post("/v1/agents", &keyed).send().await.expect(201);
    assert_snapshot!(app.client().post("/v1/agents", &keyed).send().await);
    let other = app.client_of("other").post("/v1/agents", &keyed).send().await.expect(201);
    assert_ne!(first.text("/id"), other.text("/id"));
}

#[tokio::test]
async fn a_hostile_idempotency_key_is_refused() {
    let app = App::start().await;
    for key in ["", "two words", "ключ", &"k".repeat(256)] {
        let outgoing = app.client().post("/v1/agents", &an_agent().build()).header("idempotency-key", key);
        assert_eq!(outgoing.send().await.expect(400).text("/code"), "invalid_parameter", "{key:?}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_failure_and_no_second_agent() {
    let app = App::start().await;
    let client = app.client();
    client.get("/v1/agents").send().await.expect(200);
    app.recorder.break_next([Fault::AnswerLost]);
    client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let listed = client.get("/v1/agents").send().await;
    assert_eq!(listed.json()["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_transaction_that_meets_another_is_tried_again() {
    let app = App::start().await;
    let client = app.client();
    client.get("/v1/agents").send().await.expect(200);
    app.recorder.break_next([Fault::TransactionConflict; 3]);
    client.post("/v1/agents", &an_agent().build()).send().await.expect(201);
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_503_with_retry_after() {
    let app = App::start().await;
    let client = app.client();
    client.get("/v1/agents").send().await.expect(200);
    app.recorder.break_next([Fault::Unreachable; 3]);
    assert_snapshot!(client.post("/v1/agents", &an_agent().build()).send().await);
}
