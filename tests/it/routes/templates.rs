//! Templates where two requests, two versions or two documents meet. What a single request answers is in the
//! black-box suite.

use harness::{App, Client, TENANT, an_agent};
use http::Method;
use serde_json::{Value, json};

/// A template for `company`, bounded by `schema`.
fn a_template(schema: &Value) -> Value {
    json!({
        "name": "T",
        "variables": [{"name": "company", "schema": schema}],
        "agent": an_agent().named("For ${company}").build(),
        "example": {"company": "us"},
    })
}

async fn start() -> App {
    let app = App::start().await;
    app.set_tier(TENANT, "pro", [].into()).await;
    app
}

/// A template and its first version.
async fn published(client: &Client<'_>, document: &Value) -> String {
    let created = client.post("/v1/templates", document).send().await.expect(201);
    let path = created.header("location").expect("a location").to_owned();
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    path
}

async fn made(client: &Client<'_>, path: &str, said: &Value) -> String {
    client.post(&format!("{path}/instantiate"), said).send().await.expect(201).text("/id")
}

#[tokio::test]
async fn a_repeated_request_answers_what_it_made_whatever_became_of_the_template() {
    let app = start().await;
    let client = app.client();
    let path = published(&client, &a_template(&json!({"type": "string"}))).await;
    let said = json!({"variables": {"company": "us"}});
    let instantiate = async || {
        let request = client.post(&format!("{path}/instantiate"), &said).header("idempotency-key", "i1");
        request.send().await.expect(201)
    };
    let first = instantiate().await.text("/id");
    // A version that needs another value, one that is no template any more, and none.
    let more = json!({
        "variables": [{"name": "company", "schema": {}}, {"name": "more", "schema": {}}],
        "agent": {"description": "${more}"},
        "example": {"company": "us", "more": "x"},
    });
    client.patch(&path, &more).send().await.expect(200);
    let publish = async |title: &str| {
        let said = json!({"title": title});
        client.post(&format!("{path}/publish"), &said).header("idempotency-key", "p1").send().await
    };
    let version = publish("Two").await.expect(201).json()["version"].clone();
    assert_eq!(instantiate().await.text("/id"), first);
    client.patch(&path, &json!({"name": "Later"})).send().await.expect(200);
    let again = publish("Two").await.expect(201);
    assert_eq!((again.header("idempotent-replayed"), &again.json()["version"]), (Some("true"), &version));
    assert_eq!(publish("Three").await.expect(422).text("/code"), "idempotency_key_reused");
    client.delete(&format!("{path}?force=true")).send().await.expect(204);
    let replayed = instantiate().await;
    assert_eq!((replayed.text("/id"), replayed.header("idempotent-replayed")), (first, Some("true")));
    // What is left of its versions is none.
    client.get(&format!("{path}/versions/1")).send().await.expect(404);
    client.post(&format!("{path}/instantiate"), &json!({"version": 1})).send().await.expect(404);
}

#[tokio::test]
async fn drift_says_what_keeps_the_later_version_from_being_rendered() {
    let app = start().await;
    let client = app.client();
    let path = published(&client, &a_template(&json!({"type": "string"}))).await;
    let agent = made(&client, &path, &json!({"variables": {"company": "Long name"}})).await;
    let shorter = a_template(&json!({"type": "string", "maxLength": 4}));
    client.patch(&path, &json!({"variables": shorter["variables"]})).send().await.expect(200);
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    let asked = json!({"agent_id": agent});
    let drift = client.post(&format!("{path}/drift"), &asked).send().await.expect(200).json();
    assert_eq!(drift["violations"][0]["pointer"], "/variables/company");
    client.post(&format!("{path}/upgrade"), &asked).send().await.expect(422);
    let said = json!({"agent_id": agent, "variables": {"company": "Ours"}});
    client.post(&format!("{path}/upgrade"), &said).send().await.expect(200);
    let said = json!({"agent_id": agent, "variables": {"other": null}});
    let refused = client.post(&format!("{path}/upgrade"), &said).send().await.expect(422);
    assert_eq!(refused.text("/errors/0/pointer"), "/variables/other");
}

#[tokio::test]
async fn an_upgrade_may_be_sent_again_and_a_name_of_one_s_own_is_no_conflict() {
    let app = start().await;
    let client = app.client();
    let path = published(&client, &a_template(&json!({"type": "string"}))).await;
    let said = json!({"variables": {"company": "us"}, "name": "Mine"});
    let agent = made(&client, &path, &said).await;
    let at = format!("/v1/agents/{agent}");
    client.patch(&at, &json!({"description": "Mine"})).send().await.expect(200);
    let changed = json!({"agent": {"name": "Of ${company}", "description": "Theirs"}});
    client.patch(&path, &changed).send().await.expect(200);
    client.post(&format!("{path}/publish"), &json!({})).send().await.expect(201);
    let upgrade = format!("{path}/upgrade");
    let asked = json!({"agent_id": agent});
    let conflicts = client.post(&upgrade, &asked).send().await.expect(409).json();
    let places: Vec<_> =
        conflicts["errors"].as_array().expect("conflicts").iter().map(|one| &one["pointer"]).collect();
    assert_eq!(places, ["/description"]);
    let said = json!({"agent_id": agent, "resolutions": {"/description": "template"}});
    let first = client.post(&upgrade, &said).send().await.expect(200).json();
    assert_eq!((&first["agent"]["name"], &first["agent"]["description"]), (&json!("Mine"), &json!("Theirs")));
    let again = client.post(&upgrade, &said).send().await.expect(200).json();
    assert_eq!(again["agent"], first["agent"], "nothing is written");
    // An archived one is read-only, and a preview says so.
    client.request(Method::POST, &format!("{at}/archive")).send().await.expect(200);
    for upgrade in [upgrade.clone(), format!("{upgrade}?preview=true")] {
        client.post(&upgrade, &json!({"agent_id": agent, "version": 1})).send().await.expect(409);
    }
    // A copy follows the template, too.
    let copy = client.post(&format!("{at}/duplicate"), &json!({})).send().await.expect(201).json();
    assert_eq!(copy["template"], first["agent"]["template"]);
}

/// What is left of a version that the head does not name is none, on every route that names one.
#[tokio::test]
async fn a_snapshot_that_the_head_does_not_name_is_no_version() {
    let app = start().await;
    let client = app.client();
    let path = published(&client, &a_template(&json!({"type": "string"}))).await;
    let id = path.rsplit('/').next().expect("an id");
    let mut stray = app.item(&format!("T#{TENANT}#M#{id}"), "V#000000000001").expect("a version");
    stray["SK"] = json!({"S": "V#000000000099"});
    app.host.engine.import(vec![serde_json::from_value(stray).expect("an item")]).expect("imported");
    client.get(&format!("{path}/versions/1")).send().await.expect(200);
    client.get(&format!("{path}/versions/99")).send().await.expect(404);
    let said = json!({"version": 99, "variables": {"company": "us"}});
    client.post(&format!("{path}/render"), &said).send().await.expect(404);
    client.post(&format!("{path}/instantiate"), &said).send().await.expect(404);
}

/// Small bodies that would take much to judge: refused by their bounds, or judged at once.
#[tokio::test]
async fn schemas_and_values_that_would_take_long_or_much_are_refused() {
    let app = start().await;
    let client = app.client();
    let create = async |schema: Value, default: Value| {
        let mut document = a_template(&json!({}));
        document["variables"] = json!([{"name": "company", "schema": schema, "default": default}]);
        document["example"] = json!({});
        client.post("/v1/templates", &document).send().await
    };
    let many = |one: &Value, count: usize| json!({"allOf": vec![one.clone(); count]});
    let never = json!({"items": {"not": {"minimum": 0}}});
    let patterns: Vec<Value> =
        (0..11).map(|number| json!({"pattern": format!("[^a]{{20}}{number}")})).collect();
    let nested = (0..70).fold(json!(1), |inner, _| json!([inner]));
    for (schema, default, code) in [
        (many(&never, 190), json!(vec![1; 100_000]), "too_large"),
        (many(&never, 400), json!([]), "schema_too_large"),
        (json!({"allOf": patterns}), json!("x"), "schema_too_large"),
        (json!({"pattern": "(?<=a)b"}), json!("x"), "schema"),
        (json!({"pattern": r"(a)\1"}), json!("x"), "schema"),
        (json!({"pattern": r"\pL{1000}{1000}"}), json!("x"), "schema"),
        (json!({"items": {"multipleOf": 1e-300}}), json!([1]), "schema_reference"),
        (json!({"unevaluatedProperties": false}), json!({}), "schema_reference"),
        (json!({"$ref": "https://example.com/schema"}), json!(1), "schema_reference"),
        (json!({"properties": {"a": {"$ref": "#"}}}), json!(1), "schema_reference"),
        (json!({}), nested, "too_deep"),
        (json!({"type": "nothing"}), json!(1), "schema"),
    ] {
        let refused = create(schema.clone(), default).await.expect(422);
        assert_eq!(refused.text("/errors/0/code"), code, "{schema}");
    }
    // One violation of a value, however often it breaks its schema; names that only look like keywords.
    let refused = create(many(&never, 190), json!(vec![1; 4_000])).await.expect(422);
    assert_eq!(refused.json()["errors"].as_array().map(Vec::len), Some(1));
    let named = json!({"properties": {"$ref": {"enum": [{"$id": 1}]}, "definitions": {}}});
    create(named, json!("us")).await.expect(201);
}
