//! Entitlements that explain themselves: how much of a limit is used, the warning before it is reached, what
//! another tier would do to a tenant's agents, and models that retire. What is said of agents may be a
//! moment old.

use harness::an_agent;
use serde_json::{Value, json};

use super::rest_templates::{TRIAGE, greeter, pages, pointers};
use super::{Case, case};
use crate::client::{Client, id_of, path_of};
use crate::context::{Context, USER, eventually};
use crate::openapi::UNKNOWN_ID;

const PREVIEW: &str = "/v1/entitlements/preview";
const WARNINGS: &str = "/v1/events?types=entitlements.warning";

pub fn cases() -> Vec<Case> {
    vec![
        case!(usage_grows_with_the_agents_to_the_limit),
        case!(coming_near_a_limit_is_an_event),
        case!(instances_of_templates_count_as_any_agent),
        case!(a_free_tenant_has_no_templates_of_its_own),
        case!(a_preview_of_what_is_changes_nothing),
        case!(a_preview_says_who_would_be_suspended),
        case!(a_preview_is_paged_and_its_cursor_is_its_own),
        case!(a_preview_says_whose_draft_would_be_blocked_and_why),
        case!(a_question_that_is_none_is_refused),
        case!(a_downgrade_is_what_its_preview_said).on_another_tier(),
        case!(a_model_that_retires_names_another),
        case!(an_agent_says_that_its_model_retires),
    ]
}

async fn usage(client: &Client) -> Value {
    client.get("/v1/usage").send().await.expect(200).json()
}

async fn preview(client: &Client, asked: &Value) -> Value {
    client.post(PREVIEW, asked).send().await.expect(200).json()
}

/// Creates an agent of this name and gives it.
async fn create(client: &Client, name: &str) -> Value {
    client.create(&an_agent().named(name).build()).await
}

async fn usage_grows_with_the_agents_to_the_limit(context: &Context) {
    let client = context.client().await;
    let entitlements = client.get("/v1/entitlements").send().await.expect(200).json();
    let limits = &entitlements["limits"];
    let none = json!({"used": 0, "limit": limits["private_templates"], "percent": 0, "level": "ok"});
    let expect = async |used: u64, level: &str| {
        let agents = json!({"used": used, "limit": limits["agents"], "percent": used * 20, "level": level});
        let expected = json!({"tier": entitlements["tier"], "agents": agents, "private_templates": none});
        assert_eq!(usage(&client).await, expected);
    };
    expect(0, "ok").await;
    let mut last = Value::Null;
    for (used, level) in [(1, "ok"), (2, "ok"), (3, "ok"), (4, "warning"), (5, "reached")] {
        last = create(&client, "Support").await;
        expect(used, level).await;
    }
    client.post("/v1/agents", &an_agent().build()).send().await.problem(403, "entitlement_exceeded");
    expect(5, "reached").await;
    client.request("POST", &format!("{}/archive", path_of(&last))).send().await.expect(200);
    expect(4, "warning").await;
    client.delete(&path_of(&last)).send().await.expect(204);
    expect(4, "warning").await;
}

/// The warnings, once there are as many.
async fn warnings(client: &Client, count: usize) -> Vec<Value> {
    eventually("that many warnings", async || {
        let events = client.get(WARNINGS).send().await.expect(200).items();
        (events.len() >= count).then_some(events)
    })
    .await
}

async fn coming_near_a_limit_is_an_event(context: &Context) {
    let client = context.client().await;
    for _ in 0..3 {
        create(&client, "Support").await;
    }
    client.events(3).await;
    assert_eq!(warnings(&client, 0).await, [] as [Value; 0], "3 of 5 are no reason");
    let fourth = create(&client, "Support").await;
    assert_eq!(warnings(&client, 1).await.len(), 1);
    create(&client, "Support").await;
    let two = warnings(&client, 2).await;
    assert_eq!(two.len(), 2);
    for event in &two {
        assert_eq!((&event["type"], &event["actor"]), (&json!("entitlements.warning"), &json!(USER)));
        assert_eq!((&event["tenant"], id_of(&event["data"])), (&json!(client.tenant), "entitlements"));
        assert_eq!(event["changed"], json!(["/usage/agents"]));
    }
    // Going down is none, and coming near again is another.
    client.delete(&path_of(&fourth)).send().await.expect(204);
    create(&client, "Support").await;
    assert_eq!(warnings(&client, 3).await[..2], two);
}

async fn instances_of_templates_count_as_any_agent(context: &Context) {
    let client = context.client().await;
    let (at, said) = (format!("{TRIAGE}/instantiate"), json!({"variables": {"company": "Acme"}}));
    let make = |key: u32| client.post(&at, &said).header("idempotency-key", &format!("key-{key}")).send();
    for key in 0..5 {
        make(key).await.expect(201);
    }
    let refused = make(5).await.problem(403, "entitlement_exceeded");
    let violation = &refused["errors"][0];
    assert_eq!((&violation["code"], &violation["min_tier"]), (&json!("agents_limit"), &json!("pro")));
    assert_eq!(violation["limit"], 5);
    let replay = make(0).await.expect(201);
    assert_eq!(replay.header("idempotent-replayed"), Some("true"));
    assert_eq!(client.used().await, 5);
}

async fn a_free_tenant_has_no_templates_of_its_own(context: &Context) {
    let client = context.client().await;
    let create = client.post("/v1/templates", &greeter()).header("idempotency-key", "one");
    for _ in 0..2 {
        let refused = create.clone().send().await.problem(403, "entitlement_exceeded");
        let violation = &refused["errors"][0];
        let (code, tier) = (json!("private_templates_limit"), json!("pro"));
        assert_eq!((&violation["code"], &violation["min_tier"]), (&code, &tier));
        assert_eq!((&violation["limit"], &violation["current"]), (&json!(0), &json!(0)));
    }
    assert_eq!(pages(&client, "/v1/templates?visibility=private").await, [] as [Value; 0]);
}

async fn a_preview_of_what_is_changes_nothing(context: &Context) {
    let client = context.client().await;
    let agents = [create(&client, "first").await, create(&client, "second").await];
    let entitlements = client.get("/v1/entitlements").send().await.expect(200).json();
    let before = usage(&client).await;
    let asked = json!({"tier": entitlements["tier"], "overrides": entitlements["overrides"]});
    let told = eventually("both agents in the preview", async || {
        let told = preview(&client, &asked).await;
        (told["active_before"] == 2).then_some(told)
    })
    .await;
    assert_eq!((&told["tier"], &told["usage"]), (&entitlements["tier"], &before));
    assert_eq!((&told["active_after"], &told["items"]), (&json!(2), &json!([])));
    for effect in ["suspended", "lifted", "blocked"] {
        assert_eq!(told[effect], 0, "{effect}");
    }
    // Nor does one of what is not.
    preview(&client, &json!({"tier": "free", "overrides": {"agents": 1}})).await;
    for agent in &agents {
        assert_eq!(&client.get(&path_of(agent)).send().await.expect(200).json(), agent);
    }
    assert_eq!(usage(&client).await, before);
    assert_eq!(client.get("/v1/entitlements").send().await.expect(200).json(), entitlements);
}

/// A client with four agents, the first of which was changed last, and an archived one. Gives their ids, the
/// archived one's last, once a preview sees them as they are.
async fn with_agents(context: &Context) -> (Client, Vec<String>) {
    let client = context.client().await;
    let mut ids = Vec::new();
    for name in ["first", "second", "third", "fourth", "attic"] {
        ids.push(id_of(&create(&client, name).await).to_owned());
    }
    client.request("POST", &format!("/v1/agents/{}/archive", ids[4])).send().await.expect(200);
    let change = json!({"description": "Changed last."});
    client.merge(&format!("/v1/agents/{}", ids[0]), &change).send().await.expect(200);
    expect_suspended(&client, &json!([]), &["second", "third"]).await;
    (client, ids)
}

/// Waits until these are the ones who would be suspended if two agents were admitted. They are named in the
/// order of their ids, which is that of their creation.
async fn expect_suspended(client: &Client, keep: &Value, expected: &[&str]) -> Value {
    let asked = json!({"tier": "free", "overrides": {"agents": 2}, "keep": keep});
    eventually(&format!("{expected:?} suspended"), async || {
        let told = preview(client, &asked).await;
        let rows = told["items"].as_array().expect("a list").iter();
        let names: Vec<_> = rows.map(|row| row["name"].clone()).collect();
        (told["active_before"] == 4 && names == expected).then_some(told)
    })
    .await
}

async fn a_preview_says_who_would_be_suspended(context: &Context) {
    let (client, ids) = with_agents(context).await;
    // After those that are kept, those stay that were changed last.
    let told = expect_suspended(&client, &json!([]), &["second", "third"]).await;
    let agents = json!({"used": 4, "limit": 2, "percent": 200, "level": "reached"});
    assert_eq!((&told["usage"]["agents"], &told["usage"]["tier"]), (&agents, &json!("free")));
    assert_eq!((&told["active_after"], &told["suspended"]), (&json!(2), &json!(2)));
    assert_eq!((&told["lifted"], &told["blocked"]), (&json!(0), &json!(0)));
    for (row, id) in told["items"].as_array().expect("a list").iter().zip(&ids[1..]) {
        assert_eq!((id_of(row), &row["published_version"]), (id.as_str(), &json!(null)));
        assert_eq!(row["effects"], json!(["suspended"]));
        let violation = &row["violations"][0];
        assert_eq!((&violation["code"], &violation["limit"]), (&json!("agents_limit"), &json!(2)));
        assert_eq!((&violation["current"], &violation["min_tier"]), (&json!(4), &json!("free")));
    }
    for (keep, expected) in [
        (json!([ids[1], ids[2]]), ["first", "fourth"]),
        (json!([ids[1]]), ["third", "fourth"]),
        (json!([ids[2], ids[1], ids[0]]), ["first", "fourth"]),
        (json!([ids[4], UNKNOWN_ID]), ["second", "third"]),
    ] {
        expect_suspended(&client, &keep, &expected).await;
    }
}

async fn a_preview_is_paged_and_its_cursor_is_its_own(context: &Context) {
    let (client, ids) = with_agents(context).await;
    let asked = json!({"tier": "free", "overrides": {"agents": 1}, "limit": 2});
    let with = |member: &str, value: Value| {
        let mut asked = asked.clone();
        asked[member] = value;
        asked
    };
    let first = preview(&client, &asked).await;
    let cursor = first["next_cursor"].clone();
    assert!(cursor.is_string(), "{first}");
    let second = preview(&client, &with("cursor", cursor.clone())).await;
    assert_eq!((&second["next_cursor"], &second["suspended"]), (&json!(null), &json!(3)));
    let whole = preview(&client, &with("limit", json!(100))).await;
    let of = |page: &Value| page["items"].as_array().expect("a list").clone();
    assert_eq!([of(&first), of(&second)].concat(), of(&whole));
    assert_eq!(of(&whole).iter().map(id_of).collect::<Vec<_>>(), ids[1..4]);
    for (member, value) in [
        ("tier", json!("pro")),
        ("overrides", json!({"agents": 2})),
        ("keep", json!([ids[1]])),
        ("limit", json!(1)),
    ] {
        let mut other = with(member, value);
        other["cursor"] = cursor.clone();
        client.post(PREVIEW, &other).send().await.problem(400, "invalid_cursor");
    }
    let stranger = context.client().await;
    let theirs = stranger.post(PREVIEW, &with("cursor", cursor)).send().await;
    theirs.problem(400, "invalid_cursor");
    client.post(PREVIEW, &with("cursor", json!("AAAA"))).send().await.problem(400, "invalid_cursor");
}

async fn a_preview_says_whose_draft_would_be_blocked_and_why(context: &Context) {
    let client = context.client().await;
    let document = an_agent().named("large").with_tools(3).build();
    let large = client.post("/v1/agents?publish=true", &document).send().await.expect(201).json();
    let small = create(&client, "small").await;
    let asked =
        |agents: Value| json!({"tier": "free", "overrides": {"tools_per_agent": 2, "agents": agents}});
    let told = eventually("a blocked draft", async || {
        let told = preview(&client, &asked(json!(null))).await;
        (told["active_before"] == 2 && told["items"][0]["published_version"] == 1).then_some(told)
    })
    .await;
    assert_eq!((&told["blocked"], &told["suspended"]), (&json!(1), &json!(0)));
    assert_eq!((&told["active_after"], &told["usage"]["agents"]["limit"]), (&json!(2), &json!(null)));
    let row = &told["items"][0];
    assert_eq!((&row["id"], &row["effects"]), (&large["id"], &json!(["blocked"])));
    let violation = &row["violations"][0];
    assert_eq!((&violation["pointer"], &violation["code"]), (&json!("/config/tools"), &json!("tools_limit")));
    assert_eq!((&violation["limit"], &violation["current"]), (&json!(2), &json!(3)));
    // Where there is one place, the small one has it: it was changed last.
    let both = preview(&client, &asked(json!(1))).await;
    assert_eq!(both["items"][0]["effects"], json!(["suspended", "blocked"]));
    assert_eq!(pointers(&both["items"][0]["violations"]), ["", "/config/tools"]);
    let mut kept = asked(json!(1));
    kept["keep"] = json!([large["id"]]);
    let told = preview(&client, &kept).await;
    let rows = told["items"].as_array().expect("a list").iter();
    let told: Vec<_> = rows.map(|row| json!([row["id"], row["effects"]])).collect();
    assert_eq!(told, [json!([small["id"], ["suspended"]]), json!([large["id"], ["blocked"]])]);
}

async fn a_question_that_is_none_is_refused(context: &Context) {
    let client = context.client().await;
    for (bad, pointer) in [
        (json!({}), "/tier"),
        (json!({"tier": "gold"}), "/tier"),
        (json!({"tier": "free", "overrides": {"robots": 1}}), "/overrides"),
        (json!({"tier": "free", "overrides": {"agents": -1}}), "/overrides"),
        (json!({"tier": "free", "keep": ["x"]}), "/keep/0"),
        (json!({"tier": "free", "keep": vec![UNKNOWN_ID; 1_001]}), "/keep"),
        (json!({"tier": "free", "limit": 0}), "/limit"),
        (json!({"tier": "free", "limit": 1_001}), "/limit"),
        (json!({"tier": "free", "robot": 1}), "/robot"),
        (json!([]), ""),
    ] {
        let refused = client.post(PREVIEW, &bad).send().await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), [pointer], "{refused}");
    }
    let malformed = client.post(PREVIEW, &json!(null)).body("{").send().await;
    malformed.problem(400, "malformed_body");
    let query = client.post(&format!("{PREVIEW}?limit=1"), &json!({"tier": "free"}));
    query.send().await.problem(400, "invalid_parameter");
}

async fn a_downgrade_is_what_its_preview_said(context: &Context) {
    let client = context.client_on("pro").await;
    let mut ids = Vec::new();
    for index in 0..6 {
        ids.push(create(&client, &format!("Agent {index}")).await["id"].clone());
    }
    let document = an_agent().named("Large").on_model("anthropic", "claude-sonnet-4-5").with_tools(6);
    let large = client.create(&document.build()).await;
    client.post("/v1/templates", &greeter()).send().await.expect(201);
    for tier in ["pro", "enterprise"] {
        let told = preview(&client, &json!({"tier": tier})).await;
        assert_eq!((&told["items"], &told["tier"]), (&json!([]), &json!(tier)));
    }
    let asked = json!({"tier": "free", "keep": [ids[0]]});
    let told = eventually("every agent in the preview", async || {
        let told = preview(&client, &asked).await;
        (told["active_before"] == 7).then_some(told)
    })
    .await;
    let rows = told["items"].as_array().expect("a list");
    let told_of: Vec<_> = rows.iter().map(|row| json!([row["id"], row["effects"]])).collect();
    // Four of the others were changed after these two.
    let expected =
        [json!([ids[1], ["suspended"]]), json!([ids[2], ["suspended"]]), json!([large["id"], ["blocked"]])];
    assert_eq!(told_of, expected);
    assert_eq!(pointers(&rows[2]["violations"]), ["/config/model", "/config/tools"]);
    assert!(rows.iter().all(|row| row["violations"][0]["min_tier"] == "pro"), "{told}");
    let templates = json!({"used": 1, "limit": 0, "percent": 100, "level": "reached"});
    assert_eq!(told["usage"]["private_templates"], templates);
    context.set_tier(&client.tenant, "free").await;
    assert_eq!(usage(&client).await, told["usage"]);
    let publish = client.request("POST", &format!("{}/publish", path_of(&large))).send().await;
    let refused = publish.problem(403, "entitlement_exceeded");
    assert_eq!(pointers(&refused["errors"]), pointers(&rows[2]["violations"]));
    let types = "/v1/events?types=entitlements.changed";
    let events = eventually("both tiers as events", async || {
        let events = client.get(types).send().await.expect(200).items();
        (events.len() == 2).then_some(events)
    })
    .await;
    assert!(events.iter().all(|event| event["changed"] == json!(["/tier"])), "{events:?}");
}

/// The catalogue, and a model in it that the tier admits and that retires.
async fn retiring(client: &Client) -> (Vec<Value>, Value) {
    let models = client.get("/v1/models").send().await.expect(200).items();
    let is_retiring = |model: &&Value| model["retires_on"].is_string() && model["admitted"] == true;
    let found = models.iter().find(is_retiring).expect("a model that retires").clone();
    (models, found)
}

fn is_model(model: &Value, reference: &Value) -> bool {
    model["provider"] == reference["provider"] && model["id"] == reference["id"]
}

async fn a_model_that_retires_names_another(context: &Context) {
    let (models, _) = retiring(&context.client().await).await;
    for model in models.iter().filter(|model| !model["retires_on"].is_null()) {
        let date = model["retires_on"].as_str().expect("a date");
        assert!(date.len() == 10 && date.split('-').count() == 3, "{model}");
        let fallback = models.iter().find(|other| is_model(other, &model["fallback"]));
        let fallback = fallback.expect("another of the catalogue");
        assert!(fallback["retires_on"].is_null() && !is_model(fallback, model), "{model}");
        // Whoever may use the one may use the other.
        assert!(model["admitted"] == false || fallback["admitted"] == true, "{model}");
    }
}

async fn an_agent_says_that_its_model_retires(context: &Context) {
    let client = context.client().await;
    let (_, model) = retiring(&client).await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let document = an_agent().on_model(&text(&model["provider"]), &text(&model["id"])).build();
    let agent = client.create(&document).await;
    let retirement = json!({"retires_on": model["retires_on"], "fallback": model["fallback"]});
    assert_eq!(agent["model_retiring"], retirement);
    let path = path_of(&agent);
    assert_eq!(client.get(&path).send().await.expect(200).json(), agent);
    let change = json!({"config": {"model": model["fallback"]}});
    let moved = client.merge(&path, &change).send().await.expect(200).json();
    assert_eq!(moved["model_retiring"], json!(null));
    assert_eq!(client.get(&path).send().await.expect(200).json(), moved);
    assert_eq!(create(&client, "Support").await["model_retiring"], json!(null));
}
