//! Another tenant's resources answer exactly like unknown ones, on every route that names one.

use agent_management::http::routes::{
    AgentsOperation as Agents, JobsOperation as Jobs, Operation, Route, TemplatesOperation as Templates,
    WebhooksOperation as Webhooks, all,
};
use harness::{App, Client, an_agent};
use http::Method;
use serde_json::json;

const UNKNOWN_TEMPLATE: &str = "tpl_00000000000000000000000000";
const UNKNOWN_JOB: &str = "job_00000000000000000000000000";
const UNKNOWN_APPROVAL: &str = "apv_00000000000000000000000000";
const UNKNOWN: &str = "agt_00000000000000000000000000";

/// A request of the route that would succeed on the caller's own resource. Exhaustive: a route
/// without its case does not compile.
async fn send(client: &Client<'_>, route: &Route, id: &str) -> String {
    let path = route.path.replace("{id}", id).replace("{key}", "theirs").replace("{tool_id}", "tool-0");
    let path = path.replace("{code}", "not_found").replace("{version}", "1").replace("{alias}", "live");
    let path = path.replace("{approval_id}", UNKNOWN_APPROVAL);
    let path = path.replace("{template_id}", UNKNOWN_TEMPLATE).replace("{job_id}", UNKNOWN_JOB);
    let method: Method = route.method.as_str().parse().expect("a method");
    let request = client.request(method, &path).header("if-match", "*");
    let operation = match route.operation {
        Operation::Agents(operation) => operation,
        Operation::Templates(operation) => {
            return template_request(request, operation, id).send().await.to_string();
        }
        Operation::Jobs(operation) => return job_request(request, operation, id).send().await.to_string(),
        Operation::Webhooks(Webhooks::Events | Webhooks::Audit | Webhooks::CreateTicket) => {
            return request.send().await.to_string();
        }
    };
    let request = match operation {
        Agents::Live
        | Agents::Ready
        | Agents::OpenApi
        | Agents::Problems
        | Agents::Problem
        | Agents::Get
        | Agents::GetByKey
        | Agents::List
        | Agents::Delete
        | Agents::Archive
        | Agents::Restore
        | Agents::Duplicate
        | Agents::ValidateDraft
        | Agents::DeleteTool
        | Agents::Publish
        | Agents::Versions
        | Agents::Version
        | Agents::RestoreVersion
        | Agents::Diff
        | Agents::Rollback
        | Agents::Aliases
        | Agents::DeleteAlias
        | Agents::Resolved
        | Agents::Approvals
        | Agents::Approval
        | Agents::Accept
        | Agents::Reject
        | Agents::Search
        | Agents::Count
        | Agents::Dependents
        | Agents::Tiers
        | Agents::Models
        | Agents::Entitlements
        | Agents::Usage => request,
        Agents::PreviewEntitlements => request.json(&json!({"tier": "free"})),
        Agents::Create | Agents::Upsert | Agents::Validate => request.json(&an_agent().build()),
        Agents::Patch => {
            request.json(&json!({"name": "Mine now"})).header("content-type", "application/merge-patch+json")
        }
        Agents::Transfer => request.json(&json!({"owner": "me"})),
        Agents::PutAlias => request.json(&json!({"routes": [{"version": 1, "weight": 1}]})),
        Agents::PutTool => request.json(&json!({})),
    };
    request.send().await.to_string()
}

/// A request of a route of jobs; `id` is an agent's.
fn job_request<'a>(request: harness::Outgoing<'a>, operation: Jobs, id: &str) -> harness::Outgoing<'a> {
    match operation {
        Jobs::List
        | Jobs::Get
        | Jobs::Items
        | Jobs::File
        | Jobs::BeginUpload
        | Jobs::Cancel
        | Jobs::RetryFailed
        | Jobs::Revert => request,
        Jobs::Import | Jobs::PreviewImport => {
            request.json(&json!({"format": "agent_management", "content": []}))
        }
        Jobs::Start => request.json(&json!({
            "kind": "update_agents",
            "selector": {"ids": [id]},
            "patch": {"name": "Mine now"},
        })),
    }
}

/// A request of a route of templates; `id` is an agent's.
fn template_request<'a>(
    request: harness::Outgoing<'a>,
    operation: Templates,
    id: &str,
) -> harness::Outgoing<'a> {
    match operation {
        Templates::List
        | Templates::Get
        | Templates::Delete
        | Templates::Publish
        | Templates::Versions
        | Templates::Version
        | Templates::Agents => request,
        Templates::Create => request.json(&json!({"name": "Theirs", "agent": an_agent().build()})),
        Templates::Patch => {
            request.json(&json!({"name": "Mine now"})).header("content-type", "application/merge-patch+json")
        }
        Templates::Render | Templates::Instantiate => request.json(&json!({"variables": {}})),
        Templates::Drift | Templates::Upgrade => request.json(&json!({"agent_id": id})),
    }
}

#[tokio::test]
async fn another_tenant_s_id_answers_like_an_unknown_one_on_every_route() {
    let app = App::start().await;
    let document = an_agent().keyed("theirs").with_tools(1).build();
    let theirs = app.client_of("other").post("/v1/agents", &document).send().await.expect(201);
    let before = theirs.json();
    let mut walked = 0;
    for route in all().filter(|route| route.path.contains("{id}")) {
        let answer = send(&app.client(), route, &theirs.text("/id")).await;
        assert_eq!(
            answer,
            send(&app.client(), route, UNKNOWN).await,
            "{} {}",
            route.method.as_str(),
            route.path
        );
        assert!(answer.starts_with("404"), "{answer}");
        walked += 1;
    }
    assert!(walked >= 10);
    let path = theirs.header("location").expect("a location");
    assert_eq!(app.client_of("other").get(path).send().await.json(), before);
}

#[tokio::test]
async fn another_tenant_s_job_answers_like_an_unknown_one_on_every_route() {
    let app = App::start().await;
    let agent = app.client_of("other").post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let said = json!({"kind": "archive_agents", "selector": {"ids": [agent.text("/id")]}});
    let theirs = app.client_of("other").post("/v1/jobs", &said).send().await.expect(202);
    app.settle().await;
    let path = theirs.header("location").expect("a location");
    let before = app.client_of("other").get(path).send().await.expect(200).json();
    assert_eq!(before["state"], "succeeded");
    let mut walked = 0;
    for route in all().filter(|route| route.path.contains("{job_id}")) {
        let mut answers = Vec::new();
        for job in [theirs.text("/id").as_str(), UNKNOWN_JOB] {
            let Operation::Jobs(operation) = route.operation else { panic!("{}", route.path) };
            let method: Method = route.method.as_str().parse().expect("a method");
            let request = app.client().request(method, &route.path.replace("{job_id}", job));
            answers.push(job_request(request, operation, "").send().await.to_string());
        }
        assert_eq!(answers[0], answers[1], "{}", route.path);
        assert!(answers[0].starts_with("404"), "{}", answers[0]);
        walked += 1;
    }
    assert!(walked >= 5);
    assert_eq!(app.client_of("other").get(path).send().await.json(), before);

    // A job over another tenant's agents finds none of them.
    let mine = app.client().post("/v1/jobs", &said).send().await.expect(202);
    app.settle().await;
    let ended = app.client().get(mine.header("location").expect("a location")).send().await.json();
    assert_eq!((&ended["state"], &ended["outcomes"]["missing"]), (&json!("succeeded"), &json!(1)));
    // Nor does one that follows another tenant's job.
    let revert = format!("{path}/revert");
    assert_eq!(app.client().post(&revert, &json!({})).send().await.status, 404);
}

#[tokio::test]
async fn another_tenant_s_template_answers_like_an_unknown_one_on_every_route() {
    let app = App::start().await;
    app.set_tier("other", "pro", [].into()).await;
    let body = json!({"name": "Theirs", "agent": an_agent().build()});
    let theirs = app.client_of("other").post("/v1/templates", &body).send().await.expect(201);
    let place = theirs.header("location").expect("a location");
    app.client_of("other").post(&format!("{place}/publish"), &json!({})).send().await.expect(201);
    let before = app.client_of("other").get(place).send().await.json();
    let client = app.client();
    let own = client.post("/v1/agents", &an_agent().build()).send().await.expect(201).text("/id");
    let mut walked = 0;
    for route in all().filter(|route| route.path.contains("{template_id}")) {
        let mut answers = Vec::new();
        for template in [&theirs.text("/id"), UNKNOWN_TEMPLATE] {
            let path = route.path.replace("{template_id}", template).replace("{version}", "1");
            let method: Method = route.method.as_str().parse().expect("a method");
            let request = client.request(method, &path).header("if-match", "*");
            let Operation::Templates(operation) = route.operation else { panic!("{}", route.path) };
            answers.push(template_request(request, operation, &own).send().await.to_string());
        }
        assert_eq!(answers[0], answers[1], "{} {}", route.method.as_str(), route.path);
        assert!(answers[0].starts_with("404"), "{}", answers[0]);
        walked += 1;
    }
    assert!(walked >= 10);
    assert_eq!(app.client_of("other").get(place).send().await.json(), before);
}

#[tokio::test]
async fn every_call_of_every_route_names_the_caller_s_partitions_only() {
    let app = App::start().await;
    let client = app.client();
    app.client_of("acme2").post("/v1/agents", &an_agent().build()).send().await.expect(201);
    let mut searched = false;
    for route in all() {
        let document = an_agent().with_tools(1).build();
        let created = client.post("/v1/agents", &document).send().await;
        let id = if created.status == 201 { created.text("/id") } else { UNKNOWN.to_owned() };
        // Both tenants' index has something to find.
        app.settle().await;
        app.recorder.take();
        let answer = send(&client, route, &id).await;
        assert!(!answer.starts_with('5'), "{answer}");
        for partition in app.recorder.take().into_iter().flat_map(|call| call.partitions) {
            if partition.starts_with("T#acme#X#") {
                searched = true;
            }
            let is_own = partition == "T#acme" || partition.starts_with("T#acme#");
            let is_shared = partition.starts_with("TEN#") || partition == "T#_#ping";
            assert!(is_own || is_shared, "{} {}: {partition}", route.method.as_str(), route.path);
        }
        let path = format!("/v1/agents/{id}");
        client.request(Method::DELETE, &path).header("if-match", "*").send().await;
    }
    assert!(searched, "the index was asked");
}

#[tokio::test]
async fn another_tenant_s_approval_and_agents_are_not_found() {
    let app = App::start().await;
    app.set_tier("other", "enterprise", [].into()).await;
    let theirs = app.client_of("other");
    let created = theirs.post("/v1/agents?publish=true", &an_agent().named("Theirs").build()).send().await;
    let path = created.expect(201).header("location").expect("a location").to_owned();
    let policy =
        json!({"routes": [{"version": 1, "weight": 1}], "policy": {"approve": ["instructions_changed"]}});
    theirs.put(&format!("{path}/aliases/live"), &policy).send().await.expect(200);
    theirs.patch(&path, &json!({"config": {"instructions": "x"}})).send().await.expect(200);
    let asked = theirs.post(&format!("{path}/publish"), &json!({})).send().await.expect(202);
    let place = asked.header("location").expect("a location").to_owned();
    app.settle().await;
    let mine = app.client_as("someone");
    let unknown = format!("/v1/approvals/{UNKNOWN_APPROVAL}");
    assert_eq!(mine.get(&place).send().await.to_string(), mine.get(&unknown).send().await.to_string());
    for action in ["accept", "reject"] {
        mine.post(&format!("{place}/{action}"), &json!({})).send().await.expect(404);
    }
    assert_eq!(mine.get("/v1/approvals").send().await.expect(200).json()["items"], json!([]));
    for filter in [json!({}), json!({"text": "theirs"}), json!({"owner": "dev"}), json!({"text": "th*"})] {
        let found = mine.post("/v1/agents/search", &json!({"filter": filter})).send().await.expect(200);
        assert_eq!(found.json()["items"], json!([]));
    }
    assert_eq!(theirs.get(&place).send().await.text("/state"), "pending");
}
