//! Agents that are made from templates: making them, how far one and its template have grown apart, and
//! how they come together again. What is listed or searched may be a moment old.

use futures_util::future::join_all;
use harness::an_agent;
use json_patch::Patch;
use serde_json::{Value, json};

use super::rest_templates::{RESEARCH, TRIAGE, greeter, pages, pointers, template_at};
use super::{Case, case};
use crate::client::{Client, OPERATIONS, Outgoing, path_of};
use crate::context::{Context, USER, eventually};
use crate::openapi::UNKNOWN_ID;

/// What clients write of an agent.
const CONTENT: [&str; 5] = ["name", "description", "tags", "metadata", "config"];
/// What the second version of a template changed, and an agent, too.
const CONFLICT: &str = "/config/limits/max_steps";
/// The scopes of those who use templates, each with what can't be done without it.
const NEEDED: [(&str, &[&str]); 4] = [
    ("agents:read", &["agents", "drift"]),
    ("agents:write", &["instantiate", "instantiate?publish=true", "upgrade", "upgrade?preview=true"]),
    ("agents:publish", &["instantiate?publish=true"]),
    ("templates:read", &["agents", "render", "instantiate", "drift", "upgrade", "upgrade?preview=true"]),
];

pub fn cases() -> Vec<Case> {
    vec![
        case!(an_instance_is_what_was_rendered),
        case!(an_instance_is_published_as_it_is_made),
        case!(instances_are_listed_and_found_by_their_template),
        case!(a_repeated_instantiation_makes_one_agent),
        case!(wrong_variables_make_no_agent),
        case!(each_step_needs_its_scopes),
        case!(drift_says_who_changed_what),
        case!(a_preview_of_an_upgrade_changes_nothing),
        case!(a_conflict_is_for_the_caller_to_decide),
        case!(an_upgrade_goes_there_and_back),
        case!(an_upgrade_is_of_an_agent_and_its_own_template),
        case!(a_private_template_is_followed_and_kept_by_its_agents).on_another_tier(),
    ]
}

fn instantiate(client: &Client, template: &str, said: &Value) -> Outgoing {
    client.post(&format!("{template}/instantiate"), said)
}

/// An agent made from the first version of the template that has two.
async fn researcher(client: &Client) -> Value {
    let said = json!({"version": 1, "variables": {"organisation": "Acme"}});
    instantiate(client, RESEARCH, &said).send().await.expect(201).json()
}

/// The same, changed where the second version changes it, too.
async fn conflicting(client: &Client, made: &Value) -> Value {
    let change = json!({"description": "Mine.", "config": {"limits": {"max_steps": 30}}});
    client.merge(&path_of(made), &change).send().await.expect(200).json()
}

/// Asks this of the template that has two versions about an agent.
fn ask(client: &Client, action: &str, agent: &Value, mut said: Value) -> Outgoing {
    said["agent_id"] = agent["id"].clone();
    client.post(&format!("{RESEARCH}/{action}"), &said)
}

async fn is_still(client: &Client, agent: &Value) {
    assert_eq!(&client.get(&path_of(agent)).send().await.expect(200).json(), agent);
}

fn content(agent: &Value) -> Value {
    CONTENT.into_iter().map(|member| (member, agent[member].clone())).collect()
}

async fn an_instance_is_what_was_rendered(context: &Context) {
    let client = context.client().await;
    let variables = json!({"company": "Acme", "max_steps": 9});
    let said = json!({"version": 1, "variables": variables});
    let rendering = client.post(&format!("{TRIAGE}/render"), &said).send().await.expect(200).json();
    let made = instantiate(&client, TRIAGE, &said).send().await.expect(201);
    let agent = made.json();
    assert_eq!(content(&agent), rendering["agent"]);
    let link = json!({"id": rendering["template_id"], "version": 1, "variables": variables});
    assert_eq!(agent["template"], link);
    assert_eq!((&agent["published_version"], made.header("etag")), (&json!(null), Some("\"1\"")));
    let location = made.header("location").expect("a location");
    let got = client.get(&context.follow(&made, location)).send().await.expect(200);
    assert_eq!(got.json(), agent);
    // It may have a name and a key of its own.
    let said = json!({"version": 1, "variables": variables, "name": "Front desk", "key": "front-desk"});
    let named = instantiate(&client, TRIAGE, &said).send().await.expect(201).json();
    assert_eq!((&named["name"], &named["config"]), (&json!("Front desk"), &agent["config"]));
    assert_eq!(client.get("/v1/agents/by-key/front-desk").send().await.expect(200).json(), named);
    instantiate(&client, TRIAGE, &said).send().await.problem(409, "key_taken");
    assert_eq!(client.create(&an_agent().build()).await["template"], json!(null));
}

async fn an_instance_is_published_as_it_is_made(context: &Context) {
    let client = context.client().await;
    let said = json!({"variables": {"company": "Acme"}});
    let make = || client.post(&format!("{TRIAGE}/instantiate?publish=true"), &said);
    let made = make().header("idempotency-key", "one").send().await.expect(201);
    let agent = made.json();
    assert_eq!((&agent["published_version"], made.header("etag")), (&json!(1), Some("\"2\"")));
    assert_eq!(client.resolved(&path_of(&agent), 1).await.json()["config"], agent["config"]);
    let replay = make().header("idempotency-key", "one").send().await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (agent, Some("true")));
    assert_eq!(client.used().await, 1);
}

async fn instances_are_listed_and_found_by_their_template(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let said = json!({"variables": {"company": "Acme"}});
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(instantiate(&client, TRIAGE, &said).send().await.expect(201).json());
    }
    researcher(&client).await;
    let is_all = |rows: &[Value]| {
        let is_there = |agent: &Value| rows.iter().any(|row| row["id"] == agent["id"]);
        rows.len() == made.len() && made.iter().all(is_there)
    };
    eventually("every instance in the list", async || {
        is_all(&pages(&client, &format!("{TRIAGE}/agents?limit=2")).await).then_some(())
    })
    .await;
    let query = json!({"filter": {"template": made[0]["template"]["id"]}});
    eventually("every instance by its template", async || {
        is_all(&client.post("/v1/agents/search", &query).send().await.expect(200).items()).then_some(())
    })
    .await;
    assert_eq!(pages(&other, &format!("{TRIAGE}/agents?limit=2")).await, [] as [Value; 0]);
    client.get(&format!("{TRIAGE}/agents?cursor=AAAA")).send().await.problem(400, "invalid_cursor");
}

async fn a_repeated_instantiation_makes_one_agent(context: &Context) {
    let client = context.client().await;
    let said = json!({"variables": {"company": "Acme"}});
    let make =
        |template: &str, said: &Value| instantiate(&client, template, said).header("idempotency-key", "one");
    let answers = join_all((0..6).map(|_| make(TRIAGE, &said).send_until_answered())).await;
    let agent = answers[0].json();
    for answer in answers {
        assert_eq!(answer.expect(201).json(), agent);
    }
    let replay = make(TRIAGE, &said).send().await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (agent.clone(), Some("true")));
    assert_eq!(client.used().await, 1);
    let other = json!({"variables": {"company": "Other"}});
    make(TRIAGE, &other).send().await.problem(422, "idempotency_key_reused");
    let organisation = json!({"variables": {"organisation": "Acme"}});
    make(RESEARCH, &organisation).send().await.problem(422, "idempotency_key_reused");
    client.delete(&path_of(&agent)).send().await.expect(204);
    make(TRIAGE, &said).send().await.problem(409, "deleted");
    assert_eq!(client.used().await, 0);
}

async fn wrong_variables_make_no_agent(context: &Context) {
    let client = context.client().await;
    let make = async |said: &Value| instantiate(&client, TRIAGE, said).send().await;
    for (said, expected) in [
        (json!({}), "/variables/company"),
        (json!({"variables": {"company": 7}}), "/variables/company"),
        (json!({"variables": {"company": "Acme", "queues": ["a", "B!"]}}), "/variables/queues/1"),
        (json!({"variables": {"company": "Acme", "robot": 1}}), "/variables/robot"),
        (json!({"variables": {"company": "x".repeat(9_000)}}), "/variables"),
        (json!({"variables": {"company": "Acme"}, "name": ""}), "/name"),
        (json!({"variables": {"company": "Acme"}, "key": "no spaces"}), "/key"),
        (json!({"variables": {"company": "Acme"}, "robot": 1}), "/robot"),
    ] {
        let refused = make(&said).await.problem(422, "validation_failed");
        let told = pointers(&refused["errors"]);
        assert!(!told.is_empty() && told.iter().all(|pointer| *pointer == expected), "{refused}");
    }
    make(&json!({"version": 999, "variables": {"company": "Acme"}})).await.problem(404, "not_found");
    let model = json!({"variables": {"company": "Acme", "model": "claude-sonnet-4-5"}});
    let refused = make(&model).await.problem(403, "entitlement_exceeded");
    assert_eq!(refused["errors"][0]["min_tier"], "pro");
    assert_eq!(client.used().await, 0);
}

async fn each_step_needs_its_scopes(context: &Context) {
    let client = context.client().await;
    let agent = researcher(&client).await;
    for (missing, actions) in NEEDED {
        let scopes: Vec<_> =
            NEEDED.iter().map(|(scope, _)| *scope).filter(|scope| *scope != missing).collect();
        let said = json!({"tenant": client.tenant, "user": USER, "scopes": scopes});
        let limited = context.client_with(&said).await;
        for action in actions {
            let request = match action.split('?').next() {
                Some("agents") => limited.get(&format!("{RESEARCH}/agents")),
                Some("drift" | "upgrade") => ask(&limited, action, &agent, json!({"version": 2})),
                _ => limited.post(&format!("{RESEARCH}/{action}"), &json!({})),
            };
            let answer = request.send().await;
            let detail = answer.problem(403, "insufficient_scope")["detail"].clone();
            assert!(detail.as_str().is_some_and(|detail| detail.contains(missing)), "{action}: {answer}");
        }
    }
    is_still(&client, &agent).await;
    assert_eq!(client.used().await, 1);
}

async fn drift_says_who_changed_what(context: &Context) {
    let client = context.client().await;
    let made = researcher(&client).await;
    let drift = async |said: Value| ask(&client, "drift", &made, said).send().await.expect(200).json();
    let none = drift(json!({"version": 1})).await;
    for member in ["agent_changes", "template_changes", "conflicts", "unresolved", "dropped"] {
        assert_eq!(none[member], json!([]), "{member}");
    }
    let agent = conflicting(&client, &made).await;
    let told = drift(json!({"version": 2})).await;
    assert_eq!((&told["agent_id"], &told["agent_rev"]), (&agent["id"], &agent["rev"]));
    assert_eq!((&told["from_version"], &told["to_version"]), (&json!(1), &json!(2)));
    assert_eq!(pointers(&told["agent_changes"]), [CONFLICT, "/description"]);
    let mine = json!({"pointer": "/description", "before": made["description"], "after": "Mine."});
    assert_eq!(told["agent_changes"][1], mine);
    let theirs = ["/config/instructions", CONFLICT, "/config/limits/timeout_s", "/config/tools"];
    assert_eq!(pointers(&told["template_changes"]), theirs);
    let conflict = json!({"pointer": CONFLICT, "base": 24, "agent": 30, "template": 40});
    assert_eq!(told["conflicts"], json!([conflict]));
    let latest = client.get(RESEARCH).send().await.expect(200).json()["published_version"].clone();
    assert_eq!(drift(json!({})).await["to_version"], latest);
    is_still(&client, &agent).await;
}

async fn a_preview_of_an_upgrade_changes_nothing(context: &Context) {
    let client = context.client().await;
    let agent = conflicting(&client, &researcher(&client).await).await;
    let preview =
        async |said: Value| ask(&client, "upgrade?preview=true", &agent, said).send().await.expect(200);
    let previewed = preview(json!({"version": 2})).await;
    assert_eq!(previewed.header("etag"), Some("\"2\""), "the agent's as it is");
    let upgrade = previewed.json();
    assert_eq!((&upgrade["applied"], &upgrade["to_version"]), (&json!(false), &json!(2)));
    let patch: Patch = serde_json::from_value(upgrade["patch"].clone()).expect("a JSON Patch");
    let mut patched = content(&agent);
    json_patch::patch(&mut patched, &patch).expect("it applies to the agent");
    assert_eq!(patched, content(&upgrade["agent"]));
    assert_eq!(upgrade["agent"]["template"]["version"], 2);
    assert_eq!(pointers(&upgrade["conflicts"]), [CONFLICT]);
    assert_eq!(pointers(&upgrade["violations"]), [CONFLICT]);
    let decided = preview(json!({"version": 2, "take": "template"})).await.json();
    assert_eq!((&decided["violations"], &decided["conflicts"][0]["taken"]), (&json!([]), &json!("template")));
    let model = json!({"version": 2, "take": "agent", "variables": {"model": "gemini-2.5-pro"}});
    let above = preview(model.clone()).await.json();
    assert_eq!(above["violations"][0]["code"], "model_not_admitted");
    ask(&client, "upgrade", &agent, model).send().await.problem(403, "entitlement_exceeded");
    is_still(&client, &agent).await;
}

async fn a_conflict_is_for_the_caller_to_decide(context: &Context) {
    let client = context.client().await;
    let agent = conflicting(&client, &researcher(&client).await).await;
    let upgrade = async |said: Value| ask(&client, "upgrade", &agent, said).send().await;
    let undecided = upgrade(json!({"version": 2})).await.problem(409, "merge_conflict");
    assert_eq!(pointers(&undecided["errors"]), [CONFLICT]);
    for (bad, pointer) in [
        (json!({"version": 2, "take": "mine"}), "/take"),
        (json!({"version": 2, "resolutions": {"/name": "agent"}}), "/resolutions/~1name"),
        (json!({"version": 2, "variables": {"robot": 1}}), "/variables/robot"),
        (json!({"version": 2, "variables": {"readers": "robots"}}), "/variables/readers"),
        (json!({"version": 2, "robot": 1}), "/robot"),
    ] {
        let refused = upgrade(bad).await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), [pointer]);
    }
    is_still(&client, &agent).await;
    let of_template = json!({CONFLICT: "template"});
    for (said, taken, steps) in [
        (json!({"version": 2, "take": "agent"}), "agent", 30),
        (json!({"version": 2, "take": "template"}), "template", 40),
        (json!({"version": 2, "resolutions": of_template}), "template", 40),
        (json!({"version": 2, "take": "agent", "resolutions": of_template}), "template", 40),
    ] {
        let agent = conflicting(&client, &researcher(&client).await).await;
        let upgraded = ask(&client, "upgrade", &agent, said).send().await.expect(200).json();
        assert_eq!((&upgraded["applied"], &upgraded["conflicts"][0]["taken"]), (&json!(true), &json!(taken)));
        let after = &upgraded["agent"];
        // Where only one side changed something, it has its way.
        let limits = json!({"max_steps": steps, "timeout_s": 600, "budget_usd": 0.5});
        assert_eq!((&after["config"]["limits"], &after["description"]), (&limits, &json!("Mine.")));
        assert_eq!((&after["template"]["version"], &after["rev"]), (&json!(2), &json!(3)));
        is_still(&client, after).await;
    }
}

async fn an_upgrade_goes_there_and_back(context: &Context) {
    let client = context.client().await;
    let path = path_of(&researcher(&client).await);
    // What the agent has beside the template's stays.
    let tool = json!([{"op": "add", "path": "/config/tools/-", "value": {"tool_id": "mail"}}]);
    let agent =
        client.patch(&path, OPERATIONS, &tool).header("if-match", "*").send().await.expect(200).json();
    for action in ["upgrade", "upgrade?preview=true"] {
        let request = ask(&client, action, &agent, json!({"version": 2}));
        request.clone().header("if-match", "\"1\"").send().await.problem(412, "precondition_failed");
        request.header("if-match", "1").send().await.problem(400, "invalid_parameter");
    }
    is_still(&client, &agent).await;
    let upgrade = async |said: Value| ask(&client, "upgrade", &agent, said).send().await.expect(200).json();
    let there = json!({"version": 2, "variables": {"citation_style": "footnotes"}});
    let there = ask(&client, "upgrade", &agent, there).header("if-match", "\"2\"").send().await.expect(200);
    assert_eq!(there.header("etag"), Some("\"3\""));
    let there = there.json();
    assert_eq!((&there["conflicts"], &there["violations"]), (&json!([]), &json!([])));
    let tools = there["agent"]["config"]["tools"].as_array().expect("a list").iter();
    let tools: Vec<_> = tools.map(|tool| tool["tool_id"].clone()).collect();
    assert_eq!(tools, ["web.search", "web.read", "notes.write", "mail", "citations.verify"]);
    let variables = json!({"organisation": "Acme", "citation_style": "footnotes"});
    assert_eq!(there["agent"]["template"]["variables"], variables);
    is_still(&client, &there["agent"]).await;
    let again = upgrade(json!({"version": 2})).await;
    assert_eq!((&again["patch"], &again["agent"]), (&json!([]), &there["agent"]));
    let back = upgrade(json!({"version": 1})).await;
    assert_eq!((&back["from_version"], &back["to_version"]), (&json!(2), &json!(1)));
    assert_eq!(back["dropped"], json!(["citation_style"]));
    assert_eq!(content(&back["agent"]), content(&agent));
    assert_eq!((&back["agent"]["template"], &back["agent"]["rev"]), (&agent["template"], &json!(4)));
    assert!(client.events(4).await[2]["changed"].to_string().contains("\"/template/version\""));
}

async fn an_upgrade_is_of_an_agent_and_its_own_template(context: &Context) {
    let (client, other) = (context.client().await, context.client().await);
    let agent = researcher(&client).await;
    let plain = client.create(&an_agent().build()).await;
    let [unknown, none] = [UNKNOWN_ID, "x"].map(|id| json!({"id": id}));
    for action in ["drift", "upgrade", "upgrade?preview=true"] {
        let second = || json!({"version": 2});
        ask(&client, action, &plain, second()).send().await.problem(409, "conflict");
        let of_another = client.post(&format!("{TRIAGE}/{action}"), &json!({"agent_id": agent["id"]}));
        of_another.send().await.problem(409, "conflict");
        ask(&client, action, &agent, json!({"version": 999})).send().await.problem(404, "not_found");
        ask(&client, action, &unknown, second()).send().await.problem(404, "not_found");
        ask(&other, action, &agent, second()).send().await.problem(404, "not_found");
        let refused = ask(&client, action, &none, second()).send().await.problem(422, "validation_failed");
        assert_eq!(pointers(&refused["errors"]), ["/agent_id"]);
    }
    is_still(&client, &agent).await;
    client.request("POST", &format!("{}/archive", path_of(&agent))).send().await.expect(200);
    ask(&client, "upgrade", &agent, json!({"version": 2})).send().await.problem(409, "conflict");
}

async fn a_private_template_is_followed_and_kept_by_its_agents(context: &Context) {
    let client = context.client_on("pro").await;
    let path = template_at(&client.post("/v1/templates", &greeter()).send().await.expect(201).json());
    let publish = async || {
        let published = client.request("POST", &format!("{path}/publish")).send().await.expect(201);
        published.json()["version"]["version"].clone()
    };
    let post = |part: &str, said: &Value| client.post(&format!("{path}/{part}"), said);
    let first = publish().await;
    let said = json!({"variables": {"company": "Acme", "steps": 9}});
    let make = |key: &str| post("instantiate", &said).header("idempotency-key", key);
    let agent = make("one").send().await.expect(201).json();
    // The next version asks for something else.
    let tone = json!({"name": "tone", "schema": {"enum": ["dry", "warm"]}});
    let change = json!([
        {"op": "replace", "path": "/variables/1", "value": tone},
        {"op": "replace", "path": "/agent/config/instructions", "value": "Greet ${company}, ${tone}."},
        {"op": "remove", "path": "/agent/config/limits"},
        {"op": "add", "path": "/example/tone", "value": "dry"},
    ]);
    client.patch(&path, OPERATIONS, &change).header("if-match", "*").send().await.expect(200);
    let second = publish().await;
    let of_agent = json!({"agent_id": agent["id"]});
    let drift = post("drift", &of_agent).send().await.expect(200).json();
    assert_eq!((&drift["from_version"], &drift["to_version"]), (&first, &second));
    assert_eq!((&drift["unresolved"], &drift["dropped"]), (&json!(["tone"]), &json!(["steps"])));
    let refused = post("upgrade", &of_agent).send().await.problem(422, "validation_failed");
    assert_eq!(pointers(&refused["errors"]), ["/variables/tone"]);
    let warm = json!({"agent_id": agent["id"], "variables": {"tone": "warm"}});
    let agent = post("upgrade", &warm).send().await.expect(200).json()["agent"].clone();
    assert_eq!(agent["config"]["instructions"], "Greet Acme, warm.");
    assert_eq!(agent["template"]["variables"], json!({"company": "Acme", "tone": "warm"}));
    let old = json!({"version": first, "variables": {"company": "Acme"}});
    let old = post("instantiate", &old).send().await.expect(201).json();
    assert_eq!((&old["template"]["version"], &old["config"]["limits"]["max_steps"]), (&first, &json!(8)));
    let new = json!({"variables": {"company": "Acme", "tone": "dry"}});
    let new = post("instantiate", &new).send().await.expect(201).json();
    assert_eq!(new["template"]["version"], second);
    eventually("its agents in the list", async || {
        (pages(&client, &format!("{path}/agents?limit=1")).await.len() == 3).then_some(())
    })
    .await;
    let refused = client.delete(&path).send().await.problem(409, "has_dependents");
    let named = refused["errors"].as_array().expect("a list");
    for kept in [&agent, &old, &new] {
        assert!(named.iter().any(|violation| violation["current"] == kept["id"]), "{refused}");
    }
    client.delete(&format!("{path}?force=maybe")).send().await.problem(400, "invalid_parameter");
    client.delete(&format!("{path}?force=true")).send().await.expect(204);
    // Agents outlive their template, and so does the answer to the request that made one.
    is_still(&client, &agent).await;
    let replay = make("one").send().await.expect(201);
    assert_eq!((replay.json(), replay.header("idempotent-replayed")), (agent, Some("true")));
    make("two").send().await.problem(404, "not_found");
    post("drift", &of_agent).send().await.problem(404, "not_found");
}
