//! Templates: the service's own, which every tenant reads and nobody changes, what they render to, and a
//! tenant's own, of which a list may be a moment old.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Case, case};
use crate::client::{Client, MERGE, OPERATIONS, id_of};
use crate::context::{Context, eventually};
use crate::openapi::UNKNOWN_ID;

/// A template of the service's own: the same id everywhere.
pub const TRIAGE: &str = "/v1/templates/tpl_346NJM9F3QYC41MP1VCRMG2AQ1";
/// One that has two versions.
pub const RESEARCH: &str = "/v1/templates/tpl_6VQZF7MR1Q02TVERQ96E4SQVCE";

pub fn cases() -> Vec<Case> {
    vec![
        case!(the_gallery_is_paged_without_gaps_or_repeats),
        case!(a_public_template_is_the_same_for_every_tenant),
        case!(a_template_s_versions_are_listed_newest_first),
        case!(every_example_of_the_gallery_renders),
        case!(a_rendering_says_what_is_missing_and_what_is_wrong),
        case!(what_is_no_template_is_refused_and_pointed_at),
        case!(the_service_s_own_templates_are_only_read),
        case!(an_unknown_template_is_not_found),
        case!(a_private_template_is_written_published_and_deleted).on_another_tier().reaching_alone(&[
            "POST /v1/templates",
            "PATCH /v1/templates/{template_id}",
            "DELETE /v1/templates/{template_id}",
            "POST /v1/templates/{template_id}/publish",
        ]),
    ]
}

/// The content of a template, whose agent greets.
pub fn greeter() -> Value {
    json!({
        "name": "Greeter",
        "variables": [
            {"name": "company", "schema": {"type": "string", "minLength": 1}},
            {"name": "steps", "schema": {"type": "integer", "minimum": 1, "maximum": 50}, "default": 8},
        ],
        "agent": {
            "name": "${company} greeter",
            "config": {
                "model": {"provider": "anthropic", "id": "claude-haiku-4-5"},
                "instructions": "Greet whoever comes to ${company}.",
                "limits": {"max_steps": "${steps}"},
            },
        },
        "example": {"company": "Acme"},
    })
}

pub fn template_at(template: &Value) -> String {
    format!("/v1/templates/{}", id_of(template))
}

/// Every row of a list, page by page. `first` is the path of the first page, with a query.
pub async fn pages(client: &Client, first: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut path = first.to_owned();
    loop {
        let page = client.get(&path).send().await.expect(200);
        rows.extend(page.items());
        match page.json()["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => return rows,
        }
    }
}

/// The pointers of violations, differences or conflicts.
pub fn pointers(list: &Value) -> Vec<&str> {
    let entries = list.as_array().expect("a list").iter();
    entries.map(|entry| entry["pointer"].as_str().expect("a pointer")).collect()
}

async fn the_gallery_is_paged_without_gaps_or_repeats(context: &Context) {
    let client = context.client().await;
    let whole = client.get("/v1/templates?limit=100").send().await.expect(200);
    assert_eq!(whole.json()["next_cursor"], json!(null));
    let rows = whole.items();
    let ids: BTreeSet<_> = rows.iter().map(id_of).collect();
    assert!(rows.len() > 10 && ids.len() == rows.len(), "{whole}");
    assert!(rows.iter().all(|row| row["visibility"] == "public"), "{whole}");
    assert_eq!(pages(&client, "/v1/templates?limit=5").await, rows);
    assert_eq!(pages(&client, "/v1/templates?limit=5&visibility=public").await, rows);
    assert_eq!(pages(&client, "/v1/templates?visibility=private").await, [] as [Value; 0]);
    let cursor = client.get("/v1/templates?limit=5").send().await.expect(200).text("/next_cursor");
    let next = client.get(&format!("/v1/templates?limit=2&cursor={cursor}")).send().await.expect(200);
    assert_eq!(next.items(), rows[5..7]);
    let own = format!("/v1/templates?cursor={cursor}");
    for bad in [client.get(&format!("{own}&visibility=public")), context.client().await.get(&own)] {
        bad.send().await.problem(400, "invalid_cursor");
    }
    for bad in ["visibility=mine", "visibility=", "limit=0", "colour=red"] {
        client.get(&format!("/v1/templates?{bad}")).send().await.problem(400, "invalid_parameter");
    }
}

async fn a_public_template_is_the_same_for_every_tenant(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let got = client.get(TRIAGE).send().await.expect(200);
    let (template, etag) = (got.json(), got.header("etag").expect("an etag"));
    assert!(TRIAGE.ends_with(id_of(&template)), "{got}");
    let theirs = other.get(TRIAGE).send().await.expect(200);
    assert_eq!((theirs.json(), theirs.header("etag")), (template.clone(), Some(etag)));
    let unchanged = client.get(TRIAGE).header("if-none-match", etag).send().await.expect(304);
    assert_eq!((unchanged.body.len(), unchanged.header("etag")), (0, Some(etag)));
    client.get(TRIAGE).header("if-none-match", "\"999\"").send().await.expect(200);
    let rows = pages(&client, "/v1/templates?limit=100").await;
    let row = rows.iter().find(|row| row["id"] == template["id"]).expect("its row");
    for member in ["name", "tags", "rev", "published_version", "created_at", "updated_at"] {
        assert_eq!(row[member], template[member], "{member}");
    }
    assert_eq!(row["variables"], template["variables"].as_array().expect("a list").len());
}

async fn a_template_s_versions_are_listed_newest_first(context: &Context) {
    let client = context.client().await;
    let template = client.get(RESEARCH).send().await.expect(200).json();
    let list = format!("{RESEARCH}/versions");
    let rows = client.get(&list).send().await.expect(200).items();
    let numbers: Vec<_> = rows.iter().map(|row| row["version"].as_u64().expect("a number")).collect();
    let expected: Vec<_> = (1..=rows.len() as u64).rev().collect();
    assert!(rows.len() >= 2 && numbers == expected, "{numbers:?}");
    assert_eq!(template["published_version"], numbers[0]);
    for row in &rows {
        let version = client.get(&format!("{list}/{}", row["version"])).send().await.expect(200).json();
        assert_eq!(version["template_id"], template["id"]);
        for member in ["version", "title", "notes", "published_at", "published_by"] {
            assert_eq!(row[member], version[member], "{member}");
        }
    }
    assert_eq!(pages(&client, &format!("{list}?limit=1")).await, rows);
    let cursor = client.get(&format!("{list}?limit=1")).send().await.expect(200).text("/next_cursor");
    let of_another = client.get(&format!("{TRIAGE}/versions?cursor={cursor}"));
    of_another.send().await.problem(400, "invalid_cursor");
    for none in ["999", "0", "x"] {
        client.get(&format!("{list}/{none}")).send().await.problem(404, "not_found");
    }
}

async fn every_example_of_the_gallery_renders(context: &Context) {
    let client = context.client().await;
    let mut admitted = 0;
    for row in pages(&client, "/v1/templates?visibility=public").await {
        let (path, name) = (template_at(&row), &row["name"]);
        let template = client.get(&path).send().await.expect(200).json();
        let said = json!({"variables": template["example"]});
        let rendering = client.post(&format!("{path}/render"), &said).send().await.expect(200).json();
        assert_eq!(rendering["version"], row["published_version"], "{name}");
        assert_eq!((&rendering["unresolved"], &rendering["unused"]), (&json!([]), &json!([])), "{name}");
        // Nothing is in its way but the tier.
        assert!(rendering["agent"].is_object(), "{rendering}");
        let violations = rendering["violations"].as_array().expect("a list");
        assert!(violations.iter().all(|violation| violation["min_tier"].is_string()), "{rendering}");
        assert!(pointers(&rendering["violations"]).iter().all(|at| at.starts_with("/agent/")), "{rendering}");
        assert_eq!(rendering["valid"], violations.is_empty(), "{name}");
        admitted += usize::from(violations.is_empty());
    }
    assert!(admitted >= 5, "the free tier admits {admitted}");
}

async fn a_rendering_says_what_is_missing_and_what_is_wrong(context: &Context) {
    let client = context.client().await;
    let render = async |said: &Value| client.post(&format!("{TRIAGE}/render"), said).send().await;
    let rendered =
        async |values: Value| render(&json!({"version": 1, "variables": values})).await.expect(200).json();
    let nothing = client.request("POST", &format!("{TRIAGE}/render")).send().await.expect(200).json();
    assert_eq!(render(&json!({})).await.expect(200).json(), nothing);
    assert_eq!((&nothing["valid"], &nothing["agent"]), (&json!(false), &json!(null)));
    assert_eq!((&nothing["unresolved"], &nothing["violations"]), (&json!(["company"]), &json!([])));
    let wrong = rendered(json!({"max_steps": 2, "queues": ["a", "B!"], "robot": 1})).await;
    assert_eq!((&wrong["agent"], &wrong["unresolved"]), (&json!(null), &json!(["company"])));
    assert_eq!((&wrong["version"], &wrong["variables"]["tone"]), (&json!(1), &json!("friendly")));
    let expected = ["/variables/max_steps", "/variables/queues/1", "/variables/robot"];
    assert_eq!(pointers(&wrong["violations"]), expected);
    assert_eq!(wrong["violations"][2]["code"], "unknown_variable");
    // What a value says is not looked at again, and a number stays one.
    let good = rendered(json!({"company": "${product}", "max_steps": 3})).await;
    assert_eq!((&good["valid"], &good["violations"]), (&json!(true), &json!([])));
    assert_eq!(good["agent"]["name"], "${product} support triage");
    assert_eq!(good["agent"]["config"]["limits"]["max_steps"], 3);
    let above = rendered(json!({"company": "Acme", "model": "claude-sonnet-4-5"})).await;
    assert!(above["valid"] == false && above["agent"].is_object(), "{above}");
    assert_eq!(pointers(&above["violations"]), ["/agent/config/model"]);
    assert_eq!(above["violations"][0]["min_tier"], "pro");
    render(&json!({"version": 999})).await.problem(404, "not_found");
    render(&json!({"draft": true})).await.problem(409, "conflict");
    for (bad, pointer) in [
        (json!({"version": 1, "draft": true}), "/draft"),
        (json!({"version": "1"}), "/version"),
        (json!({"variables": []}), "/variables"),
        (json!({"robot": 1}), "/robot"),
    ] {
        let refused = render(&bad).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), [pointer], "{bad}");
    }
    assert_eq!(client.used().await, 0, "nothing is written");
}

async fn what_is_no_template_is_refused_and_pointed_at(context: &Context) {
    let client = context.client().await;
    let (name, schema) = ("/agent/name", "/variables/0/schema");
    for (parent, member, value, pointer, code) in [
        ("", "robot", json!(1), "/robot", "unknown_field"),
        ("/agent", "rev", json!(1), "/agent/rev", "unknown_field"),
        ("/agent", "name", json!("${"), name, "placeholder"),
        ("/agent", "name", json!("${nobody}"), name, "unknown_variable"),
        ("/agent/config", "${company}", json!(1), "/agent/config/${company}", "placeholder"),
        ("/variables/1", "name", json!("company"), "/variables/1/name", "duplicate"),
        ("/variables/1", "default", json!(0), "/variables/1/default", "value"),
        ("/variables/0", "schema", json!({"type": "text"}), schema, "schema"),
        ("/variables/0", "schema", json!({"pattern": "(?=a)"}), schema, "schema"),
        ("/variables/0", "schema", json!({"$ref": "#"}), "/variables/0/schema/$ref", "schema_reference"),
        ("/variables/0", "schema", json!({"description": "x".repeat(8_192)}), schema, "schema_too_large"),
        ("/example", "company", json!(""), "/example/company", "value"),
        ("/example", "nobody", json!(1), "/example/nobody", "unknown_variable"),
    ] {
        let mut document = greeter();
        document.pointer_mut(parent).expect("its parent")[member] = value;
        let problem = client.post("/v1/templates", &document).send().await.problem(422, "validation_failed");
        let is_told = |violation: &Value| violation["pointer"] == pointer && violation["code"] == code;
        assert!(problem["errors"].as_array().expect("a list").iter().any(is_told), "{pointer}: {problem}");
    }
}

async fn the_service_s_own_templates_are_only_read(context: &Context) {
    let client = context.client().await;
    let before = client.get(RESEARCH).send().await.expect(200);
    let etag = before.header("etag").expect("an etag");
    let rename = json!([{"op": "replace", "path": "/name", "value": "Mine"}]);
    for request in [
        client.merge(RESEARCH, &json!({"name": "Mine"})),
        client.patch(RESEARCH, OPERATIONS, &rename).header("if-match", etag),
        client.delete(RESEARCH),
        client.delete(&format!("{RESEARCH}?force=true")),
        client.request("POST", &format!("{RESEARCH}/publish")),
    ] {
        request.send().await.problem(409, "conflict");
    }
    assert_eq!(client.get(RESEARCH).send().await.expect(200).json(), before.json());
}

/// Whatever is asked of the template, it is not there.
async fn is_not_found(client: &Client, path: &str) {
    for part in ["", "/versions", "/versions/1", "/agents"] {
        client.get(&format!("{path}{part}")).send().await.problem(404, "not_found");
    }
    let (nothing, about) = (json!({}), json!({"agent_id": UNKNOWN_ID}));
    let with_nothing = ["render", "instantiate", "publish"].map(|action| (action, &nothing));
    for (action, said) in with_nothing.into_iter().chain([("drift", &about), ("upgrade", &about)]) {
        client.post(&format!("{path}/{action}"), said).send().await.problem(404, "not_found");
    }
    client.merge(path, &json!({"name": "Mine"})).send().await.problem(404, "not_found");
    client.delete(path).send().await.problem(404, "not_found");
}

async fn an_unknown_template_is_not_found(context: &Context) {
    let client = context.client().await;
    for id in ["tpl_00000000000000000000000000", "x", UNKNOWN_ID] {
        is_not_found(&client, &format!("/v1/templates/{id}")).await;
    }
}

async fn a_private_template_is_written_published_and_deleted(context: &Context) {
    let client = context.client_on("pro").await;
    let path = is_created(context, &client).await;
    is_changed(&client, &path).await;
    let versions = is_published(context, &client, &path).await;
    // To another tenant there is no such template.
    is_not_found(&context.client().await, &path).await;
    is_deleted(&client, &path, versions).await;
}

/// Gives the new template's path.
async fn is_created(context: &Context, client: &Client) -> String {
    let create =
        |document: &Value| client.post("/v1/templates", document).header("idempotency-key", "one").send();
    let created = create(&greeter()).await.expect(201);
    let template = created.json();
    for member in ["name", "variables", "agent", "example"] {
        assert_eq!(template[member], greeter()[member], "{member}");
    }
    assert_eq!((&template["visibility"], &template["published_version"]), (&json!("private"), &json!(null)));
    let location = created.header("location").expect("a location");
    let got = client.get(&context.follow(&created, location)).send().await.expect(200);
    assert_eq!((got.json(), got.header("etag")), (template.clone(), Some("\"1\"")));
    let path = template_at(&template);
    client.get(&path).header("if-none-match", "\"1\"").send().await.expect(304);
    let replay = create(&greeter()).await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (template.clone(), Some("true")));
    create(&json!({"name": "Other", "agent": {}})).await.problem(422, "idempotency_key_reused");
    eventually("the tenant's own, and before the service's", async || {
        let own = pages(client, "/v1/templates?visibility=private").await;
        let all = pages(client, "/v1/templates?limit=5").await;
        (own.len() == 1 && own[0]["id"] == template["id"] && all[0] == own[0]).then_some(())
    })
    .await;
    path
}

async fn is_changed(client: &Client, path: &str) {
    let merge = |change: &Value| client.patch(path, MERGE, change);
    let change = json!({"description": "Hello.", "agent": {"config": {"limits": null}}});
    merge(&change).send().await.problem(428, "precondition_required");
    merge(&change).header("if-match", "\"7\"").send().await.problem(412, "precondition_failed");
    let changed = merge(&change).header("if-match", "\"1\"").send().await.expect(200);
    assert_eq!((changed.text("/description").as_str(), changed.header("etag")), ("Hello.", Some("\"2\"")));
    assert_eq!(client.get(path).send().await.expect(200).json(), changed.json());
    // While nothing is published, it is the draft that is rendered.
    let said = json!({"variables": {"company": "Acme"}});
    let rendering = client.post(&format!("{path}/render"), &said).send().await.expect(200).json();
    assert_eq!((&rendering["version"], &rendering["valid"]), (&json!(null), &json!(true)));
    assert_eq!(rendering["unused"], json!(["steps"]));
    client.post(&format!("{path}/instantiate"), &said).send().await.problem(409, "unpublished");
    let limit = |steps: &str| {
        let test = json!({"op": "test", "path": "/name", "value": "Greeter"});
        let add = json!({"op": "add", "path": "/agent/config/limits", "value": {"max_steps": steps}});
        client.patch(path, OPERATIONS, &json!([test, add])).header("if-match", "\"2\"")
    };
    let refused = limit("${nobody}").send().await.problem(422, "validation_failed");
    assert_eq!(pointers(&refused["errors"]), ["/agent/config/limits/max_steps"]);
    assert_eq!(limit("${steps}").send().await.expect(200).header("etag"), Some("\"3\""));
    let same = client.merge(path, &json!({"name": "Greeter"})).send().await.expect(200);
    assert_eq!(same.header("etag"), Some("\"3\""));
    // Nobody may start from an example that is none.
    client.merge(path, &json!({"example": {"company": null}})).send().await.expect(200);
    let refused = client.request("POST", &format!("{path}/publish")).send().await;
    assert_eq!(pointers(&refused.problem(422, "validation_failed")["errors"]), ["/example/company"]);
    client.merge(path, &json!({"example": {"company": "Acme"}})).send().await.expect(200);
}

/// Gives the numbers of two versions, newest first.
async fn is_published(context: &Context, client: &Client, path: &str) -> [u64; 2] {
    let publish = |said: &Value| client.post(&format!("{path}/publish"), said);
    let draft = client.get(path).send().await.expect(200).json();
    publish(&json!({})).header("if-match", "\"1\"").send().await.problem(412, "precondition_failed");
    let release = json!({"title": "First", "notes": "Says hello."});
    let published = publish(&release).send().await.expect(201);
    let publication = published.json();
    let version = &publication["version"];
    for member in ["name", "description", "tags", "variables", "agent", "example"] {
        assert_eq!(version[member], draft[member], "{member}");
    }
    assert_eq!((&version["title"], &version["notes"]), (&release["title"], &release["notes"]));
    assert_eq!((&version["version"], &publication["minted"]), (&draft["rev"], &json!(true)));
    let location = published.header("location").expect("a location");
    assert_eq!(&client.get(&context.follow(&published, location)).send().await.expect(200).json(), version);
    let again = publish(&json!({"title": "Other"})).send().await.expect(200).json();
    assert_eq!((&again["minted"], &again["version"]), (&json!(false), version));
    let change = json!({"agent": {"config": {"instructions": "Greet for ${company}."}}});
    client.merge(path, &change).send().await.expect(200);
    let instructions = async |mut said: Value| {
        said["variables"] = json!({"company": "Acme"});
        let rendering = client.post(&format!("{path}/render"), &said).send().await.expect(200);
        rendering.text("/agent/config/instructions")
    };
    let (first, second) = ("Greet whoever comes to Acme.", "Greet for Acme.");
    assert_eq!(instructions(json!({"draft": true})).await, second);
    assert_eq!(instructions(json!({})).await, first);
    let later = client.request("POST", &format!("{path}/publish")).send().await.expect(201).json();
    assert_eq!(instructions(json!({})).await, second);
    assert_eq!(instructions(json!({"version": version["version"]})).await, first);
    let rows = pages(client, &format!("{path}/versions?limit=1")).await;
    let numbers = [&later["version"], version].map(|version| version["version"].as_u64().expect("a number"));
    assert_eq!(rows.iter().map(|row| row["version"].clone()).collect::<Vec<_>>(), numbers);
    numbers
}

async fn is_deleted(client: &Client, path: &str, versions: [u64; 2]) {
    client.request("DELETE", path).send().await.problem(428, "precondition_required");
    let stale = client.request("DELETE", path).header("if-match", "\"1\"");
    stale.send().await.problem(412, "precondition_failed");
    assert_eq!(client.delete(path).send().await.expect(204).body.len(), 0);
    is_not_found(client, path).await;
    for version in versions {
        eventually("the end of a version", async || {
            let answer = client.get(&format!("{path}/versions/{version}")).send().await;
            (answer.status == 404).then_some(())
        })
        .await;
    }
    let create = |key: &str| client.post("/v1/templates", &greeter()).header("idempotency-key", key).send();
    create("one").await.problem(409, "deleted");
    create("two").await.expect(201);
    assert_eq!(client.get("/v1/usage").send().await.expect(200).json()["private_templates"]["used"], 1);
    let kinds = "created updated updated updated updated published updated published deleted";
    let kinds: Vec<_> = kinds.split(' ').map(|kind| format!("template.{kind}")).collect();
    eventually("an event of each change", async || {
        let events = client.get("/v1/events?limit=100").send().await.expect(200).items();
        let own = events.iter().filter(|event| path.ends_with(id_of(&event["data"])));
        (own.map(|event| event["type"].clone()).collect::<Vec<_>>() == kinds).then_some(())
    })
    .await;
}
